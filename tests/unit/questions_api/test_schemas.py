"""Wire shapes: what a request may hold, and what the viewer's rights leave of an answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from lib.errors import Invalid
from lib.grants import Grant, Grants, Item
from lib.principal import AccountId, ContentId
from lib.spaces import SpaceSettings
from questions_api.answers.listings import AnswerRow
from questions_api.answers.schemas import AcceptBody, AnswerBody, CommentBody, answer_rank, answer_view
from questions_api.model import CloseReason
from questions_api.questions.closing import Changes, Closing
from questions_api.questions.listings import Order, StateFilter
from questions_api.questions.rows import QuestionRow, WatchedQuestion
from questions_api.questions.schemas import (
    AskBody,
    ChangeBody,
    ListQuery,
    MoveBody,
    changes_of,
    check_one_place,
    list_name,
    question_detail,
    question_view,
)
from questions_api.spaces.schemas import SpaceSettingsBody
from questions_api.votes.casting import VoteResult
from questions_api.votes.schemas import VoteBody, vote_view
from questions_api.wire import time_view
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
        "state": "accepted",
        "score": 5,
        "hot": 0,
        "my_vote": 1,
        "answer_count": 2,
        "accepted_count": 1,
        "watch_count": 3,
        "version": 4,
        "created_at": NOW,
        "active_at": NOW + timedelta(hours=1),
        "closed_at": None,
        "close_reason": None,
        "duplicate_of": None,
        "is_locked": False,
        "is_pinned": True,
        "bounty": None,
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
        "contested_at": None,
        "is_guarded": False,
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
    (VoteBody, '{"value": -1}'),
    (CommentBody, '{"commentId": "7"}'),
    (ChangeBody, '{"state": "closed", "closeReason": "duplicate", "duplicateOf": "7"}'),
    (ChangeBody, '{"isLocked": true, "isPinned": false, "tags": []}'),
    (ChangeBody, '{"state": null}'),
    (MoveBody, '{"pageId": "7"}'),
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
    (VoteBody, '{"value": -2}'),
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
    (CommentBody, "{}"),
    (CommentBody, '{"commentId": "x"}'),
    (ChangeBody, '{"state": "answered"}'),
    (ChangeBody, '{"closeReason": "spam"}'),
    (ChangeBody, '{"duplicateOf": 7}'),
    (ChangeBody, '{"isLocked": 1}'),
    (ChangeBody, '{"isPinned": "true"}'),
    (ChangeBody, '{"tags": "vpn"}'),
    (ChangeBody, '{"tags": [' + ",".join(['"x"'] * 21) + "]}"),
    (ChangeBody, '{"score": 1}'),
    (MoveBody, '{"spaceId": "-1"}'),
    (MoveBody, '{"blogPostId": "7"}'),
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
        (CommentBody, "commentId"),
        (ChangeBody, "duplicateOf"),
        (MoveBody, "pageId"),
        (ListQuery, "space"),
        (ListQuery, "page"),
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
        {"space": "65537", "limit": "0"},
        {"space": "65537", "limit": "101"},
        {"space": "65537", "limit": "x"},
        {"space": "65537", "order": "hottest"},
        {"space": "65537", "order": "NEWEST"},
        {"space": "65537", "state": "deleted"},
        {"space": "65537", "cursor": "x" * 401},
        {"space": "65537", "tag": "x" * 201},
        {"watching": "false"},
        {"mine": "true"},
        {"author": "a b"},
        {"askedFrom": "2026-11-25T12:00:00"},
        {"score": "7"},
    ],
)
def test_a_list_that_does_not_exist_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ListQuery.model_validate(parameters)


def test_a_list_takes_its_parameters_as_text() -> None:
    query = ListQuery.model_validate(
        {"limit": "100", "order": "votes", "state": "unanswered", "cursor": "abc", "askedFrom": "2026-11-25T12:00:00Z"}
    )
    assert (query.limit, query.order, query.state) == (100, Order.VOTES, StateFilter.UNANSWERED)
    assert (query.space, query.cursor, query.asked_from) == (None, "abc", NOW)


def test_a_cursor_is_good_for_its_own_query_whatever_the_size_of_the_page() -> None:
    base: dict[str, str] = {"space": "65537", "tag": "vpn"}
    names = [list_name(ListQuery.model_validate(base), order) for order in Order]
    others: list[dict[str, str]] = [
        {"space": "65538"},
        {"tag": "sso"},
        {"state": "open"},
        {"author": ALICE},
        {"page": "9"},
        {"watching": "true"},
        {"answerable": "true"},
        {"askedFrom": "2026-11-25T12:00:00Z"},
        {"askedBefore": "2026-11-25T12:00:00Z"},
    ]
    names += [list_name(ListQuery.model_validate(base | other), Order.NEWEST) for other in others]
    assert len(set(names)) == len(names)
    longer = ListQuery.model_validate(base | {"limit": "100", "cursor": "abc"})
    assert list_name(longer, Order.NEWEST) == names[0]


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
        "state": "accepted",
        "answerCount": 2,
        "acceptedCount": 1,
        "watchCount": 3,
        "tags": ["vpn"],
        "createdAt": "2026-11-25T12:00:00.000Z",
        "activeAt": "2026-11-25T13:00:00.000Z",
        "closeReason": None,
        "duplicateOf": None,
        "isLocked": False,
        "isPinned": True,
        "bounty": None,
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
    assert vote_view(VoteResult(1, 5), BLIND) == {"value": 1}
    assert vote_view(VoteResult(1, 5), FULL) == {"value": 1, "score": 5}


MAY_NOTHING = dict.fromkeys(("answer", "vote", "downvote", "accept", "moderate", "delete"), False)


def detail(
    grants: Grants,
    viewer: str,
    *,
    settings: SpaceSettings | None = None,
    has_answered: bool = False,
    by_others: bool = False,
    is_read_only: bool = False,
    **changes: Any,
) -> Any:
    return question_detail(
        WatchedQuestion(question(**changes), is_muted=None, has_answered=has_answered, is_answered_by_others=by_others),
        [],
        [ContentId(8)],
        grants=grants,
        settings=settings or SpaceSettings(),
        viewer=AccountId(viewer),
        is_read_only=is_read_only,
    )


@pytest.mark.parametrize(
    ("grants", "viewer", "changes", "may"),
    [
        (FULL, ALICE, {}, {"answer", "accept", "moderate", "delete"}),
        (FULL, BOB, {}, {"answer", "vote", "accept", "moderate", "delete"}),
        (VIEW_ONLY, ALICE, {}, {"answer", "accept", "delete"}),
        (VIEW_ONLY, ALICE, {"by_others": True}, {"answer", "accept"}),
        (FULL, ALICE, {"by_others": True}, {"answer", "accept", "moderate", "delete"}),
        (VIEW_ONLY, BOB, {}, {"answer"}),
        (VIEW_ONLY, BOB, {"state": "closed"}, set()),
        (VIEW_ONLY, BOB, {"is_locked": True}, set()),
        (BLIND, BOB, {}, {"answer"}),
        (FULL, BOB, {"author_id": None, "state": "closed"}, {"vote", "accept", "moderate", "delete"}),
    ],
)
def test_a_question_says_what_its_viewer_may_do(
    grants: Grants, viewer: str, changes: dict[str, Any], may: set[str]
) -> None:
    shown = detail(grants, viewer, **changes)
    assert shown["may"] == MAY_NOTHING | dict.fromkeys(may, True)
    assert shown["acceptedAnswerIds"] == ["8"]


def test_what_the_space_chose_shows_in_what_its_viewer_may_do() -> None:
    against = detail(FULL, BOB, settings=SpaceSettings(downvotes_allowed=True))
    assert against["may"]["downvote"]
    assert not detail(FULL, ALICE, settings=SpaceSettings(downvotes_allowed=True))["may"]["downvote"]
    one_each = SpaceSettings(one_answer_each=True)
    assert detail(FULL, BOB, settings=one_each)["may"]["answer"]
    assert not detail(FULL, BOB, settings=one_each, has_answered=True)["may"]["answer"]
    assert detail(FULL, BOB, has_answered=True)["may"]["answer"]


@pytest.mark.parametrize("viewer", [ALICE, BOB])
def test_where_nothing_can_be_changed_nobody_may_anything(viewer: str) -> None:
    settings = SpaceSettings(downvotes_allowed=True)
    assert any(detail(FULL, viewer, settings=settings)["may"].values())
    assert detail(FULL, viewer, settings=settings, is_read_only=True)["may"] == MAY_NOTHING


@pytest.mark.parametrize(("is_muted", "watch"), [(None, None), (False, "watching"), (True, "muted")])
def test_a_question_says_whether_its_viewer_watches_it(watch: str | None, *, is_muted: bool | None) -> None:
    watched = WatchedQuestion(question(), is_muted)
    shown = question_detail(watched, [], [], grants=FULL, settings=SpaceSettings(), viewer=AccountId(BOB))
    assert shown["watch"] == watch


def faults_of(body: str) -> set[str]:
    with pytest.raises(Invalid) as refused:
        changes_of(ChangeBody.model_validate_json(body))
    return {fault.where for fault in refused.value.faults}


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ("{}", {"/"}),
        ('{"tags": null, "state": null}', {"/"}),
        ('{"state": "closed"}', {"/closeReason"}),
        ('{"state": "open", "closeReason": "outdated"}', {"/closeReason"}),
        ('{"closeReason": "outdated"}', {"/closeReason"}),
        ('{"state": "closed", "closeReason": "duplicate"}', {"/duplicateOf"}),
        ('{"state": "closed", "closeReason": "outdated", "duplicateOf": "7"}', {"/duplicateOf"}),
        ('{"duplicateOf": "7"}', {"/duplicateOf"}),
        (
            '{"closeReason": "duplicate", "tags": ["\\u202e", "ok", ""]}',
            {
                "/closeReason",
                "/duplicateOf",
                "/tags/0",
                "/tags/2",
            },
        ),
    ],
)
def test_everything_that_does_not_go_together_is_told_at_once(body: str, places: set[str]) -> None:
    assert faults_of(body) == places


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (
            '{"state": "closed", "closeReason": "duplicate", "duplicateOf": "7"}',
            Changes(closing=Closing(CloseReason.DUPLICATE, ContentId(7))),
        ),
        ('{"state": "closed", "closeReason": "off-topic"}', Changes(closing=Closing(CloseReason.OFF_TOPIC))),
        ('{"state": "open"}', Changes(reopens=True)),
        ('{"isLocked": false, "isPinned": true}', Changes(is_locked=False, is_pinned=True)),
        ('{"tags": []}', Changes(tags=())),
        ('{"tags": ["Release  Notes", "release-notes"]}', Changes(tags=("release-notes",))),
    ],
)
def test_a_body_says_what_is_to_be_otherwise(body: str, changes: Changes) -> None:
    wanted = changes_of(ChangeBody.model_validate_json(body))
    assert wanted == changes
    assert wanted.needs_moderator is (changes.tags is None)


@pytest.mark.parametrize(
    ("body", "is_one"), [("{}", False), ('{"spaceId": "1", "pageId": "2"}', False), ('{"spaceId": "1"}', True)]
)
def test_a_question_moves_to_one_place(body: str, *, is_one: bool) -> None:
    place = MoveBody.model_validate_json(body)
    if is_one:
        check_one_place(place)
        return
    with pytest.raises(Invalid):
        check_one_place(place)


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


def test_only_an_accepted_answer_is_shown_as_contested() -> None:
    assert answer_view(answer(1, contested_at=NOW), FULL)["contestedAt"] is None
    shown = answer_view(answer(1, contested_at=NOW, accepted_at=NOW + timedelta(hours=1)), FULL)
    assert shown["contestedAt"] == "2026-11-25T12:00:00.000Z"


def test_the_order_of_answers_tells_no_scores_to_who_may_not_see_them() -> None:
    rows = [answer(number, score=number, created_at=NOW - timedelta(minutes=number)) for number in (1, 2, 3)]
    louder = [answer(number, score=-number, created_at=NOW - timedelta(minutes=number)) for number in (1, 2, 3)]

    assert [answer_rank(row, BLIND) for row in rows] == [answer_rank(row, BLIND) for row in louder]
    assert ranked(rows, BLIND) == [3, 2, 1]
