"""Writes docs/api.md, the API's reference page, from the OpenAPI document on standard input.

It stands beside the page it writes: it reads the document alone, so it is neither a part of the deployed app nor
needs one. `make openapi` runs it.
"""  # noqa: INP001 - a script on its own, not a package

import json
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
PREFIX = "/api/v1/"

Document = dict[str, Any]


def page(document: Document) -> str:
    """The page as Markdown, in the document's own order."""
    lines = [
        "# API",
        "",
        "Written by `make openapi` from the code; [openapi.json](openapi.json) is the same for machines.",
        "",
        document["info"]["description"],
        "",
    ]
    groups = [(name, list(paths)) for name, paths in groupby(sorted(document["paths"]), _group)]
    lines += [f"- [{name}](#{name}): {_count(document, paths)}" for name, paths in groups]
    lines += ["- [Shapes](#shapes)", ""]
    for name, paths in groups:
        lines += [f"## {name}", ""]
        for path in paths:
            lines += _address(document, path)
    lines += ["## Shapes", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", "", *_shape(schema)]
    return "\n".join(lines).rstrip() + "\n"


def _group(path: str) -> str:
    return path.removeprefix(PREFIX).partition("/")[0]


def _count(document: Document, paths: list[str]) -> str:
    number = sum(method in document["paths"][path] for path in paths for method in METHODS)
    return "1 operation" if number == 1 else f"{number} operations"


def _address(document: Document, path: str) -> Iterator[str]:
    item = document["paths"][path]
    for method in METHODS:
        if method in item:
            yield from _operation(document, f"{method.upper()} {path}", item[method], item.get("parameters", []))


def _operation(document: Document, title: str, operation: Document, shared: list[Document]) -> Iterator[str]:
    yield from (f"### {title}", "", operation["summary"], "")
    if operation.get("description"):
        yield from (operation["description"], "")
    parameters = [_resolved(document, parameter) for parameter in (*shared, *operation.get("parameters", []))]
    if parameters:
        yield from _table("Parameter | In | Type | Meaning", (_parameter_cells(one) for one in parameters))
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        yield from (f"Body: {_type(schema)}", "")
        yield from _shape(_resolved(document, schema))
    for status, answer in operation["responses"].items():
        if status < "300":
            content = answer.get("content", {}).get("application/json")
            shown = f" {_type(content['schema'])}" if content else ""
            yield f"- **{status}**{shown} {answer['description']}"
    others = {status: _resolved(document, one) for status, one in operation["responses"].items() if status >= "300"}
    yield "- " + ", ".join(f"{status} {one['description'].rstrip('.').lower()}" for status, one in others.items())
    yield ""


def _resolved(document: Document, value: Document) -> Document:
    found = value
    while "$ref" in found:
        target: Any = document
        for step in found["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found = target
    return found


def _parameter_cells(parameter: Document) -> tuple[str, ...]:
    schema = parameter["schema"]
    place = parameter["in"] + (", required" if parameter["required"] and parameter["in"] != "path" else "")
    words = parameter.get("description") or schema.get("description", "")
    return f"`{parameter['name']}`", place, _type(schema) + _default(schema), words


def _shape(schema: Document) -> Iterator[str]:
    if words := schema.get("description"):
        yield from (words, "")
    properties = schema.get("properties")
    if not properties:
        yield from (_type(schema), "")
        return
    required = schema.get("required", [])
    yield from _table(
        "Field | Type | Meaning",
        (
            (
                f"`{name}`" + ("" if name in required else " (optional)"),
                _type(one) + _default(one),
                one.get("description", ""),
            )
            for name, one in properties.items()
        ),
    )


def _table(head: str, rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {head} |"
    yield "|" + "---|" * (head.count("|") + 1)
    for cells in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
    yield ""


def _default(schema: Document) -> str:
    return f" = `{json.dumps(schema['default'])}`" if schema.get("default") is not None else ""


def _type(schema: Document) -> str:
    """A type in words, on one line."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"`{json.dumps(value)}`" for value in values)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_type(option) for option in schema[several])
    kind = schema.get("type", "anything")
    if kind == "array":
        return "list of " + _type(schema.get("items", {})) + _bounds(schema, "minItems", "maxItems", " items")
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    if kind == "string":
        return str(schema.get("format", "string")) + _bounds(schema, "minLength", "maxLength", " characters")
    return str(kind) + _bounds(schema, "minimum", "maximum", "")


def _bounds(schema: Document, low: str, high: str, unit: str) -> str:
    if high in schema:
        return f", {schema.get(low, 0)}–{schema[high]}{unit}"
    return f", at least {schema[low]}{unit}" if low in schema else ""


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
