"""A person's part in the community, as far as the viewer may see it.

Somebody we have never heard of and somebody without visible activity have the same profile: whether a person
has taken part in what the viewer may not see is not told.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import bindparam, func, literal_column
from sqlalchemy.orm import Session

from lib.principal import AccountId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from lib.web import Call
from questions_api.people.activity import Activity, activity_of, spaces_of
from questions_api.people.contributors import spaces_of_tags
from questions_api.people.model import ANY_TAG, EVER, Standing
from questions_api.people.points import day_of, first_day
from questions_api.people.reach import Reach, reach_of
from questions_api.tags.model import Tag, TagExpert, TagUse

RECENT_DAYS = 30
_TOP_TAGS = 20
_MOST_TAGS = 200
"""Tags looked at for one profile, those with the most points first."""


@dataclass(frozen=True, slots=True)
class TagPoints:
    slug: str
    points: int


@dataclass(frozen=True, slots=True)
class Points:
    """For ever, in the last thirty days, and by tag."""

    ever: int = 0
    recent: int = 0
    tags: list[TagPoints] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the viewer may know of a person. No points where the site shows none."""

    reach: Reach
    points: Points | None
    activity: Activity
    expert_tags: list[str]


@dataclass(frozen=True, slots=True)
class _Standing:
    space_id: SpaceId
    tag_id: int
    points: int


@dataclass(frozen=True, slots=True)
class _Held:
    """What there is about a person, before anybody has asked who may see it."""

    account_ref: int
    standings: list[_Standing]
    spaces: set[SpaceId]
    """Where there may be something to show: where the person has taken part, or a tag of theirs is used."""
    expert_on: set[int]


@dataclass(frozen=True, slots=True)
class _TagStanding:
    tag_id: int
    slug: str
    points: int


_ACCOUNT = select_bound(AccountRow, AccountRow.account_ref).where(
    AccountRow.atlassian_account_id == bindparam("account")
)
_STANDINGS = select_bound(Standing, Standing.space_id, Standing.tag_id, Standing.points).where(
    Standing.account_ref == bindparam("account_ref"), Standing.day == literal_column(str(EVER))
)
_RECENT = select_bound(Standing, func.sum(Standing.points)).where(
    Standing.space_id.in_(bindparam("spaces", expanding=True)),
    Standing.tag_id == literal_column(str(ANY_TAG)),
    Standing.day >= bindparam("since"),
    Standing.account_ref == bindparam("account_ref"),
)
# A column beyond the keys in each of these two: else SQLite reads the key of the whole installation instead.
_EXPERT_ON = (
    select_bound(TagExpert, TagExpert.tag_id)
    .where(TagExpert.account_ref == bindparam("account_ref"))
    .order_by(TagExpert.created_at)
)
_USED_IN = select_bound(TagUse, TagUse.space_id).where(
    TagUse.tag_id.in_(bindparam("tags", expanding=True)), TagUse.use_count > 0
)
_SLUGS = select_bound(Tag, Tag.tag_id, Tag.slug).where(Tag.tag_id.in_(bindparam("tags", expanding=True)))


def find_account(session: Session, tenant_id: TenantId, account_id: AccountId) -> int | None:
    """The reference of a person who has one; nobody gets one by being looked up."""
    found: int | None = run_bound(session, _ACCOUNT, {"tenant_id": tenant_id, "account": account_id}).scalar()
    return found


def profile_of(call: Call, account_id: AccountId) -> Profile:
    """The profile as the caller may see it; an empty one for a person unknown to us."""
    site = call.services.spaces.site(call.tenant_id)
    held = call.read(partial(_held, tenant_id=call.tenant_id, account_id=account_id))
    if held is None:
        return Profile(Reach(), Points() if site.shows_contributors else None, Activity(), [])
    # Of more spaces than can be asked about, the newest are the likelier to matter.
    reach = reach_of(call, sorted(held.spaces, reverse=True))
    tags = call.read(partial(_tags, tenant_id=call.tenant_id, held=held, reach=reach))
    by_tag = Counter({tag.slug: tag.points for tag in tags}) if site.shows_contributors else Counter[str]()
    experts = {tag.slug for tag in tags if tag.tag_id in held.expert_on}
    experts |= {slug for slug, points in by_tag.items() if points >= site.expert_points}
    points = None
    if site.shows_contributors:
        ever, recent = call.read(
            partial(_sums, tenant_id=call.tenant_id, held=held, reach=reach, today=day_of(call.now))
        )
        points = Points(ever, recent, _most(by_tag))
    return Profile(reach, points, activity_of(call, held.account_ref, reach), sorted(experts))


def _held(session: Session, tenant_id: TenantId, account_id: AccountId) -> _Held | None:
    account_ref = find_account(session, tenant_id, account_id)
    if account_ref is None:
        return None
    values = {"tenant_id": tenant_id, "account_ref": account_ref}
    standings = [_Standing(row.space_id, row.tag_id, row.points) for row in run_bound(session, _STANDINGS, values)]
    expert_on = list(run_bound(session, _EXPERT_ON, values).scalars())[:_MOST_TAGS]
    spaces = spaces_of(session, tenant_id, account_ref)
    spaces |= {standing.space_id for standing in standings}
    if expert_on:
        spaces |= set(run_bound(session, _USED_IN, {"tenant_id": tenant_id, "tags": expert_on}).scalars())
    return _Held(account_ref, standings, spaces, set(expert_on))


def _tags(session: Session, tenant_id: TenantId, held: _Held, reach: Reach) -> list[_TagStanding]:
    """The tags known where the viewer may see tags, with the person's points under them where votes may be seen."""
    with_tags = reach.spaces_with(tags=True)
    with_both = set(reach.spaces_with(votes=True, tags=True))
    earned: Counter[int] = Counter()
    for one in held.standings:
        if one.tag_id != ANY_TAG and one.space_id in with_both:
            earned[one.tag_id] += one.points
    wanted = {tag_id for tag_id, _ in earned.most_common(_MOST_TAGS)} | held.expert_on
    known = spaces_of_tags(session, tenant_id, wanted, with_tags)
    slugs: Mapping[int, str] = {}
    if known:
        rows = run_bound(session, _SLUGS, {"tenant_id": tenant_id, "tags": sorted(known)})
        slugs = {row.tag_id: row.slug for row in rows}
    points: Counter[int] = Counter()
    for one in held.standings:
        if one.space_id in with_both and one.space_id in known.get(one.tag_id, ()):
            points[one.tag_id] += one.points
    return [_TagStanding(tag_id, slug, points[tag_id]) for tag_id, slug in slugs.items()]


def _sums(session: Session, tenant_id: TenantId, held: _Held, reach: Reach, *, today: int) -> tuple[int, int]:
    """The person's points for ever and of the last days, where the viewer may see votes."""
    spaces = reach.spaces_with(votes=True)
    if not spaces:
        return 0, 0
    ever = sum(one.points for one in held.standings if one.tag_id == ANY_TAG and one.space_id in spaces)
    values = {
        "tenant_id": tenant_id,
        "spaces": spaces,
        "since": first_day(today, RECENT_DAYS),
        "account_ref": held.account_ref,
    }
    return ever, int(run_bound(session, _RECENT, values).scalar() or 0)


def _most(by_tag: Counter[str]) -> list[TagPoints]:
    ranked = sorted(by_tag.items(), key=lambda entry: (-entry[1], entry[0]))
    return [TagPoints(slug, points) for slug, points in ranked if points][:_TOP_TAGS]
