"""REST v2 for custom content: create, change, trash, restore and purge."""

from typing import Any

from local.confluence import shapes
from local.confluence.bodies import REPRESENTATIONS, read_body
from local.confluence.calls import (
    Answer,
    Endpoint,
    Visit,
    check_fields,
    check_writable,
    decimal,
    invalid,
    not_found,
    text,
)
from local.confluence.content import Draft, Item, add_item, change_item, find_item, purge_item, trash_item
from local.confluence.descriptor import CustomType
from local.confluence.payloads import content_payload
from local.confluence.refusals import Refused
from local.confluence.rest_content import ONE, readable_item, type_of, visible_item

CONTAINER_FIELDS = {"pageId": "page", "blogPostId": "blogpost", "customContentId": "custom"}
CREATE_FIELDS = ("type", "status", "spaceId", *CONTAINER_FIELDS, "title", "body")
UPDATE_FIELDS = ("id", *CREATE_FIELDS, "version")


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
    if kind == "custom" and custom.key not in type_of(visit, container.type).children:
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
    custom = type_of(visit, document["type"])
    draft = _draft(visit, custom, document)
    if not visit.sight.may_create(custom, draft.space_id):
        raise not_found("The place, or the right to create this type in it,")
    check_writable(visit, draft.space_id)
    item = add_item(visit.sim.storage, visit.site, draft, actor)
    notify(visit, "content_created", item)
    return Answer(201, shapes.with_base(shapes.custom_content(item, draft.body.representation), visit.site))


def change(visit: Visit) -> Answer:
    document = visit.call.json()
    check_fields(document, UPDATE_FIELDS, ("id", "type", "status", "spaceId", "title", "body", "version"))
    if sum(document.get(name) is not None for name in CONTAINER_FIELDS) > 1:
        raise invalid("at most one of pageId, blogPostId, customContentId is allowed")
    actor = visit.actor()
    item = readable_item(visit)
    if document["id"] != str(item.id) or document["type"] != item.type or document["status"] != "current":
        raise invalid("id and type must be those of the custom content, status must be current")
    custom = type_of(visit, item.type)
    draft = _draft(visit, custom, document)
    if document["spaceId"] != str(draft.space_id):
        raise invalid("spaceId must be the space of the container")
    check_writable(visit, item.space_id)
    check_writable(visit, draft.space_id)
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
    item = readable_item(visit)
    check_writable(visit, item.space_id)
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


ENDPOINTS = (
    Endpoint("POST", "/custom-content", "WRITE", create),
    Endpoint("PUT", ONE, "WRITE", change),
    Endpoint("DELETE", ONE, "DELETE", remove, frozenset({"purge"})),
)
