"""The REST front: route, authenticate, check the scope, call the handler, render, log."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.confluence import rest_comments, rest_content, rest_pages, rest_spaces, rest_v1, rest_writes
from local.confluence.callers import APP, BROWSER, IMPERSONATED, identify, require_scope
from local.confluence.calls import Answer, Call, Endpoint, Visit, invalid
from local.confluence.people import Site
from local.confluence.points import cost_of
from local.confluence.refusals import Refused, render
from local.confluence.simulator import LoggedRequest, Simulator

log = logging.getLogger("local.confluence.rest")

V2, V1 = "/wiki/api/v2", "/wiki/rest/api"
MAX_BODY = 5_000_000

type View = Callable[[Request], Awaitable[Response]]


def raw_target(request: Request) -> str:
    """The request target as sent, still encoded, because the query hash covers exactly that."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path.decode("ascii") + (f"?{query.decode('ascii')}" if query else "")


async def read_call(request: Request) -> Call:
    return Call(
        method=request.method,
        target=raw_target(request),
        path=request.path_params,
        headers=dict(request.headers),
        body=await request.body(),
    )


def _check_outage(sim: Simulator, site: Site) -> None:
    if sim.outage(site).rest:
        raise Refused(503, "SERVICE_UNAVAILABLE", "Confluence is not available.")


def _check_shape(endpoint: Endpoint, call: Call, kind: str) -> None:
    if call.method == "GET" and call.body and kind != BROWSER:
        raise Refused(403, "FORBIDDEN", "A GET request must not carry a body.")
    if len(call.body) > MAX_BODY:
        raise Refused(413, "PAYLOAD_TOO_LARGE", "The body is too large.")
    unknown = sorted({name for name, _ in call.query} - endpoint.query)
    if unknown:
        raise invalid(f"unknown parameter {', '.join(unknown)}")


def _refuse(refusal: Refused, call: Call) -> Answer:
    headers = {"WWW-Authenticate": "JWT"} if refusal.status == 401 else {}
    return Answer(refusal.status, render(refusal, v1=call.target.startswith(V1)), headers)


def _answer(visit: Visit, endpoint: Endpoint) -> Answer:
    try:
        require_scope(visit.caller, endpoint.scope)
        _check_shape(endpoint, visit.call, visit.caller.kind)
        return endpoint.handler(visit)
    except Refused as refusal:
        return _refuse(refusal, visit.call)


def _metered(visit: Visit, endpoint: Endpoint) -> Answer:
    """The answer to an app's call, paid for; refusals cost what an empty answer costs."""
    quota = visit.sim.quotas[visit.site.key]
    if (headers := quota.refusal()) is not None:
        refusal = Refused(429, "TOO_MANY_REQUESTS", "The points of this hour are used up.")
        return replace(_refuse(refusal, visit.call), headers=headers)
    answer = _answer(visit, endpoint)
    budget = quota.spend(cost_of(endpoint.scope, answer.body))
    return replace(answer, headers={**answer.headers, **budget.headers()})


def _carry_out(sim: Simulator, site: Site, endpoint: Endpoint, call: Call) -> tuple[Answer, str]:
    """The answer and who asked; refusals become answers here."""
    try:
        _check_outage(sim, site)
        caller = identify(sim.storage, site, call.method, call.target, call.headers)
    except Refused as refusal:
        return _refuse(refusal, call), "refused"
    visit = Visit(sim, site, call, caller, sim.sight(site, caller.account_id))
    if caller.kind in {APP, IMPERSONATED}:
        return _metered(visit, endpoint), "app" if caller.kind == APP else caller.label
    return _answer(visit, endpoint), caller.label


def _render(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    content = json.dumps(answer.body, ensure_ascii=False).encode()
    return Response(content, answer.status, headers, "application/json")


def _view(sim: Simulator, endpoint: Endpoint) -> View:
    async def view(request: Request) -> Response:
        site: Site = request.scope["site"]
        call = await read_call(request)
        answer, who = await run_in_threadpool(_carry_out, sim, site, endpoint, call)
        path, _, query = call.target.partition("?")
        sim.log(site, LoggedRequest(call.method, path, query, who, answer.status))
        log.info("%s %s %s %s %d", site.key, call.method, path, who, answer.status)
        return _render(answer)

    return view


async def _unknown(request: Request) -> Response:
    refusal = Refused(404, "NOT_FOUND", "No such resource is simulated.")
    body: dict[str, Any] = render(refusal, v1=request.url.path.startswith(V1))
    return JSONResponse(body, 404)


def routes(sim: Simulator) -> list[Route]:
    v2 = (
        *rest_content.ENDPOINTS,
        *rest_writes.ENDPOINTS,
        *rest_comments.ENDPOINTS,
        *rest_pages.ENDPOINTS,
        *rest_spaces.ENDPOINTS,
    )
    pairs = [(V2, endpoint) for endpoint in v2] + [(V1, endpoint) for endpoint in rest_v1.ENDPOINTS]
    found = [
        Route(prefix + endpoint.path, _view(sim, endpoint), methods=[endpoint.method]) for prefix, endpoint in pairs
    ]
    return [
        *found,
        Route(V2 + "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        Route(V1 + "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ]
