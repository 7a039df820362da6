"""Which tags somebody may know of: those in use where they may see questions and tags.

That a tag exists could tell of a hidden space or a restricted page, so a tag that is seen nowhere does not
exist for whoever is no administrator. What Confluence says is asked through `Sight`; this module decides none of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import and_, func, or_
from sqlalchemy.orm import Session

from lib.grants import Item
from lib.principal import ContentId, Principal, SpaceId, TenantId
from lib.spaces import known_spaces
from lib.sql import select_rows
from questions_api.model import Question
from questions_api.tags.model import QuestionTag, TagUse

MAX_SPACES = 50
"""Spaces that one answer about the whole site looks into; the rest is left out, and the answer says so."""

_NEWEST = 25
"""Questions on pages that are confirmed to find out whether somebody may know of a tag that is used on pages only."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the viewer may see, as Confluence says."""

    principal: Principal
    spaces: Callable[[Iterable[SpaceId]], set[SpaceId]]
    """Those of the spaces in which the viewer may see questions and tags."""
    questions: Callable[[Iterable[Item]], set[ContentId]]
    """Those of the questions that the viewer may see."""
    is_administrator: Callable[[], bool]


type Read[T] = Callable[[Callable[[Session], T]], T]


@dataclass(frozen=True, slots=True)
class Use:
    """A tag in one space."""

    tag_id: int
    space_id: SpaceId
    use_count: int
    is_featured: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """Where tags are used, as far as the viewer may see it; partial where spaces were too many to look into."""

    seen: tuple[Use, ...]
    is_partial: bool


def candidate_spaces(session: Session, tenant_id: TenantId) -> tuple[list[SpaceId], bool]:
    """The spaces that an answer about the whole site looks into, and whether there are more.

    Only a site with more spaces than that has its counters summed up.
    """
    known = known_spaces(session, tenant_id)
    if len(known) <= MAX_SPACES:
        return known, False
    use = func.sum(TagUse.use_count)
    ranked = session.scalars(
        select_rows(tenant_id, TagUse.space_id)
        .group_by(TagUse.space_id)
        .order_by(use.desc(), TagUse.space_id)
        .limit(MAX_SPACES)
    )
    return list(ranked), True


def read_uses(session: Session, tenant_id: TenantId, tag_ids: Iterable[int]) -> list[Use]:
    """Where the tags are used, most used first. Questions below pages are not counted, see `TagUse`."""
    rows = session.execute(
        select_rows(tenant_id, TagUse.tag_id, TagUse.space_id, TagUse.use_count, TagUse.is_featured)
        .where(TagUse.tag_id.in_(sorted(tag_ids)))
        .where(or_(TagUse.use_count > 0, TagUse.is_featured, TagUse.is_required))
        .order_by(TagUse.use_count.desc(), TagUse.space_id)
    )
    return [Use(row.tag_id, SpaceId(row.space_id), row.use_count, bool(row.is_featured)) for row in rows]


def uses_seen(read: Read[list[Use]], sight: Sight, tag_ids: Iterable[int]) -> Uses:
    """Where the viewer sees the tags used."""
    uses = read(partial(read_uses, tenant_id=sight.principal.tenant_id, tag_ids=tuple(tag_ids)))
    candidates = list(dict.fromkeys(use.space_id for use in uses))
    seen = sight.spaces(candidates[:MAX_SPACES])
    return Uses(tuple(use for use in uses if use.space_id in seen), len(candidates) > MAX_SPACES)


def newest_bearing(session: Session, tenant_id: TenantId, tag_id: int) -> list[Item]:
    """The newest live questions that bear the tag."""
    question = (Question.id, Question.space_id, Question.container_kind, Question.needs_check)
    rows = session.execute(
        select_rows(tenant_id, *question, only=QuestionTag)
        .join(Question, and_(Question.tenant_id == QuestionTag.tenant_id, Question.id == QuestionTag.question_id))
        .where(QuestionTag.tag_id == tag_id, Question.deleted_at.is_(None))
        .order_by(QuestionTag.question_created_at.desc(), QuestionTag.question_id.desc())
        .limit(_NEWEST)
    )
    return [Item(row.id, row.space_id, row.container_kind, row.needs_check) for row in rows]


def is_borne_in_sight(read: Read[list[Item]], sight: Sight, tag_id: int) -> bool:
    """Whether one of the newest questions that bear the tag is shown to the viewer."""
    items = read(partial(newest_bearing, tenant_id=sight.principal.tenant_id, tag_id=tag_id))
    spaces = sight.spaces({item.space_id for item in items})
    return bool(sight.questions([item for item in items if item.space_id in spaces]))
