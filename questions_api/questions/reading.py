"""Reading one question, and pages of lists, with what Confluence hides left out."""

from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.orm import Session

from lib.grants import Grants
from lib.principal import ContentId, Principal, SpaceId
from lib.web import Call
from questions_api.questions.listings import ListFilter, Order, list_questions, pinned_questions, position
from questions_api.questions.rows import QuestionRow, WatchedQuestion, accepted_ids, read_question
from questions_api.questions.schemas import QuestionDetail, question_detail
from questions_api.seeing import grants_if_visible, space_of, viewable_spaces
from questions_api.tags.reading import tags_of

_ROUNDS = 4
"""Index pages read for one list page at most, when Confluence hides items of them from the viewer."""


def _whole(
    session: Session, principal: Principal, question_id: ContentId
) -> tuple[WatchedQuestion, list[str], list[ContentId]]:
    found = read_question(session, principal, question_id)
    accepted = accepted_ids(session, principal.tenant_id, question_id) if found.row.accepted_count else []
    return found, tags_of(session, principal.tenant_id, [question_id])[question_id], accepted


def detail_of(call: Call, question_id: ContentId) -> QuestionDetail:
    """The question with its tags and accepted answers, in three statements."""
    found, tags, accepted = call.read(partial(_whole, principal=call.principal, question_id=question_id))
    grants = grants_if_visible(call, found.row.item)
    settings = space_of(call, found.row.item.space_id).settings
    return question_detail(
        found,
        tags,
        accepted,
        grants=grants,
        settings=settings,
        viewer=call.account_id,
        has_answered=found.has_answered,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of which list. `after` is the position of the row before it."""

    filter: ListFilter
    order: Order
    limit: int
    after: tuple[int, ...] | None = None
    hidden: frozenset[SpaceId] = frozenset()
    """Spaces known to be none of the viewer's; the database steps over them."""


@dataclass(slots=True)
class Page:
    """The rows the viewer may see, with what belongs to them; None as `next_position` ends the list."""

    rows: list[QuestionRow] = field(default_factory=list)
    tags: dict[ContentId, list[str]] = field(default_factory=dict)
    grants: dict[SpaceId, Grants] = field(default_factory=dict)
    next_position: tuple[int, ...] | None = None


def _index_page(
    session: Session, principal: Principal, wanted: Wanted
) -> tuple[list[QuestionRow], dict[ContentId, list[str]], bool]:
    rows = list_questions(
        session,
        principal,
        wanted.filter,
        wanted.order,
        hidden=wanted.hidden,
        after=wanted.after,
        limit=wanted.limit + 1,
    )
    has_more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    return rows, tags_of(session, principal.tenant_id, [row.item.id for row in rows]), has_more


def page_of(call: Call, wanted: Wanted) -> Page:
    """Reads on until the page is full, the list ends or the rounds are used up.

    What Confluence hides is dropped after the index was read, so a page may be short and yet have a successor.
    An order by votes holds only what the viewer may see the votes of.
    """
    page = Page()
    hidden, after = wanted.hidden, wanted.after
    for _ in range(_ROUNDS):
        part = replace(wanted, after=after, hidden=hidden, limit=wanted.limit - len(page.rows))
        rows, tags, has_more = call.read(partial(_index_page, principal=call.principal, wanted=part))
        _add_visible(call, page, rows, by_votes=wanted.order.needs_votes)
        page.tags |= tags
        hidden |= {row.item.space_id for row in rows} - set(page.grants)
        after = position(wanted.order, rows[-1]) if has_more else None
        if after is None or len(page.rows) == wanted.limit:
            break
    page.next_position = after
    return page


def _add_visible(call: Call, page: Page, rows: list[QuestionRow], *, by_votes: bool) -> None:
    spaces = {
        space_id: grants
        for space_id, grants in viewable_spaces(call, (row.item.space_id for row in rows)).items()
        if grants.votes.view or not by_votes
    }
    page.grants |= spaces
    candidates = [row for row in rows if row.item.space_id in spaces]
    visible = call.services.grants.visible(call.installation, call.account_id, [row.item for row in candidates])
    page.rows += [row for row in candidates if row.item.id in visible]


def pinned_page(call: Call, space_id: SpaceId, grants: Grants) -> Page:
    """The pinned questions of a space that the viewer may see."""

    def read(session: Session) -> tuple[list[QuestionRow], dict[ContentId, list[str]]]:
        rows = pinned_questions(session, call.principal, space_id)
        return rows, tags_of(session, call.tenant_id, [row.item.id for row in rows])

    rows, tags = call.read(read)
    visible = call.services.grants.visible(call.installation, call.account_id, [row.item for row in rows])
    return Page([row for row in rows if row.item.id in visible], tags, {space_id: grants})
