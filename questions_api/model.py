"""Tables of the community: ids, counters and times; no text but tag slugs."""

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
    SmallInteger,
    Unicode,
    UniqueConstraint,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from lib.principal import ContentId, SpaceId
from lib.sql import Instant, TenantRow, code_type, partial_index
from lib.tenancy import AccountRow

_LIVE = "deleted_at IS NULL"
_LIVE_UNANSWERED = "deleted_at IS NULL AND answer_count = 0"

MAX_SLUG = 35


class PostKind(StrEnum):
    """What a vote is about. The value is stored."""

    QUESTION = "question"
    ANSWER = "answer"


class QuestionState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


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
    state: Mapped[str] = mapped_column(code_type(16), default=QuestionState.OPEN)
    score: Mapped[int] = mapped_column(Integer, default=0)
    up: Mapped[int] = mapped_column(Integer, default=0)
    down: Mapped[int] = mapped_column(Integer, default=0)
    answer_count: Mapped[int] = mapped_column(Integer, default=0)
    accepted_count: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(Instant)
    active_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)


def _list_index(name: str, condition: str, sort_key: InstrumentedAttribute[Any]) -> Index:
    """An index in the order of a list, holding only the rows that the list may show."""
    return partial_index(name, condition, Question.tenant_id, Question.space_id, sort_key.desc(), Question.id.desc())


_list_index("ix_question_newest", _LIVE, Question.created_at)
_list_index("ix_question_votes", _LIVE, Question.score)
_list_index("ix_question_unanswered", _LIVE_UNANSWERED, Question.created_at)


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
    accepted_at: Mapped[datetime | None] = mapped_column(Instant)
    accepted_by_ref: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
    deleted_at: Mapped[datetime | None] = mapped_column(Instant)


class Vote(TenantRow):
    """One account's vote on one post: the key itself allows no second one."""

    __tablename__ = "vote"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        CheckConstraint("value IN (-1, 1)", name="value"),
    )

    subject_kind: Mapped[str] = mapped_column(code_type(16), primary_key=True)
    subject_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Tag(TenantRow):
    """A label of an installation, by its normalised slug."""

    __tablename__ = "tag"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)

    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(Unicode(MAX_SLUG))
    use_count: Mapped[int] = mapped_column(Integer, default=0)


class QuestionTag(TenantRow):
    """A tag on a question; carries the question's time so that newest-by-tag needs no sort."""

    __tablename__ = "question_tag"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "tag_id"), (Tag.tenant_id, Tag.tag_id)),
        ForeignKeyConstraint(("tenant_id", "question_id"), (Question.tenant_id, Question.id)),
        # With the tag in it the index answers alone; without, SQLite reads all of an installation's tags instead.
        Index("ix_question_tag_question", "tenant_id", "question_id", "tag_id"),
    )

    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    question_created_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    question_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
