"""Answering: registering an answer, where the space may allow each person one."""

from datetime import datetime

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.errors import Conflict
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import AccountId, ContentId, TenantId
from lib.sql import rows_changed, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import Answer
from questions_api.posts import lock_question, register_answer
from questions_api.watches.watching import watch_automatically


class AlreadyAnswered(Conflict):
    """`current` holds the id of the answer that stands."""

    code = "already-answered"
    detail = "In this space each person has one answer to a question; change the one that is there."

    def __init__(self, answer_id: ContentId) -> None:
        super().__init__(current={"answerId": str(answer_id)})


def check_first_answer(
    session: Session, tenant_id: TenantId, question_id: ContentId, author_id: AccountId | None
) -> None:
    """`AlreadyAnswered` where there is an answer by that person."""
    held = session.scalar(
        select_rows(tenant_id, Answer.id, only=Answer)
        .join(AccountRow, and_(AccountRow.tenant_id == Answer.tenant_id, AccountRow.account_ref == Answer.author_ref))
        .where(
            Answer.question_id == question_id,
            Answer.deleted_at.is_(None),
            AccountRow.atlassian_account_id == author_id,
        )
        .order_by(Answer.id)
        .limit(1)
    )
    if held is not None:
        raise AlreadyAnswered(held)


def answer_question(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    content: Content,
    *,
    one_each: bool,
    now: datetime,
) -> bool:
    """Registers the answer; True when it is new. With `one_each` it is the only one of its author.

    Registering anew what is registered is never refused: Confluence's own report may have come first.
    """
    if one_each:
        lock_question(session, tenant_id, question_id)
        held = select_rows(tenant_id, Answer.id).where(Answer.id == content.id, Answer.deleted_at.is_(None))
        if session.scalar(held) is None:
            check_first_answer(session, tenant_id, question_id, content.author_id)
    return register_answer(session, tenant_id, question_id, content, now=now)


def credit_answer(
    session: Session, tenant_id: TenantId, question_id: ContentId, content: Content, *, now: datetime
) -> bool:
    """Registers an answer as that of `content.author_id`, whoever made the item; True when it is new.

    Confluence's own report may have come first, and names who made it.
    """
    is_new = register_answer(session, tenant_id, question_id, content, now=now)
    if is_new:
        return True
    author_ref = account_ref(session, tenant_id, content.author_id, now=now)
    credited = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.id == content.id, Answer.author_ref != author_ref)
        .values(author_ref=author_ref)
    )
    if rows_changed(credited) == 1:
        watch_automatically(session, tenant_id, question_id, author_ref, now=now)
        about = Subject(question_id, content.space_id, content.id)
        append_events(session, tenant_id, (EventKind.TALLY_DUE,), about, now=now)
    return False
