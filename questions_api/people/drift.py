"""Finding and repairing counters of questions that are not what the facts say. A drift is a defect of ours.

A batch is read without a lock, and what looks wrong is counted anew with its row taken, so that a change under
way is never mistaken for a drift.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, literal, literal_column, select
from sqlalchemy.orm import Session

from lib.events import EventKind, Subject, from_payload
from lib.outbox import OutboxRow
from lib.principal import ContentId, TenantId
from lib.sql import run_bound, select_bound, update_rows
from questions_api.model import Answer, PostKind, Question, QuestionState, state_from
from questions_api.people.facts import contributions_of, held_contributions, read_earnings
from questions_api.people.tallying import tally
from questions_api.posts import lock_question
from questions_api.votes.recounting import Counted, count_votes, recount_votes
from questions_api.watches.model import Watch, WatchKind

_IDS: Any = bindparam("ids", expanding=True)
_DUE_AT_MOST = 5_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What a question's counters should be."""

    answers: int
    accepted: int
    watches: int

    def state(self, closed_at: datetime | None) -> QuestionState:
        if closed_at is not None:
            return QuestionState.CLOSED
        if self.accepted:
            return QuestionState.ACCEPTED
        return QuestionState.ANSWERED if self.answers else QuestionState.UNANSWERED


_QUESTIONS = select_bound(
    Question,
    Question.id,
    Question.up,
    Question.down,
    Question.answer_count,
    Question.accepted_count,
    Question.watch_count,
    Question.state,
    Question.closed_at,
).where(Question.id.in_(_IDS))
_ALL_ANSWERS = select_bound(Answer, Answer.id, Answer.up, Answer.down).where(Answer.question_id.in_(_IDS))
_ONE: Any = literal_column("1")
_ACCEPTED: Any = case((Answer.accepted_at.is_not(None), _ONE), else_=literal_column("0"))
_ANSWERS = (
    select_bound(Answer, Answer.question_id, func.count().label("answers"), func.sum(_ACCEPTED).label("accepted"))
    .where(Answer.question_id.in_(_IDS), Answer.deleted_at.is_(None))
    .group_by(Answer.question_id)
)
_WATCHES = (
    select_bound(Watch, Watch.target_id, func.count().label("watches"))
    .where(Watch.target_kind == WatchKind.QUESTION.value, Watch.target_id.in_(_IDS), ~Watch.is_muted)
    .group_by(Watch.target_id)
)


def _counts(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> dict[ContentId, Counts]:
    values: dict[str, Any] = {"tenant_id": tenant_id, "ids": ids}
    answers = {row.question_id: row for row in run_bound(session, _ANSWERS, values)}
    watches = {row.target_id: row.watches for row in run_bound(session, _WATCHES, values)}
    return {
        question_id: Counts(
            answers[question_id].answers if question_id in answers else 0,
            answers[question_id].accepted if question_id in answers else 0,
            watches.get(question_id, 0),
        )
        for question_id in ids
    }


@dataclass(frozen=True, slots=True)
class Suspects:
    """What looks wrong in a batch of questions, and has to be looked at again with the row taken."""

    votes: list[tuple[PostKind, ContentId]]
    counters: list[ContentId]
    contributions: list[ContentId]

    def __bool__(self) -> bool:
        return bool(self.votes or self.counters or self.contributions)


def find_suspects(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> Suspects:
    values: dict[str, Any] = {"tenant_id": tenant_id, "ids": ids}
    questions = run_bound(session, _QUESTIONS, values).all()
    answers = run_bound(session, _ALL_ANSWERS, values).all()
    votes: list[tuple[PostKind, ContentId]] = []
    for kind, rows in ((PostKind.QUESTION, questions), (PostKind.ANSWER, answers)):
        counted = count_votes(session, tenant_id, kind, [row.id for row in rows])
        votes += [(kind, row.id) for row in rows if Counted(row.up, row.down) != counted.get(row.id, Counted())]
    counts = _counts(session, tenant_id, ids)
    counters = [row.id for row in questions if _wrong(row, counts[row.id])]
    wanted = contributions_of(read_earnings(session, tenant_id, ids))
    held = held_contributions(session, tenant_id, ids)
    differing = {key[0] for key in wanted.keys() | held.keys() if wanted.get(key) != held.get(key)}
    return Suspects(votes, counters, sorted(differing))


def _wrong(row: Any, counts: Counts) -> list[str]:
    """The counters that are not what they should be (pure)."""
    pairs = {
        "answer_count": (row.answer_count, counts.answers),
        "accepted_count": (row.accepted_count, counts.accepted),
        "watch_count": (row.watch_count, counts.watches),
        "state": (row.state, counts.state(row.closed_at)),
    }
    return [name for name, (held, right) in pairs.items() if held != right]


Drift = tuple[str, str]
"""Table and counter."""


def repair(session: Session, tenant_id: TenantId, suspects: Suspects) -> list[Drift]:
    """Looks at the suspects again, one row taken after the other, and puts right what is wrong; what it was."""
    drifts: list[Drift] = [
        (kind.value, "score") for kind, post_id in suspects.votes if recount_votes(session, tenant_id, kind, post_id)
    ]
    for question_id in suspects.counters:
        drifts += [("question", name) for name in _repair_counters(session, tenant_id, question_id)]
    tallied = [one for one in suspects.contributions if tally(session, tenant_id, [one])]
    unexplained = _not_due(session, tenant_id, tallied)
    return drifts + [("contribution", "points")] * len(unexplained)


def _repair_counters(session: Session, tenant_id: TenantId, question_id: ContentId) -> list[str]:
    if not lock_question(session, tenant_id, question_id):
        return []
    row = run_bound(session, _QUESTIONS, {"tenant_id": tenant_id, "ids": [question_id]}).one()
    counts = _counts(session, tenant_id, [question_id])[question_id]
    wrong = _wrong(row, counts)
    if wrong:
        session.execute(
            update_rows(tenant_id, Question)
            .where(Question.id == question_id)
            .values(
                answer_count=counts.answers,
                accepted_count=counts.accepted,
                watch_count=counts.watches,
                state=state_from(literal(counts.answers), literal(counts.accepted)),
            )
        )
    return wrong


def _not_due(session: Session, tenant_id: TenantId, tallied: list[ContentId]) -> list[ContentId]:
    """Those whose difference no tally explains that is still due: points follow votes a moment later.

    All of them are taken by now, and nobody finishes the event of a question that is. Where more events wait than
    are worth reading, every difference is put down to one of them.
    """
    if not tallied:
        return []
    payloads = session.scalars(
        select(OutboxRow.payload)
        .where(OutboxRow.done_at.is_(None), OutboxRow.tenant_id == tenant_id, OutboxRow.kind == EventKind.TALLY_DUE)
        .limit(_DUE_AT_MOST + 1)
    ).all()
    if len(payloads) > _DUE_AT_MOST:
        return []
    subjects = (from_payload(EventKind.TALLY_DUE, payload) for payload in payloads)
    due = {about.question_id for about in subjects if isinstance(about, Subject)}
    return [question_id for question_id in tallied if question_id not in due]
