"""From the outbox to deliveries: each event becomes one row and one queue message per matching destination.

The rows are written in the transaction that finishes the event. The messages are hints, and so may be lost or
doubled; the sweep sends them again for rows whose time has passed.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from lib.events import CHAT_KINDS, Event, EventId, Subject
from lib.log import Log
from lib.outbox import due_events, finish
from lib.principal import SpaceId, TenantId
from lib.queues import RELAY_QUEUE
from lib.services import Services
from lib.spaces import SpaceSettingsRow, disabled_among
from lib.sql import across_tenants, insert_bound, new_id, rows_changed, run_bound, select_bound, update_rows
from lib.telemetry import trace_of
from lib.tenancy import InstallationRow, InstallationState
from notify.delivery.queued import DeliveryMessage
from notify.delivery.schedule import EVENT_LIFE
from notify.model import (
    Delivery,
    DeliveryId,
    DeliveryState,
    Destination,
    DestinationId,
    DestinationState,
    ScopeKind,
    is_free,
)
from notify.routing.subscriptions import read_events

_BATCH = 50
_MAX_BATCHES = 10
"""What one run takes before it lets its messages go: they leave only when the function returns."""

_SWEEP_LIMIT = 500
_OVERDUE = timedelta(seconds=15)
_QUEUED_AGAIN_AFTER = timedelta(seconds=60)
"""A worker that dies takes its messages with it for ten minutes, so they are sent anew soon; not at every sweep,
because a backlog keeps messages waiting too, and doubling them only makes it longer."""

_FOUND: tuple[Any, ...] = (Delivery.tenant_id, Delivery.id, Delivery.attempt_no, Delivery.traceparent)

_LISTENING = (
    select_bound(Destination, Destination.id, Destination.scope_kind, Destination.scope_id, Destination.events)
    .where(Destination.state == DestinationState.ACTIVE)
    .order_by(Destination.id)
)
_WITH_CHAT = select_bound(SpaceSettingsRow, SpaceSettingsRow.space_id).where(
    SpaceSettingsRow.chat_enabled, SpaceSettingsRow.space_id.in_(bindparam("space_ids", expanding=True))
)
_HELD = select_bound(Delivery, Delivery.event_id, Delivery.destination_id).where(
    Delivery.event_id.in_(bindparam("event_ids", expanding=True))
)
_ADD = insert_bound(Delivery)

log = Log("notify.delivery.relay")


def relay_events(services: Services) -> list[str]:
    """Expands every event that is due; the queue messages of the deliveries made."""
    bodies: list[str] = []
    for _ in range(_MAX_BATCHES):
        taken, made = services.write(lambda session: relay_batch(session, services.now()), trace=trace_of(None))
        bodies += (message.to_body() for message in made)
        if taken < _BATCH:
            return bodies
    services.waker.wake(RELAY_QUEUE, None)
    return bodies


def relay_batch(session: Session, now: datetime) -> tuple[int, list[DeliveryMessage]]:
    events = due_events(session, CHAT_KINDS, now=now, limit=_BATCH)
    made: list[DeliveryMessage] = []
    for tenant_id, of_tenant in groupby(sorted(events, key=_tenant), key=_tenant):
        made += _expand(session, tenant_id, list(of_tenant), now)
    finish(session, events, now=now)
    return len(events), made


def _tenant(event: Event) -> TenantId:
    return event.tenant_id


def _expand(session: Session, tenant_id: TenantId, events: list[Event], now: datetime) -> list[DeliveryMessage]:
    """Delivery rows for the events of one installation; pairs that have one already are left alone."""
    state = session.scalar(select(InstallationRow.state).where(InstallationRow.tenant_id == tenant_id))
    if state != InstallationState.ACTIVE:
        return []
    destinations = run_bound(session, _LISTENING, {"tenant_id": tenant_id}).all()
    if not destinations:
        return []
    disabled = disabled_among(session, tenant_id, (_subject(event).space_id for event in events))
    open_spaces = _spaces_with_chat(session, tenant_id, events)
    held = _held(session, tenant_id, events)
    wishes = {destination.id: read_events(destination.events) for destination in destinations}
    made: list[DeliveryMessage] = []
    for event in events:
        about = _subject(event)
        if about.space_id in disabled:
            continue
        for destination in destinations:
            if destination.scope_kind == ScopeKind.SPACE:
                is_in_scope = destination.scope_id == about.space_id
            else:
                is_in_scope = about.space_id in open_spaces
            is_wanted = is_in_scope and event.kind in wishes[destination.id]
            if is_wanted and (event.id, destination.id) not in held:
                made.append(_add_delivery(session, event, about, destination.id, now))
    return made


def _subject(event: Event) -> Subject:
    assert isinstance(event.about, Subject)  # noqa: S101 - the kinds asked for hold nothing else
    return event.about


def _spaces_with_chat(session: Session, tenant_id: TenantId, events: Iterable[Event]) -> set[SpaceId]:
    """Those of the events' spaces whose administrator has let site-wide destinations carry them."""
    space_ids = list({_subject(event).space_id for event in events})
    return set(run_bound(session, _WITH_CHAT, {"tenant_id": tenant_id, "space_ids": space_ids}).scalars())


def _held(session: Session, tenant_id: TenantId, events: Iterable[Event]) -> set[tuple[EventId, DestinationId]]:
    event_ids = [event.id for event in events]
    rows = run_bound(session, _HELD, {"tenant_id": tenant_id, "event_ids": event_ids})
    return {(row.event_id, row.destination_id) for row in rows}


def _add_delivery(
    session: Session, event: Event, about: Subject, destination_id: DestinationId, now: datetime
) -> DeliveryMessage:
    delivery_id = DeliveryId(new_id(now))
    delivery = {
        "tenant_id": event.tenant_id,
        "id": delivery_id,
        "event_id": event.id,
        "destination_id": destination_id,
        "kind": event.kind,
        "question_id": about.question_id,
        "answer_id": about.answer_id,
        "state": DeliveryState.PENDING,
        "due_at": now,
        "queued_at": None,
        "lease_until": None,
        "attempt_no": 0,
        "expires_at": event.created_at + EVENT_LIFE,
        "traceparent": event.traceparent,
        "created_at": now,
        "finished_at": None,
        "reason": None,
    }
    run_bound(session, _ADD, delivery)
    return DeliveryMessage(event.tenant_id, delivery_id, event.traceparent)


def sweep(services: Services) -> list[str]:
    """The guarantee behind the messages: relays what is due, ends what is too old, finds what lost its message."""
    bodies = relay_events(services)
    expired = services.write(lambda session: _expire(session, services.now()), trace=trace_of(None))
    if expired:
        log.warning("deliveries_expired", count=expired)
    found = services.write(lambda session: _take_overdue(session, services.now()), trace=trace_of(None))
    if found:
        log.info("deliveries_queued_again", count=len(found))
    return bodies + [message.to_body() for message in found]


def _expire(session: Session, now: datetime) -> int:
    # The timer looks at every installation's rows: none of them has anybody to look after it by itself.
    statement = (
        select(*_FOUND).where(Delivery.expires_at <= now, is_free(now)).order_by(Delivery.due_at).limit(_SWEEP_LIMIT)
    )
    rows = session.execute(across_tenants(statement)).all()
    return sum(
        rows_changed(
            session.execute(
                update_rows(row.tenant_id, Delivery)
                .where(Delivery.id == row.id, Delivery.attempt_no == row.attempt_no, is_free(now))
                .values(state=DeliveryState.EXPIRED, finished_at=now, lease_until=None, reason="expired")
            )
        )
        for row in rows
    )


def _take_overdue(session: Session, now: datetime) -> list[DeliveryMessage]:
    # Across installations, for the same reason.
    statement = (
        select(*_FOUND)
        .where(
            Delivery.due_at <= now - _OVERDUE,
            Delivery.expires_at > now,
            is_free(now),
            or_(Delivery.queued_at.is_(None), Delivery.queued_at <= now - _QUEUED_AGAIN_AFTER),
        )
        .order_by(Delivery.due_at)
        .limit(_SWEEP_LIMIT)
    )
    rows = session.execute(across_tenants(statement)).all()
    for tenant_id, of_tenant in groupby(sorted(rows, key=lambda row: row.tenant_id), key=lambda row: row.tenant_id):
        session.execute(
            update_rows(tenant_id, Delivery)
            .where(Delivery.id.in_([row.id for row in of_tenant]), is_free(now))
            .values(queued_at=now)
        )
    return [DeliveryMessage(row.tenant_id, row.id, row.traceparent) for row in rows]
