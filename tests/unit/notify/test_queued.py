"""Queue messages: what we write, and what we make of what others write."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.principal import TenantId
from notify.delivery.queued import DeliveryMessage, read_message
from notify.model import DeliveryId

GOOD = {"v": 1, "tenantId": "77", "deliveryId": "88", "traceparent": None}
IDS = st.integers(1, 2**63 - 1)


@settings(deadline=None)
@given(tenant_id=IDS, delivery_id=IDS, traceparent=st.none() | st.text())
def test_a_message_comes_back_as_it_was(tenant_id: int, delivery_id: int, traceparent: str | None) -> None:
    message = DeliveryMessage(TenantId(tenant_id), DeliveryId(delivery_id), traceparent)

    assert read_message(message.to_body().encode()) == message


def test_the_wire_form_is_ids_as_strings_and_the_trace() -> None:
    message = DeliveryMessage(TenantId(77), DeliveryId(88), None)

    assert json.loads(message.to_body()) == GOOD


def test_members_of_a_later_release_are_ignored() -> None:
    body = json.dumps({**GOOD, "priority": "low"}).encode()

    assert read_message(body) == DeliveryMessage(TenantId(77), DeliveryId(88), None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"[" * 100_000,
        *(
            json.dumps({**GOOD, **change}).encode()
            for change in (
                {"v": 2},
                {"v": True},
                {"v": "1"},
                {"tenantId": 77},
                {"tenantId": "0"},
                {"tenantId": "-1"},
                {"tenantId": "٧"},
                {"deliveryId": ""},
                {"deliveryId": "1.0"},
                {"deliveryId": str(2**63)},
                {"deliveryId": "9" * 40},
                {"deliveryId": None},
            )
        ),
    ],
)
def test_foreign_messages_are_nothing(body: bytes) -> None:
    assert read_message(body) is None


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_at_all_do_harm(body: bytes) -> None:
    assert read_message(body) is None or body.startswith(b"{")
