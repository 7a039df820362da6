"""The rows of reconciling: which site is due, who has it in hand, and how far each pass has come."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from lib.principal import TenantId
from lib.sql import across_tenants, insert_row, rows_changed, select_rows, update_rows
from lib.tenancy import InstallationRow, InstallationState
from questions_api.following.model import PassKind, ReconcileRow

LEASE = timedelta(minutes=5)
"""Longer than a run and the longest call it makes; whoever dies leaves the site to the next run after it."""

RECENT = (PassKind.RECENT_QUESTIONS, PassKind.RECENT_ANSWERS)
EVERY = {kind: timedelta(hours=1) if kind in RECENT else timedelta(days=7) for kind in PassKind}
_MAX_LINK = 2000
_SITES = 100


class LeaseLostError(Exception):
    """Another process has the site in hand: what this one would write is not wanted any more."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a pass goes on."""

    after_id: int = 0
    """Everything of ours up to this id has been compared; passes over what is recent do not use it."""
    link: str | None = None

    def to_text(self) -> str | None:
        """As it is stored. A link too long for its column is not: the pass would begin anew after a break."""
        text = f"{self.after_id} {self.link or ''}"
        return text if len(text) <= _MAX_LINK else None


def position_from(text: str | None) -> Position:
    after_id, _, link = (text or "0 ").partition(" ")
    return Position(int(after_id), link or None)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a pass has done so far."""

    checked: int = 0
    registered: int = 0
    updated: int = 0
    removed: int = 0
    points: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


COUNTED = (
    ReconcileRow.checked,
    ReconcileRow.registered,
    ReconcileRow.updated,
    ReconcileRow.removed,
    ReconcileRow.points,
)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass that is under way."""

    kind: PassKind
    position: Position
    started_at: datetime
    watermark: datetime | None
    is_new: bool = False
    """It has yet to be begun."""


def begin_new_sites(session: Session, *, now: datetime) -> int:
    """Gives every active site its passes; how many sites had none.

    What is there already is the business of the first pass over everything, so what is recent begins now.
    """
    # The timer looks at every installation: a new one has no row of its own that could bring it here.
    statement = (
        select(InstallationRow.tenant_id)
        .outerjoin(ReconcileRow, ReconcileRow.tenant_id == InstallationRow.tenant_id)
        .where(InstallationRow.state == InstallationState.ACTIVE, ReconcileRow.tenant_id.is_(None))
        .limit(_SITES)
    )
    found = session.scalars(across_tenants(statement)).all()
    none = {column.key: 0 for column in COUNTED}
    for tenant_id in found:
        for kind in PassKind:
            watermark = now if kind in RECENT else None
            row = {"pass_kind": kind, "due_at": now, "watermark": watermark, **none}
            session.execute(insert_row(TenantId(tenant_id), ReconcileRow, **row))
    return len(found)


def due_sites(session: Session, *, now: datetime) -> list[TenantId]:
    """The active sites that are due and in nobody's hands, the longest waiting first."""
    # As above; there are four rows for each site.
    statement = (
        select(ReconcileRow.tenant_id)
        .join(InstallationRow, InstallationRow.tenant_id == ReconcileRow.tenant_id)
        .where(InstallationRow.state == InstallationState.ACTIVE, ReconcileRow.due_at <= now, _is_free(now))
        .group_by(ReconcileRow.tenant_id)
        .order_by(func.min(ReconcileRow.due_at), ReconcileRow.tenant_id)
        .limit(_SITES)
    )
    return list(session.scalars(across_tenants(statement)))


def _is_free(now: datetime) -> Any:
    return or_(ReconcileRow.lease_until.is_(None), ReconcileRow.lease_until < now)


def claim_site(session: Session, tenant_id: TenantId, *, now: datetime, until: datetime) -> bool:
    """Takes all passes of the site in hand at once; False when somebody else has them."""
    claimed = session.execute(update_rows(tenant_id, ReconcileRow).where(_is_free(now)).values(lease_until=until))
    return rows_changed(claimed) > 0


def release_site(session: Session, tenant_id: TenantId, *, lease: datetime) -> None:
    held = update_rows(tenant_id, ReconcileRow).where(ReconcileRow.lease_until == lease)
    session.execute(held.values(lease_until=None))


def put_off_site(session: Session, tenant_id: TenantId, *, lease: datetime, until: datetime) -> None:
    """Leaves the site alone for a while: it cannot be asked, or should not be."""
    held = update_rows(tenant_id, ReconcileRow).where(ReconcileRow.lease_until == lease)
    session.execute(held.where(ReconcileRow.due_at < until).values(due_at=until))


def due_pass(session: Session, tenant_id: TenantId, kind: PassKind, *, now: datetime) -> Pass | None:
    """The pass if it is due: one to be taken up where it stopped, or to be begun."""
    row = session.scalar(select_rows(tenant_id, ReconcileRow).where(ReconcileRow.pass_kind == kind))
    if row is None or row.due_at > now:
        return None
    if row.started_at is not None and (row.finished_at is None or row.finished_at < row.started_at):
        return Pass(kind, position_from(row.next_link), row.started_at, row.watermark)
    return Pass(kind, Position(), now, row.watermark, is_new=True)


def begin_pass(session: Session, tenant_id: TenantId, begun: Pass, *, points: int, lease: datetime) -> None:
    """Sets the counts to nothing but the points that were spent on the way to it."""
    counts = {column.key: 0 for column in COUNTED} | {"points": points}
    _save(session, tenant_id, begun.kind, lease, started_at=begun.started_at, next_link=None, **counts)


def note_progress(
    session: Session,
    tenant_id: TenantId,
    kind: PassKind,
    done: Counts,
    *,
    lease: datetime,
    position: Position | None = None,
) -> None:
    """Adds what a step did; with `position`, the pass goes on from there. `LeaseLostError` undoes the step."""
    values: dict[str, Any] = {column.key: column + getattr(done, column.key) for column in COUNTED}
    if position is not None:
        values["next_link"] = position.to_text()
    _save(session, tenant_id, kind, lease, **values)


def interrupt_pass(session: Session, tenant_id: TenantId, kind: PassKind, *, lease: datetime, now: datetime) -> None:
    """The rest is left to a later run; sites that have waited longer come first."""
    _save(session, tenant_id, kind, lease, due_at=now)


def finish_pass(session: Session, tenant_id: TenantId, done: Pass, *, lease: datetime, now: datetime) -> Counts:
    values: dict[str, Any] = {"finished_at": now, "next_link": None, "due_at": done.started_at + EVERY[done.kind]}
    if done.kind in RECENT:
        values["watermark"] = done.started_at
    _save(session, tenant_id, done.kind, lease, **values)
    return Counts(*session.execute(select_rows(tenant_id, *COUNTED).where(ReconcileRow.pass_kind == done.kind)).one())


def _save(session: Session, tenant_id: TenantId, kind: PassKind, lease: datetime, **values: Any) -> None:
    changed = session.execute(
        update_rows(tenant_id, ReconcileRow)
        .where(and_(ReconcileRow.pass_kind == kind, ReconcileRow.lease_until == lease))
        .values(**values)
    )
    if rows_changed(changed) != 1:
        raise LeaseLostError


def read_passes(session: Session, tenant_id: TenantId) -> Sequence[ReconcileRow]:
    """The site's passes in the order in which they run."""
    order = list(PassKind)
    rows = session.scalars(select_rows(tenant_id, ReconcileRow))
    return sorted(rows, key=lambda row: order.index(PassKind(row.pass_kind)))
