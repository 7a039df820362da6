"""Cursors of keyset lists: the last row's values, bound to the installation and query they came from.

A cursor is base64url of JSON and a MAC. One that was altered, or that belongs to another list, is refused as
a bad parameter; it never becomes part of a statement unchecked.
"""

import base64
import binascii
import hashlib
import hmac
import json

from lib.crypto import Keyring, UnknownKeyVersion, purpose_key
from lib.errors import Fault, Invalid
from lib.principal import TenantId

_PURPOSE = "cursor"
_MAC_BYTES = 16
_MAX_LENGTH = 400


def _mac(keyring: Keyring, version: int | None, tenant_id: TenantId, query: str, values: str) -> tuple[int, bytes]:
    used, key = purpose_key(keyring, _PURPOSE, version)
    message = json.dumps([used, tenant_id, query, values]).encode()
    return used, hmac.digest(key, message, hashlib.sha256)[:_MAC_BYTES]


def make_cursor(keyring: Keyring, tenant_id: TenantId, query: str, values: tuple[int, ...]) -> str:
    """A cursor after the row with these values, good for this installation and query only."""
    text = json.dumps(values)
    version, mac = _mac(keyring, None, tenant_id, query, text)
    return base64.urlsafe_b64encode(mac + f"{version}:{text}".encode()).rstrip(b"=").decode()


def read_cursor(keyring: Keyring, tenant_id: TenantId, query: str, cursor: str) -> tuple[int, ...]:
    """The values `make_cursor` was given; `Invalid` for anything else."""
    refused = Invalid(faults=(Fault("cursor", "is not a cursor of this list"),))
    if len(cursor) > _MAX_LENGTH or not cursor.isascii():
        raise refused
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        version, _, text = raw[_MAC_BYTES:].decode().partition(":")
        used = int(version)
    except (binascii.Error, ValueError):
        raise refused from None
    # A made-up version must not send us to the vault. A cursor that another instance made with a key we have
    # not read yet is refused as well, for the minutes until we have.
    newest, _ = keyring.current()
    if not 0 < used <= newest:
        raise refused
    try:
        _, expected = _mac(keyring, used, tenant_id, query, text)
    except UnknownKeyVersion:
        raise refused from None
    if not hmac.compare_digest(expected, raw[:_MAC_BYTES]):
        raise refused
    return tuple(int(value) for value in json.loads(text))
