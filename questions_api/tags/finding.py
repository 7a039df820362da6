"""A tag by its slug or by a synonym, and taking tags for the rest of a transaction."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lib.errors import Conflict, NotFound, PreconditionFailed
from lib.principal import TenantId
from lib.sql import lost_race, rows_changed, select_rows, update_rows
from questions_api.tags.model import Tag, TagSynonym


class TagChanged(Conflict):
    """`current` holds the version and slug that stand now."""

    code = "tag-changed"
    detail = "Somebody else has changed this tag; read it again."


@dataclass(frozen=True, slots=True)
class TagHead:
    """What every rule about a tag needs to know of it."""

    tag_id: int
    slug: str
    description: str | None
    version: int


_HEAD = (Tag.tag_id, Tag.slug, Tag.description, Tag.version)


def find_tag(session: Session, tenant_id: TenantId, slug: str) -> TagHead:
    """The tag that has the slug, or that the slug is a synonym of; `NotFound` where there is none."""
    row = session.execute(select_rows(tenant_id, *_HEAD).where(Tag.slug == slug)).first()
    if row is None:
        tag_id = find_synonym(session, tenant_id, slug)
        row = session.execute(select_rows(tenant_id, *_HEAD).where(Tag.tag_id == tag_id)).first() if tag_id else None
    if row is None:
        raise NotFound
    return TagHead(*row)


def find_synonym(session: Session, tenant_id: TenantId, slug: str) -> int | None:
    """The tag that the slug is a synonym of."""
    found: int | None = session.scalar(select_rows(tenant_id, TagSynonym.tag_id).where(TagSynonym.slug == slug))
    return found


def take_tags(session: Session, tenant_id: TenantId, *tags: TagHead) -> None:
    """Raises the tags' versions, and so locks them until the transaction ends.

    Whoever changes a tag does this first, in the order of their ids; where one has changed since it was read,
    the transaction starts over.
    """
    for tag in sorted(tags, key=lambda one: one.tag_id):
        taken = session.execute(
            update_rows(tenant_id, Tag)
            .where(Tag.tag_id == tag.tag_id, Tag.version == tag.version)
            .values(version=Tag.version + 1)
        )
        if rows_changed(taken) != 1:
            lost_race()


def check_version(tag: TagHead, *, version: int | None, if_match: int | None) -> None:
    """`PreconditionFailed` or `TagChanged` where the change is based on another version than the one that stands."""
    current: dict[str, object] = {"version": tag.version, "slug": tag.slug}
    if if_match not in {None, tag.version}:
        raise PreconditionFailed(current=current)
    if version not in {None, tag.version}:
        raise TagChanged(current=current)
