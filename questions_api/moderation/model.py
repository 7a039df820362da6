"""The table of flags."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lib.principal import ContentId
from lib.sql import Instant, TenantRow, code_type, partial_index
from lib.tenancy import AccountRow
from questions_api.model import Question


class FlagReason(StrEnum):
    """What is wrong with a post. The value is stored."""

    SPAM = "spam"
    RUDE = "rude"
    WRONG = "wrong"
    OUTDATED = "outdated"
    """Of an accepted answer: it is no longer valid."""


class FlagResolution(StrEnum):
    """What a moderator made of a flag. The value is stored."""

    UPHELD = "upheld"
    DISMISSED = "dismissed"


class Flag(TenantRow):
    """One person's remark to the moderators about a post: a reason, no text."""

    __tablename__ = "flag"
    __table_args__ = (
        UniqueConstraint("tenant_id", "subject_kind", "subject_id", "account_ref"),
        ForeignKeyConstraint(("tenant_id", "question_id"), (Question.tenant_id, Question.id)),
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    subject_kind: Mapped[str] = mapped_column(code_type(16))
    subject_id: Mapped[ContentId] = mapped_column(BigInteger)
    question_id: Mapped[ContentId] = mapped_column(BigInteger)
    """The question itself, or the one that was answered: it decides who may see the flag."""
    account_ref: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(code_type(16))
    created_at: Mapped[datetime] = mapped_column(Instant)
    resolution: Mapped[str | None] = mapped_column(code_type(16))
    resolved_by_ref: Mapped[int | None] = mapped_column(BigInteger)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)


partial_index("ix_flag_open", "resolved_at IS NULL", Flag.tenant_id, Flag.created_at, Flag.id)
