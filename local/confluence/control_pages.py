"""Control of pages and restrictions: what people do with pages on screens the simulator does not have."""

import re

from local.confluence.bodies import read_body
from local.confluence.content import Body, Draft, Item, find_item, restrict, restricted_to
from local.confluence.control_calls import (
    Action,
    ControlRefused,
    Json,
    actor_of,
    open_space_of,
    page_of,
    text_of,
)
from local.confluence.page_tree import create_page, move_page, purge_page, restore_page, trash_page
from local.confluence.payloads import content_payload
from local.confluence.people import Site, Space
from local.confluence.refusals import Refused
from local.confluence.simulator import Simulator

# The site shows bodies of pages as they are, so nothing that could do anything there is taken.
PLAIN_TAG = re.compile(r"</?(?:p|ol|ul|li|h[1-6]|strong|em|code)>")


def _shown(page: Item) -> Json:
    parent = str(page.container_id) if page.container_kind == "page" else None
    return {"pageId": str(page.id), "spaceId": str(page.space_id), "parentId": parent, "status": page.status}


def _body(body: Json) -> Body:
    value = body.get("body", "")
    try:
        read = read_body({"representation": "storage", "value": value}, ("storage",))
    except Refused as refusal:
        raise ControlRefused(400, refusal.detail) from refusal
    if "<" in PLAIN_TAG.sub("", read.value):
        raise ControlRefused(400, "body may hold paragraphs, lists, headings and plain marks only")
    return read


def _place(sim: Simulator, site: Site, body: Json) -> tuple[Space, tuple[str, int]]:
    """The space, and what holds the page there: the space itself or a page of it."""
    space = open_space_of(sim, site, body["spaceId"])
    if body.get("parentId") is None:
        return space, ("space", space.id)
    parent = page_of(sim, site, body["parentId"], "current")
    if parent.space_id != space.id:
        raise ControlRefused(409, "the parent is in another space")
    return space, ("page", parent.id)


def create(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    space, place = _place(sim, site, body)
    draft = Draft("page", "page", text_of(body, "title"), space.id, *place, _body(body))
    return _shown(create_page(sim, site, draft, actor_id=actor_of(sim, site, body, space)))


def _is_below(sim: Simulator, site: Site, place: tuple[str, int], page: Item) -> bool:
    """Whether the place is the page itself or anywhere below it."""
    kind, item_id = place
    while kind == "page" and item_id != page.id:
        holder = find_item(sim.storage, site, item_id)
        if holder is None:
            return False
        kind, item_id = holder.container_kind, holder.container_id
    return kind == "page"


def move(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    page = page_of(sim, site, path["page_id"], "current")
    source = open_space_of(sim, site, page.space_id)
    space, place = _place(sim, site, body)
    if page.id == source.homepage_id:
        raise ControlRefused(409, "the home page of a space stays where it is")
    if _is_below(sim, site, place, page):
        raise ControlRefused(409, "a page cannot go below itself")
    actor_id = actor_of(sim, site, body, space)
    return _shown(move_page(sim, site, page, space_id=space.id, place=place, actor_id=actor_id))


def trash(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    page = page_of(sim, site, path["page_id"], "current")
    space = open_space_of(sim, site, page.space_id)
    if page.id == space.homepage_id:
        raise ControlRefused(409, "the home page of a space stays where it is")
    return _shown(trash_page(sim, site, page, actor_id=actor_of(sim, site, body, space)))


def restore(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    page = page_of(sim, site, path["page_id"], "trashed")
    space = open_space_of(sim, site, page.space_id)
    return _shown(restore_page(sim, site, page, actor_id=actor_of(sim, site, body, space)))


def purge(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    page = page_of(sim, site, path["page_id"], "trashed")
    space = open_space_of(sim, site, page.space_id)
    purge_page(sim, site, page, actor_id=actor_of(sim, site, body, space))
    return {"removed": str(page.id)}


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


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("POST", "/pages", create),
    ("POST", "/pages/{page_id:int}/move", move),
    ("POST", "/pages/{page_id:int}/trash", trash),
    ("POST", "/pages/{page_id:int}/restore", restore),
    ("DELETE", "/pages/{page_id:int}", purge),
    ("PUT", "/content/{item_id:int}/restriction", set_restriction),
)
