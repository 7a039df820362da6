"""The control interface under `/_sim/` for tests and seeding: JSON, loopback only, never for the app."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.confluence.content import find_item, restrict, restricted_to
from local.confluence.embedding import Whereabouts, context_token, iframe_url
from local.confluence.granting import Change, change_grants, find_subject
from local.confluence.installation import Installation, enabled_installation, find_installation
from local.confluence.lifecycle import LifecycleFailed, change_state, install
from local.confluence.people import Site, find_person, find_space, lists_app_types, set_active
from local.confluence.simulator import Simulator
from local.confluence.webhooks import MODES, content_payload, person_payload

type Json = dict[str, Any]
type Action = Callable[[Simulator, Site, Json, Json], Json]


class ControlRefused(Exception):
    """A control call that makes no sense; becomes a 4xx answer with one sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def state(sim: Simulator, site: Site, _path: Json, _body: Json) -> Json:
    found = find_installation(sim.storage, site)
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
        "listsAppTypes": lists_app_types(sim.storage, site),
        "outage": {"rest": outage.rest, "oauth": outage.oauth, "webhooks": sim.senders[site.key].mode},
        "counts": [{"type": row["type"], "status": row["status"], "count": row["n"]} for row in counted],
    }


def _enabled(sim: Simulator, site: Site) -> Installation:
    found = enabled_installation(sim.storage, site)
    if found is None:
        raise ControlRefused(409, "the app is not installed and enabled")
    return found


def _account(sim: Simulator, site: Site, body: Json) -> str | None:
    """An account id of the site, or null for an anonymous visitor."""
    account_id = body.get("accountId")
    if account_id is not None and find_person(sim.storage, site, str(account_id)) is None:
        raise ControlRefused(404, "no such account on this site")
    return account_id


def token(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    if body.get("kind", "context") != "context":
        raise ControlRefused(400, "kind must be context")
    account_id = _account(sim, site, body)
    return {"token": context_token(_enabled(sim, site), Whereabouts(), account_id=account_id)}


def make_iframe_url(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    installation = _enabled(sim, site)
    module = installation.app.modules.get(str(body.get("moduleKey")))
    if module is None:
        raise ControlRefused(404, "no such module in the descriptor")
    place = Whereabouts(custom={str(name): str(value) for name, value in body.get("params", {}).items()})
    return {"url": iframe_url(site, installation, module, place, account_id=_account(sim, site, body))}


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
    if not isinstance(body.get("listsAppTypes"), bool):
        raise ControlRefused(400, "listsAppTypes must be true or false")
    sim.storage.run("UPDATE sites SET lists_app_types = ? WHERE key = ?", int(body["listsAppTypes"]), site.key)
    return state(sim, site, path, body)


def set_person(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    active = body.get("active")
    if not isinstance(active, bool):
        raise ControlRefused(400, "active must be true or false")
    if not set_active(sim.storage, site, path["account_id"], active=active):
        raise ControlRefused(404, "no such account on this site")
    person = find_person(sim.storage, site, path["account_id"])
    if person is None:
        raise ControlRefused(404, "no such account on this site")
    event = "user_reactivated" if active else "user_deactivated"
    sim.senders[site.key].send(event, person_payload(person))
    return {"accountId": person.account_id, "active": person.active}


def set_grants(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """`subject` is {type: user|group|anonymous, identifier}; groups go by id or name."""
    space = find_space(sim.storage, site, int(path["space_id"]))
    named = body.get("subject", {})
    subject = find_subject(sim, site, str(named.get("type")), str(named.get("identifier", "")))
    if space is None or subject is None:
        raise ControlRefused(404, "no such space or subject on this site")
    changes = [
        (subject, Change(str(one["operation"]), str(one["targetType"]), bool(one["access"])))
        for one in body.get("operations", [])
    ]
    return {"changed": change_grants(sim, site, space, changes, actor_id=space.author_id)}


def set_restriction(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """An empty list lifts the restriction."""
    item = find_item(sim.storage, site, int(path["item_id"]))
    account_ids = body.get("accountIds")
    if item is None or not isinstance(account_ids, list):
        raise ControlRefused(404 if item is None else 400, "needs known content and a list accountIds")
    restrict(sim.storage, item, [str(account_id) for account_id in account_ids])
    payload = content_payload(sim.storage, site, item, item.author_id)
    sim.senders[site.key].send("content_permissions_updated", payload)
    return {"contentId": str(item.id), "accountIds": restricted_to(sim.storage, item)}


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
    ("PUT", "/people/{account_id}", set_person),
    ("PUT", "/spaces/{space_id:int}/grants", set_grants),
    ("PUT", "/content/{item_id:int}/restriction", set_restriction),
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
        except (KeyError, TypeError, AttributeError) as error:
            return JSONResponse({"detail": f"malformed body: {type(error).__name__}"}, 400)

    return Route(f"/_sim{path}", view, methods=[method])


def routes(sim: Simulator) -> list[Route]:
    return [_route(sim, *action) for action in ACTIONS]
