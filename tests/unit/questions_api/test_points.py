"""The arithmetic of points: what earns, what does not, and what goes with what."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions_api.people.points import Acceptance, PostFacts, QuestionFacts, day_named, day_of, points_of

ASKER, ANSWERER, MODERATOR = 1, 2, 3
MONDAY, TUESDAY = 20_000, 20_001


def test_each_vote_for_a_question_is_worth_ten_on_its_day() -> None:
    facts = QuestionFacts(PostFacts(ASKER, {MONDAY: 2, TUESDAY: 1}))

    assert points_of(facts) == {(ASKER, MONDAY): 20, (ASKER, TUESDAY): 10}


def test_a_vote_for_an_answer_is_worth_ten_to_its_author() -> None:
    facts = QuestionFacts(PostFacts(ASKER), (PostFacts(ANSWERER, {MONDAY: 3}),))

    assert points_of(facts) == {(ANSWERER, MONDAY): 30}


@pytest.mark.parametrize(
    ("author", "accepted_by", "points"),
    [
        (ANSWERER, ASKER, 15),
        (ANSWERER, MODERATOR, 15),
        (ANSWERER, None, 15),
        (ASKER, ASKER, 0),
        (ASKER, None, 0),
        (ASKER, MODERATOR, 15),
        (MODERATOR, MODERATOR, 15),
    ],
)
def test_an_accepted_answer_is_worth_fifteen_unless_the_asker_accepted_their_own(
    author: int, accepted_by: int | None, points: int
) -> None:
    facts = QuestionFacts(PostFacts(ASKER), (PostFacts(author, {}, Acceptance(accepted_by, TUESDAY)),))

    assert points_of(facts) == ({(author, TUESDAY): points} if points else {})


def test_votes_and_acceptance_of_one_day_add_up() -> None:
    answer = PostFacts(ANSWERER, {MONDAY: 1}, Acceptance(ASKER, MONDAY))

    assert points_of(QuestionFacts(PostFacts(ASKER), (answer,))) == {(ANSWERER, MONDAY): 25}


def test_the_asker_who_answers_too_earns_for_both() -> None:
    facts = QuestionFacts(PostFacts(ASKER, {MONDAY: 1}), (PostFacts(ASKER, {MONDAY: 2}),))

    assert points_of(facts) == {(ASKER, MONDAY): 30}


def test_a_removed_question_takes_its_answers_points_along() -> None:
    answer = PostFacts(ANSWERER, {MONDAY: 5}, Acceptance(ASKER, MONDAY))

    assert points_of(QuestionFacts(None, (answer,))) == {}


def test_a_question_nobody_voted_for_earns_nothing() -> None:
    assert points_of(QuestionFacts(PostFacts(ASKER), (PostFacts(ANSWERER),))) == {}


@given(
    asked=st.dictionaries(st.integers(1, 30_000), st.integers(0, 50), max_size=5),
    answers=st.lists(st.dictionaries(st.integers(1, 30_000), st.integers(0, 50), max_size=5), max_size=4),
)
def test_no_vote_is_lost_between_people_and_days(asked: dict[int, int], answers: list[dict[int, int]]) -> None:
    facts = QuestionFacts(
        PostFacts(ASKER, asked), tuple(PostFacts(number, votes) for number, votes in enumerate(answers, start=1))
    )
    cast = sum(asked.values()) + sum(sum(votes.values()) for votes in answers)

    assert sum(points_of(facts).values()) == 10 * cast
    assert all(points > 0 for points in points_of(facts).values())


def test_a_day_is_a_day_in_utc() -> None:
    late = datetime(2026, 11, 25, 23, 59, 59, 999_000, tzinfo=UTC)

    assert day_of(late) + 1 == day_of(late + timedelta(milliseconds=1))
    assert day_of(late) == day_of(late.astimezone(timezone(timedelta(hours=5))))
    assert day_of(datetime(1970, 1, 2, tzinfo=UTC)) == 1
    assert day_named("2026-11-25") == day_of(late)
