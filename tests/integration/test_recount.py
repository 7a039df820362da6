"""The nightly recount: nothing to find on a healthy base, and every planted drift found, said and repaired."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lib.principal import ContentId, TenantId
from lib.services import Services
from lib.sql import Database, delete_rows, select_rows, update_rows
from lib.tenancy import AccountRow, InstallationRow, InstallationState
from questions_api.model import Answer, PostKind, Question
from questions_api.people import recounting
from questions_api.people.drift import find_suspects, repair
from questions_api.people.model import Contribution
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
from questions_api.people.tallying import tally_due
from questions_api.posts import guard_question
from questions_api.tags.model import Tag, TagUse
from questions_api.votes.casting import cast_vote
from questions_api.votes.recounting import Counted, count_votes
from questions_api.watches.model import Watch
from tests.factories import HR, NOW, Site, answered, asked, rows_of
from tests.fakes import Clock
from tests.integration.people_calls import accept, answer_post, vote, write
from tests.integration.test_points import ACTIONS, World, from_facts, standings
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
        for table in (Question, Answer, Tag, TagUse, Contribution)
        for rows in [rows_of(database, site, table)]
    }


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
        (Contribution, {"points": 1}, [("contribution", "points", 1)]),
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

    assert drifts(caplog) == [("contribution", "points", 1)]
    assert state_of(database, acme) == before


def test_points_that_only_wait_for_their_tally_are_no_drift(
    services: Services, acme: Site, caplog: pytest.LogCaptureFixture
) -> None:
    database = services.database
    vote(database, acme, DAVE, asked(database, acme, author=ALICE).post)

    run(services)

    assert drifts(caplog) == []
    assert standings(database, acme) == from_facts(database, acme)


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
    position = Position(TenantId(12), Step.TAGS, 2**60)

    assert read_position(position.to_body().encode()) == position
    for body in (b"", b"[]", b"{}", b"\xff", b'{"v":1,"tenant":"1","step":"x","after":"0"}', b'{"tenant":null}'):
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
