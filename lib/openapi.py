"""An OpenAPI 3.1 document made from resources: their operations are the only source."""

import json
import re
from collections.abc import Iterable
from functools import cache
from inspect import cleandoc
from typing import Any

import azure.functions as func
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from lib.errors import Failure, Forbidden, Invalid, PreconditionFailed, Unauthenticated, Unavailable
from lib.openapi_parts import (
    CONVENTIONS,
    PROBLEM,
    components,
    condition,
    headers,
    limit_line,
    path_parameter,
    refusal,
)
from lib.problems import KeyInProgress, KeyReused, MethodNotAllowed, TooLarge, UnsupportedMediaType, status_of
from lib.web import Call, Nothing, Operation, Query, Reply, Resource

TITLE, VERSION = "Community Questions", "1"

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_DONE = {200: "Done.", 201: "Created.", 202: "Accepted: the work goes on.", 204: "Done; there is nothing to say."}

_EVERYWHERE: tuple[Failure, ...] = (Invalid(), Unauthenticated(), Forbidden(), MethodNotAllowed(()), Unavailable())
"""Forbidden, because an anonymous visitor's token is good and names nobody."""

_WITH_BODY: tuple[Failure, ...] = (TooLarge(), UnsupportedMediaType())
_WITH_KEY: tuple[Failure, ...] = (KeyReused(), KeyInProgress())
_UNEXPECTED = 500
_LIMITED = 429


def document(resources: Iterable[Resource], *, title: str, version: str) -> dict[str, Any]:
    """The document, with keys in a fixed order so that two of them can be compared as text."""
    known = [resource for resource in resources if resource.operations]
    schemas = _schemas(known)
    paths = {f"/{resource.route}": _path(resource, schemas) for resource in known}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": CONVENTIONS,
        },
        "security": [{"contextToken": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            **components(),
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.components.items()))},
        },
    }


class _Schemas:
    """Schemas of request models and answer types, each under its own name in the components."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._bodies: dict[Any, dict[str, Any]] = {}
        self._answers: dict[int, dict[str, Any]] = {}

    def add_models(self, models: list[type[BaseModel]]) -> None:
        # Where two models share a name, pydantic lengthens both.
        references, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
        self._bodies = {model: reference for (model, _), reference in references.items()}
        self._add(definitions.get("$defs", {}))

    def _add(self, schemas: dict[str, Any]) -> None:
        for name, schema in schemas.items():
            if self.components.setdefault(name, schema) != schema:
                raise ValueError(f"Two shapes are called {name}; each needs a name of its own.")

    def add_answer(self, answer: Any) -> None:
        schema = TypeAdapter(answer).json_schema(ref_template=_REF, mode="serialization")
        self._add(schema.pop("$defs", {}))
        name = schema.get("title")
        if name and schema.get("type") == "object":
            self._add({name: schema})
            schema = {"$ref": _REF.format(model=name)}
        self._answers[id(answer)] = schema

    def body(self, model: type[BaseModel]) -> dict[str, Any]:
        return self._bodies[model]

    def answer(self, answer: Any) -> dict[str, Any]:
        return self._answers[id(answer)]


def _schemas(resources: list[Resource]) -> _Schemas:
    schemas = _Schemas()
    operations = [operation for resource in resources for operation in resource.operations.values()]
    schemas.add_models(sorted({one.takes for one in operations if one.has_body}, key=lambda model: model.__name__))
    for operation in operations:
        if operation.returns is not None:
            schemas.add_answer(operation.returns)
    return schemas


def _path(resource: Resource, schemas: _Schemas) -> dict[str, Any]:
    path: dict[str, Any] = {
        method.lower(): _operation(resource, operation, schemas)
        for method, operation in sorted(resource.operations.items())
    }
    names = _PARAMETER.findall(resource.route)
    if names:
        path["parameters"] = [path_parameter(name) for name in names]
    return path


def _operation(resource: Resource, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    summary, _, more = cleandoc(operation.handler.__doc__ or "").partition("\n\n")
    needs = " Needs a licence." if operation.needs_licence else ""
    described: dict[str, Any] = {
        "operationId": f"{resource.name}_{operation.method.lower()}",
        "summary": " ".join(summary.split()),
        "description": f"{more.strip()}\n\n{limit_line(operation.limit)}{needs}".strip(),
    }
    parameters = _query_parameters(operation.takes) if issubclass(operation.takes, Query) else []
    parameters += [condition(name) for name in _conditions(operation)]
    if parameters:
        described["parameters"] = parameters
    if operation.has_body:
        content = {"application/json": {"schema": schemas.body(operation.takes)}}
        described["requestBody"] = {"required": operation.needs_body, "content": content}
    described["responses"] = _responses(operation, schemas)
    return described


def _conditions(operation: Operation) -> list[str]:
    """The request headers that the operation understands."""
    names = {"GET": ["If-None-Match"], "POST": ["Idempotency-Key"]}.get(operation.method, [])
    return [*names, *(["If-Match"] if operation.if_match else [])]


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": _inlined(_without_null(value), definitions),
        }
        for name, value in schema["properties"].items()
    ]


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent, never null."""
    options = [option for option in value.get("anyOf", []) if option.get("type") != "null"]
    if not options:
        return value
    return {**{key: item for key, item in value.items() if key not in {"anyOf", "default"}}, **options[0]}


def _inlined(value: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    if reference is None:
        return value
    return {
        **definitions[reference.rsplit("/", 1)[1]],
        **{key: item for key, item in value.items() if key != "$ref"},
    }


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    is_read = operation.method == "GET"
    answers: dict[str, Any] = {}
    for status in operation.statuses:
        names = ["RateLimit"]
        if operation.method == "POST":
            names.append("Idempotency-Replayed")
        answer: dict[str, Any] = {"description": _DONE.get(status, "Done.")}
        content: dict[str, Any] = {media_type: {"schema": {"type": "string"}} for media_type in operation.texts}
        names += ["Link"] if operation.texts else []
        if operation.returns is not None and status != 204:
            content["application/json"] = {"schema": schemas.answer(operation.returns)}
            names += ["ETag"] if is_read else []
        if content:
            answer["content"] = content
        answers[str(status)] = {**answer, "headers": headers(*names)}
    if is_read and operation.returns is not None:
        answers["304"] = {"description": "What the caller has is still right.", "headers": headers("RateLimit", "ETag")}
    for status in _refusals(operation):
        answers.setdefault(str(status), refusal(status))
    return dict(sorted(answers.items()))


def _refusals(operation: Operation) -> set[int]:
    failures: list[Failure] = [*_EVERYWHERE, *(kind() for kind in operation.failures)]
    if operation.method != "GET":
        failures += _WITH_BODY
    if operation.method == "POST":
        failures += _WITH_KEY
    if operation.if_match:
        failures.append(PreconditionFailed())
    return {_LIMITED, _UNEXPECTED, *(status_of(failure)[0] for failure in failures)}


def text(resources: Iterable[Resource]) -> str:
    """The document as committed under docs/ and served."""
    return json.dumps(document(resources, title=TITLE, version=VERSION), indent=2, ensure_ascii=False) + "\n"


def blueprint(resources: tuple[Resource, ...]) -> func.Blueprint:
    """The route that serves the document; it is made at the first request, because pydantic's part takes time."""
    made = func.Blueprint()
    address = Resource(made, "api_openapi", "api/v1/openapi.json", None)
    served = cache(lambda: text(resources).encode())

    @address.operation("GET")
    def send_document(_: Call, __: Nothing) -> Reply:
        """The OpenAPI document of these routes."""
        return Reply(served(), headers={"Cache-Control": "public, max-age=3600"})

    return made
