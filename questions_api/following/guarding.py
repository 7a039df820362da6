"""Guarding what Confluence restricts: posts whose restriction it reported, and posts that it shows to people alone."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from lib.principal import ContentId, TenantId
from lib.sql import rows_changed, select_rows, update_rows
from questions_api.following.passes import Counts
from questions_api.model import Answer, Question
from questions_api.posts import guard_question


def guard_hidden_questions(
    session: Session, tenant_id: TenantId, question_ids: Collection[ContentId], *, now: datetime
) -> Counts:
    """Guards the questions that people are shown and the app is not: the webhook of a restriction may be lost.

    One on a page needs no guard: it is confirmed for every viewer as it is, whatever hides it from the app.
    """
    if not question_ids:
        return Counts()
    open_ids = session.scalars(
        select_rows(tenant_id, Question.id).where(
            Question.id.in_(list(question_ids)), Question.container_kind == "space", ~Question.is_guarded
        )
    ).all()
    for question_id in sorted(open_ids):
        guard_question(session, tenant_id, question_id, now=now)
    return Counts(updated=len(open_ids))


def guard_answers(session: Session, tenant_id: TenantId, answer_ids: Collection[ContentId]) -> Counts:
    """Guards the answers that Confluence restricts by themselves; ids of anything else are passed over."""
    if not answer_ids:
        return Counts()
    guarded = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.id.in_(list(answer_ids)), ~Answer.is_guarded)
        .values(is_guarded=True)
    )
    return Counts(updated=rows_changed(guarded))
