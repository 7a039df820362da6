"""Cursors of keyset lists: the last row's values, sealed for the installation and query they came from.

Sealed, because the last row that was read may be one that the viewer is not shown: its time or score is nobody's
business. AES-SIV (RFC 5297) needs no nonce, so the same row has the same cursor and a list that has not
changed the same ETag. A cursor that was altered, or that belongs to another list, is refused as a bad parameter.
"""

import base64
import binascii
import json
from typing import TYPE_CHECKING

from lib.crypto import Keyring, UnknownKeyVersion, purpose_key
from lib.errors import Fault, Invalid
from lib.principal import TenantId

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_PURPOSE = "cursor"
_MAX_LENGTH = 400


def _cipher(keyring: Keyring, version: int | None) -> tuple[int, "AESSIV"]:
    # Late, because the first answer of most processes is no list.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    used, key = purpose_key(keyring, _PURPOSE, version)
    return used, AESSIV(key)


def _place(version: int, tenant_id: TenantId, query: str) -> list[bytes]:
    return [json.dumps([version, tenant_id, query]).encode()]


def make_cursor(keyring: Keyring, tenant_id: TenantId, query: str, values: tuple[int, ...]) -> str:
    """A cursor after the row with these values, good for this installation and query only."""
    version, cipher = _cipher(keyring, None)
    sealed = cipher.encrypt(json.dumps(values).encode(), _place(version, tenant_id, query))
    return base64.urlsafe_b64encode(f"{version}:".encode() + sealed).rstrip(b"=").decode()


def read_cursor(keyring: Keyring, tenant_id: TenantId, query: str, cursor: str) -> tuple[int, ...]:
    """The values `make_cursor` was given; `Invalid` for anything else."""
    from cryptography.exceptions import InvalidTag

    refused = Invalid(faults=(Fault("cursor", "is not a cursor of this list"),))
    if len(cursor) > _MAX_LENGTH or not cursor.isascii():
        raise refused
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        named, _, sealed = raw.partition(b":")
        used = int(named) if named.isdigit() and len(named) < 10 else 0
    except (binascii.Error, ValueError):
        raise refused from None
    # A made-up version must not send us to the vault. A cursor that another instance made with a key we have
    # not read yet is refused as well, for the minutes until we have.
    newest, _ = keyring.current()
    if not 0 < used <= newest:
        raise refused
    try:
        _, cipher = _cipher(keyring, used)
        text = cipher.decrypt(sealed, _place(used, tenant_id, query))
    except (InvalidTag, UnknownKeyVersion):
        raise refused from None
    return tuple(int(value) for value in json.loads(text))
