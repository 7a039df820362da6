"""REST v2 for pages: reading one, reading many, and what the caller may do with one."""

from local.confluence import shapes
from local.confluence.calls import CONTENT_SORTS, Answer, Endpoint, Visit
from local.confluence.content import Item
from local.confluence.rest_content import visible_item
from local.confluence.rest_lists import PAGING, list_content
from local.confluence.storage import Value

REPRESENTATIONS = ("storage", "atlas_doc_format")


def _page(visit: Visit) -> Item:
    return visible_item(visit, visit.call.number("id"), "page", "The page")


def read(visit: Visit) -> Answer:
    page = _page(visit)
    representation = visit.call.choice("body-format", REPRESENTATIONS)
    return Answer(200, shapes.with_base(shapes.page(page, representation), visit.site))


def list_all(visit: Visit) -> Answer:
    """Ids the caller may not see are left out, as are unknown ones and those in the trash."""
    representation = visit.call.choice("body-format", REPRESENTATIONS)
    conditions: list[tuple[str, list[Value]]] = []
    if ids := visit.call.many_ids("id"):
        conditions.append(("id", [*ids]))
    if space_ids := visit.call.many_ids("space-id", 100):
        conditions.append(("space_id", [*space_ids]))
    return list_content(visit, "page", conditions, lambda item: shapes.page(item, representation), sorts=CONTENT_SORTS)


def operations(visit: Visit) -> Answer:
    page = _page(visit)
    rights = [("read", "page")]
    if visit.sight.may_update(page):
        rights.append(("update", "page"))
    return Answer(200, shapes.operations(rights))


ENDPOINTS = (
    Endpoint("GET", "/pages", "READ", list_all, PAGING | {"id", "space-id", "body-format"}),
    Endpoint("GET", "/pages/{id}", "READ", read, frozenset({"body-format", "include-version"})),
    Endpoint("GET", "/pages/{id}/operations", "READ", operations),
)
