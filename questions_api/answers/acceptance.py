"""Accepting answers, and taking that back; what somebody does in the asker's place is audited."""

from datetime import datetime

from sqlalchemy import literal
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.errors import NotFound, PreconditionFailed
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import ContentId, Principal
from lib.sql import rows_changed, select_rows, update_rows
from lib.tenancy import account_ref
from questions_api.model import Answer, Question, state_from
from questions_api.posts import QuestionHead, lock_question
from questions_api.questions.rows import accepted_answers


def accept_only(
    session: Session,
    principal: Principal,
    question: QuestionHead,
    answer_id: ContentId | None,
    *,
    expected: int | None = None,
    now: datetime,
) -> None:
    """Makes the answer the only accepted one, or none with None. Accepting what is accepted changes nothing.

    Two acceptances at once come one after the other, so that one answer is accepted in the end.
    `PreconditionFailed` where the question is not of the `expected` version.
    """
    accepted = _lock_and_read(session, principal, question, expected)
    _forget_removed(session, principal, question)
    if accepted == (set() if answer_id is None else {answer_id}):
        return
    for other in sorted(accepted - {answer_id}):
        _mark(session, principal, question, other, accepted=False, now=now)
    if answer_id is not None and answer_id not in accepted:
        _mark(session, principal, question, answer_id, accepted=True, now=now)
    _count(session, principal, question, accepted, set() if answer_id is None else {answer_id}, now=now)


def set_accepted(
    session: Session,
    principal: Principal,
    question: QuestionHead,
    answer_id: ContentId,
    *,
    accepted: bool,
    expected: int | None = None,
    now: datetime,
) -> None:
    """Accepts one answer beside others, or takes that back, where the space accepts several.

    `PreconditionFailed` where the question is not of the `expected` version.
    """
    held = _lock_and_read(session, principal, question, expected)
    if (answer_id in held) == accepted:
        return
    _mark(session, principal, question, answer_id, accepted=accepted, now=now)
    _count(session, principal, question, held, held | {answer_id} if accepted else held - {answer_id}, now=now)


def _lock_and_read(
    session: Session, principal: Principal, question: QuestionHead, expected: int | None
) -> set[ContentId]:
    tenant_id, question_id = principal.tenant_id, question.item.id
    if not lock_question(session, tenant_id, question_id):
        raise NotFound
    version = session.scalar(
        select_rows(tenant_id, Question.version).where(Question.id == question_id, Question.deleted_at.is_(None))
    )
    if version is None:
        raise NotFound
    accepted = accepted_answers(session, tenant_id, question_id)
    if expected not in {None, version}:
        # Confluence might hide a guarded one from the caller.
        standing = [str(answer_id) for answer_id, is_guarded in accepted.items() if not is_guarded]
        raise PreconditionFailed(current={"acceptedAnswerIds": standing, "version": version})
    return set(accepted)


def _forget_removed(session: Session, principal: Principal, question: QuestionHead) -> None:
    """Takes the mark off removed answers: one that came back would be accepted beside the chosen one."""
    session.execute(
        update_rows(principal.tenant_id, Answer)
        .where(Answer.question_id == question.item.id, Answer.accepted_at.is_not(None), Answer.deleted_at.is_not(None))
        .values(accepted_at=None, accepted_by_ref=None)
    )


def _mark(
    session: Session,
    principal: Principal,
    question: QuestionHead,
    answer_id: ContentId,
    *,
    accepted: bool,
    now: datetime,
) -> None:
    tenant_id, question_id = principal.tenant_id, question.item.id
    actor_ref = account_ref(session, tenant_id, principal.account_id, now=now) if accepted else None
    changed = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.question_id == question_id, Answer.id == answer_id, Answer.deleted_at.is_(None))
        .values(accepted_at=now if accepted else None, accepted_by_ref=actor_ref)
    )
    if rows_changed(changed) != 1:
        raise NotFound("That answer does not belong to this question.")
    about = Subject(question_id, question.item.space_id, answer_id)
    kinds = (EventKind.ANSWER_ACCEPTED, EventKind.TALLY_DUE) if accepted else (EventKind.TALLY_DUE,)
    append_events(session, tenant_id, kinds, about, now=now)


def _count(
    session: Session,
    principal: Principal,
    question: QuestionHead,
    before: set[ContentId],
    after: set[ContentId],
    *,
    now: datetime,
) -> None:
    """A removed answer that is accepted still counts when it comes back, so only live ones are counted here."""
    session.execute(
        update_rows(principal.tenant_id, Question)
        .where(Question.id == question.item.id)
        .values(
            accepted_count=len(after),
            state=state_from(Question.answer_count, literal(len(after))),
            active_at=now,
            version=Question.version + 1,
        )
    )
    if question.author_id != principal.account_id:
        append_audit(
            session,
            principal,
            "answer.accepted" if after - before else "answer.unaccepted",
            ("question", question.item.id),
            before={"accepted": [str(answer_id) for answer_id in sorted(before)]},
            after={"accepted": [str(answer_id) for answer_id in sorted(after)]},
            now=now,
        )
