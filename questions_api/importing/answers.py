"""Importing an answer: content that an administrator has created becomes the answer of whoever gave it once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, literal
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Content
from lib.errors import NotFound
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import ContentId, Principal, TenantId
from lib.sql import insert_row, select_rows, update_rows
from lib.tenancy import account_ref
from questions_api.importing.counting import store_votes
from questions_api.importing.posts import Imported, OldPost, forget_importer
from questions_api.importing.sources import author_ref, find_import, note_import
from questions_api.importing.voters import VOTED_HERE
from questions_api.model import Answer, PostKind, Question, state_from
from questions_api.posts import QuestionHead, lock_question, register_answer


@dataclass(frozen=True, slots=True)
class OldAnswer:
    post: OldPost
    accepted_at: datetime | None = None


def import_answer(
    session: Session,
    principal: Principal,
    question: QuestionHead,
    content: Content,
    wanted: OldAnswer,
    *,
    accepts_several: bool,
    now: datetime,
) -> Imported:
    """Makes the content an answer with the author, times and votes it had. The same again changes nothing.

    It is accepted as it was, unless the question has an accepted answer and the space takes one only. Chat hears
    nothing of it; see `import_question` about webhooks.
    """
    tenant_id, question_id, old = principal.tenant_id, question.item.id, wanted.post
    known = find_import(session, tenant_id, old.source, content.id)
    if known is not None:
        return Imported(known, is_new=False)
    if not lock_question(session, tenant_id, question_id):
        raise NotFound
    answerer_ref = author_ref(session, tenant_id, old.author, now=now)
    importer_ref = account_ref(session, tenant_id, principal.account_id, now=now)
    held = session.execute(select_rows(tenant_id, Answer.accepted_at).where(Answer.id == content.id)).first()
    if held is None:
        _add(session, tenant_id, question_id, content, answerer_ref, old)
    else:
        register_answer(session, tenant_id, question_id, content, now=now)
        _correct(session, tenant_id, question_id, content, answerer_ref, old)
        forget_importer(session, tenant_id, question_id, importer_ref)
    is_accepted = wanted.accepted_at is not None and _accept(
        session, tenant_id, question_id, content.id, wanted.accepted_at, accepts_several=accepts_several
    )
    added = store_votes(session, tenant_id, PostKind.ANSWER, content.id, old.votes, cast_at=old.created_at, now=now)
    append_events(session, tenant_id, (EventKind.TALLY_DUE,), Subject(question_id, question.item.space_id), now=now)
    note_import(session, tenant_id, old.source, content.id, now=now)
    after = {"author": str(answerer_ref), "createdAt": old.created_at.isoformat(), "votes": added}
    append_audit(session, principal, "answer.imported", ("answer", content.id), after=after, now=now)
    already = len(old.votes) - added
    dropped = {VOTED_HERE: already} if already else {}
    return Imported(content.id, is_new=True, votes=added, dropped=dropped, is_accepted=is_accepted)


def _instant(moment: datetime) -> Any:
    return literal(moment, Question.active_at.type)


def _add(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    content: Content,
    answerer_ref: int,
    old: OldPost,
) -> None:
    answers = Question.answer_count + 1
    given = _instant(old.created_at)
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(
            answer_count=answers,
            state=state_from(answers, Question.accepted_count),
            active_at=case((Question.active_at < given, given), else_=Question.active_at),
        )
    )
    row = {"question_id": question_id, "id": content.id, "author_ref": answerer_ref, "created_at": old.created_at}
    session.execute(insert_row(tenant_id, Answer, **row, score=0, up=0, down=0))


def _correct(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    content: Content,
    answerer_ref: int,
    old: OldPost,
) -> None:
    """Puts right what a webhook wrote. It took the answer for new, so the question's last activity is found anew."""
    session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.id == content.id)
        .values(author_ref=answerer_ref, created_at=old.created_at)
    )
    latest = session.scalar(
        select_rows(tenant_id, Answer.created_at)
        .where(Answer.question_id == question_id, Answer.deleted_at.is_(None))
        .order_by(Answer.created_at.desc())
        .limit(1)
    )
    last = _instant(latest or old.created_at)
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(active_at=case((Question.created_at < last, last), else_=Question.created_at))
    )


def _accept(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    answer_id: ContentId,
    accepted_at: datetime,
    *,
    accepts_several: bool,
) -> bool:
    """Who accepted it no export tells. False when an acceptance stands that this one would be too many beside."""
    accepted = set(
        session.scalars(
            select_rows(tenant_id, Answer.id).where(
                Answer.question_id == question_id, Answer.accepted_at.is_not(None), Answer.deleted_at.is_(None)
            )
        )
    )
    if accepted and not accepts_several:
        return answer_id in accepted
    if answer_id in accepted:
        return True
    session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.id == answer_id)
        .values(accepted_at=accepted_at)
    )
    count = Question.accepted_count + 1
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(accepted_count=count, state=state_from(Question.answer_count, count))
    )
    return True
