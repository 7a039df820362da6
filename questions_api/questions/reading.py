"""Reading one question, and pages of lists, with what Confluence hides left out."""

from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy.orm import Session

from lib.grants import Grants
from lib.principal import ContentId, Principal, SpaceId
from lib.spaces import SpaceStatus
from lib.web import Call
from questions_api.posts import answer_item
from questions_api.questions.listings import ListFilter, Order, list_questions, pinned_questions, position
from questions_api.questions.rows import QuestionRow, WatchedQuestion, accepted_answers, read_question
from questions_api.questions.schemas import QuestionDetail, question_detail
from questions_api.seeing import grants_if_visible, space_of, viewable_spaces, visible_items
from questions_api.tags.reading import tags_of

_ROUNDS = 4
"""Index pages read for one list page at most, when Confluence hides items of them from the viewer."""


def _whole(
    session: Session, principal: Principal, question_id: ContentId
) -> tuple[WatchedQuestion, list[str], dict[ContentId, bool]]:
    found = read_question(session, principal, question_id)
    accepted = accepted_answers(session, principal.tenant_id, question_id) if found.row.accepted_count else {}
    return found, tags_of(session, principal.tenant_id, [question_id])[question_id], accepted


def detail_of(call: Call, question_id: ContentId) -> QuestionDetail:
    """The question with its tags and accepted answers, in three statements."""
    found, tags, accepted = call.read(partial(_whole, principal=call.principal, question_id=question_id))
    grants = grants_if_visible(call, found.row.item)
    space_id = found.row.item.space_id
    space = space_of(call, space_id)
    visible = visible_items(call, (answer_item(each, space_id, is_guarded=held) for each, held in accepted.items()))
    return question_detail(
        found,
        tags,
        [answer_id for answer_id in accepted if answer_id in visible],
        grants=grants,
        settings=space.settings,
        viewer=call.account_id,
        is_read_only=space.status is SpaceStatus.ARCHIVED or not call.installation.is_licensed,
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
    has_pinned: bool = False
    """Whether the space's pinned questions are read as well."""


@dataclass(slots=True)
class Page:
    """The rows the viewer may see, with what belongs to them; None as `next_position` ends the list."""

    rows: list[QuestionRow] = field(default_factory=list)
    pinned: list[QuestionRow] = field(default_factory=list)
    tags: dict[ContentId, list[str]] = field(default_factory=dict)
    grants: dict[SpaceId, Grants] = field(default_factory=dict)
    next_position: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class _IndexPage:
    """What the index holds, whoever may see it."""

    rows: list[QuestionRow]
    pinned: list[QuestionRow]
    tags: dict[ContentId, list[str]]
    has_more: bool


def _index_page(session: Session, principal: Principal, wanted: Wanted) -> _IndexPage:
    found = list_questions(
        session,
        principal,
        wanted.filter,
        wanted.order,
        hidden=wanted.hidden,
        after=wanted.after,
        limit=wanted.limit + 1,
    )
    rows = found[: wanted.limit]
    space_id = wanted.filter.space_id
    pinned = pinned_questions(session, principal, space_id) if wanted.has_pinned and space_id is not None else []
    tags = tags_of(session, principal.tenant_id, {row.item.id for row in (*rows, *pinned)})
    return _IndexPage(rows, pinned, tags, has_more=len(found) > wanted.limit)


def page_of(call: Call, wanted: Wanted) -> Page:
    """Reads on until the page is full, the list ends or the rounds are used up.

    What Confluence hides is dropped after the index was read, so a page may be short and yet have a successor.
    A list that tells of votes or of tags holds only what the viewer may see those of.
    """
    page = Page()
    rest = wanted
    for _ in range(_ROUNDS):
        found = call.read(partial(_index_page, principal=call.principal, wanted=rest))
        _add_visible(call, page, found, wanted)
        hidden = rest.hidden | ({row.item.space_id for row in found.rows} - set(page.grants))
        page.next_position = position(wanted.order, found.rows[-1]) if found.has_more else None
        if page.next_position is None or len(page.rows) == wanted.limit:
            break
        rest = replace(
            wanted,
            after=page.next_position,
            hidden=hidden,
            limit=wanted.limit - len(page.rows),
            has_pinned=False,
        )
    return page


def _add_visible(call: Call, page: Page, found: _IndexPage, wanted: Wanted) -> None:
    rows = [*found.rows, *found.pinned]
    spaces = {
        space_id: grants
        for space_id, grants in viewable_spaces(call, (row.item.space_id for row in rows)).items()
        if (grants.votes.view or not wanted.order.needs_votes) and (grants.tags.view or not wanted.filter.is_by_tags)
    }
    candidates = {row.item.id: row.item for row in rows if row.item.space_id in spaces}
    visible = call.services.grants.visible(call.installation, call.account_id, candidates.values())
    page.grants |= spaces
    page.tags |= found.tags
    page.rows += [row for row in found.rows if row.item.id in visible]
    page.pinned += [row for row in found.pinned if row.item.id in visible]
