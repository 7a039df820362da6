"""Atlassian's public keys for install tokens: fetched by key id, checked, remembered for a while.

The host is a setting and the key id a UUID by shape before it becomes part of an address. Anybody can name
key ids, so both what is known and what is known to be missing are bounded in number and in time.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from lib.connect_jwt import Refusal, TokenRefused, check_key_id
from lib.errors import Unavailable
from lib.outbound import Door, OutboundError

KEPT_S = 3600.0
REFUSED_S = 300.0
MAX_ENTRIES = 64

_DEADLINE_S = 3.0
_MAX_BYTES = 16_384
_MIN_BITS = 2048
# Object stores answer 403 for a missing object where listing is not allowed.
_NO_SUCH_KEY = frozenset({403, 404, 410})


class KeyAnswer(Protocol):
    """What of an HTTP answer is looked at; lib.outbound.Answer is one."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


type Fetch = Callable[[str], KeyAnswer]


def fetch_through(door: Door) -> Fetch:
    """Fetching by the one door out, with the limits that suit a key: 3 seconds, 16 KB, no redirects."""

    def fetch(url: str) -> KeyAnswer:
        return door.request("GET", url, deadline_s=_DEADLINE_S, max_bytes=_MAX_BYTES, reuse=True)

    return fetch


@dataclass(frozen=True, slots=True)
class _Entry:
    verdict: bytes | Refusal
    until_s: float


class InstallKeys:
    """Install keys by key id; safe to share between threads.

    A key is immutable under its id, so it is kept for an hour; a missing or unusable one is refused for five
    minutes without asking again. Trouble with the network is not remembered.
    """

    def __init__(self, fetch: Fetch, base_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._base_url = base_url
        self._clock = clock
        self._lock = threading.Lock()
        # Kept apart, so that a flood of invented ids cannot push out the keys in use.
        self._keys: dict[str, _Entry] = {}
        self._refusals: dict[str, _Entry] = {}

    def pem(self, kid: str) -> bytes:
        """The public key as PEM; raises `TokenRefused` where there is none, `Unavailable` where none can be had."""
        key_id = check_key_id(kid)
        verdict = self._remembered(key_id) or self._fetched(key_id)
        if isinstance(verdict, bytes):
            return verdict
        raise TokenRefused(verdict)

    def _remembered(self, key_id: str) -> bytes | Refusal | None:
        with self._lock:
            entry = self._keys.get(key_id) or self._refusals.get(key_id)
        return entry.verdict if entry is not None and self._clock() < entry.until_s else None

    def _fetched(self, key_id: str) -> bytes | Refusal:
        # The lock is not held here: one slow answer must not hold up tokens whose key is known.
        try:
            answer = self._fetch(f"{self._base_url}/{key_id}")
        except OutboundError as error:
            raise Unavailable from error
        if answer.status in _NO_SUCH_KEY:
            verdict: bytes | Refusal = "unknown-key"
        elif answer.status == 200:
            verdict = _checked_pem(answer.body) or "key-unusable"
        else:
            raise Unavailable
        self._remember(key_id, verdict)
        return verdict

    def _remember(self, key_id: str, verdict: bytes | Refusal) -> None:
        is_key = isinstance(verdict, bytes)
        entries = self._keys if is_key else self._refusals
        entry = _Entry(verdict, self._clock() + (KEPT_S if is_key else REFUSED_S))
        with self._lock:
            self._keys.pop(key_id, None)
            self._refusals.pop(key_id, None)
            if len(entries) >= MAX_ENTRIES:
                del entries[next(iter(entries))]
            entries[key_id] = entry


def _checked_pem(body: bytes) -> bytes | None:
    """The key written anew, so that what was checked is what gets used; None where it is not one of ours."""
    try:
        key = load_pem_public_key(body)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_BITS:
        return None
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
