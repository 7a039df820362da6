"""HTTP routes of the questions asked from pages, under /api/v1."""

from functools import partial

from lib.errors import NotFound
from lib.principal import SpaceId
from lib.web import Call, Limit, Resource
from questions_api.blueprint import blueprint
from questions_api.pages import schemas
from questions_api.pages.counting import PageCount, asked_from_pages, count_visible
from questions_api.pages.viewing import PageBook
from questions_api.policy import check_may_view
from questions_api.questions.links import hide_originals
from questions_api.questions.listings import ListFilter, Order
from questions_api.questions.reading import Wanted, page_of
from questions_api.questions.schemas import QuestionPage, question_view
from questions_api.seeing import grants_in, viewable_spaces, visible_items
from questions_api.wire import after_cursor, next_cursor

page_questions = Resource(blueprint, "api_page_questions", "api/v1/pages/{pageId}/questions")
page_counts = Resource(blueprint, "api_page_counts", "api/v1/pages/counts")

RESOURCES = (page_questions, page_counts)

_BOOK = PageBook()


def _spaces_of(call: Call, page_ids: list[int]) -> dict[int, SpaceId]:
    return _BOOK.spaces_of(call.services.confluence, call.installation, call.account_id, page_ids)


@page_questions.operation("GET", takes=schemas.PageQuestionsQuery, returns=QuestionPage, failures=(NotFound,))
def list_page_questions(call: Call, query: schemas.PageQuestionsQuery) -> QuestionPage:
    """The questions asked from a page or blog post, the newest first."""
    page_id = call.path_id("pageId")
    space_id = _spaces_of(call, [page_id]).get(page_id)
    if space_id is None:
        raise NotFound
    check_may_view(grants_in(call, space_id))
    name = f"page:{page_id}"
    wanted = ListFilter(space_id=space_id, container_id=page_id)
    page = page_of(call, Wanted(wanted, Order.NEWEST, query.limit, after_cursor(call, name, query.cursor)))
    views = [question_view(row, page.tags[row.item.id], page.grants[row.item.space_id]) for row in page.rows]
    hide_originals(call, views)
    return {
        "items": views,
        "next": next_cursor(call, name, page.next_position),
    }


@page_counts.operation("GET", takes=schemas.CountsQuery, returns=schemas.PageCounts, limit=Limit.HEAVY)
def read_counts(call: Call, query: schemas.CountsQuery) -> schemas.PageCounts:
    """How many questions the caller may see of each page, and how many have no answer.

    Counted over the pages' newest 1,000 questions; `isPartial` when there are more.
    """
    seen = _spaces_of(call, schemas.page_ids(query))
    spaces = viewable_spaces(call, seen.values())
    pages = {page_id: space_id for page_id, space_id in seen.items() if space_id in spaces}
    asked, is_partial = call.read(partial(asked_from_pages, tenant_id=call.tenant_id, pages=pages))
    counts = count_visible(asked, partial(visible_items, call))
    items: list[schemas.PageCountView] = []
    for page_id in pages:
        count = counts.get(page_id, PageCount())
        items.append({"pageId": str(page_id), "questions": count.questions, "unanswered": count.unanswered})
    return {"items": items, "isPartial": is_partial}
