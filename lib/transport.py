"""Sockets and connections of the one door: they dial only checked addresses, and keep one deadline and one byte budget.

`requests` and urllib3 time each read, not the call: a server that sends a byte a second, or `100 Continue`
for ever, holds such a client as long as it likes. Here every read and write first asks the call what is left.
Only `lib.outbound` uses this module; it is apart because loading urllib3 costs more than the rest of `lib`.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Buffer, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPMessage
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from lib.targets import OutboundError, refused_class

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection, BaseHTTPSConnection

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) → addresses as text; raises OSError for a name without any."""

MAX_ADDRESSES = 4
MAX_IDLE_CONNECTIONS = 32

# A look-up cannot be interrupted, so each runs in a thread of its own, and a dead name server must not
# gather threads without limit.
_lookups = threading.BoundedSemaphore(16)


@dataclass(slots=True)
class Call:
    """What one call may still use; `bytes_left` counts everything read, headers and framing too."""

    resolve: Resolve
    is_local: bool
    deadline: float
    """On the clock of `time.monotonic`."""
    bytes_left: int
    tls: ssl.SSLContext | None

    def remaining_s(self) -> float:
        """Seconds left, above 0; raises `OutboundError` "timeout" when there are none."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise OutboundError("timeout")
        return remaining

    def count(self, received: int) -> int:
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise OutboundError("too-large")
        return received


current: ContextVar[Call] = ContextVar("current")
"""The call this thread is making. urllib3 offers no way to hand it down to a socket of its pools."""


class TimedSocket(socket.socket):
    """A socket whose every operation ends by the current call's deadline."""

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        call = current.get()
        self.settimeout(call.remaining_s())
        try:
            received = super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise OutboundError("timeout") from None
        return call.count(received)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        self.settimeout(current.get().remaining_s())
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise OutboundError("timeout") from None


class TimedTLSSocket(ssl.SSLSocket):
    """The same under TLS. `send` is enough for writing: the parent's `sendall` is a loop over it."""

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        call = current.get()
        self.settimeout(call.remaining_s())
        try:
            received = super().recv_into(buffer, nbytes, flags)
        except TimeoutError:
            raise OutboundError("timeout") from None
        return call.count(received)

    def send(self, data: Buffer, flags: int = 0) -> int:
        self.settimeout(current.get().remaining_s())
        try:
            return super().send(data, flags)
        except TimeoutError:
            raise OutboundError("timeout") from None


def tls_context(ca_file: str) -> ssl.SSLContext:
    """A verifying client context for TLS 1.2 and later that trusts the authorities in `ca_file`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.load_verify_locations(ca_file)
    context.sslsocket_class = TimedTLSSocket
    return context


def system_resolve(host: str, port: int) -> list[str]:
    """The operating system's answer, without repetitions."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def look_up(call: Call, host: str, port: int) -> Sequence[str]:
    """Addresses of `host` within the call's deadline; raises `OutboundError` "dns" or "timeout"."""
    if not _lookups.acquire(timeout=call.remaining_s()):
        raise OutboundError("timeout")
    answers: SimpleQueue[Sequence[str]] = SimpleQueue()

    def work() -> None:
        found: Sequence[str] = ()
        try:
            found = call.resolve(host, port)
        except (OSError, UnicodeError):
            found = ()
        finally:
            _lookups.release()
            answers.put(found)

    threading.Thread(target=work, name="look-up", daemon=True).start()
    try:
        found = answers.get(timeout=call.remaining_s())
    except Empty:
        raise OutboundError("timeout") from None
    if not found:
        raise OutboundError("dns")
    return found


def checked_addresses(call: Call, host: str, port: int) -> Sequence[str]:
    """At most four addresses that may be dialled; one that is not public refuses them all.

    A mixed answer is how a name passes the check with one address and is reached by another.
    """
    if call.is_local and refused_class(host) != "malformed":
        return (host,)
    found = look_up(call, host, port)
    if not call.is_local and any(refused_class(address) for address in found):
        raise OutboundError("refused-address")
    return found[:MAX_ADDRESSES]


def dial(call: Call, host: str, port: int) -> socket.socket:
    """A connection to one of the checked addresses; the name is looked up once and not again."""
    addresses = checked_addresses(call, host, port)
    for tried, address in enumerate(addresses):
        # A silent address may not eat the time of those after it.
        share_s = call.remaining_s() / (len(addresses) - tried)
        connected = connect(address, port, share_s)
        if connected is not None:
            connected.settimeout(share_s)
            return connected
    call.remaining_s()
    raise OutboundError("connect")


def connect(address: str, port: int, timeout_s: float) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    candidate = TimedSocket(family, socket.SOCK_STREAM)
    candidate.settimeout(timeout_s)
    try:
        candidate.connect((address, port))
        candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        candidate.close()
        return None
    return candidate


def _without_cookies(response: HTTPResponse) -> HTTPResponse:
    """Drop Set-Cookie before `requests` parses it: we keep no cookies, and its parser reports bad ones aloud."""
    message = getattr(response._original_response, "msg", None)  # noqa: SLF001 - requests reads this very field
    if isinstance(message, HTTPMessage):
        del message["Set-Cookie"]
    response.headers.discard("Set-Cookie")
    return response


class PlainConnection(HTTPConnection):
    """http, for local origins only: the door has checked that."""

    def _new_conn(self) -> socket.socket:
        return dial(current.get(), self.host, self.port or 80)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 does the same to its parent
        return _without_cookies(super().getresponse())


class TLSConnection(HTTPSConnection):
    """https; the parent does the handshake, with server name and certificate check on the URL's name."""

    def _new_conn(self) -> socket.socket:
        return dial(current.get(), self.host, self.port or 443)

    def connect(self) -> None:
        # `requests` asks for its bundle to be loaded at every connection, 20 ms each; the shared
        # context holds the authorities already.
        self.ca_certs = None
        self.ssl_context = current.get().tls
        super().connect()

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 does the same to its parent
        return _without_cookies(super().getresponse())


class PlainPool(HTTPConnectionPool):
    ConnectionCls: "type[BaseHTTPConnection]" = PlainConnection


class TLSPool(HTTPSConnectionPool):
    ConnectionCls: "type[BaseHTTPSConnection]" = TLSConnection


def pool_manager() -> PoolManager:
    """Pools made of the connections above."""
    manager = PoolManager(num_pools=MAX_IDLE_CONNECTIONS, maxsize=MAX_IDLE_CONNECTIONS)
    manager.pool_classes_by_scheme = {"http": PlainPool, "https": TLSPool}
    return manager


def _drop(_record: logging.LogRecord) -> bool:
    return False


# These two print whole URLs, one of them as a warning; an endpoint's URL is its secret. A filter, unlike
# a level, is not undone by a logging configuration that comes later.
for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_drop)
