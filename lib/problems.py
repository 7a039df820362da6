"""Failures as HTTP problem documents (RFC 9457); the one table from kind to status."""

import json
from collections.abc import Mapping
from typing import ClassVar

from lib.errors import (
    Conflict,
    Failure,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unacceptable,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"


class MethodNotAllowed(Invalid):
    """The address exists; the method does not. `allowed` goes into the Allow header."""

    code = "method-not-allowed"
    detail = "This address does not answer that method."

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__()
        self.allowed = allowed


class TooLarge(Invalid):
    code = "too-large"
    detail = "The body is too large."


class UnsupportedMediaType(Invalid):
    code = "unsupported-media-type"
    detail = "The body must be application/json."


class RateLimited(Unavailable):
    """The caller asks too often. `headers` name the limit."""

    code = "rate-limited"
    detail = "Too many requests in a short time; wait a moment."

    def __init__(self, *, retry_after_s: int, headers: Mapping[str, str]) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.headers = headers


class KeyReused(Unacceptable):
    code = "idempotency-key-reused"
    detail = "This Idempotency-Key was sent with another request; a new request needs a new key."


class KeyInProgress(Conflict):
    code = "idempotency-in-progress"
    detail = "The first request with this Idempotency-Key is still being worked on; ask again in a moment."
    retry_after_s: ClassVar[int] = 1


_STATUS: tuple[tuple[type[Failure], int, str], ...] = (
    (Unauthenticated, 401, "Unauthorized"),
    (Forbidden, 403, "Forbidden"),
    (NotFound, 404, "Not found"),
    (MethodNotAllowed, 405, "Method not allowed"),
    (PreconditionFailed, 412, "Precondition failed"),
    (Conflict, 409, "Conflict"),
    (TooLarge, 413, "Content too large"),
    (UnsupportedMediaType, 415, "Unsupported media type"),
    (Unacceptable, 422, "Unprocessable content"),
    (Invalid, 400, "Bad request"),
    (RateLimited, 429, "Too many requests"),
    (Unavailable, 503, "Service unavailable"),
)
"""Most specific kinds first: the first match counts."""

_UNEXPECTED = "Internal server error"


def status_of(failure: Failure) -> tuple[int, str]:
    return next((status, title) for kind, status, title in _STATUS if isinstance(failure, kind))


def titles() -> dict[int, str]:
    """Every status that a problem may have, with its title."""
    return {**{status: title for _, status, title in _STATUS}, 500: _UNEXPECTED}


def headers_of(failure: Failure) -> dict[str, str]:
    if isinstance(failure, Unauthenticated):
        return {"WWW-Authenticate": "JWT"}
    if isinstance(failure, RateLimited):
        return {"Retry-After": str(failure.retry_after_s), **failure.headers}
    if isinstance(failure, Unavailable | KeyInProgress):
        return {"Retry-After": str(failure.retry_after_s)}
    if isinstance(failure, MethodNotAllowed):
        return {"Allow": ", ".join(failure.allowed)}
    return {}


def problem(failure: Failure, trace_id: str) -> bytes:
    status, title = status_of(failure)
    document: dict[str, object] = {
        "type": f"urn:community-questions:problem:{failure.code}",
        "title": title,
        "status": status,
        "detail": failure.explanation,
        "code": failure.code,
        "traceId": trace_id,
    }
    if isinstance(failure, Conflict) and failure.current:
        document["current"] = failure.current
    if isinstance(failure, Invalid) and failure.faults:
        document["problems"] = [
            {"pointer" if fault.where.startswith("/") else "parameter": fault.where, "detail": fault.detail}
            for fault in failure.faults
        ]
    return json.dumps(document).encode()


def unexpected(trace_id: str) -> bytes:
    """The answer to a defect: nothing but a trace id to look it up by."""
    document = {
        "type": "urn:community-questions:problem:unexpected",
        "title": _UNEXPECTED,
        "status": 500,
        "detail": "Something went wrong on our side.",
        "code": "unexpected",
        "traceId": trace_id,
    }
    return json.dumps(document).encode()
