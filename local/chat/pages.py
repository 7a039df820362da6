"""The page people look at: three static files; the browser draws the messages from the control API."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
    "/page/card.js": ("card.js", "text/javascript"),
}
_DIRECTORY: Final = Path(__file__).parent / "page"

# Messages hold text written by anybody. Nothing may run or load here that is not one of the files above.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> list[Route]:
    return [Route(path, show_file, methods=["GET"]) for path in _FILES]


async def show_file(request: Request) -> Response:
    name, media_type = _FILES[request.url.path]
    return Response((_DIRECTORY / name).read_bytes(), headers=_HEADERS, media_type=media_type)
