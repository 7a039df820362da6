"""Comparing our rows with what Confluence lists: registering, moving, reviving and removing, a batch at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.principal import ContentId, TenantId
from lib.sql import select_rows
from questions_api.following.admitting import log_refusals, refusal_of
from questions_api.following.passes import Counts
from questions_api.model import Answer, Question
from questions_api.posts import register_answer, register_question, remove_post

SETTLED = timedelta(minutes=10)
"""A list may be older than a removal that we have followed since: what was removed this lately is not revived."""


def compare_questions(
    session: Session, tenant_id: TenantId, listed: Sequence[Content], *, read_at: datetime, now: datetime
) -> Counts:
    """Makes the rows say what Confluence lists. Questions that were removed come back where Confluence has them."""
    held = {
        row.id: row
        for row in session.execute(
            select_rows(
                tenant_id,
                Question.id,
                Question.space_id,
                Question.container_kind,
                Question.container_id,
                Question.missing_since,
                Question.deleted_at,
            ).where(Question.id.in_([content.id for content in listed]))
        )
    }
    done = Counts(checked=len(listed))
    for content in listed:
        row = held.get(content.id)
        if content.status != "current":
            if row is not None and remove_post(session, tenant_id, content.id, now=now):
                done = replace(done, removed=done.removed + 1)
            continue
        if row is None:
            register_question(session, tenant_id, content, now=now)
            done = replace(done, registered=done.registered + 1)
            continue
        where = (content.space_id, content.container_kind, content.container_id)
        is_moved = where != (row.space_id, row.container_kind, row.container_id)
        may_revive = row.deleted_at is not None and row.deleted_at <= read_at - SETTLED
        if is_moved or may_revive or row.missing_since is not None:
            register_question(session, tenant_id, content, may_revive=may_revive, now=now)
            done = replace(done, updated=done.updated + 1)
    return done


def compare_answers(
    session: Session, tenant_id: TenantId, listed: Sequence[Content], *, read_at: datetime, now: datetime
) -> Counts:
    """The same for answers. Those to questions that we do not have, or have no more, are passed over.

    So are new ones that answering would refuse now.
    """
    ids = [content.id for content in listed]
    held = {
        row.id: row
        for row in session.execute(
            select_rows(tenant_id, Answer.id, Answer.question_id, Answer.deleted_at).where(Answer.id.in_(ids))
        )
    }
    asked = set(
        session.scalars(
            select_rows(tenant_id, Question.id).where(
                Question.id.in_([content.container_id for content in listed]), Question.deleted_at.is_(None)
            )
        )
    )
    done, refusals = Counts(checked=len(listed)), Counter[str]()
    for content in listed:
        row = held.get(content.id)
        question_id = ContentId(content.container_id)
        if content.status != "current":
            if row is not None and remove_post(session, tenant_id, content.id, now=now):
                done = replace(done, removed=done.removed + 1)
        elif question_id not in asked or content.container_kind != "content":
            continue
        elif row is None:
            code = refusal_of(session, tenant_id, question_id, content)
            if code is not None:
                refusals[code] += 1
                continue
            register_answer(session, tenant_id, question_id, content, now=now)
            done = replace(done, registered=done.registered + 1)
        elif row.question_id == question_id and row.deleted_at is not None and row.deleted_at <= read_at - SETTLED:
            register_answer(session, tenant_id, question_id, content, now=now)
            done = replace(done, updated=done.updated + 1)
    log_refusals(refusals)
    return done
