"""Registering and removing posts: one idempotent use case for the API, the webhooks and whoever else finds a post.

A post's space, container, author and existence are what Confluence answered (`lib.confluence.Content`), never
what a request said.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam
from sqlalchemy.orm import Session, aliased

from lib.confluence import Content
from lib.errors import NotFound, Unacceptable
from lib.events import EventKind, Subject
from lib.grants import Item
from lib.outbox import append_event
from lib.principal import AccountId, ContentId, TenantId
from lib.sql import insert_row, rows_changed, run_bound, select_bound, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import Answer, PostKind, Question, QuestionState
from questions_api.tags import add_tags
from questions_api.votes import Post


class NotOurContent(Unacceptable):
    code = "not-our-content"
    detail = "The content is not a question or answer of this app."


class NotYourContent(Unacceptable):
    code = "not-your-content"
    detail = "The content was written by somebody else."


class ContentNotCurrent(Unacceptable):
    code = "content-not-current"
    detail = "The content is a draft, archived or in the trash."


class WrongContainer(Unacceptable):
    code = "wrong-container"
    detail = "The content does not belong to that question."


def check_registrable(content: Content, *, type_key: str, author: AccountId) -> None:
    """Whether the caller may register what Confluence showed them (pure)."""
    if content.type != type_key:
        raise NotOurContent
    if content.author_id != author:
        raise NotYourContent
    if content.status != "current":
        raise ContentNotCurrent


@dataclass(frozen=True, slots=True)
class QuestionHead:
    """What every rule about a question needs to know of it."""

    item: Item
    author_id: AccountId
    state: QuestionState

    @property
    def post(self) -> Post:
        return Post(PostKind.QUESTION, self.item.id, self.item.id, self.item.space_id, self.author_id)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer and the question that decides who may see it."""

    id: ContentId
    author_id: AccountId
    question: QuestionHead

    @property
    def post(self) -> Post:
        item = self.question.item
        return Post(PostKind.ANSWER, self.id, item.id, item.space_id, self.author_id)


_HEAD = (
    Question.id,
    Question.space_id,
    Question.container_kind,
    Question.is_guarded,
    Question.state,
    AccountRow.atlassian_account_id.label("asker"),
)


_FIND_QUESTION = (
    select_bound(Question, *_HEAD)
    .join(AccountRow, and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref))
    .where(Question.id == bindparam("id"), Question.deleted_at.is_(None))
)
_Answerer = aliased(AccountRow)
_FIND_ANSWER = (
    select_bound(Answer, *_HEAD, Answer.id.label("answer_id"), _Answerer.atlassian_account_id.label("answerer"))
    .join(Question, and_(Question.tenant_id == Answer.tenant_id, Question.id == Answer.question_id))
    .join(AccountRow, and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref))
    .join(_Answerer, and_(_Answerer.tenant_id == Answer.tenant_id, _Answerer.account_ref == Answer.author_ref))
    .where(Answer.id == bindparam("id"), Answer.deleted_at.is_(None), Question.deleted_at.is_(None))
)


def _head(row: object) -> QuestionHead:
    item = Item(row.id, row.space_id, row.container_kind, row.is_guarded)  # type: ignore[attr-defined]
    return QuestionHead(item, AccountId(row.asker), QuestionState(row.state))  # type: ignore[attr-defined]


def find_question(session: Session, tenant_id: TenantId, question_id: ContentId) -> QuestionHead:
    """The question's head; `NotFound` where there is none (deleted ones included)."""
    row = run_bound(session, _FIND_QUESTION, {"tenant_id": tenant_id, "id": question_id}).first()
    if row is None:
        raise NotFound
    return _head(row)


def find_answer(session: Session, tenant_id: TenantId, answer_id: ContentId) -> AnswerHead:
    row = run_bound(session, _FIND_ANSWER, {"tenant_id": tenant_id, "id": answer_id}).first()
    if row is None:
        raise NotFound
    return AnswerHead(row.answer_id, AccountId(row.answerer), _head(row))


def register_question(
    session: Session,
    tenant_id: TenantId,
    content: Content,
    *,
    tags: tuple[str, ...] = (),
    may_revive: bool = True,
    now: datetime,
) -> bool:
    """Makes the content item a question of the community, or brings its row up to date. True when it is new.

    A question that was removed and is current again in Confluence comes back with its votes and answers, where
    `may_revive` says that the caller has read it since.
    """
    held = session.execute(
        select_rows(tenant_id, Question.id, Question.deleted_at, Question.created_at).where(Question.id == content.id)
    ).first()
    if held is None:
        author_ref = account_ref(session, tenant_id, content.author_id, now=now)
        session.execute(
            insert_row(
                tenant_id,
                Question,
                id=content.id,
                space_id=content.space_id,
                container_kind=content.container_kind,
                container_id=content.container_id,
                is_guarded=False,
                author_ref=author_ref,
                state=QuestionState.OPEN,
                score=0,
                up=0,
                down=0,
                answer_count=0,
                accepted_count=0,
                created_at=content.created_at,
                active_at=content.created_at,
            )
        )
        append_event(session, tenant_id, EventKind.QUESTION_ASKED, Subject(content.id, content.space_id), now=now)
    else:
        session.execute(
            update_rows(tenant_id, Question)
            .where(Question.id == content.id)
            .values(
                space_id=content.space_id,
                container_kind=content.container_kind,
                container_id=content.container_id,
                **({"deleted_at": None} if may_revive else {}),
            )
        )
    created_at = content.created_at if held is None else held.created_at
    add_tags(session, tenant_id, content.id, tags, created_at=created_at, now=now)
    return held is None


def register_answer(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    content: Content,
    *,
    may_revive: bool = True,
    now: datetime,
) -> bool:
    """Makes the content item an answer to the question, or brings it back where `may_revive`. True when it is new.

    `NotFound` where the installation has no such question.
    """
    held = session.execute(
        select_rows(tenant_id, Answer.question_id, Answer.deleted_at).where(Answer.id == content.id)
    ).first()
    if held is not None:
        if held.question_id != question_id:
            raise WrongContainer
        if held.deleted_at is not None and may_revive:
            _set_answer_deleted(session, tenant_id, question_id, content.id, deleted_at=None)
        return False
    author_ref = account_ref(session, tenant_id, content.author_id, now=now)
    counted = session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(answer_count=Question.answer_count + 1, active_at=now)
    )
    if rows_changed(counted) != 1:
        raise NotFound
    session.execute(
        insert_row(
            tenant_id,
            Answer,
            question_id=question_id,
            id=content.id,
            author_ref=author_ref,
            score=0,
            up=0,
            down=0,
            created_at=content.created_at,
        )
    )
    about = Subject(question_id, content.space_id, content.id)
    append_event(session, tenant_id, EventKind.QUESTION_ANSWERED, about, now=now)
    return True


def remove_post(session: Session, tenant_id: TenantId, content_id: ContentId, *, now: datetime) -> bool:
    """Marks the post deleted, as Confluence has done. False when it is none of ours or gone already."""
    removed = session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == content_id, Question.deleted_at.is_(None))
        .values(deleted_at=now)
    )
    if rows_changed(removed) == 1:
        return True
    answer = session.execute(
        select_rows(tenant_id, Answer.question_id).where(Answer.id == content_id, Answer.deleted_at.is_(None))
    ).first()
    if answer is None:
        return False
    _set_answer_deleted(session, tenant_id, answer.question_id, content_id, deleted_at=now)
    return True


def _set_answer_deleted(
    session: Session, tenant_id: TenantId, question_id: ContentId, answer_id: ContentId, *, deleted_at: datetime | None
) -> None:
    """Hides or brings back an answer; the question's counters follow in the same transaction.

    As in `accept_answer`, the question's row is written first and so is the lock: whether the answer is accepted
    cannot change between the reading and the counting of it.
    """
    is_gone = deleted_at is not None
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(answer_count=Question.answer_count, accepted_count=Question.accepted_count)
    )
    accepted_at = session.scalar(select_rows(tenant_id, Answer.accepted_at).where(Answer.id == answer_id))
    changed = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.id == answer_id, Answer.deleted_at.is_(None) if is_gone else Answer.deleted_at.is_not(None))
        .values(deleted_at=deleted_at)
    )
    if rows_changed(changed) != 1:
        return
    step = -1 if is_gone else 1
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(
            answer_count=Question.answer_count + step,
            accepted_count=Question.accepted_count + (step if accepted_at is not None else 0),
        )
    )


def guard_question(session: Session, tenant_id: TenantId, question_id: ContentId) -> None:
    """Remembers that Confluence restricts the item itself, so that every read confirms it as the viewer."""
    session.execute(update_rows(tenant_id, Question).where(Question.id == question_id).values(is_guarded=True))
