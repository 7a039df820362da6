"""The outbox: events committed with the change they report, taken by whoever acts on them.

A use case appends in its own session. After the commit the edge wakes the consumers (best effort); timers
that look for undone rows are the guarantee.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Integer, insert, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.events import About, Event, EventId, EventKind, from_payload, to_payload
from lib.log import Log
from lib.principal import TenantId
from lib.sql import Instant, Row, code_type, lost_race, new_id, partial_index, rows_changed

APPENDED = "outbox_appended"
"""Key of `session.info` under which the kinds appended in this session stand, for the edge's wake."""

log = Log("lib.outbox")

_GIVE_UP_AFTER = 12
CLAIM = timedelta(seconds=60)
"""Longer than the reads that following one change takes (four of 5 s each)."""

_RETRY_S = (5, 30, 120, 600, 1800, 3600)
"""Seconds before an event whose handling failed is due again; the last figure repeats."""


class OutboxRow(Row):
    """An event. Not a tenant table: consumers take rows of all installations; ids inside are the tenant's own."""

    __tablename__ = "outbox"
    __table_args__ = (partial_index("ix_outbox_due", "done_at IS NULL", "kind", "available_at", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(code_type(32))
    payload: Mapped[str] = mapped_column(code_type(512))
    traceparent: Mapped[str | None] = mapped_column(code_type(55))
    created_at: Mapped[datetime] = mapped_column(Instant)
    available_at: Mapped[datetime] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    done_at: Mapped[datetime | None] = mapped_column(Instant)
    dead_at: Mapped[datetime | None] = mapped_column(Instant)


_APPEND = insert(OutboxRow)


def append_event(session: Session, tenant_id: TenantId, kind: EventKind, about: About, *, now: datetime) -> EventId:
    """Adds an event to the caller's transaction. The trace it belongs to is the session's."""
    return append_events(session, tenant_id, (kind,), about, now=now)[0]


def append_events(
    session: Session, tenant_id: TenantId, kinds: Sequence[EventKind], about: About, *, now: datetime
) -> list[EventId]:
    """Adds one event of each kind about the same thing, in one statement."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(now),
            "tenant_id": tenant_id,
            "kind": kind,
            "payload": to_payload(about),
            "traceparent": session.info.get("traceparent"),
            "created_at": now,
            "available_at": now,
            "attempts": 0,
        }
        for kind in kinds
    ]
    # Past the mapper: a unit of work costs ten times what this one row does.
    session.connection().execute(_APPEND, rows)
    session.info.setdefault(APPENDED, set()).update(kinds)
    return [EventId(row["id"]) for row in rows]


def _event(row: OutboxRow) -> Event | None:
    """The event, or None where this version cannot read the row."""
    try:
        kind = EventKind(row.kind)
        about = from_payload(kind, row.payload)
    except (KeyError, TypeError, ValueError):
        return None
    return Event(
        id=EventId(row.id),
        tenant_id=TenantId(row.tenant_id),
        kind=kind,
        about=about,
        traceparent=row.traceparent,
        created_at=row.created_at,
        attempts=row.attempts,
    )


def due_events(session: Session, kinds: Iterable[EventKind], *, now: datetime, limit: int) -> list[Event]:
    """The oldest events of these kinds that nobody has finished, without taking them.

    Needs a writing session to set aside rows that cannot be read.
    """
    rows: list[OutboxRow] = []
    for kind in kinds:
        # One kind at a time: each is a range of the index, and a backlog of one is not stepped over for another.
        rows += session.scalars(
            select(OutboxRow)
            .where(OutboxRow.done_at.is_(None), OutboxRow.kind == kind, OutboxRow.available_at <= now)
            .order_by(OutboxRow.available_at, OutboxRow.id)
            .limit(limit)
        )
    rows.sort(key=lambda row: (row.available_at, row.id))
    found = []
    for row in rows[:limit]:
        event = _event(row)
        if event is None:
            # One unreadable row must not stop all others; it is kept, marked, for a person to look at.
            log.error("outbox_row_unreadable", event_id=str(row.id))
            row.done_at = row.dead_at = now
        else:
            found.append(event)
    return found


def finish(session: Session, events: Iterable[Event], *, now: datetime) -> None:
    """Marks events done that this very transaction has read as due; whoever comes second starts over."""
    ids = [event.id for event in events]
    if not ids:
        return
    done = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id.in_(ids), OutboxRow.done_at.is_(None))
        .values(done_at=now)
        .execution_options(synchronize_session=False)
    )
    if rows_changed(done) != len(ids):
        lost_race()


def take(session: Session, event: Event, *, now: datetime) -> bool:
    """Marks one event done in the transaction that holds its effect; False when somebody else was first."""
    done = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == event.id, OutboxRow.done_at.is_(None))
        .values(done_at=now)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(done) == 1


def claim(session: Session, event: Event, *, now: datetime) -> bool:
    """Takes the event in hand for `CLAIM`; False when somebody else has it, or has finished it.

    For events whose handling calls out: whoever dies holding one leaves it to the next when the time is over.
    """
    claimed = session.execute(
        update(OutboxRow)
        .where(OutboxRow.id == event.id, OutboxRow.done_at.is_(None), OutboxRow.available_at <= now)
        .values(available_at=now + CLAIM, attempts=OutboxRow.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(claimed) == 1


def postpone(session: Session, event: Event, *, now: datetime) -> bool:
    """Puts a claimed event off after its handling failed; False when it was given up (kept with `dead_at`)."""
    row = session.get(OutboxRow, event.id)
    if row is None or row.done_at is not None:
        return True
    if row.attempts >= _GIVE_UP_AFTER:
        row.done_at = row.dead_at = now
        return False
    row.available_at = now + timedelta(seconds=_RETRY_S[min(max(row.attempts, 1), len(_RETRY_S)) - 1])
    return True


def put_off_all(session: Session, claimed: Event, kinds: Iterable[EventKind], *, until: datetime) -> None:
    """Puts off a claimed event with all that its installation has waiting: its neighbour is away, none of them is
    wrong. What is due of other installations then comes first.
    """
    session.execute(
        update(OutboxRow)
        .where(
            OutboxRow.tenant_id == claimed.tenant_id,
            OutboxRow.kind.in_(tuple(kinds)),
            OutboxRow.done_at.is_(None),
            or_(OutboxRow.available_at < until, OutboxRow.id == claimed.id),
        )
        .values(available_at=until)
        .execution_options(synchronize_session=False)
    )
