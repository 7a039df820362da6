"""Tables of the posts: ids, counters and times; no text."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    case,
    false,
    literal_column,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, column_property, mapped_column

from lib.principal import ContentId, SpaceId
from lib.sql import Instant, TenantRow, code_type, default_number, partial_index
from lib.tenancy import AccountRow

_LIVE = "deleted_at IS NULL"


class PostKind(StrEnum):
    """What a vote or a flag is about. The value is stored."""

    QUESTION = "question"
    ANSWER = "answer"


class QuestionState(StrEnum):
    """How far a question has come. The value is stored, and leads the indexes of lists."""

    UNANSWERED = "unanswered"
    ANSWERED = "answered"
    ACCEPTED = "accepted"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why a moderator closed a question. The value is stored."""

    DUPLICATE = "duplicate"
    OFF_TOPIC = "off-topic"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    OUTDATED = "outdated"
    NOT_NEEDED = "no-longer-needed"


HOT_STEP_MS = 12 * 60 * 60 * 1000
HOT_STEPS = 28
"""In the hot list a vote lifts a question as if it had been asked half a day later, two weeks at most."""


def _author_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(("tenant_id", "author_ref"), (AccountRow.tenant_id, AccountRow.account_ref))


class Question(TenantRow):
    """A question. Space, container and existence are copies of what Confluence answered."""

    __tablename__ = "question"
    __table_args__ = (
        _author_key(),
        Index("ix_question_container", "tenant_id", "container_id"),
        CheckConstraint("score = up - down", name="score"),
    )

    id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    space_id: Mapped[SpaceId] = mapped_column(BigInteger)
    container_kind: Mapped[str] = mapped_column(code_type(16))
    container_id: Mapped[int] = mapped_column(BigInteger)
    is_guarded: Mapped[bool] = mapped_column(Boolean, default=False)
    """Confluence reported restrictions on the item itself: every read confirms it as the viewer."""
    author_ref: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(code_type(16), default=QuestionState.UNANSWERED)
    score: Mapped[int] = mapped_column(Integer, default=0)
    up: Mapped[int] = mapped_column(Integer, default=0)
    down: Mapped[int] = mapped_column(Integer, default=0)
    hot: Mapped[int] = mapped_column(BigInteger, default=0, server_default=default_number(0))
    """Where the question stands in the hot list: milliseconds since 1970, see `hot_at_first`."""
    answer_count: Mapped[int] = mapped_column(Integer, default=0)
    accepted_count: Mapped[int] = mapped_column(Integer, default=0)
    watch_count: Mapped[int] = mapped_column(Integer, default=0, server_default=default_number(0))
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=default_number(1))
    """Raised by every change that two moderators could make at once; not by votes."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    active_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)
    closed_by_ref: Mapped[int | None] = mapped_column(BigInteger)
    close_reason: Mapped[str | None] = mapped_column(code_type(24))
    duplicate_of: Mapped[ContentId | None] = mapped_column(BigInteger)
    locked_at: Mapped[datetime | None] = mapped_column(Instant)
    pinned_at: Mapped[datetime | None] = mapped_column(Instant)
    bounty: Mapped[int | None] = mapped_column(Integer)
    """Points once offered elsewhere; kept by import, never offered here."""
    missing_since: Mapped[datetime | None] = mapped_column(Instant)
    """Since when neither the app nor the author was shown the item; see `questions_api.following`."""
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)
    needs_check: Mapped[bool] = column_property(
        case((missing_since.is_not(None), true()), else_=is_guarded).label("needs_check")
    )
    """Guarded, or missing: every read confirms it as the viewer."""


ORDER_KEYS: dict[str, InstrumentedAttribute[Any]] = {
    "newest": Question.created_at,
    "active": Question.active_at,
    "votes": Question.score,
    "hot": Question.hot,
}
"""What each order of a list sorts by, descending; the id breaks ties."""

for _order, _key in ORDER_KEYS.items():
    # The state comes before the sort key: a list of some states is the merge of a few ranges of one index.
    partial_index(
        f"ix_question_space_{_order}",
        _LIVE,
        Question.tenant_id,
        Question.space_id,
        Question.state,
        _key.desc(),
        Question.id.desc(),
    )
    # The space comes last: what the viewer may not see is stepped over without reading the row.
    partial_index(
        f"ix_question_site_{_order}",
        _LIVE,
        Question.tenant_id,
        Question.state,
        _key.desc(),
        Question.id.desc(),
        Question.space_id,
    )
partial_index("ix_question_author", _LIVE, Question.tenant_id, Question.author_ref, Question.created_at.desc())
partial_index("ix_question_pinned", "pinned_at IS NOT NULL", Question.tenant_id, Question.space_id)
partial_index("ix_question_duplicate_of", "duplicate_of IS NOT NULL", Question.tenant_id, Question.duplicate_of)
partial_index("ix_question_missing", "missing_since IS NOT NULL", Question.tenant_id, Question.missing_since)


def state_from(answer_count: Any, accepted_count: Any, closed_at: Any = Question.closed_at) -> Any:
    """The state that follows from the counters, as SQL: in an UPDATE, pass the counters' new values."""
    return case(
        (closed_at.is_not(None), literal_column(f"'{QuestionState.CLOSED}'")),
        (accepted_count > 0, literal_column(f"'{QuestionState.ACCEPTED}'")),
        (answer_count > 0, literal_column(f"'{QuestionState.ANSWERED}'")),
        else_=literal_column(f"'{QuestionState.UNANSWERED}'"),
    )


def hot_at_first(created_at: datetime) -> int:
    """A question's place in the hot list before anybody voted."""
    return int(created_at.timestamp() * 1000)


def hot_lift(score: Any) -> Any:
    """What a score adds to that place, as SQL."""
    most: Any = literal_column(str(HOT_STEPS))
    least: Any = literal_column(str(-HOT_STEPS))
    return HOT_STEP_MS * case((score > most, most), (score < least, least), else_=score)


class Answer(TenantRow):
    """An answer; its id is that of its own content item."""

    __tablename__ = "answer"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "question_id"), (Question.tenant_id, Question.id)),
        _author_key(),
        UniqueConstraint("tenant_id", "id"),
        CheckConstraint("score = up - down", name="score"),
    )

    question_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    author_ref: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[int] = mapped_column(Integer, default=0)
    up: Mapped[int] = mapped_column(Integer, default=0)
    down: Mapped[int] = mapped_column(Integer, default=0)
    is_guarded: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Confluence reported restrictions on the answer itself: it is confirmed for each viewer."""
    accepted_at: Mapped[datetime | None] = mapped_column(Instant)
    accepted_by_ref: Mapped[int | None] = mapped_column(BigInteger)
    contested_at: Mapped[datetime | None] = mapped_column(Instant)
    """Since when somebody's open flag says that the answer is outdated; shown while it is accepted."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)


partial_index("ix_answer_author", _LIVE, Answer.tenant_id, Answer.author_ref, Answer.created_at.desc())
partial_index("ix_answer_contested", "contested_at IS NOT NULL", Answer.tenant_id, Answer.contested_at)


class QuestionLink(TenantRow):
    """Two questions that have to do with each other: kept once, read both ways. Duplicates are `duplicate_of`."""

    __tablename__ = "question_link"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "from_id"), (Question.tenant_id, Question.id), name="fk_question_link_from"),
        ForeignKeyConstraint(("tenant_id", "to_id"), (Question.tenant_id, Question.id), name="fk_question_link_to"),
        Index("ix_question_link_to", "tenant_id", "to_id", "from_id"),
    )

    from_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    to_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    created_by_ref: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
