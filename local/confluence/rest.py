"""The REST front: route, authenticate, check the scope, call the handler, render, log."""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.confluence import rest_comments, rest_content, rest_spaces, rest_v1
from local.confluence.callers import APP, BROWSER, identify, require_scope
from local.confluence.calls import Answer, Call, Endpoint, Visit, invalid
from local.confluence.people import Site
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


def _carry_out(sim: Simulator, site: Site, endpoint: Endpoint, call: Call) -> tuple[Answer, str]:
    """The answer and who asked; refusals become answers here."""
    who = "refused"
    v1 = call.target.startswith(V1)
    try:
        _check_outage(sim, site)
        caller = identify(sim.storage, site, call.method, call.target, call.headers)
        who = "app" if caller.kind == APP else caller.label
        require_scope(caller, endpoint.scope)
        _check_shape(endpoint, call, caller.kind)
        sight = sim.sight(site, caller.account_id)
        return endpoint.handler(Visit(sim, site, call, caller, sight)), who
    except Refused as refusal:
        headers = {"WWW-Authenticate": "JWT"} if refusal.status == 401 else {}
        return Answer(refusal.status, render(refusal, v1=v1), headers), who


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
    v2 = (*rest_content.ENDPOINTS, *rest_spaces.ENDPOINTS, *rest_comments.ENDPOINTS)
    pairs = [(V2, endpoint) for endpoint in v2] + [(V1, endpoint) for endpoint in rest_v1.ENDPOINTS]
    found = [
        Route(prefix + endpoint.path, _view(sim, endpoint), methods=[endpoint.method]) for prefix, endpoint in pairs
    ]
    return [
        *found,
        Route(V2 + "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        Route(V1 + "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
    ]
