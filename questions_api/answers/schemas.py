"""Wire shapes of answers."""

from typing import NotRequired, TypedDict

from lib.grants import Grants
from lib.web import Wire
from questions_api.answers.listings import AnswerRow
from questions_api.questions.rows import milliseconds
from questions_api.wire import Id, PageQuery, moment_view, time_view


class AnswerBody(Wire):
    """Registers an answer that the caller has created in Confluence below the question."""

    content_id: Id


class CommentBody(Wire):
    """The comment on the question to make an answer of."""

    comment_id: Id


class CommentView(TypedDict):
    """The comment that an answer has become."""

    commentId: str


class AcceptBody(Wire):
    """The answer to accept, or null for none."""

    answer_id: Id | None


class AnswersQuery(PageQuery):
    """Which page of the answers."""


class AnswerView(TypedDict):
    """A former user has no `authorId`. `contestedAt`: since when somebody says that an accepted answer is no longer
    valid; null for answers that are not accepted.
    """

    id: str
    questionId: str
    authorId: str | None
    createdAt: str
    acceptedAt: str | None
    acceptedById: str | None
    contestedAt: str | None
    score: NotRequired[int]
    myVote: NotRequired[int]


class AnswerPage(TypedDict):
    items: list[AnswerView]
    next: str | None


def answer_view(row: AnswerRow, grants: Grants) -> AnswerView:
    view: AnswerView = {
        "id": str(row.id),
        "questionId": str(row.question_id),
        "authorId": row.author_id,
        "createdAt": time_view(row.created_at),
        "acceptedAt": moment_view(row.accepted_at),
        "acceptedById": row.accepted_by_id,
        "contestedAt": None if row.accepted_at is None else moment_view(row.contested_at),
    }
    if grants.votes.view:
        view["score"] = row.score
        view["myVote"] = row.my_vote
    return view


def answer_rank(row: AnswerRow, grants: Grants) -> tuple[int, ...]:
    """Accepted first, then by score where the viewer may see it, then the oldest; also what a cursor holds."""
    return (
        0 if row.accepted_at is not None else 1,
        -row.score if grants.votes.view else 0,
        milliseconds(row.created_at),
        row.id,
    )
