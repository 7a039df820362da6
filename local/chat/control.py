"""The simulator's own API under /_sim: channels, what they received, and scripts for what comes next."""

import json
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.chat.script import ScriptInvalid, parse_script
from local.chat.storage import Channel, Message, Store
from local.chat.teams import webhook_url

_LONGEST_NAME: Final = 80
_LARGEST_REQUEST: Final = 1 << 20


class Unusable(Exception):
    """A control request that cannot be carried out, with the status and every problem."""

    def __init__(self, status: int, *problems: str) -> None:
        self.status = status
        self.problems = problems
        super().__init__("; ".join(problems))


def control_routes(store: Store, base_url: str) -> list[Route]:
    """Every handler runs in the event loop: the store belongs to one thread and each call is short."""

    async def list_channels(_request: Request) -> Response:
        return JSONResponse([_channel_json(channel, base_url) for channel in store.channels()])

    async def add_channel(request: Request) -> Response:
        document = await _document(request)
        name = document.get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= _LONGEST_NAME:
            raise Unusable(400, f"/name must be text of 1 to {_LONGEST_NAME} characters.")
        channel = store.add_channel(name.strip(), as_the_real_one=_switch(document, default=False))
        return JSONResponse(_channel_json(channel, base_url), 201)

    async def change_channel(request: Request) -> Response:
        channel = _known(store, request)
        store.switch_realism(channel.id, as_the_real_one=_switch(await _document(request), default=None))
        return JSONResponse(_channel_json(_known(store, request), base_url))

    async def set_script(request: Request) -> Response:
        channel = _known(store, request)
        try:
            script = parse_script(await _document(request))
        except ScriptInvalid as invalid:
            raise Unusable(400, *invalid.problems) from invalid
        store.set_script(channel.id, script)
        return JSONResponse(_channel_json(_known(store, request), base_url))

    async def drop_script(request: Request) -> Response:
        store.set_script(_known(store, request).id, None)
        return Response(status_code=204)

    async def list_messages(request: Request) -> Response:
        channel_id = request.query_params.get("channel")
        if channel_id is not None and store.channel(channel_id) is None:
            raise Unusable(404, "This channel does not exist.")
        after = _number(request, "after") or 0
        found = store.messages(channel_id, after=after, last=_number(request, "last"))
        return JSONResponse([_message_json(message) for message in found])

    return [
        Route("/_sim/channels", list_channels, methods=["GET"]),
        Route("/_sim/channels", add_channel, methods=["POST"]),
        Route("/_sim/channels/{id}", change_channel, methods=["PATCH"]),
        Route("/_sim/channels/{id}/script", set_script, methods=["POST"]),
        Route("/_sim/channels/{id}/script", drop_script, methods=["DELETE"]),
        Route("/_sim/messages", list_messages, methods=["GET"]),
    ]


async def show_problems(_request: Request, fault: Exception) -> Response:
    if not isinstance(fault, Unusable):
        raise fault
    return JSONResponse({"problems": list(fault.problems)}, fault.status)


def _known(store: Store, request: Request) -> Channel:
    channel = store.channel(request.path_params["id"])
    if channel is None:
        raise Unusable(404, "This channel does not exist.")
    return channel


async def _document(request: Request) -> dict[str, Any]:
    """The request's JSON object. Other content types are refused, so that no foreign web page can post here."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Unusable(415, "The Content-Type must be application/json.")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_REQUEST:
            raise Unusable(413, "The request is larger than 1 MiB.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise Unusable(400, "The body is not JSON.") from fault
    if not isinstance(document, dict):
        raise Unusable(400, "The body must be an object.")
    return document


def _switch(document: dict[str, Any], *, default: bool | None) -> bool:
    value = document.get("asTheRealOne", default)
    if not isinstance(value, bool):
        raise Unusable(400, "/asTheRealOne must be true or false.")
    return value


def _number(request: Request, name: str) -> int | None:
    written = request.query_params.get(name)
    if written is None:
        return None
    if not written.isascii() or not written.isdigit() or len(written) > 15:
        raise Unusable(400, f"{name} must be a whole number.")
    return int(written)


def _channel_json(channel: Channel, base_url: str) -> dict[str, object]:
    return {
        "id": channel.id,
        "kind": "teams",
        "name": channel.name,
        "url": webhook_url(base_url, channel),
        "asTheRealOne": channel.as_the_real_one,
        "script": {"left": channel.scripted_answers, "repeat": channel.script_repeats},
    }


def _message_json(message: Message) -> dict[str, object]:
    verdict = message.verdict
    return {
        "id": message.id,
        "channel": message.channel_id,
        "receivedAt": message.received_at,
        "card": message.card,
        "text": message.text,
        "verdict": {"state": verdict.state, "status": verdict.status, "reasons": list(verdict.reasons)},
    }
