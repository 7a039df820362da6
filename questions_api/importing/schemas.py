"""Wire shapes of imports."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypedDict

from pydantic import AwareDatetime, Field, model_validator

from lib.errors import Fault, Unacceptable
from lib.web import Wire
from questions_api.importing.posts import Imported
from questions_api.model import CloseReason
from questions_api.wire import AccountText, Id

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_SOURCES = 250
MAX_VOTES = 500

SourceText = Annotated[
    str, Field(min_length=1, max_length=200, description="What the old system calls the post, such as `dc:123`.")
]


class KnownBody(Wire):
    """Which posts of the old system to look for."""

    sources: Annotated[tuple[SourceText, ...], Field(max_length=MAX_SOURCES, strict=False)]


class KnownSource(TypedDict):
    source: str
    contentId: str


class KnownSources(TypedDict):
    """Those that were imported before and are still there."""

    items: list[KnownSource]


class ImportedAuthor(Wire):
    """A person of this site, or what the old system called somebody who is none; of that a keyed hash is kept."""

    account_id: AccountText | None = None
    former: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.account_id is None) == (self.former is None):
            raise ValueError("must hold either accountId or former")
        return self


class ImportedVoteBody(Wire):
    account_id: AccountText
    value: Literal[-1, 1]


class ImportedPost(Wire):
    """What the old system knows of a post. The caller has created the content in Confluence."""

    source: SourceText
    content_id: Id
    author: ImportedAuthor
    created_at: AwareDatetime
    votes: Annotated[tuple[ImportedVoteBody, ...], Field(max_length=MAX_VOTES, strict=False)] = ()


class ImportedClosing(Wire):
    """Why the question was closed. An import does not know of duplicates."""

    reason: CloseReason


class ImportedQuestion(ImportedPost):
    """A question of the old system. `activeAt` is that of `createdAt` when absent."""

    active_at: AwareDatetime | None = None
    tags: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=20, strict=False)] = ()
    bounty: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    closed: ImportedClosing | None = None


class ImportedAnswer(ImportedPost):
    """An answer of the old system. `acceptedAt` is that of `createdAt` when absent."""

    question_id: Id
    is_accepted: bool = False
    accepted_at: AwareDatetime | None = None


class DroppedVotes(TypedDict):
    reason: str
    count: int


class ImportView(TypedDict):
    """What stands for the source now, the votes added by this call, and those that were not, by reason."""

    contentId: str
    votes: int
    droppedVotes: list[DroppedVotes]
    isAccepted: bool


def check_question(body: ImportedQuestion, now: datetime) -> None:
    """`Unacceptable` for times that cannot be, and for a closing that would need another question."""
    faults = _time_faults(body, "activeAt", body.active_at, now)
    if body.closed is not None and body.closed.reason is CloseReason.DUPLICATE:
        faults.append(Fault("/closed/reason", "cannot be duplicate in an import"))
    _refuse(faults)


def check_answer(body: ImportedAnswer, now: datetime) -> None:
    """`Unacceptable` for times that cannot be."""
    faults = _time_faults(body, "acceptedAt", body.accepted_at, now)
    if body.accepted_at is not None and not body.is_accepted:
        faults.append(Fault("/acceptedAt", "is the time of an acceptance that isAccepted denies"))
    _refuse(faults)


def _time_faults(body: ImportedPost, later_name: str, later: datetime | None, now: datetime) -> list[Fault]:
    faults = []
    if body.created_at < _EARLIEST:
        faults.append(Fault("/createdAt", "is before 2000"))
    if body.created_at > now:
        faults.append(Fault("/createdAt", "is in the future"))
    if later is not None and later > now:
        faults.append(Fault(f"/{later_name}", "is in the future"))
    if later is not None and later < body.created_at:
        faults.append(Fault(f"/{later_name}", "is before createdAt"))
    return faults


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Unacceptable("The import is not possible as it stands.", faults=tuple(faults))


def import_view(imported: Imported) -> ImportView:
    return {
        "contentId": str(imported.content_id),
        "votes": imported.votes,
        "droppedVotes": [{"reason": reason, "count": count} for reason, count in sorted(imported.dropped.items())],
        "isAccepted": imported.is_accepted,
    }
