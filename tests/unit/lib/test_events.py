"""Event payloads: they come back as they went, hold ids only, and old and new code read each other's."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.events import (
    CHAT_KINDS,
    FOLLOW_KINDS,
    PAYLOAD_VERSION,
    TALLY_KINDS,
    About,
    ChangedContainer,
    ChangedContent,
    ChangedSpaces,
    ContainerChange,
    ContentChange,
    EventKind,
    Subject,
    from_payload,
    to_payload,
)
from lib.principal import ContentId, SpaceId

ids = st.integers(min_value=1, max_value=2**63 - 1)
contents = ids.map(ContentId)
subjects = st.builds(Subject, contents, ids.map(SpaceId), st.none() | contents)
changes = st.builds(ChangedContent, contents, st.sampled_from(get_args(ContentChange)), st.none() | ids)
containers = st.builds(ChangedContainer, ids, st.sampled_from(get_args(ContainerChange)), st.none() | ids)


@given(subject=subjects, kind=st.sampled_from(CHAT_KINDS))
def test_what_happened_to_a_post_comes_back(subject: Subject, kind: EventKind) -> None:
    assert from_payload(kind, to_payload(subject)) == subject


@given(changed=changes)
def test_changed_content_comes_back(changed: ChangedContent) -> None:
    assert from_payload(EventKind.CONTENT_CHANGED, to_payload(changed)) == changed


@given(changed=containers)
def test_a_changed_container_comes_back(changed: ChangedContainer) -> None:
    assert from_payload(EventKind.CONTAINER_CHANGED, to_payload(changed)) == changed


def test_changed_spaces_come_back() -> None:
    assert from_payload(EventKind.SPACES_CHANGED, to_payload(ChangedSpaces())) == ChangedSpaces()


@given(about=subjects | changes | containers)
def test_a_payload_is_ids_as_strings_and_fits_its_column(about: About) -> None:
    payload = to_payload(about)
    body = json.loads(payload)

    assert len(payload) <= 512
    assert body.pop("v") == PAYLOAD_VERSION
    body.pop("change", None)
    assert all(isinstance(value, str) and value.isdecimal() for value in body.values())


@given(subject=subjects)
def test_fields_of_a_newer_version_are_passed_over(subject: Subject) -> None:
    newer = json.dumps(json.loads(to_payload(subject)) | {"v": PAYLOAD_VERSION + 1, "extra": ["anything"]})
    assert from_payload(EventKind.QUESTION_ASKED, newer) == subject


@pytest.mark.parametrize(
    ("kind", "payload", "about"),
    [
        (EventKind.QUESTION_ASKED, '{"v": 1, "question": "7", "space": "9"}', Subject(ContentId(7), SpaceId(9))),
        (
            EventKind.ANSWER_ACCEPTED,
            '{"v": 1, "question": "7", "space": "9", "answer": "8"}',
            Subject(ContentId(7), SpaceId(9), ContentId(8)),
        ),
        (
            EventKind.CONTENT_CHANGED,
            '{"v": 1, "content": "7", "change": "trashed", "actor": "3"}',
            ChangedContent(ContentId(7), "trashed", 3),
        ),
        (
            EventKind.CONTAINER_CHANGED,
            '{"v": 1, "container": "7", "change": "moved", "actor": "3"}',
            ChangedContainer(7, "moved", 3),
        ),
        (EventKind.SPACES_CHANGED, '{"v": 1}', ChangedSpaces()),
    ],
)
def test_stored_payloads_of_version_one_stay_readable(
    kind: EventKind, payload: str, about: Subject | ChangedContent
) -> None:
    assert from_payload(kind, payload) == about
    assert to_payload(about) == payload


def test_names_that_are_stored_never_change() -> None:
    assert {kind.name: kind.value for kind in EventKind} == {
        "QUESTION_ASKED": "question_asked",
        "QUESTION_ANSWERED": "question_answered",
        "POST_VOTED": "post_voted",
        "ANSWER_ACCEPTED": "answer_accepted",
        "CONTENT_CHANGED": "content_changed",
        "CONTAINER_CHANGED": "container_changed",
        "SPACES_CHANGED": "spaces_changed",
        "TALLY_DUE": "tally_due",
    }
    assert all(len(kind) <= 32 for kind in EventKind)


def test_every_kind_has_one_consumer() -> None:
    assert sorted(CHAT_KINDS + FOLLOW_KINDS + TALLY_KINDS) == sorted(EventKind)
