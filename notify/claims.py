"""Deliveries in our hands: taken, written back, or ended. Each function is one short transaction's work.

A claim is a lease with a number: whoever dies holding it loses it after 30 seconds to the next, and what the
dead one's worker may still write is refused because its number is old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.orm import Session

from lib.events import EventKind
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import insert_row, rows_changed, select_rows, update_rows
from notify.endpoints import Target
from notify.kinds import DestinationKind
from notify.message import Disclosure
from notify.model import (
    WAITING,
    Attempt,
    Delivery,
    DeliveryId,
    DeliveryState,
    Destination,
    DestinationId,
    DestinationState,
    is_free,
)
from notify.outcome import ASKS_FOR_PLAIN, Delivered, Gone, Outcome, Retry, name_of
from notify.schedule import MAX_ATTEMPTS, next_try

LEASE = timedelta(seconds=30)
"""Longer than everything a try may take: reading the title (5 s) and the call (10 s)."""

_EARLY = timedelta(seconds=1)
"""A message made visible for the due second may be read by a clock that is a little behind."""

_FAILING_FOR = timedelta(hours=72)
_FAILING_TIMES = 10
"""A destination is disabled when it has failed this often and taken nothing for this long."""

WORKER_LOST = "worker-lost"
UNAVAILABLE = "unavailable"
"""Our own neighbours were away; says nothing about the destination."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery in our hands, with what a try needs of its destination (None: not active any more)."""

    tenant_id: TenantId
    delivery_id: DeliveryId
    destination_id: DestinationId
    attempt_no: int
    kind: EventKind
    question_id: ContentId
    is_about_answer: bool
    is_plain: bool
    traceparent: str | None
    target: Target | None
    disclosure: Disclosure
    scope_id: SpaceId | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """There is nothing to send any more."""

    reason: str


def claim(
    session: Session, tenant_id: TenantId, delivery_id: DeliveryId, *, now: datetime
) -> Claim | DeliveryState | None:
    """Takes the delivery, or ends it where its time or its tries are over; None when it is not to be had."""
    row = session.scalar(select_rows(tenant_id, Delivery).where(Delivery.id == delivery_id))
    if row is None or not _is_claimable(row, now):
        return None
    is_taken_over = row.state == DeliveryState.SENDING
    ended = _end_of(row, now)
    values: dict[str, object] = (
        {
            "state": DeliveryState.SENDING,
            "lease_until": now + LEASE,
            "attempt_no": row.attempt_no + 1,
            "queued_at": None,
        }
        if ended is None
        else _finished(*ended, now)
    )
    changed = session.execute(
        update_rows(tenant_id, Delivery)
        .where(Delivery.id == row.id, Delivery.state == row.state, Delivery.attempt_no == row.attempt_no)
        .values(values)
    )
    if rows_changed(changed) != 1:
        return None
    if is_taken_over:
        _add_attempt(session, row.tenant_id, row.id, row.attempt_no, outcome="unknown", reason=WORKER_LOST, at=now)
    return _claimed(session, row) if ended is None else ended[0]


def _is_claimable(row: Delivery, now: datetime) -> bool:
    if row.state == DeliveryState.SENDING:
        return row.lease_until is not None and row.lease_until < now
    return row.state in WAITING and row.due_at <= now + _EARLY


def _end_of(row: Delivery, now: datetime) -> tuple[DeliveryState, str] | None:
    """The state in which the delivery ends without another try, and why."""
    if now >= row.expires_at:
        return DeliveryState.EXPIRED, "expired"
    if row.attempt_no >= MAX_ATTEMPTS:
        return DeliveryState.DEAD, WORKER_LOST
    return None


def _finished(state: DeliveryState, reason: str | None, now: datetime) -> dict[str, object]:
    return {"state": state, "reason": reason, "finished_at": now, "lease_until": None, "queued_at": None}


def _claimed(session: Session, row: Delivery) -> Claim:
    destination = session.scalars(
        select_rows(row.tenant_id, Destination).where(Destination.id == row.destination_id)
    ).one()
    target = Target(destination.id, DestinationKind(destination.kind), destination.endpoint_record)
    return Claim(
        tenant_id=row.tenant_id,
        delivery_id=row.id,
        destination_id=destination.id,
        attempt_no=row.attempt_no + 1,
        kind=EventKind(row.kind),
        question_id=row.question_id,
        is_about_answer=row.answer_id is not None,
        is_plain=row.reason in ASKS_FOR_PLAIN,
        traceparent=row.traceparent,
        target=target if destination.state == DestinationState.ACTIVE else None,
        disclosure=Disclosure(destination.disclosure),
        scope_id=destination.scope_id,
    )


def _add_attempt(
    session: Session, tenant_id: TenantId, delivery_id: DeliveryId, attempt_no: int, **values: object
) -> None:
    session.execute(insert_row(tenant_id, Attempt, delivery_id=delivery_id, attempt_no=attempt_no, **values))


@dataclass(frozen=True, slots=True)
class Left:
    """How a try leaves its delivery."""

    state: DeliveryState
    reason: str | None = None
    due_at: datetime | None = None


def record(
    session: Session, claimed: Claim, result: Outcome | Cancelled, *, now: datetime, duration_ms: int, rng: float
) -> Left | None:
    """Writes what came of the try; None, and nothing written, when the claim was lost meanwhile."""
    left = _judge(result, claimed.attempt_no, now=now, rng=rng)
    values = (
        {"state": left.state, "reason": left.reason, "due_at": left.due_at, "lease_until": None}
        if left.due_at is not None
        else _finished(left.state, left.reason, now)
    )
    changed = session.execute(
        update_rows(claimed.tenant_id, Delivery)
        .where(
            Delivery.id == claimed.delivery_id,
            Delivery.state == DeliveryState.SENDING,
            Delivery.attempt_no == claimed.attempt_no,
        )
        .values(values)
    )
    if rows_changed(changed) != 1:
        return None
    if isinstance(result, Cancelled):
        return left
    _add_attempt(
        session,
        claimed.tenant_id,
        claimed.delivery_id,
        claimed.attempt_no,
        outcome=name_of(result),
        http_status=result.http_status,
        reason=None if isinstance(result, Delivered) else result.reason,
        duration_ms=duration_ms,
        at=now,
    )
    _note_at_destination(session, claimed, result, left, now)
    return left


def _judge(result: Outcome | Cancelled, attempt_no: int, *, now: datetime, rng: float) -> Left:
    match result:
        case Delivered():
            return Left(DeliveryState.DELIVERED)
        case Cancelled(reason):
            return Left(DeliveryState.CANCELLED, reason)
        case Gone(reason):
            return Left(DeliveryState.DEAD, reason)
        case Retry(reason):
            due_at = next_try(result, attempt_no, now=now, rng=rng)
            return Left(DeliveryState.DEAD if due_at is None else DeliveryState.RETRY, reason, due_at)


def _note_at_destination(session: Session, claimed: Claim, outcome: Outcome, left: Left, now: datetime) -> None:
    """The destination's health; it is disabled at once when gone, and after days without one success."""
    this = update_rows(claimed.tenant_id, Destination).where(Destination.id == claimed.destination_id)
    disabled = {"state": DestinationState.DISABLED, "disabled_reason": left.reason}
    match outcome:
        case Delivered():
            session.execute(this.values(failure_count=0, failing_since=None, last_delivered_at=now))
        case Gone():
            session.execute(this.values(failure_count=Destination.failure_count + 1, **disabled))
        case Retry(reason) if reason != UNAVAILABLE:
            session.execute(
                this.values(
                    failure_count=Destination.failure_count + 1,
                    failing_since=func.coalesce(Destination.failing_since, now),
                )
            )
            if left.state is DeliveryState.DEAD:
                session.execute(
                    this.where(
                        Destination.state == DestinationState.ACTIVE,
                        Destination.failure_count >= _FAILING_TIMES,
                        Destination.failing_since <= now - _FAILING_FOR,
                    ).values(disabled)
                )
        case _:
            return


def bury(session: Session, tenant_id: TenantId, delivery_id: DeliveryId, *, now: datetime) -> bool:
    """Ends a delivery whose message the platform gave up. One in somebody's hands is left to them.

    False when there is no such delivery or it is finished already.
    """
    buried = session.execute(
        update_rows(tenant_id, Delivery)
        .where(Delivery.id == delivery_id, is_free(now))
        .values(_finished(DeliveryState.DEAD, "poison", now))
    )
    return rows_changed(buried) == 1
