"""Cursors: they lead back to their values, for one installation and one list only."""

import base64

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
def test_what_was_not_sealed_is_refused(body: str) -> None:
    refused(base64.urlsafe_b64encode(body.encode()).rstrip(b"=").decode())
    refused(base64.urlsafe_b64encode(body.encode() + b"\0" * 16).rstrip(b"=").decode())


def test_a_cursor_made_before_a_key_was_added_is_still_good() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (1,))

    assert read_cursor(TURNED, ACME, QUERY, cursor) == (1,)
    newer = make_cursor(TURNED, ACME, QUERY, (1,))
    assert newer != cursor
    refused(newer, ring=RING)


def test_a_cursor_of_one_key_is_not_good_under_the_number_of_another() -> None:
    cursor = make_cursor(RING, ACME, QUERY, (1,))
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    assert raw.startswith(b"1:")
    renumbered = b"2" + raw[1:]

    refused(base64.urlsafe_b64encode(renumbered).rstrip(b"=").decode(), ring=TURNED)


@pytest.mark.parametrize("version", ["0", "-1", "3", "4", "4294967295", "99999999999999999999"])
def test_a_made_up_version_does_not_ask_the_vault(version: str) -> None:
    reads: list[int] = []

    def fetch() -> dict[int, bytes]:
        reads.append(1)
        return {1: b"1" * 32, 2: b"2" * 32}

    ring = VaultKeyring(fetch, clock=lambda: 1_000.0)
    assert read_cursor(ring, ACME, QUERY, make_cursor(ring, ACME, QUERY, (5,))) == (5,)
    forged = base64.urlsafe_b64encode(f"{version}:".encode() + b"\0" * 24).rstrip(b"=").decode()

    with pytest.raises(Invalid):
        read_cursor(ring, ACME, QUERY, forged)

    assert len(reads) == 1


def test_a_cursor_tells_nobody_its_values() -> None:
    """The last row that was read may be one that the viewer is not shown."""
    first, second = (make_cursor(RING, ACME, QUERY, (score, 1_000_014)) for score in (37, 38))
    raw, other = (base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[2:] for cursor in (first, second))

    assert b"1000014" not in raw
    # Not even how much of two rows is alike.
    assert sum(mine == theirs for mine, theirs in zip(raw, other, strict=True)) < len(raw) / 4


def test_the_same_row_has_the_same_cursor() -> None:
    assert make_cursor(RING, ACME, QUERY, (5, 7)) == make_cursor(RING, ACME, QUERY, (5, 7))
