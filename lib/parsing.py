"""Requests read into shapes: what an operation takes is checked as a whole, and every problem is told at once."""

import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from lib.authentication import Request
from lib.errors import Fault, Forbidden, Invalid
from lib.problems import UnsupportedMediaType

MAX_PARAMETERS = 50
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

_DETAILS = {
    "json_invalid": "is not valid JSON",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
}
"""Our words for what the validation library would say in its own."""


class Wire(BaseModel):
    """Base of every request shape: camelCase outside, strict about types, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, frozen=True, defer_build=True)


class Query(BaseModel):
    """Base of query parameters: like `Wire`, but every value arrives as text."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True, defer_build=True)


class Signed(BaseModel):
    """A request in the product's own form: any parameter may come, and the handler reads the body itself."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Nothing(Wire):
    """An operation that takes neither body nor parameters."""


def takes_body(shape: type[BaseModel]) -> bool:
    return issubclass(shape, Wire) and shape is not Nothing


def needs_body(shape: type[BaseModel]) -> bool:
    """Whether the shape takes a body and has a member that must be given; without one, no body is an empty one."""
    return takes_body(shape) and any(member.is_required() for member in shape.model_fields.values())


def parse(shape: type[BaseModel], request: Request, *, is_public: bool) -> BaseModel:
    """What the operation takes; `Invalid` names every problem of the request."""
    if shape is Signed:
        return Signed()
    query = request.target.partition("?")[2]
    is_query = issubclass(shape, Query)
    # Probes and caches add parameters of their own to public addresses.
    if query and not is_query and not is_public:
        raise Invalid(faults=tuple(Fault(name, "is not a known parameter") for name, _ in _pairs(query)))
    if request.method in _WRITES:
        _check_write(request, shape)
    if is_query:
        return _validated(shape, _parameters(query))
    if not takes_body(shape):
        return shape()
    return _validated(shape, request.body if request.body or needs_body(shape) else b"{}")


def idempotency_key(request: Request) -> str | None:
    """The key that a POST carries; an empty or malformed one is refused, because its sender relies on it."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    if not _KEY.fullmatch(key):
        raise Invalid("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return key


def _check_write(request: Request, shape: type[BaseModel]) -> None:
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("Writes from another site are refused.")
    if not takes_body(shape) and request.body.strip() not in {b"", b"{}"}:
        raise Invalid("This operation takes no body.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (request.body or needs_body(shape)) and media_type != "application/json":
        raise UnsupportedMediaType


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Invalid(f"There are more than {MAX_PARAMETERS} parameters.") from None


def _parameters(query: str) -> dict[str, str]:
    pairs = _pairs(query)
    repeated = sorted(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    if repeated:
        raise Invalid(faults=tuple(Fault(name, "is given more than once") for name in repeated))
    return dict(pairs)


def _validated(shape: type[BaseModel], given: bytes | dict[str, str]) -> BaseModel:
    try:
        return shape.model_validate_json(given) if isinstance(given, bytes) else shape.model_validate(given)
    except ValidationError as error:
        is_body = isinstance(given, bytes)
        raise Invalid(faults=tuple(_fault(item, is_body=is_body) for item in error.errors())) from None


def _fault(item: Any, *, is_body: bool) -> Fault:
    """One problem, without the offending value: it may be text that somebody typed."""
    location = [str(part).replace("~", "~0").replace("/", "~1") for part in item["loc"]]
    where = "/" + "/".join(location) if is_body else ".".join(location)
    return Fault(where, _DETAILS.get(item["type"], str(item["msg"])))
