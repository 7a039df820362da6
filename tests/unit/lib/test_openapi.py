"""The OpenAPI document and the page made from it: complete, without a dangling reference, and up to date."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import azure.functions as func
import pytest

import function_app
import lib.openapi
from lib.errors import NotFound
from lib.limits import Limit
from lib.web import Call, Nothing, Resource, Wire

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(lib.openapi.text(function_app.API))
    return made


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield method, path, operation


def page_of(document: str) -> str:
    made = subprocess.run(
        [sys.executable, str(DOCS / "api_page.py")], input=document, capture_output=True, text=True, check=True
    )
    return made.stdout


def test_every_reference_names_something(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in target, reference
            target = target[step]


def test_every_operation_says_what_it_does_and_what_it_may_answer(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"].endswith("."), where
        assert "Limit: `" in operation["description"], where
        assert {"400", "401", "403", "405", "429", "500", "503"} <= set(operation["responses"]), where
        assert ("{" in path) <= ("404" in operation["responses"]), where
        named = {reference.rsplit("/", 1)[1] for reference in references(operation.get("parameters", []))}
        assert ("Idempotency-Key" in named) == (method == "post"), where
        assert ("If-None-Match" in named) == (method == "get"), where
        assert ("If-Match" in named) == ("412" in operation["responses"]), where
        if method == "post":
            assert {"409", "422"} <= set(operation["responses"]), where


def test_the_page_names_every_operation_and_every_shape(document: dict[str, Any]) -> None:
    page = page_of(json.dumps(document))

    for method, path, _ in operations(document):
        assert f"\n### {method.upper()} {path}\n" in page
    for name in document["components"]["schemas"]:
        assert f"\n### {name}\n" in page
    assert "\n\n\n" not in page


def test_the_committed_documents_are_those_of_the_code() -> None:
    assert (DOCS / "openapi.json").read_text() == lib.openapi.text(function_app.API), "run `make openapi`"
    assert (DOCS / "api.md").read_text() == page_of((DOCS / "openapi.json").read_text()), "run `make openapi`"


class Body(Wire):
    text: str


def sample(**options: Any) -> dict[str, Any]:
    resource = Resource(func.Blueprint(), "sample", "api/v1/people/{accountId}/tags/{slug}/{flagId}")

    @resource.operation("PUT", takes=Body, **options)
    def change(_: Call, __: Body) -> None:
        """Changes something.

        More about it.
        """

    @resource.operation("GET")
    def look(_: Call, __: Nothing) -> None:
        """Looks."""

    made = lib.openapi.document([resource], title="A", version="1")
    path: dict[str, Any] = made["paths"]["/api/v1/people/{accountId}/tags/{slug}/{flagId}"]
    return path


def test_names_of_path_values_decide_how_they_look() -> None:
    account, slug, flag = (one["schema"] for one in sample()["parameters"])

    assert account["pattern"] == "^[A-Za-z0-9:-]{1,128}$"
    assert (slug["minLength"], slug["maxLength"]) == (1, 200)
    assert flag["pattern"] == "^[1-9][0-9]{0,18}$"


def test_options_of_an_operation_are_shown() -> None:
    heavy = sample(limit=Limit.HEAVY, if_match=True, failures=(NotFound,))["put"]

    assert heavy["description"] == "More about it.\n\nLimit: `heavy`, 20 a minute. Needs a licence."
    assert {"404", "412", "413", "415"} <= set(heavy["responses"])
    assert "Needs a licence" not in sample(needs_licence=False)["put"]["description"]
    assert sample()["get"]["description"] == "Limit: `read`, 600 a minute."


def first_shape() -> object:
    class Same(TypedDict):
        first: int

    return Same


def second_shape() -> object:
    class Same(TypedDict):
        second: int

    return Same


def test_two_shapes_of_one_name_are_refused() -> None:
    one, other = (Resource(func.Blueprint(), name, f"api/v1/{name}") for name in ("one", "other"))
    one.operation("GET", returns=first_shape())(lambda _, __: None)
    other.operation("GET", returns=second_shape())(lambda _, __: None)

    with pytest.raises(ValueError, match="called Same"):
        lib.openapi.document([one, other], title="A", version="1")
