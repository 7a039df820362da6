"""Who may do what: every rule over every combination of rights."""

from itertools import product
from typing import Any

import pytest

from lib.errors import Failure, Forbidden, NotFound
from lib.grants import Grant, Grants
from lib.principal import AccountId
from questions_api.model import QuestionState
from questions_api.policy import (
    DownvotesOff,
    HasAnswers,
    OwnPost,
    QuestionClosed,
    QuestionLocked,
    check_may_accept,
    check_may_answer,
    check_may_ask,
    check_may_change_answer,
    check_may_delete_question,
    check_may_moderate,
    check_may_tag,
    check_may_untag,
    check_may_view,
    check_may_vote,
    may_accept,
    may_delete_question,
    may_moderate,
)
from questions_api.questions.moving import check_may_arrange, check_may_restore
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
def test_tagging_needs_one_right_and_untagging_the_other(grants: Grants) -> None:
    assert outcome(check_may_tag, grants) == (None if grants.tags.add else Forbidden)
    assert outcome(check_may_untag, grants) == (None if grants.tags.delete else Forbidden)


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize("state", QuestionState)
def test_answering_needs_an_open_question_one_may_see(grants: Grants, state: QuestionState, *, is_locked: bool) -> None:
    viewed = None if grants.questions.view else NotFound
    standing = QuestionClosed if state is QuestionState.CLOSED else QuestionLocked if is_locked else None
    assert outcome(check_may_answer, grants, state, is_locked=is_locked) == (viewed or standing)


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("downvotes_allowed", [False, True])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_voting_needs_add_and_taking_back_needs_delete(grants: Grants, value: int, *, downvotes_allowed: bool) -> None:
    needed = grants.votes.delete if value == 0 else grants.votes.add
    expected: type[Failure] | None = NotFound
    if grants.questions.view:
        expected = DownvotesOff if value < 0 and not downvotes_allowed else None if needed else Forbidden

    cast = {"author": ALICE_ID, "voter": BOB_ID, "value": value, "downvotes_allowed": downvotes_allowed}
    assert outcome(check_may_vote, grants, **cast) == expected


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_nobody_votes_on_their_own_post(grants: Grants, value: int) -> None:
    expected = OwnPost if grants.questions.view else NotFound
    cast = {"author": ALICE_ID, "voter": ALICE_ID, "value": value, "downvotes_allowed": True}
    assert outcome(check_may_vote, grants, **cast) == expected


def test_a_former_users_post_is_nobodys_own() -> None:
    grants = Grants(Grant(view=True), Grant(view=True, add=True))
    cast = {"author": None, "voter": BOB_ID, "value": 1, "downvotes_allowed": False}
    assert outcome(check_may_vote, grants, **cast) is None


def test_voters_need_no_right_to_delete() -> None:
    """In the product this replaces, voting needed both rights, and administrators fell into that trap."""
    grants = Grants(Grant(view=True), Grant(view=True, add=True))
    cast = {"author": ALICE_ID, "voter": BOB_ID, "value": 1, "downvotes_allowed": False}
    assert outcome(check_may_vote, grants, **cast) is None


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


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("answered", [False, True])
def test_deleting_a_question_is_for_moderators_and_for_its_author_while_nobody_else_answered(
    grants: Grants, *, answered: bool
) -> None:
    viewed = None if grants.questions.view else NotFound
    moderates = may_moderate(grants)
    mine, others = (None, None) if moderates else (HasAnswers if answered else None, Forbidden)
    assert outcome(check_may_moderate, grants) == (viewed or (None if moderates else Forbidden))
    for asker, expected in ((ALICE_ID, mine), (BOB_ID, others), (None, others)):
        facts: dict[str, Any] = {"asker": asker, "account": ALICE_ID, "answered_by_others": answered}
        assert outcome(check_may_delete_question, grants, **facts) == (viewed or expected)
        assert may_delete_question(grants, **facts) is ((viewed or expected) is None)


@pytest.mark.parametrize("grants", GRIDS)
@pytest.mark.parametrize("author", [ALICE_ID, BOB_ID, None])
def test_moving_relating_and_changing_answers_are_for_the_author_and_for_moderators(
    grants: Grants, author: AccountId | None
) -> None:
    viewed = None if grants.questions.view else NotFound
    expected = viewed or (None if author == ALICE_ID or may_moderate(grants) else Forbidden)
    assert outcome(check_may_change_answer, grants, author=author, account=ALICE_ID) == expected
    assert outcome(check_may_arrange, grants, asker=author, account=ALICE_ID) == expected


@pytest.mark.parametrize("grants", GRIDS)
def test_only_moderators_restore_and_only_the_asker_is_told_so(grants: Grants) -> None:
    moderates = may_moderate(grants)
    refused = Forbidden if grants.questions.view else NotFound
    for asker, expected in ((BOB_ID, NotFound), (None, NotFound), (ALICE_ID, refused)):
        given = outcome(check_may_restore, grants, asker=asker, account=ALICE_ID)
        assert given == (None if moderates else expected)


def test_an_administrator_of_the_space_holds_no_right_by_that() -> None:
    grants = Grants(administers_space=True)
    assert not may_moderate(grants)
    assert outcome(check_may_view, grants) is NotFound
    assert outcome(check_may_tag, grants) is Forbidden
    assert outcome(check_may_moderate, grants) is NotFound
