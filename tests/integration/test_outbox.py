"""The outbox: events are committed with their change, taken once, put off when handling fails."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.events import (
    CHAT_KINDS,
    FOLLOW_KINDS,
    TALLY_KINDS,
    About,
    ChangedContainer,
    ChangedContent,
    ChangedSpaces,
    Event,
    EventKind,
    Subject,
)
from lib.outbox import (
    APPENDED,
    CLAIM,
    OutboxRow,
    append_event,
    claim,
    due_events,
    finish,
    postpone,
    put_off_all,
    take,
)
from lib.principal import ContentId, SpaceId
from lib.services import Services
from lib.sql import Database
from lib.telemetry import trace_of
from tests.factories import NOW, Site
from tests.races import at_once

Sites = tuple[Site, Site]
ABOUT = Subject(ContentId(1), SpaceId(2))
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def append(database: Database, site: Site, *, seconds: float = 0, kind: EventKind = EventKind.QUESTION_ASKED) -> int:
    changed: dict[EventKind, About] = {
        EventKind.CONTENT_CHANGED: ChangedContent(ContentId(1), "created"),
        EventKind.CONTAINER_CHANGED: ChangedContainer(1, "moved"),
        EventKind.SPACES_CHANGED: ChangedSpaces(),
    }
    about = changed.get(kind, ABOUT)
    now = NOW + timedelta(seconds=seconds)
    return database.write(partial(append_event, tenant_id=site.tenant_id, kind=kind, about=about, now=now))


def due(database: Database, *, seconds: float = 0, limit: int = 100) -> list[Event]:
    work = partial(due_events, kinds=tuple(EventKind), now=NOW + timedelta(seconds=seconds), limit=limit)
    return database.read(work)


def row(database: Database, event: Event) -> OutboxRow:
    found = database.read(lambda session: session.get(OutboxRow, event.id))
    assert found is not None
    return found


def test_an_event_comes_back_as_it_was_appended(services: Services, sites: Sites) -> None:
    acme, _ = sites
    changed = ChangedContent(ContentId(7), "trashed", 42)
    answered = Subject(ContentId(1), SpaceId(2), ContentId(3))

    def work(session: Session) -> None:
        for kind, about in ((EventKind.CONTENT_CHANGED, changed), (EventKind.QUESTION_ANSWERED, answered)):
            append_event(session, acme.tenant_id, kind, about, now=NOW)

    services.write(work, trace=trace_of(TRACEPARENT))

    found = {event.kind: event for event in due(services.database)}
    assert found[EventKind.CONTENT_CHANGED].about == changed
    assert found[EventKind.QUESTION_ANSWERED].about == answered
    assert {event.traceparent for event in found.values()} == {TRACEPARENT}
    assert {(event.tenant_id, event.created_at) for event in found.values()} == {(acme.tenant_id, NOW)}


def test_an_event_of_work_that_raises_never_was(database: Database, sites: Sites) -> None:
    acme, _ = sites

    def work(session: Session) -> None:
        append_event(session, acme.tenant_id, EventKind.QUESTION_ASKED, ABOUT, now=NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(work)

    assert due(database, seconds=9) == []


def test_the_session_tells_what_was_appended(database: Database, sites: Sites) -> None:
    acme, _ = sites

    def work(session: Session) -> object:
        for kind in (EventKind.QUESTION_ASKED, EventKind.QUESTION_ASKED, EventKind.POST_VOTED):
            append_event(session, acme.tenant_id, kind, ABOUT, now=NOW)
        return session.info[APPENDED]

    assert database.write(work) == {EventKind.QUESTION_ASKED, EventKind.POST_VOTED}


def test_the_oldest_due_events_come_first_and_later_ones_not_yet(database: Database, sites: Sites) -> None:
    acme, globex = sites
    second, first, third = (
        append(database, acme),
        append(database, globex, seconds=-5),
        append(database, acme, seconds=5),
    )

    assert [event.id for event in due(database)] == [first, second]
    assert [event.id for event in due(database, seconds=5)] == [first, second, third]
    assert [event.id for event in due(database, seconds=5, limit=2)] == [first, second]


def test_only_the_kinds_asked_for_come(database: Database, sites: Sites) -> None:
    acme, _ = sites
    for kind in EventKind:
        append(database, acme, kind=kind)

    def kinds(wanted: tuple[EventKind, ...]) -> set[EventKind]:
        work = partial(due_events, kinds=wanted, now=NOW, limit=100)
        return {event.kind for event in database.read(work)}

    assert kinds(CHAT_KINDS) == set(CHAT_KINDS)
    assert kinds(FOLLOW_KINDS) == set(FOLLOW_KINDS)
    assert kinds(TALLY_KINDS) == set(TALLY_KINDS)
    assert set(CHAT_KINDS) | set(FOLLOW_KINDS) | set(TALLY_KINDS) == set(EventKind)


def test_looking_does_not_take(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)

    assert due(database) == due(database)
    assert len(due(database)) == 1


def test_a_finished_event_is_not_due_any_more(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    left = append(database, acme)
    first = due(database)[0] if due(database)[0].id != left else due(database)[1]

    database.write(partial(finish, events=[first], now=NOW))

    assert [event.id for event in due(database)] == [left]
    assert row(database, first).done_at == NOW


def test_finishing_nothing_is_nothing(database: Database) -> None:
    database.write(partial(finish, events=[], now=NOW))
    assert due(database) == []


def test_of_many_that_finish_at_once_one_has_the_effect(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)

    def work(session: Session) -> None:
        (still_due,) = due_events(session, tuple(EventKind), now=NOW, limit=5) or (None,)
        if still_due is None:
            return
        append_event(session, acme.tenant_id, EventKind.POST_VOTED, ABOUT, now=NOW + timedelta(days=1))
        finish(session, [event], now=NOW)

    outcomes = at_once([partial(database.write, work)] * 6)

    assert outcomes == [None] * 6
    assert len(due(database, seconds=86_400)) == 1


def test_of_many_that_take_at_once_one_gets_it(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)

    outcomes = at_once([partial(database.write, partial(take, event=event, now=NOW))] * 6)

    assert sorted(map(bool, outcomes)) == [False] * 5 + [True]
    assert due(database) == []


def test_an_event_put_off_waits_longer_each_time_and_is_given_up_with_its_row_kept(
    database: Database, sites: Sites
) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)
    waits, now = [], NOW

    def fail() -> bool:
        assert database.write(partial(claim, event=event, now=now))
        return database.write(partial(postpone, event=event, now=now))

    while fail():
        available_at = row(database, event).available_at
        waits.append((available_at - now).total_seconds())
        now = available_at

    assert waits == [5, 30, 120, 600, 1800, 3600, 3600, 3600, 3600, 3600, 3600]
    kept = row(database, event)
    assert (kept.dead_at, kept.done_at, kept.attempts) == (now, now, 12)
    assert due(database, seconds=10**7) == []


def test_an_event_put_off_is_due_again_when_its_time_comes(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)

    assert database.write(partial(claim, event=event, now=NOW))
    assert database.write(partial(postpone, event=event, now=NOW))

    assert due(database, seconds=4) == []
    assert [again.id for again in due(database, seconds=5)] == [event.id]
    assert row(database, event).dead_at is None


def test_a_claim_is_for_one_and_ends_by_itself(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)

    claims = [database.write(partial(claim, event=event, now=NOW)) for _ in range(12)]

    assert claims == [True] + [False] * 11
    assert row(database, event).attempts == 1
    assert due(database, seconds=CLAIM.total_seconds() - 1) == []
    assert [again.id for again in due(database, seconds=CLAIM.total_seconds())] == [event.id]
    assert database.write(partial(claim, event=event, now=NOW + CLAIM))


def test_what_is_finished_is_not_claimed(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)
    database.write(partial(finish, events=[event], now=NOW))

    assert not database.write(partial(claim, event=event, now=NOW))


def test_what_one_site_has_waiting_is_put_off_and_nobody_elses(database: Database, sites: Sites) -> None:
    acme, globex = sites
    for site in (acme, acme, globex):
        append(database, site)
    until = NOW + timedelta(seconds=30)
    claimed = next(event for event in due(database) if event.tenant_id == acme.tenant_id)
    database.write(partial(claim, event=claimed, now=NOW))

    database.write(partial(put_off_all, claimed=claimed, kinds=tuple(EventKind), until=until))

    assert [event.tenant_id for event in due(database, seconds=29)] == [globex.tenant_id]
    assert len(due(database, seconds=30)) == 3


def test_putting_off_what_somebody_has_finished_changes_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites
    append(database, acme)
    (event,) = due(database)
    database.write(partial(finish, events=[event], now=NOW))

    assert database.write(partial(postpone, event=event, now=NOW))

    kept = row(database, event)
    assert (kept.attempts, kept.done_at, kept.dead_at) == (0, NOW, None)


def test_a_payload_holds_ids_and_nothing_else(database: Database, sites: Sites) -> None:
    acme, _ = sites
    for kind in EventKind:
        append(database, acme, kind=kind)

    payloads = database.read(lambda session: list(session.scalars(select(OutboxRow.payload))))

    assert set(payloads) == {
        '{"v": 1, "question": "1", "space": "2"}',
        '{"v": 1, "content": "1", "change": "created"}',
        '{"v": 1, "container": "1", "change": "moved"}',
        '{"v": 1}',
    }
