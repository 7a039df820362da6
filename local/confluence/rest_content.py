"""REST v2 for custom content: reading, listing, and what the caller may do with it."""

from typing import Any

from local.confluence import shapes
from local.confluence.bodies import REPRESENTATIONS
from local.confluence.calls import CONTENT_SORTS, Answer, Endpoint, Visit, decimal, invalid, not_found
from local.confluence.content import Item, find_item, find_version
from local.confluence.descriptor import CustomType
from local.confluence.people import find_space
from local.confluence.rest_lists import PAGING, list_content
from local.confluence.storage import Value

ONE = "/custom-content/{id}"
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


def type_of(visit: Visit, type_key: Any) -> CustomType:
    app = visit.sight.app
    found = None if app is None else app.types.get(type_key)
    if found is None:
        raise invalid("type is not a custom content type of an installed app")
    return found


def readable_item(visit: Visit) -> Item:
    """Trashed items are shown, as trashed, to those who may delete them, and to nobody else."""
    item = find_item(visit.sim.storage, visit.site, visit.call.number("id"))
    if item is None or item.kind != "custom" or not visit.sight.may_view(item):
        raise not_found("The custom content")
    if item.status != "current" and not visit.sight.may_delete(item):
        raise not_found("The custom content")
    return item


def read(visit: Visit) -> Answer:
    item = readable_item(visit)
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


def _list(visit: Visit, conditions: list[tuple[str, list[Value]]], sorts: list[str]) -> Answer:
    representation = visit.call.choice("body-format", REPRESENTATIONS)
    return list_content(
        visit, "custom", conditions, lambda item: shapes.custom_content(item, representation), sorts=sorts
    )


def list_by_type(visit: Visit) -> Answer:
    custom = type_of(visit, visit.call.one("type"))
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
    custom = type_of(visit, visit.call.one("type"))
    return _list(visit, [("type", [custom.key]), ("space_id", [space_id])], ["id"])


def list_children(visit: Visit) -> Answer:
    container = readable_item(visit)
    conditions: list[tuple[str, list[Value]]] = [("container_kind", ["custom"]), ("container_id", [container.id])]
    return list_content(visit, "custom", conditions, shapes.child, sorts=CONTENT_SORTS)


def operations(visit: Visit) -> Answer:
    return Answer(200, shapes.operations(visit.sight.rights_on(readable_item(visit))))


ENDPOINTS = (
    Endpoint("GET", "/custom-content", "READ", list_by_type, PAGING | {"type", "id", "space-id", "body-format"}),
    Endpoint("GET", ONE, "READ", read, READ_OPTIONS),
    Endpoint("GET", f"{ONE}/children", "READ", list_children, PAGING),
    Endpoint("GET", f"{ONE}/operations", "READ", operations),
    Endpoint("GET", "/spaces/{id}/custom-content", "READ", list_in_space, PAGING - {"sort"} | {"type", "body-format"}),
)
