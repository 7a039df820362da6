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
    check_writable,
    decimal,
    invalid,
    not_found,
)
from local.confluence.content import Draft, Item, add_item, purge_item
from local.confluence.payloads import comment_payload
from local.confluence.refusals import Refused
from local.confluence.rest_content import visible_item
from local.confluence.rest_lists import PAGING, list_content
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
    check_writable(visit, container.space_id)
    if not visit.sight.holds(container.space_id, "create", "comment"):
        raise Refused(403, "FORBIDDEN", "You may not comment in this space.")
    draft = Draft(
        "comment", "comment", f"Re: {container.title}", container.space_id, container.kind, container.id, body
    )
    item = add_item(visit.sim.storage, visit.site, draft, actor)
    visit.sim.senders[visit.site.key].send(
        "comment_created", comment_payload(visit.sim.storage, visit.site, item, actor)
    )
    return Answer(201, shapes.with_base(shapes.comment(item, body.representation), visit.site))


def _list(visit: Visit, conditions: list[tuple[str, list[Value]]]) -> Answer:
    representation = visit.call.choice("body-format", READ_REPRESENTATIONS)
    return list_content(
        visit,
        "comment",
        conditions,
        lambda item: shapes.comment(item, representation),
        sorts=SORTS,
        default="created-date",
    )


def list_all(visit: Visit) -> Answer:
    return _list(visit, [])


def list_of_custom_content(visit: Visit) -> Answer:
    container = visible_item(visit, visit.call.number("id"), "custom", "The custom content")
    return _list(visit, [("container_kind", ["custom"]), ("container_id", [container.id])])


def _comment(visit: Visit) -> Item:
    return visible_item(visit, visit.call.number("id"), "comment", "The comment")


def read(visit: Visit) -> Answer:
    item = _comment(visit)
    representation = visit.call.choice("body-format", READ_REPRESENTATIONS)
    return Answer(200, shapes.with_base(shapes.comment(item, representation), visit.site))


def remove(visit: Visit) -> Answer:
    """For good, and with the replies; who may see a comment but not delete it gets 404, as documented."""
    actor = visit.actor()
    item = _comment(visit)
    check_writable(visit, item.space_id)
    if not visit.sight.may_delete(item):
        raise not_found("The comment, or the right to delete it,")
    payload = comment_payload(visit.sim.storage, visit.site, item, actor)
    purge_item(visit.sim.storage, item)
    visit.sim.senders[visit.site.key].send("comment_removed", payload)
    return Answer(204)


LIST_OPTIONS = PAGING | {"body-format"}
ONE = "/footer-comments/{id}"
ENDPOINTS = (
    Endpoint("GET", "/footer-comments", "READ", list_all, LIST_OPTIONS),
    Endpoint("POST", "/footer-comments", "WRITE", create),
    Endpoint("GET", ONE, "READ", read, frozenset({"body-format", "include-version"})),
    Endpoint("DELETE", ONE, "DELETE", remove),
    Endpoint("GET", "/custom-content/{id}/footer-comments", "READ", list_of_custom_content, LIST_OPTIONS),
)
