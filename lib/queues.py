"""Sending to the Storage queues, best effort and off the request's path.

Queue messages are hints: every stage finds its work in the database, so a lost message delays work until
the next sweep and loses nothing. The SDK costs a quarter of a second to import, hence the late imports.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from lib.config import QueueSettings
from lib.log import Log

RELAY_QUEUE = "cq-relay"
FOLLOW_QUEUE = "cq-follow"
DELIVER_QUEUE = "cq-deliver"
TALLY_QUEUE = "cq-tally"

_SEND_TIMEOUT_S = 1
_API_VERSION = "2024-11-04"
"""Of the queue protocol: older than the SDK's own, so that emulators which lag behind it answer too."""

_WAKE_INTERVAL_S = 0.05
"""Wakes within this time are one message: the consumer takes all that is due, however many wrote it."""

log = Log("lib.queues")


class Queues(Protocol):
    """Sends one message; raises whatever the transport raises."""

    def send(self, queue: str, body: str, *, delay_s: int = 0) -> None: ...


@dataclass(slots=True)
class StorageQueues:
    """The Storage queues of the settings, over the official SDK."""

    settings: QueueSettings
    _clients: dict[str, Any] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def send(self, queue: str, body: str, *, delay_s: int = 0) -> None:
        client = self._client(queue)
        try:
            client.send_message(body, visibility_timeout=delay_s, timeout=_SEND_TIMEOUT_S)
        except _missing_queue():
            client.create_queue(timeout=_SEND_TIMEOUT_S)
            client.send_message(body, visibility_timeout=delay_s, timeout=_SEND_TIMEOUT_S)

    def _client(self, queue: str) -> Any:
        with self._lock:
            if queue not in self._clients:
                self._clients[queue] = _make_client(self.settings, queue)
            return self._clients[queue]


def _missing_queue() -> type[Exception]:
    from azure.core.exceptions import ResourceNotFoundError

    return ResourceNotFoundError


def _make_client(settings: QueueSettings, queue: str) -> Any:
    from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

    options: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "message_decode_policy": TextBase64DecodePolicy(),
        "connection_timeout": _SEND_TIMEOUT_S,
        "read_timeout": _SEND_TIMEOUT_S,
        "retry_total": 0,
        "api_version": _API_VERSION,
    }
    if settings.service_uri:
        from azure.identity import ManagedIdentityCredential

        credential = ManagedIdentityCredential(client_id=settings.client_id)
        return QueueClient(settings.service_uri, queue, credential=credential, **options)
    return QueueClient.from_connection_string(settings.connection_string or "", queue, **options)


def wake_message(traceparent: str | None) -> str:
    return json.dumps({"v": 1, "traceparent": traceparent})


@dataclass(slots=True)
class Waker:
    """Tells consumers that the outbox holds something new, from a thread of its own, and swallows every failure."""

    queues: Callable[[], Queues]
    _pending: dict[str, str | None] = field(default_factory=dict, init=False)
    _condition: threading.Condition = field(default_factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def wake(self, queue: str, traceparent: str | None) -> None:
        with self._condition:
            self._pending[queue] = traceparent
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._pending:
                    self._condition.wait()
                pending = dict(self._pending)
                self._pending.clear()
            for queue, traceparent in pending.items():
                self._send(queue, traceparent)
            # What arrives meanwhile becomes the next message.
            threading.Event().wait(_WAKE_INTERVAL_S)

    def _send(self, queue: str, traceparent: str | None) -> None:
        try:
            self.queues().send(queue, wake_message(traceparent))
        except Exception as error:  # noqa: BLE001 - the write has committed; the sweep will find it
            log.warning("queue_wake_failed", queue=queue, error_type=type(error).__name__)
