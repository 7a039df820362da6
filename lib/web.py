"""The HTTP edge: authenticate, parse, call one handler, render; every failure becomes a problem document.

A `Resource` is one address with its methods. It registers one Azure function, so that a wrong method is
answered 405 with `Allow` instead of the platform's 404, and keeps what the OpenAPI document is made from.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func
from pydantic import BaseModel

from lib.authentication import Identity, Request, authenticate_context
from lib.calls import Call
from lib.errors import Failure, Invalid, NotFound, Unauthenticated, Unavailable, Unlicensed
from lib.etags import version_of
from lib.idempotency import once, ticket_of
from lib.limits import Limit, Standing, limiter_of
from lib.log import Log
from lib.parsing import Nothing, Query, Signed, Wire, idempotency_key, needs_body, parse, takes_body
from lib.problems import (
    MEDIA_TYPE,
    MethodNotAllowed,
    RateLimited,
    TooLarge,
    headers_of,
    problem,
    status_of,
    unexpected,
)
from lib.rendering import API_HEADERS, Answer, Reply, render, tagged
from lib.services import Services, services
from lib.telemetry import Trace, trace_of

__all__ = ("Call", "Limit", "Nothing", "Operation", "Query", "Reply", "Resource", "Signed", "Wire")

MAX_BODY_BYTES = 65_536
API_PREFIX = "api/v1/"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

log = Log("lib.web")

Authenticator = Callable[[Services, Request], Identity]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a resource; also the source of its OpenAPI entry."""

    method: str
    handler: Callable[[Call, Any], object]
    takes: type[BaseModel]
    returns: object
    statuses: tuple[int, ...]
    failures: tuple[type[Failure], ...]
    limit: Limit
    needs_licence: bool
    if_match: bool
    texts: tuple[str, ...] = ()
    """Media types of answers that are no JSON."""

    @property
    def has_body(self) -> bool:
        return takes_body(self.takes)

    @property
    def needs_body(self) -> bool:
        return needs_body(self.takes)


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
    may_be_kept: bool = True
    """False: the browser keeps nothing of its answers, which are about people."""
    operations: dict[str, Operation] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        resource = self

        def entry(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
            return resource.respond(req, context.trace_context.trace_parent)

        entry.__name__ = self.name
        self.blueprint.function_name(self.name)(
            self.blueprint.route(self.route, methods=_METHODS, auth_level=func.AuthLevel.ANONYMOUS)(entry)
        )

    @property
    def is_api(self) -> bool:
        """Whether limits, licences, conditions and keys apply; what Confluence itself calls has none of them."""
        return self.route.startswith(API_PREFIX)

    def operation[W: BaseModel](
        self,
        method: str,
        *,
        takes: type[W] = Nothing,  # type: ignore[assignment]
        returns: object = None,
        statuses: tuple[int, ...] = (200,),
        failures: tuple[type[Failure], ...] = (),
        limit: Limit | None = None,
        needs_licence: bool = True,
        if_match: bool = False,
        texts: tuple[str, ...] = (),
    ) -> Callable[[Callable[[Call, W], object]], Callable[[Call, W], object]]:
        """Adds a handler. `failures` are those it may end in besides what every operation may.

        Reading never needs a licence. With `if_match` the handler honours `call.if_match`, and raises
        `PreconditionFailed` where another version stands; without it the header is refused.
        """

        def register(handler: Callable[[Call, W], object]) -> Callable[[Call, W], object]:
            is_read = method == "GET"
            self.operations[method] = Operation(
                method=method,
                handler=handler,
                takes=takes,
                returns=returns,
                statuses=statuses,
                failures=failures,
                limit=limit or (Limit.READ if is_read else Limit.WRITE),
                needs_licence=needs_licence and not is_read,
                if_match=if_match,
                texts=texts,
            )
            return handler

        return register

    def respond(self, req: func.HttpRequest, traceparent: str | None) -> func.HttpResponse:
        """The answer to one invocation; the last resort for every exception below it."""
        started = time.perf_counter()
        trace = trace_of(traceparent)
        try:
            answer = self._answer(services(), req, trace, started)
        except Failure as failure:
            answer = self._refusal(failure, req.method, trace, started)
        except Exception as error:  # noqa: BLE001 - the HTTP rim: nothing may pass it but an answer
            where = {"route": f"/{self.route}", "method": req.method or "", "trace_id": trace.trace_id}
            log.error("http_failed", error=error, status=500, **where)
            answer = Answer(500, unexpected(trace.trace_id), MEDIA_TYPE)
        return func.HttpResponse(
            answer.body,
            status_code=answer.status,
            headers={**API_HEADERS, **answer.headers},
            mimetype=answer.media_type,
        )

    def _answer(self, shared: Services, req: func.HttpRequest, trace: Trace, started: float) -> Answer:
        request = read_request(req, shared.now(), self.max_body_bytes)
        identity = self.authenticate(shared, request) if self.authenticate else None
        operation = self.operations.get(request.method)
        if operation is None:
            raise MethodNotAllowed(tuple(sorted(self.operations)))
        call = Call(shared, request, identity, trace)
        if not self.is_api or identity is None:
            return self._run(call, operation)
        standing = _admitted(call, identity, operation)
        # Before anything is looked up: what exists is no business of a visitor without an account.
        call.check_signed_in()
        _check_conditions(request, operation)
        key = idempotency_key(request)
        if key is None:
            return self._run(call, operation).adding(standing.header)

        def settled() -> Answer:
            """Refusals are outcomes too, but for those that say nothing about the request itself."""
            try:
                return self._run(call, operation)
            except (Unauthenticated, Unlicensed, Unavailable, NotFound):
                # Confluence may show in a moment what it does not show yet.
                raise
            except Failure as failure:
                return self._refusal(failure, request.method, trace, started)

        ticket = ticket_of(
            shared.keyring, call.tenant_id, call.account_id, key=key, route=f"POST /{self.route}", request=request
        )
        return once(shared, call.installation, ticket, settled, now=call.now).adding(standing.header)

    def _run(self, call: Call, operation: Operation) -> Answer:
        if self.is_api and operation.needs_licence and not call.installation.is_licensed:
            raise Unlicensed
        taken = parse(operation.takes, call.request, is_public=self.authenticate is None)
        result = operation.handler(call, taken)
        reply = result if isinstance(result, Reply) else Reply(result)
        answer = render(reply)
        if self.is_api and self.may_be_kept and operation.method == "GET":
            return tagged(reply, answer, call.request.headers.get("if-none-match"))
        return answer

    def _refusal(self, failure: Failure, method: str, trace: Trace, started: float) -> Answer:
        status, _ = status_of(failure)
        log.warning(
            "http_refused",
            route=f"/{self.route}",
            method=method,
            status=status,
            code=failure.code,
            reason=getattr(failure, "reason", None) or failure.code,
            trace_id=trace.trace_id,
            duration_ms=int((time.perf_counter() - started) * 1000),
        )
        if self.failure_page:
            return Answer(status, self.failure_page(failure, trace), "text/html", headers_of(failure))
        return Answer(status, problem(failure, trace.trace_id), MEDIA_TYPE, headers_of(failure))


def _admitted(call: Call, identity: Identity, operation: Operation) -> Standing:
    """How the caller now stands against the operation's limit; `RateLimited` beyond it."""
    limiter = limiter_of(call.services.settings.rate_limit_factor)
    standing = limiter.admit(call.tenant_id, identity.claims.account_id or "", operation.limit)
    if not standing.is_allowed:
        raise RateLimited(retry_after_s=standing.resets_in_s, headers={**standing.policy_header, **standing.header})
    return standing


def _check_conditions(request: Request, operation: Operation) -> None:
    """A condition is honoured or refused: whoever sends one relies on it."""
    condition = request.headers.get("if-match")
    if condition is None:
        return
    if not operation.if_match:
        raise Invalid("This operation does not honour If-Match; send it without.")
    version_of(condition)


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
