"""The moderators' list of flagged posts of a space: each post once, with how often it was flagged for what.

Who flagged is not among it: moderators judge posts, not those who point at them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, or_
from sqlalchemy.orm import Session

from lib.grants import Item
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.model import Answer, PostKind, Question
from questions_api.moderation.model import Flag
from questions_api.posts import answer_item
from questions_api.questions.rows import milliseconds, moment_at

WINDOW = 200
"""Flags read in one step. Those of other spaces are stepped over here, so that no statement reads more than this."""


class FlagState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag on a live post, with what decides who may see it. `position` is what a cursor holds."""

    id: int
    kind: PostKind
    post_id: ContentId
    items: tuple[Item, ...]
    """The question, and for an answer the answer."""
    position: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of all flags; `position` is where it ends, None at the end of the list."""

    rows: list[FlagRow]
    position: tuple[int, ...] | None


@dataclass(slots=True)
class FlaggedPost:
    """A post with all its flags of a state."""

    kind: PostKind
    post_id: ContentId
    question_id: ContentId
    since: datetime
    leading_id: int
    """The flag that puts the post at its place in the list."""
    resolution: str | None
    resolved_at: datetime | None
    resolved_by: AccountId | None
    reasons: Counter[str] = field(default_factory=Counter)


_COLUMNS = (
    Flag.id,
    Flag.subject_kind,
    Flag.subject_id,
    Flag.created_at,
    Question.id.label("question_id"),
    Question.space_id,
    Question.container_kind,
    Question.needs_check,
    Question.deleted_at.label("question_gone"),
    Answer.deleted_at.label("answer_gone"),
    Answer.is_guarded.label("is_answer_guarded"),
)


def _windows(state: FlagState, *, is_after: bool) -> Select[Any]:
    """Open flags from the oldest, resolved ones from the newest: each along one index."""
    found = (
        select_bound(Flag, *_COLUMNS)
        .join(Question, and_(Question.tenant_id == Flag.tenant_id, Question.id == Flag.question_id))
        .outerjoin(
            Answer,
            and_(
                Answer.tenant_id == Flag.tenant_id,
                Answer.id == Flag.subject_id,
                Flag.subject_kind == PostKind.ANSWER.value,
            ),
        )
        .limit(WINDOW)
    )
    if state is FlagState.RESOLVED:
        found = found.where(Flag.resolved_at.is_not(None)).order_by(Flag.id.desc())
        return found.where(Flag.id < bindparam("last")) if is_after else found
    found = found.where(Flag.resolved_at.is_(None)).order_by(Flag.created_at, Flag.id)
    if not is_after:
        return found
    moment: Any = bindparam("moment", type_=Flag.created_at.type)
    return found.where(
        Flag.created_at >= moment,
        or_(Flag.created_at > moment, and_(Flag.created_at == moment, Flag.id > bindparam("last"))),
    )


_WINDOWS = {(state, is_after): _windows(state, is_after=is_after) for state in FlagState for is_after in (False, True)}


def read_window(
    session: Session, tenant_id: TenantId, space_id: SpaceId, state: FlagState, after: tuple[int, ...] | None
) -> Window:
    """The next flags of the site, those of the space's live posts among them."""
    values: dict[str, Any] = {"tenant_id": tenant_id}
    if after is not None:
        values["last"] = after[-1]
        if state is FlagState.OPEN:
            values["moment"] = moment_at(after[0])
    read = run_bound(session, _WINDOWS[state, after is not None], values).all()
    rows = [_flag(row, state) for row in read if row.space_id == space_id and _is_live(row)]
    return Window(rows, _position(read[-1], state) if len(read) == WINDOW else None)


def _is_live(row: Row[Any]) -> bool:
    return row.question_gone is None and row.answer_gone is None


def _position(row: Row[Any], state: FlagState) -> tuple[int, ...]:
    return (milliseconds(row.created_at), row.id) if state is FlagState.OPEN else (row.id,)


def _flag(row: Row[Any], state: FlagState) -> FlagRow:
    kind, items = PostKind(row.subject_kind), [Item(row.question_id, row.space_id, row.container_kind, row.needs_check)]
    if kind is PostKind.ANSWER:
        items.append(answer_item(row.subject_id, row.space_id, is_guarded=row.is_answer_guarded))
    return FlagRow(row.id, kind, row.subject_id, tuple(items), _position(row, state))


_FLAGS = (
    select_bound(
        Flag,
        Flag.id,
        Flag.subject_kind,
        Flag.subject_id,
        Flag.question_id,
        Flag.reason,
        Flag.created_at,
        Flag.resolution,
        Flag.resolved_at,
        AccountRow.atlassian_account_id.label("resolved_by"),
    )
    .outerjoin(
        AccountRow,
        and_(AccountRow.tenant_id == Flag.tenant_id, AccountRow.account_ref == Flag.resolved_by_ref),
    )
    .where(Flag.subject_kind == bindparam("kind"), Flag.subject_id.in_(bindparam("ids", expanding=True)))
)


def flagged_posts(
    session: Session, tenant_id: TenantId, rows: Iterable[FlagRow], state: FlagState
) -> dict[tuple[PostKind, ContentId], FlaggedPost]:
    """The posts that the flags are about, with all their flags of the state."""
    wanted: dict[PostKind, set[ContentId]] = {}
    for flag in rows:
        wanted.setdefault(flag.kind, set()).add(flag.post_id)
    found: dict[tuple[PostKind, ContentId], FlaggedPost] = {}
    for kind, ids in wanted.items():
        values = {"tenant_id": tenant_id, "kind": kind.value, "ids": sorted(ids)}
        # Sorted and sifted here: asked for open flags in order, SQLite would read all those of the installation.
        rows_of_posts = [
            row for row in run_bound(session, _FLAGS, values) if (row.resolved_at is None) == (state is FlagState.OPEN)
        ]
        for row in sorted(rows_of_posts, key=partial(_position, state=state), reverse=state is FlagState.RESOLVED):
            post = found.setdefault((kind, row.subject_id), _flagged(kind, row))
            post.reasons[row.reason] += 1
            post.since = min(post.since, row.created_at)
    return found


def _flagged(kind: PostKind, row: Row[Any]) -> FlaggedPost:
    return FlaggedPost(
        kind=kind,
        post_id=row.subject_id,
        question_id=row.question_id,
        since=row.created_at,
        leading_id=row.id,
        resolution=row.resolution,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
    )
