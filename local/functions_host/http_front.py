"""The HTTP front as pure ASGI: a request becomes an HttpCall, an answer gets the headers of host.json.

Rule: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook and the host's own habits:
lower-case header names, repeated values joined by commas, empty query values dropped, empty error bodies.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from local.functions_host.engine import Function, HttpAnswer, HttpCall
from local.functions_host.host_json import HttpSettings
from local.functions_host.invoking import Invoker
from local.functions_host.routes import RouteTable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 104_857_600
# Kestrel sends no HSTS to these, so that a developer's browser is not locked to https.
_NO_HSTS_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

log = logging.getLogger("local.functions_host")


class BodyTooLarge(Exception):
    pass


class ClientGone(Exception):
    """The client left before its body was complete; half a body must not run anything."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Admin = Callable[[str, str, bytes], Reply | None]


class Throttle:
    """Past `max_outstanding` requests are refused; past `max_concurrent` they wait. None is unbounded."""

    def __init__(self, settings: HttpSettings) -> None:
        self._max_outstanding = settings.max_outstanding
        self._outstanding = 0
        self.slots: asyncio.Semaphore | None = None
        if settings.max_concurrent is not None:
            self.slots = asyncio.Semaphore(settings.max_concurrent)

    @property
    def is_full(self) -> bool:
        return self._max_outstanding is not None and self._outstanding >= self._max_outstanding

    @contextmanager
    def counted(self) -> Iterator[None]:
        self._outstanding += 1
        try:
            yield
        finally:
            self._outstanding -= 1


@dataclass(frozen=True, slots=True)
class HttpFront:
    """The ASGI application. `admin` answers the host's own paths, or None when a path is not the host's.

    `host_key` None checks no keys, as the vendor's local tools do; otherwise function and admin levels need it.
    """

    settings: HttpSettings
    routes: RouteTable
    functions: Mapping[str, Function]
    invoker: Invoker
    throttle: Throttle
    admin: Admin
    host_key: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(scope, receive)
            reply = await self._reply(scope, body)
        except BodyTooLarge:
            reply = Reply(413)
        except ClientGone:
            return
        try:
            start = self._start(scope, reply)
        except UnicodeEncodeError:
            log.exception("a response header is not latin-1")
            reply = Reply(500)
            start = self._start(scope, reply)
        await send(start)
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, body: bytes) -> Reply:
        raw_path = scope["raw_path"].decode("latin-1")
        if raw_path.lower().startswith("/admin/"):
            # Probes ask for the ping without a key.
            if raw_path.lower() != "/admin/host/ping" and not self._has_key(scope):
                return Reply(401)
            return self.admin(scope["method"], raw_path, body) or Reply(404)
        match = self.routes.match(scope["method"], raw_path)
        if match is None:
            return _landing_page() if (scope["method"], raw_path) == ("GET", "/") else Reply(404)
        function = self.functions[match.function]
        level = function.trigger.text("authLevel", "function").lower()
        if level != "anonymous" and not self._has_key(scope):
            return Reply(401)
        if self.throttle.is_full:
            return Reply(429)
        with self.throttle.counted():
            if self.throttle.slots is None:
                return await self._invoke(function, _call(scope, match.params, body))
            async with self.throttle.slots:
                return await self._invoke(function, _call(scope, match.params, body))

    async def _invoke(self, function: Function, call: HttpCall) -> Reply:
        result = await self.invoker.http(function, call)
        if result.error is not None:
            return Reply(500)
        return Reply(204) if result.http is None else _from_answer(result.http)

    def _has_key(self, scope: Scope) -> bool:
        if self.host_key is None:
            return True
        headers = dict(_joined(_decoded_headers(scope)))
        given = headers.get("x-functions-key") or dict(_query(scope)).get("code", "")
        return hmac.compare_digest(given.encode(), self.host_key.encode())

    def _start(self, scope: Scope, reply: Reply) -> dict[str, Any]:
        headers = [(name, value) for name, value in reply.headers if name.lower() != "content-length"]
        present = {name.lower() for name, _ in headers}
        headers.extend(pair for pair in self.settings.custom_headers if pair[0].lower() not in present)
        if self.settings.hsts is not None and scope["scheme"] == "https" and _host_name(scope) not in _NO_HSTS_HOSTS:
            headers.append(("strict-transport-security", self.settings.hsts.header()))
        if reply.status not in {204, 304}:
            headers.append(("content-length", str(len(reply.body))))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return {"type": "http.response.start", "status": reply.status, "headers": raw}


async def _body(scope: Scope, receive: Receive) -> bytes:
    """All of it, read before anything runs; a chunked body is read and dropped, as the host hands over none."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        if length:
            chunks.append(chunk)
        more = event.get("more_body", False)
    return b"".join(chunks)


def _call(scope: Scope, params: Mapping[str, str], body: bytes) -> HttpCall:
    return HttpCall(
        method=scope["method"],
        url=_raw_url(scope),
        headers=_joined(_decoded_headers(scope)),
        query={name: value for name, value in _query(scope).items() if value},
        params=params,
        body=body,
    )


def _raw_url(scope: Scope) -> str:
    """The target exactly as sent: the app hashes it, so escapes, plus signs and order must survive."""
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    return f"{scope['scheme']}://{_host(scope)}{target}"


def _host(scope: Scope) -> str:
    host = next((value for name, value in scope["headers"] if name == b"host"), None)
    if host is not None:
        return str(host.decode("latin-1"))
    address, port = scope["server"]
    return f"{address}:{port}"


def _host_name(scope: Scope) -> str:
    name, _, port = _host(scope).rpartition(":")
    return name if name and port.isdigit() else _host(scope)


def _decoded_headers(scope: Scope) -> Iterator[tuple[str, str]]:
    for name, value in scope["headers"]:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        yield name.decode("latin-1").lower(), text


def _query(scope: Scope) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in scope["query_string"].decode("latin-1").split("&") if pair]
    return _joined((unquote_plus(name), unquote_plus(value)) for name, _, value in pairs)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeats are joined by commas without the empty ones; names differing in case only are one name."""
    first_spelling: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name, value in pairs:
        key = first_spelling.setdefault(name.lower(), name)
        joined[key] = ",".join(text for text in (joined.get(key, ""), value) if text)
    return joined


def _from_answer(answer: HttpAnswer) -> Reply:
    cookies = tuple(("set-cookie", cookie) for cookie in answer.cookies)
    return Reply(answer.status, (*answer.headers, *cookies), answer.body)


def _landing_page() -> Reply:
    page = b"<!doctype html><title>Functions host</title><p>The Functions host is up and running.</p>"
    return Reply(200, (("content-type", "text/html; charset=utf-8"),), page)
