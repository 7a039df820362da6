"""What a webhook is reduced to: an id, a change and who did it; nothing else of the body is kept."""

import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Invalid
from lib.events import ContainerChange, ContentChange
from lib.principal import AccountId, ContentId
from lifecycle.descriptor import WEBHOOK_EVENTS
from lifecycle.webhooks import EVENTS, Report, Stale, parse_report
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

    stale = Stale.RESTRICTIONS if change == "permissions_updated" else Stale.NOTHING
    assert found == Report(content_id=ContentId(70001), change=change, stale=stale, actor_id=AccountId(ALICE))


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
    assert found == Report(actor_id=AccountId(ALICE))


def test_changed_restrictions_count_also_for_what_is_not_ours() -> None:
    found = report("content_permissions_updated", body(content={"id": "1", "type": "page"}))
    assert found == Report(stale=Stale.RESTRICTIONS, actor_id=AccountId(ALICE))


@pytest.mark.parametrize(
    ("space", "space_id", "key"),
    [
        ({"key": "ENG"}, None, "ENG"),
        ({"key": "~712020abc"}, None, "~712020abc"),
        ({"key": "ENG", "id": 65537}, 65537, "ENG"),
        ({"key": "ENG", "id": "65537"}, 65537, "ENG"),
        ({"key": "ENG", "id": True}, None, "ENG"),
        ({"key": "a b"}, None, None),
        ({"key": ""}, None, None),
        ({"key": 5}, None, None),
        ({}, None, None),
        ("ENG", None, None),
        (None, None, None),
    ],
)
def test_changed_space_permissions_name_the_space_as_far_as_can_be_read(
    space: object, space_id: int | None, key: str | None
) -> None:
    found = report("space_permissions_updated", body(space=space))
    assert (found.stale, found.space_id, found.space_key) == (Stale.SPACE, space_id, key)


@pytest.mark.parametrize(
    ("event", "stale", "has_changed_spaces"),
    [
        ("space_updated", Stale.NOTHING, True),
        ("space_removed", Stale.PERMISSIONS, True),
        ("user_deactivated", Stale.PERMISSIONS, False),
        ("user_reactivated", Stale.PERMISSIONS, False),
        ("user_removed", Stale.PERMISSIONS, False),
        ("group_removed", Stale.PERMISSIONS, False),
    ],
)
def test_spaces_people_and_groups_are_followed_without_reading_more_of_the_body(
    event: str, stale: Stale, has_changed_spaces: bool
) -> None:
    for members in ({}, {"space": {"key": "ENG"}}, {"user": 5}, {"group": {"name": "a secret name"}}):
        found = report(event, body(**members))
        assert found == Report(stale=stale, has_changed_spaces=has_changed_spaces, actor_id=AccountId(ALICE))


@pytest.mark.parametrize("kind", ["page", "blog"])
@pytest.mark.parametrize("change", get_args(ContainerChange))
def test_a_change_of_a_container_is_its_id_a_change_and_an_actor(kind: str, change: ContainerChange) -> None:
    found = report(f"{kind}_{change}", body(**{kind: {"id": 98307, "idAsString": "98307", "title": "A secret title"}}))

    assert found == Report(
        container_id=98307, container_change=change, stale=Stale.RESTRICTIONS, actor_id=AccountId(ALICE)
    )
    assert "secret" not in repr(found)


def test_an_archived_page_is_read_again_like_a_moved_one() -> None:
    assert report("page_archived", body(page={"id": 98307})).container_change == "moved"


@pytest.mark.parametrize(
    ("page", "container_id"),
    [
        ({"id": 98307}, 98307),
        ({"idAsString": "98307"}, 98307),
        # A number beyond 2**53 has lost digits in whoever wrote it as one.
        ({"id": 9007199254740992, "idAsString": "9007199254740993"}, 9007199254740993),
        ({"id": True}, None),
        ({"id": 0}, None),
        ({"id": "x"}, None),
        ({"id": 2**63}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_container_without_a_usable_id_is_followed_by_nobody(page: object, container_id: int | None) -> None:
    found = report("page_moved", body(page=page))
    assert (found.container_id, found.container_change) == (container_id, None if container_id is None else "moved")
    assert found.stale is Stale.RESTRICTIONS


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
    for event in ("content_created", "space_permissions_updated", "page_moved", "user_removed"):
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
    assert set(WEBHOOK_EVENTS) == EVENTS
    assert len(WEBHOOK_EVENTS) == len(EVENTS)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    event=st.sampled_from(sorted(EVENTS)),
    members=st.dictionaries(st.sampled_from(["content", "page", "blog", "space", "userAccountId", "x"]), json_values),
)
def test_no_body_ends_in_anything_but_a_report_or_invalid(event: str, members: Mapping[str, Any]) -> None:
    try:
        found = report(event, json.dumps(members).encode())
    except Invalid:
        return
    assert (found.content_id is None) == (found.change is None)
    assert (found.container_id is None) == (found.container_change is None)
