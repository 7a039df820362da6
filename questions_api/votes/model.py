"""The table of votes."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from lib.principal import ContentId
from lib.sql import Instant, TenantRow, code_type
from lib.tenancy import AccountRow


class Vote(TenantRow):
    """One account's vote on one post: the key itself allows no second one."""

    __tablename__ = "vote"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        CheckConstraint("value IN (-1, 1)", name="value"),
        Index("ix_vote_account", "tenant_id", "account_ref"),
    )

    subject_kind: Mapped[str] = mapped_column(code_type(16), primary_key=True)
    subject_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
