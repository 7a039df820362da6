"""REST v2 for custom content: create, read, list, change, trash, restore and purge."""

from typing import Any

from local.confluence import shapes
from local.confluence.bodies import REPRESENTATIONS, read_body
from local.confluence.calls import (
    CONTENT_SORTS,
    Answer,
    Endpoint,
    Visit,
    check_fields,
    decimal,
    invalid,
    limit_of,
    listing,
    not_found,
    text,
    window_of,
)
from local.confluence.content import (
    Draft,
    Item,
    add_item,
    change_item,
    find_item,
    find_version,
    list_items,
    purge_item,
    sort_value,
    trash_item,
)
from local.confluence.descriptor import CustomType
from local.confluence.people import find_space
from local.confluence.refusals import Refused
from local.confluence.storage import Value
from local.confluence.webhooks import content_payload

CONTAINER_FIELDS = {"pageId": "page", "blogPostId": "blogpost", "customContentId": "custom"}
CREATE_FIELDS = ("type", "status", "spaceId", *CONTAINER_FIELDS, "title", "body")
UPDATE_FIELDS = ("id", *CREATE_FIELDS, "version")
READ_OPTIONS = frozenset(
    {
        "body-format",
        "version",
        "include-labels",
        "include-properties",
        "include-operations",
        "include-versions",
        "include-version",
    }
)


def visible_item(visit: Visit, item_id: int, kind: str, what: str) -> Item:
    item = find_item(visit.sim.storage, visit.site, item_id)
    if item is None or item.kind != kind or item.status != "current" or not visit.sight.may_view(item):
        raise not_found(what)
    return item


def _type(visit: Visit, type_key: Any) -> CustomType:
    app = visit.sight.app
    found = None if app is None else app.types.get(type_key)
    if found is None:
        raise invalid("type is not a custom content type of an installed app")
    return found


def _place(visit: Visit, custom: CustomType, document: dict[str, Any]) -> tuple[int, str, int]:
    """Space id, container kind and container id of a create or update body."""
    named = [name for name in CONTAINER_FIELDS if document.get(name) is not None]
    if not named:
        space_id = decimal(str(document.get("spaceId")), "spaceId")
        if not visit.sight.may_view_space(space_id):
            raise not_found("The space")
        if "space" not in custom.containers:
            raise invalid(f"{custom.key} may not be contained in a space")
        return space_id, "space", space_id
    kind = CONTAINER_FIELDS[named[0]]
    container_id = decimal(str(document[named[0]]), named[0])
    container = visible_item(visit, container_id, kind, "The container")
    container_type = container.type if kind == "custom" else kind
    if container_type not in custom.containers:
        raise invalid(f"{custom.key} may not be contained in {container_type}")
    if kind == "custom" and custom.key not in _type(visit, container.type).children:
        raise invalid(f"{container.type} does not take {custom.key}")
    return container.space_id, kind, container.id


def _draft(visit: Visit, custom: CustomType, document: dict[str, Any]) -> Draft:
    place = _place(visit, custom, document)
    title = text(document, "title")
    body = read_body(document["body"], REPRESENTATIONS)
    if (body.representation == "raw") != (custom.body_type == "raw"):
        raise invalid(f"the body of {custom.key} is {custom.body_type}")
    return Draft("custom", custom.key, title, *place, body)


def notify(visit: Visit, event: str, item: Item) -> None:
    payload = content_payload(visit.sim.storage, visit.site, item, visit.caller.account_id)
    visit.sim.senders[visit.site.key].send(event, payload)


def create(visit: Visit) -> Answer:
    document = visit.call.json()
    check_fields(document, CREATE_FIELDS, ("type", "title", "body"))
    if sum(document.get(name) is not None for name in ("spaceId", *CONTAINER_FIELDS)) != 1:
        raise invalid("exactly one of spaceId, pageId, blogPostId, customContentId is needed")
    if document.get("status", "current") != "current":
        raise invalid("only status current is simulated")
    actor = visit.actor()
    custom = _type(visit, document["type"])
    draft = _draft(visit, custom, document)
    if not visit.sight.may_create(custom, draft.space_id):
        raise not_found("The place, or the right to create this type in it,")
    item = add_item(visit.sim.storage, visit.site, draft, actor)
    notify(visit, "content_created", item)
    return Answer(201, shapes.with_base(shapes.custom_content(item, draft.body.representation), visit.site))


def _readable(visit: Visit) -> Item:
    """Trashed items are shown, as trashed, to those who may delete them, and to nobody else."""
    item = find_item(visit.sim.storage, visit.site, visit.call.number("id"))
    if item is None or item.kind != "custom" or not visit.sight.may_view(item):
        raise not_found("The custom content")
    if item.status != "current" and not visit.sight.may_delete(item):
        raise not_found("The custom content")
    return item


def read(visit: Visit) -> Answer:
    item = _readable(visit)
    representation = visit.call.choice("body-format", REPRESENTATIONS)
    wanted = visit.call.one("version")
    shape = shapes.custom_content(item, representation)
    if wanted is not None and decimal(wanted, "version") != item.version:
        past = find_version(visit.sim.storage, item, decimal(wanted, "version"))
        if past is None:
            raise not_found("The version")
        shape["title"], shape["status"] = past.title, "historical"
        shape["version"] = shapes.version(past.number, past.created_at, past.author_id, past.message)
        if representation == past.body.representation:
            shape["body"] = {representation: {"representation": representation, "value": past.body.value}}
    if visit.call.flag("include-operations"):
        shape["operations"] = {"results": shapes.operations(visit.sight.rights_on(item))["operations"]}
    return Answer(200, shapes.with_base(shape, visit.site))


def change(visit: Visit) -> Answer:
    document = visit.call.json()
    check_fields(document, UPDATE_FIELDS, ("id", "type", "status", "spaceId", "title", "body", "version"))
    if sum(document.get(name) is not None for name in CONTAINER_FIELDS) > 1:
        raise invalid("at most one of pageId, blogPostId, customContentId is allowed")
    actor = visit.actor()
    item = _readable(visit)
    if document["id"] != str(item.id) or document["type"] != item.type or document["status"] != "current":
        raise invalid("id and type must be those of the custom content, status must be current")
    custom = _type(visit, item.type)
    draft = _draft(visit, custom, document)
    if document["spaceId"] != str(draft.space_id):
        raise invalid("spaceId must be the space of the container")
    moved = (draft.space_id, draft.container_kind, draft.container_id) != (
        item.space_id,
        item.container_kind,
        item.container_id,
    )
    if not visit.sight.may_update(item) or (moved and not visit.sight.may_create(custom, draft.space_id)):
        raise Refused(403, "FORBIDDEN", "You may not change this custom content.")
    number, message = _next_version(document["version"])
    written = number == item.version + 1 and change_item(
        visit.sim.storage, item, draft, modifier_id=actor, version=number, message=message
    )
    if not written:
        raise Refused(409, "CONFLICT", f"The version must be {item.version + 1}.")
    changed = find_item(visit.sim.storage, visit.site, item.id) or item
    notify(visit, "content_restored" if item.status == "trashed" else "content_updated", changed)
    return Answer(200, shapes.with_base(shapes.custom_content(changed, draft.body.representation), visit.site))


def _next_version(document: Any) -> tuple[int, str]:
    number = document.get("number") if isinstance(document, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise invalid("version.number is needed")
    message = document.get("message", "")
    if not isinstance(message, str):
        raise invalid("version.message must be a text")
    return number, message


def remove(visit: Visit) -> Answer:
    visit.actor()
    item = _readable(visit)
    if visit.call.flag("purge"):
        if not visit.sight.may_administer_space(item.space_id):
            raise Refused(403, "FORBIDDEN", "Purging needs space administration.")
        if item.status != "trashed":
            raise invalid("only trashed custom content can be purged")
        purge_item(visit.sim.storage, item)
        notify(visit, "content_removed", item)
        return Answer(204)
    if not visit.sight.may_delete(item):
        raise Refused(403, "FORBIDDEN", "You may not delete this custom content.")
    if item.status == "trashed":
        raise not_found("The custom content")
    trash_item(visit.sim.storage, item)
    notify(visit, "content_trashed", find_item(visit.sim.storage, visit.site, item.id) or item)
    return Answer(204)


def _list(visit: Visit, conditions: list[tuple[str, list[Value]]], sorts: list[str]) -> Answer:
    representation = visit.call.choice("body-format", REPRESENTATIONS)
    window, limit = window_of(visit, sorts), limit_of(visit.call)
    shown: list[Item] = []
    for item in list_items(visit.sim.storage, visit.site, window, conditions=[("kind", ["custom"]), *conditions]):
        if visit.sight.may_view(item):
            shown.append(item)
        if len(shown) > limit:
            break
    page = shown[:limit]
    mark = (sort_value(page[-1], window.sort), page[-1].id) if len(shown) > limit else None
    return listing(visit, [shapes.custom_content(item, representation) for item in page], mark)


def list_by_type(visit: Visit) -> Answer:
    custom = _type(visit, visit.call.one("type"))
    conditions: list[tuple[str, list[Value]]] = [("type", [custom.key])]
    if ids := visit.call.many_ids("id"):
        conditions.append(("id", [*ids]))
    if space_ids := visit.call.many_ids("space-id", 100):
        conditions.append(("space_id", [*space_ids]))
    return _list(visit, conditions, CONTENT_SORTS)


def list_in_space(visit: Visit) -> Answer:
    space_id = visit.call.number("id")
    if find_space(visit.sim.storage, visit.site, space_id) is None or not visit.sight.may_view_space(space_id):
        raise not_found("The space")
    custom = _type(visit, visit.call.one("type"))
    return _list(visit, [("type", [custom.key]), ("space_id", [space_id])], ["id"])


def list_children(visit: Visit) -> Answer:
    container = _readable(visit)
    window, limit = window_of(visit, CONTENT_SORTS), limit_of(visit.call)
    conditions: list[tuple[str, list[Value]]] = [
        ("kind", ["custom"]),
        ("container_kind", ["custom"]),
        ("container_id", [container.id]),
    ]
    items = list_items(visit.sim.storage, visit.site, window, conditions=conditions)
    shown = [item for item in items if visit.sight.may_view(item)]
    page = shown[:limit]
    mark = (sort_value(page[-1], window.sort), page[-1].id) if len(shown) > limit else None
    return listing(visit, [shapes.child(item) for item in page], mark)


def operations(visit: Visit) -> Answer:
    return Answer(200, shapes.operations(visit.sight.rights_on(_readable(visit))))


PAGING = frozenset({"cursor", "limit", "sort"})
ONE = "/custom-content/{id}"
ENDPOINTS = (
    Endpoint("GET", "/custom-content", "READ", list_by_type, PAGING | {"type", "id", "space-id", "body-format"}),
    Endpoint("POST", "/custom-content", "WRITE", create),
    Endpoint("GET", ONE, "READ", read, READ_OPTIONS),
    Endpoint("PUT", ONE, "WRITE", change),
    Endpoint("DELETE", ONE, "DELETE", remove, frozenset({"purge"})),
    Endpoint("GET", f"{ONE}/children", "READ", list_children, PAGING),
    Endpoint("GET", f"{ONE}/operations", "READ", operations),
    Endpoint("GET", "/spaces/{id}/custom-content", "READ", list_in_space, PAGING - {"sort"} | {"type", "body-format"}),
)
