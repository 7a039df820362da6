"""Tables of chat delivery: where events go, what became of each, and every try."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Unicode,
    UniqueConstraint,
    and_,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from lib.events import EventId
from lib.principal import ContentId, SpaceId
from lib.sql import Instant, TenantRow, code_type
from lib.tenancy import AccountRow

DestinationId = NewType("DestinationId", int)
DeliveryId = NewType("DeliveryId", int)

MAX_LABEL = 80
"""In UTF-16 code units, which is how SQL Server counts."""


class ScopeKind(StrEnum):
    """Which questions a destination hears of. The value is stored."""

    SITE = "site"
    SPACE = "space"


class DestinationState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    """Life of a delivery. The last four are final; `dead` is the dead letter."""

    PENDING = "pending"
    SENDING = "sending"
    RETRY = "retry"
    DELIVERED = "delivered"
    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


WAITING = (DeliveryState.PENDING, DeliveryState.RETRY)


class Destination(TenantRow):
    """A chat target. Its endpoint is a secret and stands here sealed; host and ending are for people to tell it by."""

    __tablename__ = "destination"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "created_by_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        UniqueConstraint("tenant_id", "endpoint_fingerprint"),
        CheckConstraint(
            "(scope_kind = 'space' AND scope_id IS NOT NULL) OR (scope_kind = 'site' AND scope_id IS NULL)",
            name="scope",
        ),
    )

    id: Mapped[DestinationId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(code_type(16))
    label: Mapped[str] = mapped_column(Unicode(MAX_LABEL))
    """Written by an administrator."""
    scope_kind: Mapped[str] = mapped_column(code_type(16))
    scope_id: Mapped[SpaceId | None] = mapped_column(BigInteger)
    """The space; None for the whole site."""
    events: Mapped[str] = mapped_column(code_type(64))
    """Subscribed event names, separated by commas."""
    disclosure: Mapped[str] = mapped_column(code_type(16))
    endpoint_record: Mapped[bytes] = mapped_column(LargeBinary(4096))
    endpoint_fingerprint: Mapped[str] = mapped_column(code_type(64))
    """Keyed hash of scope and URL, led by its key's version: one scope has one destination per URL."""
    endpoint_host: Mapped[str] = mapped_column(code_type(255))
    endpoint_ending: Mapped[str] = mapped_column(code_type(4))
    state: Mapped[str] = mapped_column(code_type(16))
    disabled_reason: Mapped[str | None] = mapped_column(code_type(32))
    failure_count: Mapped[int] = mapped_column(Integer, default=0)
    """Tries that failed since the last that did not."""
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    last_delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    created_by_ref: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Delivery(TenantRow):
    """One event for one destination: the key allows no second one, so expanding an event may be run again."""

    __tablename__ = "delivery"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "destination_id"), (Destination.tenant_id, Destination.id)),
        UniqueConstraint("tenant_id", "event_id", "destination_id"),
        Index("ix_delivery_due", "state", "due_at"),
        Index("ix_delivery_destination", "tenant_id", "destination_id", "id"),
    )

    id: Mapped[DeliveryId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[EventId] = mapped_column(BigInteger)
    destination_id: Mapped[DestinationId] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(code_type(32))
    question_id: Mapped[ContentId] = mapped_column(BigInteger)
    answer_id: Mapped[ContentId | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(code_type(16))
    due_at: Mapped[datetime] = mapped_column(Instant)
    queued_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the sweep last sent a message for it; a claim clears this."""
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    attempt_no: Mapped[int] = mapped_column(Integer, default=0)
    """Counts claims; whoever writes names the one it holds, so that a claim taken over is written by one only."""
    expires_at: Mapped[datetime] = mapped_column(Instant)
    traceparent: Mapped[str | None] = mapped_column(code_type(55))
    created_at: Mapped[datetime] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str | None] = mapped_column(code_type(32))


class Attempt(TenantRow):
    """One try of a delivery; rows are only ever added. What was sent and what came back are not kept."""

    __tablename__ = "attempt"
    __table_args__ = (ForeignKeyConstraint(("tenant_id", "delivery_id"), (Delivery.tenant_id, Delivery.id)),)

    delivery_id: Mapped[DeliveryId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt_no: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(code_type(16))
    http_status: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(code_type(32))
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(Instant)


def is_free(now: datetime) -> ColumnElement[bool]:
    """Condition: not finished, and in nobody's hands, be it that the lease of whoever claimed it has run out."""
    return or_(
        Delivery.state.in_(WAITING),
        and_(Delivery.state == DeliveryState.SENDING, Delivery.lease_until < now),
    )
