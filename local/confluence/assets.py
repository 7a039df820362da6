"""Static files: our own styles and scripts, the real Connect host script, and what Atlassian's CDN serves."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.confluence.people import Site
from local.confluence.simulator import Simulator

STATIC = Path(__file__).parent / "static"
OWN = {
    "host.css": "text/css",
    "host.js": "text/javascript",
    "bridge.js": "text/javascript",
    "before-connect.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
VENDOR = {
    "connect-host.js": ("atlassian-connect-js/dist/connect-host.js", "text/javascript"),
    "jquery.js": ("jquery/dist/jquery.min.js", "text/javascript"),
}
# The published script loads theme files from a fixed host; here they come from the origin that served the script.
CDN_LINE = b'var CDN_URL = "https://" + CDN_DOMAIN;'
NOT_INSTALLED = "The Connect scripts are not installed: run npm ci in ui, or set CONNECT_JS_DIR."


def _file(path: Path, media_type: str) -> Response:
    try:
        return Response(path.read_bytes(), media_type=media_type, headers={"Cache-Control": "no-cache"})
    except FileNotFoundError:
        return PlainTextResponse(NOT_INSTALLED, 404)


def routes(sim: Simulator) -> list[Route]:
    scripts = sim.settings.connect_js

    async def host_file(request: Request) -> Response:
        name = request.path_params["name"]
        if name in OWN:
            return _file(STATIC / name, OWN[name])
        if name in VENDOR:
            path, media_type = VENDOR[name]
            return _file(scripts / path, media_type)
        return PlainTextResponse("not found", 404)

    async def all_js(request: Request) -> Response:
        site: Site = request.scope["site"]
        response = _file(scripts / "atlassian-connect-js" / "dist" / "iframe.js", "text/javascript")
        if response.status_code != 200:
            return response
        here = f'var CDN_URL = "{site.origin}/atlassian-connect";'.encode()
        changed = bytes(response.body).replace(CDN_LINE, here)
        return Response(changed, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    async def style(request: Request) -> Response:
        name: str = request.path_params["name"]
        folder = scripts / "atlassian-connect-js" / "dist"
        folder = folder / "themes" if request.url.path.startswith("/atlassian-connect/themes/") else folder
        if not name.endswith(".css") or "/" in name or not (folder / name).is_file():
            return PlainTextResponse("not found", 404)
        return _file(folder / name, "text/css")

    return [
        Route("/host/{name}", host_file),
        Route("/atlassian-connect/all.js", all_js),
        Route("/atlassian-connect/themes/{name}", style),
        Route("/atlassian-connect/{name}", style),
    ]
