"""Who may do what: every rule over every combination of rights."""

from itertools import product

import pytest

from lib.errors import Failure, Forbidden, NotFound
from lib.grants import Grant, Grants
from lib.principal import AccountId
from questions_api.model import QuestionState
from questions_api.policy import (
    OwnPost,
    QuestionClosed,
    check_may_accept,
    check_may_answer,
    check_may_ask,
    check_may_tag,
    check_may_view,
    check_may_vote,
    may_accept,
    may_moderate,
)
from tests.tokens import ALICE, BOB, CAROL

ALICE_ID, BOB_ID, CAROL_ID = AccountId(ALICE), AccountId(BOB), AccountId(CAROL)
RIGHTS = list(product((False, True), repeat=3))
GRIDS = [
    Grants(Grant(*questions), Grant(*votes), Grant(*tags))
    for questions, votes, tags in product(RIGHTS, RIGHTS, ((False, False, False), (True, True, True)))
]


def outcome(rule: object, *arguments: object, **facts: object) -> type[Failure] | None:
    try:
        rule(*arguments, **facts)  # type: ignore[operator]
    except Failure as failure:
        return type(failure)
    return None


@pytest.mark.parametrize("grants", GRIDS)
def test_viewing_and_asking(grants: Grants) -> None:
    viewed = None if grants.questions.view else NotFound
    assert outcome(check_may_view, grants) == viewed
    assert outcome(check_may_ask, grants) == (viewed or (None if grants.questions.add else Forbidden))


@pytest.mark.parametrize("grants", GRIDS)
def test_tagging_needs_the_right_to_add_tags(grants: Grants) -> None:
    assert outcome(check_may_tag, grants) == (None if grants.tags.add else Forbidden)


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("state", QuestionState)
def test_answering_needs_an_open_question_one_may_see(grants: Grants, state: QuestionState) -> None:
    viewed = None if grants.questions.view else NotFound
    open_ = None if state is QuestionState.OPEN else QuestionClosed
    assert outcome(check_may_answer, grants, state) == (viewed or open_)


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_voting_needs_add_and_taking_back_needs_delete(grants: Grants, value: int) -> None:
    needed = grants.votes.delete if value == 0 else grants.votes.add
    expected = (None if needed else Forbidden) if grants.questions.view else NotFound

    assert outcome(check_may_vote, grants, author=ALICE_ID, voter=BOB_ID, value=value) == expected


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_nobody_votes_on_their_own_post(grants: Grants, value: int) -> None:
    expected = OwnPost if grants.questions.view else NotFound
    assert outcome(check_may_vote, grants, author=ALICE_ID, voter=ALICE_ID, value=value) == expected


def test_voters_need_no_right_to_delete() -> None:
    """In the product this replaces, voting needed both rights, and administrators fell into that trap."""
    grants = Grants(Grant(view=True), Grant(view=True, add=True))
    assert outcome(check_may_vote, grants, author=ALICE_ID, voter=BOB_ID, value=1) is None


@pytest.mark.parametrize("grants", GRIDS)
def test_accepting_is_for_the_asker_and_for_moderators(grants: Grants) -> None:
    moderates = grants.questions.view and grants.questions.delete
    assert may_moderate(grants) is moderates
    assert may_accept(grants, asker=ALICE_ID, account=ALICE_ID) is grants.questions.view
    assert may_accept(grants, asker=ALICE_ID, account=CAROL_ID) is moderates

    viewed = None if grants.questions.view else NotFound
    assert outcome(check_may_accept, grants, asker=ALICE_ID, account=ALICE_ID) == viewed
    assert outcome(check_may_accept, grants, asker=ALICE_ID, account=CAROL_ID) == (
        viewed or (None if moderates else Forbidden)
    )


def test_an_administrator_of_the_space_holds_no_right_by_that() -> None:
    grants = Grants(administers_space=True)
    assert not may_moderate(grants)
    assert outcome(check_may_view, grants) is NotFound
    assert outcome(check_may_tag, grants) is Forbidden
