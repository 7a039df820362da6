"""Wire shapes of the community: what requests may hold, and how rows become JSON.

Requests are pydantic models, because every problem of a body is reported at once; answers are plain
dictionaries typed for the checker and for OpenAPI, because rendering lists is the hot path.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import AfterValidator, Field, StringConstraints

from lib.grants import Grant, Grants
from lib.principal import AccountId, ContentId, SpaceId
from lib.web import Query, Wire
from questions_api.listings import AnswerRow, Order, QuestionRow, milliseconds
from questions_api.policy import may_accept
from questions_api.votes import Tally

_MAX_ID = 2**63 - 1


def _within_bigint(text: str) -> str:
    if int(text) > _MAX_ID:
        raise ValueError("is larger than an id can be")
    return text


Id = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,18}$"),
    AfterValidator(_within_bigint),
    Field(description="A Confluence id."),
]


class AskBody(Wire):
    """Registers a question that the caller has created in Confluence."""

    content_id: Id
    tags: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=20, strict=False)] = ()


class AnswerBody(Wire):
    """Registers an answer that the caller has created in Confluence below the question."""

    content_id: Id


class VoteBody(Wire):
    """1 votes, 0 takes the vote back."""

    value: Literal[0, 1]


class AcceptBody(Wire):
    """The answer to accept, or null for none."""

    answer_id: Id | None


class SpaceSettingsBody(Wire):
    """Settings of a space; `version` is the one the change is based on."""

    chat_enabled: bool
    version: Annotated[int, Field(ge=0)]


class ListQuery(Query):
    """Which questions, in which order."""

    space: Id
    order: Order = Order.NEWEST
    state: Literal["unanswered"] | None = None
    cursor: Annotated[str, Field(max_length=400)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25


class AnswersQuery(Query):
    """Which page of the answers."""

    cursor: Annotated[str, Field(max_length=400)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25


class Me(TypedDict):
    accountId: str
    isAdministrator: bool
    appKey: str
    contentTypes: dict[str, str]


class GrantView(TypedDict):
    view: bool
    add: bool
    delete: bool


class GrantsView(TypedDict):
    spaceId: str
    questions: GrantView
    votes: GrantView
    tags: GrantView
    reason: str | None


class QuestionView(TypedDict):
    """`score` and `myVote` are absent for those who may not see votes."""

    id: str
    spaceId: str
    containerKind: str
    containerId: str
    authorId: str
    state: str
    answerCount: int
    acceptedCount: int
    tags: list[str]
    createdAt: str
    activeAt: str
    score: NotRequired[int]
    myVote: NotRequired[int]


class May(TypedDict):
    answer: bool
    vote: bool
    accept: bool


class QuestionDetail(QuestionView):
    acceptedAnswerIds: list[str]
    may: May


class QuestionPage(TypedDict):
    items: list[QuestionView]
    next: str | None


class AnswerView(TypedDict):
    id: str
    questionId: str
    authorId: str
    createdAt: str
    acceptedAt: str | None
    acceptedById: str | None
    score: NotRequired[int]
    myVote: NotRequired[int]


class AnswerPage(TypedDict):
    items: list[AnswerView]
    next: str | None


class TallyView(TypedDict):
    """`score` is absent for those who may not see votes."""

    value: int
    score: NotRequired[int]


class SpaceSettingsView(TypedDict):
    chatEnabled: bool
    version: int


def time_view(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _grant_view(grant: Grant) -> GrantView:
    return {"view": grant.view, "add": grant.add, "delete": grant.delete}


def grants_view(space_id: SpaceId, grants: Grants) -> GrantsView:
    return {
        "spaceId": str(space_id),
        "questions": _grant_view(grants.questions),
        "votes": _grant_view(grants.votes),
        "tags": _grant_view(grants.tags),
        "reason": grants.reason,
    }


def question_view(row: QuestionRow, tags: list[str], grants: Grants) -> QuestionView:
    view: QuestionView = {
        "id": str(row.item.id),
        "spaceId": str(row.item.space_id),
        "containerKind": row.item.container_kind,
        "containerId": str(row.container_id),
        "authorId": row.author_id,
        "state": row.state,
        "answerCount": row.answer_count,
        "acceptedCount": row.accepted_count,
        "tags": tags if grants.tags.view else [],
        "createdAt": time_view(row.created_at),
        "activeAt": time_view(row.active_at),
    }
    if grants.votes.view:
        view["score"] = row.score
        view["myVote"] = row.my_vote
    return view


def question_detail(
    row: QuestionRow, tags: list[str], accepted: list[ContentId], grants: Grants, viewer: AccountId
) -> QuestionDetail:
    return {
        **question_view(row, tags, grants),
        "acceptedAnswerIds": [str(answer_id) for answer_id in accepted],
        "may": {
            "answer": row.state == "open",
            "vote": grants.votes.add and row.author_id != viewer,
            "accept": may_accept(grants, asker=row.author_id, account=viewer),
        },
    }


def answer_view(row: AnswerRow, grants: Grants) -> AnswerView:
    view: AnswerView = {
        "id": str(row.id),
        "questionId": str(row.question_id),
        "authorId": row.author_id,
        "createdAt": time_view(row.created_at),
        "acceptedAt": None if row.accepted_at is None else time_view(row.accepted_at),
        "acceptedById": row.accepted_by_id,
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


def tally_view(tally: Tally, grants: Grants) -> TallyView:
    return {"value": tally.value, "score": tally.score} if grants.votes.view else {"value": tally.value}
