"""Cursors: they lead back to their values, for one installation and one list only."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.crypto import StaticKeyring, VaultKeyring
from lib.cursors import make_cursor, read_cursor
from lib.errors import Invalid
from lib.principal import TenantId

ACME, GLOBEX = TenantId(1), TenantId(2)
RING = StaticKeyring({1: b"1" * 32})
TURNED = StaticKeyring({1: b"1" * 32, 2: b"2" * 32})
QUERY = "questions:65537:newest:None"


def refused(cursor: str, *, ring: StaticKeyring = RING, tenant_id: TenantId = ACME, query: str = QUERY) -> None:
    with pytest.raises(Invalid) as failure:
        read_cursor(ring, tenant_id, query, cursor)
    assert [fault.where for fault in failure.value.faults] == ["cursor"]


@given(values=st.lists(st.integers(min_value=-(2**63), max_value=2**63 - 1), max_size=3).map(tuple))
def test_a_cursor_leads_back_to_its_values(values: tuple[int, ...]) -> None:
    cursor = make_cursor(RING, ACME, QUERY, values)

    assert read_cursor(RING, ACME, QUERY, cursor) == values
    assert len(cursor) <= 400
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_is_good_for_its_own_installation_and_list_only() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (5, 7))

    refused(cursor, tenant_id=GLOBEX)
    refused(cursor, query="questions:65538:newest:None")
    refused(cursor, query="questions:65537:votes:None")
    refused(cursor, ring=StaticKeyring({1: b"x" * 32}))


@given(st.data())
def test_no_changed_cursor_is_read(data: st.DataObject) -> None:
    cursor = make_cursor(RING, ACME, QUERY, (5, 7))
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))

    refused(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode())


@given(st.text(max_size=60) | st.text(alphabet="ABCDabcd0123-_=+/", max_size=500))
def test_nothing_made_up_is_read(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "body", ["", "1", "1:", "x:[1]", "-1:[1]", "9:[1]", '1:{"a":1}', "1:[1", "99999999999999999999:[1]"]
)
def test_a_body_without_a_mac_is_refused(body: str) -> None:
    refused(base64.urlsafe_b64encode(b"\0" * 16 + body.encode()).rstrip(b"=").decode())


def test_a_cursor_made_before_a_key_was_added_is_still_good() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (1,))

    assert read_cursor(TURNED, ACME, QUERY, cursor) == (1,)
    newer = make_cursor(TURNED, ACME, QUERY, (1,))
    assert newer != cursor
    refused(newer, ring=RING)


def test_a_cursor_of_one_key_is_not_good_under_the_number_of_another() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (1,))
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    renumbered = raw[:16] + b"2" + raw[17:]

    refused(base64.urlsafe_b64encode(renumbered).rstrip(b"=").decode(), ring=TURNED)


@pytest.mark.parametrize("version", ["0", "-1", "3", "4", "4294967295", "99999999999999999999"])
def test_a_made_up_version_does_not_ask_the_vault(version: str) -> None:
    reads: list[int] = []

    def fetch() -> dict[int, bytes]:
        reads.append(1)
        return {1: b"1" * 32, 2: b"2" * 32}

    ring = VaultKeyring(fetch, clock=lambda: 1_000.0)
    assert read_cursor(ring, ACME, QUERY, make_cursor(ring, ACME, QUERY, (5,))) == (5,)
    forged = base64.urlsafe_b64encode(b"\0" * 16 + f"{version}:[1]".encode()).rstrip(b"=").decode()

    with pytest.raises(Invalid):
        read_cursor(ring, ACME, QUERY, forged)

    assert len(reads) == 1


def test_a_cursor_shows_its_values_and_nothing_else() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (5, 7))
    shown = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[16:].decode()
    version, _, values = shown.partition(":")
    assert (version, json.loads(values)) == ("1", [5, 7])
