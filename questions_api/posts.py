"""Posts by id, and registering them: one idempotent use case for the API, the webhooks and whoever else finds a post.

A post's space, container, author and existence are what Confluence answered (`lib.confluence.Content`), never
what a request said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam
from sqlalchemy.orm import Session, aliased

from lib.confluence import Content
from lib.errors import NotFound, Unacceptable
from lib.events import EventKind, Subject
from lib.grants import Item
from lib.outbox import append_events
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.spaces import note_space
from lib.sql import insert_row, rows_changed, run_bound, select_bound, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import Answer, PostKind, Question, QuestionState, hot_at_first, state_from
from questions_api.tags.tagging import add_tags, borne_tags, count_tags
from questions_api.votes.casting import Post
from questions_api.watches.watching import watch_automatically

NEWS = timedelta(days=1)
"""What is found later than this after it was written, by a comparison or an import, is no news to anybody."""


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
    """What every rule about a question needs to know of it. A former user has no `author_id`."""

    item: Item
    author_id: AccountId | None
    author_ref: int
    state: QuestionState
    is_locked: bool
    answer_count: int
    version: int

    @property
    def post(self) -> Post:
        return Post(PostKind.QUESTION, self.item.id, self.item.id, self.item.space_id, self.author_id)


def answer_item(answer_id: ContentId, space_id: SpaceId, *, is_guarded: bool) -> Item:
    """What decides whether somebody who sees the question sees the answer."""
    return Item(answer_id, space_id, "content", is_guarded, "answer")


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer and the question that decides who may see it."""

    id: ContentId
    author_id: AccountId | None
    is_accepted: bool
    is_guarded: bool
    question: QuestionHead

    @property
    def item(self) -> Item:
        return answer_item(self.id, self.question.item.space_id, is_guarded=self.is_guarded)

    @property
    def post(self) -> Post:
        item = self.question.item
        return Post(PostKind.ANSWER, self.id, item.id, item.space_id, self.author_id)


_HEAD = (
    Question.id,
    Question.space_id,
    Question.container_kind,
    Question.needs_check,
    Question.author_ref,
    Question.state,
    Question.locked_at,
    Question.answer_count,
    Question.version,
    AccountRow.atlassian_account_id.label("asker"),
)


_QUESTION_HEAD = (
    select_bound(Question, *_HEAD)
    .join(AccountRow, and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref))
    .where(Question.id == bindparam("id"))
)
_FIND_QUESTION = _QUESTION_HEAD.where(Question.deleted_at.is_(None))
_FIND_REMOVED = _QUESTION_HEAD.where(Question.deleted_at.is_not(None))
_Answerer = aliased(AccountRow)
_FIND_ANSWER = (
    select_bound(
        Answer,
        *_HEAD,
        Answer.id.label("answer_id"),
        Answer.accepted_at,
        Answer.is_guarded.label("is_answer_guarded"),
        _Answerer.atlassian_account_id.label("answerer"),
    )
    .join(Question, and_(Question.tenant_id == Answer.tenant_id, Question.id == Answer.question_id))
    .join(AccountRow, and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref))
    .join(_Answerer, and_(_Answerer.tenant_id == Answer.tenant_id, _Answerer.account_ref == Answer.author_ref))
    .where(Answer.id == bindparam("id"), Answer.deleted_at.is_(None), Question.deleted_at.is_(None))
)


def _head(row: Row[Any]) -> QuestionHead:
    return QuestionHead(
        item=Item(row.id, row.space_id, row.container_kind, row.needs_check),
        author_id=None if row.asker is None else AccountId(row.asker),
        author_ref=row.author_ref,
        state=QuestionState(row.state),
        is_locked=row.locked_at is not None,
        answer_count=row.answer_count,
        version=row.version,
    )


def find_question(session: Session, tenant_id: TenantId, question_id: ContentId) -> QuestionHead:
    """The question's head; `NotFound` where there is none (removed ones included)."""
    row = run_bound(session, _FIND_QUESTION, {"tenant_id": tenant_id, "id": question_id}).first()
    if row is None:
        raise NotFound
    return _head(row)


def find_removed_question(session: Session, tenant_id: TenantId, question_id: ContentId) -> QuestionHead:
    """The head of a question that was removed; `NotFound` where there is none."""
    row = run_bound(session, _FIND_REMOVED, {"tenant_id": tenant_id, "id": question_id}).first()
    if row is None:
        raise NotFound
    return _head(row)


def find_answer(session: Session, tenant_id: TenantId, answer_id: ContentId) -> AnswerHead:
    row = run_bound(session, _FIND_ANSWER, {"tenant_id": tenant_id, "id": answer_id}).first()
    if row is None:
        raise NotFound
    answerer = None if row.answerer is None else AccountId(row.answerer)
    return AnswerHead(
        row.answer_id,
        answerer,
        is_accepted=row.accepted_at is not None,
        is_guarded=row.is_answer_guarded,
        question=_head(row),
    )


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
        select_rows(tenant_id, Question.id, Question.created_at).where(Question.id == content.id)
    ).first()
    if held is not None:
        # Held first: of two who bring the row up to date at once, the second sees what the first has made of it.
        lock_question(session, tenant_id, content.id)
        _follow_question(session, tenant_id, content, may_revive=may_revive, now=now)
        if not borne_tags(session, tenant_id, content.id):
            # A webhook was quicker than whoever asked. Tags that are there already are changed by editing them.
            add_tags(session, tenant_id, content.id, tags, created_at=held.created_at, now=now)
        return False
    note_space(session, tenant_id, content.space_id, now=now)
    author_ref = account_ref(session, tenant_id, content.author_id, now=now)
    row = {
        "id": content.id,
        "space_id": content.space_id,
        "container_kind": content.container_kind,
        "container_id": content.container_id,
        "is_guarded": False,
        "author_ref": author_ref,
        "state": QuestionState.UNANSWERED,
        "hot": hot_at_first(content.created_at),
        "created_at": content.created_at,
        "active_at": content.created_at,
        **dict.fromkeys(("score", "up", "down", "answer_count", "accepted_count", "watch_count"), 0),
        "version": 1,
    }
    session.execute(insert_row(tenant_id, Question, **row))
    add_tags(session, tenant_id, content.id, tags, created_at=content.created_at, now=now)
    watch_automatically(session, tenant_id, content.id, author_ref, now=now)
    if now - content.created_at < NEWS:
        append_events(session, tenant_id, (EventKind.QUESTION_ASKED,), Subject(content.id, content.space_id), now=now)
    return True


def _follow_question(
    session: Session, tenant_id: TenantId, content: Content, *, may_revive: bool, now: datetime
) -> None:
    """Brings a known question's row up to date; what its tags and points count follows where it moves or returns."""
    held = session.execute(
        select_rows(
            tenant_id,
            Question.space_id,
            Question.container_kind,
            Question.container_id,
            Question.missing_since,
            Question.deleted_at,
        ).where(Question.id == content.id)
    ).one()
    is_back = held.deleted_at is not None and may_revive
    is_moved = (held.space_id, held.container_kind, held.container_id) != (
        content.space_id,
        content.container_kind,
        content.container_id,
    )
    changed = update_rows(tenant_id, Question).where(Question.id == content.id)
    if not is_back and not is_moved:
        if held.missing_since is not None:
            session.execute(changed.values(missing_since=None))
            count_tags(session, tenant_id, content.id, step=1, now=now)
        return
    count_tags(session, tenant_id, content.id, step=-1, now=now)
    note_space(session, tenant_id, content.space_id, now=now)
    values: dict[str, Any] = {
        "space_id": content.space_id,
        "container_kind": content.container_kind,
        "container_id": content.container_id,
        "missing_since": None,
        "version": Question.version + 1,
    }
    if held.space_id != content.space_id:
        # A pin was given by a moderator of the space that the question has left.
        values["pinned_at"] = None
    session.execute(changed.values(**values, **({"deleted_at": None} if is_back else {})))
    count_tags(session, tenant_id, content.id, step=1, now=now)
    _tally(session, tenant_id, content.id, content.space_id, now=now)


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

    `WrongContainer` when it is registered below another question already.
    """
    held = session.execute(
        select_rows(tenant_id, Answer.question_id, Answer.deleted_at).where(Answer.id == content.id)
    ).first()
    if held is not None:
        if held.question_id != question_id:
            raise WrongContainer
        if held.deleted_at is not None and may_revive:
            _set_answer_deleted(session, tenant_id, question_id, content.id, deleted_at=None, now=now)
        return False
    author_ref = account_ref(session, tenant_id, content.author_id, now=now)
    answer_count = Question.answer_count + 1
    counted = session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(answer_count=answer_count, state=state_from(answer_count, Question.accepted_count), active_at=now)
    )
    if rows_changed(counted) != 1:
        raise NotFound
    row = {"question_id": question_id, "id": content.id, "author_ref": author_ref, "created_at": content.created_at}
    session.execute(insert_row(tenant_id, Answer, **row, score=0, up=0, down=0))
    watch_automatically(session, tenant_id, question_id, author_ref, now=now)
    if now - content.created_at < NEWS:
        about = Subject(question_id, content.space_id, content.id)
        append_events(session, tenant_id, (EventKind.QUESTION_ANSWERED,), about, now=now)
    return True


def remove_post(session: Session, tenant_id: TenantId, content_id: ContentId, *, now: datetime) -> bool:
    """Marks the post deleted, as Confluence has done. False when it is none of ours or gone already."""
    live = select_rows(tenant_id, Question.space_id).where(Question.id == content_id, Question.deleted_at.is_(None))
    question = session.execute(live).first()
    if question is not None:
        lock_question(session, tenant_id, content_id)
        question = session.execute(live).first()
        if question is None:
            return False
        count_tags(session, tenant_id, content_id, step=-1, now=now)
        session.execute(
            update_rows(tenant_id, Question)
            .where(Question.id == content_id, Question.deleted_at.is_(None))
            .values(deleted_at=now, missing_since=None, version=Question.version + 1)
        )
        _tally(session, tenant_id, content_id, question.space_id, now=now)
        return True
    answer = session.execute(
        select_rows(tenant_id, Answer.question_id).where(Answer.id == content_id, Answer.deleted_at.is_(None))
    ).first()
    if answer is None:
        return False
    _set_answer_deleted(session, tenant_id, answer.question_id, content_id, deleted_at=now, now=now)
    return True


def _set_answer_deleted(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    answer_id: ContentId,
    *,
    deleted_at: datetime | None,
    now: datetime,
) -> None:
    """Hides or brings back an answer; the question's counters follow in the same transaction.

    As in `accept_answer`, the question's row is written first and so is the lock: whether the answer is accepted
    cannot change between the reading and the counting of it.
    """
    is_gone = deleted_at is not None
    lock_question(session, tenant_id, question_id)
    accepted_at = session.scalar(select_rows(tenant_id, Answer.accepted_at).where(Answer.id == answer_id))
    changed = session.execute(
        update_rows(tenant_id, Answer)
        .where(Answer.id == answer_id, Answer.deleted_at.is_(None) if is_gone else Answer.deleted_at.is_not(None))
        .values(deleted_at=deleted_at)
    )
    if rows_changed(changed) != 1:
        return
    step = -1 if is_gone else 1
    answers = Question.answer_count + step
    accepted = Question.accepted_count + (step if accepted_at is not None else 0)
    session.execute(
        update_rows(tenant_id, Question)
        .where(Question.id == question_id)
        .values(answer_count=answers, accepted_count=accepted, state=state_from(answers, accepted))
    )
    space_id = session.scalar(select_rows(tenant_id, Question.space_id).where(Question.id == question_id))
    _tally(session, tenant_id, question_id, SpaceId(space_id or 0), now=now)


def lock_question(session: Session, tenant_id: TenantId, question_id: ContentId) -> bool:
    """Takes the question's row for the rest of the transaction; False where there is none.

    Whatever changes more than one row of a question does this first, so that two such changes come one after
    the other on every database.
    """
    locked = session.execute(
        update_rows(tenant_id, Question).where(Question.id == question_id).values(answer_count=Question.answer_count)
    )
    return rows_changed(locked) == 1


def guard_question(session: Session, tenant_id: TenantId, question_id: ContentId, *, now: datetime) -> None:
    """Remembers that Confluence restricts the item itself, so that every read confirms it as the viewer."""
    if not lock_question(session, tenant_id, question_id):
        return
    count_tags(session, tenant_id, question_id, step=-1, now=now)
    session.execute(update_rows(tenant_id, Question).where(Question.id == question_id).values(is_guarded=True))


def _tally(session: Session, tenant_id: TenantId, question_id: ContentId, space_id: SpaceId, *, now: datetime) -> None:
    append_events(session, tenant_id, (EventKind.TALLY_DUE,), Subject(question_id, space_id), now=now)
