"""What all operations of the OpenAPI document share: problems, headers, conditions, and how path values look."""

from typing import Any

from lib.calls import MAX_PATH_TEXT
from lib.limits import PER_MINUTE, SITE_SHARE, Limit
from lib.parsing import MAX_PARAMETERS
from lib.problems import MEDIA_TYPE, titles
from lib.web import MAX_BODY_BYTES

CONVENTIONS = (
    "Ids are decimal strings, times RFC 3339 in UTC, lists `{items, next}` with keyset cursors. Unknown fields and "
    "parameters are refused, and a refusal lists every problem at once (RFC 9457). What is missing, what the caller "
    "may not see and what belongs to another site get the same 404. A body of which no member is required "
    "may be left out: that is `{}`.\n\n"
    f"**Sizes.** A body has at most {MAX_BODY_BYTES // 1024} KB ({MAX_BODY_BYTES} bytes); a larger one is refused with "
    f"413. An address has at most {MAX_PARAMETERS} query parameters; with more of them it is refused with 400.\n\n"
    "**Conditions.** Every JSON answer to a GET has a strong `ETag`; with `If-None-Match` it is 304 while nothing has "
    "changed. Operations that say so honour `If-Match` and answer 412, with what stands now, when another version "
    "does; elsewhere the header is refused.\n\n"
    "**Asking twice.** A POST may carry an `Idempotency-Key`. For 24 hours the same key with the same request gets "
    "the same answer, marked `Idempotency-Replayed: true`; with another request it is refused (422), and while the "
    "first is still being worked on it is told to wait (409). After a 5xx the key is free again. PUT and DELETE need "
    "no key: they say what shall be, so that asking twice changes nothing.\n\n"
    "**Limits.** Each operation belongs to one of the limits "
    + ", ".join(f"`{limit}` ({quota} a minute)" for limit, quota in PER_MINUTE.items())
    + f". They count for each person; a site may do {SITE_SHARE} times as much. Every instance counts for itself. "
    "`RateLimit` says how much is left, and 429 when to come back.\n\n"
    "**Licence.** Without a licence a site can be read but not changed: 403 `unlicensed`, and nothing is lost."
)

_STRING: dict[str, Any] = {"type": "string"}
_DECIMAL: dict[str, Any] = {"type": "string", "pattern": "^[1-9][0-9]{0,18}$", "description": "A decimal id."}
_ACCOUNT: dict[str, Any] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9:-]{1,128}$",
    "description": "An Atlassian account id.",
}
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_PATH_TEXT}

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail", "code", "traceId"],
    "properties": {
        "type": _STRING,
        "title": _STRING,
        "status": {"type": "integer"},
        "detail": _STRING,
        "code": {"type": "string", "description": "Stable name of the problem."},
        "traceId": {"type": "string", "description": "Quote it when you report the problem."},
        "current": {
            "type": "object",
            "description": "With 409 and 412, where it helps: what stands now.",
            "additionalProperties": True,
        },
        "problems": {
            "type": "array",
            "description": "Every fault found in the request.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Name of a query parameter."},
                    "detail": _STRING,
                },
            },
        },
    },
}

_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ETag": ("Strong tag of these bytes; leads with the version where there is one.", _STRING),
    "RateLimit": ('Name, what remains and seconds until it is whole again: `"read";r=599;t=1`.', _STRING),
    "RateLimit-Policy": ('The limit that was reached: `"read";q=600;w=60`.', _STRING),
    "Retry-After": ("Seconds until asking again makes sense.", {"type": "integer", "minimum": 0}),
    "Link": ('The next part, where there is one: `</api/v1/…>; rel="next"`.', _STRING),
    "Idempotency-Replayed": ("`true` when the answer was given before for this key.", _STRING),
    "Allow": ("The methods of this address.", _STRING),
    "WWW-Authenticate": ("`JWT`.", _STRING),
}

_PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    409: ("Retry-After",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}

_CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-None-Match": ("ETags the caller has; 304 when one of them is still right.", _STRING),
    "If-Match": ("The ETag that the change is based on, or `*`.", _STRING),
    "Idempotency-Key": (
        "A name of this request, of the caller's choice: asking again with it is asking once.",
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
    ),
}


def path_parameter(name: str) -> dict[str, Any]:
    """Names decide: `accountId`, other ids, and text."""
    schema = _ACCOUNT if name == "accountId" else _DECIMAL if name.endswith("Id") else _TEXT
    return {"name": name, "in": "path", "required": True, "schema": schema}


def condition(header: str) -> dict[str, Any]:
    return {"$ref": f"#/components/parameters/{header}"}


def headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def refusal(status: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def limit_line(limit: Limit) -> str:
    return f"Limit: `{limit}`, {PER_MINUTE[limit]} a minute."


def _name(status: int) -> str:
    return "".join(word.capitalize() for word in titles()[status].split())


def components() -> dict[str, Any]:
    """Everything but the schemas."""
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {}
    for status, title in sorted(titles().items()):
        described: dict[str, Any] = {"description": f"{title}.", "content": problem}
        if names := _PROBLEM_HEADERS.get(status):
            described["headers"] = headers(*names)
        responses[_name(status)] = described
    return {
        "securitySchemes": {
            "contextToken": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "`JWT <token>` with a token of AP.context.getToken, fetched anew for each request.",
            }
        },
        "headers": {name: {"description": words, "schema": schema} for name, (words, schema) in _HEADERS.items()},
        "parameters": {
            name: {"name": name, "in": "header", "required": False, "description": words, "schema": schema}
            for name, (words, schema) in _CONDITIONS.items()
        },
        "responses": responses,
    }
