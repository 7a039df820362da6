"""Lists of tags: by use or by name, over the spaces in which the viewer may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session

from lib.principal import SpaceId, TenantId
from lib.sql import select_rows
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagUse
from questions_api.tags.slugs import after_prefix

INACTIVE_AFTER = timedelta(days=180)


class TagOrder(StrEnum):
    USE = "use"
    NAME = "name"


class TagFilter(StrEnum):
    """Tags that an administrator has picked out, or may want to do something about."""

    FEATURED = "featured"
    WITHOUT_EXPERT = "withoutExpert"
    INACTIVE = "inactive"

    @property
    def is_for_administrators(self) -> bool:
        return self is not TagFilter.FEATURED


@dataclass(frozen=True, slots=True)
class TagsWanted:
    """Which tags a list holds, counted over `spaces` alone.

    With `holds_unused`, also those that are used in none of them: for administrators of Confluence, who may
    know of every tag.
    """

    spaces: Sequence[SpaceId]
    prefix: str | None = None
    order: TagOrder = TagOrder.USE
    filter: TagFilter | None = None
    holds_unused: bool = False


@dataclass(frozen=True, slots=True)
class TagRow:
    tag_id: int
    slug: str
    description: str | None
    use_count: int
    last_used_at: datetime | None
    is_featured: bool


def list_tags(
    session: Session,
    tenant_id: TenantId,
    wanted: TagsWanted,
    *,
    after: tuple[int, ...] | None,
    limit: int,
    now: datetime,
) -> list[TagRow]:
    """At most `limit` tags after the one that `after` (see `position`) describes.

    By name, and for a prefix, it is one range of the index of slugs. By use, the counters of the viewer's spaces
    are summed up: as many rows as there are pairs of a tag and such a space, whatever the number of questions.
    """
    if not wanted.spaces and not wanted.holds_unused:
        return []
    conditions = _conditions(wanted, now)
    if wanted.order is TagOrder.USE:
        named = None
        if wanted.prefix:
            named = select_rows(tenant_id, Tag.tag_id).where(*_range(wanted.prefix))
        use, found = _figures(tenant_id, wanted, named)
        found = found.where(*conditions)
        if after is not None:
            last_use, last_id = after
            found = found.where(or_(use < last_use, and_(use == last_use, Tag.tag_id < last_id)))
        return _rows(session, found.order_by(use.desc(), Tag.tag_id.desc()).limit(limit))
    if after is not None:
        conditions.append(Tag.slug > _text(after[0]))
    by_name = select_rows(tenant_id, Tag.tag_id).where(*conditions).order_by(Tag.slug).limit(limit)
    page = list(session.scalars(by_name))
    if not page:
        return []
    _, found = _figures(tenant_id, wanted, page)
    # Sorted here: to have the order from the index of slugs, SQLite would read all of it.
    rows = {row.tag_id: row for row in _rows(session, found.where(Tag.tag_id.in_(page)))}
    return [rows[tag_id] for tag_id in page if tag_id in rows]


def _conditions(wanted: TagsWanted, now: datetime) -> list[Any]:
    """Which tags the list holds, as conditions on the tag alone."""
    here = TagUse.space_id.in_(list(wanted.spaces))
    conditions: list[Any] = list(_range(wanted.prefix)) if wanted.prefix else []
    if not wanted.holds_unused:
        conditions.append(_used(here, or_(TagUse.use_count > 0, TagUse.is_featured, TagUse.is_required)))
    match wanted.filter:
        case TagFilter.FEATURED:
            conditions.append(_used(here, TagUse.is_featured))
        case TagFilter.WITHOUT_EXPERT:
            conditions.append(~_exists(TagExpert.tenant_id, TagExpert.tag_id == Tag.tag_id))
        case TagFilter.INACTIVE:
            conditions += _inactive(now - INACTIVE_AFTER, *([] if wanted.holds_unused else [here]))
        case _:
            pass
    return conditions


def _inactive(long_ago: datetime, *here: Any) -> list[Any]:
    """Not used since then: in the space that the list is about, or for administrators anywhere, pages included."""
    unused = [~_used(TagUse.last_used_at >= long_ago, *here)]
    if not here:
        recent = QuestionTag.question_created_at >= long_ago
        unused.append(~_exists(QuestionTag.tenant_id, QuestionTag.tag_id == Tag.tag_id, recent))
    return unused


def _range(prefix: str) -> tuple[Any, Any]:
    return Tag.slug >= prefix, Tag.slug < after_prefix(prefix)


def _used(*conditions: Any) -> Any:
    return _exists(TagUse.tenant_id, TagUse.tag_id == Tag.tag_id, *conditions)


def _exists(tenant: Any, *conditions: Any) -> Any:
    return exists(select(literal_column("1")).where(tenant == Tag.tenant_id, *conditions).correlate(Tag))


def _figures(tenant_id: TenantId, wanted: TagsWanted, tags: Any) -> tuple[Any, Select[Any]]:
    """How much tags are used, and a SELECT of them with their figures, summed up over the viewer's spaces.

    `tags`, a list or a SELECT of ids, says which of them are summed up; None is all.
    """
    summed = _summed(tenant_id, wanted)
    figures = (summed if tags is None else summed.where(TagUse.tag_id.in_(tags))).subquery("figures")
    use = func.coalesce(figures.c.use_count, 0)
    found = (
        select_rows(tenant_id, Tag.slug, Tag.tag_id, Tag.description, only=Tag)
        .add_columns(use.label("use_count"), figures.c.last_used_at, figures.c.featured)
        .join(figures, figures.c.tag_id == Tag.tag_id, isouter=wanted.holds_unused)
    )
    return use, found


def _summed(tenant_id: TenantId, wanted: TagsWanted) -> Select[Any]:
    featured = case((TagUse.is_featured, 1), else_=0)
    uses = select_rows(tenant_id, TagUse.tag_id).where(TagUse.space_id.in_(list(wanted.spaces)))
    if len(wanted.spaces) == 1:
        # A space has one row of each tag; grouping them would make SQLite read all spaces.
        return uses.add_columns(TagUse.use_count, TagUse.last_used_at, featured.label("featured"))
    return uses.add_columns(
        func.sum(TagUse.use_count).label("use_count"),
        func.max(TagUse.last_used_at).label("last_used_at"),
        func.max(featured).label("featured"),
    ).group_by(TagUse.tag_id)


def _rows(session: Session, found: Select[Any]) -> list[TagRow]:
    return [
        TagRow(row.tag_id, row.slug, row.description, row.use_count, row.last_used_at, bool(row.featured))
        for row in session.execute(found)
    ]


def position(order: TagOrder, row: TagRow) -> tuple[int, ...]:
    """Where the row stands in the list: what a cursor after it holds. The slug itself is one number."""
    return (_number(row.slug),) if order is TagOrder.NAME else (row.use_count, row.tag_id)


def _number(slug: str) -> int:
    return int.from_bytes(slug.encode())


def _text(number: int) -> str:
    return number.to_bytes((number.bit_length() + 7) // 8).decode()
