"""Bodies of webhooks, by what they are about.

Those of pages and content follow recorded deliveries. The others are documented nowhere, so they hold the least
an app may hope for: a space's key and never its id, a group's name, the ids of a comment and of what it is on.
"""

import time
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from local.confluence.content import Item, find_item
from local.confluence.people import PERSONAL, Group, Person, Site, Space, find_person, find_space
from local.confluence.shapes import v1_user
from local.confluence.storage import Storage

type Payload = dict[str, Any]


def _now_ms() -> int:
    return int(time.time() * 1000)


def _epoch_ms(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)


def _who(person: Person | None) -> Payload:
    if person is None:
        return {"accountType": "anonymous"}
    return {
        "userAccountId": person.account_id,
        "accountType": "app" if person.account_type == "app" else "customer",
    }


def _told(storage: Storage, site: Site, actor_id: str | None, subject: Payload) -> Payload:
    actor = None if actor_id is None else find_person(storage, site, actor_id)
    return {**_who(actor), **subject, "timestamp": _now_ms()}


def content_payload(storage: Storage, site: Site, item: Item, actor_id: str | None) -> Payload:
    """The v1 Content object of a `content_*` webhook."""
    author = find_person(storage, site, item.author_id)
    modifier = find_person(storage, site, item.modifier_id)
    space = find_space(storage, site, item.space_id)
    container = f"/rest/api/content/{item.container_id}"
    if item.container_kind == "space" and space is not None:
        container = f"/rest/api/space/{space.key}"
    content = {
        "id": str(item.id),
        "type": item.type,
        "status": item.status,
        "title": item.title,
        "space": None if space is None else _v1_space(site, space),
        "history": {"latest": True, "createdBy": v1_user(author), "createdDate": item.created_at},
        "version": {
            "by": v1_user(modifier),
            "when": item.modified_at,
            "message": item.message,
            "number": item.version,
            "minorEdit": False,
        },
        "_expandable": {
            "container": container,
            "body": "",
            "children": f"/rest/api/content/{item.id}/child",
        },
        "_links": {"base": site.base_url, "self": f"{site.base_url}/rest/api/content/{item.id}"},
    }
    return _told(storage, site, actor_id, {"content": content})


def _v1_space(site: Site, space: Space) -> Payload:
    return {
        "id": space.id,
        "key": space.key,
        "name": space.name,
        "type": space.type,
        "status": space.status,
        "_links": {"self": f"{site.base_url}/rest/api/space/{space.key}"},
    }


def space_payload(storage: Storage, site: Site, space: Space, actor_id: str | None) -> Payload:
    described = {
        "key": space.key,
        "title": space.name,
        "isPersonalSpace": space.type == PERSONAL,
        "creatorAccountId": space.author_id,
        "lastModifierAccountId": actor_id or space.author_id,
        "creationDate": _epoch_ms(space.created_at),
        "modificationDate": _now_ms(),
        "self": f"{site.base_url}/spaces/{space.key}",
    }
    return _told(storage, site, actor_id, {"space": described})


def _described(storage: Storage, site: Site, item: Item) -> Payload:
    """What pages and comments have in common; numbers are numbers here, unlike in REST."""
    space = find_space(storage, site, item.space_id)
    return {
        "id": item.id,
        "idAsString": str(item.id),
        "spaceKey": None if space is None else space.key,
        "spaceId": item.space_id,
        "contentType": item.type,
        "version": item.version,
        "creatorAccountId": item.author_id,
        "lastModifierAccountId": item.modifier_id,
        "creationDate": _epoch_ms(item.created_at),
        "modificationDate": _epoch_ms(item.modified_at),
    }


def page_payload(storage: Storage, site: Site, page: Item, actor_id: str | None) -> Payload:
    described = _described(storage, site, page)
    described["title"] = page.title
    described["self"] = f"{site.base_url}/spaces/{described['spaceKey']}/pages/{page.id}/{quote_plus(page.title)}"
    return _told(storage, site, actor_id, {"page": described})


def comment_payload(storage: Storage, site: Site, comment: Item, actor_id: str | None) -> Payload:
    """`parent` is what the thread hangs on; a reply names the comment it answers in `inReplyTo` as well."""
    described = _described(storage, site, comment)
    described["self"] = f"{site.base_url}/pages/viewpage.action?pageId={comment.id}"
    parent = find_item(storage, site, comment.container_id)
    if comment.container_kind == "comment":
        described["inReplyTo"] = {"id": comment.container_id}
    while parent is not None and parent.kind == "comment":
        parent = find_item(storage, site, parent.container_id)
    if parent is not None:
        described["parent"] = {"id": parent.id, "idAsString": str(parent.id), "contentType": parent.type}
    return _told(storage, site, actor_id, {"comment": described})


def group_payload(group: Group) -> Payload:
    return {"accountType": "customer", "group": {"name": group.name}, "timestamp": _now_ms()}


def person_payload(person: Person) -> Payload:
    return {"accountType": "customer", "userProfile": {"accountId": person.account_id}, "timestamp": _now_ms()}
