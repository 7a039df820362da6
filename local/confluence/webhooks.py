"""Webhooks from a site to the app: one signed attempt each, in order, in the background."""

import logging
import queue
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from local.confluence.installation import Installation, enabled_installation
from local.confluence.people import Site
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
    """One site's sender. `send` never waits; what is queued when the process dies is lost, as in the product.

    Only what the descriptor subscribes to is sent, and only if the app is enabled when it happens and when it leaves.
    """

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
        if self._address(event) is None:
            return
        copies = {ON: 1, DROP: 0, DUPLICATE: 2}[self.mode]
        for _ in range(copies):
            self._queue.put(Notice(event, payload))

    def _work(self) -> None:
        while (notice := self._queue.get()) is not None:
            try:
                self._deliver(notice)
            except requests.RequestException as error:
                log.warning("webhook %s of %s failed: %s", notice.event, self._site.key, type(error).__name__)

    def _address(self, event: str) -> tuple[Installation, str] | None:
        installation = enabled_installation(self._storage, self._site)
        if installation is None or event not in installation.app.webhooks:
            return None
        return installation, installation.app.base_url + installation.app.webhooks[event]

    def _deliver(self, notice: Notice) -> None:
        address = self._address(notice.event)
        if address is None:
            return
        installation, url = address
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
