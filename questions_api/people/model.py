"""Tables about people's part in the community: points and requests to answer."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from lib.principal import ContentId, SpaceId
from lib.sql import Instant, TenantRow, partial_index
from lib.tenancy import AccountRow
from questions_api.model import Question

ANY_TAG = 0
EVER = 0
"""In place of a tag or a day: the sum over all of them."""


class Contribution(TenantRow):
    """Points that a person has earned by one question and its answers on one day: what `Standing` was made from.

    Kept so that a question's points can be taken away again exactly, whatever has changed since.
    """

    __tablename__ = "contribution"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "question_id"), (Question.tenant_id, Question.id)),
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
    )

    question_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Days since 1970 in UTC."""
    space_id: Mapped[SpaceId] = mapped_column(BigInteger)
    points: Mapped[int] = mapped_column(Integer)


class Standing(TenantRow):
    """A person's points in a space: by tag (`ANY_TAG` for all) and day (`EVER` for all)."""

    __tablename__ = "standing"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
    )

    space_id: Mapped[SpaceId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    day: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    points: Mapped[int] = mapped_column(Integer)


partial_index(
    "ix_standing_ever", "day = 0", Standing.tenant_id, Standing.space_id, Standing.tag_id, Standing.points.desc()
)
partial_index("ix_standing_account", "day = 0", Standing.tenant_id, Standing.account_ref)


class AnswerRequest(TenantRow):
    """Somebody asks a person to answer a question."""

    __tablename__ = "answer_request"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "question_id"), (Question.tenant_id, Question.id)),
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        Index("ix_answer_request_account", "tenant_id", "account_ref", "created_at"),
    )

    question_id: Mapped[ContentId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    requested_by_ref: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
