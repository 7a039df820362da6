"""Importing a question: content that an administrator has created becomes the question of whoever asked it once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, case, literal
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Content
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import Principal, TenantId
from lib.spaces import note_space
from lib.sql import insert_row, update_rows
from lib.tenancy import account_ref
from questions_api.importing.counting import store_votes
from questions_api.importing.posts import Imported, OldPost, forget_importer
from questions_api.importing.sources import author_ref, find_import, note_import
from questions_api.importing.voters import VOTED_HERE
from questions_api.model import CloseReason, PostKind, Question, QuestionState, hot_at_first, hot_lift
from questions_api.posts import lock_question, register_question
from questions_api.tags.model import QuestionTag
from questions_api.tags.tagging import add_tags


@dataclass(frozen=True, slots=True)
class OldQuestion:
    post: OldPost
    active_at: datetime
    tags: tuple[str, ...] = ()
    bounty: int | None = None
    close_reason: CloseReason | None = None


def import_question(
    session: Session, principal: Principal, content: Content, wanted: OldQuestion, *, now: datetime
) -> Imported:
    """Makes the content a question with the author, times and votes it had. The same again changes nothing.

    Chat hears nothing of it. A webhook may have been faster and registered the content as the importer's own
    question: that is put right, but what chat was told by then stays told.
    """
    tenant_id, old = principal.tenant_id, wanted.post
    known = find_import(session, tenant_id, old.source, content.id)
    if known is not None:
        return Imported(known, is_new=False)
    asker_ref = author_ref(session, tenant_id, old.author, now=now)
    importer_ref = account_ref(session, tenant_id, principal.account_id, now=now)
    values = _values(wanted, asker_ref, importer_ref)
    if lock_question(session, tenant_id, content.id):
        register_question(session, tenant_id, content, now=now)
        _correct(session, tenant_id, content, wanted, values)
        forget_importer(session, tenant_id, content.id, importer_ref)
    else:
        _add(session, tenant_id, content, values, now=now)
    add_tags(session, tenant_id, content.id, wanted.tags, created_at=old.created_at, now=now)
    added = store_votes(session, tenant_id, PostKind.QUESTION, content.id, old.votes, cast_at=old.created_at, now=now)
    append_events(session, tenant_id, (EventKind.TALLY_DUE,), Subject(content.id, content.space_id), now=now)
    note_import(session, tenant_id, old.source, content.id, now=now)
    after = {"author": str(asker_ref), "createdAt": old.created_at.isoformat(), "votes": added}
    append_audit(session, principal, "question.imported", ("question", content.id), after=after, now=now)
    already = len(old.votes) - added
    return Imported(content.id, is_new=True, votes=added, dropped={VOTED_HERE: already} if already else {})


def _values(wanted: OldQuestion, asker_ref: int, importer_ref: int) -> dict[str, Any]:
    """The columns that the old system decides."""
    values: dict[str, Any] = {
        "author_ref": asker_ref,
        "created_at": wanted.post.created_at,
        "active_at": wanted.active_at,
        "bounty": wanted.bounty,
    }
    if wanted.close_reason is not None:
        values |= {
            "state": QuestionState.CLOSED,
            "close_reason": wanted.close_reason,
            # When it was closed no export tells; it was not after the last activity.
            "closed_at": wanted.active_at,
            "closed_by_ref": importer_ref,
        }
    return values


def _add(session: Session, tenant_id: TenantId, content: Content, values: dict[str, Any], *, now: datetime) -> None:
    note_space(session, tenant_id, content.space_id, now=now)
    row = {
        "id": content.id,
        "space_id": content.space_id,
        "container_kind": content.container_kind,
        "container_id": content.container_id,
        "is_guarded": False,
        "state": QuestionState.UNANSWERED,
        "hot": hot_at_first(values["created_at"]),
        **dict.fromkeys(("score", "up", "down", "answer_count", "accepted_count", "watch_count"), 0),
        "version": 1,
    }
    session.execute(insert_row(tenant_id, Question, **row | values))


def _correct(
    session: Session, tenant_id: TenantId, content: Content, wanted: OldQuestion, values: dict[str, Any]
) -> None:
    """Puts right what a webhook wrote; answers that have come meanwhile keep the question active."""
    created_at: datetime = values["created_at"]
    active_at = case(
        (Question.answer_count > 0, Question.active_at), else_=literal(wanted.active_at, Question.active_at.type)
    )
    # With its type, because PostgreSQL takes a bare number for a small one.
    hot = literal(hot_at_first(created_at), BigInteger) + hot_lift(Question.score)
    changes = {**values, "active_at": active_at, "hot": hot, "version": Question.version + 1}
    session.execute(update_rows(tenant_id, Question).where(Question.id == content.id).values(**changes))
    session.execute(
        update_rows(tenant_id, QuestionTag)
        .where(QuestionTag.question_id == content.id)
        .values(question_created_at=created_at)
    )
