"""A thin client of the Storage queue REST API: a fraction of the SDK's CPU per message, and keeps connections.

Rules: https://learn.microsoft.com/rest/api/storageservices/operations-on-messages.
"""

import asyncio
import http.client
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from queue import Empty, SimpleQueue
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from local.functions_host.host_json import QueueEndpoint
from local.queue_service.shared_key import authorization

_SERVICE_VERSION = "2024-11-04"
_TIMEOUT_S = 30
# An XML parser would turn a bare carriage return into a line feed.
_KEPT_RETURNS = {"\r": "&#13;"}


class QueueFailure(Exception):
    """The service refused; carries its status and error code. OSError means it was not reached."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"queue service answered {status} {code}")
        self.status = status
        self.code = code

    @property
    def is_missing_queue(self) -> bool:
        return self.code == "QueueNotFound"

    @property
    def is_lost_receipt(self) -> bool:
        """Somebody else holds or has finished the message, or its queue is gone."""
        return self.status == 404 or self.code == "PopReceiptMismatch"


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    id: str
    receipt: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime
    next_visible_at: datetime
    text: str


class QueueAccount:
    """Connections to one account; the blocking calls run in a few threads of its own."""

    def __init__(self, endpoint: QueueEndpoint, *, threads: int = 8) -> None:
        parts = urlsplit(endpoint.url)
        self._endpoint = endpoint
        self._is_https = parts.scheme == "https"
        self._netloc = parts.netloc
        self._base_path = parts.path
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="queue-client")

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()

    async def call(self, method: str, path: str, query: Mapping[str, str | int], body: str | None = None) -> "Answer":
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, method, path, query, body)

    def _call(self, method: str, path: str, query: Mapping[str, str | int], body: str | None) -> "Answer":
        raw_query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        content = b"" if body is None else body.encode()
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _SERVICE_VERSION}
        headers["content-length"] = str(len(content))
        if content:
            headers["content-type"] = "application/xml"
        full_path = self._base_path + path
        headers["authorization"] = authorization(
            method, full_path, raw_query, headers, self._endpoint.account, self._endpoint.key
        )
        answer = self._send(method, f"{full_path}?{raw_query}" if raw_query else full_path, headers, content)
        if answer.status >= 300:
            raise QueueFailure(answer.status, answer.headers.get("x-ms-error-code", ""))
        return answer

    def _send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> "Answer":
        while True:
            connection, is_fresh = self._connection()
            try:
                connection.request(method, target, body=content, headers=dict(headers))
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # A kept connection may have been closed by the server meanwhile: only a fresh one proves a fault.
                # Sending twice may duplicate a message, which every consumer of this API must bear anyway.
                if is_fresh:
                    raise OSError(str(error)) from error
                continue
            self._idle.put(connection)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def _connection(self) -> tuple[http.client.HTTPConnection, bool]:
        try:
            return self._idle.get_nowait(), False
        except Empty:
            kind = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
            return kind(self._netloc, timeout=_TIMEOUT_S), True


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of an account; text goes over the wire as it is given, encoding is the caller's."""

    account: QueueAccount
    name: str

    async def create(self) -> None:
        await self.account.call("PUT", f"/{self.name}", {})

    async def put(self, text: str) -> None:
        """Creates the queue when it does not exist yet, as the host's output binding does."""
        body = f"<QueueMessage><MessageText>{escape(text, _KEPT_RETURNS)}</MessageText></QueueMessage>"
        try:
            await self.account.call("POST", f"/{self.name}/messages", {}, body)
        except QueueFailure as failure:
            if not failure.is_missing_queue:
                raise
            await self.create()
            await self.account.call("POST", f"/{self.name}/messages", {}, body)

    async def receive(self, count: int, lease_s: int) -> list[ReceivedMessage]:
        query = {"numofmessages": count, "visibilitytimeout": lease_s}
        answer = await self.account.call("GET", f"/{self.name}/messages", query)
        root = ET.fromstring(answer.body)  # noqa: S314 - the answer of the configured storage account
        return [_message(element) for element in root.iter("QueueMessage")]

    async def set_visibility(self, message_id: str, receipt: str, delay_s: int) -> str:
        """Hides the message for `delay_s` seconds and returns the receipt that is valid from now on."""
        query: dict[str, str | int] = {"popreceipt": receipt, "visibilitytimeout": delay_s}
        answer = await self.account.call("PUT", f"/{self.name}/messages/{message_id}", query)
        return answer.headers["x-ms-popreceipt"]

    async def delete(self, message_id: str, receipt: str) -> None:
        await self.account.call("DELETE", f"/{self.name}/messages/{message_id}", {"popreceipt": receipt})


def _message(element: ET.Element) -> ReceivedMessage:
    def text(name: str) -> str:
        return element.findtext(name) or ""

    return ReceivedMessage(
        id=text("MessageId"),
        receipt=text("PopReceipt"),
        dequeue_count=int(text("DequeueCount")),
        inserted_at=parsedate_to_datetime(text("InsertionTime")),
        expires_at=parsedate_to_datetime(text("ExpirationTime")),
        next_visible_at=parsedate_to_datetime(text("TimeNextVisible")),
        text=text("MessageText"),
    )


def is_queue_name(name: str) -> bool:
    return 3 <= len(name) <= 63 and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None
