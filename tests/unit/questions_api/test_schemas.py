"""Wire shapes: what a request may hold, and what the viewer's rights leave of an answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from lib.grants import Grant, Grants, Item
from lib.principal import AccountId, ContentId
from questions_api.listings import AnswerRow, Order, QuestionRow
from questions_api.schemas import (
    AcceptBody,
    AnswerBody,
    AskBody,
    ListQuery,
    SpaceSettingsBody,
    VoteBody,
    answer_rank,
    answer_view,
    grants_view,
    question_detail,
    question_view,
    tally_view,
    time_view,
)
from questions_api.votes import Tally
from tests.factories import ENG, NOW
from tests.tokens import ALICE, BOB, CAROL

ALL = Grant(view=True, add=True, delete=True)
FULL = Grants(ALL, ALL, ALL)
VIEW_ONLY = Grants(Grant(view=True), Grant(view=True), Grant(view=True))
BLIND = Grants(Grant(view=True))
"""May see questions, neither votes nor tags."""

LARGEST = str(2**63 - 1)
BAD_IDS = [
    "",
    "0",
    "-1",
    "+1",
    "01",
    " 1",
    "1 ",
    "1\n",
    "1.0",
    "1e3",
    "0x1",
    "abc",
    "１",
    str(2**63),
    "9" * 19,
    "9" * 20,
]


def question(**changes: Any) -> QuestionRow:
    values: dict[str, Any] = {
        "item": Item(ContentId(70001), ENG, "page", is_guarded=False),
        "container_id": 9,
        "author_id": AccountId(ALICE),
        "state": "open",
        "score": 5,
        "my_vote": 1,
        "answer_count": 2,
        "accepted_count": 1,
        "created_at": NOW,
        "active_at": NOW + timedelta(hours=1),
    }
    return QuestionRow(**values | changes)


def answer(answer_id: int, **changes: Any) -> AnswerRow:
    values: dict[str, Any] = {
        "id": ContentId(answer_id),
        "question_id": ContentId(70001),
        "author_id": AccountId(BOB),
        "accepted_by_id": None,
        "score": 0,
        "my_vote": 0,
        "created_at": NOW,
        "accepted_at": None,
    }
    return AnswerRow(**values | changes)


ACCEPTED: list[tuple[type[BaseModel], str]] = [
    (AskBody, '{"contentId": "7"}'),
    (AskBody, f'{{"contentId": "{LARGEST}", "tags": ["vpn", "sso"]}}'),
    (AskBody, '{"contentId": "7", "tags": []}'),
    (AnswerBody, '{"contentId": "7"}'),
    (VoteBody, '{"value": 1}'),
    (VoteBody, '{"value": 0}'),
    (AcceptBody, '{"answerId": "7"}'),
    (AcceptBody, '{"answerId": null}'),
    (SpaceSettingsBody, '{"chatEnabled": true, "version": 0}'),
]
REFUSED: list[tuple[type[BaseModel], str]] = [
    (AskBody, "{}"),
    (AskBody, '{"contentId": 7}'),
    (AskBody, '{"content_id": "7"}'),
    (AskBody, '{"contentId": "7", "extra": 1}'),
    (AskBody, '{"contentId": "7", "tags": "vpn"}'),
    (AskBody, '{"contentId": "7", "tags": [1]}'),
    (AskBody, '{"contentId": "7", "tags": null}'),
    (AskBody, '{"contentId": "7", "tags": ["' + "x" * 201 + '"]}'),
    (AskBody, '{"contentId": "7", "tags": [' + ",".join(['"x"'] * 21) + "]}"),
    (AnswerBody, '{"contentId": null}'),
    (AnswerBody, "[]"),
    (AnswerBody, '"7"'),
    (VoteBody, '{"value": -1}'),
    (VoteBody, '{"value": 2}'),
    (VoteBody, '{"value": "1"}'),
    (VoteBody, '{"value": null}'),
    (VoteBody, "{}"),
    (AcceptBody, "{}"),
    (AcceptBody, '{"answerId": ""}'),
    (AcceptBody, '{"answerId": false}'),
    (SpaceSettingsBody, '{"chatEnabled": 1, "version": 0}'),
    (SpaceSettingsBody, '{"chatEnabled": "true", "version": 0}'),
    (SpaceSettingsBody, '{"chatEnabled": true, "version": -1}'),
    (SpaceSettingsBody, '{"chatEnabled": true}'),
    (SpaceSettingsBody, '{"chatEnabled": true, "version": 0, "downvotes": true}'),
    (VoteBody, ""),
    (VoteBody, "{"),
    (VoteBody, "\ud800"),
]


@pytest.mark.parametrize(("shape", "body"), ACCEPTED)
def test_a_body_of_the_right_form_is_taken(shape: type[BaseModel], body: str) -> None:
    assert isinstance(shape.model_validate_json(body), shape)


@pytest.mark.parametrize(("shape", "body"), REFUSED)
def test_a_body_of_another_form_is_refused(shape: type[BaseModel], body: str) -> None:
    with pytest.raises(ValidationError):
        shape.model_validate_json(body.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("text", "value"), [("1.0", 1), ("true", 1), ("false", 0), ("0.0", 0)])
def test_another_spelling_of_one_or_none_becomes_the_number(text: str, value: int) -> None:
    parsed = VoteBody.model_validate_json(f'{{"value": {text}}}').value
    assert (parsed, type(parsed)) == (value, int)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_what_cannot_be_an_id_is_refused_wherever_one_stands(bad: str) -> None:
    for shape, name in (
        (AskBody, "contentId"),
        (AnswerBody, "contentId"),
        (AcceptBody, "answerId"),
        (ListQuery, "space"),
    ):
        with pytest.raises(ValidationError) as refused:
            shape.model_validate({name: bad})
        assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_every_problem_of_a_body_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as refused:
        AskBody.model_validate_json('{"contentId": 7, "tags": [1, "ok", 2], "extra": 1}')
    assert {error["loc"] for error in refused.value.errors()} == {("contentId",), ("tags", 0), ("tags", 2), ("extra",)}


def test_a_list_has_its_defaults() -> None:
    query = ListQuery.model_validate({"space": "65537"})
    assert (query.order, query.state, query.cursor, query.limit) == (Order.NEWEST, None, None, 25)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"space": "65537", "limit": "0"},
        {"space": "65537", "limit": "101"},
        {"space": "65537", "limit": "x"},
        {"space": "65537", "order": "hottest"},
        {"space": "65537", "order": "NEWEST"},
        {"space": "65537", "state": "closed"},
        {"space": "65537", "cursor": "x" * 401},
        {"space": "65537", "tag": "vpn"},
    ],
)
def test_a_list_that_does_not_exist_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ListQuery.model_validate(parameters)


def test_a_list_takes_its_parameters_as_text() -> None:
    query = ListQuery.model_validate(
        {"space": "65537", "limit": "100", "order": "votes", "state": "unanswered", "cursor": "abc"}
    )
    assert (query.limit, query.order, query.state, query.cursor) == (100, Order.VOTES, "unanswered", "abc")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 25, 12, 0, tzinfo=UTC), "2026-11-25T12:00:00.000Z"),
        (datetime(2026, 11, 25, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2))), "2026-11-25T12:00:00.123Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC), "2026-01-01T00:00:00.001Z"),
    ],
)
def test_times_are_utc_to_the_millisecond(moment: datetime, text: str) -> None:
    assert time_view(moment) == text


def test_a_question_shows_ids_as_strings_and_no_text() -> None:
    assert question_view(question(), ["vpn"], FULL) == {
        "id": "70001",
        "spaceId": "65537",
        "containerKind": "page",
        "containerId": "9",
        "authorId": ALICE,
        "state": "open",
        "answerCount": 2,
        "acceptedCount": 1,
        "tags": ["vpn"],
        "createdAt": "2026-11-25T12:00:00.000Z",
        "activeAt": "2026-11-25T13:00:00.000Z",
        "score": 5,
        "myVote": 1,
    }


def test_who_may_not_see_votes_and_tags_is_shown_none() -> None:
    shown = question_view(question(), ["vpn"], BLIND)
    assert "score" not in shown
    assert "myVote" not in shown
    assert shown["tags"] == []
    replied = answer_view(answer(1, score=5, my_vote=1), BLIND)
    assert "score" not in replied
    assert "myVote" not in replied
    assert tally_view(Tally(1, 5), BLIND) == {"value": 1}
    assert tally_view(Tally(1, 5), FULL) == {"value": 1, "score": 5}


@pytest.mark.parametrize(
    ("grants", "viewer", "state", "may"),
    [
        (FULL, ALICE, "open", {"answer": True, "vote": False, "accept": True}),
        (FULL, BOB, "open", {"answer": True, "vote": True, "accept": True}),
        (VIEW_ONLY, ALICE, "open", {"answer": True, "vote": False, "accept": True}),
        (VIEW_ONLY, BOB, "open", {"answer": True, "vote": False, "accept": False}),
        (VIEW_ONLY, BOB, "closed", {"answer": False, "vote": False, "accept": False}),
        (BLIND, BOB, "open", {"answer": True, "vote": False, "accept": False}),
    ],
)
def test_a_question_says_what_its_viewer_may_do(grants: Grants, viewer: str, state: str, may: dict[str, bool]) -> None:
    shown = question_detail(question(state=state), [], [ContentId(8)], grants, AccountId(viewer))
    assert shown["may"] == may
    assert shown["acceptedAnswerIds"] == ["8"]


def ranked(rows: list[AnswerRow], grants: Grants) -> list[int]:
    return [row.id for row in sorted(rows, key=lambda row: answer_rank(row, grants))]


def test_answers_alike_in_everything_keep_one_order() -> None:
    rows = [answer(number) for number in (3, 1, 2)]
    assert ranked(rows, FULL) == ranked(rows[::-1], FULL) == [1, 2, 3]


def test_accepted_answers_come_first_then_scores_then_the_oldest() -> None:
    rows = [
        answer(1, score=1),
        answer(2, score=3, created_at=NOW + timedelta(minutes=1)),
        answer(3, score=3),
        answer(4, score=-1, accepted_at=NOW, accepted_by_id=AccountId(CAROL)),
    ]
    assert ranked(rows, FULL) == [4, 3, 2, 1]
    assert answer_view(rows[3], FULL)["acceptedById"] == CAROL


def test_the_order_of_answers_tells_no_scores_to_who_may_not_see_them() -> None:
    rows = [answer(number, score=number, created_at=NOW - timedelta(minutes=number)) for number in (1, 2, 3)]
    louder = [answer(number, score=-number, created_at=NOW - timedelta(minutes=number)) for number in (1, 2, 3)]

    assert [answer_rank(row, BLIND) for row in rows] == [answer_rank(row, BLIND) for row in louder]
    assert ranked(rows, BLIND) == [3, 2, 1]


def test_grants_are_shown_as_the_grid_and_its_reason() -> None:
    assert grants_view(ENG, Grants(ALL, Grant(view=True), Grant(), reason="types-not-listed")) == {
        "spaceId": "65537",
        "questions": {"view": True, "add": True, "delete": True},
        "votes": {"view": True, "add": False, "delete": False},
        "tags": {"view": False, "add": False, "delete": False},
        "reason": "types-not-listed",
    }
