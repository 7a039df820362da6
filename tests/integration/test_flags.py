"""Flags: whoever sees a post may point at it, moderators decide, and nobody learns who pointed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.errors import Forbidden, NotFound
from lib.principal import AccountId, ContentId
from questions_api.answers.routes import read_answers
from questions_api.answers.schemas import AnswersQuery
from questions_api.model import PostKind
from questions_api.moderation import reviewing
from questions_api.moderation.flagging import NoOpenFlags, OwnPostFlag, flag_post, resolve_flags, withdraw_flag
from questions_api.moderation.model import Flag, FlagReason, FlagResolution
from questions_api.moderation.reviewing import FlagState
from questions_api.moderation.routes import (
    flag_answer,
    flag_question,
    read_flags,
    resolve_answer_flags,
    resolve_question_flags,
    unflag_answer,
    unflag_question,
)
from questions_api.moderation.schemas import FlagBody, FlagsQuery, ResolutionBody
from questions_api.posts import QuestionHead, find_question, register_answer, remove_post
from questions_api.votes.casting import Post
from tests.factories import ANSWER_TYPE, ENG, HR, NOW, Site, answered, asked, content, only_row, rows_of
from tests.integration.people_calls import NOTHING, accept, answer_post, stage, write
from tests.integration.tag_calls import Stage
from tests.races import at_once
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("stage",)

SPAM, RUDE, WRONG, OUTDATED = FlagReason
UPHELD, DISMISSED = FlagResolution


def flag(stage: Stage, account: str, post: Post, reason: FlagReason = SPAM, *, minutes: int = 0) -> None:
    now = NOW + timedelta(minutes=minutes)
    write(stage.database, stage.acme, flag_post, stage.acme.principal(account), post, reason, now=now)


def flagged(stage: Stage, account: str = CAROL, space_id: int = ENG, **query: Any) -> dict[str, Any]:
    answer: Any = read_flags(stage.call(account, spaceId=space_id), FlagsQuery(**query))
    return dict(answer)


def decide(stage: Stage, account: str, post: Post, resolution: FlagResolution = UPHELD) -> Any:
    body = ResolutionBody(resolution=resolution)
    if post.kind is PostKind.QUESTION:
        return resolve_question_flags(stage.call(account, questionId=post.id), body)
    return resolve_answer_flags(stage.call(account, answerId=post.id), body)


def contested(stage: Stage, post: Post) -> str | None:
    """Since when, as the page of the question shows it."""
    page: Any = read_answers(stage.call(BOB, questionId=post.question_id), AnswersQuery())
    (since,) = [item["contestedAt"] for item in page["items"] if item["id"] == str(post.id)]
    return None if since is None else str(since)


def find_head(stage: Stage, question_id: ContentId) -> QuestionHead:
    return stage.database.read(partial(find_question, tenant_id=stage.acme.tenant_id, question_id=question_id))


def test_a_flagged_post_stands_once_with_its_reasons_and_no_names(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    post = answer_post(database, acme, answered(database, acme, question, author=BOB))
    flag(stage, ALICE, post, SPAM, minutes=1)
    flag(stage, CAROL, post, SPAM, minutes=2)
    flag(stage, DAVE, post, RUDE, minutes=3)
    flag(stage, BOB, question.post, WRONG)

    page = flagged(stage)

    assert page == {
        "items": [
            {
                "kind": "question",
                "postId": str(question.item.id),
                "questionId": str(question.item.id),
                "reasons": {"wrong": 1},
                "since": "2026-11-25T12:00:00.000Z",
            },
            {
                "kind": "answer",
                "postId": str(post.id),
                "questionId": str(question.item.id),
                "reasons": {"rude": 1, "spam": 2},
                "since": "2026-11-25T12:01:00.000Z",
            },
        ],
        "next": None,
    }
    assert not {ALICE, BOB, CAROL, DAVE} & set(json.dumps(page).split('"'))


def test_a_person_has_one_flag_on_a_post_and_may_change_it(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    call = stage.call(BOB, questionId=question.item.id)
    first: Any = flag_question(call, FlagBody(reason=SPAM))

    again: Any = flag_question(call, FlagBody(reason=SPAM))
    changed: Any = flag_question(call, FlagBody(reason=RUDE))

    assert first == again == {"reason": "spam", "createdAt": "2026-11-25T12:00:00.000Z"}
    assert changed == {**first, "reason": "rude"}
    assert only_row(stage.database, stage.acme, Flag).reason == RUDE


def test_nobody_flags_their_own_post(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    answer_id = answered(stage.database, stage.acme, question, author=BOB)

    with pytest.raises(OwnPostFlag):
        flag_question(stage.call(ALICE, questionId=question.item.id), FlagBody(reason=SPAM))
    with pytest.raises(OwnPostFlag):
        flag_answer(stage.call(BOB, answerId=answer_id), FlagBody(reason=SPAM))
    assert rows_of(stage.database, stage.acme, Flag) == []


def test_withdrawing_takes_ones_own_open_flag_only(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    answer_id = answered(stage.database, stage.acme, question, author=ALICE)
    for account in (BOB, DAVE):
        flag(stage, account, question.post)
        flag(stage, account, answer_post(stage.database, stage.acme, answer_id))

    unflag_question(stage.call(BOB, questionId=question.item.id), NOTHING)
    unflag_answer(stage.call(BOB, answerId=answer_id), NOTHING)
    unflag_answer(stage.call(BOB, answerId=answer_id), NOTHING)

    assert [item["reasons"] for item in flagged(stage)["items"]] == [{"spam": 1}, {"spam": 1}]
    decide(stage, CAROL, question.post, DISMISSED)
    unflag_question(stage.call(DAVE, questionId=question.item.id), NOTHING)
    assert len(rows_of(stage.database, stage.acme, Flag)) == 2


@pytest.mark.parametrize("space_id", [HR])
def test_dave_neither_flags_nor_reads_where_he_sees_nothing(stage: Stage, space_id: int) -> None:
    question = asked(stage.database, stage.acme, author=ALICE, space_id=HR)
    answer_id = answered(stage.database, stage.acme, question)
    flag(stage, BOB, question.post)
    calls: list[Callable[[], object]] = [
        lambda: flag_question(stage.call(DAVE, questionId=question.item.id), FlagBody(reason=SPAM)),
        lambda: flag_answer(stage.call(DAVE, answerId=answer_id), FlagBody(reason=SPAM)),
        lambda: unflag_question(stage.call(DAVE, questionId=question.item.id), NOTHING),
        lambda: decide(stage, DAVE, question.post),
        lambda: flagged(stage, DAVE, space_id),
    ]
    for refused in calls:
        with pytest.raises(NotFound):
            refused()


def test_mallory_moderates_her_own_site_only(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    post = answer_post(database, acme, answered(database, acme, question))
    flag(stage, DAVE, post)
    mallory = stage.globex.principal(MALLORY)

    assert flagged(stage, MALLORY)["items"] == []
    for work in (
        partial(flag_post, principal=mallory, post=post, reason=SPAM, now=NOW),
        partial(withdraw_flag, principal=mallory, post=post, now=NOW),
        partial(resolve_flags, principal=mallory, post=post, resolution=UPHELD, now=NOW),
    ):
        with pytest.raises(NotFound):
            database.write(work, tenant_id=stage.globex.tenant_id)
    for refused in (
        lambda: decide(stage, MALLORY, post),
        lambda: flag_question(stage.call(MALLORY, questionId=question.item.id), FlagBody(reason=SPAM)),
    ):
        with pytest.raises(NotFound):
            refused()
    assert only_row(database, acme, Flag).resolved_at is None


def test_only_moderators_read_and_decide(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    flag(stage, BOB, question.post)

    with pytest.raises(Forbidden):
        flagged(stage, BOB)
    with pytest.raises(Forbidden):
        decide(stage, ALICE, question.post)
    assert only_row(stage.database, stage.acme, Flag).resolution is None


def test_a_decision_resolves_all_open_flags_and_is_audited(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    for account, reason in ((BOB, SPAM), (DAVE, RUDE)):
        flag(stage, account, question.post, reason)

    assert decide(stage, CAROL, question.post) == {"resolution": "upheld", "count": 2}

    assert flagged(stage)["items"] == []
    (item,) = flagged(stage, state=FlagState.RESOLVED)["items"]
    assert (item["reasons"], item["resolution"], item["resolvedById"]) == ({"rude": 1, "spam": 1}, "upheld", CAROL)
    entry = only_row(stage.database, stage.acme, AuditRow)
    assert (entry.action, entry.target_kind, entry.target_id) == ("flags.resolved", "question", question.item.id)
    assert json.loads(entry.after or "") == {"open": 0, "resolution": "upheld"}


def test_the_second_of_two_moderators_is_told_what_stands(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    with pytest.raises(NoOpenFlags) as never:
        decide(stage, CAROL, question.post)
    assert never.value.current == {"resolution": None, "resolvedAt": None, "resolvedById": None}
    flag(stage, BOB, question.post)
    decide(stage, CAROL, question.post, DISMISSED)

    with pytest.raises(NoOpenFlags) as late:
        decide(stage, CAROL, question.post, UPHELD)

    assert late.value.current == {
        "resolution": "dismissed",
        "resolvedAt": "2026-11-25T12:00:00.000Z",
        "resolvedById": CAROL,
    }


def test_of_two_moderators_at_once_one_decides(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    flag(stage, BOB, question.post)

    def decision(account: str, resolution: FlagResolution) -> Callable[[], int]:
        work = partial(
            resolve_flags, principal=acme.principal(account), post=question.post, resolution=resolution, now=NOW
        )
        return lambda: database.write(work, tenant_id=acme.tenant_id)

    outcomes = at_once([decision(CAROL, UPHELD), decision(DAVE, DISMISSED)])

    assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["NoOpenFlags", "int"]
    winner = UPHELD if outcomes[0] == 1 else DISMISSED
    assert only_row(database, acme, Flag).resolution == winner
    assert len(rows_of(database, acme, AuditRow)) == 1


def test_the_same_person_flagging_at_once_has_one_flag(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    post = asked(database, acme, author=ALICE).post
    work = partial(flag_post, principal=acme.principal("557058:new"), post=post, reason=SPAM, now=NOW)

    outcomes = at_once([lambda: database.write(work, tenant_id=acme.tenant_id)] * 4)

    assert {getattr(outcome, "reason", outcome) for outcome in outcomes} == {SPAM}
    assert only_row(database, acme, Flag).reason == SPAM


def test_flagging_again_after_a_decision_is_a_new_matter(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    flag(stage, BOB, question.post)
    decide(stage, CAROL, question.post, DISMISSED)

    flag(stage, BOB, question.post, RUDE, minutes=5)

    (item,) = flagged(stage)["items"]
    assert (item["reasons"], item["since"]) == ({"rude": 1}, "2026-11-25T12:05:00.000Z")


@pytest.fixture
def accepted(stage: Stage) -> Post:
    question = asked(stage.database, stage.acme, author=ALICE)
    answer_id = answered(stage.database, stage.acme, question, author=BOB)
    accept(stage.database, stage.acme, ALICE, question.item.id, answer_id)
    return answer_post(stage.database, stage.acme, answer_id)


def test_an_accepted_answer_is_contested_while_somebody_says_it_is_outdated(stage: Stage, accepted: Post) -> None:
    flag(stage, CAROL, accepted, WRONG)
    assert not contested(stage, accepted)

    flag(stage, DAVE, accepted, OUTDATED)
    flag(stage, ALICE, accepted, OUTDATED)
    assert contested(stage, accepted)

    unflag_answer(stage.call(DAVE, answerId=accepted.id), NOTHING)
    assert contested(stage, accepted)
    flag(stage, ALICE, accepted, RUDE)
    assert not contested(stage, accepted)


@pytest.mark.parametrize("resolution", FlagResolution)
def test_a_decision_ends_the_contest(stage: Stage, accepted: Post, resolution: FlagResolution) -> None:
    flag(stage, DAVE, accepted, OUTDATED)

    decide(stage, CAROL, accepted, resolution)

    assert not contested(stage, accepted)


def test_an_answer_that_is_not_accepted_is_flagged_and_not_shown_as_contested(stage: Stage, accepted: Post) -> None:
    accept(stage.database, stage.acme, ALICE, accepted.question_id, None)

    flag(stage, DAVE, accepted, OUTDATED)

    assert not contested(stage, accepted)
    assert len(flagged(stage)["items"]) == 1


def test_an_answer_that_was_flagged_before_it_was_accepted_is_contested(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    post = answer_post(database, acme, answered(database, acme, question, author=BOB))
    flag(stage, DAVE, post, OUTDATED, minutes=-5)

    accept(database, acme, ALICE, question.item.id, post.id)

    assert contested(stage, post) == "2026-11-25T11:55:00.000Z"


def test_to_accept_anew_is_no_decision_on_a_contested_answer(stage: Stage, accepted: Post) -> None:
    acme, database = stage.acme, stage.database
    other = answered(database, acme, find_head(stage, accepted.question_id), author=CAROL)
    flag(stage, DAVE, accepted, OUTDATED)
    since = contested(stage, accepted)
    assert since is not None

    for chosen in (None, accepted.id, other, accepted.id):
        accept(database, acme, ALICE, accepted.question_id, chosen)
        assert contested(stage, accepted) == (since if chosen == accepted.id else None)

    accept(database, acme, ALICE, accepted.question_id, None)
    decide(stage, CAROL, accepted, DISMISSED)
    accept(database, acme, ALICE, accepted.question_id, accepted.id)
    assert contested(stage, accepted) is None


def test_a_contested_answer_that_was_removed_meanwhile_is_contested_when_it_is_back(
    stage: Stage, accepted: Post
) -> None:
    acme, database = stage.acme, stage.database
    flag(stage, DAVE, accepted, OUTDATED)
    write(database, acme, remove_post, acme.tenant_id, accepted.id, now=NOW)
    accept(database, acme, ALICE, accepted.question_id, None)
    item = replace(content(type_key=ANSWER_TYPE, question_id=accepted.question_id), id=accepted.id)
    write(database, acme, register_answer, acme.tenant_id, accepted.question_id, item, now=NOW)

    assert contested(stage, accepted) is None
    accept(database, acme, ALICE, accepted.question_id, accepted.id)

    assert contested(stage, accepted) is not None


def test_removed_posts_leave_the_list_and_take_no_flags(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    post = answer_post(database, acme, answered(database, acme, question))
    flag(stage, DAVE, post)
    flag(stage, DAVE, question.post, minutes=1)

    write(database, acme, remove_post, acme.tenant_id, post.id, now=NOW)
    assert [item["kind"] for item in flagged(stage)["items"]] == ["question"]
    with pytest.raises(NotFound):
        flag(stage, CAROL, post)

    write(database, acme, remove_post, acme.tenant_id, question.item.id, now=NOW)
    assert flagged(stage)["items"] == []


def test_what_confluence_hides_from_a_moderator_is_not_in_the_list(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    hidden, shown = (asked(database, acme, author=ALICE, page_id=page) for page in (900, 901))
    stage.confluence.put(replace(content(page_id=901), id=shown.item.id), CAROL)
    for question in (hidden, shown):
        flag(stage, BOB, question.post)

    assert [item["postId"] for item in flagged(stage)["items"]] == [str(shown.item.id)]


@pytest.mark.parametrize("state", FlagState)
@pytest.mark.parametrize("window", [1, 2, 3, 200])
def test_the_pages_hold_each_post_once_whatever_lies_between(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, state: FlagState, window: int
) -> None:
    monkeypatch.setattr(reviewing, "WINDOW", window)
    monkeypatch.setattr(
        reviewing,
        "_WINDOWS",
        {(one, after): reviewing._windows(one, is_after=after) for one in FlagState for after in (False, True)},
    )
    acme, database = stage.acme, stage.database
    questions = [asked(database, acme, author=ALICE, space_id=(ENG, HR)[number % 2]) for number in range(8)]
    for minute, account in enumerate((BOB, CAROL, DAVE)):
        for number, question in enumerate(questions):
            # Some at the same moment.
            flag(stage, account, question.post, minutes=10 * minute + number // 3)
    if state is FlagState.RESOLVED:
        for question in questions:
            decide(stage, CAROL, question.post)

    seen: list[str] = []
    cursor: str | None = None
    for _ in range(60):
        page = flagged(stage, state=state, limit=2, cursor=cursor)
        assert len(page["items"]) <= 2
        assert all(item["reasons"] == {"spam": 3} for item in page["items"])
        seen += [item["postId"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert cursor is None
    assert sorted(seen) == sorted(str(question.item.id) for question in questions[::2])


def test_flags_name_their_person_by_reference_only(stage: Stage) -> None:
    acme: Site = stage.acme
    flag(stage, BOB, asked(stage.database, acme).post)

    row = only_row(stage.database, acme, Flag)
    assert AccountId(BOB) not in [str(getattr(row, column.key)) for column in Flag.__table__.columns]
