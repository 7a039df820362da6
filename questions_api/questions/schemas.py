"""Wire shapes of questions: what requests may hold, and how rows become JSON.

Requests are pydantic models, because every problem of a body is reported at once; answers are plain
dictionaries typed for the checker and for OpenAPI, because rendering lists is the hot path.
"""

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import AwareDatetime, Field

from lib.errors import Fault, Invalid
from lib.grants import Grants
from lib.principal import AccountId, ContentId, SpaceId
from lib.spaces import SpaceSettings
from lib.web import Wire
from questions_api.model import CloseReason, QuestionState
from questions_api.policy import may_accept, may_delete_question, may_moderate
from questions_api.questions.closing import Changes, Closing
from questions_api.questions.listings import ListFilter, Order, StateFilter
from questions_api.questions.rows import QuestionRow, WatchedQuestion
from questions_api.tags.slugs import slugs_of
from questions_api.wire import AccountText, Id, PageQuery, moment_view, time_view

TagText = Annotated[str, Field(max_length=200)]
TagTexts = Annotated[tuple[TagText, ...], Field(max_length=20, strict=False)]


class AskBody(Wire):
    """Registers a question that the caller has created in Confluence."""

    content_id: Id
    tags: TagTexts = ()


class ChangeBody(Wire):
    """What is to be otherwise with a question; what is left out or null stays as it is."""

    tags: Annotated[TagTexts | None, Field(description="All the tags that the question is to bear.")] = None
    state: Literal["open", "closed"] | None = None
    close_reason: Annotated[CloseReason | None, Field(description="Needed to close.")] = None
    duplicate_of: Annotated[Id | None, Field(description="Needed to close as a duplicate, and only then.")] = None
    is_locked: Annotated[bool | None, Field(description="A locked question takes no answers.")] = None
    is_pinned: Annotated[bool | None, Field(description="Pinned questions lead the list of their space.")] = None


class MoveBody(Wire):
    """Where the question is to be: in a space, or on a page. One of the two."""

    space_id: Id | None = None
    page_id: Id | None = None


class ListQuery(PageQuery):
    """Which questions, in which order. Without `space`, those of every space the caller may see questions in."""

    space: Id | None = None
    order: Order = Order.NEWEST
    state: Annotated[
        StateFilter | None,
        Field(
            description="`answered` means having an answer, accepted or not; `unresolved`, having none accepted. "
            "`open` is all that is not closed."
        ),
    ] = None
    tag: TagText | None = None
    author: AccountText | None = None
    page: Id | None = None
    watching: Literal["true"] | None = None
    answerable: Annotated[
        Literal["true"] | None, Field(description="Others' questions under tags the caller watches or is an expert on.")
    ] = None
    asked_from: AwareDatetime | None = None
    asked_before: AwareDatetime | None = None


class QuestionView(TypedDict):
    """`score` and `myVote` are absent for those who may not see votes. A former user has no `authorId`."""

    id: str
    spaceId: str
    containerKind: str
    containerId: str
    authorId: str | None
    state: str
    answerCount: int
    acceptedCount: int
    watchCount: int
    tags: list[str]
    createdAt: str
    activeAt: str
    closeReason: str | None
    duplicateOf: str | None
    isLocked: bool
    isPinned: bool
    bounty: int | None
    score: NotRequired[int]
    myVote: NotRequired[int]


class May(TypedDict):
    """What the caller may do with the question now, as far as we decide it."""

    answer: bool
    vote: bool
    downvote: bool
    accept: bool
    moderate: bool
    delete: bool


class QuestionDetail(QuestionView):
    """`watch` is watching, muted or null; `version` goes up with every change but votes."""

    acceptedAnswerIds: list[str]
    closedAt: str | None
    version: int
    watch: str | None
    may: May


class QuestionPage(TypedDict):
    """`pinned` is there on the first page of a space's list without filters."""

    items: list[QuestionView]
    next: str | None
    pinned: NotRequired[list[QuestionView]]


class LinksView(TypedDict):
    """What the question is linked with, as far as the caller may see it; the newest first, at most 50 of each."""

    duplicateOf: QuestionView | None
    duplicates: list[QuestionView]
    linked: list[QuestionView]


def changes_of(body: ChangeBody) -> Changes:
    """What the body wants; `Invalid` names everything in it that does not go together."""
    faults = _closing_faults(body)
    tags: tuple[str, ...] | None = None
    try:
        tags = None if body.tags is None else slugs_of(body.tags)
    except Invalid as refused:
        faults += refused.faults
    if all(getattr(body, name) is None for name in ChangeBody.model_fields):
        faults += (Fault("/", "names nothing to change"),)
    if faults:
        raise Invalid(faults=faults)
    original = None if body.duplicate_of is None else ContentId(int(body.duplicate_of))
    return Changes(
        closing=None if body.close_reason is None else Closing(body.close_reason, original),
        reopens=body.state == "open",
        is_locked=body.is_locked,
        is_pinned=body.is_pinned,
        tags=tags,
    )


def _closing_faults(body: ChangeBody) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    if body.state == "closed" and body.close_reason is None:
        faults.append(Fault("/closeReason", "is needed to close a question"))
    if body.state != "closed" and body.close_reason is not None:
        faults.append(Fault("/closeReason", "goes with the state closed only"))
    is_duplicate = body.close_reason is CloseReason.DUPLICATE
    if is_duplicate and body.duplicate_of is None:
        faults.append(Fault("/duplicateOf", "is needed to close a question as a duplicate"))
    if not is_duplicate and body.duplicate_of is not None:
        faults.append(Fault("/duplicateOf", "goes with the reason duplicate only"))
    return tuple(faults)


def check_one_place(body: MoveBody) -> None:
    if (body.space_id is None) == (body.page_id is None):
        raise Invalid(faults=(Fault("/", "names one of spaceId and pageId"),))


def list_filter(query: ListQuery, tag: str | None) -> ListFilter:
    """The filter, with the tag's slug in place of what was typed."""
    return ListFilter(
        space_id=None if query.space is None else SpaceId(int(query.space)),
        state=query.state,
        tag=tag,
        author_id=None if query.author is None else AccountId(query.author),
        container_id=None if query.page is None else int(query.page),
        is_watching=query.watching is not None,
        is_answerable=query.answerable is not None,
        asked_from=query.asked_from,
        asked_before=query.asked_before,
    )


def list_name(query: ListQuery, order: Order) -> str:
    """Names the list for its cursors: another query's cursor is refused."""

    def text(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    values = query.model_dump(exclude={"cursor", "limit", "order"})
    return f"questions:{order}:" + ":".join(f"{name}={text(value)}" for name, value in sorted(values.items()))


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
        "watchCount": row.watch_count,
        "tags": tags if grants.tags.view else [],
        "createdAt": time_view(row.created_at),
        "activeAt": time_view(row.active_at),
        "closeReason": row.close_reason,
        "duplicateOf": None if row.duplicate_of is None else str(row.duplicate_of),
        "isLocked": row.is_locked,
        "isPinned": row.is_pinned,
        "bounty": row.bounty,
    }
    if grants.votes.view:
        view["score"] = row.score
        view["myVote"] = row.my_vote
    return view


def question_detail(
    question: WatchedQuestion,
    tags: list[str],
    accepted: list[ContentId],
    *,
    grants: Grants,
    settings: SpaceSettings,
    viewer: AccountId,
    is_read_only: bool = False,
) -> QuestionDetail:
    """`is_read_only`: nothing may be changed by anybody, because the space is archived or the site unlicensed."""
    watch = None if question.is_muted is None else "muted" if question.is_muted else "watching"
    return {
        **question_view(question.row, tags, grants),
        "acceptedAnswerIds": [str(answer_id) for answer_id in accepted],
        "closedAt": moment_view(question.row.closed_at),
        "version": question.row.version,
        "watch": watch,
        "may": _NOTHING.copy() if is_read_only else _may(question, grants, settings, viewer=viewer),
    }


_NOTHING: May = {
    "answer": False,
    "vote": False,
    "downvote": False,
    "accept": False,
    "moderate": False,
    "delete": False,
}


def _may(question: WatchedQuestion, grants: Grants, settings: SpaceSettings, *, viewer: AccountId) -> May:
    row = question.row
    is_open = row.state != QuestionState.CLOSED and not row.is_locked
    may_vote = grants.votes.add and row.author_id != viewer
    return {
        "answer": is_open and not (question.has_answered and settings.one_answer_each),
        "vote": may_vote,
        "downvote": may_vote and settings.downvotes_allowed,
        "accept": may_accept(grants, asker=row.author_id, account=viewer),
        "moderate": may_moderate(grants),
        "delete": may_delete_question(
            grants, asker=row.author_id, account=viewer, answered_by_others=question.is_answered_by_others
        ),
    }
