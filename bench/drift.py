"""A Confluence stand-in with many items, and rows of ours that differ from it as lost webhooks would leave them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from lib.confluence import Caller, Content, ContentKind, ContentPage, SpaceFacts
from lib.points import PointsBook
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.spaces import SpaceRow, SpaceStatus
from lib.sql import Database
from lib.tenancy import AccountRow
from questions_api.model import Answer, Question, QuestionState

HERE, ELSEWHERE = SpaceId(65537), SpaceId(65538)
_TYPES: dict[ContentKind, str] = {
    "question": "ac:community-questions:cq-question",
    "answer": "ac:community-questions:cq-answer",
}
_PAGE = 250
_FIRST_QUESTION, _FIRST_ANSWER = 1_000_001, 5_000_001
_AUTHORS = 50
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Drift:
    """How many of what differs between Confluence and our rows."""

    lost_questions: int
    """In Confluence, not among our rows; likewise the answers."""
    lost_answers: int
    moved: int
    removed_questions: int
    """Among our rows, gone from Confluence with their answers; likewise the answers alone."""
    removed_answers: int
    restricted: int
    """The same on both sides, but shown to their authors only."""


def drift_of(items: int) -> Drift:
    """About one item in forty."""
    few = items // 200
    return Drift(few, few, moved=few, removed_questions=few, removed_answers=few, restricted=few)


@dataclass(slots=True)
class Listed:
    """What `questions_api.following` asks of Confluence. Each call is paid for in `points`, as the real one pays."""

    points: PointsBook
    items: dict[ContentKind, dict[ContentId, Content]]
    restricted: frozenset[ContentId]
    _orders: dict[tuple[ContentKind, str], list[Content]] = field(default_factory=dict)

    def contents_page(
        self, caller: Caller, kind: ContentKind, *, link: str | None = None, sort: str = "id", space_id: None = None
    ) -> ContentPage:
        del space_id
        order = self._order(kind, sort)
        start = 0 if link is None else int(link)
        page = order[start : start + _PAGE]
        self.pay(caller, len(page))
        is_last = start + _PAGE >= len(order)
        return ContentPage(tuple(page), None if is_last else str(start + _PAGE))

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        known = self.items[kind]
        found = [known[content_id] for content_id in ids if content_id in known]
        shown = {item.id: item for item in found if self._may_see(caller, item)}
        self.pay(caller, len(shown))
        return shown

    def spaces(self, caller: Caller, ids: Iterable[SpaceId]) -> dict[SpaceId, SpaceFacts]:
        found = {space_id: SpaceFacts(f"S{space_id}", "global", "current") for space_id in ids}
        self.pay(caller, len(found))
        return found

    def _may_see(self, caller: Caller, item: Content) -> bool:
        return item.id not in self.restricted or caller.account_id == item.author_id

    def _order(self, kind: ContentKind, sort: str) -> list[Content]:
        held = self._orders.get((kind, sort))
        if held is None:
            everyone = [item for item in self.items[kind].values() if item.id not in self.restricted]
            held = sorted(everyone, key=lambda item: item.id)
            if sort == "-modified-date":
                held.sort(key=lambda item: item.modified_at, reverse=True)
            self._orders[kind, sort] = held
        return held

    def pay(self, caller: Caller, objects: int) -> None:
        self.points.spend(caller.installation.tenant_id, objects, {})


def _content(kind: ContentKind, number: int, question: int, asked_at: datetime) -> Content:
    first = _FIRST_QUESTION if kind == "question" else _FIRST_ANSWER
    at = asked_at + timedelta(minutes=number % 500_000)
    return Content(
        id=ContentId(first + number),
        type=_TYPES[kind],
        status="current",
        space_id=HERE,
        container_kind="space" if kind == "question" else "content",
        container_id=int(HERE) if kind == "question" else _FIRST_QUESTION + question,
        author_id=AccountId(f"557058:author-{number % _AUTHORS + 1}"),
        created_at=at,
        title="-",
        modified_at=at,
    )


def made(
    items: int, drift: Drift, points: PointsBook, asked_at: datetime
) -> tuple[Listed, list[Content], list[Content]]:
    """(Confluence, our questions, our answers). Four items in ten are questions; each has one answer or two."""
    asked = items * 4 // 10
    questions = [_content("question", number, 0, asked_at) for number in range(asked)]
    answers = [_content("answer", number, number % asked, asked_at) for number in range(items - asked)]
    lost, gone, moved, restricted = _parts(
        questions, drift.lost_questions, drift.removed_questions, drift.moved, drift.restricted
    )
    lost_ids, gone_ids = ({item.id for item in some} for some in (lost, gone))
    closed = {item.id for item in restricted}
    # An answer to a question that we do not have is not one of ours either.
    ours = [item for item in answers if item.container_id not in lost_ids]
    here_and_there = [item for item in ours if item.container_id not in gone_ids | closed]
    lost_answers, gone_answers = _parts(here_and_there, drift.lost_answers, drift.removed_answers)
    away = gone_ids | {item.id for item in gone_answers} | {item.id for item in ours if item.container_id in gone_ids}
    there = {item.id: item for item in questions if item.id not in away}
    there |= {item.id: replace(item, space_id=ELSEWHERE, container_id=int(ELSEWHERE)) for item in moved}
    listed = Listed(
        points,
        {"question": there, "answer": {item.id: item for item in answers if item.id not in away}},
        frozenset(closed | {item.id for item in ours if item.container_id in closed}),
    )
    unknown = {item.id for item in lost_answers}
    return (
        listed,
        [item for item in questions if item.id not in lost_ids],
        [one for one in ours if one.id not in unknown],
    )


def _parts(items: list[Content], *sizes: int) -> list[list[Content]]:
    """Parts that share nothing, each spread over all items."""
    step = len(items) // max(sizes)
    spread = [items[offset::step] for offset in range(len(sizes))]
    return [part[:size] for part, size in zip(spread, sizes, strict=True)]


def store(database: Database, tenant_id: TenantId, questions: Sequence[Content], answers: Sequence[Content]) -> None:
    """Our rows as they would be, had we been told of these items and of no others."""
    by_question: dict[int, int] = {}
    for answer in answers:
        by_question[answer.container_id] = by_question.get(answer.container_id, 0) + 1
    start = min(item.created_at for item in questions)
    own = {"tenant_id": tenant_id}
    rows: tuple[tuple[Any, list[dict[str, Any]]], ...] = (
        (
            SpaceRow,
            [{**own, "space_id": HERE, "status": SpaceStatus.CURRENT, "permission_epoch": 0, "created_at": start}],
        ),
        (
            AccountRow,
            [
                {**own, "account_ref": ref, "atlassian_account_id": f"557058:author-{ref}", "first_seen_at": start}
                for ref in range(1, _AUTHORS + 1)
            ],
        ),
        (Question, [{**own, **_question_row(item, by_question.get(int(item.id), 0))} for item in questions]),
        (Answer, [{**own, **_answer_row(item)} for item in answers]),
    )
    with database.engine.begin() as connection:
        for table, values in rows:
            for first in range(0, len(values), _AT_ONCE):
                connection.execute(insert(table), values[first : first + _AT_ONCE])


def _author_ref(item: Content) -> int:
    return int(item.author_id.rpartition("-")[2])


def _question_row(item: Content, answers: int) -> dict[str, Any]:
    state = QuestionState.ANSWERED if answers else QuestionState.UNANSWERED
    return {
        "id": item.id,
        "space_id": item.space_id,
        "container_kind": item.container_kind,
        "container_id": item.container_id,
        "is_guarded": False,
        "author_ref": _author_ref(item),
        "state": state,
        "answer_count": answers,
        "created_at": item.created_at,
        "active_at": item.created_at,
    }


def _answer_row(item: Content) -> dict[str, Any]:
    return {
        "id": item.id,
        "question_id": item.container_id,
        "author_ref": _author_ref(item),
        "created_at": item.created_at,
    }
