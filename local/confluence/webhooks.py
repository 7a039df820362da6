"""Webhooks from a site to the app: one signed attempt each, in order, in the background."""

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from local.confluence.content import Item
from local.confluence.installation import enabled_installation
from local.confluence.people import Person, Site, Space, find_person, find_space
from local.confluence.shapes import v1_user
from local.confluence.storage import Storage
from local.confluence.tokens import query_hash, sign_request_token

log = logging.getLogger("local.confluence.webhooks")

TIMEOUT_S = 10
ON, DROP, DUPLICATE = "on", "drop", "duplicate"
MODES = (ON, DROP, DUPLICATE)


@dataclass(frozen=True, slots=True)
class Notice:
    event: str
    payload: dict[str, Any]


class WebhookSender:
    """One site's sender. `send` never waits; what is queued when the process dies is lost, as in the product."""

    def __init__(self, storage: Storage, site: Site) -> None:
        self._storage = storage
        self._site = site
        self._queue: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"webhooks-{site.key}", daemon=True)
        self.mode = ON

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join(timeout=3)

    def send(self, event: str, payload: dict[str, Any]) -> None:
        copies = {ON: 1, DROP: 0, DUPLICATE: 2}[self.mode]
        for _ in range(copies):
            self._queue.put(Notice(event, payload))

    def _work(self) -> None:
        while (notice := self._queue.get()) is not None:
            try:
                self._deliver(notice)
            except requests.RequestException as error:
                log.warning("webhook %s of %s failed: %s", notice.event, self._site.key, type(error).__name__)

    def _deliver(self, notice: Notice) -> None:
        installation = enabled_installation(self._storage, self._site)
        if installation is None or notice.event not in installation.app.webhooks:
            return
        url = installation.app.base_url + installation.app.webhooks[notice.event]
        qsh = query_hash("POST", url, urlsplit(installation.app.base_url).path)
        token = sign_request_token(installation.shared_secret, issuer=installation.client_key, qsh=qsh)
        answer = requests.post(
            url,
            json=notice.payload,
            headers={"Authorization": f"JWT {token}"},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
        if answer.status_code not in {200, 204}:
            log.warning("webhook %s of %s answered %d", notice.event, self._site.key, answer.status_code)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _who(person: Person | None) -> dict[str, Any]:
    if person is None:
        return {"accountType": "anonymous"}
    return {
        "userAccountId": person.account_id,
        "accountType": "app" if person.account_type == "app" else "customer",
    }


def content_payload(storage: Storage, site: Site, item: Item, actor_id: str | None) -> dict[str, Any]:
    """The v1 Content object of a `content_*` webhook."""
    actor = None if actor_id is None else find_person(storage, site, actor_id)
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
    return {**_who(actor), "content": content, "timestamp": _now_ms()}


def _v1_space(site: Site, space: Space) -> dict[str, Any]:
    return {
        "id": space.id,
        "key": space.key,
        "name": space.name,
        "type": "global",
        "status": "current",
        "_links": {"self": f"{site.base_url}/rest/api/space/{space.key}"},
    }


def space_payload(storage: Storage, site: Site, space: Space, actor_id: str | None) -> dict[str, Any]:
    now = _now_ms()
    actor = None if actor_id is None else find_person(storage, site, actor_id)
    described = {
        "key": space.key,
        "title": space.name,
        "isPersonalSpace": False,
        "creatorAccountId": space.author_id,
        "lastModifierAccountId": actor_id or space.author_id,
        "creationDate": now,
        "modificationDate": now,
        "self": f"{site.base_url}/spaces/{space.key}",
    }
    return {**_who(actor), "space": described, "timestamp": now}


def person_payload(person: Person) -> dict[str, Any]:
    return {"accountType": "customer", "userProfile": {"accountId": person.account_id}, "timestamp": _now_ms()}
