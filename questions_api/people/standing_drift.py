"""Finding and repairing standings that are not the sums of the contributions they were made from.

A space at a time, and a large one by tags. Days are compared with contributions, and the sums over all days with
the days: each contribution is read once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, literal_column, or_, select, union_all
from sqlalchemy.orm import Session

from lib.principal import SpaceId, TenantId
from lib.sql import delete_rows, insert_row, rows_changed, run_bound, select_bound, update_rows
from lib.tenancy import AccountRow
from questions_api.model import Question
from questions_api.people.model import ANY_TAG, EVER, Contribution, Standing
from questions_api.tags.model import QuestionTag, Tag

Key = tuple[int, int, int]
"""Tag, day and account reference: what tells a space's standings apart, in the order of their key."""

BEFORE_ALL: Key = (-1, -1, -1)
AT_ONCE = 100
_LAST_DAY = 2**31 - 1
_LAST_TAG = 2**63 - 1

_QUESTIONS_AT_ONCE = 5_000
"""A space with no more is compared in one statement; of others first what counts under no tag, then tag by tag."""
_LINKS_AT_ONCE = 20_000
"""Tags with fewer links are compared together. A tag with more is compared alone."""
_TAGS_AT_ONCE = 500

_SPACE: Any = bindparam("space_id")
_ZERO: Any = literal_column("0")
_EVER: Any = literal_column(str(EVER))


def _within(tag_id: Any) -> Any:
    return and_(tag_id >= bindparam("first_tag"), tag_id <= bindparam("last_tag"))


def _earned_in_space(*, by_tag: bool) -> Select[Any]:
    """Along the index of the space's questions or of the tags' links: contributions have none of either.

    What counts for a question that was removed or moved, or under a tag that it lost, seems to be missing until it
    is tallied; `repair_standings`, which looks at all that was earned, finds nothing wrong with it.
    """
    earned = select_bound(
        Contribution,
        Contribution.tag_id,
        Contribution.day,
        Contribution.account_ref,
        (-Contribution.points).label("points"),
    ).join(Question, and_(Question.tenant_id == Contribution.tenant_id, Question.id == Contribution.question_id))
    if by_tag:
        bears = and_(
            QuestionTag.tenant_id == Contribution.tenant_id,
            QuestionTag.tag_id == Contribution.tag_id,
            QuestionTag.question_id == Contribution.question_id,
        )
        earned = earned.join(QuestionTag, bears).where(_within(QuestionTag.tag_id))
    return earned.where(
        Question.deleted_at.is_(None),
        Question.space_id == _SPACE,
        Contribution.space_id == _SPACE,
        _within(Contribution.tag_id),
    )


def _differing_days(*, by_tag: bool) -> Select[Any]:
    held = select_bound(
        Standing, Standing.tag_id, Standing.day, Standing.account_ref, Standing.points.label("points")
    ).where(Standing.space_id == _SPACE, _within(Standing.tag_id), Standing.day != _EVER)
    both = union_all(held, _earned_in_space(by_tag=by_tag)).subquery("both")
    return (
        select(both.c.tag_id, both.c.day, both.c.account_ref)
        .group_by(both.c.tag_id, both.c.day, both.c.account_ref)
        .having(_differs(both.c.points))
    )


def _differing_sums() -> Select[Any]:
    signed: Any = case((Standing.day == _EVER, Standing.points), else_=-Standing.points)
    return (
        select_bound(Standing, Standing.tag_id, _EVER.label("day"), Standing.account_ref)
        .where(Standing.space_id == _SPACE, _within(Standing.tag_id))
        .group_by(Standing.tag_id, Standing.account_ref)
        .having(_differs(signed))
    )


def _differs(points: Any) -> Any:
    """Either the sides do not cancel out, or a standing of nothing was left behind."""
    return or_(func.sum(points) != _ZERO, func.max(points) == _ZERO)


def _suspects(*, by_tag: bool) -> Select[Any]:
    found = union_all(_differing_days(by_tag=by_tag), _differing_sums()).subquery("differing")
    tag_id, day, account_ref = found.c.tag_id, found.c.day, found.c.account_ref
    # T-SQL has no row comparison.
    is_after = or_(
        tag_id > bindparam("after_tag"),
        and_(
            tag_id == bindparam("after_tag"),
            or_(
                day > bindparam("after_day"),
                and_(day == bindparam("after_day"), account_ref > bindparam("after_account")),
            ),
        ),
    )
    return (
        select_bound(AccountRow, tag_id, day, account_ref)
        .join(found, account_ref == AccountRow.account_ref)
        .where(is_after)
        .order_by(tag_id, day, account_ref)
        .limit(AT_ONCE)
    )


_SUSPECTS = {by_tag: _suspects(by_tag=by_tag) for by_tag in (False, True)}
_SIZE = select_bound(Question, func.count()).where(Question.deleted_at.is_(None), Question.space_id == _SPACE)
_NEXT_TAGS = (
    select_bound(Tag, Tag.tag_id, Tag.use_count)
    .where(Tag.tag_id >= bindparam("first_tag"))
    .order_by(Tag.tag_id)
    .limit(_TAGS_AT_ONCE)
)
_FIRST_SPACES = (
    select_bound(Standing, func.min(Standing.space_id)).where(Standing.space_id > bindparam("after")),
    select_bound(Question, func.min(Question.space_id)).where(
        Question.deleted_at.is_(None), Question.space_id > bindparam("after")
    ),
)
_EARNED = (
    select_bound(
        Contribution,
        Contribution.tag_id,
        Contribution.day,
        Contribution.account_ref,
        func.sum(Contribution.points).label("points"),
    )
    .where(
        Contribution.space_id == _SPACE,
        Contribution.tag_id.in_(bindparam("tags", expanding=True)),
        Contribution.account_ref.in_(bindparam("accounts", expanding=True)),
    )
    .group_by(Contribution.tag_id, Contribution.day, Contribution.account_ref)
)


def next_space(session: Session, tenant_id: TenantId, after: int) -> SpaceId | None:
    """The first space behind that one in which anybody has a standing, or could have."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "after": after}
    firsts = [run_bound(session, statement, values).scalar_one() for statement in _FIRST_SPACES]
    return min((SpaceId(first) for first in firsts if first is not None), default=None)


@dataclass(frozen=True, slots=True)
class _Part:
    """Which tags of a space are compared in one statement, the last one included."""

    first_tag: int
    last_tag: int
    by_tag: bool = False


def _next_part(session: Session, tenant_id: TenantId, space_id: SpaceId, after: Key) -> _Part:
    tag_id, day, _ = after
    first = max(ANY_TAG, tag_id + 1 if day == _LAST_DAY else tag_id)
    size = run_bound(session, _SIZE, {"tenant_id": tenant_id, "space_id": space_id}).scalar_one()
    if size <= _QUESTIONS_AT_ONCE:
        return _Part(first, _LAST_TAG)
    if first == ANY_TAG:
        return _Part(ANY_TAG, ANY_TAG)
    links, last = 0, first
    tags = run_bound(session, _NEXT_TAGS, {"tenant_id": tenant_id, "first_tag": first}).all()
    for tag in tags:
        links += tag.use_count
        if links > _LINKS_AT_ONCE and tag is not tags[0]:
            return _Part(first, last, by_tag=True)
        last = tag.tag_id
    return _Part(first, last if len(tags) == _TAGS_AT_ONCE else _LAST_TAG, by_tag=True)


def find_standing_suspects(
    session: Session, tenant_id: TenantId, space_id: SpaceId, after: Key
) -> tuple[list[Key], Key | None]:
    """The first standings of the space behind that key that look wrong, `AT_ONCE` of them at most.

    And the key behind which to look for more; None when that was all.
    """
    part = _next_part(session, tenant_id, space_id, after)
    tag_id, day, account_ref = after
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "space_id": space_id,
        "first_tag": part.first_tag,
        "last_tag": part.last_tag,
        "after_tag": tag_id,
        "after_day": day,
        "after_account": account_ref,
    }
    rows = run_bound(session, _SUSPECTS[part.by_tag], values)
    keys = [(row.tag_id, row.day, row.account_ref) for row in rows]
    if len(keys) == AT_ONCE:
        return keys, keys[-1]
    return keys, None if part.last_tag == _LAST_TAG else (part.last_tag, _LAST_DAY, 0)


def repair_standings(
    session: Session, tenant_id: TenantId, space_id: SpaceId, keys: Sequence[Key]
) -> list[tuple[str, str]]:
    """Looks at the suspects again with their rows taken, and puts right what is wrong; table and counter of each.

    The sum over all days is looked at with each day, because it was compared with days that may be wrong. Rows
    are taken in the order of tallies, and before contributions are read: a tally steps standings last. Of two who
    make the same row one collides on the key and starts over.
    """
    keys = sorted({*keys, *((tag_id, EVER, account_ref) for tag_id, _, account_ref in keys)})
    held = {key for key in keys if _take(session, tenant_id, space_id, key)}
    earned = _earned(session, tenant_id, space_id, keys)
    wrong = [key for key in keys if _put_right(session, tenant_id, space_id, key, to=earned[key], is_held=key in held)]
    return [("standing", "points")] * len(wrong)


def _earned(session: Session, tenant_id: TenantId, space_id: SpaceId, keys: Sequence[Key]) -> Counter[Key]:
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "space_id": space_id,
        "tags": sorted({tag_id for tag_id, _, _ in keys}),
        "accounts": sorted({account_ref for _, _, account_ref in keys}),
    }
    earned: Counter[Key] = Counter()
    for row in run_bound(session, _EARNED, values):
        for day in (row.day, EVER):
            earned[row.tag_id, day, row.account_ref] += row.points
    return earned


def _one(space_id: SpaceId, key: Key) -> tuple[Any, ...]:
    tag_id, day, account_ref = key
    return (
        Standing.space_id == space_id,
        Standing.tag_id == tag_id,
        Standing.day == day,
        Standing.account_ref == account_ref,
    )


def _take(session: Session, tenant_id: TenantId, space_id: SpaceId, key: Key) -> bool:
    mine = update_rows(tenant_id, Standing).where(*_one(space_id, key))
    return rows_changed(session.execute(mine.values(points=Standing.points))) == 1


def _put_right(session: Session, tenant_id: TenantId, space_id: SpaceId, key: Key, *, to: int, is_held: bool) -> bool:
    if is_held and to:
        mine = update_rows(tenant_id, Standing).where(*_one(space_id, key), Standing.points != to)
        return rows_changed(session.execute(mine.values(points=to))) == 1
    if is_held:
        session.execute(delete_rows(tenant_id, Standing).where(*_one(space_id, key)))
    elif to:
        tag_id, day, account_ref = key
        row = {"space_id": space_id, "tag_id": tag_id, "day": day, "account_ref": account_ref, "points": to}
        session.execute(insert_row(tenant_id, Standing, **row))
    return is_held or to > 0
