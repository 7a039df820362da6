"""The incoming webhook of Microsoft Teams Workflows: who may post, and what becomes of a post.

Rules follow Power Automate's trigger "When a Teams webhook request is received". Where the real one is
lenient at first and loses the message later, this one refuses at once, unless the channel is told to
behave as the real one does.
"""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message as HeaderReader
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.chat.answering import give_answer
from local.chat.cards import find_violations, plain_text
from local.chat.script import ScriptedAnswer
from local.chat.storage import Channel, Store
from local.chat.verdict import Verdict

LARGEST_MESSAGE: Final = 28 * 1024
"""Bytes; above it the flow's step fails with "Request Entity too large" after the 202."""

_LARGEST_READ: Final = 1 << 20
_PATH: Final = re.compile(
    rb"/powerautomate/automations/direct(?:/cu/\d{1,2})?/workflows/([0-9a-f]{32})/triggers/manual/paths/invoke"
)
_QUERY: Final = {"api-version": "1", "sp": "/triggers/manual/run", "sv": "1.0"}
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_CARD_TYPE: Final = "application/vnd.microsoft.card.adaptive"


class Refusal(Exception):
    """A call that reaches no channel; worded as Power Automate words its errors."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Post:
    """What a call carried: the card, if one could be read, and every reason not to show it."""

    card: object
    violations: tuple[str, ...]


def webhook_url(base_url: str, channel: Channel) -> str:
    return (
        f"{base_url}/powerautomate/automations/direct/workflows/{channel.id}/triggers/manual/paths/invoke"
        f"?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={channel.signature}"
    )


def teams_door(store: Store, log: Callable[[str], None]) -> ASGIApp:
    """The application behind /powerautomate."""

    async def receive_call(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            channel = find_channel(store, scope["method"], scope["raw_path"], scope["query_string"])
            body = await _read(request)
        except Refusal as refusal:
            log(f"teams status={refusal.status} code={refusal.code}")
            await _error(refusal.status, refusal.code, refusal.message)(scope, receive, send)
            return
        except ClientDisconnect:
            log("teams call abandoned by its sender")
            return
        post = read_post(request.headers.get("content-type", ""), body)
        scripted = store.next_scripted_answer(channel.id)
        verdict = judge(channel, post, len(body), scripted)
        # Kept before it is answered for: a crash in between costs the sender a repeat, not us the message.
        store.add_message(channel.id, card=post.card, text=plain_text(post.card), verdict=verdict)
        log(f"teams channel={channel.id[:8]} state={verdict.state} status={verdict.status}")
        if scripted is not None:
            await give_answer(scripted, scope, receive, send)
            return
        await _answer(verdict)(scope, receive, send)

    return receive_call


def find_channel(store: Store, method: str, path: bytes, query: bytes) -> Channel:
    """The channel this signed URL belongs to, or `Refusal` 401 or 404."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise Refusal(404, "ResourceNotFound", "The requested resource does not exist.")
    if method != "POST":
        raise Refusal(404, "NoMatchingTrigger", "The trigger does not accept this method.")
    signature = _read_query(query)
    workflow = found[1].decode("ascii")
    channel = store.channel(workflow)
    if channel is None:
        raise Refusal(404, "WorkflowNotFound", f"The workflow '{workflow}' could not be found.")
    if not hmac.compare_digest(channel.signature, signature):
        raise Refusal(401, "AuthorizationFailed", "The authentication credentials are not valid.")
    return channel


def read_post(content_type: str, body: bytes) -> Post:
    """Check a call's content from the outside in; a body too large is not read at all."""
    if len(body) > LARGEST_MESSAGE:
        return Post(card=None, violations=())
    violations = _content_type_violations(content_type)
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as fault:
        return Post(card=None, violations=(*violations, f"The body is not valid JSON: {fault}."))
    violations += _envelope_violations(document)
    card = _card(document)
    if card is not None:
        violations += find_violations(card)
    return Post(card=card, violations=tuple(violations))


def judge(channel: Channel, post: Post, size: int, scripted: ScriptedAnswer | None) -> Verdict:
    """What becomes of a post. A scripted 200 or 202 changes the answer, not the fate of the message."""
    if scripted is not None and scripted.status not in {200, 202}:
        return Verdict("scripted", scripted.status, ("A scripted answer kept this message out of the channel.",))
    status = 202 if scripted is None else scripted.status
    if size > LARGEST_MESSAGE:
        return Verdict("failedLater", status, (f"Request Entity too large: {size} bytes of {LARGEST_MESSAGE}.",))
    if not post.violations:
        return Verdict("shown", status)
    if channel.as_the_real_one or scripted is not None:
        return Verdict("failedLater", status, post.violations)
    return Verdict("refused", 400, post.violations)


def _read_query(query: bytes) -> str:
    """The signature; every other parameter has one value only."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        pairs = []
    parameters = dict(pairs)
    signature = parameters.pop("sig", "")
    if not signature:
        message = "The request must be authenticated only by Shared Access scheme."
        raise Refusal(401, "DirectApiAuthorizationRequired", message)
    is_repeated = len(pairs) != len(parameters) + 1
    if is_repeated or parameters != _QUERY or not _SIGNATURE.fullmatch(signature):
        message = "The query must be api-version=1, sp=%2Ftriggers%2Fmanual%2Frun, sv=1.0 and sig, each once."
        raise Refusal(401, "AuthorizationFailed", message)
    return signature


async def _read(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_READ:
            raise Refusal(413, "RequestEntityTooLarge", "The simulator reads no more than 1 MiB.")
    return body


def _content_type_violations(content_type: str) -> list[str]:
    header = HeaderReader()
    header["content-type"] = content_type
    charset = header.get_param("charset")
    if header.get_content_type() == "application/json" and str(charset).lower() == "utf-8":
        return []
    return ["The Content-Type must be application/json; charset=utf-8 (emoji break without the charset)."]


def _envelope_violations(document: object) -> list[str]:
    if not isinstance(document, dict):
        return ["The body must be an object."]
    violations = [f"Top level: {key!r} is not expected." for key in document if key not in {"type", "attachments"}]
    if document.get("type") != "message":
        violations.append("Top level: type must be message.")
    attachments = document.get("attachments")
    if not isinstance(attachments, list) or len(attachments) != 1 or not isinstance(attachments[0], dict):
        return [*violations, "Top level: attachments must hold exactly one attachment."]
    attachment = attachments[0]
    unknown = [key for key in attachment if key not in {"contentType", "contentUrl", "content"}]
    violations += [f"Attachment: {key!r} is not expected." for key in unknown]
    if attachment.get("contentType") != _CARD_TYPE:
        violations.append(f"Attachment: contentType must be {_CARD_TYPE}.")
    if attachment.get("contentUrl") is not None:
        violations.append("Attachment: contentUrl must be null.")
    if not isinstance(attachment.get("content"), dict):
        violations.append("Attachment: content must be a card.")
    return violations


def _card(document: object) -> object:
    attachments = document.get("attachments") if isinstance(document, dict) else None
    first = attachments[0] if isinstance(attachments, list) and attachments else None
    content = first.get("content") if isinstance(first, dict) else None
    return content if isinstance(content, dict) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _answer(verdict: Verdict) -> Response:
    if verdict.status != 400:
        return Response(status_code=verdict.status)
    details = " ".join(verdict.reasons)
    return _error(400, "TriggerInputSchemaMismatch", f"The input body for trigger 'manual' is not valid. {details}")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
