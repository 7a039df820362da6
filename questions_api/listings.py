"""The read side: lists by keyset, one question, its answers. Plain rows out, no entities.

Statements are built once and bound per call: building costs more than running them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from lib.errors import NotFound
from lib.grants import Item
from lib.principal import AccountId, ContentId, Principal, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.model import Answer, PostKind, Question, QuestionTag, Tag, Vote

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Order(StrEnum):
    NEWEST = "newest"
    VOTES = "votes"


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One question as a list shows it."""

    item: Item
    container_id: int
    author_id: AccountId
    state: str
    score: int
    my_vote: int
    answer_count: int
    accepted_count: int
    created_at: datetime
    active_at: datetime


@dataclass(frozen=True, slots=True)
class AnswerRow:
    id: ContentId
    question_id: ContentId
    author_id: AccountId
    accepted_by_id: AccountId | None
    score: int
    my_vote: int
    created_at: datetime
    accepted_at: datetime | None


def _my_vote(kind: PostKind, subject: Any) -> Any:
    """The viewer's vote, as a scalar: one seek by key, none where the viewer has never acted."""
    me = aliased(AccountRow)
    return (
        select(Vote.value)
        .join(me, and_(me.tenant_id == Vote.tenant_id, me.account_ref == Vote.account_ref))
        .where(
            Vote.tenant_id == bindparam("tenant_id"),
            Vote.subject_kind == kind.value,
            Vote.subject_id == subject,
            me.atlassian_account_id == bindparam("viewer"),
        )
        .correlate(Question, Answer)
        .scalar_subquery()
        .label("my_vote")
    )


def _questions() -> Select[Any]:
    return (
        select_bound(
            Question,
            Question.id,
            Question.space_id,
            Question.container_kind,
            Question.container_id,
            Question.is_guarded,
            Question.state,
            Question.score,
            Question.answer_count,
            Question.accepted_count,
            Question.created_at,
            Question.active_at,
            AccountRow.atlassian_account_id.label("author_id"),
            _my_vote(PostKind.QUESTION, Question.id),
        )
        .join(
            AccountRow,
            and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref),
        )
        .where(Question.deleted_at.is_(None))
    )


_QUESTIONS = _questions()


class _Part(StrEnum):
    """Which rows of a list a statement reads."""

    FIRST = "first"
    AFTER = "after"
    TIED = "tied"
    BELOW = "below"


_PARTS = (
    (Order.NEWEST, _Part.FIRST),
    (Order.NEWEST, _Part.AFTER),
    (Order.VOTES, _Part.FIRST),
    (Order.VOTES, _Part.TIED),
    (Order.VOTES, _Part.BELOW),
)
"""Times are seldom equal and scores nearly always: in one statement, a page deep among equal scores would step over
all those before it. Read apart, both its parts begin with a seek.
"""


def _list_statement(order: Order, part: _Part, *, only_unanswered: bool) -> Select[Any]:
    sort_key: Any = Question.score if order is Order.VOTES else Question.created_at
    statement = _QUESTIONS.where(Question.space_id == bindparam("space_id"))
    if only_unanswered:
        # A literal, because a filtered index is not matched by a parameter (SQL Server).
        statement = statement.where(Question.answer_count == literal_column("0"))
    key: Any = bindparam("key", type_=sort_key.type)
    last: Any = bindparam("last_id")
    if part is _Part.AFTER:
        # T-SQL has no row comparison; the redundant first condition is what the optimiser seeks by.
        statement = statement.where(sort_key <= key, or_(sort_key < key, and_(sort_key == key, Question.id < last)))
    elif part is _Part.TIED:
        statement = statement.where(sort_key == key, Question.id < last)
    elif part is _Part.BELOW:
        statement = statement.where(sort_key < key)
    return statement.order_by(sort_key.desc(), Question.id.desc()).limit(bindparam("limit"))


_LISTS = {
    (order, part, unanswered): _list_statement(order, part, only_unanswered=unanswered)
    for order, part in _PARTS
    for unanswered in (False, True)
}
_ONE = _QUESTIONS.where(Question.id == bindparam("id"))


def _question(row: Row[Any]) -> QuestionRow:
    return QuestionRow(
        item=Item(row.id, row.space_id, row.container_kind, row.is_guarded),
        container_id=row.container_id,
        author_id=row.author_id,
        state=row.state,
        score=row.score,
        my_vote=row.my_vote or 0,
        answer_count=row.answer_count,
        accepted_count=row.accepted_count,
        created_at=row.created_at,
        active_at=row.active_at,
    )


def list_questions(
    session: Session,
    principal: Principal,
    space_id: SpaceId,
    order: Order,
    *,
    only_unanswered: bool,
    after: tuple[int, ...] | None,
    limit: int,
) -> list[QuestionRow]:
    """At most `limit` questions of the space after the row that `after` (see `position`) describes."""
    values: dict[str, Any] = {
        "tenant_id": principal.tenant_id,
        "viewer": principal.account_id,
        "space_id": space_id,
        "limit": limit,
    }

    def rows(part: _Part, **more: Any) -> list[QuestionRow]:
        statement = _LISTS[order, part, only_unanswered]
        return [_question(row) for row in run_bound(session, statement, values | more)]

    if after is None:
        return rows(_Part.FIRST)
    key, last_id = after
    if order is Order.NEWEST:
        return rows(_Part.AFTER, key=_moment(key), last_id=last_id)
    tied = rows(_Part.TIED, key=key, last_id=last_id)
    left = limit - len(tied)
    below = rows(_Part.BELOW, key=key, limit=left) if left else []
    # A score that fell between the two reads would show its question twice.
    shown = {row.item.id for row in tied}
    return tied + [row for row in below if row.item.id not in shown]


def position(order: Order, row: QuestionRow) -> tuple[int, int]:
    """Where the row stands in the list: what a cursor after it holds."""
    return (row.score if order is Order.VOTES else milliseconds(row.created_at), row.item.id)


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def read_question(session: Session, principal: Principal, question_id: ContentId) -> QuestionRow:
    row = run_bound(
        session, _ONE, {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "id": question_id}
    ).first()
    if row is None:
        raise NotFound
    return _question(row)


_TAGS = (
    select_bound(QuestionTag, QuestionTag.question_id, Tag.slug)
    .join(Tag, and_(Tag.tenant_id == QuestionTag.tenant_id, Tag.tag_id == QuestionTag.tag_id))
    .where(QuestionTag.question_id.in_(bindparam("ids", expanding=True)))
    .order_by(Tag.slug)
)


def tags_of(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> dict[ContentId, list[str]]:
    """The slugs on each of the questions, in order."""
    tags: dict[ContentId, list[str]] = {question_id: [] for question_id in ids}
    if ids:
        for row in run_bound(session, _TAGS, {"tenant_id": tenant_id, "ids": ids}):
            tags[row.question_id].append(row.slug)
    return tags


_ACCEPTED = (
    select_bound(Answer, Answer.id)
    .where(Answer.question_id == bindparam("question_id"))
    .where(Answer.accepted_at.is_not(None), Answer.deleted_at.is_(None))
    .order_by(Answer.accepted_at)
)


def accepted_ids(session: Session, tenant_id: TenantId, question_id: ContentId) -> list[ContentId]:
    return list(run_bound(session, _ACCEPTED, {"tenant_id": tenant_id, "question_id": question_id}).scalars())


_Acceptor = aliased(AccountRow)
_ANSWERS = (
    select_bound(
        Answer,
        Answer.id,
        Answer.question_id,
        Answer.score,
        Answer.created_at,
        Answer.accepted_at,
        AccountRow.atlassian_account_id.label("author_id"),
        _Acceptor.atlassian_account_id.label("accepted_by_id"),
        _my_vote(PostKind.ANSWER, Answer.id),
    )
    .join(AccountRow, and_(AccountRow.tenant_id == Answer.tenant_id, AccountRow.account_ref == Answer.author_ref))
    .outerjoin(
        _Acceptor, and_(_Acceptor.tenant_id == Answer.tenant_id, _Acceptor.account_ref == Answer.accepted_by_ref)
    )
    .where(Answer.deleted_at.is_(None))
)
_ANSWERS_TO = _ANSWERS.where(Answer.question_id == bindparam("question_id"))
_ONE_ANSWER = _ANSWERS.where(Answer.id == bindparam("answer_id"))


def _answer(row: Row[Any]) -> AnswerRow:
    return AnswerRow(
        id=row.id,
        question_id=row.question_id,
        author_id=row.author_id,
        accepted_by_id=row.accepted_by_id,
        score=row.score,
        my_vote=row.my_vote or 0,
        created_at=row.created_at,
        accepted_at=row.accepted_at,
    )


def list_answers(session: Session, principal: Principal, question_id: ContentId) -> list[AnswerRow]:
    """All answers of the question in no order: their number is what one page holds, and their order depends
    on whether the viewer may see scores.
    """
    rows = run_bound(
        session,
        _ANSWERS_TO,
        {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "question_id": question_id},
    )
    return [_answer(row) for row in rows]


def read_answer(session: Session, principal: Principal, answer_id: ContentId) -> AnswerRow:
    row = run_bound(
        session,
        _ONE_ANSWER,
        {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "answer_id": answer_id},
    ).first()
    if row is None:
        raise NotFound
    return _answer(row)
