"""A question as lists and pages show it, and the columns it is read from. Plain rows out, no entities."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from lib.errors import NotFound
from lib.grants import Item
from lib.principal import AccountId, ContentId, Principal, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.model import Answer, PostKind, Question
from questions_api.votes.reading import my_vote
from questions_api.watches.model import Watch, WatchKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question as a list shows it. A former user has no `author_id`."""

    item: Item
    container_id: int
    author_id: AccountId | None
    state: str
    score: int
    hot: int
    my_vote: int
    answer_count: int
    accepted_count: int
    watch_count: int
    version: int
    created_at: datetime
    active_at: datetime
    closed_at: datetime | None
    close_reason: str | None
    duplicate_of: ContentId | None
    is_locked: bool
    is_pinned: bool
    bounty: int | None


def questions_select() -> Select[Any]:
    """Live questions with author and the viewer's vote; run with `tenant_id` and `viewer`."""
    return (
        select_bound(
            Question,
            Question.id,
            Question.space_id,
            Question.container_kind,
            Question.container_id,
            Question.needs_check,
            Question.state,
            Question.score,
            Question.hot,
            Question.answer_count,
            Question.accepted_count,
            Question.watch_count,
            Question.version,
            Question.created_at,
            Question.active_at,
            Question.closed_at,
            Question.close_reason,
            Question.duplicate_of,
            Question.locked_at,
            Question.pinned_at,
            Question.bounty,
            AccountRow.atlassian_account_id.label("author_id"),
            my_vote(PostKind.QUESTION, Question.id),
        )
        .join(
            AccountRow,
            and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref),
        )
        .where(Question.deleted_at.is_(None))
    )


def question_row(row: Row[Any]) -> QuestionRow:
    return QuestionRow(
        item=Item(row.id, row.space_id, row.container_kind, row.needs_check),
        container_id=row.container_id,
        author_id=row.author_id,
        state=row.state,
        score=row.score,
        hot=row.hot,
        my_vote=row.my_vote or 0,
        answer_count=row.answer_count,
        accepted_count=row.accepted_count,
        watch_count=row.watch_count,
        version=row.version,
        created_at=row.created_at,
        active_at=row.active_at,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        duplicate_of=row.duplicate_of,
        is_locked=row.locked_at is not None,
        is_pinned=row.pinned_at is not None,
        bounty=row.bounty,
    )


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_at(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


_me = aliased(AccountRow)
_MY_WATCH = (
    select(Watch.is_muted)
    .join(_me, and_(_me.tenant_id == Watch.tenant_id, _me.account_ref == Watch.account_ref))
    .where(
        Watch.tenant_id == bindparam("tenant_id"),
        Watch.target_kind == WatchKind.QUESTION.value,
        Watch.target_id == Question.id,
        _me.atlassian_account_id == bindparam("viewer"),
    )
    .correlate(Question)
    .scalar_subquery()
    .label("is_muted")
)
_MY_ANSWER = (
    select(func.min(Answer.id))
    .join(_me, and_(_me.tenant_id == Answer.tenant_id, _me.account_ref == Answer.author_ref))
    .where(
        Answer.tenant_id == bindparam("tenant_id"),
        Answer.question_id == Question.id,
        Answer.deleted_at.is_(None),
        _me.atlassian_account_id == bindparam("viewer"),
    )
    .correlate(Question)
    .scalar_subquery()
    .label("my_answer")
)
_OTHERS_ANSWER = (
    select(func.min(Answer.id))
    .where(
        Answer.tenant_id == bindparam("tenant_id"),
        Answer.question_id == Question.id,
        Answer.deleted_at.is_(None),
        Answer.author_ref != Question.author_ref,
    )
    .correlate(Question)
    .scalar_subquery()
    .label("others_answer")
)
_ONE = questions_select().add_columns(_MY_WATCH, _MY_ANSWER, _OTHERS_ANSWER).where(Question.id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class WatchedQuestion:
    """A question, whether the viewer watches it (None not at all, True muted), and who has answered it."""

    row: QuestionRow
    is_muted: bool | None
    has_answered: bool = False
    """Whether there is an answer by the viewer."""
    is_answered_by_others: bool = False
    """Whether there is an answer by anybody but the asker."""


def read_question(session: Session, principal: Principal, question_id: ContentId) -> WatchedQuestion:
    row = run_bound(
        session, _ONE, {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "id": question_id}
    ).first()
    if row is None:
        raise NotFound
    is_muted = None if row.is_muted is None else bool(row.is_muted)
    return WatchedQuestion(
        question_row(row),
        is_muted,
        has_answered=row.my_answer is not None,
        is_answered_by_others=row.others_answer is not None,
    )


_ACCEPTED = (
    select_bound(Answer, Answer.id, Answer.is_guarded)
    .where(Answer.question_id == bindparam("question_id"))
    .where(Answer.accepted_at.is_not(None), Answer.deleted_at.is_(None))
    .order_by(Answer.accepted_at)
)


def accepted_answers(session: Session, tenant_id: TenantId, question_id: ContentId) -> dict[ContentId, bool]:
    """The accepted answers, the one accepted first in front, and whether each is guarded."""
    rows = run_bound(session, _ACCEPTED, {"tenant_id": tenant_id, "question_id": question_id})
    return {row.id: row.is_guarded for row in rows}
