"""Putting tags on a question and taking them off, with their counts in the same transaction.

The tag's own row is written first, so that it is locked before anything points at it: a merge that runs at
the same time then comes before or after, on every database.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lib.errors import Fault, Invalid
from lib.events import EventKind, Subject
from lib.outbox import append_events
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import delete_rows, insert_row, lost_race, new_id, rows_changed, select_rows, update_rows
from questions_api.model import Question
from questions_api.tags.model import QuestionTag, Tag, TagSynonym, TagUse
from questions_api.tags.slugs import MAX_TAGS

COUNTED: tuple[Any, ...] = (
    Question.container_kind == "space",
    ~Question.is_guarded,
    Question.missing_since.is_(None),
    Question.deleted_at.is_(None),
)
"""Which questions `TagUse` counts."""


def tag_ids(session: Session, tenant_id: TenantId, slugs: tuple[str, ...]) -> dict[str, int]:
    """The tags that the slugs stand for, synonyms included; slugs that stand for none are left out."""
    if not slugs:
        return {}
    synonyms = session.execute(
        select_rows(tenant_id, TagSynonym.slug, TagSynonym.tag_id).where(TagSynonym.slug.in_(slugs))
    )
    own = session.execute(select_rows(tenant_id, Tag.slug, Tag.tag_id).where(Tag.slug.in_(slugs)))
    return {row.slug: row.tag_id for row in synonyms} | {row.slug: row.tag_id for row in own}


def ensure_tags(session: Session, tenant_id: TenantId, slugs: tuple[str, ...], *, now: datetime) -> list[int]:
    """The tags that the slugs stand for, each once; those the installation does not have yet are made."""
    known = tag_ids(session, tenant_id, slugs)
    for slug in slugs:
        if slug not in known:
            known[slug] = new_id(now)
            session.execute(insert_row(tenant_id, Tag, tag_id=known[slug], slug=slug, use_count=0, version=1))
    return list(dict.fromkeys(known[slug] for slug in slugs))


def borne_tags(session: Session, tenant_id: TenantId, question_id: ContentId) -> set[int]:
    return set(
        session.scalars(select_rows(tenant_id, QuestionTag.tag_id).where(QuestionTag.question_id == question_id))
    )


def add_tags(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    slugs: tuple[str, ...],
    *,
    created_at: datetime,
    now: datetime,
) -> None:
    """Puts the tags on the question, making those the installation does not have yet; ones it bears stay.

    `Invalid` where that makes more than `MAX_TAGS`.
    """
    if not slugs:
        return
    borne = borne_tags(session, tenant_id, question_id)
    known = tag_ids(session, tenant_id, slugs)
    # Two of the slugs may be synonyms: then they are one tag.
    wanted = {known.get(slug, slug) for slug in slugs} - borne
    if not wanted:
        return
    if len(borne) + len(wanted) > MAX_TAGS:
        raise Invalid(faults=(Fault("/tags", f"would make more than {MAX_TAGS} tags on the question"),))
    added = set(ensure_tags(session, tenant_id, slugs, now=now)) - borne
    for tag_id in sorted(added):
        _step_use(session, tenant_id, tag_id, step=1)
        session.execute(
            insert_row(tenant_id, QuestionTag, tag_id=tag_id, question_created_at=created_at, question_id=question_id)
        )
    _count(session, tenant_id, question_id, sorted(added), step=1, now=now)
    _tally(session, tenant_id, question_id, now=now)


def remove_tags(
    session: Session, tenant_id: TenantId, question_id: ContentId, tags: set[int], *, now: datetime
) -> None:
    """Takes the tags off the question; ones it does not bear are passed over."""
    removed = sorted(tags & borne_tags(session, tenant_id, question_id))
    if not removed:
        return
    for tag_id in removed:
        _step_use(session, tenant_id, tag_id, step=-1)
        gone = session.execute(
            delete_rows(tenant_id, QuestionTag).where(
                QuestionTag.question_id == question_id, QuestionTag.tag_id == tag_id
            )
        )
        if rows_changed(gone) != 1:
            lost_race()
    _count(session, tenant_id, question_id, removed, step=-1, now=now)
    _tally(session, tenant_id, question_id, now=now)


def _step_use(session: Session, tenant_id: TenantId, tag_id: int, *, step: int) -> None:
    stepped = session.execute(
        update_rows(tenant_id, Tag).where(Tag.tag_id == tag_id).values(use_count=Tag.use_count + step)
    )
    if rows_changed(stepped) != 1:
        # It was merged since it was read: the next try finds what it has become.
        lost_race()


def count_tags(session: Session, tenant_id: TenantId, question_id: ContentId, *, step: int, now: datetime) -> None:
    """Counts the question's tags in its space, or no longer: before and after it is removed, moved or guarded.

    Does nothing for a question that is not counted now (see `TagUse`).
    """
    tags = sorted(borne_tags(session, tenant_id, question_id))
    if tags:
        _count(session, tenant_id, question_id, tags, step=step, now=now)


def _count(
    session: Session, tenant_id: TenantId, question_id: ContentId, tags: list[int], *, step: int, now: datetime
) -> None:
    space_id = session.scalar(select_rows(tenant_id, Question.space_id).where(Question.id == question_id, *COUNTED))
    if space_id is None:
        return
    for tag_id in tags:
        _add(session, tenant_id, SpaceId(space_id), tag_id, step=step, now=now)


def _add(session: Session, tenant_id: TenantId, space_id: SpaceId, tag_id: int, *, step: int, now: datetime) -> None:
    values = {"use_count": TagUse.use_count + step} | ({"last_used_at": now} if step > 0 else {})
    counted = session.execute(
        update_rows(tenant_id, TagUse).where(TagUse.space_id == space_id, TagUse.tag_id == tag_id).values(**values)
    )
    if rows_changed(counted) == 1:
        return
    row = {"space_id": space_id, "tag_id": tag_id, "use_count": max(step, 0), "last_used_at": now}
    session.execute(insert_row(tenant_id, TagUse, **row, is_featured=False, is_required=False))


def _tally(session: Session, tenant_id: TenantId, question_id: ContentId, *, now: datetime) -> None:
    space_id = session.scalar(select_rows(tenant_id, Question.space_id).where(Question.id == question_id))
    if space_id is not None:
        append_events(session, tenant_id, (EventKind.TALLY_DUE,), Subject(question_id, space_id), now=now)
