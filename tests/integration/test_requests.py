"""Requests to answer: who may be asked, by whom, how many at once, and when a request is done."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from lib.errors import Forbidden, NotFound
from lib.grants import GrantBook
from lib.principal import AccountId, ContentId
from lib.sql import update_rows
from lib.tenancy import AccountRow
from questions_api.model import Question
from questions_api.people.model import AnswerRequest
from questions_api.people.requesting import (
    MOST_OPEN,
    AsksAsker,
    AsksOneself,
    CannotSeeQuestion,
    HasAnswered,
    TooManyRequests,
    request_answer,
    withdraw_request,
)
from questions_api.people.routes import ask_person, read_my_requests, read_question_requests, take_request_back
from questions_api.people.schemas import RequestBody, RequestsQuery
from questions_api.policy import QuestionClosed
from questions_api.posts import QuestionHead, remove_post
from tests.factories import ENG, HR, NOW, answered, asked, content, only_row, rows_of
from tests.fakes import Clock
from tests.integration.people_calls import NOTHING, stage, write
from tests.integration.tag_calls import Stage
from tests.races import at_once
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("stage",)


def ask(stage: Stage, account: str, question_id: ContentId, target: str) -> Any:
    return ask_person(stage.call(account, questionId=question_id), RequestBody.model_validate({"accountId": target}))


def requests(stage: Stage, account: str, question_id: ContentId, **query: Any) -> list[tuple[str | None, bool]]:
    answer: Any = read_question_requests(stage.call(account, questionId=question_id), RequestsQuery(**query))
    return [(item["accountId"], item["isDone"]) for item in answer["items"]]


def mine(stage: Stage, account: str) -> list[str]:
    answer: Any = read_my_requests(stage.call(account), RequestsQuery())
    return [item["questionId"] for item in answer["items"]]


def stranger(stage: Stage, number: int) -> str:
    account = f"557058:stranger-{number}"
    stage.confluence.allow(account, ENG, questions="v")
    return account


def test_whoever_may_see_the_question_asks_a_person_who_may_see_it(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)

    first, again = (ask(stage, CAROL, question.item.id, BOB) for _ in range(2))
    other = ask(stage, DAVE, question.item.id, BOB)

    assert [answer.status for answer in (first, again, other)] == [201, 200, 200]
    assert first.body["items"] == [
        {"accountId": BOB, "requestedById": CAROL, "createdAt": "2026-11-25T12:00:00.000Z", "isDone": False}
    ]
    assert mine(stage, BOB) == [str(question.item.id)]
    assert mine(stage, CAROL) == []
    assert len(rows_of(stage.database, stage.acme, AnswerRequest)) == 1


def test_a_request_is_done_when_the_person_has_answered_and_open_again_when_the_answer_goes(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    ask(stage, ALICE, question.item.id, BOB)

    answer_id = answered(database, acme, question, author=BOB)
    assert requests(stage, DAVE, question.item.id) == [(BOB, True)]
    assert mine(stage, BOB) == []

    write(database, acme, remove_post, acme.tenant_id, answer_id, now=NOW)
    assert requests(stage, DAVE, question.item.id) == [(BOB, False)]
    assert mine(stage, BOB) == [str(question.item.id)]


@pytest.mark.parametrize("target", [DAVE, MALLORY, "557058:nobody-we-know"])
def test_people_who_may_not_see_the_question_are_not_asked(stage: Stage, target: str) -> None:
    question = asked(stage.database, stage.acme, author=ALICE, space_id=HR)

    with pytest.raises(CannotSeeQuestion) as refused:
        ask(stage, BOB, question.item.id, target)

    assert refused.value.code == "cannot-see-question"
    assert rows_of(stage.database, stage.acme, AnswerRequest) == []
    assert target not in {row.atlassian_account_id for row in rows_of(stage.database, stage.acme, AccountRow)}


def test_a_restricted_page_counts_for_the_person_asked_too(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE, page_id=900)
    stage.confluence.put(replace(content(page_id=900), id=question.item.id), ALICE, BOB)

    assert ask(stage, ALICE, question.item.id, BOB).status == 201
    with pytest.raises(CannotSeeQuestion):
        ask(stage, ALICE, question.item.id, DAVE)


@pytest.mark.parametrize(("passed_s", "may"), [(59, True), (61, False)])
def test_a_right_that_was_taken_away_is_believed_for_a_minute_at_most(stage: Stage, passed_s: float, may: bool) -> None:
    clock = Clock()
    shared = replace(stage.services, grants=GrantBook(stage.services.confluence, stage.services.spaces, clock))
    stage = replace(stage, services=shared)
    question = asked(stage.database, stage.acme, author=ALICE)
    assert requests(stage, BOB, question.item.id) == []
    stage.confluence.shut_out(BOB, ENG)
    clock.pass_(passed_s)

    if may:
        assert ask(stage, ALICE, question.item.id, BOB).status == 201
    else:
        with pytest.raises(CannotSeeQuestion):
            ask(stage, ALICE, question.item.id, BOB)
    assert len(rows_of(stage.database, stage.acme, AnswerRequest)) == (1 if may else 0)


def test_the_asker_and_oneself_are_not_asked(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)

    with pytest.raises(AsksAsker):
        ask(stage, BOB, question.item.id, ALICE)
    with pytest.raises(AsksOneself):
        ask(stage, BOB, question.item.id, BOB)


def test_who_has_answered_is_not_asked(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    answered(stage.database, stage.acme, question, author=BOB)

    with pytest.raises(HasAnswered):
        ask(stage, ALICE, question.item.id, BOB)


def test_a_closed_question_asks_nobody_and_leaves_the_lists(stage: Stage) -> None:
    acme = stage.acme
    question = asked(stage.database, acme, author=ALICE)
    ask(stage, ALICE, question.item.id, BOB)
    stage.database.write(
        lambda session: session.execute(
            update_rows(acme.tenant_id, Question).values(closed_at=NOW, state="closed", close_reason="outdated")
        )
    )

    with pytest.raises(QuestionClosed):
        ask(stage, ALICE, question.item.id, DAVE)
    assert mine(stage, BOB) == []


def test_ten_people_are_asked_at_most_until_one_has_answered(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    for number in range(MOST_OPEN):
        ask(stage, BOB, question.item.id, stranger(stage, number))
    with pytest.raises(TooManyRequests):
        ask(stage, BOB, question.item.id, DAVE)

    answered(database, acme, question, author=stranger(stage, 0))

    assert ask(stage, BOB, question.item.id, DAVE).status == 201


def test_many_at_once_ask_no_more_than_ten(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)

    def asking(number: int) -> Callable[[], bool]:
        target = AccountId(f"557058:stranger-{number}")
        work = partial(request_answer, principal=acme.principal(BOB), question=question, target=target, now=NOW)
        return lambda: database.write(work, tenant_id=acme.tenant_id)

    outcomes = at_once([asking(number) for number in range(MOST_OPEN + 3)])

    assert outcomes.count(True) == len(rows_of(database, acme, AnswerRequest)) == MOST_OPEN
    assert sum(isinstance(outcome, TooManyRequests) for outcome in outcomes) == 3


@pytest.mark.parametrize(("account", "may"), [(CAROL, True), (BOB, True), (ALICE, False), (DAVE, False)])
def test_who_made_it_or_is_asked_takes_a_request_back(stage: Stage, account: str, may: bool) -> None:
    question = asked(stage.database, stage.acme, author=ALICE)
    ask(stage, CAROL, question.item.id, BOB)
    call = stage.call(account, questionId=question.item.id, accountId=BOB)

    if may:
        assert take_request_back(call, NOTHING).status == 204  # type: ignore[attr-defined]
        with pytest.raises(NotFound):
            take_request_back(call, NOTHING)
    else:
        with pytest.raises(Forbidden):
            take_request_back(call, NOTHING)
    assert len(rows_of(stage.database, stage.acme, AnswerRequest)) == (0 if may else 1)


def refused_everywhere(stage: Stage, account: str, question: QuestionHead) -> None:
    for refused in (
        lambda: ask(stage, account, question.item.id, CAROL),
        lambda: requests(stage, account, question.item.id),
        lambda: take_request_back(stage.call(account, questionId=question.item.id, accountId=BOB), NOTHING),
    ):
        with pytest.raises(NotFound):
            refused()


@pytest.mark.parametrize("account", [DAVE, MALLORY])
def test_who_does_not_see_the_question_neither_asks_nor_reads(stage: Stage, account: str) -> None:
    question = asked(stage.database, stage.acme, author=ALICE, space_id=HR)
    ask(stage, ALICE, question.item.id, BOB)

    refused_everywhere(stage, account, question)
    assert len(rows_of(stage.database, stage.acme, AnswerRequest)) == 1


def test_mallorys_principal_reaches_no_row_of_another_site(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    ask(stage, ALICE, question.item.id, BOB)
    mallory = stage.globex.principal(MALLORY)

    for work in (
        partial(request_answer, principal=mallory, question=question, target=AccountId(CAROL), now=NOW),
        partial(withdraw_request, principal=mallory, question_id=question.item.id, target=AccountId(BOB)),
    ):
        with pytest.raises(NotFound):
            database.write(work, tenant_id=stage.globex.tenant_id)
    assert only_row(database, acme, AnswerRequest).question_id == question.item.id


def test_what_has_become_invisible_leaves_the_persons_list(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    kept, hidden, removed = (asked(database, acme, author=ALICE, space_id=space) for space in (ENG, HR, ENG))
    for question in (kept, hidden, removed):
        ask(stage, ALICE, question.item.id, BOB)
    stage.confluence.shut_out(BOB, HR)
    write(database, acme, remove_post, acme.tenant_id, removed.item.id, now=NOW)
    acme_now = replace(stage, services=replace(stage.services, grants=replace(stage.services.grants)))

    assert mine(acme_now, BOB) == [str(kept.item.id)]


def test_the_pages_of_both_lists_hold_each_request_once(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    questions = [asked(database, acme, author=ALICE) for _ in range(5)]
    for question in questions:
        ask(stage, ALICE, question.item.id, BOB)
    for number in range(4):
        ask(stage, ALICE, questions[0].item.id, stranger(stage, number))

    asked_of_bob: list[str] = []
    asked_of_all: list[str] = []
    lists: tuple[tuple[Callable[..., Any], Any, list[str], str], ...] = (
        (read_my_requests, stage.call(BOB), asked_of_bob, "questionId"),
        (read_question_requests, stage.call(BOB, questionId=questions[0].item.id), asked_of_all, "accountId"),
    )
    for read, call, seen, name in lists:
        cursor = None
        for _ in range(3):
            page = read(call, RequestsQuery(limit=2, cursor=cursor))
            seen += [item[name] for item in page["items"]]
            cursor = page["next"]
        assert cursor is None

    assert sorted(asked_of_bob) == sorted(str(question.item.id) for question in questions)
    assert sorted(asked_of_all) == sorted([BOB, *(stranger(stage, number) for number in range(4))])
