"""From an id in a request to a post the caller may see, with the caller's grants in its space."""

from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.orm import Session

from lib.errors import NotFound
from lib.grants import Grants, Item
from lib.principal import ContentId, Principal, SpaceId
from lib.web import Call
from questions_api.listings import (
    Order,
    QuestionRow,
    accepted_ids,
    list_questions,
    position,
    read_question,
    tags_of,
)
from questions_api.policy import check_may_view
from questions_api.posts import AnswerHead, QuestionHead, find_answer, find_question
from questions_api.schemas import QuestionDetail, question_detail

_ROUNDS = 3
"""Index pages read for one list page at most, when Confluence hides items of them from the viewer."""


@dataclass(frozen=True, slots=True)
class Seen[H]:
    """A post's head that the caller may see, and what the caller may do around it."""

    head: H
    grants: Grants


def grants_in(call: Call, space_id: SpaceId, *, for_write: bool = False) -> Grants:
    return call.services.grants.of(call.installation, call.account_id, space_id, for_write=for_write)


def _grants_if_visible(call: Call, item: Item, *, for_write: bool = False) -> Grants:
    """The caller's grants around the item; `NotFound` where the caller may not see it."""
    grants = grants_in(call, item.space_id, for_write=for_write)
    check_may_view(grants)
    if not call.services.grants.visible(call.installation, call.account_id, [item]):
        raise NotFound
    return grants


def see_question(call: Call, *, for_write: bool = False) -> Seen[QuestionHead]:
    """The question of the path; `NotFound` for missing, invisible and foreign ones alike."""
    find = partial(find_question, tenant_id=call.tenant_id, question_id=call.content_id("questionId"))
    head = call.read(find)
    return Seen(head, _grants_if_visible(call, head.item, for_write=for_write))


def see_answer(call: Call, *, for_write: bool = False) -> Seen[AnswerHead]:
    """The answer of the path, seen through its question."""
    head = call.read(partial(find_answer, tenant_id=call.tenant_id, answer_id=call.content_id("answerId")))
    return Seen(head, _grants_if_visible(call, head.question.item, for_write=for_write))


def _whole(
    session: Session, principal: Principal, question_id: ContentId
) -> tuple[QuestionRow, list[str], list[ContentId]]:
    row = read_question(session, principal, question_id)
    accepted = accepted_ids(session, principal.tenant_id, question_id) if row.accepted_count else []
    return row, tags_of(session, principal.tenant_id, [question_id])[question_id], accepted


def detail_of(call: Call, question_id: ContentId) -> QuestionDetail:
    """The question with its tags and accepted answers, in three statements."""
    row, tags, accepted = call.read(partial(_whole, principal=call.principal, question_id=question_id))
    grants = _grants_if_visible(call, row.item)
    return question_detail(row, tags, accepted, grants, call.account_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of which list. `after` is the position of the row before it."""

    space_id: SpaceId
    order: Order
    only_unanswered: bool
    limit: int
    after: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Page:
    """The rows the viewer may see, their tags, and where the next page starts (None at the end of the list)."""

    rows: list[QuestionRow]
    tags: dict[ContentId, list[str]]
    next_position: tuple[int, ...] | None


def _index_page(
    session: Session, principal: Principal, wanted: Wanted
) -> tuple[list[QuestionRow], dict[ContentId, list[str]], bool]:
    rows = list_questions(
        session,
        principal,
        wanted.space_id,
        wanted.order,
        only_unanswered=wanted.only_unanswered,
        after=wanted.after,
        limit=wanted.limit + 1,
    )
    has_more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    return rows, tags_of(session, principal.tenant_id, [row.item.id for row in rows]), has_more


def page_of(call: Call, wanted: Wanted) -> Page:
    """Reads on until the page is full, the list ends or the rounds are used up.

    What Confluence hides is dropped after the index was read, so a page may be short and yet have a successor.
    """
    shown: list[QuestionRow] = []
    tags: dict[ContentId, list[str]] = {}
    after = wanted.after
    for _ in range(_ROUNDS):
        part = replace(wanted, after=after, limit=wanted.limit - len(shown))
        rows, part_tags, has_more = call.read(partial(_index_page, principal=call.principal, wanted=part))
        visible = call.services.grants.visible(call.installation, call.account_id, [row.item for row in rows])
        shown += [row for row in rows if row.item.id in visible]
        tags |= part_tags
        after = position(wanted.order, rows[-1]) if has_more else None
        if after is None or len(shown) == wanted.limit:
            break
    return Page(shown, tags, after)
