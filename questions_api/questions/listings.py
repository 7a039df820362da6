"""Lists of questions: every order by keyset, every filter served by an index, one statement a page.

A list of a space or of the whole site is read in the order of an index that is led by the state: each state
is one range, the ranges are merged. A list of a small set (a page's questions, a person's, a rare tag's) is
read from the set and sorted. Statements are built once for each shape of list and bound per call.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, exists, func, literal_column, or_, select, union, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from lib.principal import AccountId, Principal, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from questions_api.model import ORDER_KEYS, Question, QuestionState
from questions_api.questions.rows import QuestionRow, milliseconds, moment_at, question_row, questions_select
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym
from questions_api.watches.model import Watch, WatchKind

RARE_TAG = 2000
"""Questions of a tag up to which they are read and sorted; those of a tag used more are found along the order."""

_LIMITS = (11, 26, 51, 101)
"""How many rows statements read: the next above what is wanted, so that few statements serve all limits."""

_TENANT: Any = bindparam("tenant_id")


class Order(StrEnum):
    NEWEST = "newest"
    ACTIVE = "active"
    VOTES = "votes"
    HOT = "hot"

    @property
    def needs_votes(self) -> bool:
        """Whether the order tells of votes, which not everybody may see."""
        return self in {Order.VOTES, Order.HOT}


class StateFilter(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    UNRESOLVED = "unresolved"
    ACCEPTED = "accepted"
    CLOSED = "closed"


_STATES: dict[StateFilter | None, tuple[QuestionState, ...]] = {
    None: tuple(QuestionState),
    StateFilter.OPEN: (QuestionState.UNANSWERED, QuestionState.ANSWERED, QuestionState.ACCEPTED),
    StateFilter.ANSWERED: (QuestionState.ANSWERED, QuestionState.ACCEPTED),
    StateFilter.UNANSWERED: (QuestionState.UNANSWERED,),
    StateFilter.UNRESOLVED: (QuestionState.UNANSWERED, QuestionState.ANSWERED),
    StateFilter.ACCEPTED: (QuestionState.ACCEPTED,),
    StateFilter.CLOSED: (QuestionState.CLOSED,),
}


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which questions a list holds; None is no condition. `space_id` None is the whole site."""

    space_id: SpaceId | None = None
    state: StateFilter | None = None
    tag: str | None = None
    author_id: AccountId | None = None
    container_id: int | None = None
    is_watching: bool = False
    """Questions that the viewer watches."""
    is_answerable: bool = False
    """Others' questions under the tags that the viewer watches or is an expert on."""
    asked_from: datetime | None = None
    asked_before: datetime | None = None

    @property
    def is_by_tags(self) -> bool:
        """Whether what the list holds tells of tags, which not everybody may see."""
        return self.tag is not None or self.is_answerable


class _Driver(StrEnum):
    """Where the statement starts."""

    ORDER = "order"
    TAG = "tag"
    AUTHOR = "author"
    CONTAINER = "container"
    WATCH = "watch"
    MINE = "mine"
    """The questions under the viewer's tags."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement is built from; its values are bound."""

    order: Order
    driver: _Driver
    states: tuple[QuestionState, ...]
    conditions: frozenset[str]
    is_after: bool
    limit: int


def _account(name: str) -> Any:
    return (
        select(AccountRow.account_ref)
        .where(AccountRow.tenant_id == _TENANT, AccountRow.atlassian_account_id == bindparam(name))
        .correlate(None)
        .scalar_subquery()
    )


def _my_tags() -> Any:
    expert = select(TagExpert.tag_id).where(TagExpert.tenant_id == _TENANT, TagExpert.account_ref == _account("viewer"))
    watched = select(Watch.target_id).where(
        Watch.tenant_id == _TENANT,
        Watch.account_ref == _account("viewer"),
        Watch.target_kind == WatchKind.TAG.value,
        ~Watch.is_muted,
    )
    return union(expert, watched)


def _bears(tag_id: Any) -> Any:
    # An alias, because the statement may start from the same table.
    link = aliased(QuestionTag)
    return exists(
        select(literal_column("1")).where(
            link.tenant_id == Question.tenant_id, link.question_id == Question.id, link.tag_id.in_(tag_id)
        )
    )


def _condition(name: str) -> Any:
    """One condition on the question itself; which of them apply is part of the shape."""
    match name:
        case "space":
            return Question.space_id == bindparam("space_id")
        case "hidden":
            return Question.space_id.not_in(bindparam("hidden", expanding=True))
        case "author":
            return Question.author_ref == _account("author")
        case "container":
            return and_(
                Question.container_id == bindparam("container_id"),
                Question.container_kind.in_(("page", "blogpost")),
            )
        case "tag" | "mine":
            return _bears([bindparam("tag_id")] if name == "tag" else _my_tags())
        case "by_others":
            return or_(Question.author_ref != _account("viewer"), _account("viewer").is_(None))
        case "from":
            return Question.created_at >= bindparam("asked_from", type_=Question.created_at.type)
        case _:
            return Question.created_at < bindparam("asked_before", type_=Question.created_at.type)


def _base(shape: _Shape, key: Any) -> Select[Any]:
    """Ids and sort keys of the live questions that meet the shape's conditions."""
    found = select(Question.id.label("id"), key.label("sort_key"))
    match shape.driver:
        case _Driver.TAG:
            found = found.join_from(
                QuestionTag,
                Question,
                and_(Question.tenant_id == QuestionTag.tenant_id, Question.id == QuestionTag.question_id),
            ).where(QuestionTag.tenant_id == _TENANT, QuestionTag.tag_id == bindparam("tag_id"))
        case _Driver.WATCH:
            found = found.join_from(
                Watch, Question, and_(Question.tenant_id == Watch.tenant_id, Question.id == Watch.target_id)
            ).where(
                Watch.tenant_id == _TENANT,
                Watch.account_ref == _account("viewer"),
                Watch.target_kind == WatchKind.QUESTION.value,
                ~Watch.is_muted,
            )
        case _Driver.MINE:
            under = select(QuestionTag.question_id).where(
                QuestionTag.tenant_id == _TENANT, QuestionTag.tag_id.in_(_my_tags())
            )
            found = found.where(Question.tenant_id == _TENANT, Question.id.in_(under))
        case _:
            found = found.where(Question.tenant_id == _TENANT)
    conditions = [_condition(name) for name in sorted(shape.conditions)]
    return found.where(Question.deleted_at.is_(None), *conditions)


def _page(shape: _Shape, statement: Select[Any], key: Any, last: Any) -> Any:
    # A number, not a parameter: with one SQL Server's dialect leaves out the order of a subquery, without a word.
    return statement.order_by(key.desc(), last.desc()).limit(shape.limit)


def _along_order(shape: _Shape, key: InstrumentedAttribute[Any]) -> Any:
    """One range of the index for each state, and behind a cursor two: ties with it, then everything below.

    Apart, because in one condition a page deep among equal scores would step over all those before it.
    """
    base = _base(shape, key)
    mark: Any = bindparam("key", type_=key.type)
    last: Any = bindparam("last_id")
    parts = [and_(key == mark, Question.id < last), key < mark] if shape.is_after else [None]
    ranges = [
        # A literal, so that the index is matched whatever the database makes of parameters.
        base.where(Question.state == literal_column(f"'{state}'"), *([] if part is None else [part]))
        for state in shape.states
        for part in parts
    ]
    if len(ranges) == 1:
        return _page(shape, ranges[0], key, Question.id).subquery("top")
    merged = union_all(*(select(_page(shape, one, key, Question.id).subquery()) for one in ranges)).subquery("merged")
    return _page(shape, select(merged), merged.c.sort_key, merged.c.id).subquery("top")


def _from_set(shape: _Shape, key: Any) -> Any:
    found = _base(shape, key)
    if len(shape.states) < len(QuestionState):
        found = found.where(Question.state.in_([literal_column(f"'{state}'") for state in shape.states]))
    if shape.is_after:
        mark: Any = bindparam("key", type_=key.type)
        last: Any = bindparam("last_id")
        # T-SQL has no row comparison; the redundant first condition is what the optimiser seeks by.
        found = found.where(key <= mark, or_(key < mark, and_(key == mark, Question.id < last)))
    return _page(shape, found, key, Question.id).subquery("top")


@lru_cache(maxsize=512)
def _statement(shape: _Shape) -> Select[Any]:
    key: Any = ORDER_KEYS[shape.order]
    if shape.driver is _Driver.ORDER:
        top = _along_order(shape, key)
    else:
        # Of a tag's questions the index holds the time as well: newest needs no sort.
        by_time = shape.driver is _Driver.TAG and shape.order is Order.NEWEST
        top = _from_set(shape, QuestionTag.question_created_at if by_time else key)
    return questions_select().join(top, top.c.id == Question.id).order_by(top.c.sort_key.desc(), top.c.id.desc())


@dataclass(frozen=True, slots=True)
class _Tag:
    tag_id: int
    is_rare: bool


_USED = select_bound(Tag, Tag.tag_id, Tag.use_count).where(Tag.slug == bindparam("slug"))
_USED_BY_SYNONYM = (
    select_bound(Tag, Tag.tag_id, Tag.use_count)
    .join(TagSynonym, and_(TagSynonym.tenant_id == Tag.tenant_id, TagSynonym.tag_id == Tag.tag_id))
    .where(TagSynonym.slug == bindparam("slug"))
)
_USED_MINE = select_bound(Tag, func.sum(Tag.use_count)).where(Tag.tag_id.in_(_my_tags()))


def _find_tag(session: Session, tenant_id: TenantId, slug: str) -> _Tag | None:
    values = {"tenant_id": tenant_id, "slug": slug}
    row = run_bound(session, _USED, values).first() or run_bound(session, _USED_BY_SYNONYM, values).first()
    return None if row is None else _Tag(row.tag_id, row.use_count <= RARE_TAG)


def _driver(session: Session, principal: Principal, wanted: ListFilter, order: Order, tag: _Tag | None) -> _Driver:
    if wanted.container_id is not None:
        return _Driver.CONTAINER
    if wanted.is_watching:
        return _Driver.WATCH
    if wanted.author_id is not None:
        return _Driver.AUTHOR
    if tag is not None and (tag.is_rare or order is Order.NEWEST):
        return _Driver.TAG
    if wanted.is_answerable:
        values = {"tenant_id": principal.tenant_id, "viewer": principal.account_id}
        used = run_bound(session, _USED_MINE, values).scalar()
        return _Driver.MINE if (used or 0) <= RARE_TAG else _Driver.ORDER
    return _Driver.ORDER


def _conditions(wanted: ListFilter, driver: _Driver, hidden: frozenset[SpaceId]) -> frozenset[str]:
    applied = {
        "space": wanted.space_id is not None,
        "hidden": bool(hidden),
        "author": wanted.author_id is not None,
        "container": wanted.container_id is not None,
        "tag": wanted.tag is not None and driver is not _Driver.TAG,
        "mine": wanted.is_answerable and driver is not _Driver.MINE,
        "by_others": wanted.is_answerable,
        "from": wanted.asked_from is not None,
        "before": wanted.asked_before is not None,
    }
    return frozenset(name for name, does_apply in applied.items() if does_apply)


def list_questions(
    session: Session,
    principal: Principal,
    wanted: ListFilter,
    order: Order,
    *,
    hidden: frozenset[SpaceId] = frozenset(),
    after: tuple[int, ...] | None,
    limit: int,
) -> list[QuestionRow]:
    """At most `limit` questions, 101 and no more, after the row that `after` (see `position`) describes.

    Those of `hidden` spaces are stepped over.
    """
    tag = None if wanted.tag is None else _find_tag(session, principal.tenant_id, wanted.tag)
    if wanted.tag is not None and tag is None:
        return []
    driver = _driver(session, principal, wanted, order, tag)
    shape = _Shape(
        order,
        driver,
        _STATES[wanted.state],
        _conditions(wanted, driver, hidden),
        is_after=after is not None,
        limit=next(size for size in _LIMITS if size >= limit),
    )
    values: dict[str, Any] = {
        "tenant_id": principal.tenant_id,
        "viewer": principal.account_id,
        "space_id": wanted.space_id,
        "hidden": sorted(hidden),
        "author": wanted.author_id,
        "container_id": wanted.container_id,
        "tag_id": None if tag is None else tag.tag_id,
        "asked_from": wanted.asked_from,
        "asked_before": wanted.asked_before,
    }
    if after is not None:
        key, values["last_id"] = after
        values["key"] = key if order.needs_votes else moment_at(key)
    return [question_row(row) for row in run_bound(session, _statement(shape), values)][:limit]


def position(order: Order, row: QuestionRow) -> tuple[int, int]:
    """Where the row stands in the list: what a cursor after it holds."""
    keys = {
        Order.NEWEST: milliseconds(row.created_at),
        Order.ACTIVE: milliseconds(row.active_at),
        Order.VOTES: row.score,
        Order.HOT: row.hot,
    }
    return keys[order], row.item.id


_PINNED = (
    questions_select()
    .where(Question.space_id == bindparam("space_id"), Question.pinned_at.is_not(None))
    .order_by(Question.pinned_at.desc())
)


def pinned_questions(session: Session, principal: Principal, space_id: SpaceId) -> list[QuestionRow]:
    """The space's pinned questions, the one pinned last first."""
    values = {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "space_id": space_id}
    return [question_row(row) for row in run_bound(session, _PINNED, values)]
