"""HTTP routes of votes under /api/v1. Who voted is never listed."""

from functools import partial

from lib.errors import Conflict, Forbidden, NotFound
from lib.grants import Grants
from lib.web import Call, Limit, Resource
from questions_api.blueprint import blueprint
from questions_api.policy import check_may_vote
from questions_api.seeing import see_answer, see_question, space_of
from questions_api.votes import schemas
from questions_api.votes.casting import Post, cast_vote

question_vote = Resource(blueprint, "api_question_vote", "api/v1/questions/{questionId}/vote")
answer_vote = Resource(blueprint, "api_answer_vote", "api/v1/answers/{answerId}/vote")

RESOURCES = (question_vote, answer_vote)


def _vote(call: Call, post: Post, grants: Grants, body: schemas.VoteBody) -> schemas.VoteView:
    settings = space_of(call, post.space_id).settings
    check_may_vote(
        grants,
        author=post.author_id,
        voter=call.account_id,
        value=body.value,
        downvotes_allowed=settings.downvotes_allowed,
    )
    result = call.write(partial(cast_vote, principal=call.principal, post=post, value=body.value, now=call.now))
    return schemas.vote_view(result, grants)


@question_vote.operation(
    "PUT", takes=schemas.VoteBody, returns=schemas.VoteView, failures=(Forbidden, NotFound, Conflict), limit=Limit.VOTE
)
def vote_on_question(call: Call, body: schemas.VoteBody) -> schemas.VoteView:
    """Makes the caller's vote on the question what the body says."""
    seen = see_question(call, for_write=True)
    return _vote(call, seen.head.post, seen.grants, body)


@answer_vote.operation(
    "PUT", takes=schemas.VoteBody, returns=schemas.VoteView, failures=(Forbidden, NotFound, Conflict), limit=Limit.VOTE
)
def vote_on_answer(call: Call, body: schemas.VoteBody) -> schemas.VoteView:
    """Makes the caller's vote on the answer what the body says."""
    seen = see_answer(call, for_write=True)
    return _vote(call, seen.head.post, seen.grants, body)
