"""Wire shapes of votes."""

from typing import Literal, NotRequired, TypedDict

from lib.grants import Grants
from lib.web import Wire
from questions_api.votes.casting import VoteResult


class VoteBody(Wire):
    """1 votes for the post, -1 against it where the space takes such votes, 0 takes the vote back."""

    value: Literal[-1, 0, 1]


class VoteView(TypedDict):
    """`score` is absent for those who may not see votes."""

    value: int
    score: NotRequired[int]


def vote_view(result: VoteResult, grants: Grants) -> VoteView:
    return {"value": result.value, "score": result.score} if grants.votes.view else {"value": result.value}
