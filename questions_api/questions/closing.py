"""Changing what a question is to the community: closing, reopening, locking, pinning, and its tags in one go."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal_column
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.errors import Conflict, NotFound, PreconditionFailed
from lib.grants import Grants
from lib.principal import ContentId, Principal, SpaceId, TenantId
from lib.spaces import SpaceRow, SpaceSettings
from lib.sql import select_rows, update_rows
from lib.tenancy import account_ref
from questions_api.model import CloseReason, Question, QuestionState, state_from
from questions_api.posts import lock_question
from questions_api.questions.duplicates import check_original
from questions_api.questions.moving import ChangedMeanwhile
from questions_api.questions.tag_editing import edit_tags

MAX_PINS = 5
"""Pinned questions of one space."""


class ClosedOtherwise(Conflict):
    code = "closed-otherwise"
    detail = "The question is closed for another reason; reopen it first."


class TooManyPins(Conflict):
    code = "too-many-pins"
    detail = f"The space has {MAX_PINS} pinned questions already; unpin one first."


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a question is closed; a duplicate names its original."""

    reason: CloseReason
    duplicate_of: ContentId | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be otherwise; None stays as it is."""

    closing: Closing | None = None
    reopens: bool = False
    is_locked: bool | None = None
    is_pinned: bool | None = None
    tags: tuple[str, ...] | None = None

    @property
    def needs_moderator(self) -> bool:
        return self.closing is not None or self.reopens or self.is_locked is not None or self.is_pinned is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a question stands, read while its row is held."""

    space_id: SpaceId
    state: str
    close_reason: str | None
    duplicate_of: ContentId | None
    is_locked: bool
    is_pinned: bool
    created_at: datetime
    version: int

    @property
    def current(self) -> dict[str, object]:
        """What somebody who comes too late is told."""
        return {
            "state": self.state,
            "closeReason": self.close_reason,
            "duplicateOf": None if self.duplicate_of is None else str(self.duplicate_of),
            "isLocked": self.is_locked,
            "isPinned": self.is_pinned,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class _Step:
    """One change: what becomes of the row, and what the audit log says of it."""

    action: str
    values: dict[str, Any]
    before: dict[str, object]
    after: dict[str, object]


def change_question(
    session: Session,
    principal: Principal,
    question_id: ContentId,
    wanted: Changes,
    *,
    space_id: SpaceId,
    grants: Grants,
    settings: SpaceSettings,
    expected: int | None,
    now: datetime,
) -> None:
    """Makes all of the changes or none. What stands already changes nothing and is not refused.

    `space_id` is the space of `grants` and `settings`; `ChangedMeanwhile` where the question has left it since.
    `PreconditionFailed` where it is not of the version that the caller based the changes on, `ClosedOtherwise`
    where it is closed and not as wanted. That the caller moderates is checked before.
    """
    tenant_id = principal.tenant_id
    _hold(session, tenant_id, question_id, wanted)
    standing = _standing(session, tenant_id, question_id)
    if standing.space_id != space_id:
        raise ChangedMeanwhile(current={"version": standing.version})
    if expected is not None and expected != standing.version:
        raise PreconditionFailed(current=standing.current)
    steps = [
        _close(session, principal, question_id, standing, closing=wanted.closing, now=now),
        _reopen(standing) if wanted.reopens else None,
        _lock(standing, wanted.is_locked, now=now),
        _pin(session, tenant_id, standing, wanted.is_pinned, now=now),
    ]
    values: dict[str, Any] = {}
    for step in steps:
        if step is not None:
            values |= step.values
            append_audit(
                session,
                principal,
                step.action,
                ("question", question_id),
                before=step.before,
                after=step.after,
                now=now,
            )
    has_new_tags = wanted.tags is not None and edit_tags(
        session,
        principal,
        question_id,
        wanted.tags,
        grants=grants,
        settings=settings,
        space_id=standing.space_id,
        created_at=standing.created_at,
        now=now,
    )
    if values or has_new_tags:
        changed = update_rows(tenant_id, Question).where(Question.id == question_id)
        session.execute(changed.values(**values, version=Question.version + 1))


def _hold(session: Session, tenant_id: TenantId, question_id: ContentId, wanted: Changes) -> None:
    """Takes the rows of the question and of its original, the smaller id first: two who cross meet at the same one."""
    original = None if wanted.closing is None else wanted.closing.duplicate_of
    for each in sorted({question_id} | (set() if original is None else {original})):
        lock_question(session, tenant_id, each)


def _standing(session: Session, tenant_id: TenantId, question_id: ContentId) -> Standing:
    columns = (
        Question.space_id,
        Question.state,
        Question.close_reason,
        Question.duplicate_of,
        Question.locked_at,
        Question.pinned_at,
        Question.created_at,
        Question.version,
    )
    row = session.execute(
        select_rows(tenant_id, *columns).where(Question.id == question_id, Question.deleted_at.is_(None))
    ).first()
    if row is None:
        raise NotFound
    return Standing(
        space_id=row.space_id,
        state=row.state,
        close_reason=row.close_reason,
        duplicate_of=row.duplicate_of,
        is_locked=row.locked_at is not None,
        is_pinned=row.pinned_at is not None,
        created_at=row.created_at,
        version=row.version,
    )


def _why_closed(reason: str | None, duplicate_of: ContentId | None) -> dict[str, object]:
    return {"close_reason": reason, "duplicate_of": None if duplicate_of is None else str(duplicate_of)}


def _close(
    session: Session,
    principal: Principal,
    question_id: ContentId,
    standing: Standing,
    *,
    closing: Closing | None,
    now: datetime,
) -> _Step | None:
    if closing is None:
        return None
    if standing.state == QuestionState.CLOSED:
        if (standing.close_reason, standing.duplicate_of) == (closing.reason, closing.duplicate_of):
            return None
        raise ClosedOtherwise(current=standing.current)
    if closing.duplicate_of is not None:
        check_original(session, principal.tenant_id, question_id, closing.duplicate_of)
    values = {
        "state": QuestionState.CLOSED,
        "closed_at": now,
        "closed_by_ref": account_ref(session, principal.tenant_id, principal.account_id, now=now),
        "close_reason": closing.reason,
        "duplicate_of": closing.duplicate_of,
    }
    before = {"state": standing.state, **_why_closed(None, None)}
    after = {"state": QuestionState.CLOSED.value, **_why_closed(closing.reason, closing.duplicate_of)}
    return _Step("question.closed", values, before, after)


def _reopen(standing: Standing) -> _Step | None:
    """The state is again what the counters say: closing has touched nothing else."""
    if standing.state != QuestionState.CLOSED:
        return None
    cleared = dict.fromkeys(("closed_at", "closed_by_ref", "close_reason", "duplicate_of"))
    state = state_from(Question.answer_count, Question.accepted_count, literal_column("NULL"))
    before = {"state": standing.state, **_why_closed(standing.close_reason, standing.duplicate_of)}
    return _Step("question.reopened", {**cleared, "state": state}, before, {"state": "open", **_why_closed(None, None)})


def _lock(standing: Standing, is_locked: bool | None, *, now: datetime) -> _Step | None:
    if is_locked is None or is_locked == standing.is_locked:
        return None
    action = "question.locked" if is_locked else "question.unlocked"
    values = {"locked_at": now if is_locked else None}
    return _Step(action, values, {"is_locked": standing.is_locked}, {"is_locked": is_locked})


def _pin(
    session: Session, tenant_id: TenantId, standing: Standing, is_pinned: bool | None, *, now: datetime
) -> _Step | None:
    if is_pinned is None or is_pinned == standing.is_pinned:
        return None
    if is_pinned:
        _check_pins(session, tenant_id, standing)
    action = "question.pinned" if is_pinned else "question.unpinned"
    values = {"pinned_at": now if is_pinned else None}
    return _Step(action, values, {"is_pinned": standing.is_pinned}, {"is_pinned": is_pinned})


def _check_pins(session: Session, tenant_id: TenantId, standing: Standing) -> None:
    """Holds the space's row, so that two who pin at once count one after the other."""
    session.execute(
        update_rows(tenant_id, SpaceRow)
        .where(SpaceRow.space_id == standing.space_id)
        .values(permission_epoch=SpaceRow.permission_epoch)
    )
    pinned = select_rows(tenant_id, Question.id).where(
        Question.space_id == standing.space_id, Question.pinned_at.is_not(None), Question.deleted_at.is_(None)
    )
    if len(session.execute(pinned.limit(MAX_PINS)).all()) == MAX_PINS:
        raise TooManyPins(current=standing.current)
