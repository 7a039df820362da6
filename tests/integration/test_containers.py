"""Pages and spaces that move, go and come back: what webhooks note, and what following makes of it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from lib.authentication import Identity, Request, authenticate_context
from lib.confluence import Content
from lib.errors import NotFound
from lib.events import ContainerChange, EventKind
from lib.principal import AccountId, ContentId, SpaceId
from lib.services import Services
from lib.spaces import SpaceRow, SpaceStatus, note_space
from lib.sql import Database, update_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow
from lib.web import Call
from lifecycle import triggers
from lifecycle.webhooks import Report, Stale, note_report
from questions_api.following.following import follow_changes
from questions_api.model import Answer, Question
from questions_api.posts import QuestionHead, register_answer, register_question, remove_post
from questions_api.seeing import see_question
from tests import factories
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    HR,
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
from tests.tokens import ALICE, BOB, DAVE, MALLORY, context_token

Sites = tuple[Site, Site]
PAGE = 98307


@pytest.fixture
def confluence() -> FakeConfluence:
    return FakeConfluence()


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence) -> Services:
    return beside(services, confluence)


def note(database: Database, site: Site, report: Report) -> None:
    work = partial(note_report, tenant_id=site.tenant_id, report=report, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def container(change: ContainerChange, *, page: int = PAGE, actor: str | None = ALICE) -> Report:
    actor_id = None if actor is None else AccountId(actor)
    return Report(container_id=page, container_change=change, stale=Stale.RESTRICTIONS, actor_id=actor_id)


SPACES_CHANGED = Report(has_changed_spaces=True)


def in_confluence(confluence: FakeConfluence, question: QuestionHead, *readers: str | None, **changes: Any) -> Content:
    """Puts what the question's row is about into Confluence."""
    base = content(space_id=question.item.space_id, page_id=PAGE)
    item = replace(base, id=question.item.id, author_id=question.author_id or AccountId(ALICE), **changes)
    confluence.put(item, *readers)
    return item


def reply_to(database: Database, site: Site, question: QuestionHead, confluence: FakeConfluence) -> ContentId:
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    work = partial(register_answer, tenant_id=site.tenant_id, question_id=question.item.id, content=item, now=NOW)
    database.write(work, tenant_id=site.tenant_id)
    confluence.put(item, None)
    return item.id


def epochs(services: Services, site: Site) -> tuple[int, int]:
    services.tenants.forget(site.installation.client_key)
    found = services.tenants.by_id(site.tenant_id)
    assert found is not None
    return found.permission_epoch, found.restriction_epoch


def space_epochs(database: Database, site: Site) -> dict[SpaceId, int]:
    return {row.space_id: row.permission_epoch for row in rows_of(database, site, SpaceRow)}


def statuses(database: Database, site: Site) -> dict[SpaceId, str]:
    return {row.space_id: row.status for row in rows_of(database, site, SpaceRow)}


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


# What a webhook notes.


@pytest.mark.parametrize("stale", [Stale.NOTHING, Stale.RESTRICTIONS, Stale.PERMISSIONS])
def test_a_webhook_makes_stale_what_it_says_and_nothing_else(
    services: Services, database: Database, sites: Sites, stale: Stale
) -> None:
    acme, globex = sites
    asked(database, acme)
    note(database, acme, Report(stale=stale))

    assert epochs(services, acme) == (int(stale is Stale.PERMISSIONS), int(stale is Stale.RESTRICTIONS))
    assert epochs(services, globex) == (0, 0)
    assert space_epochs(database, acme) == {ENG: 1}


def test_a_space_that_is_known_by_id_is_the_only_one_asked_anew(
    services: Services, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    asked(database, acme)
    asked(database, acme, space_id=HR)
    note(database, acme, Report(stale=Stale.SPACE, space_id=HR, space_key="HR"))

    assert space_epochs(database, acme) == {ENG: 1, HR: 2}
    assert epochs(services, acme) == (0, 0)
    assert space_epochs(database, globex) == {}


def test_a_space_that_is_not_known_by_id_makes_the_whole_site_stale(
    services: Services, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    asked(database, acme)
    note(database, acme, Report(stale=Stale.SPACE, space_key="ENG"))

    assert epochs(services, acme) == (1, 0)
    assert epochs(services, globex) == (0, 0)


def test_only_a_container_with_questions_is_followed(database: Database, sites: Sites) -> None:
    acme, globex = sites
    asked(database, acme, page_id=PAGE)
    note(database, acme, container("moved", page=PAGE + 1))
    note(database, globex, container("moved"))
    assert events_of(database, acme, EventKind.CONTAINER_CHANGED) == []
    assert events_of(database, globex, EventKind.CONTAINER_CHANGED) == []

    note(database, acme, container("moved"))
    assert len(events_of(database, acme, EventKind.CONTAINER_CHANGED)) == 1


def test_many_changes_of_spaces_are_one_event_until_somebody_reads(
    shared: Services, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    for _ in range(3):
        note(database, acme, SPACES_CHANGED)
    assert len(events_of(database, acme, EventKind.SPACES_CHANGED)) == 1
    assert events_of(database, globex, EventKind.SPACES_CHANGED) == []

    follow_changes(shared)
    note(database, acme, SPACES_CHANGED)
    assert len(events_of(database, acme, EventKind.SPACES_CHANGED)) == 1


# Naming the space by its key.


def call_of(services: Services, site: Site) -> Call:
    request = Request("POST", "/connect/webhooks/space_permissions_updated", {}, {}, b"", NOW)
    return Call(services, request, Identity(cast("Any", None), site.installation), trace_of(None))


KEYED = Report(stale=Stale.SPACE, space_key="ENG")


def test_a_spaces_key_is_turned_into_its_id(shared: Services, confluence: FakeConfluence, sites: Sites) -> None:
    confluence.allow(None, ENG)
    confluence.space_keys[ENG] = "ENG"
    assert triggers._with_space(call_of(shared, sites[0]), KEYED).space_id == ENG


def test_a_key_that_cannot_be_resolved_stays_a_key(shared: Services, confluence: FakeConfluence, sites: Sites) -> None:
    call = call_of(shared, sites[0])
    assert triggers._with_space(call, KEYED) == KEYED
    confluence.is_away = True
    assert triggers._with_space(call, KEYED) == KEYED


def test_a_webhook_does_not_wait_long_for_a_spaces_id(
    shared: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    class Slow(FakeConfluence):
        def space_id_of(self, caller: Any, key: str) -> SpaceId | None:
            assert released.wait(30)
            return FakeConfluence.space_id_of(self, caller, key)

    monkeypatch.setattr(triggers, "_LOOKUP_S", 0.05)
    slow = beside(shared, Slow())
    try:
        assert triggers._with_space(call_of(slow, sites[0]), KEYED) == KEYED
    finally:
        released.set()


# Following a container.


def test_the_questions_of_a_moved_page_follow_it_to_its_space(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    moved, other = asked(database, acme, page_id=PAGE), asked(database, acme, page_id=PAGE + 1)
    in_confluence(confluence, moved, None, space_id=HR)
    note(database, acme, container("moved"))

    assert follow_changes(shared) == 1

    held = {row.id: (row.space_id, row.container_id) for row in rows_of(database, acme, Question)}
    assert held == {moved.item.id: (HR, PAGE), other.item.id: (ENG, PAGE + 1)}
    # Once with the webhook, and again for whoever looked before the row had followed.
    assert epochs(shared, acme) == (0, 2)
    assert statuses(database, acme) == {ENG: "current", HR: "current"}
    assert events_of(database, acme, EventKind.CONTAINER_CHANGED) == []


@pytest.mark.parametrize("reader", [DAVE, ALICE])
def test_what_the_app_does_not_see_is_read_as_the_actor_and_then_as_the_author(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, reader: str
) -> None:
    acme, _ = sites
    question = asked(database, acme, author=ALICE, page_id=PAGE)
    in_confluence(confluence, question, reader, space_id=HR)
    note(database, acme, container("moved", actor=DAVE))

    follow_changes(shared)

    row = only_row(database, acme, Question)
    # On a page it is confirmed for every viewer without a guard.
    assert (row.space_id, row.is_guarded) == (HR, False)


@pytest.mark.parametrize("change", ["moved", "restored", "trashed"])
def test_what_left_its_page_and_is_restricted_is_shown_to_its_readers_alone(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, change: ContainerChange
) -> None:
    """Directly in a space nothing but the guard makes a read ask Confluence."""
    acme, globex = sites
    for person in (ALICE, BOB):
        confluence.allow(person, ENG, questions="v")
    restricted, still = asked(database, acme, page_id=PAGE), asked(database, acme, page_id=PAGE)
    place: dict[str, Any] = {"container_kind": "space", "container_id": int(ENG)}
    item = in_confluence(confluence, restricted, ALICE, **place)
    in_confluence(confluence, still, None, ALICE, BOB, **place)
    database.write(partial(register_question, tenant_id=globex.tenant_id, content=item, now=NOW))
    note(database, acme, container(change, actor=None))

    follow_changes(shared)

    assert {row.id: row.is_guarded for row in rows_of(database, acme, Question)} == {
        restricted.item.id: True,
        still.item.id: False,
    }
    assert not sees(shared, BOB, restricted.item.id)
    assert sees(shared, ALICE, restricted.item.id)
    assert sees(shared, BOB, still.item.id)
    assert not only_row(database, globex, Question).is_guarded


@pytest.mark.parametrize("change", ["moved", "restored"])
def test_unseen_is_not_gone(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, change: ContainerChange
) -> None:
    acme, _ = sites
    question = asked(database, acme, page_id=PAGE)
    in_confluence(confluence, question, BOB)
    note(database, acme, container(change))

    assert follow_changes(shared) == 1

    assert only_row(database, acme, Question).deleted_at is None


@pytest.mark.parametrize("change", ["trashed", "removed"])
def test_the_questions_of_a_page_that_is_gone_go_and_others_stay(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, change: ContainerChange
) -> None:
    acme, _ = sites
    gone, elsewhere, other = (asked(database, acme, page_id=PAGE + (n == 2)) for n in range(3))
    in_confluence(confluence, elsewhere, ALICE, container_id=PAGE + 5)
    note(database, acme, container(change, actor=None))

    follow_changes(shared)

    held = {row.id: (row.deleted_at, row.container_id) for row in rows_of(database, acme, Question)}
    assert held == {
        gone.item.id: (NOW, PAGE),
        elsewhere.item.id: (None, PAGE + 5),
        other.item.id: (None, PAGE + 1),
    }


def test_a_restored_page_brings_its_questions_and_their_answers_back(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme, page_id=PAGE)
    kept, back, gone = (reply_to(database, acme, question, confluence) for _ in range(3))
    confluence.put(confluence.item(gone))
    for answer_id in (back, gone):
        database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=answer_id, now=NOW))
    note(database, acme, container("trashed"))
    follow_changes(shared)
    assert only_row(database, acme, Question).deleted_at == NOW

    in_confluence(confluence, question, None)
    note(database, acme, container("restored"))
    follow_changes(shared)

    row = only_row(database, acme, Question)
    assert (row.deleted_at, row.answer_count) == (None, 2)
    assert {row.id for row in rows_of(database, acme, Answer) if row.deleted_at is None} == {kept, back}
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1


def test_an_answer_that_comes_back_for_people_alone_is_guarded(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme, page_id=PAGE)
    still, restricted = (reply_to(database, acme, question, confluence) for _ in range(2))
    in_confluence(confluence, question, None)
    confluence.put(confluence.item(restricted), BOB)
    note(database, acme, container("restored", actor=None))

    follow_changes(shared)

    assert {row.id: row.is_guarded for row in rows_of(database, acme, Answer)} == {still: False, restricted: True}


def test_more_questions_than_a_batch_follow_their_page(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(120):
        in_confluence(confluence, asked(database, acme, page_id=PAGE), None, space_id=HR)
    note(database, acme, container("moved"))

    assert follow_changes(shared) == 1

    assert {row.space_id for row in rows_of(database, acme, Question)} == {HR}


def test_a_page_waits_while_its_site_is_away(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme, page_id=PAGE)
    note(database, acme, container("removed"))
    confluence.is_away = True
    assert follow_changes(shared) == 0
    assert only_row(database, acme, Question).deleted_at is None

    confluence.is_away = False
    assert follow_changes(replace(shared, now=lambda: NOW + timedelta(seconds=30))) == 1
    assert {row.id for row in rows_of(database, acme, Question) if row.deleted_at} == {question.item.id}


def test_mallorys_page_of_the_same_id_moves_nothing_here(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    ours = asked(database, acme, page_id=PAGE)
    theirs = asked(database, globex, author=MALLORY, space_id=MKT, page_id=PAGE)
    note(database, globex, container("removed", actor=MALLORY))

    assert follow_changes(shared) == 1

    assert only_row(database, acme, Question).deleted_at is None
    assert only_row(database, globex, Question).deleted_at == NOW
    assert ours.item.id != theirs.item.id


# Spaces.


def test_archiving_and_bringing_back_a_space_is_followed(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    asked(database, acme)
    asked(database, globex, author=MALLORY)
    confluence.allow(None, ENG)
    for archived, status in (({ENG}, SpaceStatus.ARCHIVED), (set[SpaceId](), SpaceStatus.CURRENT)):
        confluence.archived_spaces = archived
        note(database, acme, SPACES_CHANGED)
        assert follow_changes(shared) == 1
        assert statuses(database, acme) == {ENG: status}
        assert shared.spaces.of(acme.tenant_id, ENG).status is status
    assert space_epochs(database, acme) == {ENG: 3}
    assert space_epochs(database, globex) == {ENG: 1}


def test_a_space_that_an_author_still_sees_is_not_missing(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme, author=BOB, created_at=NOW - timedelta(days=2))
    asked(database, acme, author=ALICE)
    confluence.allow(BOB, ENG)
    confluence.archived_spaces = {ENG}
    note(database, acme, SPACES_CHANGED)

    follow_changes(shared)

    assert statuses(database, acme) == {ENG: "archived"}


def test_a_space_that_nobody_is_shown_is_missing_since_then_and_comes_back_unharmed(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    note(database, acme, SPACES_CHANGED)
    follow_changes(shared)
    row = only_row(database, acme, SpaceRow)
    assert (row.status, row.missing_since) == ("missing", NOW)

    later = replace(shared, now=lambda: NOW + timedelta(days=3))
    note(database, acme, SPACES_CHANGED)
    follow_changes(later)
    assert only_row(database, acme, SpaceRow).missing_since == NOW

    confluence.allow(ALICE, ENG)
    note(database, acme, SPACES_CHANGED)
    follow_changes(later)
    row = only_row(database, acme, SpaceRow)
    assert (row.status, row.missing_since) == ("current", None)
    assert only_row(database, acme, Question).id == question.item.id
    assert only_row(database, acme, Question).deleted_at is None


def test_a_space_in_which_nobody_ever_asked_is_left_as_it_is(
    shared: Services, database: Database, sites: Sites
) -> None:
    """There is nobody who could be asked for it, and its settings must not be lost for that."""
    acme, _ = sites
    work = partial(note_space, tenant_id=acme.tenant_id, space_id=HR, now=NOW)
    database.write(work, tenant_id=acme.tenant_id)
    note(database, acme, SPACES_CHANGED)

    assert follow_changes(shared) == 1

    assert statuses(database, acme) == {HR: "current"}


def test_a_space_about_which_nobody_is_left_to_ask_is_left_as_it_is(
    shared: Services, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme)
    former = update_rows(acme.tenant_id, AccountRow).values(atlassian_account_id=None)
    database.write(partial(Session.execute, statement=former))
    note(database, acme, SPACES_CHANGED)

    assert follow_changes(shared) == 1

    assert statuses(database, acme) == {ENG: "current"}


@pytest.mark.parametrize(("reader", "status"), [(BOB, "current"), (DAVE, "missing")])
def test_who_answered_in_a_space_is_asked_for_it_too(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites, reader: str, status: str
) -> None:
    acme, _ = sites
    answered(database, acme, asked(database, acme), author=BOB)
    for number in range(3):
        asked(database, acme, author=f"author-{number}")
    confluence.allow(reader, ENG)
    note(database, acme, SPACES_CHANGED)

    follow_changes(shared)

    assert statuses(database, acme) == {ENG: status}


def test_spaces_of_a_site_that_is_away_are_believed_as_before(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme)
    note(database, acme, SPACES_CHANGED)
    confluence.is_away = True

    assert follow_changes(shared) == 0

    assert statuses(database, acme) == {ENG: "current"}
    assert confluence.refusals == 1


def test_the_copy_of_a_space_has_questions_of_its_own_without_votes(
    shared: Services, confluence: FakeConfluence, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    original = asked(database, acme)
    copies = [content(space_id=HR) for _ in range(2)]
    reply = content(type_key=ANSWER_TYPE, author=BOB, question_id=copies[0].id)
    for item in (*copies, reply):
        confluence.put(item, None)
        note(database, acme, Report(content_id=item.id, change="created", actor_id=AccountId(DAVE)))

    assert follow_changes(shared) == 3

    held = {row.id: (row.space_id, row.score, row.answer_count) for row in rows_of(database, acme, Question)}
    assert held == {
        original.item.id: (ENG, 0, 0),
        copies[0].id: (HR, 0, 1),
        copies[1].id: (HR, 0, 0),
    }


# Any order, any number of times.


@dataclass(slots=True)
class World:
    """A question on a page, in Confluence and here; each step changes Confluence and says which webhook it sends."""

    confluence: FakeConfluence
    question: QuestionHead
    is_page_there: bool = True
    is_itself_there: bool = True
    space_id: SpaceId = ENG
    page: int = PAGE

    def settle(self) -> None:
        item = replace(content(page_id=self.page, space_id=self.space_id), id=self.question.item.id)
        self.confluence.put(item, *((None,) if self.is_page_there and self.is_itself_there else ()))

    def step(self, name: str) -> Report:
        match name:
            case "page_trashed" | "page_restored":
                self.is_page_there = name == "page_restored"
                report = container("trashed" if name == "page_trashed" else "restored")
            case "page_moved":
                self.space_id = HR if self.space_id == ENG else ENG
                report = container("moved")
            case _:
                self.is_itself_there = name == "content_restored"
                change: Any = name.removeprefix("content_")
                report = Report(content_id=self.question.item.id, change=change)
        self.settle()
        return report


STEPS = ("page_trashed", "page_restored", "page_moved", "content_trashed", "content_restored")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6))
def test_any_order_and_number_of_webhooks_ends_in_what_confluence_shows(
    services: Services, steps: list[str], data: st.DataObject
) -> None:
    confluence = FakeConfluence()
    shared = beside(services, confluence)
    site = _fresh_site(services)
    world = World(confluence, asked(services.database, site, page_id=PAGE))
    world.settle()
    reports = []
    for step in steps:
        reports.append(world.step(step))
        if data.draw(st.booleans(), label="followed at once"):
            note(services.database, site, reports.pop())
            follow_changes(shared)
    doubled = data.draw(st.lists(st.sampled_from(reports), max_size=3)) if reports else []
    for report in data.draw(st.permutations([*reports, *doubled])):
        note(services.database, site, report)
        follow_changes(shared)

    row = only_row(services.database, site, Question)
    assert (row.deleted_at is None) == (world.is_page_there and world.is_itself_there)
    if row.deleted_at is None:
        assert (row.space_id, row.container_id) == (world.space_id, PAGE)


_clients = iter(range(1_000_000))


def _fresh_site(services: Services) -> Site:
    """A site of its own for each example: the database is made once for all of them."""
    number = next(_clients)
    installation = factories._install(services, f"client-{number}", "s" * 32, "https://acme.atlassian.net/wiki")
    return Site(installation, ())


@pytest.fixture(autouse=True)
def _no_lookups_left() -> Iterator[None]:
    """Threads that looked for a space in one test must not be met by the next."""
    yield
    triggers._lookups.cache_clear()
