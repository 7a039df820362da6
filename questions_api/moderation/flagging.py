"""Flags: what members tell moderators about a post, and what a moderator makes of it. A reason, never text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import literal_column
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.errors import Conflict, Forbidden, NotFound
from lib.principal import AccountId, Principal, TenantId
from lib.sql import delete_rows, insert_row, new_id, rows_changed, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import Answer, PostKind, Question
from questions_api.moderation.model import Flag, FlagReason, FlagResolution
from questions_api.posts import lock_question
from questions_api.votes.casting import Post
from questions_api.wire import moment_view


class OwnPostFlag(Forbidden):
    code = "own-post-flag"
    detail = "Nobody flags their own post; edit or delete it instead."


class NoOpenFlags(Conflict):
    """`current` holds what stands: the last resolution, when, and by whom."""

    code = "no-open-flags"
    detail = "No flag of this post is open; perhaps another moderator was faster."


@dataclass(frozen=True, slots=True)
class OwnFlag:
    """The flag that a person has on a post."""

    reason: str
    created_at: datetime


def check_may_flag(*, author: AccountId | None, account: AccountId) -> None:
    """Whoever may see a post may flag it, but its author."""
    if author == account:
        raise OwnPostFlag


def _of(post: Post) -> tuple[Any, Any]:
    return Flag.subject_kind == post.kind, Flag.subject_id == post.id


def flag_post(session: Session, principal: Principal, post: Post, reason: FlagReason, *, now: datetime) -> OwnFlag:
    """Makes `reason` the person's flag on the post. A flag that was resolved is open again, as if new."""
    tenant_id = principal.tenant_id
    _lock(session, tenant_id, post)
    flagger = account_ref(session, tenant_id, principal.account_id, now=now)
    held = session.execute(
        select_rows(tenant_id, Flag.id, Flag.reason, Flag.created_at, Flag.resolved_at).where(
            *_of(post), Flag.account_ref == flagger
        )
    ).first()
    if held is not None and held.resolved_at is None and held.reason == reason:
        return OwnFlag(held.reason, held.created_at)
    if held is not None:
        session.execute(delete_rows(tenant_id, Flag).where(Flag.id == held.id))
    # A changed mind keeps its place in the queue; after a resolution it is a new matter.
    since = held.created_at if held is not None and held.resolved_at is None else now
    row = {
        "id": new_id(now),
        "subject_kind": post.kind,
        "subject_id": post.id,
        "question_id": post.question_id,
        "account_ref": flagger,
        "reason": reason,
        "created_at": since,
    }
    session.execute(insert_row(tenant_id, Flag, **row))
    _contest(session, tenant_id, post, now=now)
    return OwnFlag(reason, since)


def withdraw_flag(session: Session, principal: Principal, post: Post, *, now: datetime) -> None:
    """Takes the person's open flag back; where there is none, or it has been resolved, nothing changes."""
    tenant_id = principal.tenant_id
    _lock(session, tenant_id, post)
    flagger = account_ref(session, tenant_id, principal.account_id, now=now)
    mine = (*_of(post), Flag.account_ref == flagger, Flag.resolved_at.is_(None))
    session.execute(delete_rows(tenant_id, Flag).where(*mine))
    _contest(session, tenant_id, post, now=now)


def resolve_flags(
    session: Session, principal: Principal, post: Post, resolution: FlagResolution, *, now: datetime
) -> int:
    """Decides on all open flags of the post; how many there were. `NoOpenFlags` for the second of two moderators.

    It changes nothing else: to delete, close or un-accept is a step of its own.
    """
    tenant_id = principal.tenant_id
    _lock(session, tenant_id, post)
    moderator = account_ref(session, tenant_id, principal.account_id, now=now)
    resolved = rows_changed(
        session.execute(
            update_rows(tenant_id, Flag)
            .where(*_of(post), Flag.resolved_at.is_(None))
            .values(resolution=resolution, resolved_by_ref=moderator, resolved_at=now)
        )
    )
    if not resolved:
        raise NoOpenFlags(current=_standing(session, tenant_id, post))
    _contest(session, tenant_id, post, now=now)
    append_audit(
        session,
        principal,
        "flags.resolved",
        (post.kind, post.id),
        before={"open": resolved},
        after={"open": 0, "resolution": resolution.value},
        now=now,
    )
    return resolved


def _standing(session: Session, tenant_id: TenantId, post: Post) -> dict[str, object]:
    """The post's last resolution; all None where nobody has ever flagged it."""
    row = session.execute(
        select_rows(tenant_id, Flag.resolution, Flag.resolved_at, Flag.resolved_by_ref)
        .where(*_of(post), Flag.resolved_at.is_not(None))
        .order_by(Flag.resolved_at.desc())
        .limit(1)
    ).first()
    if row is None:
        return {"resolution": None, "resolvedAt": None, "resolvedById": None}
    by = session.scalar(
        select_rows(tenant_id, AccountRow.atlassian_account_id).where(AccountRow.account_ref == row.resolved_by_ref)
    )
    return {"resolution": row.resolution, "resolvedAt": moment_view(row.resolved_at), "resolvedById": by}


def _lock(session: Session, tenant_id: TenantId, post: Post) -> None:
    """Takes the question's row, so that what one post's flags say is decided one after the other."""
    table: type[Question | Answer] = Question if post.kind is PostKind.QUESTION else Answer
    live = select_rows(tenant_id, table.id).where(table.id == post.id, table.deleted_at.is_(None))
    if not lock_question(session, tenant_id, post.question_id) or session.scalar(live) is None:
        raise NotFound


def _contest(session: Session, tenant_id: TenantId, post: Post, *, now: datetime) -> None:
    """Keeps since when somebody's flag that says the answer is outdated is open.

    Also of an answer that is not accepted, which nobody is shown: acceptance comes and goes, and only a withdrawal
    or a decision ends the contest.
    """
    if post.kind is not PostKind.ANSWER:
        return
    outdated = select_rows(tenant_id, Flag.id).where(
        *_of(post), Flag.reason == FlagReason.OUTDATED, Flag.resolved_at.is_(None)
    )
    is_contested = session.scalar(outdated.limit(1)) is not None
    answer = update_rows(tenant_id, Answer).where(Answer.question_id == post.question_id, Answer.id == post.id)
    if is_contested:
        answer = answer.where(Answer.contested_at.is_(None))
    session.execute(answer.values(contested_at=now if is_contested else literal_column("NULL")))
