"""Puts the simulator together: one door per vendor, the control API and the page."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from local.chat.control import Unusable, control_routes, show_problems
from local.chat.pages import page_routes
from local.chat.storage import Store
from local.chat.teams import teams_door


def make_app(data: Path, base_url: str) -> Starlette:
    """`base_url` is the origin the webhook URLs are written with."""
    store = Store(data)

    @contextlib.asynccontextmanager
    async def open_store(_app: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        routes=[
            Route("/healthz", show_health, methods=["GET"]),
            Mount("/powerautomate", teams_door(store, log)),
            *control_routes(store, base_url),
            *page_routes(),
        ],
        # A name that resolves to loopback must not make this server part of a foreign web page.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        exception_handlers={Unusable: show_problems},
        lifespan=open_store,
    )


async def show_health(_request: Request) -> Response:
    return PlainTextResponse("ok")


def log(line: str) -> None:
    print(f"chat: {line}", file=sys.stderr, flush=True)
