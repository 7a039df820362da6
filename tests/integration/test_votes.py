"""Votes against rows: every cell of the table, any sequence, and many people at once."""

from collections.abc import Callable
from functools import partial
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import NotFound
from lib.events import EventKind, Subject
from lib.principal import AccountId, Principal
from lib.sql import Database
from questions_api.model import HOT_STEP_MS, HOT_STEPS, Answer, PostKind, Question
from questions_api.posts import find_answer, remove_post
from questions_api.votes.casting import Post, Value, VoteResult, cast_vote
from questions_api.votes.model import Vote
from tests.factories import ENG, NOW, Site, answered, asked, events_of, only_row, rows_of
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

VALUES: tuple[Value, ...] = (-1, 0, 1)
Sites = tuple[Site, Site]


def vote(database: Database, site: Site, account: str, post: Post, value: Value) -> VoteResult:
    work = partial(cast_vote, principal=site.principal(account), post=post, value=value, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def counters(database: Database, site: Site, post: Post) -> tuple[int, int, int]:
    table: type[Question | Answer] = Question if post.kind is PostKind.QUESTION else Answer
    (row,) = [row for row in rows_of(database, site, table) if row.id == post.id]
    return row.score, row.up, row.down


def votes_on(database: Database, site: Site, post: Post) -> list[int]:
    return [
        row.value for row in rows_of(database, site, Vote) if (row.subject_kind, row.subject_id) == (post.kind, post.id)
    ]


def answer_post(database: Database, site: Site) -> Post:
    question = asked(database, site)
    answer_id = answered(database, site, question)
    return database.read(partial(find_answer, tenant_id=site.tenant_id, answer_id=answer_id)).post


@pytest.mark.parametrize("kind", PostKind)
@pytest.mark.parametrize(("held", "wanted"), list(product(VALUES, VALUES)))
def test_a_vote_goes_from_what_is_held_to_what_is_wanted(
    database: Database, sites: Sites, kind: PostKind, held: Value, wanted: Value
) -> None:
    acme, _ = sites
    post = asked(database, acme).post if kind is PostKind.QUESTION else answer_post(database, acme)
    vote(database, acme, CAROL, post, held)
    told_before = len(events_of(database, acme, EventKind.POST_VOTED))

    result = vote(database, acme, CAROL, post, wanted)

    assert result == VoteResult(wanted, wanted)
    assert counters(database, acme, post) == (wanted, int(wanted == 1), int(wanted == -1))
    assert votes_on(database, acme, post) == ([] if wanted == 0 else [wanted])
    told = len(events_of(database, acme, EventKind.POST_VOTED)) - told_before
    assert told == (1 if wanted not in {0, held} else 0)


def test_the_event_of_a_vote_names_the_post_and_nobody(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    post = answer_post(database, acme)

    vote(database, acme, CAROL, question.post, 1)
    vote(database, acme, CAROL, post, 1)

    told = {event.about for event in events_of(database, acme, EventKind.POST_VOTED)}
    assert told == {
        Subject(question.item.id, question.item.space_id),
        Subject(post.question_id, post.space_id, post.id),
    }


def test_the_score_that_comes_back_counts_the_others_too(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post

    assert vote(database, acme, BOB, post, 1) == VoteResult(1, 1)
    assert vote(database, acme, CAROL, post, 1) == VoteResult(1, 2)
    assert vote(database, acme, DAVE, post, -1) == VoteResult(-1, 1)
    assert vote(database, acme, BOB, post, 0) == VoteResult(0, 0)


def test_a_vote_on_one_post_leaves_the_others_alone(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post, other = asked(database, acme).post, asked(database, acme).post
    vote(database, acme, BOB, other, 1)

    vote(database, acme, CAROL, post, -1)

    assert counters(database, acme, other) == (1, 1, 0)
    assert counters(database, acme, post) == (-1, 0, 1)


def test_what_confluence_has_deleted_takes_no_votes(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=post.id, now=NOW))

    with pytest.raises(NotFound):
        vote(database, acme, BOB, post, 1)

    assert votes_on(database, acme, post) == []


@pytest.mark.parametrize("kind", PostKind)
def test_mallory_cannot_vote_on_a_post_of_another_site(database: Database, sites: Sites, kind: PostKind) -> None:
    acme, globex = sites
    post = asked(database, acme).post if kind is PostKind.QUESTION else answer_post(database, acme)

    with pytest.raises(NotFound):
        vote(database, globex, MALLORY, post, 1)

    assert counters(database, acme, post) == (0, 0, 0)
    assert rows_of(database, globex, Vote) == rows_of(database, acme, Vote) == []
    assert events_of(database, globex) == []


def test_the_same_id_on_two_sites_is_two_posts(database: Database, sites: Sites) -> None:
    acme, globex = sites
    post = asked(database, acme).post
    vote(database, acme, BOB, post, 1)
    theirs = asked(database, globex, author=MALLORY).post

    vote(database, globex, BOB, theirs, -1)

    assert counters(database, acme, post) == (1, 1, 0)
    assert counters(database, globex, theirs) == (-1, 0, 1)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(steps=st.lists(st.tuples(st.sampled_from((ALICE, BOB, CAROL)), st.sampled_from(VALUES)), max_size=25))
def test_any_sequence_of_votes_keeps_score_and_rows_equal(
    database: Database, sites: Sites, steps: list[tuple[str, Value]]
) -> None:
    acme, _ = sites
    post = asked(database, acme, author=DAVE).post

    for account, value in steps:
        vote(database, acme, account, post, value)

    last = dict(steps)
    score, up, down = counters(database, acme, post)
    assert sorted(votes_on(database, acme, post)) == sorted(value for value in last.values() if value != 0)
    assert score == up - down == sum(last.values())


def voters(count: int) -> list[str]:
    return [f"557058:00000000-0000-4000-8000-{number:012d}" for number in range(count)]


def race(database: Database, site: Site, post: Post, ballots: list[tuple[str, Value]]) -> list[VoteResult]:
    def one(account: str, value: Value) -> Callable[[], VoteResult]:
        return lambda: vote(database, site, account, post, value)

    return succeeded(at_once([one(account, value) for account, value in ballots]))


def test_two_hundred_calls_of_a_hundred_people_at_once_lose_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    # Each person's twin requests say the same thing, so the outcome does not depend on their order.
    ballots: list[tuple[str, Value]] = [
        (account, 1 if position % 3 else -1) for position, account in enumerate(voters(100))
    ]

    race(database, acme, post, ballots * 2)

    up = sum(1 for _, value in ballots if value == 1)
    assert counters(database, acme, post) == (2 * up - 100, up, 100 - up)
    assert sorted(votes_on(database, acme, post)) == sorted(value for _, value in ballots)
    assert len(events_of(database, acme, EventKind.POST_VOTED)) == 100


def test_one_person_voting_many_times_at_once_has_one_vote(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post

    results = race(database, acme, post, [(BOB, 1)] * 12)

    assert {result.value for result in results} == {1}
    assert counters(database, acme, post) == (1, 1, 0)
    assert votes_on(database, acme, post) == [1]
    assert len(events_of(database, acme, EventKind.POST_VOTED)) == 1


def test_one_vote_withdrawn_many_times_at_once_counts_once(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    vote(database, acme, BOB, post, 1)
    vote(database, acme, CAROL, post, 1)

    race(database, acme, post, [(BOB, 0)] * 12)

    assert counters(database, acme, post) == (1, 1, 0)
    assert votes_on(database, acme, post) == [1]


def test_casting_and_withdrawing_at_once_ends_in_one_of_the_two(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    ballots: list[tuple[str, Value]] = [(BOB, 1), (BOB, 0), (BOB, -1)] * 4

    race(database, acme, post, ballots)

    score, up, down = counters(database, acme, post)
    held = votes_on(database, acme, post)
    assert len(held) <= 1
    assert score == up - down == sum(held)


def test_a_person_seen_first_in_two_votes_at_once_has_one_reference(database: Database, sites: Sites) -> None:
    acme, _ = sites
    posts = [asked(database, acme).post for _ in range(8)]
    works: list[Callable[[], VoteResult]] = [partial(vote, database, acme, DAVE, post, 1) for post in posts]

    succeeded(at_once(works))

    assert len({row.account_ref for row in rows_of(database, acme, Vote)}) == 1
    assert [counters(database, acme, post)[0] for post in posts] == [1] * 8


def test_the_principal_decides_whose_vote_it_is(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    vote(database, acme, BOB, post, 1)
    carol = Principal(acme.tenant_id, AccountId(CAROL))

    database.write(partial(cast_vote, principal=carol, post=post, value=0, now=NOW), tenant_id=acme.tenant_id)

    assert only_row(database, acme, Vote).value == 1


def hot_of(database: Database, site: Site, post: Post) -> int:
    (row,) = [row for row in rows_of(database, site, Question) if row.id == post.id]
    return row.hot


def test_votes_lift_a_question_in_the_hot_list_by_half_a_day_each(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    start = hot_of(database, acme, post)

    vote(database, acme, BOB, post, 1)
    vote(database, acme, CAROL, post, 1)
    assert hot_of(database, acme, post) == start + 2 * HOT_STEP_MS

    vote(database, acme, CAROL, post, -1)
    assert hot_of(database, acme, post) == start

    vote(database, acme, BOB, post, 0)
    assert hot_of(database, acme, post) == start - HOT_STEP_MS


def test_the_lift_ends_after_two_weeks_of_votes_and_comes_down_as_it_went_up(database: Database, sites: Sites) -> None:
    acme, _ = sites
    post = asked(database, acme).post
    start, crowd = hot_of(database, acme, post), voters(HOT_STEPS + 3)
    for account in crowd:
        vote(database, acme, account, post, 1)
    assert hot_of(database, acme, post) == start + HOT_STEPS * HOT_STEP_MS

    for account in crowd:
        vote(database, acme, account, post, 0)
    assert hot_of(database, acme, post) == start


def test_every_change_of_a_vote_has_its_points_worked_out_anew(database: Database, sites: Sites) -> None:
    acme, globex = sites
    post = asked(database, acme).post
    for value in (1, 1, -1, 0, 0):
        vote(database, acme, BOB, post, value)

    about = [event.about for event in events_of(database, acme, EventKind.TALLY_DUE)]

    assert len(about) == 3
    assert {(subject.question_id, subject.space_id) for subject in about} == {(post.id, ENG)}  # type: ignore[union-attr]
    assert events_of(database, globex, EventKind.TALLY_DUE) == []
