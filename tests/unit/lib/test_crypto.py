"""Encryption at rest: records that open only in their place, and keyrings that rotate and survive a vault's absence."""

import hashlib
import hmac
import itertools
import pickle
import sys
import threading
from collections.abc import Mapping
from subprocess import run

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from lib import crypto
from lib.crypto import (
    DecryptionFailed,
    KeySourceFailed,
    Place,
    StaticKeyring,
    UnknownKeyVersion,
    VaultKeyring,
    keys_from_values,
    open_sealed,
    purpose_key,
    record_version,
    seal,
)
from lib.errors import Unavailable

V1, V2 = bytes(range(32)), bytes(range(32, 64))
SALT = b"salt of a tenant"
PLACE = Place("destination", "endpoint", 7, 42)
SECRET = b"canary-plaintext-51c2"
RING = StaticKeyring({1: V1})
GOLDEN = (
    "01000000010000000000000000000000006cba0f1fe035ccd507dd9fb11c76879e410ca2d97c352cfa8d9ecbfd58764319cf96e449b32000e3"
)


def hkdf(master: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of 32 bytes, written out."""
    extracted = hmac.digest(salt or bytes(32), master, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def independent_record(master: bytes, version: int, nonce: bytes, place: Place, plaintext: bytes) -> bytes:
    fields = [b"community-questions", b"\x01", version.to_bytes(4, "big"), place.table.encode()]
    fields += [place.column.encode(), str(place.tenant_id).encode(), str(place.row_id).encode()]
    data = b"".join(len(part).to_bytes(4, "big") + part for part in fields)
    sealed = AESGCM(hkdf(master, SALT, b"token-enc/v1")).encrypt(nonce, plaintext, data)
    return b"\x01" + version.to_bytes(4, "big") + nonce + sealed


# --- records ----------------------------------------------------------------------------------


def test_hkdf_of_the_test_agrees_with_the_first_vector_of_rfc_5869() -> None:
    key = bytes([0x0B] * 22)

    assert hkdf(key, bytes(range(13)), bytes(range(0xF0, 0xFA))).hex().startswith("3cb25f25faacd57a90434f64d036")


@pytest.mark.parametrize("plaintext", [b"", b"x", SECRET, bytes(4096)])
@pytest.mark.parametrize("version", [1, 2, 2**32 - 1])
def test_a_record_written_elsewhere_by_the_same_rules_opens(plaintext: bytes, version: int) -> None:
    record = independent_record(V2, version, bytes(range(12)), PLACE, plaintext)

    assert open_sealed(StaticKeyring({version: V2}), SALT, PLACE, record) == plaintext


def test_a_record_of_the_first_release_opens_for_ever() -> None:
    record = bytes.fromhex(GOLDEN)

    assert record == independent_record(V1, 1, bytes(12), PLACE, b"https://example.com/hook")
    assert open_sealed(RING, SALT, PLACE, record) == b"https://example.com/hook"


def test_a_sealed_record_is_what_the_rules_say() -> None:
    record = seal(RING, SALT, PLACE, SECRET)

    assert record == independent_record(V1, 1, record[5:17], PLACE, SECRET)
    assert len(record) == len(SECRET) + crypto.OVERHEAD_BYTES
    assert SECRET not in record


@given(plaintext=st.binary(max_size=300), tenant=st.integers(1, 2**63), row=st.text(max_size=20))
def test_what_is_sealed_opens_in_its_place(plaintext: bytes, tenant: int, row: str) -> None:
    place = Place("t", "c", tenant, row)

    assert open_sealed(RING, SALT, place, seal(RING, SALT, place, plaintext)) == plaintext


def test_no_record_opens_in_another_place() -> None:
    """Every pair over tenants, tables, columns and rows, with one salt: the additional data alone must tell."""
    places = [
        Place(table, column, tenant, row)
        for table, column, tenant, row in itertools.product(("a", "ab"), ("b", "bb"), (1, 11), ("1", "11", "1 1"))
    ]
    records = {place: seal(RING, SALT, place, SECRET) for place in places}
    for place, other in itertools.permutations(places, 2):
        with pytest.raises(DecryptionFailed):
            open_sealed(RING, SALT, other, records[place])
    assert all(open_sealed(RING, SALT, place, record) == SECRET for place, record in records.items())


def test_a_record_does_not_open_under_another_tenants_salt() -> None:
    with pytest.raises(DecryptionFailed):
        open_sealed(RING, b"salt of another!", PLACE, seal(RING, SALT, PLACE, SECRET))


def test_every_flipped_bit_is_noticed() -> None:
    ring = StaticKeyring(dict.fromkeys((1, *(1 ^ 1 << bit for bit in range(1, 32))), V1))
    record = seal(RING, SALT, PLACE, SECRET)
    for bit in range(len(record) * 8):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionFailed):
            open_sealed(ring, SALT, PLACE, bytes(flipped))


def test_every_truncation_and_extension_is_noticed() -> None:
    record = seal(RING, SALT, PLACE, SECRET)
    for length in range(len(record)):
        with pytest.raises(DecryptionFailed):
            open_sealed(RING, SALT, PLACE, record[:length])
    with pytest.raises(DecryptionFailed):
        open_sealed(RING, SALT, PLACE, record + b"\x00")


@given(record=st.binary(max_size=120))
def test_arbitrary_bytes_are_refused_with_the_one_error(record: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        open_sealed(RING, SALT, PLACE, record)


def test_an_unknown_version_fails_closed() -> None:
    record = seal(StaticKeyring({9: V1}), SALT, PLACE, SECRET)

    with pytest.raises(DecryptionFailed):
        open_sealed(RING, SALT, PLACE, record)


def test_the_one_error_says_nothing() -> None:
    texts = set()
    for record in (b"", b"\x02" + bytes(60), seal(RING, SALT, PLACE, SECRET)[:-1]):
        with pytest.raises(DecryptionFailed) as caught:
            open_sealed(RING, SALT, PLACE, record)
        texts.add(str(caught.value))

    assert texts == {"The record cannot be opened."}


def test_a_short_salt_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        seal(RING, b"", PLACE, SECRET)


def test_nonces_do_not_repeat() -> None:
    nonces = {seal(RING, SALT, PLACE, b"")[5:17] for _ in range(100_000)}

    assert len(nonces) == 100_000


# --- rotation ---------------------------------------------------------------------------------


def test_rotation_keeps_old_records_readable_until_the_old_key_is_gone() -> None:
    before, during, after = StaticKeyring({1: V1}), StaticKeyring({1: V1, 2: V2}), StaticKeyring({2: V2})
    old = seal(before, SALT, PLACE, SECRET)
    new = seal(during, SALT, PLACE, open_sealed(during, SALT, PLACE, old))

    assert (record_version(old), record_version(new)) == (1, 2)
    assert open_sealed(during, SALT, PLACE, old) == open_sealed(after, SALT, PLACE, new) == SECRET
    with pytest.raises(DecryptionFailed):
        open_sealed(after, SALT, PLACE, old)
    with pytest.raises(DecryptionFailed):
        open_sealed(before, SALT, PLACE, new)


@pytest.mark.parametrize("record", [b"", bytes(32), b"\x01" + bytes(31), b"\x02" + bytes(60)])
def test_no_record_has_no_version(record: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        record_version(record)


def test_purposes_have_keys_of_their_own() -> None:
    ring = StaticKeyring({1: V1, 2: V2})
    keys = {purpose_key(ring, purpose, version) for purpose in crypto.PURPOSES for version in (1, 2)}

    assert len({key for _, key in keys}) == 8
    assert purpose_key(ring, "cursor") == purpose_key(ring, "cursor", 2)
    assert purpose_key(ring, "cursor", 1) == (1, hkdf(V1, b"", b"purpose/v1/cursor"))
    assert hkdf(V1, SALT, b"token-enc/v1") not in {key for _, key in keys}
    with pytest.raises(UnknownKeyVersion):
        purpose_key(ring, "cursor", 3)
    with pytest.raises(ValueError, match="purpose"):
        purpose_key(ring, "something")


# --- keyrings ---------------------------------------------------------------------------------


class Vault:
    """A vault that can go away, beside a clock that is turned by hand."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self.keys = keys
        self.is_away = False
        self.reads = 0
        self.now = 1_000.0

    def fetch(self) -> Mapping[int, bytes]:
        self.reads += 1
        if self.is_away:
            raise KeySourceFailed("away")
        return self.keys

    def ring(self) -> VaultKeyring:
        return VaultKeyring(self.fetch, clock=lambda: self.now)


def test_the_vault_is_read_at_first_use_and_every_quarter_of_an_hour() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    assert vault.reads == 0

    for _ in range(5):
        assert ring.current() == (1, V1)
        assert ring.key(1) == V1
    assert vault.reads == 1

    vault.keys = {1: V1, 2: V2}
    vault.now += crypto.FRESH_S - 1
    assert ring.current() == (1, V1)
    vault.now += 1
    assert ring.current() == (2, V2)
    assert vault.reads == 2


def test_a_version_not_seen_yet_is_read_at_once_and_a_missing_one_not_again_and_again() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    assert ring.key(1) == V1
    vault.keys = {1: V1, 2: V2}

    assert ring.key(2) == V2
    assert vault.reads == 2
    vault.now += crypto.HOLD_OFF_S
    for _ in range(5):
        with pytest.raises(UnknownKeyVersion):
            ring.key(3)
    assert vault.reads == 3
    vault.keys = {1: V1, 2: V2, 3: V1}
    vault.now += crypto.HOLD_OFF_S
    assert ring.key(3) == V1


def test_made_up_versions_share_one_read_a_minute() -> None:
    vault = Vault({5: V1})
    ring = vault.ring()
    ring.current()

    for version in (1, 2, 3, 4, 1):
        with pytest.raises(UnknownKeyVersion):
            ring.key(version)
    assert vault.reads == 2
    vault.now += crypto.HOLD_OFF_S - 1
    with pytest.raises(UnknownKeyVersion):
        ring.key(4)
    assert vault.reads == 2
    vault.now += 1
    with pytest.raises(UnknownKeyVersion):
        ring.key(4)
    assert vault.reads == 3


def test_a_version_newer_than_the_last_read_is_not_called_unknown_before_the_next() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    ring.current()
    with pytest.raises(UnknownKeyVersion):
        ring.key(9)
    vault.keys = {1: V1, 2: V2}

    with pytest.raises(Unavailable):
        ring.key(2)
    assert vault.reads == 2
    vault.now += crypto.HOLD_OFF_S
    assert ring.key(2) == V2


def test_stale_keys_serve_for_a_day_while_the_vault_is_away() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    record = seal(ring, SALT, PLACE, SECRET)
    vault.is_away = True

    vault.now += crypto.STALE_S - 1
    assert open_sealed(ring, SALT, PLACE, record) == SECRET
    assert seal(ring, SALT, PLACE, SECRET)
    vault.now += 1
    with pytest.raises(Unavailable):
        open_sealed(ring, SALT, PLACE, record)
    with pytest.raises(Unavailable):
        seal(ring, SALT, PLACE, SECRET)

    vault.is_away = False
    vault.now += crypto.HOLD_OFF_S
    assert open_sealed(ring, SALT, PLACE, record) == SECRET


def test_a_vault_that_is_away_is_not_asked_at_every_call() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    ring.current()
    vault.is_away = True
    vault.now += crypto.FRESH_S
    for _ in range(10):
        assert ring.current() == (1, V1)
    assert vault.reads == 2
    vault.now += crypto.HOLD_OFF_S
    ring.current()
    assert vault.reads == 3


def test_an_unknown_version_while_the_vault_is_away_is_unavailable_not_refused() -> None:
    vault = Vault({1: V1})
    ring = vault.ring()
    ring.current()
    vault.is_away = True
    record = seal(StaticKeyring({2: V2}), SALT, PLACE, SECRET)
    for _ in range(5):
        with pytest.raises(Unavailable):
            open_sealed(ring, SALT, PLACE, record)
    assert vault.reads == 2


def test_without_any_keys_there_is_no_plaintext_fallback_and_a_quick_recovery() -> None:
    vault = Vault({1: V1})
    vault.is_away = True
    ring = vault.ring()
    for _ in range(5):
        with pytest.raises(Unavailable):
            seal(ring, SALT, PLACE, SECRET)
    assert vault.reads == 1
    vault.is_away = False
    vault.now += crypto.COLD_HOLD_OFF_S
    assert ring.current() == (1, V1)


@pytest.mark.parametrize("keys", [{}, {1: b"short"}, {0: V1}, {-1: V1}, {2**32: V1}])
def test_what_is_no_set_of_keys_is_no_answer(keys: dict[int, bytes]) -> None:
    with pytest.raises(KeySourceFailed):
        StaticKeyring(keys)
    vault = Vault(keys)
    with pytest.raises(Unavailable):
        vault.ring().current()


def test_threads_read_the_vault_once_and_do_not_wait_when_there_are_keys() -> None:
    vault = Vault({1: V1})
    entered, release = threading.Event(), threading.Event()

    def slow() -> Mapping[int, bytes]:
        entered.set()
        release.wait(10)
        return vault.fetch()

    ring = VaultKeyring(slow, clock=lambda: vault.now)
    seen: list[tuple[int, bytes]] = []
    threads = [threading.Thread(target=lambda: seen.append(ring.current())) for _ in range(8)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(10)
    assert seen == [(1, V1)] * 8
    assert vault.reads == 1

    entered.clear()
    release.clear()
    vault.now += crypto.FRESH_S
    reader = threading.Thread(target=ring.current)
    reader.start()
    assert entered.wait(5)
    assert ring.current() == (1, V1), "served from the keys there are, while the other thread still reads"
    assert reader.is_alive()
    release.set()
    reader.join(10)
    assert vault.reads == 2


def test_the_vaults_values_are_read_strictly() -> None:
    good = '{"v":1,"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}'

    assert keys_from_values([good, good]) == {1: V1}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        '{"v":1}',
        '{"v":"1","key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        '{"v":true,"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        '{"v":0,"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}',
        '{"v":1,"key":"AAEC"}',
        '{"v":1,"key":"not base64!"}',
        '{"v":1,"key":7}',
        '{"v":1,"key":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="}',
    ],
)
def test_a_malformed_value_fails_the_whole_read(value: str) -> None:
    good = '{"v":1,"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}'
    with pytest.raises(KeySourceFailed) as caught:
        keys_from_values([good, value])

    assert "AAEC" not in str(caught.value)


def test_neither_repr_nor_pickle_holds_a_key() -> None:
    vault = Vault({1: V1})
    filled = vault.ring()
    filled.current()

    assert repr(RING) == "StaticKeyring(versions=[1])"
    assert repr(filled) == "VaultKeyring(versions=[1])"
    for ring in (RING, filled):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(ring)


def test_importing_and_making_a_vault_keyring_loads_no_sdk() -> None:
    program = (
        "import sys, lib.crypto as c; c.VaultKeyring(c.vault_fetch('https://v.vault.azure.net', None), clock=float);"
        "print([m for m in ('azure', 'cryptography', 'requests') if m in sys.modules])"
    )

    assert run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
