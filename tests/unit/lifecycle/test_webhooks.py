"""What a webhook is reduced to: an id, a change and who did it; nothing else of the body is kept."""

import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Invalid
from lib.events import ContentChange
from lib.principal import AccountId, ContentId
from lifecycle.webhooks import EVENTS, PERMISSION_EVENTS, Report, parse_report
from tests.factories import ANSWER_TYPE, QUESTION_TYPE
from tests.tokens import ALICE

TYPES = frozenset({QUESTION_TYPE, ANSWER_TYPE})
CHANGES = get_args(ContentChange)


def body(**members: object) -> bytes:
    return json.dumps({"timestamp": 1, "userAccountId": ALICE} | members).encode()


def item(**changes: object) -> dict[str, object]:
    return {"id": "70001", "type": QUESTION_TYPE, "title": "A secret title", "space": {"key": "ENG"}} | changes


def report(event: str, given_body: bytes) -> Report:
    return parse_report(event, given_body, content_types=TYPES)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("type_key", sorted(TYPES))
def test_a_change_of_our_content_is_an_id_a_change_and_an_actor(change: ContentChange, type_key: str) -> None:
    found = report(f"content_{change}", body(content=item(type=type_key)))

    assert found == Report(
        ContentId(70001), change, AccountId(ALICE), permissions_changed=change == "permissions_updated"
    )


@pytest.mark.parametrize("content_id", ["70001", 70001])
def test_an_id_may_be_a_number(content_id: object) -> None:
    assert report("content_created", body(content=item(id=content_id))).content_id == 70001


@pytest.mark.parametrize(
    "content",
    [
        {"id": "1", "type": "page"},
        {"id": "1", "type": "ac:another-app:cq-question"},
        {"id": "1", "type": "ac:community-questions:cq-vote"},
        {"id": "1"},
        {"id": "not an id", "type": "page"},
        {"id": "1", "type": []},
        {"id": "1", "type": {}},
        {"id": "1", "type": 5},
        {},
        None,
        "page",
        [],
    ],
)
def test_what_is_not_ours_is_no_change(content: object) -> None:
    found = report("content_created", body(content=content))
    assert (found.content_id, found.change, found.permissions_changed) == (None, None, False)


def test_changed_permissions_count_also_for_what_is_not_ours() -> None:
    found = report("content_permissions_updated", body(content={"id": "1", "type": "page"}))
    assert found == Report(None, None, AccountId(ALICE), permissions_changed=True)
    space = report("space_permissions_updated", body(space={"key": "ENG"}))
    assert space == Report(None, None, AccountId(ALICE), permissions_changed=True)


def test_the_event_comes_from_the_address_and_not_from_the_body() -> None:
    found = report("content_updated", body(content=item(), event="content_removed", webhookEvent="content_removed"))
    assert found.change == "updated"


@pytest.mark.parametrize("bad", [None, "", "0", "-1", "1.5", 1.5, "abc", True, "1" * 20, [], {}])
def test_our_content_without_a_usable_id_is_invalid(bad: object) -> None:
    with pytest.raises(Invalid) as refused:
        report("content_created", body(content=item(id=bad)))
    assert [fault.where for fault in refused.value.faults] == ["/content/id"]


@pytest.mark.parametrize("bad", [b"", b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 20_000])
def test_a_body_that_is_no_object_is_invalid(bad: bytes) -> None:
    for event in ("content_created", "space_permissions_updated"):
        with pytest.raises(Invalid):
            report(event, bad)


@pytest.mark.parametrize("account", [None, "", 5, "has space", "x" * 129, ["a"], "quote'"])
def test_an_actor_that_cannot_be_one_is_left_out(account: object) -> None:
    found = report("content_created", body(content=item(), userAccountId=account))
    assert found.actor_id is None
    assert found.content_id == 70001


def test_nothing_else_of_the_body_is_kept() -> None:
    found = report("content_created", body(content=item(body={"storage": "private text"})))
    assert "secret title" not in repr(found)
    assert "private text" not in repr(found)


def test_the_events_are_those_of_the_descriptor() -> None:
    assert {f"content_{change}" for change in CHANGES} | {"space_permissions_updated"} == EVENTS
    assert PERMISSION_EVENTS < EVENTS


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    event=st.sampled_from(sorted(EVENTS)),
    members=st.dictionaries(st.sampled_from(["content", "userAccountId", "x"]), json_values),
)
def test_no_body_ends_in_anything_but_a_report_or_invalid(event: str, members: Mapping[str, Any]) -> None:
    try:
        found = report(event, json.dumps(members).encode())
    except Invalid:
        return
    assert (found.content_id is None) == (found.change is None)
