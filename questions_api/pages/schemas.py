"""Wire shapes of the questions of pages."""

from typing import Annotated, TypedDict

from pydantic import Field

from lib.errors import Fault, Invalid
from lib.web import Query
from questions_api.wire import PageQuery

MAX_PAGES = 250
_MAX_ID = 2**63 - 1


class PageQuestionsQuery(PageQuery):
    """Which part of the page's questions."""


class CountsQuery(Query):
    """Page ids, separated by commas."""

    ids: Annotated[
        str,
        Field(
            pattern=r"^[1-9][0-9]{0,18}(,[1-9][0-9]{0,18})*$",
            max_length=20 * MAX_PAGES,
            description=f"At most {MAX_PAGES} ids of pages, separated by commas.",
        ),
    ]


class PageCountView(TypedDict):
    pageId: str
    questions: int
    unanswered: int


class PageCounts(TypedDict):
    """Only the pages that the caller may see, in a space where the caller may see questions.

    `isPartial`: the pages have more questions than are counted; only the newest are.
    """

    items: list[PageCountView]
    isPartial: bool


def page_ids(query: CountsQuery) -> list[int]:
    ids = list(dict.fromkeys(int(text) for text in query.ids.split(",")))
    if len(ids) > MAX_PAGES:
        raise Invalid(faults=(Fault("ids", f"holds more than {MAX_PAGES} ids"),))
    if max(ids) > _MAX_ID:
        raise Invalid(faults=(Fault("ids", "holds a number larger than an id can be"),))
    return ids
