"""Deliveries in our hands: taken, written back, or ended. Each function is one short transaction's work.

A claim is a lease with a number: whoever dies holding it loses it after 30 seconds to the next, and what the
dead one's worker may still write is refused because its number is old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Row, and_, bindparam, func
from sqlalchemy.orm import Session

from lib.events import EventKind
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import Instant, insert_bound, rows_changed, run_bound, select_bound, update_bound, update_rows
from notify.delivery.schedule import MAX_ATTEMPTS, next_try
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


_FOUND = (
    select_bound(
        Delivery,
        Delivery,
        Destination.kind.label("destination_kind"),
        Destination.state.label("destination_state"),
        Destination.endpoint_record,
        Destination.disclosure,
        Destination.scope_id,
    )
    .join(Destination, and_(Destination.tenant_id == Delivery.tenant_id, Destination.id == Delivery.destination_id))
    .where(Delivery.id == bindparam("delivery_id"))
)
_MOVE = update_bound(Delivery).where(
    Delivery.id == bindparam("moved_id"),
    Delivery.state == bindparam("from_state"),
    Delivery.attempt_no == bindparam("held_no"),
)
"""What it sets are the values it is run with that are named like columns."""

_ATTEMPT = insert_bound(Attempt)
_THIS = update_bound(Destination).where(Destination.id == bindparam("destination_id"))
_AT = bindparam("noted_at", type_=Instant())
_WHY: BindParameter[str] = bindparam("why")
_TAKES = _THIS.values(failure_count=0, failing_since=None, last_delivered_at=_AT)
_IS_GONE = _THIS.values(
    failure_count=Destination.failure_count + 1, state=DestinationState.DISABLED, disabled_reason=_WHY
)
_FAILS = _THIS.values(
    failure_count=Destination.failure_count + 1, failing_since=func.coalesce(Destination.failing_since, _AT)
)
_FAILS_TOO_LONG = _THIS.where(
    Destination.state == DestinationState.ACTIVE,
    Destination.failure_count >= _FAILING_TIMES,
    Destination.failing_since <= bindparam("long_ago", type_=Instant()),
).values(state=DestinationState.DISABLED, disabled_reason=_WHY)


def claim(
    session: Session, tenant_id: TenantId, delivery_id: DeliveryId, *, now: datetime
) -> Claim | DeliveryState | None:
    """Takes the delivery, or ends it where its time or its tries are over; None when it is not to be had."""
    row = run_bound(session, _FOUND, {"tenant_id": tenant_id, "delivery_id": delivery_id}).first()
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
    if not _move(session, tenant_id, delivery_id, row.state, row.attempt_no, values):
        return None
    if is_taken_over:
        _add_attempt(session, tenant_id, delivery_id, row.attempt_no, outcome="unknown", reason=WORKER_LOST, at=now)
    return _claimed(row) if ended is None else ended[0]


def _move(
    session: Session,
    tenant_id: TenantId,
    delivery_id: DeliveryId,
    from_state: str,
    held_no: int,
    values: dict[str, object],
) -> bool:
    """Sets the values if the delivery still is in that state and claim; False when somebody else was first."""
    moved = {"of_tenant": tenant_id, "moved_id": delivery_id, "from_state": from_state, "held_no": held_no}
    return rows_changed(run_bound(session, _MOVE, moved | values)) == 1


def _is_claimable(row: Row[Any], now: datetime) -> bool:
    if row.state == DeliveryState.SENDING:
        return row.lease_until is not None and row.lease_until < now
    return row.state in WAITING and row.due_at <= now + _EARLY


def _end_of(row: Row[Any], now: datetime) -> tuple[DeliveryState, str] | None:
    """The state in which the delivery ends without another try, and why."""
    if now >= row.expires_at:
        return DeliveryState.EXPIRED, "expired"
    if row.attempt_no >= MAX_ATTEMPTS:
        return DeliveryState.DEAD, WORKER_LOST
    return None


def _finished(state: DeliveryState, reason: str | None, now: datetime) -> dict[str, object]:
    return {"state": state, "reason": reason, "finished_at": now, "lease_until": None, "queued_at": None}


def _claimed(row: Row[Any]) -> Claim:
    target = Target(row.destination_id, DestinationKind(row.destination_kind), row.endpoint_record)
    return Claim(
        tenant_id=row.tenant_id,
        delivery_id=row.id,
        destination_id=row.destination_id,
        attempt_no=row.attempt_no + 1,
        kind=EventKind(row.kind),
        question_id=row.question_id,
        is_about_answer=row.answer_id is not None,
        is_plain=row.reason in ASKS_FOR_PLAIN,
        traceparent=row.traceparent,
        target=target if row.destination_state == DestinationState.ACTIVE else None,
        disclosure=Disclosure(row.disclosure),
        scope_id=row.scope_id,
    )


def _add_attempt(
    session: Session, tenant_id: TenantId, delivery_id: DeliveryId, attempt_no: int, **values: object
) -> None:
    key = {"tenant_id": tenant_id, "delivery_id": delivery_id, "attempt_no": attempt_no}
    run_bound(session, _ATTEMPT, {**key, "http_status": None, "duration_ms": None, **values})


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
    values: dict[str, object] = (
        {"state": left.state, "reason": left.reason, "due_at": left.due_at, "lease_until": None}
        if left.due_at is not None
        else _finished(left.state, left.reason, now)
    )
    if not _move(session, claimed.tenant_id, claimed.delivery_id, DeliveryState.SENDING, claimed.attempt_no, values):
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
    this = {"of_tenant": claimed.tenant_id, "destination_id": claimed.destination_id}
    match outcome:
        case Delivered():
            run_bound(session, _TAKES, {**this, "noted_at": now})
        case Gone():
            run_bound(session, _IS_GONE, {**this, "why": left.reason})
        case Retry(reason) if reason != UNAVAILABLE:
            run_bound(session, _FAILS, {**this, "noted_at": now})
            if left.state is DeliveryState.DEAD:
                long_ago = now - _FAILING_FOR
                run_bound(session, _FAILS_TOO_LONG, {**this, "long_ago": long_ago, "why": left.reason})
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
