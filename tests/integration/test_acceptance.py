"""Accepting answers: one at most, whoever is quicker, and an event for each that is new."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from lib.errors import NotFound
from lib.events import EventKind, Subject
from lib.principal import ContentId
from lib.sql import Database
from lib.tenancy import AccountRow
from questions_api.acceptance import accept_answer
from questions_api.listings import accepted_ids
from questions_api.model import Answer, Question
from questions_api.posts import QuestionHead, remove_post
from tests.factories import NOW, Site, answered, asked, events_of, only_row, rows_of
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, MALLORY

Sites = tuple[Site, Site]


def accept(
    database: Database,
    site: Site,
    question: QuestionHead,
    answer_id: ContentId | None,
    account: str = ALICE,
    *,
    now: datetime = NOW,
) -> None:
    principal = site.principal(account)
    work = partial(accept_answer, principal=principal, question=question, answer_id=answer_id, now=now)
    database.write(work, tenant_id=site.tenant_id)


def accepted(database: Database, site: Site, question: QuestionHead) -> list[ContentId]:
    return database.read(partial(accepted_ids, tenant_id=site.tenant_id, question_id=question.item.id))


def test_an_accepted_answer_says_when_and_by_whom(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    accept(database, acme, question, answer_id, CAROL)

    row = only_row(database, acme, Answer)
    people = {person.account_ref: person.atlassian_account_id for person in rows_of(database, acme, AccountRow)}
    assert row.accepted_at == NOW
    assert row.accepted_by_ref is not None
    assert people[row.accepted_by_ref] == CAROL
    assert only_row(database, acme, Question).accepted_count == 1
    (event,) = events_of(database, acme, EventKind.ANSWER_ACCEPTED)
    assert event.about == Subject(question.item.id, question.item.space_id, answer_id)


def test_a_repeated_acceptance_changes_nothing_and_tells_nobody(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    for account in (ALICE, ALICE, CAROL):
        accept(database, acme, question, answer_id, account)

    people = {person.atlassian_account_id: person.account_ref for person in rows_of(database, acme, AccountRow)}
    assert only_row(database, acme, Answer).accepted_by_ref == people[ALICE]
    assert len(events_of(database, acme, EventKind.ANSWER_ACCEPTED)) == 1


def test_only_what_changes_something_makes_a_question_active(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    choices = (None, answer_id, answer_id, None, None)
    active: list[datetime] = []
    for hours, choice in enumerate(choices, start=1):
        accept(database, acme, question, choice, now=NOW + timedelta(hours=hours))
        active.append(only_row(database, acme, Question).active_at)

    assert active == [NOW + timedelta(hours=hours) for hours in (0, 2, 2, 4, 4)]


def test_the_second_choice_replaces_the_first(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    first, second = answered(database, acme, question), answered(database, acme, question, author=CAROL)

    accept(database, acme, question, first)
    accept(database, acme, question, second)

    assert accepted(database, acme, question) == [second]
    assert only_row(database, acme, Question).accepted_count == 1
    assert len(events_of(database, acme, EventKind.ANSWER_ACCEPTED)) == 2


def test_taking_it_back_leaves_none(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    accept(database, acme, question, answer_id)

    accept(database, acme, question, None)
    accept(database, acme, question, None)

    row = only_row(database, acme, Answer)
    assert (row.accepted_at, row.accepted_by_ref) == (None, None)
    assert only_row(database, acme, Question).accepted_count == 0
    assert len(events_of(database, acme, EventKind.ANSWER_ACCEPTED)) == 1


def test_two_acceptances_at_once_leave_one(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answers = [answered(database, acme, question, author=author) for author in (BOB, CAROL) * 3]
    works: list[Callable[[], None]] = [partial(accept, database, acme, question, answer) for answer in answers]

    succeeded(at_once(works))

    assert len(accepted(database, acme, question)) == 1
    assert only_row(database, acme, Question).accepted_count == 1
    assert len(events_of(database, acme, EventKind.ANSWER_ACCEPTED)) == len(answers)


def test_accepting_and_taking_back_at_once_agree_with_the_counter(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answers = [answered(database, acme, question) for _ in range(3)]
    works: list[Callable[[], None]] = [
        partial(accept, database, acme, question, answer) for answer in (*answers, None, None)
    ]

    succeeded(at_once(works))

    assert only_row(database, acme, Question).accepted_count == len(accepted(database, acme, question))


def test_an_answer_of_another_question_is_not_found_and_nothing_changes(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question, other = asked(database, acme), asked(database, acme)
    mine, theirs = answered(database, acme, question), answered(database, acme, other)
    accept(database, acme, question, mine)

    with pytest.raises(NotFound):
        accept(database, acme, question, theirs)

    assert accepted(database, acme, question) == [mine]
    assert accepted(database, acme, other) == []


def test_what_was_deleted_is_not_accepted(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    remove = partial(remove_post, tenant_id=acme.tenant_id, now=NOW)
    database.write(partial(remove, content_id=answer_id))

    with pytest.raises(NotFound):
        accept(database, acme, question, answer_id)
    database.write(partial(remove, content_id=question.item.id))
    with pytest.raises(NotFound):
        accept(database, acme, question, None)

    assert only_row(database, acme, Question).accepted_count == 0


def test_mallory_accepts_nothing_on_another_site(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    with pytest.raises(NotFound):
        accept(database, globex, question, answer_id, MALLORY)
    theirs = asked(database, globex, author=MALLORY)
    with pytest.raises(NotFound):
        accept(database, globex, theirs, answer_id, MALLORY)

    assert accepted(database, acme, question) == accepted(database, globex, theirs) == []
    assert events_of(database, globex, EventKind.ANSWER_ACCEPTED) == []
