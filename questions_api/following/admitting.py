"""Which answers that Confluence has and we have not are registered: the rules of answering hold for them too.

The API refuses such an answer after it was written into Confluence, and Confluence tells of it all the same.
"""

from collections import Counter

from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.log import Log
from lib.principal import ContentId, SpaceId, TenantId
from lib.spaces import read_space_settings
from lib.sql import select_rows
from questions_api.answers.answering import AlreadyAnswered, check_first_answer
from questions_api.model import Question, QuestionState
from questions_api.policy import QuestionClosed, QuestionLocked
from questions_api.posts import lock_question

log = Log("questions_api.following")


def refusal_of(session: Session, tenant_id: TenantId, question_id: ContentId, content: Content) -> str | None:
    """Why the answer, which is not registered yet, must not be now: the code of the error that answering gives.

    Holds the question's row, so that of two answers at once the second sees the first.
    """
    if not lock_question(session, tenant_id, question_id):
        return None
    row = session.execute(
        select_rows(tenant_id, Question.space_id, Question.state, Question.locked_at).where(Question.id == question_id)
    ).one()
    if row.state == QuestionState.CLOSED:
        return QuestionClosed.code
    if row.locked_at is not None:
        return QuestionLocked.code
    if not read_space_settings(session, tenant_id, SpaceId(row.space_id)).one_answer_each:
        return None
    try:
        check_first_answer(session, tenant_id, question_id, content.author_id)
    except AlreadyAnswered as refused:
        return refused.code
    return None


def log_refusals(refusals: Counter[str]) -> None:
    """Says how many answers stay unregistered for now, and why; a later pass over everything asks again."""
    for code, count in sorted(refusals.items()):
        log.info("follow_refused", code=code, count=count)
