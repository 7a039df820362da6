"""Counting votes anew: what the counters of posts should be, from the votes themselves, and putting them right."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Any

from sqlalchemy import BigInteger, Select, Update, bindparam, case, func, literal_column
from sqlalchemy.orm import Session

from lib.principal import ContentId, TenantId
from lib.sql import rows_changed, run_bound, select_bound, update_bound
from questions_api.model import Answer, PostKind, Question, hot_at_first, hot_lift
from questions_api.votes.model import Vote

_Table = type[Question] | type[Answer]
_TABLES: tuple[tuple[PostKind, _Table], ...] = ((PostKind.QUESTION, Question), (PostKind.ANSWER, Answer))

_IDS_AT_ONCE = 1000
"""SQL Server takes 2,100 parameters."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Votes for and against a post."""

    up: int = 0
    down: int = 0

    @property
    def score(self) -> int:
        return self.up - self.down


def _number(value: int) -> Any:
    one: Any = case((Vote.value == literal_column(str(value)), literal_column("1")), else_=literal_column("0"))
    return func.sum(one)


def _votes(kind: PostKind) -> Select[Any]:
    return (
        select_bound(Vote, Vote.subject_id, _number(1).label("up"), _number(-1).label("down"))
        .where(Vote.subject_kind == kind.value, Vote.subject_id.in_(bindparam("ids", expanding=True)))
        .group_by(Vote.subject_id)
    )


_VOTES = {kind: _votes(kind) for kind in PostKind}


def count_votes(
    session: Session, tenant_id: TenantId, kind: PostKind, ids: Iterable[ContentId]
) -> dict[ContentId, Counted]:
    """The votes that stand; posts without any are left out."""
    found: dict[ContentId, Counted] = {}
    for some in batched(ids, _IDS_AT_ONCE, strict=False):
        rows = run_bound(session, _VOTES[kind], {"tenant_id": tenant_id, "ids": list(some)})
        found |= {row.subject_id: Counted(row.up, row.down) for row in rows}
    return found


def _lock(table: _Table) -> Update:
    return update_bound(table).where(table.id == bindparam("post_id")).values(score=table.score)


def _put_right(table: _Table) -> Update:
    score: Any = bindparam("to_score")
    values: dict[str, Any] = {"score": score, "up": bindparam("to_up"), "down": bindparam("to_down")}
    if table is Question:
        # Whether the counter was wrong or the place in the hot list, or both: it is made anew.
        values["hot"] = bindparam("hot_before", type_=BigInteger()) + hot_lift(score)
    return (
        update_bound(table)
        .where(table.id == bindparam("post_id"))
        .where((table.up != bindparam("to_up")) | (table.down != bindparam("to_down")))
        .values(**values)
    )


_ASKED_AT = select_bound(Question, Question.created_at).where(Question.id == bindparam("post_id"))
_LOCK = {kind: _lock(table) for kind, table in _TABLES}
_PUT_RIGHT = {kind: _put_right(table) for kind, table in _TABLES}


def recount_votes(session: Session, tenant_id: TenantId, kind: PostKind, post_id: ContentId) -> bool:
    """Makes the post's counters what its votes say; False where they are.

    The post's row is taken first. A vote that is being cast meanwhile is either counted here or, waiting for the
    row, adds its own step afterwards: it writes its row before it moves the counter.
    """
    which: dict[str, Any] = {"of_tenant": tenant_id, "post_id": post_id}
    if rows_changed(run_bound(session, _LOCK[kind], which)) != 1:
        return False
    counted = count_votes(session, tenant_id, kind, [post_id]).get(post_id, Counted())
    values = {**which, "to_score": counted.score, "to_up": counted.up, "to_down": counted.down}
    if kind is PostKind.QUESTION:
        asked_at = run_bound(session, _ASKED_AT, {"tenant_id": tenant_id, "post_id": post_id}).scalar_one()
        values["hot_before"] = hot_at_first(asked_at)
    return rows_changed(run_bound(session, _PUT_RIGHT[kind], values)) == 1
