"""Watching questions, spaces and tags: by choice, and by asking or answering.

An automatic watch is made only where the person has no watch on the question at all. Deleting a watch leaves
none, so that whoever answers anew watches anew; a person who wants to hear nothing more mutes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.errors import NotFound
from lib.principal import ContentId, Principal, TenantId
from lib.sql import delete_rows, insert_row, lost_race, rows_changed, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import Question
from questions_api.tags.model import Tag
from questions_api.watches.model import Watch, WatchKind


@dataclass(frozen=True, slots=True)
class Target:
    """What somebody watches."""

    kind: WatchKind
    id: int


def watch_automatically(
    session: Session, tenant_id: TenantId, question_id: ContentId, account_ref: int, *, now: datetime
) -> None:
    """Makes whoever asked or answered watch the question; what they have chosen themselves stays."""
    target = Target(WatchKind.QUESTION, question_id)
    if session.scalar(select_rows(tenant_id, Watch.account_ref).where(*_mine(target, account_ref))) is not None:
        return
    row = {"target_kind": WatchKind.QUESTION, "target_id": question_id, "account_ref": account_ref}
    session.execute(insert_row(tenant_id, Watch, **row, is_muted=False, is_automatic=True, created_at=now))
    _count(session, tenant_id, target, step=1)


def set_watch(session: Session, principal: Principal, target: Target, *, is_muted: bool, now: datetime) -> None:
    """Makes the person watch the target, or mutes it for them. What stands already changes nothing.

    `NotFound` for a question that is gone. The count moves only with the watch it counts.
    """
    tenant_id = principal.tenant_id
    # In the order in which an answer is registered: the person first, then the question.
    watcher = account_ref(session, tenant_id, principal.account_id, now=now)
    _take(session, tenant_id, target)
    mine = _mine(target, watcher)
    held = session.execute(select_rows(tenant_id, Watch.is_muted, Watch.is_automatic).where(*mine)).first()
    if held is None:
        row = {"target_kind": target.kind, "target_id": target.id, "account_ref": watcher}
        session.execute(insert_row(tenant_id, Watch, **row, is_muted=is_muted, is_automatic=False, created_at=now))
        _count(session, tenant_id, target, step=0 if is_muted else 1)
        return
    changed = session.execute(
        update_rows(tenant_id, Watch)
        .where(*mine, Watch.is_muted == held.is_muted)
        .values(is_muted=is_muted, is_automatic=False)
    )
    if rows_changed(changed) != 1:
        lost_race()
    _count(session, tenant_id, target, step=int(held.is_muted) - int(is_muted))


def remove_watch(session: Session, principal: Principal, target: Target) -> None:
    """Ends the person's watch, muted or not; where there is none, nothing changes."""
    tenant_id = principal.tenant_id
    _take(session, tenant_id, target)
    held = _held(session, principal, target)
    if held is None:
        return
    gone = session.execute(
        delete_rows(tenant_id, Watch).where(*_mine(target, held.account_ref), Watch.is_muted == held.is_muted)
    )
    if rows_changed(gone) != 1:
        lost_race()
    _count(session, tenant_id, target, step=int(held.is_muted) - 1)


def my_watch(session: Session, principal: Principal, target: Target) -> bool | None:
    """Whether the person has muted the target; None where they do not watch it."""
    held = _held(session, principal, target)
    return None if held is None else bool(held.is_muted)


def _held(session: Session, principal: Principal, target: Target) -> Any:
    return session.execute(
        select_rows(principal.tenant_id, Watch.account_ref, Watch.is_muted)
        .join(AccountRow, and_(AccountRow.tenant_id == Watch.tenant_id, AccountRow.account_ref == Watch.account_ref))
        .where(*_aims_at(target), AccountRow.atlassian_account_id == principal.account_id)
    ).first()


def _aims_at(target: Target) -> tuple[Any, ...]:
    return Watch.target_kind == target.kind, Watch.target_id == target.id


def _mine(target: Target, watcher: int) -> tuple[Any, ...]:
    return *_aims_at(target), Watch.account_ref == watcher


def _take(session: Session, tenant_id: TenantId, target: Target) -> None:
    """Locks a question for the rest of the transaction, as answering it does, so that the two wait in one order.

    A tag likewise: one that was merged away since the caller looked is `NotFound`.
    """
    if target.kind is WatchKind.TAG:
        held = update_rows(tenant_id, Tag).where(Tag.tag_id == target.id).values(use_count=Tag.use_count)
        if rows_changed(session.execute(held)) != 1:
            raise NotFound
    if target.kind is not WatchKind.QUESTION:
        return
    taken = session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == target.id, Question.deleted_at.is_(None))
        .values(watch_count=Question.watch_count)
    )
    if rows_changed(taken) != 1:
        raise NotFound


def _count(session: Session, tenant_id: TenantId, target: Target, *, step: int) -> None:
    """Muted watches are not counted, nor are those on spaces and tags."""
    if target.kind is not WatchKind.QUESTION or step == 0:
        return
    session.execute(
        update_rows(tenant_id, Question).where(Question.id == target.id).values(watch_count=Question.watch_count + step)
    )
