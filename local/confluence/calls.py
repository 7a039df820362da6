"""One REST call as handlers see it: parameters, bodies, refusals, cursors."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from local.confluence.callers import Caller
from local.confluence.content import SORT_COLUMNS, Window
from local.confluence.people import Site, find_space
from local.confluence.permissions import Sight
from local.confluence.refusals import Refused
from local.confluence.simulator import Simulator
from local.confluence.storage import Value

MAX_LIMIT = 250
DEFAULT_LIMIT = 25


@dataclass(frozen=True, slots=True)
class Call:
    """`target` is the raw request target; `query` holds decoded pairs in order."""

    method: str
    target: str
    path: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def one(self, name: str) -> str | None:
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise invalid(f"parameter {name} is given more than once")
        return values[0] if values else None

    def many(self, name: str, most: int = MAX_LIMIT) -> list[str]:
        """Values of a repeatable parameter; commas separate as well."""
        values = [part for key, value in self.query if key == name for part in value.split(",")]
        if len(values) > most:
            raise invalid(f"parameter {name} takes at most {most} values")
        return values

    def many_ids(self, name: str, most: int = MAX_LIMIT) -> list[int]:
        return [decimal(value, name) for value in self.many(name, most)]

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.one(name)
        if value is not None and value not in allowed:
            raise invalid(f"parameter {name} must be one of {', '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false")) == "true"

    def number(self, name: str) -> int:
        return decimal(self.path[name], name)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; anything else is refused."""
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json.")
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise invalid("the body is not JSON") from error
        if not isinstance(document, dict):
            raise invalid("the body is not a JSON object")
        return document


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None means an empty body."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """Everything a handler may use."""

    sim: Simulator
    site: Site
    call: Call
    caller: Caller
    sight: Sight

    def actor(self) -> str:
        """The account that writes; anonymous visitors may not."""
        if self.caller.account_id is None:
            raise Refused(401, "UNAUTHORIZED", "Anonymous visitors may not do this.")
        return self.caller.account_id


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A documented operation: `scope` is the Connect scope it needs, `query` its documented parameters."""

    method: str
    path: str
    scope: str
    handler: Callable[[Visit], Answer]
    query: frozenset[str] = frozenset()


def invalid(detail: str) -> Refused:
    return Refused(400, "INVALID_REQUEST_PARAMETER", detail)


def not_found(what: str) -> Refused:
    return Refused(404, "NOT_FOUND", f"{what} was not found or may not be seen.")


def check_writable(visit: Visit, space_id: int) -> None:
    """Archived spaces take no writes, from administrators neither."""
    space = find_space(visit.sim.storage, visit.site, space_id)
    if space is not None and space.is_archived:
        raise Refused(403, "FORBIDDEN", "The space is archived and may only be read.")


def decimal(value: str, name: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 19 and int(value) < 2**63):
        raise invalid(f"{name} is not a number")
    return int(value)


def check_fields(document: Mapping[str, Any], allowed: Sequence[str], required: Sequence[str]) -> None:
    unknown = sorted(set(document) - set(allowed))
    missing = [name for name in required if document.get(name) in (None, "")]
    if unknown or missing:
        raise invalid("; ".join([*(f"unknown field {n}" for n in unknown), *(f"missing field {n}" for n in missing)]))


def text(document: Mapping[str, Any], name: str, most: int = 255) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise invalid(f"{name} must be a text of 1 to {most} characters")
    return value


def limit_of(call: Call) -> int:
    value = call.one("limit")
    limit = DEFAULT_LIMIT if value is None else decimal(value, "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(f"limit must be between 1 and {MAX_LIMIT}")
    return limit


def _signature(key: bytes, call: Call, payload: str) -> str:
    rest = [pair for pair in call.query if pair[0] not in {"cursor", "limit"}]
    scope = json.dumps([call.target.partition("?")[0], rest, payload])
    return hmac.new(key, scope.encode(), hashlib.sha256).hexdigest()[:24]


def window_of(visit: Visit, sorts: Sequence[str], default: str = "id") -> Window:
    """The page a listing asks for. A cursor made for another listing, or altered, is refused."""
    call = visit.call
    sort = call.choice("sort", sorts) or default
    cursor = call.one("cursor")
    if cursor is None:
        return Window(sort, None)
    try:
        payload, _, signature = base64.urlsafe_b64decode(cursor + "==").decode().rpartition(".")
        mark = json.loads(payload)
    except (binascii.Error, ValueError) as error:
        raise invalid("cursor is not valid") from error
    if not hmac.compare_digest(signature, _signature(visit.sim.cursor_key, call, payload)):
        raise invalid("cursor is not valid")
    return Window(sort, (mark[0], mark[1]))


def listing(visit: Visit, shapes: list[Any], mark: tuple[Value, int] | None) -> Answer:
    """A result page; `mark` is the sort value and id of its last row when more rows follow."""
    links: dict[str, str] = {"base": visit.site.base_url}
    headers = {}
    if mark is not None:
        payload = json.dumps(mark)
        signed = f"{payload}.{_signature(visit.sim.cursor_key, visit.call, payload)}"
        cursor = base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")
        pairs = [pair for pair in visit.call.query if pair[0] != "cursor"]
        links["next"] = f"{visit.call.target.partition('?')[0]}?{urlencode([*pairs, ('cursor', cursor)])}"
        headers["Link"] = f'<{links["next"]}>; rel="next"'
    return Answer(200, {"results": shapes, "_links": links}, headers)


def both_directions(*names: str) -> list[str]:
    return [form for name in names for form in (name, f"-{name}")]


CONTENT_SORTS = both_directions(*SORT_COLUMNS)
