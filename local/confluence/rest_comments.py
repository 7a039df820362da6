"""REST v2 for footer comments on pages, custom content and other comments."""

from typing import Any

from local.confluence import shapes
from local.confluence.bodies import read_body
from local.confluence.calls import (
    Answer,
    Endpoint,
    Visit,
    both_directions,
    check_fields,
    decimal,
    invalid,
    limit_of,
    listing,
    window_of,
)
from local.confluence.content import Draft, Item, add_item, list_items, sort_value
from local.confluence.refusals import Refused
from local.confluence.rest_content import PAGING, visible_item
from local.confluence.storage import Value

CONTAINER_FIELDS = {"pageId": "page", "customContentId": "custom", "parentCommentId": "comment"}
READ_REPRESENTATIONS = ("storage", "atlas_doc_format")
SORTS = both_directions("created-date", "modified-date")


def _container(visit: Visit, document: dict[str, Any]) -> Item:
    named = [name for name in CONTAINER_FIELDS if document.get(name) is not None]
    if len(named) != 1:
        raise invalid("exactly one of pageId, customContentId, parentCommentId is needed")
    kind = CONTAINER_FIELDS[named[0]]
    container = visible_item(visit, decimal(str(document[named[0]]), named[0]), kind, "The container")
    app = visit.sight.app
    if kind == "custom" and (app is None or "comment" not in app.types[container.type].children):
        raise invalid(f"{container.type} does not take comments")
    return container


def create(visit: Visit) -> Answer:
    document = visit.call.json()
    check_fields(document, (*CONTAINER_FIELDS, "blogPostId", "attachmentId", "body"), ("body",))
    actor = visit.actor()
    container = _container(visit, document)
    body = read_body(document["body"], READ_REPRESENTATIONS)
    if not visit.sight.holds(container.space_id, "create", "comment"):
        raise Refused(403, "FORBIDDEN", "You may not comment in this space.")
    draft = Draft(
        "comment", "comment", f"Re: {container.title}", container.space_id, container.kind, container.id, body
    )
    item = add_item(visit.sim.storage, visit.site, draft, actor)
    return Answer(201, shapes.with_base(shapes.comment(item, body.representation), visit.site))


def _list(visit: Visit, conditions: list[tuple[str, list[Value]]]) -> Answer:
    representation = visit.call.choice("body-format", READ_REPRESENTATIONS)
    window, limit = window_of(visit, SORTS, "created-date"), limit_of(visit.call)
    items = list_items(visit.sim.storage, visit.site, window, conditions=[("kind", ["comment"]), *conditions])
    shown = [item for item in items if visit.sight.may_view(item)]
    page = shown[:limit]
    mark = (sort_value(page[-1], window.sort), page[-1].id) if len(shown) > limit else None
    return listing(visit, [shapes.comment(item, representation) for item in page], mark)


def list_all(visit: Visit) -> Answer:
    return _list(visit, [])


def list_of_custom_content(visit: Visit) -> Answer:
    container = visible_item(visit, visit.call.number("id"), "custom", "The custom content")
    return _list(visit, [("container_kind", ["custom"]), ("container_id", [container.id])])


def read(visit: Visit) -> Answer:
    item = visible_item(visit, visit.call.number("id"), "comment", "The comment")
    representation = visit.call.choice("body-format", READ_REPRESENTATIONS)
    return Answer(200, shapes.with_base(shapes.comment(item, representation), visit.site))


LIST_OPTIONS = PAGING | {"body-format"}
ENDPOINTS = (
    Endpoint("GET", "/footer-comments", "READ", list_all, LIST_OPTIONS),
    Endpoint("POST", "/footer-comments", "WRITE", create),
    Endpoint("GET", "/footer-comments/{id}", "READ", read, frozenset({"body-format", "include-version"})),
    Endpoint("GET", "/custom-content/{id}/footer-comments", "READ", list_of_custom_content, LIST_OPTIONS),
)
