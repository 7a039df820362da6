"""A person's own watches, newest first, with what it takes to find out whether they may still see the targets."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, or_
from sqlalchemy.orm import Session

from lib.grants import Item
from lib.principal import ContentId, Principal, TenantId
from lib.sql import select_rows
from lib.tenancy import AccountRow
from questions_api.model import Question
from questions_api.tags.model import Tag
from questions_api.watches.model import Watch, WatchKind
from questions_api.watches.watching import Target

_KINDS = tuple(sorted(WatchKind))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One watch of the person who asks."""

    target: Target
    is_muted: bool
    is_automatic: bool
    created_at: datetime


def list_watches(
    session: Session, principal: Principal, kind: WatchKind | None, *, after: tuple[int, ...] | None, limit: int
) -> list[WatchRow]:
    """At most `limit` watches after the one that `after` (see `position`) describes."""
    columns = (Watch.target_kind, Watch.target_id, Watch.is_muted, Watch.is_automatic, Watch.created_at)
    found = (
        select_rows(principal.tenant_id, *columns)
        .join(AccountRow, and_(AccountRow.tenant_id == Watch.tenant_id, AccountRow.account_ref == Watch.account_ref))
        .where(AccountRow.atlassian_account_id == principal.account_id)
        .order_by(Watch.created_at.desc(), Watch.target_id.desc(), Watch.target_kind)
        .limit(limit)
    )
    if kind is not None:
        found = found.where(Watch.target_kind == kind)
    if after is not None:
        made, target_id, number = after
        at, last_kind = _EPOCH + timedelta(milliseconds=made), _KINDS[number]
        same_target = and_(Watch.target_id == target_id, Watch.target_kind > last_kind)
        found = found.where(
            Watch.created_at <= at,
            or_(Watch.created_at < at, Watch.target_id < target_id, same_target),
        )
    return [
        WatchRow(Target(WatchKind(row.target_kind), row.target_id), row.is_muted, row.is_automatic, row.created_at)
        for row in session.execute(found)
    ]


def position(row: WatchRow) -> tuple[int, int, int]:
    """Where the watch stands in the list: what a cursor after it holds."""
    return (row.created_at - _EPOCH) // timedelta(milliseconds=1), row.target.id, _KINDS.index(row.target.kind)


def watched_questions(session: Session, tenant_id: TenantId, ids: Iterable[int]) -> list[Item]:
    """Those of the questions that are not gone."""
    rows = session.execute(
        select_rows(tenant_id, Question.id, Question.space_id, Question.container_kind, Question.needs_check).where(
            Question.id.in_(sorted(ids)), Question.deleted_at.is_(None)
        )
    )
    return [Item(ContentId(row.id), row.space_id, row.container_kind, row.needs_check) for row in rows]


def slugs_by_id(session: Session, tenant_id: TenantId, ids: Iterable[int]) -> dict[int, str]:
    """The slugs of the tags that there are."""
    rows = session.execute(select_rows(tenant_id, Tag.tag_id, Tag.slug).where(Tag.tag_id.in_(sorted(ids))))
    return {row.tag_id: row.slug for row in rows}
