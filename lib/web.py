"""The HTTP edge: authenticate, parse, call one handler, render; every failure becomes a problem document.

A `Resource` is one address with its methods. It registers one Azure function, so that a wrong method is
answered 405 with `Allow` instead of the platform's 404, and keeps what the OpenAPI document is made from.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy.orm import Session

from lib.authentication import Identity, Request, authenticate_context
from lib.confluence import Caller
from lib.connect_jwt import VerifiedClaims
from lib.errors import Failure, Fault, Forbidden, Invalid, NotFound, Unauthenticated
from lib.log import Log
from lib.principal import AccountId, ContentId, Principal, SpaceId, TenantId
from lib.problems import (
    MEDIA_TYPE,
    MethodNotAllowed,
    TooLarge,
    UnsupportedMediaType,
    headers_of,
    problem,
    status_of,
    unexpected,
)
from lib.services import Services, services
from lib.telemetry import Trace, trace_of
from lib.tenancy import Installation

MAX_BODY_BYTES = 65_536
_MAX_PARAMETERS = 50
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_DECIMAL = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_MAX_ID = 2**63 - 1

API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

_DETAILS = {
    "json_invalid": "is not valid JSON",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
}
"""Our words for what the validation library would say in its own."""

log = Log("lib.web")

Authenticator = Callable[[Services, Request], Identity]


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


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers when 200 with a JSON body is not it."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request that brought proof, as handlers see it."""

    services: Services
    request: Request
    identity: Identity | None
    """None on public addresses only."""
    trace: Trace

    @property
    def now(self) -> datetime:
        return self.request.received_at

    @property
    def claims(self) -> VerifiedClaims:
        if self.identity is None:
            raise Unauthenticated
        return self.identity.claims

    @property
    def installation(self) -> Installation:
        if self.identity is None or self.identity.installation is None:
            raise Unauthenticated
        return self.identity.installation

    @property
    def tenant_id(self) -> TenantId:
        return self.installation.tenant_id

    @property
    def account_id(self) -> AccountId:
        if self.identity is None or self.identity.claims.account_id is None:
            raise Forbidden("Sign in to Confluence to use this.")
        return self.identity.claims.account_id

    @property
    def principal(self) -> Principal:
        return Principal(self.tenant_id, self.account_id)

    @property
    def caller(self) -> Caller:
        return Caller(self.installation, self.account_id)

    def content_id(self, name: str) -> ContentId:
        return ContentId(self._id(name))

    def space_id(self, name: str) -> SpaceId:
        return SpaceId(self._id(name))

    def _id(self, name: str) -> int:
        """An id in the path; what cannot be an id does not exist."""
        text = self.request.path_values.get(name, "")
        if not _DECIMAL.fullmatch(text) or int(text) > _MAX_ID:
            raise NotFound
        return int(text)

    def read[T](self, work: Callable[[Session], T]) -> T:
        return self.services.read(work, tenant_id=self.tenant_id)

    def write[T](self, work: Callable[[Session], T]) -> T:
        return self.services.write(work, trace=self.trace, tenant_id=self.tenant_id)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a resource; also the source of its OpenAPI entry."""

    method: str
    handler: Callable[[Call, Any], object]
    takes: type[BaseModel]
    returns: object
    statuses: tuple[int, ...]
    failures: tuple[type[Failure], ...]

    @property
    def has_body(self) -> bool:
        return issubclass(self.takes, Wire) and self.takes is not Nothing


@dataclass(slots=True)
class Resource:
    """One address. Handlers are added with `operation`; the function is registered at once."""

    blueprint: func.Blueprint
    name: str
    route: str
    authenticate: Authenticator | None = authenticate_context
    """None makes the address public."""
    failure_page: Callable[[Failure, Trace], bytes] | None = None
    """HTML in place of a problem document, for addresses that people open."""
    max_body_bytes: int = MAX_BODY_BYTES
    operations: dict[str, Operation] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        resource = self

        def entry(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
            return resource.respond(req, context.trace_context.trace_parent)

        entry.__name__ = self.name
        self.blueprint.function_name(self.name)(
            self.blueprint.route(self.route, methods=_METHODS, auth_level=func.AuthLevel.ANONYMOUS)(entry)
        )

    def operation[W: BaseModel](
        self,
        method: str,
        *,
        takes: type[W] = Nothing,  # type: ignore[assignment]
        returns: object = None,
        statuses: tuple[int, ...] = (200,),
        failures: tuple[type[Failure], ...] = (),
    ) -> Callable[[Callable[[Call, W], object]], Callable[[Call, W], object]]:
        """Adds a handler. `failures` are those it may end in besides what every operation may."""

        def register(handler: Callable[[Call, W], object]) -> Callable[[Call, W], object]:
            self.operations[method] = Operation(method, handler, takes, returns, statuses, failures)
            return handler

        return register

    def respond(self, req: func.HttpRequest, traceparent: str | None) -> func.HttpResponse:
        """The answer to one invocation; the last resort for every exception below it."""
        started = time.perf_counter()
        trace = trace_of(traceparent)
        try:
            response = self._answer(services(), req, trace)
        except Failure as failure:
            status, _ = status_of(failure)
            _log_failure(self, req.method, failure, status, trace, started)
            page = self.failure_page
            response = func.HttpResponse(
                page(failure, trace) if page else problem(failure, trace.trace_id),
                status_code=status,
                headers={**API_HEADERS, **headers_of(failure)},
                mimetype="text/html" if page else MEDIA_TYPE,
            )
        except Exception as error:  # noqa: BLE001 - the HTTP rim: nothing may pass it but an answer
            where = {"route": f"/{self.route}", "method": req.method or "", "trace_id": trace.trace_id}
            log.error("http_failed", error=error, status=500, **where)
            response = func.HttpResponse(
                unexpected(trace.trace_id), status_code=500, headers=API_HEADERS, mimetype=MEDIA_TYPE
            )
        return response

    def _answer(self, shared: Services, req: func.HttpRequest, trace: Trace) -> func.HttpResponse:
        request = read_request(req, shared.now(), self.max_body_bytes)
        identity = self.authenticate(shared, request) if self.authenticate else None
        operation = self.operations.get(request.method)
        if operation is None:
            raise MethodNotAllowed(tuple(sorted(self.operations)))
        call = Call(shared, request, identity, trace)
        return render(operation.handler(call, _parse(operation, request, is_public=self.authenticate is None)))


def read_request(req: func.HttpRequest, now: datetime, max_body_bytes: int) -> Request:
    """The request with its raw target: the hash in a token covers exactly what was sent."""
    try:
        parts = urlsplit(req.url)
    except ValueError:
        # The address begins with the caller's Host header.
        raise Invalid("The request's address cannot be read.") from None
    target = parts.path or "/"
    if parts.query or "?" in req.url:
        target = f"{target}?{parts.query}"
    body = req.get_body() or b""
    if len(body) > max_body_bytes:
        raise TooLarge
    return Request(
        method=(req.method or "").upper(),
        target=target,
        headers={name.lower(): value for name, value in req.headers.items()},
        path_values=req.route_params,
        body=body,
        received_at=now,
    )


def _parse(operation: Operation, request: Request, *, is_public: bool) -> BaseModel:
    if operation.takes is Signed:
        return Signed()
    query = request.target.partition("?")[2]
    if issubclass(operation.takes, Query):
        return _validated(operation.takes, _parameters(query))
    # Probes and caches add parameters of their own to public addresses.
    if query and not is_public:
        raise Invalid(faults=tuple(Fault(name, "is not a known parameter") for name, _ in _pairs(query)))
    if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
        _check_write(request, has_body=operation.has_body)
    if not operation.has_body:
        return operation.takes()
    return _validated(operation.takes, request.body)


def _check_write(request: Request, *, has_body: bool) -> None:
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("Writes from another site are refused.")
    if not has_body and request.body.strip() not in {b"", b"{}"}:
        raise Invalid("This operation takes no body.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (has_body or request.body) and media_type != "application/json":
        raise UnsupportedMediaType


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Invalid(f"There are more than {_MAX_PARAMETERS} parameters.") from None


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


def render(result: object) -> func.HttpResponse:
    reply = result if isinstance(result, Reply) else Reply(result)
    if isinstance(reply.body, bytes):
        body = reply.body
    elif reply.body is None:
        body = b""
    else:
        body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
    return func.HttpResponse(
        body, status_code=reply.status, headers={**API_HEADERS, **reply.headers}, mimetype=reply.media_type
    )


def _log_failure(resource: Resource, method: str, failure: Failure, status: int, trace: Trace, started: float) -> None:
    log.warning(
        "http_refused",
        route=f"/{resource.route}",
        method=method,
        status=status,
        code=failure.code,
        reason=getattr(failure, "reason", None) or failure.code,
        trace_id=trace.trace_id,
        duration_ms=int((time.perf_counter() - started) * 1000),
    )
