"""The answers to a question. Plain rows out, no entities."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam
from sqlalchemy.orm import Session, aliased

from lib.errors import NotFound
from lib.principal import AccountId, ContentId, Principal
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.model import Answer, PostKind
from questions_api.votes.reading import my_vote


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer. A former user has no account id."""

    id: ContentId
    question_id: ContentId
    author_id: AccountId | None
    accepted_by_id: AccountId | None
    score: int
    my_vote: int
    created_at: datetime
    accepted_at: datetime | None
    contested_at: datetime | None
    is_guarded: bool


_Acceptor = aliased(AccountRow)
_ANSWERS = (
    select_bound(
        Answer,
        Answer.id,
        Answer.question_id,
        Answer.score,
        Answer.created_at,
        Answer.accepted_at,
        Answer.contested_at,
        Answer.is_guarded,
        AccountRow.atlassian_account_id.label("author_id"),
        _Acceptor.atlassian_account_id.label("accepted_by_id"),
        my_vote(PostKind.ANSWER, Answer.id),
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
        contested_at=row.contested_at,
        is_guarded=row.is_guarded,
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
