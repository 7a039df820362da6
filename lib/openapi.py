"""An OpenAPI 3.1 document made from resources: their operations are the only source."""

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import azure.functions as func
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from lib.errors import Failure, Invalid, Unauthenticated, Unavailable
from lib.problems import MEDIA_TYPE, MethodNotAllowed, TooLarge, UnsupportedMediaType, status_of
from lib.web import Call, Nothing, Operation, Query, Reply, Resource

TITLE, VERSION = "Community Questions", "1"

_REF = "#/components/schemas/{model}"
_EVERYWHERE: tuple[Failure, ...] = (Invalid(), Unauthenticated(), MethodNotAllowed(()), Unavailable())
_WITH_BODY: tuple[Failure, ...] = (TooLarge(), UnsupportedMediaType())
_PARAMETER = re.compile(r"\{(\w+)\}")
_ID = {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "code", "traceId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable name of the problem."},
        "traceId": {"type": "string", "description": "Quote it when you report the problem."},
        "problems": {
            "type": "array",
            "description": "Every fault found in the request.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Name of a query parameter."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


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
            "description": "Ids are decimal strings, times RFC 3339 in UTC, lists `{items, next}` with keyset cursors.",
        },
        "security": [{"contextToken": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "contextToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`JWT <token>` with a token of AP.context.getToken, fetched anew for each request.",
                }
            },
            "schemas": {"Problem": _PROBLEM, **dict(sorted(schemas.components.items()))},
        },
    }


class _Schemas:
    """Schemas of request models and answer types, each under its own name in the components."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._answers: dict[int, dict[str, Any]] = {}

    def add_models(self, models: list[type[BaseModel]]) -> None:
        _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
        self.components |= definitions.get("$defs", {})

    def add_answer(self, answer: Any) -> None:
        schema = TypeAdapter(answer).json_schema(ref_template=_REF, mode="serialization")
        self.components |= schema.pop("$defs", {})
        name = schema.get("title")
        if name and schema.get("type") == "object":
            self.components[name] = schema
            schema = {"$ref": _REF.format(model=name)}
        self._answers[id(answer)] = schema

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
        path["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in names]
    return path


def _operation(resource: Resource, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    summary = (operation.handler.__doc__ or "").strip().split("\n")[0]
    described: dict[str, Any] = {"operationId": f"{resource.name}_{operation.method.lower()}", "summary": summary}
    if issubclass(operation.takes, Query):
        described["parameters"] = _query_parameters(operation.takes)
    if operation.has_body and operation.takes is not Nothing:
        schema = {"$ref": _REF.format(model=operation.takes.__name__)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    described["responses"] = _responses(operation, schemas)
    return described


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
    answers: dict[str, Any] = {}
    for status in operation.statuses:
        answers[str(status)] = {"description": "Done."}
        if operation.returns is not None and status != 204:
            content = {"application/json": {"schema": schemas.answer(operation.returns)}}
            answers[str(status)]["content"] = content
    failures = [*_EVERYWHERE, *(_WITH_BODY if operation.has_body else ()), *(kind() for kind in operation.failures)]
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}}
    for failure in failures:
        status, title = status_of(failure)
        answers.setdefault(str(status), {"description": title, **problem})
    return dict(sorted(answers.items()))


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
