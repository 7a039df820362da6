"""The control interface under `/_sim/` for tests and seeding: JSON, loopback only, never for the app."""

import json
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.confluence import control_pages, control_people, control_spaces
from local.confluence.control_calls import Action, ControlRefused, Json, account_of, flag_of
from local.confluence.embedding import Whereabouts, context_token, iframe_url
from local.confluence.installation import Installation, enabled_installation, find_installation
from local.confluence.lifecycle import LifecycleFailed, change_state, install
from local.confluence.people import ROLE_MODES, Site, Switches, set_switches, switches_of
from local.confluence.points import Budget
from local.confluence.simulator import Simulator
from local.confluence.webhooks import MODES


def state(sim: Simulator, site: Site, _path: Json, _body: Json) -> Json:
    found = find_installation(sim.storage, site)
    switches = switches_of(sim.storage, site)
    counted = sim.storage.rows("SELECT type, status, COUNT(*) AS n FROM content WHERE site = ? GROUP BY 1, 2", site.key)
    outage = sim.outage(site)
    return {
        "site": site.key,
        "baseUrl": site.base_url,
        "installed": found is not None and found.state != "uninstalled",
        "state": None if found is None else found.state,
        "appKey": None if found is None else found.app.key,
        "clientKey": None if found is None else found.client_key,
        "appAccountId": None if found is None else found.app_account_id,
        "listsAppTypes": switches.lists_app_types,
        "roleMode": switches.role_mode,
        "licensed": switches.licensed,
        "outage": {"rest": outage.rest, "oauth": outage.oauth, "webhooks": sim.senders[site.key].mode},
        "counts": [{"type": row["type"], "status": row["status"], "count": row["n"]} for row in counted],
    }


def _enabled(sim: Simulator, site: Site) -> Installation:
    found = enabled_installation(sim.storage, site)
    if found is None:
        raise ControlRefused(409, "the app is not installed and enabled")
    return found


def token(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    if body.get("kind", "context") != "context":
        raise ControlRefused(400, "kind must be context")
    account_id = account_of(sim, site, body)
    return {"token": context_token(_enabled(sim, site), Whereabouts(), account_id=account_id)}


def make_iframe_url(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    installation = _enabled(sim, site)
    module = installation.app.modules.get(str(body.get("moduleKey")))
    if module is None:
        raise ControlRefused(404, "no such module in the descriptor")
    place = Whereabouts(custom={str(name): str(value) for name, value in body.get("params", {}).items()})
    account_id, licensed = account_of(sim, site, body), switches_of(sim.storage, site).licensed
    return {"url": iframe_url(site, installation, module, place, account_id=account_id, licensed=licensed)}


def do_install(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    install(sim, site)
    return state(sim, site, path, body)


def _change_to(event: str) -> Action:
    def action(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
        change_state(sim, site, event)
        return state(sim, site, path, body)

    return action


def set_outage(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """Only the named switches change."""
    outage = sim.outage(site)
    mode = body.get("webhooks", sim.senders[site.key].mode)
    if mode not in MODES:
        raise ControlRefused(400, f"webhooks must be one of {', '.join(MODES)}")
    outage.rest = bool(body.get("rest", outage.rest))
    outage.oauth = bool(body.get("oauth", outage.oauth))
    sim.senders[site.key].mode = mode
    return state(sim, site, path, body)


def set_site(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """Only the named switches change."""
    if not body or set(body) - {"listsAppTypes", "roleMode", "licensed"}:
        raise ControlRefused(400, "needs one of listsAppTypes, roleMode, licensed")
    before = switches_of(sim.storage, site)
    role_mode = body.get("roleMode", before.role_mode)
    if role_mode not in ROLE_MODES:
        raise ControlRefused(400, f"roleMode must be one of {', '.join(ROLE_MODES)}")
    lists_app_types = flag_of(body, "listsAppTypes", default=before.lists_app_types)
    licensed = flag_of(body, "licensed", default=before.licensed)
    set_switches(sim.storage, site, Switches(lists_app_types, role_mode, licensed))
    return state(sim, site, path, body)


def _shown(budget: Budget) -> Json:
    return {"used": budget.used, "limit": budget.limit, "requests": budget.requests}


def points(sim: Simulator, site: Site, _path: Json, _body: Json) -> Json:
    return _shown(sim.quotas[site.key].read())


def set_points(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    limit = body.get("limit")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise ControlRefused(400, "limit must be a number of points")
    return _shown(sim.quotas[site.key].set_limit(limit))


def reset_points(sim: Simulator, site: Site, _path: Json, _body: Json) -> Json:
    return _shown(sim.quotas[site.key].reset())


def requests_made(sim: Simulator, site: Site, _path: Json, _body: Json) -> Json:
    return {"requests": [asdict(request) for request in sim.requests.get(site.key, [])]}


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/state", state),
    ("GET", "/requests", requests_made),
    ("POST", "/token", token),
    ("POST", "/iframe-url", make_iframe_url),
    ("POST", "/install", do_install),
    ("POST", "/uninstall", _change_to("uninstalled")),
    ("POST", "/disable", _change_to("disabled")),
    ("POST", "/enable", _change_to("enabled")),
    ("POST", "/outage", set_outage),
    ("PUT", "/site", set_site),
    ("GET", "/points", points),
    ("PUT", "/points", set_points),
    ("POST", "/points/reset", reset_points),
    *control_people.ACTIONS,
    *control_spaces.ACTIONS,
    *control_pages.ACTIONS,
)


async def _read_body(request: Request, site: Site) -> Json:
    """Pages of other origins are kept out: no foreign Origin header, and no simple content type with a body."""
    if request.headers.get("origin", site.origin) != site.origin:
        raise ControlRefused(403, "not for pages of other origins")
    raw = await request.body()
    if not raw:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ControlRefused(415, "the body must be application/json")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ControlRefused(400, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise ControlRefused(400, "the body is not a JSON object")
    return body


def _route(sim: Simulator, method: str, path: str, action: Action) -> Route:
    async def view(request: Request) -> Response:
        site: Site = request.scope["site"]
        if request.client is None or request.client.host != "127.0.0.1":
            return JSONResponse({"detail": "loopback only"}, 403)
        try:
            body = await _read_body(request, site)
            return JSONResponse(await run_in_threadpool(action, sim, site, dict(request.path_params), body))
        except ControlRefused as refusal:
            return JSONResponse({"detail": str(refusal)}, refusal.status)
        except LifecycleFailed as failure:
            return JSONResponse({"detail": str(failure)}, 502)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return JSONResponse({"detail": f"malformed body: {type(error).__name__}"}, 400)

    return Route(f"/_sim{path}", view, methods=[method])


def routes(sim: Simulator) -> list[Route]:
    return [_route(sim, *action) for action in ACTIONS]
