"""Serving the host pages: who is looking, form posts, the bridge's own calls, static files."""

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from local.confluence import pages, permission_screen
from local.confluence.callers import (
    COOKIE_SEPARATOR,
    NO_CHECK,
    USER_COOKIE,
    anonymous_mark,
    cookie_account,
    cookie_values,
)
from local.confluence.content import find_item, restrict
from local.confluence.embedding import Whereabouts, context_token
from local.confluence.installation import enabled_installation
from local.confluence.page_parts import THEMES, Visitor, missing, render
from local.confluence.payloads import content_payload
from local.confluence.people import Site, find_person, list_people
from local.confluence.rest import raw_target
from local.confluence.simulator import Simulator

STATIC = Path(__file__).parent / "static"
AVATAR_COLOURS = ("#0C66E4", "#1F845A", "#8270DB", "#B65C02", "#AE4787")
NO_STORE = {"Cache-Control": "no-store"}
# connect-host.js 5.3.190 appends two constant style elements for web items, one per kind of dialog.
CONNECT_STYLES = (
    "'sha256-noKUDODRQd3Pu1pplDdnyFgo1+JRfPSFy8xZ4QYt0aM='",
    "'sha256-si3uLF78H3NKo7FJkSxFjioHKquA+0du5fhpo6lKdX4='",
)

type Endpoint = Callable[[Request], Awaitable[Response]]


def _theme(request: Request) -> str:
    try:
        cookie = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return THEMES[0]
    chosen = cookie["cq_theme"].value if "cq_theme" in cookie else THEMES[0]
    return chosen if chosen in THEMES else THEMES[0]


def _first_person(sim: Simulator, site: Site) -> str:
    return next(person.account_id for person in list_people(sim.storage, site) if person.account_type != "app")


def read_visitor(sim: Simulator, request: Request) -> tuple[Visitor, bool]:
    """The visitor, and whether they are new here and have been made the site's first person."""
    site: Site = request.scope["site"]
    headers = dict(request.headers)
    account_id = cookie_account(sim.storage, site, headers)
    new = account_id is None and anonymous_mark(site) not in cookie_values(headers)
    if new:
        account_id = _first_person(sim, site)
    return Visitor(sim, site, sim.sight(site, account_id), _theme(request), raw_target(request)), new


def _remember(request: Request, response: Response, sim: Simulator, value: str) -> None:
    """Puts this site's entry into the shared cookie and keeps the other site's."""
    site: Site = request.scope["site"]
    kept = [
        one
        for one in cookie_values(dict(request.headers))
        if one != anonymous_mark(site) and find_person(sim.storage, site, one) is None
    ]
    response.set_cookie(USER_COOKIE, COOKIE_SEPARATOR.join([value, *kept[:3]]), path="/", samesite="lax")


def _policy(sim: Simulator) -> str:
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {' '.join(CONNECT_STYLES)}; "
        "img-src 'self' data:; connect-src 'self'; "
        f"frame-src {sim.settings.app_url}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _page(sim: Simulator, view: pages.View) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        def answer() -> tuple[str, int, str | None]:
            visitor, new = read_visitor(sim, request)
            page = view(visitor, request.path_params, dict(request.query_params))
            return render(visitor, page), page.status, visitor.sight.account_id if new else None

        text, status, newcomer = await run_in_threadpool(answer)
        response = HTMLResponse(text, status, {**NO_STORE, "Content-Security-Policy": _policy(sim)})
        response.headers["Referrer-Policy"] = "same-origin"
        if newcomer is not None:
            _remember(request, response, sim, newcomer)
        return response

    return endpoint


async def _form(request: Request) -> list[tuple[str, str]]:
    return parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)


def _own_origin(request: Request) -> bool:
    """Form posts come from this site's own pages only; the app's frame is another origin on the same host."""
    site: Site = request.scope["site"]
    return request.headers.get("origin") == site.origin


def _back(path: str) -> str:
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _switch_person(sim: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        site: Site = request.scope["site"]
        form = dict(await _form(request))
        account = form.get("account", "")
        if not _own_origin(request):
            return PlainTextResponse("not from this site", 403)
        value = anonymous_mark(site)
        if account != "anonymous":
            if find_person(sim.storage, site, account) is None:
                return PlainTextResponse("no such person here", 404)
            value = account
        response = RedirectResponse(_back(form.get("next", "/")), 303, NO_STORE)
        _remember(request, response, sim, value)
        return response

    return endpoint


def _save_permissions(sim: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if not _own_origin(request):
            return PlainTextResponse("not from this site", 403)
        form = await _form(request)
        visitor, _ = read_visitor(sim, request)
        space = await run_in_threadpool(permission_screen.save_permissions, visitor, form)
        if space is None:
            return HTMLResponse(render(visitor, missing()), 404, NO_STORE)
        return RedirectResponse(f"/wiki/spaces/{quote(space.key)}/permissions?saved=1", 303, NO_STORE)

    return endpoint


def _save_restriction(sim: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if not _own_origin(request):
            return PlainTextResponse("not from this site", 403)
        form = await _form(request)
        visitor, _ = read_visitor(sim, request)
        number = dict(form).get("contentId", "")
        item = find_item(sim.storage, visitor.site, int(number)) if number.isdecimal() else None
        if item is None or not visitor.sight.may_update(item):
            return HTMLResponse(render(visitor, missing()), 404, NO_STORE)
        known = {person.account_id for person in list_people(sim.storage, visitor.site)}
        restrict(sim.storage, item, [value for name, value in form if name == "account" and value in known])
        payload = content_payload(sim.storage, visitor.site, item, visitor.sight.account_id)
        sim.senders[visitor.site.key].send("content_permissions_updated", payload)
        return RedirectResponse(f"/wiki/pages/viewpage.action?pageId={item.id}", 303, NO_STORE)

    return endpoint


def _bridge_call(sim: Simulator, action: Callable[[Visitor, dict[str, str]], Response]) -> Endpoint:
    """Calls of the bridge script: same origin, with the XSRF header no foreign page can set."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("x-atlassian-token") != NO_CHECK:
            return JSONResponse({"detail": "XSRF check failed"}, 403)

        def answer() -> Response:
            visitor, _ = read_visitor(sim, request)
            return action(visitor, dict(request.query_params))

        return await run_in_threadpool(answer)

    return endpoint


def _context_token(visitor: Visitor, _query: dict[str, str]) -> Response:
    installation = enabled_installation(visitor.sim.storage, visitor.site)
    if installation is None:
        return JSONResponse({"detail": "the app is not installed"}, 409)
    place = Whereabouts()
    token = context_token(installation, place, account_id=visitor.sight.account_id)
    return JSONResponse({"token": token}, headers=NO_STORE)


def _module_frame(visitor: Visitor, query: dict[str, str]) -> Response:
    """Settings of a further frame, for dialogs."""
    app = visitor.sight.app
    module = None if app is None else app.modules.get(query.pop("moduleKey", ""))
    place = pages.read_whereabouts(visitor, query)
    if module is None or place is None or (module.kind == "adminPages" and not visitor.sight.administers):
        return JSONResponse({"detail": "no such module"}, 404)
    return JSONResponse(pages.embed_settings(visitor, module, place), headers=NO_STORE)


def _avatar(sim: Simulator) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        person = find_person(sim.storage, request.scope["site"], request.path_params["account_id"])
        if person is None:
            return PlainTextResponse("not found", 404)
        initials = "".join(word[0] for word in person.name.split()[:2] if word[0].isalnum())
        colour = AVATAR_COLOURS[sum(person.account_id.encode()) % len(AVATAR_COLOURS)]
        picture = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><circle cx="24" cy="24" r="24"'
            f' fill="{colour}"/><text x="24" y="31" font-family="sans-serif" font-size="20" fill="#fff"'
            f' text-anchor="middle">{initials}</text></svg>'
        )
        headers = {"Content-Security-Policy": "default-src 'none'", "Cache-Control": "max-age=3600"}
        return Response(picture, media_type="image/svg+xml", headers=headers)

    return endpoint


def routes(sim: Simulator) -> list[Route]:
    return [
        Route("/", _page(sim, pages.dashboard)),
        Route("/wiki", _page(sim, pages.dashboard)),
        Route("/wiki/spaces/{key}", _page(sim, pages.space_home)),
        Route("/wiki/spaces/{key}/permissions", _page(sim, permission_screen.show_permissions)),
        Route("/wiki/pages/viewpage.action", _page(sim, pages.show_content)),
        Route("/wiki/plugins/servlet/ac/{app_key}/{module_key}", _page(sim, pages.show_module)),
        Route("/wiki/host/person", _switch_person(sim), methods=["POST"]),
        Route("/wiki/host/permissions", _save_permissions(sim), methods=["POST"]),
        Route("/wiki/host/restriction", _save_restriction(sim), methods=["POST"]),
        Route("/wiki/host/context-token", _bridge_call(sim, _context_token), methods=["POST"]),
        Route("/wiki/host/module-frame", _bridge_call(sim, _module_frame), methods=["POST"]),
        Route("/wiki/aa-avatar/{account_id}", _avatar(sim)),
    ]
