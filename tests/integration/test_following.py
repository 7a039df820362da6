"""Following Confluence: what a webhook reported, read again and applied to rows."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from lib.authentication import Request, authenticate_context
from lib.confluence import Content
from lib.errors import NotFound
from lib.events import ContentChange, Event, EventKind
from lib.outbox import OutboxRow, due_events
from lib.principal import AccountId, ContentId
from lib.services import Services
from lib.spaces import SpaceSettings, change_space_settings
from lib.sql import Database, update_rows
from lib.telemetry import trace_of
from lib.tenancy import InstallationRow, InstallationState
from lib.web import Call
from lifecycle.webhooks import Report, Stale, note_report
from questions_api.following.following import follow_changes
from questions_api.model import Answer, CloseReason, Question, QuestionState
from questions_api.posts import register_question, remove_post
from questions_api.seeing import see_question
from questions_api.tags.model import TagUse
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    MKT,
    NOW,
    Site,
    answered,
    asked,
    beside,
    content,
    events_of,
    only_row,
    rows_of,
)
from tests.fakes import FakeConfluence
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, MALLORY, context_token

Sites = tuple[Site, Site]


@pytest.fixture
def confluence() -> FakeConfluence:
    return FakeConfluence()


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence) -> Services:
    return beside(services, confluence)


def at(services: Services, moment: datetime) -> Services:
    return replace(services, now=lambda: moment)


def report(
    database: Database, site: Site, content_id: ContentId, change: ContentChange, *, actor: str | None = ALICE
) -> None:
    """What the webhook's route writes down."""
    actor_id = None if actor is None else AccountId(actor)
    stale = Stale.RESTRICTIONS if change == "permissions_updated" else Stale.NOTHING
    noted = Report(content_id=content_id, change=change, actor_id=actor_id, stale=stale)
    work = partial(note_report, tenant_id=site.tenant_id, report=noted, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def waiting(database: Database, at_moment: datetime = NOW) -> list[Event]:
    work = partial(due_events, kinds=(EventKind.CONTENT_CHANGED,), now=at_moment, limit=100)
    return database.read(work)


def set_state(database: Database, site: Site, state: InstallationState) -> None:
    changed = update(InstallationRow).where(InstallationRow.tenant_id == site.tenant_id).values(state=state)
    database.write(partial(Session.execute, statement=changed))


def reply_to(question: Content, *, author: str = BOB) -> Content:
    return content(type_key=ANSWER_TYPE, author=author, question_id=question.id)


def sees(services: Services, account: str, question_id: ContentId) -> bool:
    """Whether the question's page answers the person, or says that there is no such question."""
    headers = {"authorization": f"JWT {context_token(NOW, account_id=account)}"}
    request = Request("GET", "/api/v1/questions", headers, {"questionId": str(question_id)}, b"", NOW)
    call = Call(services, request, authenticate_context(services, request), trace_of(None))
    try:
        see_question(call)
    except NotFound:
        return False
    return True


def test_a_created_question_is_registered_as_confluence_shows_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content(author=BOB, page_id=42)
    confluence.put(item, None)
    report(database, acme, item.id, "created", actor=CAROL)

    assert follow_changes(shared) == 1

    row = only_row(database, acme, Question)
    assert (row.id, row.container_kind, row.container_id) == (item.id, "page", 42)
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1
    assert waiting(database) == []


def test_what_only_the_actor_sees_is_registered(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, ALICE)
    report(database, acme, item.id, "created", actor=ALICE)

    follow_changes(shared)

    assert only_row(database, acme, Question).id == item.id
    assert only_row(database, acme, Question).is_guarded


def test_a_question_on_a_page_that_only_people_are_shown_needs_no_guard(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content(page_id=42)
    confluence.put(item, ALICE)
    report(database, acme, item.id, "created")

    follow_changes(shared)

    assert not only_row(database, acme, Question).is_guarded


def test_a_restriction_whose_webhook_was_lost_is_found_by_any_other(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    for person in (ALICE, BOB):
        confluence.allow(person, ENG, questions="v")
    question = asked(database, acme, tags=("ci",))
    item = replace(content(), id=question.item.id)
    database.write(partial(register_question, tenant_id=globex.tenant_id, content=item, now=NOW))
    confluence.put(item, None, ALICE, BOB)
    report(database, acme, item.id, "updated")
    follow_changes(shared)
    assert not only_row(database, acme, Question).is_guarded

    confluence.put(item, ALICE)
    assert sees(shared, BOB, item.id)
    for _ in range(2):
        report(database, acme, item.id, "updated")
        follow_changes(shared)

    assert not sees(shared, BOB, item.id)
    assert sees(shared, ALICE, item.id)
    row = only_row(database, acme, Question)
    assert (row.is_guarded, row.deleted_at) == (True, None)
    assert only_row(database, acme, TagUse).use_count == 0
    assert not only_row(database, globex, Question).is_guarded


@pytest.mark.parametrize("is_known", [True, False])
def test_an_answer_tells_that_the_app_is_not_shown_its_question(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, is_known: bool
) -> None:
    acme, _ = sites
    for person in (ALICE, BOB, CAROL):
        confluence.allow(person, ENG, questions="v")
    question = content()
    if is_known:
        database.write(partial(register_question, tenant_id=acme.tenant_id, content=question, now=NOW))
    reply = reply_to(question)
    for item in (question, reply):
        confluence.put(item, ALICE, BOB)
    report(database, acme, reply.id, "created", actor=BOB)

    follow_changes(shared)

    assert only_row(database, acme, Answer).question_id == question.id
    assert {person: sees(shared, person, question.id) for person in (ALICE, BOB, CAROL)} == {
        ALICE: True,
        BOB: True,
        CAROL: False,
    }


def test_an_answer_that_only_people_are_shown_leaves_a_question_that_the_app_is_shown_as_it_is(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = content()
    reply = reply_to(question)
    confluence.put(question, None)
    confluence.put(reply, BOB)
    report(database, acme, reply.id, "created", actor=BOB)

    follow_changes(shared)

    row = only_row(database, acme, Question)
    assert (row.answer_count, row.is_guarded) == (1, False)
    assert only_row(database, acme, Answer).is_guarded


@pytest.mark.parametrize("actor", [ALICE, None])
def test_what_neither_the_app_nor_the_actor_sees_is_not_registered(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, actor: str | None
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, BOB)
    report(database, acme, item.id, "created", actor=actor)

    follow_changes(shared)

    assert rows_of(database, acme, Question) == []
    assert waiting(database) == []


@pytest.mark.parametrize("status", ["draft", "archived", "trashed"])
def test_what_is_not_current_is_not_registered(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, status: str
) -> None:
    acme, _ = sites
    item = content(status=status)
    confluence.put(item, None)
    report(database, acme, item.id, "created")

    follow_changes(shared)

    assert rows_of(database, acme, Question) == []


def test_content_of_another_type_is_nothing_to_us(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content(type_key="ac:community-questions:cq-vote")
    confluence.put(item, None)
    report(database, acme, item.id, "created")

    assert follow_changes(shared) == 1

    assert rows_of(database, acme, Question) == []


@pytest.mark.parametrize("change", ["trashed", "removed"])
def test_a_question_that_is_gone_is_hidden(
    shared: Services, database: Database, sites: Sites, change: ContentChange
) -> None:
    acme, _ = sites
    question, other = asked(database, acme), asked(database, acme)
    report(database, acme, question.item.id, change)

    follow_changes(shared)

    deleted = {row.id: row.deleted_at for row in rows_of(database, acme, Question)}
    assert deleted == {question.item.id: NOW, other.item.id: None}


def test_a_question_in_the_trash_that_the_app_still_sees_is_hidden(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    follow_changes(shared)
    confluence.put(replace(item, status="trashed"), None)
    report(database, acme, item.id, "trashed")

    follow_changes(shared)

    assert only_row(database, acme, Question).deleted_at == NOW


def test_trashed_is_not_believed_of_what_is_there_again(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    report(database, acme, item.id, "trashed")

    assert follow_changes(shared) == 2

    assert only_row(database, acme, Question).deleted_at is None


def test_updated_of_what_nobody_sees_hides_nothing(shared: Services, database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    report(database, acme, question.item.id, "updated")

    follow_changes(shared)

    assert only_row(database, acme, Question).deleted_at is None


def test_a_restored_question_comes_back_and_tells_nobody(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    for change in ("created", "trashed", "restored"):
        confluence.put(replace(item, status="trashed" if change == "trashed" else "current"), None)
        report(database, acme, item.id, change)
        follow_changes(shared)

    assert only_row(database, acme, Question).deleted_at is None
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1


def test_an_answer_that_comes_before_its_question_brings_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = content()
    reply = reply_to(question)
    confluence.put(question, None)
    confluence.put(reply, None)
    report(database, acme, reply.id, "created", actor=BOB)

    follow_changes(shared)

    assert only_row(database, acme, Question).answer_count == 1
    assert only_row(database, acme, Answer).question_id == question.id
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED, EventKind.QUESTION_ANSWERED)) == 2

    report(database, acme, question.id, "created")
    follow_changes(shared)
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1


def test_an_answer_whose_question_nobody_sees_is_not_registered(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = content()
    reply = reply_to(question)
    confluence.put(reply, None)
    report(database, acme, reply.id, "created")

    follow_changes(shared)

    assert rows_of(database, acme, Answer) == []
    assert rows_of(database, acme, Question) == []


def test_a_deleted_answer_leaves_the_count(shared: Services, database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    report(database, acme, answer_id, "removed")

    follow_changes(shared)

    assert only_row(database, acme, Question).answer_count == 0
    assert only_row(database, acme, Answer).deleted_at == NOW


def test_changed_permissions_of_a_question_guard_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    report(database, acme, item.id, "permissions_updated")

    follow_changes(shared)

    assert only_row(database, acme, Question).is_guarded
    assert shared.tenants.by_id(acme.tenant_id) != acme.installation


@pytest.mark.parametrize("readers", [(None,), (BOB,), ()])
def test_changed_permissions_of_an_answer_guard_it_and_not_its_question(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, readers: tuple[str | None, ...]
) -> None:
    acme, globex = sites
    question = asked(database, acme)
    restricted, still = (answered(database, acme, question) for _ in range(2))
    for content_id in (restricted, still):
        confluence.put(replace(reply_to(replace(content(), id=question.item.id)), id=content_id), *readers)
    confluence.put(replace(content(), id=question.item.id), None)
    report(database, globex, still, "permissions_updated", actor=MALLORY)
    report(database, acme, restricted, "permissions_updated", actor=BOB)

    assert follow_changes(shared) == 2

    assert {row.id: row.is_guarded for row in rows_of(database, acme, Answer)} == {restricted: True, still: False}
    assert not only_row(database, acme, Question).is_guarded


CLOSED = {"state": QuestionState.CLOSED, "closed_at": NOW, "close_reason": CloseReason.OUTDATED}
LOCKED = {"locked_at": NOW}


def change_question(database: Database, site: Site, **values: Any) -> None:
    database.write(partial(Session.execute, statement=update_rows(site.tenant_id, Question).values(**values)))


def allow_one_answer_each(database: Database, site: Site) -> None:
    wanted = SpaceSettings(one_answer_each=True)
    work = partial(change_space_settings, tenant_id=site.tenant_id, space_id=ENG, wanted=wanted, now=NOW)
    database.write(work)


@pytest.mark.parametrize(("values", "code"), [(CLOSED, "question-closed"), (LOCKED, "question-locked")])
def test_an_answer_that_the_api_refuses_is_not_registered_by_its_webhook(
    shared: Services,
    confluence: FakeConfluence,
    database: Database,
    sites: Sites,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, Any],
    code: str,
) -> None:
    acme, _ = sites
    caplog.set_level(logging.INFO)
    question = asked(database, acme)
    held = answered(database, acme, question)
    change_question(database, acme, **values)
    item = replace(content(), id=question.item.id)
    new, known = reply_to(item), replace(reply_to(item), id=held)
    for shown in (item, new, known):
        confluence.put(shown, None)
    for reply in (new, known):
        report(database, acme, reply.id, "created", actor=BOB)

    assert follow_changes(shared) == 2

    assert only_row(database, acme, Answer).id == held
    assert only_row(database, acme, Question).answer_count == 1
    assert waiting(database) == []
    assert [code in record.getMessage() for record in caplog.records if "follow_refused" in record.getMessage()] == [
        True
    ]


@pytest.mark.parametrize("is_one_each", [True, False])
def test_a_second_answer_by_the_same_person_is_registered_where_the_space_allows_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, is_one_each: bool
) -> None:
    acme, globex = sites
    allow_one_answer_each(database, acme if is_one_each else globex)
    item = content()
    first, second, by_carol = reply_to(item), reply_to(item), reply_to(item, author=CAROL)
    for shown in (item, first, second, by_carol):
        confluence.put(shown, None)
    for reply in (first, second, by_carol, first):
        report(database, acme, reply.id, "created", actor=BOB)
        follow_changes(shared)

    expected = {first.id, by_carol.id} if is_one_each else {first.id, second.id, by_carol.id}
    assert {row.id for row in rows_of(database, acme, Answer)} == expected

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=first.id, now=NOW))
    report(database, acme, second.id, "updated", actor=BOB)
    follow_changes(shared)
    assert {row.id for row in rows_of(database, acme, Answer)} == {first.id, second.id, by_carol.id}


def test_while_confluence_is_away_changes_wait_and_are_applied_later(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    confluence.is_away = True

    assert follow_changes(shared) == 0

    assert rows_of(database, acme, Question) == []
    assert waiting(database) == []
    assert len(waiting(database, NOW + timedelta(seconds=30))) == 1

    confluence.is_away = False
    assert follow_changes(shared) == 0
    assert follow_changes(at(shared, NOW + timedelta(seconds=30))) == 1
    assert only_row(database, acme, Question).id == item.id


def test_a_site_that_is_away_loses_nothing_however_long_and_however_many_look(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    confluence.is_away = True
    moment = NOW
    for _ in range(20):
        at_once([partial(follow_changes, at(shared, moment))] * 3)
        moment += timedelta(hours=1)

    confluence.is_away = False
    assert follow_changes(at(shared, moment)) == 1
    assert only_row(database, acme, Question).id == item.id


def test_a_site_that_is_away_holds_up_nobody_else(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    for _ in range(3):
        report(database, acme, content().id, "created")
    confluence.away_sites.add(acme.tenant_id)
    other = content(author=MALLORY, space_id=MKT)
    confluence.put(other, None)
    report(database, globex, other.id, "created")

    assert follow_changes(shared) == 1

    assert only_row(database, globex, Question).id == other.id
    assert confluence.refusals == 1


def test_a_run_ends_before_the_hosts_limit(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(5):
        item = content()
        confluence.put(item, None)
        report(database, acme, item.id, "created")
    seconds = count(0, 25)

    assert follow_changes(shared, lambda: float(next(seconds))) == 1
    assert follow_changes(shared) == 4


def test_a_disabled_sites_changes_wait_for_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content()
    confluence.put(item, None)
    report(database, acme, item.id, "created")
    set_state(database, acme, InstallationState.DISABLED)
    assert follow_changes(shared) == 0

    set_state(database, acme, InstallationState.ACTIVE)
    shared.tenants.forget(acme.installation.client_key)
    assert follow_changes(at(shared, NOW + timedelta(seconds=30))) == 1
    assert only_row(database, acme, Question).id == item.id


def test_a_restriction_that_hides_the_item_from_us_guards_it_all_the_same(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    report(database, acme, question.item.id, "permissions_updated")
    confluence.is_away = True

    follow_changes(shared)

    assert only_row(database, acme, Question).is_guarded


@pytest.mark.parametrize("change", ["updated", "permissions_updated", "created"])
def test_only_restored_brings_a_removed_question_back(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, change: ContentChange
) -> None:
    """What was read before the removal may be written after it."""
    acme, _ = sites
    question = asked(database, acme)
    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=question.item.id, now=NOW))
    confluence.put(replace(content(), id=question.item.id), None)
    report(database, acme, question.item.id, change)

    follow_changes(shared)

    assert only_row(database, acme, Question).deleted_at == NOW


def test_a_change_that_never_succeeds_is_given_up_and_kept(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    first, second = content(), content()
    reply = reply_to(first)
    for item in (first, second, reply):
        confluence.put(item, None)
        report(database, acme, item.id, "created")
    moment = NOW
    follow_changes(at(shared, moment))
    follow_changes(at(shared, moment + timedelta(seconds=5)))
    confluence.put(replace(reply, container_id=second.id), None)
    report(database, acme, reply.id, "updated")
    (event,) = waiting(database)
    for _ in range(12):
        follow_changes(at(shared, moment))
        moment += timedelta(hours=1)

    row = database.read(lambda session: session.get(OutboxRow, event.id))
    assert row is not None
    assert (row.attempts, row.dead_at) == (12, moment - timedelta(hours=1))


def test_a_change_that_cannot_be_applied_does_not_hold_up_those_behind_it(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    """An answer that Confluence now shows under another question fits no row; the question after it must arrive."""
    acme, _ = sites
    first, second = content(), content()
    reply = reply_to(first)
    for item in (first, second, reply):
        confluence.put(item, None)
        report(database, acme, item.id, "created")
    follow_changes(shared)
    later = content()
    confluence.put(replace(reply, container_id=second.id), None)
    confluence.put(later, None)
    report(database, acme, reply.id, "updated")
    report(database, acme, later.id, "created")

    assert follow_changes(shared) == 1

    assert later.id in {row.id for row in rows_of(database, acme, Question)}
    assert only_row(database, acme, Answer).question_id == first.id
    assert len(waiting(database, NOW + timedelta(seconds=5))) == 1


@pytest.mark.parametrize("state", [InstallationState.UNINSTALLED, InstallationState.PURGING])
@pytest.mark.parametrize("change", ["created", "trashed"])
def test_an_event_of_an_installation_that_is_not_active_ends_without_effect(
    shared: Services,
    confluence: FakeConfluence,
    database: Database,
    sites: Sites,
    state: InstallationState,
    change: ContentChange,
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    new = content()
    confluence.put(new, None, ALICE)
    report(database, acme, new.id if change == "created" else question.item.id, change)
    set_state(database, acme, state)

    follow_changes(shared)

    row = only_row(database, acme, Question)
    assert (row.id, row.deleted_at) == (question.item.id, None)
    assert waiting(database) == []


def test_more_changes_than_one_batch_are_all_applied(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(60):
        item = content()
        confluence.put(item, None)
        report(database, acme, item.id, "created")

    assert follow_changes(shared) == 60

    assert len(rows_of(database, acme, Question)) == 60


def test_many_followers_at_once_apply_each_change_once(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    for _ in range(6):
        reply = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
        confluence.put(reply, None)
        report(database, acme, reply.id, "created")
    confluence.put(replace(content(), id=question.item.id), None)
    works: list[Callable[[], int]] = [partial(follow_changes, shared)] * 4

    succeeded(at_once(works))
    follow_changes(at(shared, NOW + timedelta(minutes=1)))

    assert [row.answer_count for row in rows_of(database, acme, Question) if row.id == question.item.id] == [6]
    assert len(events_of(database, acme, EventKind.QUESTION_ANSWERED)) == 6
    assert waiting(database, NOW + timedelta(days=1)) == []


def test_mallorys_webhook_changes_nothing_on_another_site(shared: Services, database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    for content_id in (question.item.id, answer_id):
        report(database, globex, content_id, "removed", actor=MALLORY)

    assert follow_changes(shared) == 2

    assert only_row(database, acme, Question).deleted_at is None
    assert only_row(database, acme, Answer).deleted_at is None
    assert rows_of(database, globex, Question) == []


def test_a_question_removed_by_hand_stays_hidden_when_confluence_says_so_again(
    shared: Services, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    earlier = NOW - timedelta(minutes=5)
    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=question.item.id, now=earlier))
    report(database, acme, question.item.id, "removed")

    follow_changes(shared)

    assert only_row(database, acme, Question).deleted_at == earlier
