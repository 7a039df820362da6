"""Accepting an answer, and taking that back."""

from datetime import datetime

from sqlalchemy.orm import Session

from lib.errors import NotFound
from lib.events import EventKind, Subject
from lib.outbox import append_event
from lib.principal import ContentId, Principal
from lib.sql import rows_changed, select_rows, update_rows
from lib.tenancy import account_ref
from questions_api.model import Answer, Question
from questions_api.posts import QuestionHead


def accept_answer(
    session: Session, principal: Principal, question: QuestionHead, answer_id: ContentId | None, *, now: datetime
) -> None:
    """Makes the answer the accepted one, or none with None. Accepting what is accepted changes nothing.

    The question's row is written first: it is the lock that makes two acceptances at once come one after the
    other, so that one answer is accepted in the end.
    """
    tenant_id, question_id = principal.tenant_id, question.item.id
    locked = session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id, Question.deleted_at.is_(None))
        .values(accepted_count=0 if answer_id is None else 1)
    )
    if rows_changed(locked) != 1:
        raise NotFound
    accepted = session.scalars(
        select_rows(tenant_id, Answer.id).where(
            Answer.question_id == question_id, Answer.accepted_at.is_not(None), Answer.deleted_at.is_(None)
        )
    ).all()
    if list(accepted) == ([] if answer_id is None else [answer_id]):
        return
    session.execute(update_rows(tenant_id, Question).where(Question.id == question_id).values(active_at=now))
    session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.accepted_at.is_not(None))
        .values(accepted_at=None, accepted_by_ref=None)
    )
    if answer_id is None:
        return
    changed = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.id == answer_id, Answer.deleted_at.is_(None))
        .values(accepted_at=now, accepted_by_ref=account_ref(session, tenant_id, principal.account_id, now=now))
    )
    if rows_changed(changed) != 1:
        raise NotFound("That answer does not belong to this question.")
    about = Subject(question_id, question.item.space_id, answer_id)
    append_event(session, tenant_id, EventKind.ANSWER_ACCEPTED, about, now=now)
