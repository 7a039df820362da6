"""What points follow from: questions with their answers, acceptances, votes and tags, a batch in a few statements."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Any

from sqlalchemy import String, bindparam, cast, func, literal_column
from sqlalchemy.orm import Session

from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from questions_api.model import Answer, PostKind, Question
from questions_api.people.model import ANY_TAG, Contribution
from questions_api.people.points import Acceptance, PostFacts, QuestionFacts, day_named, day_of, points_of
from questions_api.tags.model import QuestionTag
from questions_api.votes.model import Vote

ContributionKey = tuple[ContentId, int, int, int]
"""Question, tag, account reference and day."""
Earned = tuple[SpaceId, int]
"""In which space, and how many points."""

_IDS: Any = bindparam("ids", expanding=True)
_QUESTIONS = select_bound(Question, Question.id, Question.space_id, Question.author_ref, Question.deleted_at).where(
    Question.id.in_(_IDS)
)
_ANSWERS = select_bound(
    Answer, Answer.question_id, Answer.id, Answer.author_ref, Answer.accepted_at, Answer.accepted_by_ref
).where(Answer.question_id.in_(_IDS), Answer.deleted_at.is_(None))
_TAGS = select_bound(QuestionTag, QuestionTag.question_id, QuestionTag.tag_id).where(QuestionTag.question_id.in_(_IDS))

# No two of the databases make a date of a moment alike, but all of them write it the same way. The positions are
# literals because SQL Server takes two parameters in SELECT and GROUP BY for two expressions.
_DAY = func.substring(cast(Vote.created_at, String(30)), literal_column("1"), literal_column("10"))
_UPVOTES = {
    kind: select_bound(Vote, Vote.subject_id, _DAY.label("day"), func.count().label("votes"))
    .where(Vote.subject_kind == kind.value, Vote.subject_id.in_(_IDS), Vote.value == literal_column("1"))
    .group_by(Vote.subject_id, _DAY)
    for kind in PostKind
}
_IDS_AT_ONCE = 1000
"""SQL Server takes 2,100 parameters."""

_HELD = select_bound(
    Contribution,
    Contribution.question_id,
    Contribution.tag_id,
    Contribution.account_ref,
    Contribution.day,
    Contribution.space_id,
    Contribution.points,
).where(Contribution.question_id.in_(_IDS))


@dataclass(frozen=True, slots=True)
class Earning:
    """A question's facts, where it is and which tags it bears."""

    space_id: SpaceId
    tags: tuple[int, ...]
    facts: QuestionFacts


def read_earnings(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> dict[ContentId, Earning]:
    """The questions among `ids` that there are, removed ones included."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "ids": ids}
    asked_for = _upvotes(session, tenant_id, PostKind.QUESTION, ids)
    rows = run_bound(session, _ANSWERS, values).all()
    answered_for = _upvotes(session, tenant_id, PostKind.ANSWER, [row.id for row in rows])
    answers: dict[ContentId, list[PostFacts]] = defaultdict(list)
    for row in rows:
        acceptance = None
        if row.accepted_at is not None:
            acceptance = Acceptance(row.accepted_by_ref, day_of(row.accepted_at))
        answers[row.question_id].append(PostFacts(row.author_ref, answered_for.get(row.id, {}), acceptance))
    tags: dict[ContentId, list[int]] = defaultdict(list)
    for row in run_bound(session, _TAGS, values):
        tags[row.question_id].append(row.tag_id)
    found: dict[ContentId, Earning] = {}
    for row in run_bound(session, _QUESTIONS, values):
        post = PostFacts(row.author_ref, asked_for.get(row.id, {})) if row.deleted_at is None else None
        facts = QuestionFacts(post, tuple(answers[row.id]))
        found[row.id] = Earning(row.space_id, tuple(tags[row.id]), facts)
    return found


def _upvotes(
    session: Session, tenant_id: TenantId, kind: PostKind, ids: Iterable[ContentId]
) -> dict[ContentId, dict[int, int]]:
    """Votes for each of the posts, by the day they were cast."""
    found: dict[ContentId, dict[int, int]] = defaultdict(dict)
    for some in batched(ids, _IDS_AT_ONCE, strict=False):
        for row in run_bound(session, _UPVOTES[kind], {"tenant_id": tenant_id, "ids": list(some)}):
            found[row.subject_id][day_named(row.day)] = row.votes
    return found


def contributions_of(earnings: dict[ContentId, Earning]) -> dict[ContributionKey, Earned]:
    """The rows of `Contribution` that the facts call for: under each tag, and once under none (pure)."""
    return {
        (question_id, tag_id, account, day): (earning.space_id, points)
        for question_id, earning in earnings.items()
        for (account, day), points in points_of(earning.facts).items()
        for tag_id in (ANY_TAG, *earning.tags)
    }


def held_contributions(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> dict[ContributionKey, Earned]:
    """The rows of `Contribution` that stand for these questions."""
    return {
        (row.question_id, row.tag_id, row.account_ref, row.day): (row.space_id, row.points)
        for row in run_bound(session, _HELD, {"tenant_id": tenant_id, "ids": ids})
    }
