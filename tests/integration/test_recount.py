"""The nightly recount: nothing to find on a healthy base, and every planted drift found, said and repaired."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.services import Services
from lib.sql import Database, delete_rows, insert_row, select_rows, update_rows
from lib.tenancy import AccountRow, InstallationRow, InstallationState, account_ref
from questions_api.model import Answer, PostKind, Question
from questions_api.people import recounting, standing_drift
from questions_api.people.drift import find_suspects, repair
from questions_api.people.model import ANY_TAG, EVER, Contribution, Standing
from questions_api.people.recounting import (
    BUDGET_S,
    START,
    Position,
    Step,
    on_recount,
    read_position,
    recount,
    recount_site,
)
from questions_api.people.standing_drift import AT_ONCE, BEFORE_ALL, Key, find_standing_suspects, repair_standings
from questions_api.people.tag_drift import _in_parts, find_tag_suspects
from questions_api.people.tallying import tally_due
from questions_api.posts import guard_question, register_question, remove_post
from questions_api.tags.model import Tag, TagUse
from questions_api.votes.casting import cast_vote
from questions_api.votes.recounting import Counted, count_votes
from questions_api.watches.model import Watch
from tests.factories import ENG, HR, NOW, Site, answered, asked, content, rows_of
from tests.fakes import Clock
from tests.integration.people_calls import accept, answer_post, question_post, vote, write
from tests.integration.test_points import ACTIONS, TODAY, World, from_facts, standings
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]


@pytest.fixture
def acme(services: Services, sites: Sites) -> Site:
    """A site with something of everything that is counted, tallied."""
    site, database = sites[0], services.database
    question = asked(database, site, author=ALICE, tags=("vpn", "dns"))
    asked(database, site, author=BOB, space_id=HR, tags=("vpn",))
    guarded = asked(database, site, author=BOB, tags=("vpn",))
    write(database, site, guard_question, site.tenant_id, guarded.item.id, now=NOW)
    answer_id = answered(database, site, question, author=BOB)
    vote(database, site, CAROL, question.post)
    vote(database, site, DAVE, question.post, -1)
    vote(database, site, CAROL, answer_post(database, site, answer_id))
    accept(database, site, ALICE, question.item.id, answer_id)
    tally_due(services)
    return site


def drifts(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    return [(line["table"], line["kind"], line["count"]) for line in lines if line["event"] == "counter_drift"]


def state_of(database: Database, site: Site) -> dict[str, list[dict[str, Any]]]:
    """Every column of every counted row."""
    return {
        table.__tablename__: sorted(
            ({column.key: getattr(row, column.key) for column in table.__table__.columns} for row in rows), key=str
        )
        for table in (Question, Answer, Tag, TagUse, Contribution, Standing)
        for rows in [rows_of(database, site, table)]
    }


@pytest.fixture(params=["small spaces", "large spaces"])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Spaces that are compared in one statement, and spaces that are compared tag by tag."""
    if request.param == "large spaces":
        monkeypatch.setattr(standing_drift, "_QUESTIONS_AT_ONCE", 0)
        monkeypatch.setattr(standing_drift, "_LINKS_AT_ONCE", 1)
    return str(request.param)


def run(services: Services) -> None:
    assert recount(services, START, clock=Clock()) is None


def test_a_healthy_base_has_no_drift_and_is_not_written(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    before = state_of(services.database, acme)

    class Reading:
        """A database that only reads."""

        read = staticmethod(services.database.read)

    reading: Any = Reading()
    run(replace(services, database=reading))

    assert drifts(caplog) == []
    assert state_of(services.database, acme) == before


def plant(database: Database, site: Site, table: Any, **values: object) -> None:
    database.write(lambda session: session.execute(update_rows(site.tenant_id, table).values(**values)))


@pytest.mark.parametrize(
    ("table", "values", "found"),
    [
        (Question, {"up": 7, "score": 7, "down": 0}, [("question", "score", 3)]),
        (Answer, {"down": 2, "score": -1}, [("answer", "score", 1)]),
        (Question, {"answer_count": 5}, [("question", "answer_count", 3)]),
        (Question, {"accepted_count": 5}, [("question", "accepted_count", 3)]),
        (Question, {"watch_count": 9}, [("question", "watch_count", 3)]),
        (Question, {"state": "answered"}, [("question", "state", 3)]),
        (Tag, {"use_count": 40}, [("tag", "use_count", 2)]),
        (TagUse, {"use_count": 40}, [("tag_use", "use_count", 3)]),
        # The tally that makes contributions right steps standings which were right: the step after it sees to them.
        (Contribution, {"points": 1}, [("contribution", "points", 1), ("standing", "points", 12)]),
        (Standing, {"points": 1}, [("standing", "points", 12)]),
    ],
)
def test_a_planted_drift_is_found_said_and_repaired(
    services: Services,
    acme: Site,
    caplog: pytest.LogCaptureFixture,
    table: Any,
    values: dict[str, object],
    found: list[tuple[str, str, int]],
) -> None:
    database = services.database
    before = state_of(database, acme)
    plant(database, acme, table, **values)
    assert state_of(database, acme) != before

    run(services)
    assert drifts(caplog) == found
    assert state_of(database, acme) == before

    caplog.clear()
    run(services)
    assert drifts(caplog) == []


def test_a_lost_count_of_a_tag_in_a_space_is_made_again(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    before = {(row.space_id, row.tag_id): row.use_count for row in rows_of(database, acme, TagUse)}
    database.write(lambda session: session.execute(delete_rows(acme.tenant_id, TagUse)))

    run(services)

    assert drifts(caplog) == [("tag_use", "use_count", 3)]
    assert {(row.space_id, row.tag_id): row.use_count for row in rows_of(database, acme, TagUse)} == {
        key: count for key, count in before.items() if count
    }


def test_lost_contributions_are_tallied_anew(services: Services, acme: Site, caplog: pytest.LogCaptureFixture) -> None:
    database = services.database
    before = state_of(database, acme)
    database.write(lambda session: session.execute(delete_rows(acme.tenant_id, Contribution)))

    run(services)

    assert drifts(caplog) == [("contribution", "points", 1), ("standing", "points", 12)]
    assert state_of(database, acme) == before


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("day", [EVER, TODAY])
def test_a_standing_is_the_sum_of_contributions_whichever_of_its_sides_is_wrong(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture, day: int
) -> None:
    """Lost, or with nothing in it: of a day, or over all days."""
    database = services.database
    before = state_of(database, acme)
    some = (Standing.day == day, Standing.tag_id != ANY_TAG)
    lost = delete_rows(acme.tenant_id, Standing).where(*some)
    database.write(lambda session: session.execute(lost))
    plant_standing(database, acme, points=0, day=day)

    run(services)

    assert drifts(caplog) == [("standing", "points", 5)]
    assert state_of(database, acme) == before


@pytest.mark.usefixtures("parts")
def test_a_sum_that_agrees_with_wrong_days_is_found_with_them(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    before = state_of(database, acme)
    plant(database, acme, Standing, points=Standing.points + 10)
    keys = {(row.space_id, row.tag_id, row.account_ref) for row in rows_of(database, acme, Standing)}

    run(services)

    assert drifts(caplog) == [("standing", "points", 2 * len(keys))]
    assert state_of(database, acme) == before


def plant_standing(database: Database, site: Site, *, points: int, day: int, space_id: SpaceId = HR) -> None:
    row = {"space_id": space_id, "tag_id": 7, "day": day, "points": points}

    def plant_it(session: Session) -> None:
        account = account_ref(session, site.tenant_id, AccountId(DAVE), now=NOW)
        session.execute(insert_row(site.tenant_id, Standing, **row, account_ref=account))

    database.write(plant_it)


def test_more_wrong_standings_than_are_repaired_at_once_are_repaired_in_turn(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    before, nowhere = state_of(database, acme), SpaceId(int(HR) + 1)
    for space_id in (HR, nowhere):
        for day in range(1, AT_ONCE + 2):
            plant_standing(database, acme, points=10, day=day, space_id=space_id)

    position: Position | None = Position(acme.tenant_id, Step.STANDINGS)
    stops = []
    while position is not None:
        turns = iter([True, False])
        position = recount_site(services, position, has_time=partial(next, turns))
        if position is not None:
            assert read_position(position.to_body().encode()) == position
            stops.append((position.after, position.key is not None))

    assert stops == [(ENG, False), (HR, True), (HR, False), (nowhere, True), (nowhere, False)]
    assert sum(count for _, _, count in drifts(caplog)) == 2 * (AT_ONCE + 1)
    assert state_of(database, acme) == before


def walk(services: Services, site: Site) -> list[Key | None]:
    """The keys behind which the comparison of ENG goes on, after a repair of what each statement found."""
    stops: list[Key | None] = []
    after: Key | None = BEFORE_ALL
    while after is not None:
        find = partial(find_standing_suspects, tenant_id=site.tenant_id, space_id=ENG, after=after)
        keys, after = services.database.read(find)
        services.database.write(partial(repair_standings, tenant_id=site.tenant_id, space_id=ENG, keys=keys))
        stops.append(after)
    return stops


@pytest.mark.parametrize("links", [1, 4])
def test_a_large_space_is_compared_tag_by_tag(
    services: Services, acme: Site, monkeypatch: pytest.MonkeyPatch, links: int
) -> None:
    database, last_day = services.database, standing_drift._LAST_DAY
    assert walk(services, acme) == [None]
    before = standings(database, acme)
    (first, _) = sorted(row.tag_id for row in rows_of(database, acme, Tag))
    plant(database, acme, Standing, points=3)

    # One question bears the one tag, three the other.
    monkeypatch.setattr(standing_drift, "_LINKS_AT_ONCE", links)
    monkeypatch.setattr(standing_drift, "_QUESTIONS_AT_ONCE", 1)
    apart = [(first, last_day, 0)] if links == 1 else []
    assert walk(services, acme) == [(ANY_TAG, last_day, 0), *apart, None]

    assert standings(database, acme) == before


def test_no_more_tags_of_a_large_space_are_compared_at_once_than_are_read(
    services: Services, acme: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_drift, "_QUESTIONS_AT_ONCE", 1)
    rows = [insert_row(acme.tenant_id, Tag, tag_id=number, slug=f"tag-{number}") for number in range(1, 501)]
    services.database.write(lambda session: [session.execute(row) for row in rows])

    last_day = standing_drift._LAST_DAY
    assert walk(services, acme) == [(ANY_TAG, last_day, 0), (500, last_day, 0), None]


@pytest.mark.usefixtures("parts")
def test_what_a_moved_or_removed_question_has_earned_is_no_drift_before_its_tally(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    moved, removed = content(author=ALICE), content(author=ALICE)
    for item in (moved, removed):
        write(database, acme, register_question, acme.tenant_id, item, now=NOW)
        vote(database, acme, BOB, question_post(database, acme, item.id))
    tally_due(services)
    before = standings(database, acme)
    there = replace(moved, space_id=HR, container_id=int(HR))
    write(database, acme, register_question, acme.tenant_id, there, now=NOW)
    write(database, acme, remove_post, acme.tenant_id, removed.id, now=NOW)
    find = partial(find_standing_suspects, tenant_id=acme.tenant_id, space_id=ENG, after=BEFORE_ALL)
    assert database.read(find)[0]

    assert recount_site(services, Position(acme.tenant_id, Step.STANDINGS), has_time=lambda: True) is None

    assert drifts(caplog) == []
    assert standings(database, acme) == before


def test_tallies_during_a_repair_of_standings_count_once(services: Services, acme: Site) -> None:
    database = services.database
    questions = [asked(database, acme, author=ALICE, tags=("vpn",)) for _ in range(3)]
    vote(database, acme, CAROL, questions[0].post)
    tally_due(services)
    keys = [(tag_id, day, account) for space, tag_id, day, account in standings(database, acme) if space == ENG]
    plant(database, acme, Standing, points=1)

    def voting(number: int) -> Callable[[], object]:
        def work() -> None:
            vote(database, acme, f"557058:v-{number}", questions[number % 3].post)
            tally_due(services)

        return work

    mend = partial(repair_standings, tenant_id=acme.tenant_id, space_id=ENG, keys=keys)
    works = [voting(number) for number in range(6)]
    works += [lambda: database.write(mend, tenant_id=acme.tenant_id)] * 3
    succeeded(at_once(works))
    tally_due(services)

    assert standings(database, acme) == from_facts(database, acme)


def test_the_others_standings_are_left_alone(services: Services, acme: Site, sites: Sites) -> None:
    globex, database = sites[1], services.database
    vote(database, globex, BOB, asked(database, globex, author=MALLORY).post)
    tally_due(services)
    plant(database, acme, Standing, points=3)
    before = standings(database, acme)

    assert recount_site(services, Position(globex.tenant_id), has_time=lambda: True) is None

    assert standings(database, acme) == before
    assert standings(database, globex) == from_facts(database, globex)


def test_points_that_only_wait_for_their_tally_are_no_drift(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    vote(database, acme, DAVE, asked(database, acme, author=ALICE).post)

    run(services)

    assert drifts(caplog) == []
    assert standings(database, acme) == from_facts(database, acme)


def statements(database: Database, about: str, work: Callable[[], object]) -> int:
    """How many statements name that table while the work is done."""
    seen: list[str] = []

    def note(*given: Any) -> None:
        seen.append(given[2])

    event.listen(database.engine, "before_cursor_execute", note)
    work()
    event.remove(database.engine, "before_cursor_execute", note)
    return sum(f"FROM {about}" in statement for statement in seen)


def test_what_is_due_is_read_once_for_all_that_differ(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    waiting = asked(database, acme, author=ALICE)
    for _ in range(3):
        vote(database, acme, BOB, asked(database, acme, author=ALICE).post)
    tally_due(services)
    database.write(lambda session: session.execute(delete_rows(acme.tenant_id, Contribution)))
    vote(database, acme, DAVE, waiting.post)

    assert statements(database, "outbox", lambda: run(services)) == 1

    assert [count for table, _, count in drifts(caplog) if table == "contribution"] == [4]


def test_a_backlog_too_long_to_read_explains_every_difference(
    services: Services, acme: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    before = {key: points for key, points in standings(database, acme).items() if points}
    for _ in range(2):
        asked(database, acme, author=ALICE, tags=("vpn",))
    plant(database, acme, Contribution, points=1)

    monkeypatch.setattr("questions_api.people.drift._DUE_AT_MOST", 1)
    run(services)

    assert [table for table, _, _ in drifts(caplog)] == ["standing"]
    assert standings(database, acme) == from_facts(database, acme) == before


def test_tags_with_many_questions_are_counted_apart(
    services: Services, acme: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(_in_parts({1: 3, 2: 20_001, 3: 19_000, 4: 1_000, 5: 1})) == [[1], [2], [3, 4], [5]]
    assert list(_in_parts({})) == []
    database = services.database
    plant(database, acme, TagUse, use_count=40)
    ids = sorted(row.tag_id for row in rows_of(database, acme, Tag))
    find = partial(find_tag_suspects, tenant_id=acme.tenant_id, ids=ids)
    together = database.read(find)
    joined = "question_tag JOIN question"
    assert statements(database, joined, lambda: database.read(find)) == 1

    monkeypatch.setattr("questions_api.people.tag_drift._LINKS_AT_ONCE", 1)

    assert statements(database, joined, lambda: database.read(find)) == len(ids) == 2
    assert database.read(find) == together
    assert len(together.uses) == 3


def test_muted_watches_are_not_counted(services: Services, acme: Site, caplog: pytest.LogCaptureFixture) -> None:
    database = services.database
    (watch, *_) = rows_of(database, acme, Watch)
    mute = update_rows(acme.tenant_id, Watch).where(
        Watch.target_id == watch.target_id, Watch.account_ref == watch.account_ref
    )
    database.write(lambda session: session.execute(mute.values(is_muted=True)))

    run(services)

    assert drifts(caplog) == [("question", "watch_count", 1)]


def test_what_changes_while_it_is_looked_at_is_no_drift(services: Services, acme: Site) -> None:
    """The suspects were read before others voted, answered and took it all back; under the lock all is well."""
    database = services.database
    question = asked(database, acme, author=ALICE)
    plant(database, acme, Question, watch_count=9)
    ids = [ContentId(row.id) for row in rows_of(database, acme, Question)]
    suspects = database.read(partial(find_suspects, tenant_id=acme.tenant_id, ids=ids))
    everything = replace(suspects, votes=[(PostKind.QUESTION, one) for one in ids], counters=ids, contributions=ids)
    database.write(partial(repair, tenant_id=acme.tenant_id, suspects=suspects))
    vote(database, acme, BOB, question.post)

    assert database.write(partial(repair, tenant_id=acme.tenant_id, suspects=everything)) == []


def test_votes_cast_during_a_recount_are_counted_once(services: Services, acme: Site) -> None:
    database = services.database
    post = asked(database, acme, author=ALICE).post

    def voting(number: int) -> Callable[[], object]:
        work = partial(cast_vote, principal=acme.principal(f"557058:v-{number}"), post=post, value=1, now=NOW)
        return lambda: database.write(work, tenant_id=acme.tenant_id)

    works: list[Callable[[], object]] = [voting(number) for number in range(8)]
    works += [lambda: recount(services, START, clock=Clock())] * 3
    succeeded(at_once(works))

    (row,) = [row for row in rows_of(database, acme, Question) if row.id == post.id]
    assert (row.score, row.up, row.down) == (8, 8, 0)


def test_votes_are_counted_in_parts(services: Services, acme: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("questions_api.votes.recounting._IDS_AT_ONCE", 1)
    database = services.database
    ids = [ContentId(row.id) for row in rows_of(database, acme, Question)]
    count = partial(count_votes, tenant_id=acme.tenant_id, kind=PostKind.QUESTION, ids=ids)

    assert list(database.read(count).values()) == [Counted(1, 1)]


def test_the_time_is_kept_and_the_rest_goes_on_where_it_stopped(
    services: Services, acme: Site, sites: Sites, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recounting, "_BATCH", 1)
    globex, database = sites[1], services.database
    asked(database, globex, author=MALLORY, tags=("brand",))
    before = [state_of(database, site) for site in sites]
    for site in sites:
        plant(database, site, Question, answer_count=5)
        plant(database, site, Tag, use_count=5)
    clock = Clock()

    def ticking() -> float:
        clock.pass_(BUDGET_S / 4)
        return clock()

    runs, body = 0, None
    while True:
        body = on_recount(services, ticking, None if body is None else body.encode())
        runs += 1
        if body is None:
            break
        assert runs < 50

    assert runs > 2
    assert [state_of(database, site) for site in sites] == before
    found = drifts(caplog)
    assert sum(count for table, _, count in found if table == "question") == 4
    assert sum(count for table, _, count in found if table == "tag") == 3


def test_a_position_survives_its_message_and_nothing_else_is_one(services: Services) -> None:
    for position in (
        Position(TenantId(12), Step.TAGS, 2**60),
        Position(TenantId(12), Step.STANDINGS, 2**60, (2**61, EVER, 2**62)),
    ):
        assert read_position(position.to_body().encode()) == position
    keyless = b'{"v":1,"tenant":"1","step":"standings","after":"0","key":["1"]}'
    for body in (
        *(b"", b"[]", b"{}", b"\xff", keyless),
        *(b'{"v":1,"tenant":"1","step":"x","after":"0"}', b'{"tenant":null}'),
    ):
        assert read_position(body) is None
        assert on_recount(services, Clock(), body) is None


def test_a_site_that_fails_does_not_keep_the_others_from_it(
    services: Services, acme: Site, sites: Sites, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    globex, database = sites[1], services.database
    asked(database, globex, author=MALLORY)
    for site in sites:
        plant(database, site, Question, watch_count=5)

    def failing(shared: Services, position: Position, **options: Any) -> Position | None:
        if position.tenant_id == acme.tenant_id:
            raise OperationalError("SELECT", {}, Exception("away"))
        return recount_site(shared, position, **options)

    monkeypatch.setattr(recounting, "recount_site", failing)
    run(services)

    assert "recount_failed" in caplog.text
    assert {row.watch_count for row in rows_of(database, globex, Question)} == {1}
    assert {row.watch_count for row in rows_of(database, acme, Question)} == {5}


@pytest.mark.parametrize("state", [InstallationState.UNINSTALLED, InstallationState.PURGING])
def test_sites_that_have_left_are_passed_over(services: Services, acme: Site, state: InstallationState) -> None:
    plant(services.database, acme, Question, watch_count=5)
    leave = update(InstallationRow).where(InstallationRow.tenant_id == acme.tenant_id).values(state=state)
    services.database.write(lambda session: session.execute(leave))

    run(services)

    assert {row.watch_count for row in rows_of(services.database, acme, Question)} == {5}


def test_a_recount_of_one_site_leaves_the_others_alone(services: Services, acme: Site, sites: Sites) -> None:
    globex = sites[1]
    plant(services.database, acme, Question, watch_count=5)

    assert recount_site(services, Position(globex.tenant_id), has_time=lambda: True) is None

    assert {row.watch_count for row in rows_of(services.database, acme, Question)} == {5}


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 11), st.integers(0, 11)), max_size=30))
def test_whatever_has_happened_no_counter_has_drifted(
    services: Services, sites: Sites, caplog: pytest.LogCaptureFixture, steps: list[tuple[str, int, int]]
) -> None:
    world = World(services, sites, [], [])
    for action, one, two in (("ask", 0, 0), ("ask", 1, 1), ("answer", 0, 1), ("answer", 1, 2), *steps):
        world.act(action, one, two)

    run(services)

    assert drifts(caplog) == []


def test_nobody_is_added_by_a_recount(services: Services, acme: Site) -> None:
    def people(session: Session) -> list[int]:
        return list(session.scalars(select_rows(acme.tenant_id, AccountRow.account_ref)))

    before = services.read(people)
    run(services)

    assert services.read(people) == before
