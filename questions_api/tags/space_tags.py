"""The tags that a space's administrator features, and those of which each new question bears one."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import and_, or_
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.principal import Principal, SpaceId, TenantId
from lib.spaces import change_space_settings, note_space, read_space_settings
from lib.sql import insert_row, rows_changed, select_rows, update_rows
from questions_api.tags.model import Tag, TagUse
from questions_api.tags.tagging import ensure_tags

MAX_SPACE_TAGS = 20
"""Featured, and required, at most."""


@dataclass(frozen=True, slots=True)
class SpaceTags:
    """Slugs in order. They change with the space's other settings, so `version` is that of all of them."""

    featured: tuple[str, ...]
    required: tuple[str, ...]
    version: int = 0


def read_space_tags(session: Session, tenant_id: TenantId, space_id: SpaceId) -> SpaceTags:
    # The version first: should the tags change in between, a change based on this one is refused, never lost.
    version = read_space_settings(session, tenant_id, space_id).version
    rows = session.execute(
        select_rows(tenant_id, TagUse.is_featured, TagUse.is_required, Tag.slug, only=TagUse)
        .join(Tag, and_(Tag.tenant_id == TagUse.tenant_id, Tag.tag_id == TagUse.tag_id))
        .where(TagUse.space_id == space_id, or_(TagUse.is_featured, TagUse.is_required))
        .order_by(Tag.slug)
    ).all()
    return SpaceTags(
        featured=tuple(row.slug for row in rows if row.is_featured),
        required=tuple(row.slug for row in rows if row.is_required),
        version=version,
    )


def replace_space_tags(
    session: Session, principal: Principal, space_id: SpaceId, wanted: SpaceTags, *, now: datetime
) -> SpaceTags:
    """Makes these the space's featured and required tags; those the installation does not have yet are made.

    `SettingsChanged` when `wanted.version` is not the present one. Of two administrators at once one is refused,
    because the settings' row is written first.
    """
    tenant_id = principal.tenant_id
    note_space(session, tenant_id, space_id, now=now)
    settings = replace(read_space_settings(session, tenant_id, space_id), version=wanted.version)
    change_space_settings(session, tenant_id, space_id, settings, now=now)
    held = _flags(session, tenant_id, space_id)
    featured = set(ensure_tags(session, tenant_id, wanted.featured, now=now))
    required = set(ensure_tags(session, tenant_id, wanted.required, now=now))
    flags = {tag_id: (tag_id in featured, tag_id in required) for tag_id in featured | required}
    changed = {
        tag_id: flags.get(tag_id, (False, False))
        for tag_id in flags.keys() | held.keys()
        if flags.get(tag_id) != held.get(tag_id)
    }
    for tag_id, (is_featured, is_required) in sorted(changed.items()):
        _mark(session, tenant_id, space_id, tag_id, is_featured=is_featured, is_required=is_required)
    if changed:
        append_audit(
            session, principal, "tags.featured", ("space", space_id), before=_ids(held), after=_ids(flags), now=now
        )
    return read_space_tags(session, tenant_id, space_id)


def _flags(session: Session, tenant_id: TenantId, space_id: SpaceId) -> dict[int, tuple[bool, bool]]:
    rows = session.execute(
        select_rows(tenant_id, TagUse.tag_id, TagUse.is_featured, TagUse.is_required).where(
            TagUse.space_id == space_id, or_(TagUse.is_featured, TagUse.is_required)
        )
    )
    return {row.tag_id: (bool(row.is_featured), bool(row.is_required)) for row in rows}


def _mark(
    session: Session, tenant_id: TenantId, space_id: SpaceId, tag_id: int, *, is_featured: bool, is_required: bool
) -> None:
    marked = session.execute(
        update_rows(tenant_id, TagUse)
        .where(TagUse.space_id == space_id, TagUse.tag_id == tag_id)
        .values(is_featured=is_featured, is_required=is_required)
    )
    if rows_changed(marked) == 1:
        return
    row = {"space_id": space_id, "tag_id": tag_id, "use_count": 0, "last_used_at": None}
    session.execute(insert_row(tenant_id, TagUse, **row, is_featured=is_featured, is_required=is_required))


def _ids(flags: dict[int, tuple[bool, bool]]) -> dict[str, object]:
    return {
        "featured": [str(tag_id) for tag_id, (is_featured, _) in sorted(flags.items()) if is_featured],
        "required": [str(tag_id) for tag_id, (_, is_required) in sorted(flags.items()) if is_required],
    }
