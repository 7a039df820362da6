"""JSON forms of people, spaces and content in both REST families, as the published OpenAPI files have them."""

from typing import Any
from urllib.parse import quote

from local.confluence.content import Item
from local.confluence.people import Person, Site, Space

type Json = dict[str, Any]


def picture_path(person: Person) -> str:
    return f"/wiki/aa-avatar/{quote(person.account_id, safe='')}"


def v1_user(person: Person | None) -> Json:
    if person is None:
        return {"type": "anonymous", "displayName": "Anonymous", "publicName": "Anonymous", "accountType": ""}
    return {
        "type": "known",
        "accountId": person.account_id,
        "accountType": person.account_type,
        "email": "",
        "publicName": person.name,
        "profilePicture": {"path": picture_path(person), "width": 48, "height": 48, "isDefault": False},
        "displayName": person.name,
        "isExternalCollaborator": False,
    }


def v2_user(person: Person) -> Json:
    return {
        "displayName": person.name,
        "timeZone": "Europe/Berlin",
        "isExternalCollaborator": False,
        "accountStatus": "active" if person.active else "inactive",
        "accountId": person.account_id,
        "email": "",
        "accountType": person.account_type,
        "publicName": person.name,
        "profilePicture": {"path": picture_path(person), "isDefault": False},
    }


def version(number: int, created_at: str, author_id: str, message: str) -> Json:
    return {
        "createdAt": created_at,
        "message": message,
        "number": number,
        "minorEdit": False,
        "authorId": author_id,
    }


def _container(item: Item) -> Json:
    fields = {
        "page": "pageId",
        "blogpost": "blogPostId",
        "custom": "customContentId",
        "comment": "parentCommentId",
    }
    field = fields.get(item.container_kind)
    return {} if field is None else {field: str(item.container_id)}


def _body(item: Item, representation: str | None) -> Json:
    """Bodies come only when asked for, and only in the representation they were written in."""
    if representation is None:
        return {}
    if representation != item.body.representation:
        return {"body": {}}
    return {"body": {representation: {"representation": representation, "value": item.body.value}}}


def _links(item: Item) -> Json:
    return {"webui": f"/pages/viewpage.action?pageId={item.id}"}


def custom_content(item: Item, representation: str | None) -> Json:
    return {
        "id": str(item.id),
        "type": item.type,
        "status": item.status,
        "title": item.title,
        "spaceId": str(item.space_id),
        **_container(item),
        "authorId": item.author_id,
        "createdAt": item.created_at,
        "version": version(item.version, item.modified_at, item.modifier_id, item.message),
        **_body(item, representation),
        "_links": _links(item),
    }


def child(item: Item) -> Json:
    return {
        "id": str(item.id),
        "status": item.status,
        "title": item.title,
        "type": item.type,
        "spaceId": str(item.space_id),
    }


def comment(item: Item, representation: str | None) -> Json:
    return {
        "id": str(item.id),
        "status": item.status,
        "title": item.title,
        **_container(item),
        "version": version(item.version, item.modified_at, item.modifier_id, item.message),
        **_body(item, representation),
        "_links": _links(item),
    }


def page(item: Item, representation: str | None) -> Json:
    parent = {"parentId": str(item.container_id), "parentType": "page"} if item.container_kind == "page" else {}
    return {
        "id": str(item.id),
        "status": item.status,
        "title": item.title,
        "spaceId": str(item.space_id),
        **parent,
        "authorId": item.author_id,
        "ownerId": item.author_id,
        "createdAt": item.created_at,
        "version": version(item.version, item.modified_at, item.modifier_id, item.message),
        **_body(item, representation),
        "_links": {**_links(item), "editui": f"/pages/resumedraft.action?draftId={item.id}"},
    }


def space(found: Space) -> Json:
    return {
        "id": str(found.id),
        "key": found.key,
        "name": found.name,
        "type": found.type,
        "status": found.status,
        "authorId": found.author_id,
        "createdAt": found.created_at,
        "homepageId": str(found.homepage_id),
        "_links": {"webui": f"/spaces/{found.key}"},
    }


def with_base(shape: Json, site: Site) -> Json:
    """Single results carry the base address beside their links."""
    return {**shape, "_links": {**shape.get("_links", {}), "base": site.base_url}}


def operations(rights: list[tuple[str, str]]) -> Json:
    return {"operations": [{"operation": operation, "targetType": target} for operation, target in rights]}
