"""Points: what a question and its answers have earned their authors, from the facts alone (pure).

Ten for each vote for one's question or answer, fifteen for an accepted answer; nothing for an asker who accepts
their own, and nothing is taken away by votes against a post. Whatever goes, its points go with it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

PER_UPVOTE = 10
PER_ACCEPTANCE = 15
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted an answer, and on which day. Imports may not know who."""

    by_ref: int | None
    day: int


@dataclass(frozen=True, slots=True)
class PostFacts:
    """What counts of a live post: `upvotes` is the number of votes for it by the day they were cast."""

    author_ref: int
    upvotes: Mapping[int, int] = field(default_factory=dict)
    acceptance: Acceptance | None = None


@dataclass(frozen=True, slots=True)
class QuestionFacts:
    """A question and its live answers. A removed question has no `question`, and takes its answers along."""

    question: PostFacts | None
    answers: tuple[PostFacts, ...] = ()


def points_of(facts: QuestionFacts) -> dict[tuple[int, int], int]:
    """The points by account reference and day; days without points are left out."""
    asked = facts.question
    if asked is None:
        return {}
    earned: Counter[tuple[int, int]] = Counter()
    for post in (asked, *facts.answers):
        for day, votes in post.upvotes.items():
            earned[post.author_ref, day] += PER_UPVOTE * votes
    for answer in facts.answers:
        if answer.acceptance is not None and not _is_own(asked, answer, answer.acceptance):
            earned[answer.author_ref, answer.acceptance.day] += PER_ACCEPTANCE
    return {key: points for key, points in earned.items() if points}


def _is_own(asked: PostFacts, answer: PostFacts, acceptance: Acceptance) -> bool:
    """Whether the asker accepted their own answer; where nobody knows who accepted it, it was the asker."""
    return answer.author_ref == asked.author_ref and acceptance.by_ref in {None, asked.author_ref}


def day_of(moment: datetime) -> int:
    """Days since 1970 in UTC."""
    return (moment.astimezone(UTC).date() - _FIRST_DAY) // timedelta(days=1)


def day_named(text: str) -> int:
    """The day that an ISO date names."""
    return (date.fromisoformat(text) - _FIRST_DAY) // timedelta(days=1)


def first_day(today: int, days: int) -> int:
    """The first of the last `days` days, today included."""
    return today - days + 1
