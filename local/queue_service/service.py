"""A durable local Azure Storage queue service: the REST subset that the SDK and the Functions host use.

Rules: https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api (operations, status codes,
error codes). Path style only: /devstoreaccount1/<queue>. Loopback only; one process owns the file.
"""

import hmac
import logging
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, authorization
from local.queue_service.store import (
    MessageNotFound,
    PopReceiptMismatch,
    QueueAlreadyExists,
    QueueNotFound,
    QueueStore,
)
from local.queue_service.wire import (
    ClientGone,
    Receive,
    Refused,
    Request,
    Response,
    Scope,
    Send,
    message_text,
    messages_document,
    queues_document,
    read,
    refusal,
    rfc1123,
    send_response,
    sent_document,
)

WEEK_S = 7 * 24 * 3600
MAX_CLOCK_SKEW_S = 15 * 60

log = logging.getLogger("local.queue_service")

_REFUSALS: dict[type[Exception], Refused] = {
    QueueNotFound: Refused(404, "QueueNotFound", "The specified queue does not exist."),
    QueueAlreadyExists: Refused(409, "QueueAlreadyExists", "The specified queue already exists."),
    MessageNotFound: Refused(404, "MessageNotFound", "The specified message does not exist."),
    PopReceiptMismatch: Refused(
        400, "PopReceiptMismatch", "The specified pop receipt did not match the pop receipt for a dequeued message."
    ),
}


class QueueService:
    """The ASGI application."""

    def __init__(self, store: QueueStore, *, account: str = DEVELOPMENT_ACCOUNT, key: str = DEVELOPMENT_KEY) -> None:
        self._store = store
        self._account = account
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            response = self._answer(await read(scope, headers, receive))
        except tuple(_REFUSALS) as error:
            response = refusal(_REFUSALS[type(error)])
        except Refused as error:
            response = refusal(error)
        except ClientGone:
            return
        await send_response(response, headers, send)

    def _answer(self, request: Request) -> Response:
        if request.method == "GET" and request.path == "/healthz":
            return Response(200, "ok", (("content-type", "text/plain"),))
        self._check_signature(request)
        parts = request.path.strip("/").split("/")
        if parts[0] != self._account:
            raise Refused(400, "InvalidUri", "The requested URI does not represent any resource on the server.")
        names = [unquote(part) for part in parts[1:]]
        match names:
            case []:
                return self._account_operation(request)
            case [queue]:
                return self._queue_operation(request, _checked_name(queue))
            case [queue, "messages"]:
                return self._messages_operation(request, _checked_name(queue))
            case [queue, "messages", message_id]:
                return self._message_operation(request, _checked_name(queue), message_id)
        raise Refused(400, "InvalidUri", "The requested URI does not represent any resource on the server.")

    def _check_signature(self, request: Request) -> None:
        given = request.headers.get("authorization")
        if given is None:
            raise Refused(401, "NoAuthenticationInformation", "The request carries no Authorization header.")
        expected = authorization(
            request.method, request.path, request.raw_query, request.headers, self._account, self._key
        )
        if not hmac.compare_digest(given.encode(), expected.encode()) or not _is_recent(request.headers):
            raise Refused(403, "AuthenticationFailed", "Server failed to authenticate the request.")

    def _account_operation(self, request: Request) -> Response:
        if request.method != "GET" or request.query.get("comp") != "list":
            raise _not_served(request)
        prefix = request.query.get("prefix", "")
        limit = request.number("maxresults", 5000, 1, 5000)
        found = self._store.queues(prefix, request.query.get("marker", ""), limit + 1)
        shown = found[:limit]
        if "metadata" not in request.query.get("include", ""):
            shown = [(name, {}) for name, _ in shown]
        marker = shown[-1][0] if len(found) > limit else ""
        endpoint = f"http://{request.headers.get('host', '')}/{self._account}"
        return Response(200, queues_document(endpoint, prefix, limit, shown, marker=marker))

    def _queue_operation(self, request: Request, queue: str) -> Response:
        match request.method, request.query.get("comp"):
            case "PUT", None:
                return Response(201 if self._store.create_queue(queue, _metadata(request.headers)) else 204)
            case "DELETE", None:
                self._store.delete_queue(queue)
                return Response(204)
            case "GET" | "HEAD", "metadata":
                metadata = self._store.metadata(queue)
                count = ("x-ms-approximate-messages-count", str(self._store.count(queue)))
                return Response(200, "", (count, *((f"x-ms-meta-{name}", value) for name, value in metadata.items())))
            case "PUT", "metadata":
                self._store.set_metadata(queue, _metadata(request.headers))
                return Response(204)
        raise _not_served(request)

    def _messages_operation(self, request: Request, queue: str) -> Response:
        match request.method:
            case "POST":
                return self._put(request, queue)
            case "GET":
                return self._get(request, queue)
            case "DELETE":
                self._store.clear(queue)
                return Response(204)
        raise _not_served(request)

    def _put(self, request: Request, queue: str) -> Response:
        delay_s = request.number("visibilitytimeout", 0, 0, WEEK_S)
        ttl_s = request.number("messagettl", WEEK_S, -1, 2**31 - 1)
        if ttl_s == 0:
            raise Refused(400, "OutOfRangeQueryParameterValue", "messagettl must be positive, or -1 for never.")
        if ttl_s != -1 and delay_s >= ttl_s:
            raise Refused(400, "OutOfRangeQueryParameterValue", "visibilitytimeout must be smaller than messagettl.")
        message = self._store.put(
            queue, message_text(request.body), delay_s=delay_s, ttl_s=None if ttl_s == -1 else ttl_s
        )
        return Response(201, sent_document(message))

    def _get(self, request: Request, queue: str) -> Response:
        count = request.number("numofmessages", 1, 1, 32)
        if request.query.get("peekonly", "").lower() == "true":
            return Response(200, messages_document(self._store.peek(queue, count), with_receipts=False))
        lease_s = request.number("visibilitytimeout", 30, 1, WEEK_S)
        received = self._store.receive(queue, count, lease_s)
        return Response(200, messages_document(received, with_receipts=True))

    def _message_operation(self, request: Request, queue: str, message_id: str) -> Response:
        receipt = request.query.get("popreceipt")
        if receipt is None:
            raise Refused(400, "MissingRequiredQueryParameter", "popreceipt is required.")
        if request.method == "DELETE":
            self._store.delete(queue, message_id, receipt)
            return Response(204)
        if request.method != "PUT":
            raise _not_served(request)
        if "visibilitytimeout" not in request.query:
            raise Refused(400, "MissingRequiredQueryParameter", "visibilitytimeout is required.")
        delay_s = request.number("visibilitytimeout", 0, 0, WEEK_S)
        text = message_text(request.body) if request.body else None
        message = self._store.update(queue, message_id, receipt, delay_s=delay_s, text=text)
        return Response(
            204,
            "",
            (("x-ms-popreceipt", message.pop_receipt), ("x-ms-time-next-visible", rfc1123(message.visible_at))),
        )


def _not_served(request: Request) -> Refused:
    return Refused(
        400, "UnsupportedQueryParameter", f"This local service does not offer {request.method} here with this query."
    )


def _checked_name(name: str) -> str:
    """https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata"""
    if not 3 <= len(name) <= 63:
        raise Refused(400, "OutOfRangeInput", "The length of the queue name is not between 3 and 63.")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise Refused(400, "InvalidResourceName", "The queue name contains invalid characters.")
    return name


def _is_recent(headers: Mapping[str, str]) -> bool:
    given = headers.get("x-ms-date") or headers.get("date", "")
    try:
        sent_at = parsedate_to_datetime(given).timestamp()
    except ValueError:
        return False
    return abs(time.time() - sent_at) <= MAX_CLOCK_SKEW_S


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-ms-meta-"
    return {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}
