"""The wire format of the local queue service: HTTP requests and answers, and their XML documents."""

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from local.queue_service.store import Message

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_MESSAGE_BYTES = 64 * 1024
# The XML around a message, and its escapes, may make the body larger than the message itself.
MAX_BODY_BYTES = 8 * MAX_MESSAGE_BYTES

XML = '<?xml version="1.0" encoding="utf-8"?>'
# An XML parser would turn a bare carriage return into a line feed.
_KEPT_RETURNS = {"\r": "&#13;"}


class ClientGone(Exception):
    """The client left before its body was complete."""


class Refused(Exception):
    """An answer other than success: HTTP status, the service's error code and its sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    raw_query: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.query.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?\d{1,10}", text):
            raise Refused(400, "InvalidQueryParameterValue", f"{name} must be a whole number.")
        value = int(text)
        if not low <= value <= high:
            raise Refused(400, "OutOfRangeQueryParameterValue", f"{name} must be between {low} and {high}.")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


async def read(scope: Scope, headers: Mapping[str, str], receive: Receive) -> Request:
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise too_large()
        more = event.get("more_body", False)
    raw_query = scope["query_string"].decode("latin-1")
    pairs = [pair.partition("=") for pair in raw_query.split("&") if pair]
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        raw_query=raw_query,
        query={unquote(name).lower(): unquote(value) for name, _, value in pairs},
        headers=headers,
        body=b"".join(chunks),
    )


async def send_response(response: Response, request_headers: Mapping[str, str], send: Send) -> None:
    body = response.body.encode()
    headers = {
        "content-type": "application/xml",
        **dict(response.headers),
        "x-ms-version": request_headers.get("x-ms-version", "2018-03-28"),
        "x-ms-request-id": str(uuid.uuid4()),
    }
    if not body:
        headers.pop("content-type")
    if "x-ms-client-request-id" in request_headers:
        headers["x-ms-client-request-id"] = request_headers["x-ms-client-request-id"]
    if response.status != 204:
        headers["content-length"] = str(len(body))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def refusal(error: Refused) -> Response:
    body = f"{XML}<Error><Code>{error.code}</Code><Message>{escape(error.detail)}</Message></Error>"
    headers = [("x-ms-error-code", error.code)]
    if error.status == 401:
        headers.append(("www-authenticate", "SharedKey"))
    return Response(error.status, body, tuple(headers))


def too_large() -> Refused:
    return Refused(413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum of 65536 bytes.")


def message_text(body: bytes) -> str:
    # A document type could define entities; nothing this API accepts needs one.
    if b"<!DOCTYPE" in body:
        raise Refused(400, "InvalidXmlDocument", "Document types are refused.")
    try:
        root = ET.fromstring(body)  # noqa: S314 - bounded size, no document type, loopback clients only
    except ET.ParseError as error:
        raise Refused(400, "InvalidXmlDocument", "The body is not a well-formed XML document.") from error
    text = root.findtext("MessageText")
    if root.tag != "QueueMessage" or text is None:
        raise Refused(400, "InvalidXmlDocument", "The body must be a QueueMessage with a MessageText.")
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise too_large()
    return text


def rfc1123(at_ms: int) -> str:
    return formatdate(at_ms / 1000, usegmt=True)


def _receipt(message: Message) -> str:
    visible_at = rfc1123(message.visible_at)
    return f"<PopReceipt>{message.pop_receipt}</PopReceipt><TimeNextVisible>{visible_at}</TimeNextVisible>"


def _identity(message: Message) -> str:
    return (
        f"<MessageId>{message.id}</MessageId><InsertionTime>{rfc1123(message.inserted_at)}</InsertionTime>"
        f"<ExpirationTime>{rfc1123(message.expires_at)}</ExpirationTime>"
    )


def messages_document(messages: Iterable[Message], *, with_receipts: bool) -> str:
    items = "".join(_message_element(message, with_receipt=with_receipts) for message in messages)
    return f"{XML}<QueueMessagesList>{items}</QueueMessagesList>"


def sent_document(message: Message) -> str:
    element = f"<QueueMessage>{_identity(message)}{_receipt(message)}</QueueMessage>"
    return f"{XML}<QueueMessagesList>{element}</QueueMessagesList>"


def queues_document(
    endpoint: str, prefix: str, limit: int, queues: Iterable[tuple[str, Mapping[str, str]]], *, marker: str
) -> str:
    items = "".join(_queue_element(name, metadata) for name, metadata in queues)
    return (
        f"{XML}<EnumerationResults ServiceEndpoint={quoteattr(endpoint)}><Prefix>{escape(prefix)}</Prefix>"
        f"<MaxResults>{limit}</MaxResults><Queues>{items}</Queues><NextMarker>{marker}</NextMarker>"
        "</EnumerationResults>"
    )


def _message_element(message: Message, *, with_receipt: bool) -> str:
    receipt = _receipt(message) if with_receipt else ""
    return (
        f"<QueueMessage>{_identity(message)}{receipt}<DequeueCount>{message.dequeue_count}</DequeueCount>"
        f"<MessageText>{escape(message.text, _KEPT_RETURNS)}</MessageText></QueueMessage>"
    )


def _queue_element(name: str, metadata: Mapping[str, str]) -> str:
    items = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in metadata.items())
    return f"<Queue><Name>{name}</Name>{f'<Metadata>{items}</Metadata>' if items else ''}</Queue>"
