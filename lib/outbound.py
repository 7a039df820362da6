"""The one door out: every HTTP call of the app passes here, and only here is `requests` imported.

https to public addresses only, no redirects, no cookies, no proxies, one deadline and one byte limit for
the whole call. `requests` is driven through its adapter, without a session: a session reads the environment
and `.netrc`, keeps cookies and, with redirects off, still reads the whole body of a redirect.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from lib.targets import OutboundError, PublicUrl, UrlRefused, parse_any_url, parse_public_url, refused_class

if TYPE_CHECKING:
    import ssl

    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

    from lib.transport import Call, Resolve

__all__ = ("Answer", "Door", "OutboundError", "PublicUrl", "UrlRefused", "parse_public_url", "refused_class")

USER_AGENT = "community-questions"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
OVERHEAD_BYTES = 65_536
"""Room for status line, headers and chunk framing on top of `max_bytes`."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")
_OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "expect", "te", "upgrade", "trailer"}
    | {"cookie", "accept-encoding", "user-agent", "proxy-authorization", "proxy-connection", "keep-alive"}
)
_READ_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that is not a redirect; any status from 200 to 299 or 400 to 599."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; cookies are left out."""
    body: bytes = field(repr=False)
    """As sent: identity encoding is asked for, and nothing is ever decompressed."""
    duration_ms: int

    def json(self) -> object:
        """The body as JSON; raises `OutboundError` "protocol" for anything else."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        else:
            return value
        raise OutboundError("protocol")


class Door:
    """Makes calls; safe to share between threads, and meant to live as long as the process.

    `local_origins` are the exact origins exempt from https and the public-address rule. `resolve` answers
    (host, port) with addresses. `ca_file` replaces the usual authorities.
    """

    def __init__(
        self,
        *,
        local_origins: frozenset[str] = frozenset(),
        resolve: "Resolve | None" = None,
        user_agent: str = USER_AGENT,
        ca_file: str | None = None,
    ) -> None:
        self._local_origins = local_origins
        self._resolve = resolve
        self._user_agent = user_agent
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        self._kept: HTTPAdapter | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline_s: float = 10.0,
        max_bytes: int = 65_536,
        reuse: bool = False,
    ) -> Answer:
        """One call, made once and never repeated; raises `OutboundError` and, on our own mistakes, ValueError.

        `reuse` keeps the connection for later calls to the same origin; without it every call has a
        connection of its own, so that two customers' endpoints on one host never share one.
        """
        sent = self._headers(method, headers or {}, reuse=reuse)
        try:
            target = parse_any_url(url, local_origins=self._local_origins)
        except UrlRefused:
            target = None
        if target is None:
            raise OutboundError("refused-address")
        outcome = self._attempt(method, target, sent, body, deadline_s, max_bytes, reuse)
        if isinstance(outcome, Answer):
            return outcome
        # Raised out here so that no library's exception, which would name the URL, hangs on it as context.
        raise OutboundError(outcome)

    def close(self) -> None:
        """Close the connections kept for reuse; the door stays usable."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _headers(self, method: str, given: Mapping[str, str], *, reuse: bool) -> dict[str, str]:
        if method not in METHODS:
            raise ValueError("This method is not one the door sends.")
        for name, value in given.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
                raise ValueError("A header's name is malformed or reserved for the door.")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError("A header's value is not plain printable text.")
        connection = {} if reuse else {"Connection": "close"}
        return {"User-Agent": self._user_agent, "Accept-Encoding": "identity"} | connection | dict(given)

    def _attempt(
        self,
        method: str,
        target: PublicUrl,
        headers: dict[str, str],
        body: bytes | None,
        deadline_s: float,
        max_bytes: int,
        reuse: bool,
    ) -> Answer | str:
        """The answer, or the reason why there is none."""
        # Loading requests and urllib3 takes 200 ms on a small machine; a cold start without a call out is spared it.
        import requests
        from urllib3.exceptions import HTTPError

        from lib import transport

        started = time.monotonic()
        call = transport.Call(
            resolve=self._resolve or transport.system_resolve,
            is_local=target.is_local,
            deadline=started + deadline_s,
            bytes_left=max_bytes + OVERHEAD_BYTES,
            tls=self._tls_context() if target.scheme == "https" else None,
        )
        token = transport.current.set(call)
        try:
            prepared = requests.Request(method, target.url, headers=headers, data=body).prepare()
            # `prepare` rewrites some percent-encodings; what was checked is what is sent.
            prepared.url = target.url
            status, received, content = self._exchange(prepared, call, max_bytes, reuse=reuse)
        except OutboundError as error:
            return error.reason
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            return _reason(error)
        finally:
            transport.current.reset(token)
        return Answer(status, received, content, round((time.monotonic() - started) * 1000))

    def _exchange(
        self, prepared: "PreparedRequest", call: "Call", max_bytes: int, *, reuse: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        adapter = self._kept_adapter() if reuse else _new_adapter()
        try:
            response = adapter.send(prepared, stream=True, timeout=call.remaining_s(), verify=True)
            try:
                content = _read(response, max_bytes)
            finally:
                # After a complete read the connection is back in its pool already, and this closes nothing.
                response.raw.close()
        finally:
            if not reuse:
                adapter.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, MappingProxyType(headers), content

    def _kept_adapter(self) -> "HTTPAdapter":
        with self._lock:
            if self._kept is None:
                self._kept = _new_adapter()
            return self._kept

    def _tls_context(self) -> "ssl.SSLContext":
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        from lib import transport

        with self._lock:
            if self._tls is None:
                self._tls = transport.tls_context(self._ca_file or DEFAULT_CA_BUNDLE_PATH)
            return self._tls


def _new_adapter() -> "HTTPAdapter":
    from requests.adapters import HTTPAdapter

    from lib import transport

    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager = transport.pool_manager()
    return adapter


def _read(response: "Response", max_bytes: int) -> bytes:
    """The body, at most `max_bytes`; a redirect or an odd status ends the call before its body is read."""
    if 300 <= response.status_code < 400:
        raise OutboundError("redirect")
    if not 200 <= response.status_code < 600:
        raise OutboundError("protocol")
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes):
        raise OutboundError("too-large")
    content = bytearray()
    while piece := response.raw.read(_READ_BYTES, decode_content=False):
        content += piece
        if len(content) > max_bytes:
            raise OutboundError("too-large")
    return bytes(content)


def _reason(error: BaseException) -> str:
    """The code for a library's exception. Time-outs and refused connections never come here as such:
    our sockets report those themselves; only the TLS handshake's time-out does.
    """
    import requests
    from urllib3.exceptions import SSLError
    from urllib3.exceptions import TimeoutError as PoolTimeoutError

    if isinstance(error, requests.exceptions.SSLError | SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.Timeout | PoolTimeoutError | TimeoutError):
        return "timeout"
    return "protocol"
