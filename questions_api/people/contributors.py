"""Who has earned points, and who knows about a tag. Former users are left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, literal_column, or_
from sqlalchemy.orm import Session

from lib.principal import AccountId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.people.model import EVER, Standing
from questions_api.tags.model import TagExpert, TagUse

MOST_EXPERTS = 50
"""Of each kind, by hand and by points."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Whose points are compared: over which spaces, under which tag, and since which day (`EVER` for all)."""

    spaces: tuple[SpaceId, ...]
    tag_id: int
    since: int = EVER


@dataclass(frozen=True, slots=True)
class Contributor:
    account_id: AccountId
    account_ref: int
    points: int

    @property
    def position(self) -> tuple[int, int]:
        """Where the person stands in the ranking: what a cursor after them holds."""
        return self.points, self.account_ref


@cache
def _ranking(*, is_ever: bool, is_one_space: bool, is_after: bool) -> Select[Any]:
    """People by points, the most first. For ever in one space, the order is that of an index."""
    is_sum = not (is_ever and is_one_space)
    points: Any = func.sum(Standing.points) if is_sum else Standing.points
    # A literal, so that the index of the sums for ever is matched.
    days = Standing.day == literal_column(str(EVER)) if is_ever else Standing.day >= bindparam("since")
    found = (
        select_bound(Standing, AccountRow.atlassian_account_id, Standing.account_ref, points.label("points"))
        .join(
            AccountRow,
            and_(AccountRow.tenant_id == Standing.tenant_id, AccountRow.account_ref == Standing.account_ref),
        )
        .where(Standing.tag_id == bindparam("tag_id"), days, AccountRow.atlassian_account_id.is_not(None))
    )
    if is_one_space:
        found = found.where(Standing.space_id == bindparam("space_id"))
    else:
        found = found.where(Standing.space_id.in_(bindparam("spaces", expanding=True)))
    if is_sum:
        found = found.group_by(AccountRow.atlassian_account_id, Standing.account_ref)
    if is_after:
        below = or_(
            points < bindparam("after_points"),
            and_(points == bindparam("after_points"), Standing.account_ref > bindparam("after_ref")),
        )
        found = found.having(below) if is_sum else found.where(below)
    return found.order_by(points.desc(), Standing.account_ref).limit(bindparam("limit"))


def list_contributors(
    session: Session, tenant_id: TenantId, ranking: Ranking, *, after: tuple[int, ...] | None, limit: int
) -> list[Contributor]:
    """At most `limit` people after the position `after`, those with the most points first."""
    if not ranking.spaces:
        return []
    is_one_space = len(ranking.spaces) == 1
    statement = _ranking(is_ever=ranking.since == EVER, is_one_space=is_one_space, is_after=after is not None)
    values: dict[str, Any] = {"tenant_id": tenant_id, "tag_id": ranking.tag_id, "limit": limit}
    values |= {"space_id": ranking.spaces[0]} if is_one_space else {"spaces": list(ranking.spaces)}
    if ranking.since != EVER:
        values["since"] = ranking.since
    if after is not None:
        values["after_points"], values["after_ref"] = after
    return [
        Contributor(AccountId(row.atlassian_account_id), row.account_ref, int(row.points))
        for row in run_bound(session, statement, values)
    ]


_KNOWN = select_bound(TagUse, TagUse.tag_id, TagUse.space_id).where(
    TagUse.tag_id.in_(bindparam("tags", expanding=True)),
    TagUse.space_id.in_(bindparam("spaces", expanding=True)),
    or_(TagUse.use_count > 0, TagUse.is_featured, TagUse.is_required),
)


def spaces_of_tags(
    session: Session, tenant_id: TenantId, tags: Iterable[int], spaces: Iterable[SpaceId]
) -> dict[int, list[SpaceId]]:
    """In which of the spaces each tag is known to all who may see tags there.

    A tag that only restricted questions bear is in none: naming it, or points under it, would tell of them.
    """
    values = {"tenant_id": tenant_id, "tags": sorted(tags), "spaces": sorted(spaces)}
    found: dict[int, list[SpaceId]] = {}
    if values["tags"] and values["spaces"]:
        for row in run_bound(session, _KNOWN, values):
            found.setdefault(row.tag_id, []).append(row.space_id)
    return found


@dataclass(frozen=True, slots=True)
class Expert:
    """Somebody who knows about a tag: named by an administrator, or by points. No points where they are not shown."""

    account_id: AccountId
    is_named: bool
    points: int | None


_NAMED = (
    select_bound(TagExpert, AccountRow.atlassian_account_id, TagExpert.account_ref)
    .join(
        AccountRow,
        and_(AccountRow.tenant_id == TagExpert.tenant_id, AccountRow.account_ref == TagExpert.account_ref),
    )
    .where(TagExpert.tag_id == bindparam("tag_id"), AccountRow.atlassian_account_id.is_not(None))
    .order_by(TagExpert.created_at, TagExpert.account_ref)
    .limit(MOST_EXPERTS)
)
_POINTS_OF = (
    select_bound(Standing, Standing.account_ref, func.sum(Standing.points).label("points"))
    .where(
        Standing.space_id.in_(bindparam("spaces", expanding=True)),
        Standing.tag_id == bindparam("tag_id"),
        Standing.day == literal_column(str(EVER)),
        Standing.account_ref.in_(bindparam("accounts", expanding=True)),
    )
    .group_by(Standing.account_ref)
)


def tag_experts(
    session: Session, tenant_id: TenantId, tag_id: int, spaces: Iterable[SpaceId], *, least: int | None
) -> list[Expert]:
    """Those named, then those with at least `least` points under the tag in the spaces; None shows no points at all."""
    where = tuple(spaces)
    named = run_bound(session, _NAMED, {"tenant_id": tenant_id, "tag_id": tag_id}).all()
    by_points: list[Contributor] = []
    points: dict[int, int] = {}
    if least is not None and where:
        ranked = list_contributors(session, tenant_id, Ranking(where, tag_id), after=None, limit=2 * MOST_EXPERTS)
        by_points = [person for person in ranked if person.points >= least]
        values = {
            "tenant_id": tenant_id,
            "tag_id": tag_id,
            "spaces": list(where),
            "accounts": [row.account_ref for row in named],
        }
        if named:
            points = {row.account_ref: int(row.points) for row in run_bound(session, _POINTS_OF, values)}
    shown = least is not None and bool(where)
    by_hand = {row.account_ref for row in named}
    return [
        Expert(AccountId(row.atlassian_account_id), True, points.get(row.account_ref, 0) if shown else None)
        for row in named
    ] + [Expert(person.account_id, False, person.points) for person in by_points if person.account_ref not in by_hand][
        :MOST_EXPERTS
    ]
