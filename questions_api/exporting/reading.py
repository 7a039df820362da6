"""One page of an export: questions of a space with their answers and counts; never who voted."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import and_, bindparam
from sqlalchemy.orm import Session, aliased

from lib.grants import Grants
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.tenancy import AccountRow
from lib.web import Call
from questions_api.model import Answer, Question
from questions_api.posts import answer_item
from questions_api.questions.links import links_of, visible_among
from questions_api.questions.listings import ListFilter, Order
from questions_api.questions.reading import Page, Wanted, page_of
from questions_api.seeing import visible_items
from questions_api.wire import moment_view, time_view

_LIST_PAGE = 100
"""What a list gives at once at most."""

_SPARE_PAGES = 4
"""Pages read beyond those that a part fills: one request ends in a time that the caller does not choose."""

type Exported = dict[str, Any]
"""One question or answer, by the names and in the order of the export's columns."""

_Acceptor = aliased(AccountRow)
_ANSWERS = (
    select_bound(
        Answer,
        Answer.id,
        Answer.question_id,
        Answer.up,
        Answer.down,
        Answer.score,
        Answer.created_at,
        Answer.accepted_at,
        Answer.contested_at,
        Answer.is_guarded,
        AccountRow.atlassian_account_id.label("author_id"),
        _Acceptor.atlassian_account_id.label("accepted_by_id"),
    )
    .join(AccountRow, and_(AccountRow.tenant_id == Answer.tenant_id, AccountRow.account_ref == Answer.author_ref))
    .outerjoin(
        _Acceptor, and_(_Acceptor.tenant_id == Answer.tenant_id, _Acceptor.account_ref == Answer.accepted_by_ref)
    )
    .where(Answer.question_id.in_(bindparam("ids", expanding=True)), Answer.deleted_at.is_(None))
    .order_by(Answer.question_id, Answer.created_at, Answer.id)
)
_VOTES = select_bound(Question, Question.id, Question.up, Question.down).where(
    Question.id.in_(bindparam("ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Questions, each with its answers under `answers`; None as `next_position` ends the export."""

    questions: list[Exported] = field(default_factory=list)
    next_position: tuple[int, ...] | None = None


def read_page(
    call: Call, space_id: SpaceId, grants: Grants, *, limit: int, after: tuple[int, ...] | None
) -> ExportPage:
    """The questions that the caller may see, the newest first, so that what is asked meanwhile shifts nothing."""
    page = _rows(call, space_id, limit=limit, after=after)
    read = partial(_belongings, tenant_id=call.tenant_id, ids=[row.item.id for row in page.rows])
    votes, answers, links = call.read(read)
    visible = visible_items(
        call, (answer_item(one.id, space_id, is_guarded=one.is_guarded) for some in answers.values() for one in some)
    )
    questions = []
    for row in page.rows:
        up, down = votes.get(row.item.id, (0, 0))
        questions.append(
            {
                "kind": "question",
                "id": str(row.item.id),
                "spaceId": str(row.item.space_id),
                "containerKind": row.item.container_kind,
                "containerId": str(row.container_id),
                "authorId": row.author_id,
                "createdAt": time_view(row.created_at),
                "activeAt": time_view(row.active_at),
                "state": row.state,
                "closedAt": moment_view(row.closed_at),
                "closeReason": row.close_reason,
                "duplicateOf": None if row.duplicate_of is None else str(row.duplicate_of),
                "isLocked": row.is_locked,
                "isPinned": row.is_pinned,
                "bounty": row.bounty,
                "answerCount": row.answer_count,
                "acceptedCount": row.accepted_count,
                "watchCount": row.watch_count,
                "links": sorted(links[row.item.id]),
                **({"tags": page.tags[row.item.id]} if grants.tags.view else {}),
                **({"score": row.score, "up": up, "down": down} if grants.votes.view else {}),
                "answers": [_answer(one, grants) for one in answers[row.item.id] if one.id in visible],
            }
        )
    _hide_others(call, questions)
    return ExportPage(questions, page.next_position)


def _hide_others(call: Call, questions: list[Exported]) -> None:
    """Originals and linked questions which the administrator of this space may not see are not named."""
    originals = {ContentId(int(one["duplicateOf"])) for one in questions if one["duplicateOf"] is not None}
    linked = {ContentId(other) for one in questions for other in one["links"]}
    visible = visible_among(call, originals | linked)
    for one in questions:
        one["links"] = [str(other) for other in one["links"] if other in visible]
        if one["duplicateOf"] is not None and int(one["duplicateOf"]) not in visible:
            one["duplicateOf"] = None


def _rows(call: Call, space_id: SpaceId, *, limit: int, after: tuple[int, ...] | None) -> Page:
    """As many pages of the space's list as make up the part that was asked for; fewer where Confluence hides many."""
    found = Page(next_position=after)
    for _ in range(limit // _LIST_PAGE + _SPARE_PAGES):
        size = min(limit - len(found.rows), _LIST_PAGE)
        page = page_of(call, Wanted(ListFilter(space_id=space_id), Order.NEWEST, size, found.next_position))
        found.rows += page.rows
        found.tags |= page.tags
        found.next_position = page.next_position
        if page.next_position is None or len(found.rows) == limit:
            break
    return found


def _belongings(
    session: Session, tenant_id: TenantId, ids: list[ContentId]
) -> tuple[dict[ContentId, tuple[int, int]], dict[ContentId, list[Any]], dict[ContentId, set[ContentId]]]:
    answers: dict[ContentId, list[Any]] = defaultdict(list)
    if not ids:
        return {}, answers, {}
    values = {"tenant_id": tenant_id, "ids": ids}
    votes = {row.id: (row.up, row.down) for row in run_bound(session, _VOTES, values)}
    for row in run_bound(session, _ANSWERS, values):
        answers[row.question_id].append(row)
    return votes, answers, links_of(session, tenant_id, ids)


def _answer(row: Any, grants: Grants) -> Exported:
    return {
        "kind": "answer",
        "id": str(row.id),
        "questionId": str(row.question_id),
        "authorId": row.author_id,
        "createdAt": time_view(row.created_at),
        "acceptedAt": moment_view(row.accepted_at),
        "acceptedById": row.accepted_by_id,
        "contestedAt": None if row.accepted_at is None else moment_view(row.contested_at),
        **({"score": row.score, "up": row.up, "down": row.down} if grants.votes.view else {}),
    }
