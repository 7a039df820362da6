"""Following a page or blog post: the questions asked from it are read again when it moves, goes or comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.events import ChangedContainer, ContainerChange, Event
from lib.outbox import take
from lib.principal import AccountId, ContentId, TenantId
from lib.services import Services
from lib.sql import TenantRow, select_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, Installation, raise_restriction_epoch
from questions_api.following.asking import Reader, Shown, account_of, in_turn
from questions_api.following.guarding import guard_answers, guard_hidden_questions
from questions_api.model import Answer, Question
from questions_api.posts import register_answer, register_question, remove_post

_BATCH = 50
_GONE = ("trashed", "removed")


@dataclass(frozen=True, slots=True)
class _Held:
    """A post of ours, and who wrote it where that is known."""

    id: ContentId
    question_id: ContentId
    author_id: AccountId | None


def follow_container(services: Services, installation: Installation, event: Event, changed: ChangedContainer) -> None:
    """Applies one change of a container to its questions; a second run changes nothing.

    Rows are written in small transactions, the event is done with the last: a run that dies is run again.
    """
    tenant_id, trace = installation.tenant_id, trace_of(event.traceparent)
    actor = account_of(services, tenant_id, changed.actor_ref)
    reader = Reader(services.confluence, installation)
    asked = services.read(
        partial(_questions_in, tenant_id=tenant_id, container_id=changed.container_id), tenant_id=tenant_id
    )
    for some in batched(asked, _BATCH, strict=False):
        shown = reader.shown(
            "question", [held.id for held in some], {held.id: in_turn(actor, held.author_id) for held in some}
        )
        work = partial(_apply_questions, tenant_id=tenant_id, held=some, shown=shown, change=changed.change)
        services.write(partial(work, now=services.now()), trace=trace, tenant_id=tenant_id)
        # Answers stand and fall with their question, and an answer's row names no space. Only while the
        # question was away may an answer have gone or come without our hearing of it.
        if changed.change == "restored":
            _follow_answers(services, reader, event, shown.contents, actor)

    def finish(session: Session) -> None:
        if take(session, event, now=services.now()):
            # Whoever looked in between was refused, because our row and Confluence named different places.
            raise_restriction_epoch(session, tenant_id)

    services.write(finish, trace=trace, tenant_id=tenant_id)
    services.tenants.forget(installation.client_key)


def _follow_answers(
    services: Services, reader: Reader, event: Event, questions: dict[ContentId, Content], actor: AccountId | None
) -> None:
    tenant_id = event.tenant_id
    current = [content_id for content_id, content in questions.items() if content.status == "current"]
    given = services.read(partial(_answers_to, tenant_id=tenant_id, question_ids=current), tenant_id=tenant_id)
    for some in batched(given, _BATCH, strict=False):
        answers = reader.shown(
            "answer", [held.id for held in some], {held.id: in_turn(actor, held.author_id) for held in some}
        )
        work = partial(_apply_answers, tenant_id=tenant_id, held=some, shown=answers, now=services.now())
        services.write(work, trace=trace_of(event.traceparent), tenant_id=tenant_id)


def _held_posts(tenant_id: TenantId, table: type[TenantRow], author_ref: Any, *columns: Any) -> Any:
    of_author = and_(AccountRow.tenant_id == table.tenant_id, AccountRow.account_ref == author_ref)
    return select_rows(tenant_id, *columns, AccountRow.atlassian_account_id, only=table).outerjoin(
        AccountRow, of_author
    )


def _questions_in(session: Session, tenant_id: TenantId, container_id: int) -> list[_Held]:
    """Every question asked from the container, removed ones too."""
    statement = _held_posts(tenant_id, Question, Question.author_ref, Question.id)
    rows = session.execute(statement.where(Question.container_id == container_id).order_by(Question.id))
    return [_Held(content_id, content_id, author_id) for content_id, author_id in rows]


def _answers_to(session: Session, tenant_id: TenantId, question_ids: Sequence[ContentId]) -> list[_Held]:
    if not question_ids:
        return []
    statement = _held_posts(tenant_id, Answer, Answer.author_ref, Answer.id, Answer.question_id)
    rows = session.execute(statement.where(Answer.question_id.in_(question_ids)).order_by(Answer.id))
    return [_Held(content_id, question_id, author_id) for content_id, question_id, author_id in rows]


def _apply_questions(
    session: Session,
    tenant_id: TenantId,
    held: Sequence[_Held],
    shown: Shown,
    *,
    change: ContainerChange,
    now: datetime,
) -> None:
    for question in held:
        content = shown.contents.get(question.id)
        if content is None:
            # Unseen means gone only where Confluence has said so of the container.
            if change in _GONE:
                remove_post(session, tenant_id, question.id, now=now)
        elif content.status != "current":
            remove_post(session, tenant_id, question.id, now=now)
        else:
            register_question(session, tenant_id, content, may_revive=change == "restored", now=now)
    guard_hidden_questions(session, tenant_id, shown.hidden, now=now)


def _apply_answers(
    session: Session, tenant_id: TenantId, held: Sequence[_Held], shown: Shown, *, now: datetime
) -> None:
    for answer in held:
        content = shown.contents.get(answer.id)
        if content is None or content.container_id != answer.question_id:
            continue
        if content.status != "current":
            remove_post(session, tenant_id, answer.id, now=now)
        else:
            register_answer(session, tenant_id, answer.question_id, content, now=now)
    guard_answers(session, tenant_id, shown.hidden)
