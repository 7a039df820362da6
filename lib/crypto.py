"""Encryption at rest: AES-256-GCM records bound to their place, with per-tenant keys derived from a versioned master.

A record is `1 byte format | 4 byte key version | 12 byte nonce | ciphertext | 16 byte tag`. Its additional
data name the place (table, column, tenant, row), so a record moved anywhere else does not open. The tenant's
key is HKDF-SHA256(master, salt = the tenant's salt, info = "token-enc/v1"): deleting the salt destroys
everything sealed under it. Nonces are random, which allows 2^32 records per tenant and master version.
"""

import base64
import binascii
import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from lib.errors import Unavailable
from lib.log import Log

log = Log("crypto")

FORMAT = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = 5
OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES
"""How much longer a record is than its plaintext."""

MIN_SALT_BYTES = 16

PURPOSE_CURSOR = "cursor"
PURPOSE_LOG_HASH = "log-hash"
PURPOSE_FINGERPRINT = "fingerprint"
PURPOSE_ERASURE = "erasure"
PURPOSES = frozenset({PURPOSE_CURSOR, PURPOSE_LOG_HASH, PURPOSE_FINGERPRINT, PURPOSE_ERASURE})

FRESH_S = 15 * 60
"""A vault's keys are read again after this."""

STALE_S = 24 * 60 * 60
"""While the vault is away its last keys serve for this long, and not a moment longer."""

HOLD_OFF_S = 60
"""After a failed read, and after one for a version not seen yet, the vault is left alone for this long."""

COLD_HOLD_OFF_S = 2
"""The same for a failed read with no keys to serve meanwhile."""

MASTER_SECRET_NAME = "cq-master-key"  # noqa: S105 - a name, not a value

_APP = b"community-questions"
_TENANT_INFO = b"token-enc/v1"
_PURPOSE_INFO = b"purpose/v1/"
_MAX_VERSION = 2**32 - 1
_NEVER = float("-inf")


class DecryptionFailed(Exception):
    """The record does not open here. There is one cause for callers, whatever the real one is."""

    def __init__(self) -> None:
        super().__init__("The record cannot be opened.")


class UnknownKeyVersion(Exception):
    """There is no master key of this version."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"no master key of version {version}")


class KeySourceFailed(Exception):
    """The vault could not be read, or what it holds is no set of keys; never carries what was read."""


class Keyring(Protocol):
    """Master keys by version. Both methods may raise `Unavailable`."""

    def current(self) -> tuple[int, bytes]:
        """The newest (version, 32 byte key)."""

    def key(self, version: int) -> bytes:
        """The key of `version`; raises `UnknownKeyVersion`."""


class StaticKeyring:
    """Keys given once, as from a setting; the highest version is current."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = _checked_keys(keys)

    def current(self) -> tuple[int, bytes]:
        version = max(self._keys)
        return version, self._keys[version]

    def key(self, version: int) -> bytes:
        found = self._keys.get(version)
        if found is None:
            raise UnknownKeyVersion(version)
        return found

    def __repr__(self) -> str:
        return f"StaticKeyring(versions={sorted(self._keys)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Keys are not pickled.")


class VaultKeyring:
    """Keys kept in a vault, read through `fetch` and cached.

    Read again every 15 minutes, and at once for a version not seen yet (another instance may seal with a
    key made after our last read), but for one such version a minute: versions may be made up. While the
    vault is away the last keys serve up to 24 hours; then, or when there never were any, `Unavailable`.
    `fetch` raises `KeySourceFailed`; `clock` gives seconds and never steps back.
    """

    def __init__(self, fetch: Callable[[], Mapping[int, bytes]], *, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._reading = threading.Lock()
        self._keys: Mapping[int, bytes] = {}
        self._reads = 0
        self._read_at = _NEVER
        self._failed_at = _NEVER
        self._sought: int | None = None
        self._sought_at = _NEVER

    def current(self) -> tuple[int, bytes]:
        keys = self._usable_keys()
        version = max(keys)
        return version, keys[version]

    def key(self, version: int) -> bytes:
        reads = self._reads
        keys = self._usable_keys()
        found = keys.get(version)
        if found is not None:
            return found
        if self._clock() - self._sought_at < HOLD_OFF_S:
            # Versions only rise: an older one was missing at that read and stays so, a newer one may exist by now.
            if version == self._sought or version < max(keys):
                raise UnknownKeyVersion(version)
            raise Unavailable
        # Without a fresh answer it is not known whether the version exists, so this is no refusal.
        if self._is_held_off() or not self._read_again(reads, sought=version):
            raise Unavailable
        found = self._keys.get(version)
        if found is None:
            raise UnknownKeyVersion(version)
        return found

    def _usable_keys(self) -> Mapping[int, bytes]:
        reads = self._reads
        is_due = self._clock() - self._read_at >= FRESH_S
        # While one thread reads, the others go on with the keys there are.
        if is_due and not self._is_held_off() and not (self._keys and self._reading.locked()):
            self._read_again(reads)
        if self._clock() - self._read_at >= STALE_S:
            self._keys = {}
        if not self._keys:
            raise Unavailable
        return self._keys

    def _is_held_off(self) -> bool:
        return self._clock() - self._failed_at < (HOLD_OFF_S if self._keys else COLD_HOLD_OFF_S)

    def _read_again(self, reads: int, *, sought: int | None = None) -> bool:
        """Whether keys were read: here, or by another thread since `reads` was looked at."""
        with self._reading:
            if self._reads != reads:
                return self._failed_at == _NEVER
            try:
                keys = _checked_keys(self._fetch())
            except KeySourceFailed as error:
                self._failed_at = self._clock()
                log.warning("keyring_unreadable", error=error, age_s=_age_s(self._failed_at - self._read_at))
                return False
            else:
                self._keys = keys
                self._read_at = self._clock()
                self._failed_at = _NEVER
                if sought is not None:
                    self._sought, self._sought_at = sought, self._read_at
                return True
            finally:
                # Only now, so that whoever looked while the vault was being asked takes this answer.
                self._reads += 1

    def __repr__(self) -> str:
        return f"VaultKeyring(versions={sorted(self._keys)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Keys are not pickled.")


def _age_s(age: float) -> int | None:
    return None if age == float("inf") else int(age)


def _checked_keys(keys: Mapping[int, bytes]) -> dict[int, bytes]:
    if not keys or any(len(key) != KEY_BYTES or not 0 < version <= _MAX_VERSION for version, key in keys.items()):
        raise KeySourceFailed("master keys must be 32 bytes each, with versions from 1")
    return dict(keys)


def vault_fetch(vault_url: str, client_id: str | None) -> Callable[[], Mapping[int, bytes]]:
    """A `fetch` that reads every enabled version of the secret `cq-master-key`, as the managed identity.

    Each value reads `{"v": <int>, "key": "<base64 of 32 bytes>"}`. The identity needs to get secrets and
    to read their metadata. Nothing is loaded or contacted before the first read.
    """

    def fetch() -> Mapping[int, bytes]:
        # The vault's SDK takes 300 ms to load, and a start without a vault never needs it.
        from azure.core.exceptions import AzureError
        from azure.identity import ManagedIdentityCredential
        from azure.keyvault.secrets import SecretClient

        values: list[str] = []
        try:
            with (
                ManagedIdentityCredential(client_id=client_id) as credential,
                # A request waits for this: better stale keys soon than fresh ones after the SDK's minutes.
                SecretClient(vault_url, credential, retry_total=1, connection_timeout=3, read_timeout=5) as client,
            ):
                for version in client.list_properties_of_secret_versions(MASTER_SECRET_NAME):
                    if version.enabled:
                        secret = client.get_secret(MASTER_SECRET_NAME, version.version)
                        values.append(secret.value or "")
        except AzureError as error:
            raise KeySourceFailed(type(error).__name__) from None
        return keys_from_values(values)

    return fetch


def keys_from_values(values: list[str]) -> dict[int, bytes]:
    """Master keys from the values of the vault's secret; raises `KeySourceFailed` when one is malformed."""
    keys: dict[int, bytes] = {}
    for value in values:
        version, key = _key_from_value(value)
        if keys.setdefault(version, key) != key:
            raise KeySourceFailed("two different master keys have one version")
    return _checked_keys(keys)


def _key_from_value(value: str) -> tuple[int, bytes]:
    try:
        parsed = json.loads(value)
        version, key = parsed["v"], base64.b64decode(parsed["key"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error):
        version, key = None, b""
    if type(version) is not int:
        raise KeySourceFailed("a master key's value is malformed")
    return version, key


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lives; it opens nowhere else."""

    table: str
    column: str
    tenant_id: int
    row_id: int | str


def seal(keyring: Keyring, salt: bytes, place: Place, plaintext: bytes) -> bytes:
    """The record for `plaintext` at `place`, under the newest master key; may raise `Unavailable`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    version, master = keyring.current()
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_tenant_key(master, salt)).encrypt(nonce, plaintext, _additional_data(version, place))
    return _header(version) + nonce + sealed


def open_sealed(keyring: Keyring, salt: bytes, place: Place, record: bytes) -> bytes:
    """The plaintext; raises `DecryptionFailed`, or `Unavailable` when the keys cannot be read."""
    # Loading the cipher takes 25 ms, which a start without any secret to open is spared.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    version = record_version(record)
    try:
        master = keyring.key(version)
        return AESGCM(_tenant_key(master, salt)).decrypt(
            record[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES],
            record[HEADER_BYTES + NONCE_BYTES :],
            _additional_data(version, place),
        )
    except (InvalidTag, UnknownKeyVersion):
        raise DecryptionFailed from None


def record_version(record: bytes) -> int:
    """The master key's version a record was sealed with; raises `DecryptionFailed` when it is no record."""
    if len(record) < OVERHEAD_BYTES or record[0] != FORMAT:
        raise DecryptionFailed
    return int.from_bytes(record[1:HEADER_BYTES])


def purpose_key(keyring: Keyring, purpose: str, version: int | None = None) -> tuple[int, bytes]:
    """(version, 32 byte key) for one of `PURPOSES`, from the newest master or the one of `version`.

    Whoever stores what the key made stores the version too. Raises `UnknownKeyVersion` or `Unavailable`.
    """
    if purpose not in PURPOSES:
        raise ValueError("There is no key for this purpose.")
    used, master = keyring.current() if version is None else (version, keyring.key(version))
    return used, _derive(master, None, _PURPOSE_INFO + purpose.encode())


def _tenant_key(master: bytes, salt: bytes) -> bytes:
    if len(salt) < MIN_SALT_BYTES:
        raise ValueError("A tenant's salt has at least 16 bytes.")
    return _derive(master, salt, _TENANT_INFO)


def _derive(master: bytes, salt: bytes | None, info: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt, info).derive(master)


def _header(version: int) -> bytes:
    return bytes([FORMAT]) + version.to_bytes(4)


def _additional_data(version: int, place: Place) -> bytes:
    """`app | format | key version | table | column | tenant id | row id`, each led by its length in 4 bytes."""
    parts = (
        _APP,
        bytes([FORMAT]),
        version.to_bytes(4),
        place.table.encode(),
        place.column.encode(),
        str(place.tenant_id).encode(),
        str(place.row_id).encode(),
    )
    return b"".join(len(part).to_bytes(4) + part for part in parts)
