"""Gives a scripted answer, including those no well-behaved server gives, over the caller's own connection."""

import asyncio
import zlib
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.chat.script import ScriptedAnswer

_DRIP_PAUSE_S: Final = 1.0
_LONGEST_DRIP_S: Final = 120
_ENDLESS_CHUNK: Final = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
_ENDLESS_CHUNKS: Final = 16_384
_MOST_UNSENT: Final = 1 << 20
_BOMB_MEMBERS: Final = 100
_BOMB_MEMBER_SIZE: Final = 10 << 20


class ConnectionAwareProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol that lets a request reach its own connection, for answers HTTP forbids."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


async def give_answer(answer: ScriptedAnswer, scope: Scope, receive: Receive, send: Send) -> None:
    """Follow the script for this one call; the request's body has been read."""
    await asyncio.sleep(answer.delay_ms / 1000)
    if answer.behaviour in {"drip-headers", "drip-body", "endless-body", "close"}:
        await _misbehave(answer, scope["state"]["transport"])
        await _until_gone(receive)
        return
    await _ordinary(answer, scope)(scope, receive, send)


def _ordinary(answer: ScriptedAnswer, scope: Scope) -> Response:
    headers = dict(answer.headers)
    named = {name.lower() for name in headers}
    if answer.behaviour == "redirect" and "location" not in named:
        # A caller that follows this comes back to the channel, where its extra message can be seen.
        headers["Location"] = str(Request(scope).url)
    if answer.behaviour == "gzip-bomb":
        return Response(_bomb(), answer.status, {**headers, "Content-Encoding": "gzip"})
    return Response(answer.body, answer.status, headers)


async def _misbehave(answer: ScriptedAnswer, transport: asyncio.Transport) -> None:
    head = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    if answer.behaviour == "drip-headers":
        await _drip(transport, "\r\n".join([*head, "X-Drip: "]))
    elif answer.behaviour == "drip-body":
        await _drip(transport, "\r\n".join([*head, f"Content-Length: {_LONGEST_DRIP_S * 2}", "\r\n"]))
    elif answer.behaviour == "endless-body":
        await _flood(transport, "\r\n".join([*head, "Transfer-Encoding: chunked", "\r\n"]))
    transport.abort()


async def _drip(transport: asyncio.Transport, start: str) -> None:
    transport.write(start.encode("ascii"))
    for _ in range(int(_LONGEST_DRIP_S / _DRIP_PAUSE_S)):
        if transport.is_closing():
            return
        transport.write(b"a")
        await asyncio.sleep(_DRIP_PAUSE_S)


async def _flood(transport: asyncio.Transport, start: str) -> None:
    """About 1 GiB, at the caller's own speed, for two minutes at most."""
    transport.write(start.encode("ascii"))
    clock = asyncio.get_running_loop().time
    started_at, sent = clock(), 0
    while sent < _ENDLESS_CHUNKS and clock() - started_at < _LONGEST_DRIP_S and not transport.is_closing():
        has_room = transport.get_write_buffer_size() < _MOST_UNSENT
        if has_room:
            transport.write(_ENDLESS_CHUNK)
            sent += 1
        await asyncio.sleep(0 if has_room else 0.01)


async def _until_gone(receive: Receive) -> None:
    # Uvicorn would add its own 500 if the application returned while the connection still stands.
    message: dict[str, Any] = {"type": ""}
    while message["type"] != "http.disconnect":
        message = dict(await receive())


def _bomb() -> bytes:
    """1 000 MiB of zeros as 1 MiB of gzip: the format lets members follow one another."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return (packer.compress(bytes(_BOMB_MEMBER_SIZE)) + packer.flush()) * _BOMB_MEMBERS


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus else "Scripted"
