"""Accepting answers: one at most, whoever is quicker, and an event for each that is new."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.errors import Forbidden, NotFound, PreconditionFailed
from lib.events import EventKind, Subject
from lib.grants import Grants
from lib.principal import ContentId
from lib.services import Services
from lib.spaces import SpaceSettings
from lib.sql import Database
from lib.tenancy import AccountRow
from questions_api.answers import routes
from questions_api.answers.acceptance import accept_only, set_accepted
from questions_api.answers.schemas import AcceptBody
from questions_api.model import Answer, CloseReason, Question, QuestionState
from questions_api.posts import QuestionHead, remove_post
from questions_api.questions.closing import Changes, Closing, change_question
from questions_api.questions.rows import accepted_answers
from tests.factories import ENG, HR, NOW, Site, answered, asked, events_of, only_row, rows_of
from tests.integration.calling import call_as, choose, confluence, handled, shared
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

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
    work = partial(accept_only, principal=principal, question=question, answer_id=answer_id, now=now)
    database.write(work, tenant_id=site.tenant_id)


def accepted(database: Database, site: Site, question: QuestionHead) -> list[ContentId]:
    return list(database.read(partial(accepted_answers, tenant_id=site.tenant_id, question_id=question.item.id)))


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


def accept_beside(
    database: Database,
    site: Site,
    question: QuestionHead,
    answer_id: ContentId,
    account: str = ALICE,
    *,
    accepted: bool = True,
) -> None:
    work = partial(set_accepted, principal=site.principal(account), question=question, answer_id=answer_id)
    database.write(partial(work, accepted=accepted, now=NOW), tenant_id=site.tenant_id)


def audited(database: Database, site: Site) -> list[tuple[str, str | None, str | None]]:
    return sorted((row.action, row.before, row.after) for row in rows_of(database, site, AuditRow))


def test_where_several_are_accepted_each_comes_and_goes_by_itself(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    first, second = answered(database, acme, question), answered(database, acme, question, author=CAROL)

    for answer_id in (first, second, second):
        accept_beside(database, acme, question, answer_id)
    assert set(accepted(database, acme, question)) == {first, second}
    assert only_row(database, acme, Question).accepted_count == 2
    assert len(events_of(database, acme, EventKind.ANSWER_ACCEPTED)) == 2

    accept_beside(database, acme, question, first, accepted=False)
    accept_beside(database, acme, question, first, accepted=False)
    row = only_row(database, acme, Question)
    assert accepted(database, acme, question) == [second]
    assert (row.accepted_count, row.state) == (1, QuestionState.ACCEPTED)

    accept(database, acme, question, first)
    assert accepted(database, acme, question) == [first]
    assert only_row(database, acme, Question).accepted_count == 1


def test_several_acceptances_at_once_are_all_counted(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answers = [answered(database, acme, question, author=author) for author in (BOB, CAROL) * 3]

    succeeded(at_once([partial(accept_beside, database, acme, question, answer) for answer in answers]))

    assert sorted(accepted(database, acme, question)) == sorted(answers)
    assert only_row(database, acme, Question).accepted_count == len(answers)


def test_what_a_moderator_accepts_for_the_asker_is_audited_and_what_the_asker_does_is_not(
    database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    first, second = answered(database, acme, question), answered(database, acme, question)

    accept(database, acme, question, first, ALICE)
    assert audited(database, acme) == []
    accept(database, acme, question, second, CAROL)
    accept(database, acme, question, second, CAROL)
    accept(database, acme, question, None, CAROL)

    assert audited(database, acme) == [
        ("answer.accepted", f'{{"accepted": ["{first}"]}}', f'{{"accepted": ["{second}"]}}'),
        ("answer.unaccepted", f'{{"accepted": ["{second}"]}}', '{"accepted": []}'),
    ]


def test_an_answer_of_another_question_is_not_accepted_beside_either(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question, other = asked(database, acme), asked(database, acme)
    theirs = answered(database, acme, other)
    with pytest.raises(NotFound, match="That answer does not belong to this question"):
        accept_beside(database, acme, question, theirs)
    with pytest.raises(NotFound):
        accept_beside(database, globex, other, theirs, MALLORY)
    assert accepted(database, acme, other) == accepted(database, acme, question) == []


def test_a_closed_question_stays_closed_when_an_answer_is_accepted(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    close = partial(
        change_question,
        principal=acme.principal(CAROL),
        question_id=question.item.id,
        wanted=Changes(closing=Closing(CloseReason.OUTDATED)),
        space_id=ENG,
        grants=Grants(),
        settings=SpaceSettings(),
        expected=None,
        now=NOW,
    )
    database.write(close, tenant_id=acme.tenant_id)

    accept(database, acme, question, answer_id)

    row = only_row(database, acme, Question)
    assert (row.state, row.accepted_count) == (QuestionState.CLOSED, 1)


def put_accepted(
    shared: Services,
    account: str,
    question: QuestionHead,
    answer_id: ContentId | None,
    *,
    if_match: str | None = None,
) -> Any:
    text = json.dumps({"answerId": None if answer_id is None else str(answer_id)})
    call = call_as(shared, account, if_match=if_match, questionId=question.item.id)
    return handled(routes.accept, call, AcceptBody.model_validate_json(text))["acceptedAnswerIds"]


def accept_one(shared: Services, account: str, answer_id: ContentId, *, if_match: str | None = None) -> Any:
    call = call_as(shared, account, if_match=if_match, answerId=answer_id)
    return handled(routes.accept_answer, call)["acceptedAnswerIds"]


def unaccept_one(shared: Services, account: str, answer_id: ContentId, *, if_match: str | None = None) -> Any:
    call = call_as(shared, account, if_match=if_match, answerId=answer_id)
    return handled(routes.unaccept_answer, call)["acceptedAnswerIds"]


@pytest.mark.parametrize("several", [False, True])
def test_who_names_an_old_version_is_told_what_is_accepted(shared: Services, sites: Sites, *, several: bool) -> None:
    acme, _ = sites
    choose(shared, acme, several_accepted=several)
    question = asked(shared.database, acme)
    first, second = answered(shared.database, acme, question), answered(shared.database, acme, question, author=CAROL)
    assert put_accepted(shared, ALICE, question, first, if_match='"1.abc"') == [str(first)]

    works: list[Callable[[], object]] = [
        partial(put_accepted, shared, CAROL, question, second, if_match='"1.abc"'),
        partial(put_accepted, shared, CAROL, question, first, if_match='"1.abc"'),
        partial(put_accepted, shared, CAROL, question, None, if_match='"1.abc"'),
        partial(accept_one, shared, CAROL, second, if_match='"1.abc"'),
        partial(unaccept_one, shared, CAROL, first, if_match='"1.abc"'),
    ]
    for work in works:
        with pytest.raises(PreconditionFailed) as late:
            work()
        assert late.value.current == {"acceptedAnswerIds": [str(first)], "version": 2}
    assert accepted(shared.database, acme, question) == [first]
    assert audited(shared.database, acme) == []

    both = [str(first), str(second)] if several else [str(second)]
    assert sorted(accept_one(shared, ALICE, second, if_match='"2.abc"')) == both
    assert unaccept_one(shared, ALICE, second, if_match='"3.abc"') == both[:-1]
    assert put_accepted(shared, ALICE, question, None, if_match="*") == []


def test_of_two_who_name_the_same_version_one_accepts(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    answers = [answered(shared.database, acme, question) for _ in range(4)]

    outcomes = at_once([partial(accept_one, shared, ALICE, answer, if_match='"1.abc"') for answer in answers])

    (chosen,) = accepted(shared.database, acme, question)
    assert [str(chosen)] in outcomes
    assert sum(isinstance(outcome, PreconditionFailed) for outcome in outcomes) == len(answers) - 1
    assert only_row(shared.database, acme, Question).version == 2


def test_the_space_says_whether_answers_are_accepted_beside_each_other(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    first, second, third = (answered(shared.database, acme, question) for _ in range(3))

    assert accept_one(shared, ALICE, first) == [str(first)]
    assert accept_one(shared, ALICE, second) == [str(second)]
    assert put_accepted(shared, ALICE, question, first) == [str(first)]
    assert unaccept_one(shared, ALICE, second) == [str(first)]
    assert unaccept_one(shared, ALICE, first) == []

    choose(shared, acme, several_accepted=True)
    accept_one(shared, ALICE, first)
    accept_one(shared, CAROL, second)
    assert set(put_accepted(shared, ALICE, question, third)) == {str(first), str(second), str(third)}
    assert set(unaccept_one(shared, ALICE, second)) == {str(first), str(third)}
    assert put_accepted(shared, ALICE, question, None) == []


def test_who_accepts(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question, hidden = asked(shared.database, acme), asked(shared.database, acme, author=DAVE, space_id=HR)
    answer_id, theirs = answered(shared.database, acme, question), answered(shared.database, acme, hidden)
    refusals: list[tuple[str, QuestionHead, ContentId, type[Exception]]] = [
        (BOB, question, answer_id, Forbidden),
        (DAVE, question, answer_id, Forbidden),
        (DAVE, hidden, theirs, NotFound),
        (MALLORY, question, answer_id, NotFound),
        (MALLORY, hidden, theirs, NotFound),
    ]
    for account, about, answer, expected in refusals:
        with pytest.raises(expected):
            put_accepted(shared, account, about, answer)
        with pytest.raises(expected):
            accept_one(shared, account, answer)
        with pytest.raises(expected):
            unaccept_one(shared, account, answer)
    assert accepted(shared.database, acme, question) == accepted(shared.database, acme, hidden) == []
