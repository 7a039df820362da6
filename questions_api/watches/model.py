"""The table of watches."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from lib.sql import Instant, TenantRow, code_type
from lib.tenancy import AccountRow


class WatchKind(StrEnum):
    """What can be watched. The value is stored."""

    QUESTION = "question"
    SPACE = "space"
    TAG = "tag"


class Watch(TenantRow):
    """One person's watch on a question, space or tag."""

    __tablename__ = "watch"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        Index("ix_watch_account", "tenant_id", "account_ref", "created_at"),
    )

    target_kind: Mapped[str] = mapped_column(code_type(16), primary_key=True)
    target_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    is_muted: Mapped[bool] = mapped_column(Boolean, default=False)
    """Muted: nothing is told, whatever else the person watches. Such a watch is not counted."""
    is_automatic: Mapped[bool] = mapped_column(Boolean, default=False)
    """Made by asking or answering; it never replaces what the person has chosen."""
    created_at: Mapped[datetime] = mapped_column(Instant)
