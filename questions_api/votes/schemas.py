"""Wire shapes of votes."""

from typing import Literal, NotRequired, TypedDict

from lib.grants import Grants
from lib.web import Wire
from questions_api.votes.casting import Tally


class VoteBody(Wire):
    """1 votes for the post, -1 against it where the space takes such votes, 0 takes the vote back."""

    value: Literal[-1, 0, 1]


class TallyView(TypedDict):
    """`score` is absent for those who may not see votes."""

    value: int
    score: NotRequired[int]


def tally_view(tally: Tally, grants: Grants) -> TallyView:
    return {"value": tally.value, "score": tally.score} if grants.votes.view else {"value": tally.value}
