"""Casting, changing and withdrawing a vote, with the counters in the same transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, Update, and_, bindparam
from sqlalchemy.orm import Session

from lib.errors import NotFound
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import AccountId, ContentId, Principal, SpaceId, TenantId
from lib.sql import (
    Instant,
    delete_bound,
    insert_bound,
    lost_race,
    rows_changed,
    run_bound,
    select_bound,
    update_bound,
)
from lib.tenancy import AccountRow, add_account
from questions_api.model import Answer, PostKind, Question, hot_lift
from questions_api.votes.model import Vote

Value = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class Transition:
    """What a change of one vote does to the counters of its post."""

    score: int
    up: int
    down: int


def transition(held: Value, wanted: Value) -> Transition:
    """The counters' change when a vote goes from `held` to `wanted`; 0 is no vote (pure)."""
    return Transition(
        score=wanted - held,
        up=(wanted == 1) - (held == 1),
        down=(wanted == -1) - (held == -1),
    )


@dataclass(frozen=True, slots=True)
class Post:
    """The post a vote is about, as the caller has found it."""

    kind: PostKind
    id: ContentId
    question_id: ContentId
    space_id: SpaceId
    author_id: AccountId | None
    """None for a former user."""


@dataclass(frozen=True, slots=True)
class VoteResult:
    """A person's vote on a post, and the post's score after it."""

    value: Value
    score: int


_Table = type[Question] | type[Answer]


def _held(kind: PostKind, table: _Table) -> Select[Any]:
    """The post's score, the voter's reference and the vote that stands; the latter two None where there is none."""
    return (
        select_bound(table, table.score, Vote.value, AccountRow.account_ref)
        .outerjoin(
            AccountRow,
            and_(
                AccountRow.tenant_id == table.tenant_id,
                AccountRow.atlassian_account_id == bindparam("account"),
            ),
        )
        .outerjoin(
            Vote,
            and_(
                Vote.tenant_id == table.tenant_id,
                Vote.subject_kind == kind,
                Vote.subject_id == table.id,
                Vote.account_ref == AccountRow.account_ref,
            ),
        )
        .where(table.id == bindparam("post_id"), table.deleted_at.is_(None))
    )


def _count(table: _Table) -> Update:
    """Counters move by a step, never to a value: two votes at once must both count."""
    score = table.score + bindparam("by_score")
    steps: dict[str, Any] = {
        "score": score,
        "up": table.up + bindparam("by_up"),
        "down": table.down + bindparam("by_down"),
    }
    if table is Question:
        steps["hot"] = Question.hot + hot_lift(score) - hot_lift(Question.score)
    return update_bound(table).where(table.id == bindparam("post_id")).values(**steps)


_MINE = (
    Vote.subject_kind == bindparam("post_kind"),
    Vote.subject_id == bindparam("post_id"),
    Vote.account_ref == bindparam("voter_ref"),
    Vote.value == bindparam("held"),
)
_TABLES: tuple[tuple[PostKind, _Table], ...] = ((PostKind.QUESTION, Question), (PostKind.ANSWER, Answer))
_HELD = {kind: _held(kind, table) for kind, table in _TABLES}
_COUNT = {kind: _count(table) for kind, table in _TABLES}
_CAST = insert_bound(Vote)
_CHANGE = (
    update_bound(Vote).where(*_MINE).values(value=bindparam("wanted"), created_at=bindparam("at", type_=Instant()))
)
_TAKE_BACK = delete_bound(Vote).where(*_MINE)


def cast_vote(session: Session, principal: Principal, post: Post, value: Value, *, now: datetime) -> VoteResult:
    """Makes `value` the person's vote. Casting what already stands changes nothing and tells nobody.

    A first vote is an insert: a concurrent twin of this request collides on the key and starts over, finding
    the vote. A change names the value it replaces, for the same reason. Counters move only with the vote row.
    """
    tenant_id = principal.tenant_id
    row = run_bound(
        session, _HELD[post.kind], {"tenant_id": tenant_id, "account": principal.account_id, "post_id": post.id}
    ).first()
    if row is None:
        raise NotFound
    held: Value = row.value or 0
    if held == value:
        return VoteResult(value, row.score)
    voter_ref = row.account_ref or add_account(session, tenant_id, principal.account_id, now=now)
    _store(session, tenant_id, post, voter_ref, held, value, now)
    step = transition(held, value)
    run_bound(
        session,
        _COUNT[post.kind],
        {
            "of_tenant": tenant_id,
            "post_id": post.id,
            "by_score": step.score,
            "by_up": step.up,
            "by_down": step.down,
        },
    )
    about = Subject(post.question_id, post.space_id, post.id if post.kind is PostKind.ANSWER else None)
    kinds = (EventKind.TALLY_DUE,) if value == 0 else (EventKind.POST_VOTED, EventKind.TALLY_DUE)
    append_events(session, tenant_id, kinds, about, now=now)
    return VoteResult(value, row.score + step.score)


def _store(
    session: Session, tenant_id: TenantId, post: Post, voter_ref: int, held: Value, value: Value, now: datetime
) -> None:
    if held == 0:
        vote = {
            "tenant_id": tenant_id,
            "subject_kind": post.kind,
            "subject_id": post.id,
            "account_ref": voter_ref,
            "value": value,
            "created_at": now,
        }
        run_bound(session, _CAST, vote)
        return
    mine = {
        "of_tenant": tenant_id,
        "post_kind": post.kind,
        "post_id": post.id,
        "voter_ref": voter_ref,
        "held": held,
    }
    changed = (
        run_bound(session, _TAKE_BACK, mine)
        if value == 0
        else run_bound(session, _CHANGE, {**mine, "wanted": value, "at": now})
    )
    if rows_changed(changed) != 1:
        lost_race()
