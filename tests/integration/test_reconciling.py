"""Reconciling: what the webhooks did not tell is found in Confluence's lists, within points, time and leases."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from lib.authentication import Request, authenticate_context
from lib.confluence import Caller, Content, ContentKind, ContentPage, SpaceFacts
from lib.errors import NotFound, Unavailable
from lib.events import EventKind
from lib.points import TENANT_SHARE, PointsBook
from lib.principal import ContentId, Principal, SpaceId, TenantId
from lib.services import Services
from lib.spaces import SpaceRow, SpaceStatus, note_space, set_space_status
from lib.sql import Database, TenantRow, update_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, InstallationRow, InstallationState
from lib.web import Call
from questions_api.following import repairing
from questions_api.following.comparing import compare_questions
from questions_api.following.forgetting import forget_missing_spaces
from questions_api.following.model import PassKind, ReconcileRow
from questions_api.following.passes import LEASE, claim_site
from questions_api.following.reconciling import reconcile
from questions_api.model import Answer, PostKind, Question
from questions_api.posts import find_question, register_question, remove_post
from questions_api.seeing import see_question
from questions_api.tags.model import QuestionTag, Tag, TagUse
from questions_api.votes.casting import cast_vote
from questions_api.votes.model import Vote
from questions_api.watches.model import Watch
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    HR,
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
from tests.fakes import Clock, FakeConfluence
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, DAVE, MALLORY, context_token

Sites = tuple[Site, Site]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(slots=True)
class Listing(FakeConfluence):
    """Remembers the lists that were read, and may take no link any more."""

    lists: list[tuple[ContentKind, str, str | None]] = field(default_factory=list)
    refuses_links: bool = False
    asked_spaces: int = 0
    on_list: Callable[[], None] | None = None

    def contents_page(
        self,
        caller: Caller,
        kind: ContentKind,
        *,
        link: str | None = None,
        sort: str = "id",
        space_id: SpaceId | None = None,
    ) -> ContentPage:
        self.lists.append((kind, sort, link))
        if self.refuses_links and link is not None:
            raise Unavailable
        if self.on_list is not None:
            self.on_list()
        # The decorator makes the class anew for its slots, so `super` would not find it.
        return FakeConfluence.contents_page(self, caller, kind, link=link, sort=sort, space_id=space_id)

    def spaces(self, caller: Caller, ids: Iterable[SpaceId]) -> dict[SpaceId, SpaceFacts]:
        wanted = list(ids)
        self.asked_spaces += len(wanted)
        return FakeConfluence.spaces(self, caller, wanted)


@pytest.fixture
def confluence() -> Listing:
    made = Listing()
    made.allow(None, ENG)
    made.allow(None, HR)
    return made


@pytest.fixture
def shared(services: Services, confluence: Listing) -> Services:
    return beside(services, confluence)


def at(services: Services, moment: datetime) -> Services:
    return replace(services, now=lambda: moment)


def put(confluence: FakeConfluence, *readers: str | None, modified_at: datetime = NOW, **changes: Any) -> Content:
    item = replace(content(**changes), modified_at=modified_at)
    confluence.put(item, *(readers or (None,)))
    return item


def keep(
    confluence: FakeConfluence,
    site: Site,
    database: Database,
    *readers: str | None,
    author: str = ALICE,
    **changes: Any,
) -> ContentId:
    """A question that is both here and in Confluence."""
    head = asked(database, site, author=author, created_at=NOW - DAY)
    item = replace(content(created_at=NOW - DAY), id=head.item.id, modified_at=NOW - DAY, **changes)
    confluence.put(item, *readers)
    return head.item.id


def passes(database: Database, site: Site) -> dict[str, ReconcileRow]:
    return {row.pass_kind: row for row in rows_of(database, site, ReconcileRow)}


def did(database: Database, site: Site, kind: PassKind) -> tuple[int, int, int, int]:
    row = passes(database, site)[kind]
    return row.checked, row.registered, row.updated, row.removed


def questions(database: Database, site: Site) -> dict[ContentId, Question]:
    return {row.id: row for row in rows_of(database, site, Question)}


def set_state(database: Database, site: Site, state: InstallationState) -> None:
    changed = update(InstallationRow).where(InstallationRow.tenant_id == site.tenant_id).values(state=state)
    database.write(partial(Session.execute, statement=changed))


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


# What is repaired.


def test_the_first_run_begins_all_passes_and_registers_what_was_missed(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    confluence.away_sites.add(globex.tenant_id)
    question = put(confluence, page_id=42)
    put(confluence, type_key=ANSWER_TYPE, author=BOB, question_id=question.id)
    put(confluence, type_key="ac:community-questions:cq-vote")

    assert reconcile(shared) == 4

    row = only_row(database, acme, Question)
    assert (row.id, row.container_id, row.answer_count) == (question.id, 42, 1)
    assert did(database, acme, PassKind.RECENT_QUESTIONS) == (1, 1, 0, 0)
    assert did(database, acme, PassKind.RECENT_ANSWERS) == (1, 1, 0, 0)
    assert did(database, acme, PassKind.ALL_QUESTIONS) == (1, 0, 0, 0)
    assert did(database, acme, PassKind.ALL_ANSWERS) == (1, 0, 0, 0)
    due = {kind: row.due_at - NOW for kind, row in passes(database, acme).items()}
    assert due == {kind: HOUR if kind.startswith("recent") else timedelta(days=7) for kind in PassKind}
    assert {row.finished_at for row in passes(database, acme).values()} == {NOW}
    assert {row.lease_until for row in passes(database, acme).values()} == {None}
    assert rows_of(database, globex, Question) == []


def test_a_second_run_in_the_same_hour_asks_nothing(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    put(confluence)
    reconcile(shared)
    confluence.lists.clear()

    assert reconcile(shared) == 0
    assert reconcile(at(shared, NOW + timedelta(minutes=59))) == 0

    assert confluence.lists == []
    assert len(events_of(database, sites[0], EventKind.QUESTION_ASKED)) == 1


def test_a_recent_pass_reads_until_what_the_last_one_has_seen(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    set_state(database, globex, InstallationState.UNINSTALLED)
    confluence.page_size = 2
    for age in range(6):
        put(confluence, modified_at=NOW - age * DAY)
    reconcile(shared)
    confluence.lists.clear()
    newest = put(confluence, modified_at=NOW + timedelta(minutes=30))

    reconcile(at(shared, NOW + HOUR))

    assert [(kind, sort) for kind, sort, _ in confluence.lists] == [
        ("question", "-modified-date"),
        ("question", "-modified-date"),
        ("answer", "-modified-date"),
    ]
    assert newest.id in questions(database, acme)
    assert did(database, acme, PassKind.RECENT_QUESTIONS) == (4, 1, 0, 0)
    assert passes(database, acme)[PassKind.RECENT_QUESTIONS].watermark == NOW + HOUR


def test_moves_are_followed_and_the_rest_is_left_alone(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    moved = keep(confluence, acme, database, None, space_id=HR, container_id=int(HR))
    still = keep(confluence, acme, database, None)

    reconcile(shared)

    held = {key: (row.space_id, row.version) for key, row in questions(database, acme).items()}
    assert held == {moved: (HR, 2), still: (ENG, 1)}
    assert did(database, acme, PassKind.ALL_QUESTIONS)[:3] == (2, 0, 0)
    assert did(database, acme, PassKind.RECENT_QUESTIONS)[:3] == (2, 0, 1)


@pytest.mark.parametrize(("minutes", "is_back"), [(11, True), (9, False)])
def test_what_is_current_in_confluence_comes_back_unless_it_has_just_gone(
    shared: Services, confluence: Listing, database: Database, sites: Sites, minutes: int, is_back: bool
) -> None:
    """A list may be older than the removal that we have followed since."""
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    confluence.put(replace(content(), id=question.item.id), None)
    reply = replace(content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id), id=answer_id)
    confluence.put(reply, None)
    gone_at = NOW - timedelta(minutes=minutes)
    for content_id in (answer_id, question.item.id):
        database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=content_id, now=gone_at))

    reconcile(shared)

    assert (only_row(database, acme, Question).deleted_at is None) is is_back
    assert (only_row(database, acme, Answer).deleted_at is None) is is_back
    assert only_row(database, acme, Question).answer_count == int(is_back)


def test_a_restriction_whose_webhook_was_lost_holds_after_a_pass_over_everything(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    confluence.away_sites.add(globex.tenant_id)
    for person in (ALICE, BOB):
        confluence.allow(person, ENG, questions="v")
    restricted, still = (keep(confluence, acme, database, None, ALICE, BOB) for _ in range(2))
    item = confluence.item(restricted)
    database.write(partial(register_question, tenant_id=globex.tenant_id, content=item, now=NOW))
    confluence.put(item, ALICE)
    assert sees(shared, BOB, restricted)

    reconcile(shared)

    assert not sees(shared, BOB, restricted)
    assert sees(shared, ALICE, restricted)
    assert sees(shared, BOB, still)
    held = {key: (row.is_guarded, row.missing_since) for key, row in questions(database, acme).items()}
    assert held == {restricted: (True, None), still: (False, None)}
    assert did(database, acme, PassKind.ALL_QUESTIONS) == (2, 0, 1, 0)
    assert not only_row(database, globex, Question).is_guarded

    reconcile(at(shared, NOW + 8 * DAY))
    assert did(database, acme, PassKind.ALL_QUESTIONS) == (2, 0, 0, 0)
    assert questions(database, acme)[restricted].is_guarded


def test_what_the_app_does_not_see_but_somebody_does_stays(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    by_author = keep(confluence, acme, database, ALICE)
    by_answerer = keep(confluence, acme, database, BOB)
    head = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=by_answerer))
    answered(database, acme, head, author=BOB)

    reconcile(shared)
    reconcile(at(shared, NOW + 8 * DAY))

    held = {key: (row.deleted_at, row.missing_since, row.is_guarded) for key, row in questions(database, acme).items()}
    assert held == {by_author: (None, None, True), by_answerer: (None, None, True)}


def test_what_nobody_sees_is_missing_and_removed_a_day_later_by_another_pass(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    missing = keep(confluence, acme, database, DAVE)
    still = keep(confluence, acme, database, None)
    reconcile(shared)
    row = questions(database, acme)[missing]
    assert (row.missing_since, row.is_guarded, row.deleted_at) == (NOW, False, None)
    assert did(database, acme, PassKind.ALL_QUESTIONS) == (2, 0, 1, 0)

    reconcile(at(shared, NOW + DAY))
    assert questions(database, acme)[missing].deleted_at is None
    later = NOW + DAY + 2 * HOUR
    reconcile(at(shared, later))

    row = questions(database, acme)[missing]
    assert (row.deleted_at, row.missing_since) == (later, None)
    other = questions(database, acme)[still]
    assert (other.deleted_at, other.is_guarded) == (None, False)


def test_what_is_seen_again_is_not_missing_any_more(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    missing = keep(confluence, acme, database, DAVE)
    reconcile(shared)
    confluence.put(replace(confluence.item(missing), modified_at=NOW + HOUR), None)

    reconcile(at(shared, NOW + HOUR))

    row = questions(database, acme)[missing]
    assert (row.missing_since, row.deleted_at, row.is_guarded) == (None, None, False)


@pytest.mark.parametrize(("reader", "uses"), [(None, 1), (ALICE, 0)])
def test_while_it_is_missing_a_question_is_confirmed_for_each_viewer_and_counted_nowhere(
    shared: Services, confluence: Listing, database: Database, sites: Sites, reader: str | None, uses: int
) -> None:
    """Being missing leaves no guard behind; a restriction that was there before does, and so does one found then."""
    acme, _ = sites
    for person in (ALICE, BOB):
        confluence.allow(person, ENG, questions="v")
    question = asked(database, acme, created_at=NOW - DAY, tags=("ci",))
    item = replace(content(created_at=NOW - DAY), id=question.item.id, modified_at=NOW - DAY)
    confluence.put(item, BOB)
    reconcile(shared)
    assert only_row(database, acme, Question).missing_since == NOW
    assert only_row(database, acme, TagUse).use_count == 0
    assert (sees(shared, BOB, item.id), sees(shared, ALICE, item.id)) == (True, False)

    confluence.put(replace(item, modified_at=NOW + HOUR), reader, ALICE)
    reconcile(at(shared, NOW + 8 * DAY))

    row = only_row(database, acme, Question)
    assert (row.missing_since, row.is_guarded) == (None, reader is not None)
    assert only_row(database, acme, TagUse).use_count == uses


def test_a_question_on_a_page_that_only_people_are_shown_needs_no_guard(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(database, acme, created_at=NOW - DAY, page_id=42)
    item = content(created_at=NOW - DAY, page_id=42)
    confluence.put(replace(item, id=question.item.id), ALICE)

    reconcile(shared)

    row = only_row(database, acme, Question)
    assert (row.is_guarded, row.missing_since, row.deleted_at) == (False, None, None)


def test_an_answer_that_only_people_are_shown_is_guarded(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    question_id = keep(confluence, acme, database, None)
    head = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=question_id))
    restricted, still = (answered(database, acme, head) for _ in range(2))
    for answer_id, reader in ((restricted, BOB), (still, None)):
        item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question_id)
        confluence.put(replace(item, id=answer_id), reader)

    reconcile(shared)

    held = {row.id: (row.is_guarded, row.deleted_at) for row in rows_of(database, acme, Answer)}
    assert held == {restricted: (True, None), still: (False, None)}


def test_an_answer_refused_while_its_question_is_locked_is_registered_once_it_is_not(
    shared: Services, confluence: Listing, database: Database, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    acme, _ = sites
    caplog.set_level(logging.INFO)
    question_id = keep(confluence, acme, database, None)
    locked = update_rows(acme.tenant_id, Question)
    database.write(partial(Session.execute, statement=locked.values(locked_at=NOW)))
    reply = put(confluence, type_key=ANSWER_TYPE, author=BOB, question_id=question_id)

    only_all(shared, database, acme, PassKind.ALL_ANSWERS)
    assert rows_of(database, acme, Answer) == []
    assert did(database, acme, PassKind.ALL_ANSWERS) == (1, 0, 0, 0)
    assert [record for record in caplog.records if "question-locked" in record.getMessage()]

    database.write(partial(Session.execute, statement=locked.values(locked_at=None)))
    assert reconcile(shared) == 1
    assert only_row(database, acme, Answer).id == reply.id
    assert did(database, acme, PassKind.ALL_ANSWERS) == (1, 1, 0, 0)


def shut_the_app_out(confluence: Listing, space_id: SpaceId) -> None:
    del confluence._operations[None, space_id]


def test_the_posts_of_a_missing_space_wait_for_it_and_are_not_looked_for(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    elsewhere = asked(database, acme, created_at=NOW - DAY, space_id=HR)
    waiting = asked(database, acme, created_at=NOW - DAY)
    answered(database, acme, waiting)
    missed = update_rows(acme.tenant_id, Question).where(Question.id == waiting.item.id)
    database.write(partial(Session.execute, statement=missed.values(missing_since=NOW - 2 * DAY)))
    shut_the_app_out(confluence, ENG)

    for days in (0, 2, 8, 16, 29):
        reconcile(at(shared, NOW + days * DAY))

    statuses = {row.space_id: row.status for row in rows_of(database, acme, SpaceRow)}
    assert statuses == {ENG: SpaceStatus.MISSING, HR: SpaceStatus.CURRENT}
    held = questions(database, acme)
    assert held[elsewhere.item.id].deleted_at is not None
    assert held[waiting.item.id].deleted_at is None
    assert only_row(database, acme, Answer).deleted_at is None

    confluence.allow(None, ENG)
    confluence.put(replace(content(), id=waiting.item.id), None)
    reconcile(at(shared, NOW + 40 * DAY))
    row = questions(database, acme)[waiting.item.id]
    assert (row.missing_since, row.deleted_at) == (None, None)


@pytest.mark.parametrize(("is_shown", "missing_since"), [(False, None), (True, NOW)])
def test_a_question_that_nobody_is_left_to_ask_for_is_missing_only_where_the_app_is_shown_the_space(
    shared: Services,
    confluence: Listing,
    database: Database,
    sites: Sites,
    is_shown: bool,
    missing_since: datetime | None,
) -> None:
    acme, _ = sites
    asked(database, acme, created_at=NOW - DAY)
    former = update_rows(acme.tenant_id, AccountRow).values(atlassian_account_id=None)
    database.write(partial(Session.execute, statement=former))
    if not is_shown:
        shut_the_app_out(confluence, ENG)

    reconcile(shared)

    assert only_row(database, acme, SpaceRow).status == SpaceStatus.CURRENT
    assert only_row(database, acme, Question).missing_since == missing_since


def test_what_was_asked_a_moment_ago_is_not_missed(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme, created_at=NOW - timedelta(minutes=5))

    reconcile(shared)

    assert only_row(database, acme, Question).missing_since is None


def test_an_answer_that_nobody_sees_goes_where_its_question_is_seen(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    seen, unseen = keep(confluence, acme, database, None), keep(confluence, acme, database, ALICE)
    answers = {}
    for question_id in (seen, unseen):
        head = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=question_id))
        answers[question_id] = answered(database, acme, head)

    reconcile(shared)

    held = {row.id: row.deleted_at for row in rows_of(database, acme, Answer)}
    assert held == {answers[seen]: NOW, answers[unseen]: None}
    assert questions(database, acme)[seen].answer_count == 0
    assert did(database, acme, PassKind.ALL_ANSWERS) == (2, 0, 0, 1)


def test_an_answer_to_what_we_do_not_have_is_passed_over(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    put(confluence, type_key=ANSWER_TYPE, author=BOB, question_id=4711)

    reconcile(shared)

    assert rows_of(database, sites[0], Answer) == []


def test_gaps_between_and_after_pages_are_all_looked_into(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    confluence.page_size = 3
    readers: list[str | None] = [None, DAVE]
    kept = [keep(confluence, acme, database, readers[number % 3 == 1]) for number in range(20)]

    reconcile(shared)

    missing = [key for key in kept if questions(database, acme)[key].missing_since is not None]
    assert missing == [key for number, key in enumerate(kept) if number % 3 == 1]


def test_an_app_that_is_shown_nothing_removes_nothing_that_people_see(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(120):
        keep(confluence, acme, database, ALICE)

    reconcile(shared)

    rows = questions(database, acme).values()
    assert {(row.missing_since, row.deleted_at, row.is_guarded) for row in rows} == {(None, None, True)}
    assert passes(database, acme)[PassKind.ALL_QUESTIONS].checked == 120


def test_a_space_whose_webhook_was_lost_is_not_archived_for_good(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    keep(confluence, acme, database, None)
    archive = partial(set_space_status, tenant_id=acme.tenant_id, space_id=ENG, status=SpaceStatus.ARCHIVED, now=NOW)
    database.write(archive)

    reconcile(shared)

    assert only_row(database, acme, SpaceRow).status == SpaceStatus.CURRENT


@pytest.mark.parametrize("kind", [PassKind.ALL_QUESTIONS, PassKind.ALL_ANSWERS])
def test_spaces_are_followed_before_a_pass_over_everything_too(
    shared: Services, confluence: Listing, database: Database, sites: Sites, kind: PassKind
) -> None:
    acme, _ = sites
    asked(database, acme, created_at=NOW - DAY)
    only_all(shared, database, acme, kind)
    shut_the_app_out(confluence, ENG)

    assert reconcile(shared) == 1

    assert only_row(database, acme, SpaceRow).status == SpaceStatus.MISSING
    assert passes(database, acme)[kind].points == 1 + 1 + 1


def test_each_site_is_compared_with_its_own_rows(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    theirs = asked(database, globex, author=MALLORY, created_at=NOW - DAY)
    confluence.away_sites.add(globex.tenant_id)

    reconcile(shared)

    row = only_row(database, globex, Question)
    assert (row.id, row.missing_since) == (theirs.item.id, None)
    assert rows_of(database, acme, Question) == []


# Limits.


def many(confluence: Listing, number: int, page_size: int) -> None:
    confluence.page_size = page_size
    for _ in range(number):
        put(confluence, modified_at=NOW - DAY)


def only_all(shared: Services, database: Database, site: Site, kind: PassKind = PassKind.ALL_QUESTIONS) -> None:
    """Runs all passes over what is there now, and makes only one of those over everything due again."""
    reconcile(at(shared, NOW - HOUR / 2))
    changed = update_rows(site.tenant_id, ReconcileRow)
    database.write(partial(Session.execute, statement=changed.values(due_at=NOW + 300 * DAY)))
    due = changed.where(ReconcileRow.pass_kind == kind).values(due_at=NOW)
    database.write(partial(Session.execute, statement=due))


def test_a_run_spends_no_more_than_its_points_and_the_next_goes_on(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    many(confluence, 1000, 100)
    confluence.lists.clear()
    soon = at(shared, NOW + timedelta(minutes=5))

    assert reconcile(soon, points_per_run=600) == 0
    first = passes(database, acme)[PassKind.ALL_QUESTIONS]
    assert first.checked == 400
    assert first.points == 404
    assert first.due_at == NOW + timedelta(minutes=5)
    runs = 1
    while not reconcile(soon, points_per_run=600):
        runs += 1
        assert runs < 5

    row = passes(database, acme)[PassKind.ALL_QUESTIONS]
    assert (row.checked, row.registered, row.points) == (1000, 1000, 1010)
    assert row.finished_at == NOW + timedelta(minutes=5)
    assert len(confluence.lists) == 10
    assert len(rows_of(database, acme, Question)) == 1000


def test_points_also_bound_what_is_asked_for_singly(
    shared: Services, confluence: Listing, database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, _ = sites
    for name, value in (("_PAGE_COSTS", 10), ("_ASKED_AT_ONCE", 5), ("_ASKING_COSTS", 27)):
        monkeypatch.setattr(repairing, name, value)
    only_all(shared, database, acme)
    kept = [keep(confluence, acme, database, DAVE, author=f"author-{number}") for number in range(40)]

    assert reconcile(shared, points_per_run=60) == 0
    assert passes(database, acme)[PassKind.ALL_QUESTIONS].points == (1 + 1) + 1 + 6 * 6
    assert reconcile(shared, points_per_run=60) == 1

    row = passes(database, acme)[PassKind.ALL_QUESTIONS]
    assert (row.checked, row.updated) == (40, 40)
    assert {questions(database, acme)[key].missing_since for key in kept} == {NOW}


def test_nothing_is_asked_while_points_are_saved(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    put(confluence)
    confluence.points.spend(acme.tenant_id, 1_000_000, {})

    reconcile(shared)
    assert rows_of(database, acme, Question) == []
    assert len(rows_of(database, globex, Question)) == 1
    assert {row.due_at for row in passes(database, acme).values()} == {NOW}

    confluence.points = PointsBook()
    reconcile(shared)
    assert len(rows_of(database, acme, Question)) == 1


def test_reconciling_leaves_half_of_the_share_and_asks_nothing_beyond(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    set_state(database, globex, InstallationState.UNINSTALLED)
    asked(database, acme)
    put(confluence)
    confluence.points.add(acme.tenant_id, TENANT_SHARE // 2 + 1)
    assert not confluence.points.is_saving(acme.tenant_id)

    assert reconcile(shared) == 0

    assert (confluence.lists, confluence.asked_spaces) == ([], 0)
    assert {(row.due_at, row.started_at) for row in passes(database, acme).values()} == {(NOW, None)}

    confluence.points = PointsBook()
    confluence.points.add(acme.tenant_id, TENANT_SHARE // 2)
    assert reconcile(shared) == 4
    assert confluence.asked_spaces == 1


def test_many_spaces_cost_what_they_cost_once_a_pass_and_keep_no_page_from_being_read(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    set_state(database, globex, InstallationState.UNINSTALLED)

    def know(session: Session) -> None:
        for space_id in map(SpaceId, range(1, 701)):
            note_space(session, acme.tenant_id, space_id, now=NOW)
            confluence.allow(None, space_id)

    database.write(know)
    many(confluence, 500, 100)

    for _ in range(2):
        assert not passes_finished(database, acme)
        reconcile(shared, points_per_run=600)

    assert passes_finished(database, acme)
    # Three requests for 700 spaces in the first run; one more space where the last pass begins, in the second.
    assert {kind: row.points for kind, row in passes(database, acme).items()} == {
        PassKind.RECENT_QUESTIONS: 703 + 101,
        PassKind.RECENT_ANSWERS: 1,
        PassKind.ALL_QUESTIONS: 505,
        PassKind.ALL_ANSWERS: 704 + 1,
    }


def passes_finished(database: Database, site: Site) -> bool:
    rows = passes(database, site).values()
    return len(rows) == len(PassKind) and all(row.finished_at is not None for row in rows)


def test_what_a_run_spent_before_it_failed_is_noted(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    asked(database, acme, created_at=NOW - DAY)
    many(confluence, 30, 10)
    confluence.lists.clear()

    def fail() -> None:
        confluence.is_away = len(confluence.lists) >= 3

    confluence.on_list = fail
    assert reconcile(shared) == 0

    row = passes(database, acme)[PassKind.ALL_QUESTIONS]
    # The space; two pages of ten; what the first did not list, asked for twice; a third page in vain, twice.
    assert (row.finished_at is None or row.finished_at < NOW, row.started_at) == (True, NOW)
    assert row.points == (1 + 1) + 2 * 11 + 2 + 2


def test_a_run_ends_in_time(shared: Services, confluence: Listing, database: Database, sites: Sites) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    many(confluence, 50, 10)
    clock = Clock()
    confluence.on_list = lambda: clock.pass_(50)
    confluence.lists.clear()

    assert reconcile(shared, clock) == 0
    assert len(confluence.lists) == 3
    assert passes(database, acme)[PassKind.ALL_QUESTIONS].checked == 30

    assert reconcile(shared, clock) == 1
    assert len(rows_of(database, acme, Question)) == 50


def test_a_link_that_confluence_no_longer_takes_starts_the_pass_over(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    many(confluence, 40, 10)
    clock = Clock()
    confluence.on_list = lambda: clock.pass_(70)
    reconcile(shared, clock)
    assert passes(database, acme)[PassKind.ALL_QUESTIONS].next_link is not None
    confluence.on_list, confluence.refuses_links, confluence.page_size = None, True, 100
    confluence.lists.clear()

    assert reconcile(shared) == 1

    assert [link is None for _, _, link in confluence.lists] == [False, True]
    assert len(rows_of(database, acme, Question)) == 40


def test_a_site_that_is_away_is_put_off_and_holds_up_nobody(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    confluence.away_sites.add(acme.tenant_id)
    put(confluence, author=MALLORY)

    assert reconcile(shared) == 4
    assert {row.due_at - NOW for row in passes(database, acme).values()} == {timedelta(minutes=15)}
    assert len(rows_of(database, globex, Question)) == 1

    confluence.away_sites.clear()
    assert reconcile(at(shared, NOW + timedelta(minutes=14))) == 0
    assert reconcile(at(shared, NOW + timedelta(minutes=15))) == 4
    assert len(rows_of(database, acme, Question)) == 1


@pytest.mark.parametrize(
    "state", [InstallationState.DISABLED, InstallationState.UNINSTALLED, InstallationState.PURGING]
)
def test_a_site_that_is_not_active_is_passed_over(
    shared: Services, confluence: Listing, database: Database, sites: Sites, state: InstallationState
) -> None:
    acme, _ = sites
    put(confluence)
    set_state(database, acme, state)

    reconcile(shared)
    assert rows_of(database, acme, ReconcileRow) == []

    set_state(database, acme, InstallationState.ACTIVE)
    shared.tenants.forget(acme.installation.client_key)
    reconcile(shared)
    set_state(database, acme, state)
    confluence.lists.clear()
    assert reconcile(at(shared, NOW + 8 * DAY)) == 4
    assert {row.started_at for row in passes(database, acme).values()} == {NOW}


class KilledError(BaseException):
    """The process is gone; nothing may catch this."""


def test_a_killed_run_is_taken_up_after_its_lease_where_it_stopped(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    many(confluence, 50, 10)
    confluence.lists.clear()

    def die() -> None:
        if len(confluence.lists) == 3:
            raise KilledError

    confluence.on_list = die
    with pytest.raises(KilledError):
        reconcile(shared)
    confluence.on_list = None
    assert passes(database, acme)[PassKind.ALL_QUESTIONS].checked == 20
    assert reconcile(at(shared, NOW + LEASE)) == 0

    assert reconcile(at(shared, NOW + LEASE + timedelta(seconds=1))) == 1

    assert did(database, acme, PassKind.ALL_QUESTIONS) == (50, 50, 0, 0)
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 50


def test_whoever_has_lost_the_lease_writes_nothing_more(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    only_all(shared, database, acme)
    put(confluence)
    late = NOW + LEASE * 2

    def overtake() -> None:
        claim = partial(claim_site, tenant_id=acme.tenant_id, now=late, until=late + LEASE)
        assert database.write(claim)

    confluence.on_list = overtake

    assert reconcile(shared) == 0

    assert rows_of(database, acme, Question) == []
    assert {row.lease_until for row in passes(database, acme).values()} == {late + LEASE}


def test_a_site_is_in_one_hand_at_a_time(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    reconcile(shared)

    def claim(number: int) -> bool:
        until = NOW + LEASE + timedelta(seconds=number)
        return database.write(partial(claim_site, tenant_id=acme.tenant_id, now=NOW, until=until))

    assert sorted(succeeded(at_once([partial(claim, number) for number in range(6)]))) == [False] * 5 + [True]


def test_many_runs_at_once_register_each_question_once(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(30):
        put(confluence)

    succeeded(at_once([partial(reconcile, shared)] * 4))

    assert len(rows_of(database, acme, Question)) == 30
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 30
    assert did(database, acme, PassKind.RECENT_QUESTIONS) == (30, 30, 0, 0)


def test_one_sites_trouble_does_not_keep_the_others_from_their_turn(
    shared: Services, confluence: Listing, database: Database, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    acme, globex = sites
    put(confluence)

    def fail_for_acme(session: Session, tenant_id: TenantId, *more: Any, **options: Any) -> Any:
        if tenant_id == acme.tenant_id:
            raise ProgrammingError("SELECT", {}, Exception("broken"))
        return compare_questions(session, tenant_id, *more, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(repairing, "compare_questions", fail_for_acme)
        reconcile(shared)

    assert len(rows_of(database, globex, Question)) == 1
    assert {row.due_at - NOW for row in passes(database, acme).values()} == {HOUR}
    assert [record for record in caplog.records if "reconcile_failed" in record.getMessage()]


# Forgetting a space.


def miss(database: Database, site: Site, space_id: SpaceId, *, since: datetime) -> None:
    status = SpaceStatus.MISSING
    work = partial(set_space_status, tenant_id=site.tenant_id, space_id=space_id, status=status, now=since)
    assert database.write(work)


def fill_space(database: Database, site: Site, space_id: SpaceId) -> ContentId:
    question = asked(database, site, space_id=space_id, tags=("ci", "build"))
    answer_id = answered(database, site, question)
    head = database.read(partial(find_question, tenant_id=site.tenant_id, question_id=question.item.id))
    voter: Principal = site.principal(DAVE)
    database.write(partial(cast_vote, principal=voter, post=head.post, value=1, now=NOW))
    answer_post = replace(head.post, kind=PostKind.ANSWER, id=answer_id, author_id=None)
    database.write(partial(cast_vote, principal=voter, post=answer_post, value=1, now=NOW))
    return question.item.id


def hanging(database: Database, site: Site) -> dict[str, int]:
    tables: tuple[type[TenantRow], ...] = (Question, Answer, Vote, QuestionTag, TagUse, Watch, SpaceRow)
    return {table.__tablename__: len(rows_of(database, site, table)) for table in tables}


def test_a_space_is_forgotten_with_all_that_hangs_on_it_and_nothing_else(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, globex = sites
    kept = fill_space(database, acme, HR)
    alone, theirs = hanging(database, acme), hanging(database, globex)
    gone = [fill_space(database, acme, ENG) for _ in range(60)]
    pointing = update_rows(acme.tenant_id, Question).where(Question.id == kept).values(duplicate_of=gone[0])
    database.write(partial(Session.execute, statement=pointing))
    confluence._operations.pop((None, ENG))
    miss(database, acme, ENG, since=NOW - timedelta(days=30))

    assert forget_missing_spaces(shared) == 1

    assert hanging(database, acme) == alone
    assert hanging(database, globex) == theirs
    assert questions(database, acme)[kept].duplicate_of is None
    assert {row.slug: row.use_count for row in rows_of(database, acme, Tag)} == {"ci": 1, "build": 1}
    assert only_row(database, acme, SpaceRow).space_id == HR
    assert forget_missing_spaces(shared) == 0


def test_a_space_is_kept_for_thirty_days(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme)
    confluence._operations.pop((None, ENG))
    miss(database, acme, ENG, since=NOW - timedelta(days=30) + timedelta(milliseconds=1))

    assert forget_missing_spaces(shared) == 0
    assert len(rows_of(database, acme, Question)) == 1


@pytest.mark.parametrize("reader", [None, ALICE])
def test_a_space_that_is_back_when_its_time_is_over_loses_nothing(
    shared: Services, confluence: Listing, database: Database, sites: Sites, reader: str | None
) -> None:
    acme, _ = sites
    asked(database, acme)
    confluence._operations.pop((None, ENG))
    confluence.allow(reader, ENG)
    miss(database, acme, ENG, since=NOW - timedelta(days=31))

    assert forget_missing_spaces(shared) == 0

    assert len(rows_of(database, acme, Question)) == 1
    row = only_row(database, acme, SpaceRow)
    assert (row.status, row.missing_since) == (SpaceStatus.CURRENT, None)


def test_nothing_is_forgotten_while_confluence_is_away(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    asked(database, acme)
    miss(database, acme, ENG, since=NOW - timedelta(days=31))
    confluence.is_away = True

    assert forget_missing_spaces(shared) == 0
    assert len(rows_of(database, acme, Question)) == 1


def test_forgetting_that_is_cut_short_goes_on_where_it_stopped(
    shared: Services, confluence: Listing, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    for _ in range(120):
        asked(database, acme)
    confluence._operations.pop((None, ENG))
    miss(database, acme, ENG, since=NOW - timedelta(days=31))
    ticks = iter([0.0, 10.0, 50.0, 70.0])

    assert forget_missing_spaces(shared, lambda: next(ticks)) == 0
    assert len(rows_of(database, acme, Question)) == 20
    assert only_row(database, acme, SpaceRow).status == SpaceStatus.MISSING

    assert forget_missing_spaces(shared) == 1
    assert rows_of(database, acme, Question) == []
    assert rows_of(database, acme, SpaceRow) == []
