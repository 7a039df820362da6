"""The ASGI application: picks the site by the port a request came in on, then routes."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from local.confluence import assets, control, host, rest, services
from local.confluence.simulator import Simulator


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def build_app(sim: Simulator) -> ASGIApp:
    """Only the exact origins are answered: another host name would be another origin, or a rebinding attack."""
    router = Router(
        [
            Route("/healthz", _healthz),
            *rest.routes(sim),
            *services.routes(sim),
            *control.routes(sim),
            *assets.routes(sim),
            *host.routes(sim),
        ]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        port = scope["server"][1]
        site = sim.site_at(port)
        named = Headers(scope=scope).get("host", "")
        if site is not None and named == site.origin.removeprefix("http://"):
            await router({**scope, "site": site}, receive, send)
        elif site is not None and named == f"localhost:{port}" and scope["method"] == "GET":
            await RedirectResponse(site.origin + scope["path"], 307)(scope, receive, send)
        else:
            await PlainTextResponse("unknown host", 421)(scope, receive, send)

    return app
