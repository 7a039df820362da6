"""How many of the questions asked from each of a set of pages a viewer may see."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from lib.grants import Item
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from questions_api.model import Question, QuestionState

MOST_COUNTED = 1_000
"""Questions looked at for one answer, the newest first: each is confirmed as the viewer, 250 in one request."""

_ASKED = (
    select_bound(
        Question,
        Question.id,
        Question.space_id,
        Question.container_kind,
        Question.container_id,
        Question.needs_check,
        Question.state,
    )
    .where(
        Question.container_id.in_(bindparam("page_ids", expanding=True)),
        Question.container_kind.in_(("page", "blogpost")),
        Question.deleted_at.is_(None),
    )
    .order_by(Question.created_at.desc(), Question.id.desc())
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class AskedFromPage:
    """A live question of a page, and what deciding about it needs."""

    page_id: int
    item: Item
    is_unanswered: bool


@dataclass(frozen=True, slots=True)
class PageCount:
    questions: int = 0
    unanswered: int = 0


def asked_from_pages(
    session: Session, tenant_id: TenantId, pages: Mapping[int, SpaceId]
) -> tuple[list[AskedFromPage], bool]:
    """The pages' newest `MOST_COUNTED` live questions, in one statement, and whether there are more.

    Those in another space than their page is in are left out: the page has just moved, and its questions have
    not been followed yet.
    """
    if not pages:
        return [], False
    values = {"tenant_id": tenant_id, "page_ids": sorted(pages), "limit": MOST_COUNTED + 1}
    rows = run_bound(session, _ASKED, values).all()
    asked = [
        AskedFromPage(
            row.container_id,
            Item(row.id, row.space_id, row.container_kind, row.needs_check),
            row.state == QuestionState.UNANSWERED,
        )
        for row in rows[:MOST_COUNTED]
        if pages[row.container_id] == row.space_id
    ]
    return asked, len(rows) > MOST_COUNTED


def count_visible(
    asked: Iterable[AskedFromPage], visible: Callable[[Iterable[Item]], set[ContentId]]
) -> dict[int, PageCount]:
    """Counts by page of what `visible` lets through. A page that is not there has none.

    Seeing the page is not enough: Confluence may restrict a question on its own, and what we have stored of
    that can be late.
    """
    asked = list(asked)
    seen = visible([one.item for one in asked])
    counts: dict[int, PageCount] = {}
    for one in asked:
        if one.item.id in seen:
            held = counts.get(one.page_id, PageCount())
            counts[one.page_id] = PageCount(held.questions + 1, held.unanswered + one.is_unanswered)
    return counts
