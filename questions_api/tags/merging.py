"""Making two tags one: questions, watches, experts, synonyms and counts move in one transaction.

Set-based throughout: what it takes grows with the questions of the two tags, the number of statements does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func
from sqlalchemy.orm import Session, aliased

from lib.audit import append_audit
from lib.errors import Conflict, Fault, NotFound, Unacceptable
from lib.principal import Principal, TenantId
from lib.sql import delete_rows, insert_row, rows_changed, select_rows, update_rows
from questions_api.model import Question
from questions_api.tags.finding import TagHead, find_tag, take_tags
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym, TagUse
from questions_api.tags.tagging import COUNTED
from questions_api.tags.tallying import tally_questions

type MoveWatches = Callable[[Session, TenantId, int, int], None]
"""Moves the watches on one tag to another; watches stand above tags, so whoever merges brings it along."""


class SameTag(Unacceptable):
    code = "same-tag"
    detail = "A tag cannot be merged into itself."


class AlreadyMerged(Conflict):
    """`current` holds the slug of the one tag that both are."""

    code = "already-merged"
    detail = "The two are one tag already."


class IsSynonym(Conflict):
    """`current` holds the tag's slug: whoever names a synonym may not mean the whole tag."""

    code = "is-synonym"
    detail = "That is a synonym; name the tag itself to merge it."


@dataclass(frozen=True, slots=True)
class Merged:
    """The tag that is left, and how many questions the other one brought along."""

    tag: TagHead
    question_count: int


def merge_tags(
    session: Session, principal: Principal, slug: str, into: str, *, move_watches: MoveWatches, now: datetime
) -> Merged:
    """Makes the tag `slug` a synonym of the tag `into`; what bore, watched or knew the one does so with the other.

    Of two merges of the same tags at once the second finds them one (`AlreadyMerged`); the same answer ends
    circles. Points follow when the questions are tallied.
    """
    tenant_id = principal.tenant_id
    source, target = _find_two(session, tenant_id, slug, into)
    take_tags(session, tenant_id, source, target)
    _take_counts(session, tenant_id, source, target)
    tally_questions(session, tenant_id, source.tag_id, now=now)
    moved = _move_questions(session, tenant_id, source, target)
    _move_experts(session, tenant_id, source, target)
    move_watches(session, tenant_id, source.tag_id, target.tag_id)
    _recount(session, tenant_id, source, target)
    session.execute(
        update_rows(tenant_id, TagSynonym).where(TagSynonym.tag_id == source.tag_id).values(tag_id=target.tag_id)
    )
    session.execute(delete_rows(tenant_id, Tag).where(Tag.tag_id == source.tag_id))
    session.execute(insert_row(tenant_id, TagSynonym, slug=source.slug, tag_id=target.tag_id))
    before = {"tagId": str(source.tag_id), "version": source.version}
    after = {"tagId": str(target.tag_id), "version": target.version + 1, "questions": moved}
    append_audit(session, principal, "tag.merged", ("tag", target.tag_id), before=before, after=after, now=now)
    return Merged(find_tag(session, tenant_id, target.slug), moved)


def _find_two(session: Session, tenant_id: TenantId, slug: str, into: str) -> tuple[TagHead, TagHead]:
    source = find_tag(session, tenant_id, slug)
    if slug == into:
        raise SameTag(faults=(Fault("/into", "is the tag itself"),))
    try:
        target = find_tag(session, tenant_id, into)
    except NotFound:
        raise Unacceptable(faults=(Fault("/into", "is no tag"),)) from None
    if source.tag_id == target.tag_id:
        raise AlreadyMerged(current={"slug": target.slug})
    if source.slug != slug:
        raise IsSynonym(current={"slug": source.slug})
    return source, target


def _take_counts(session: Session, tenant_id: TenantId, source: TagHead, target: TagHead) -> None:
    """Locks the counters, so that a question that moves meanwhile has been counted, or will be, and not both."""
    session.execute(
        update_rows(tenant_id, TagUse)
        .where(TagUse.tag_id.in_((source.tag_id, target.tag_id)))
        .values(use_count=TagUse.use_count)
    )


def _move_questions(session: Session, tenant_id: TenantId, source: TagHead, target: TagHead) -> int:
    held = aliased(QuestionTag)
    bears_both = select_rows(tenant_id, held.question_id).where(held.tag_id == target.tag_id)
    moved = session.execute(
        update_rows(tenant_id, QuestionTag)
        .where(QuestionTag.tag_id == source.tag_id, QuestionTag.question_id.not_in(bears_both))
        .values(tag_id=target.tag_id)
    )
    left = session.execute(delete_rows(tenant_id, QuestionTag).where(QuestionTag.tag_id == source.tag_id))
    count = session.scalar(
        select_rows(tenant_id, QuestionTag.tag_id, only=QuestionTag)
        .where(QuestionTag.tag_id == target.tag_id)
        .with_only_columns(func.count(), maintain_column_froms=True)
    )
    session.execute(update_rows(tenant_id, Tag).where(Tag.tag_id == target.tag_id).values(use_count=count or 0))
    return rows_changed(moved) + rows_changed(left)


def _move_experts(session: Session, tenant_id: TenantId, source: TagHead, target: TagHead) -> None:
    held = aliased(TagExpert)
    knows_both = select_rows(tenant_id, held.account_ref).where(held.tag_id == target.tag_id)
    session.execute(
        update_rows(tenant_id, TagExpert)
        .where(TagExpert.tag_id == source.tag_id, TagExpert.account_ref.not_in(knows_both))
        .values(tag_id=target.tag_id)
    )
    session.execute(delete_rows(tenant_id, TagExpert).where(TagExpert.tag_id == source.tag_id))


def _recount(session: Session, tenant_id: TenantId, source: TagHead, target: TagHead) -> None:
    """Makes the counters of the tag that is left in each space, from its questions."""
    held = session.execute(
        select_rows(
            tenant_id,
            TagUse.space_id,
            TagUse.tag_id,
            TagUse.last_used_at,
            TagUse.is_featured,
            TagUse.is_required,
        ).where(TagUse.tag_id.in_((source.tag_id, target.tag_id)))
    ).all()
    counts = _counts(session, tenant_id, target)
    session.execute(delete_rows(tenant_id, TagUse).where(TagUse.tag_id == source.tag_id))
    counted = {row.space_id for row in held if row.tag_id == target.tag_id}
    for space_id in sorted({row.space_id for row in held} | set(counts)):
        both = [row for row in held if row.space_id == space_id]
        values: dict[str, Any] = {
            "use_count": counts.get(space_id, 0),
            "last_used_at": max((row.last_used_at for row in both if row.last_used_at is not None), default=None),
            "is_featured": any(row.is_featured for row in both),
            "is_required": any(row.is_required for row in both),
        }
        if space_id in counted:
            here = update_rows(tenant_id, TagUse).where(TagUse.space_id == space_id, TagUse.tag_id == target.tag_id)
            session.execute(here.values(**values))
        else:
            session.execute(insert_row(tenant_id, TagUse, space_id=space_id, tag_id=target.tag_id, **values))


def _counts(session: Session, tenant_id: TenantId, tag: TagHead) -> dict[int, int]:
    rows = session.execute(
        select_rows(tenant_id, Question.space_id, only=QuestionTag)
        .add_columns(func.count().label("questions"))
        .join(Question, and_(Question.tenant_id == QuestionTag.tenant_id, Question.id == QuestionTag.question_id))
        .where(QuestionTag.tag_id == tag.tag_id, *COUNTED)
        .group_by(Question.space_id)
    )
    return {row.space_id: row.questions for row in rows}
