"""Tables of tags: slugs and descriptions that people write, where they are used, and who knows about them."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKeyConstraint, Index, Integer, Unicode, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from lib.principal import ContentId, SpaceId
from lib.sql import Instant, TenantRow, default_number, slug_type
from lib.tenancy import AccountRow
from questions_api.model import Question

MAX_SLUG = 35
MAX_DESCRIPTION = 500


class Tag(TenantRow):
    """A label of an installation, by its normalised slug."""

    __tablename__ = "tag"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)

    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(slug_type(MAX_SLUG))
    description: Mapped[str | None] = mapped_column(Unicode(MAX_DESCRIPTION))
    use_count: Mapped[int] = mapped_column(Integer, default=0)
    """How many questions bear it, removed ones included: for choosing how to read, never shown."""
    version: Mapped[int] = mapped_column(Integer, default=1, server_default=default_number(1))


class TagSynonym(TenantRow):
    """Another slug of a tag: what a rename or a merge left behind, or an administrator added."""

    __tablename__ = "tag_synonym"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "tag_id"), (Tag.tenant_id, Tag.tag_id)),
        Index("ix_tag_synonym_tag", "tenant_id", "tag_id"),
    )

    slug: Mapped[str] = mapped_column(slug_type(MAX_SLUG), primary_key=True)
    tag_id: Mapped[int] = mapped_column(BigInteger)


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


class TagUse(TenantRow):
    """A tag in a space: how many of its questions bear it, and what the space's administrator has made of it.

    Only questions that everybody who may see questions in the space may see are counted: a count over
    restricted pages would tell of them.
    """

    __tablename__ = "tag_use"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "tag_id"), (Tag.tenant_id, Tag.tag_id)),
        Index("ix_tag_use_tag", "tenant_id", "tag_id"),
    )

    space_id: Mapped[SpaceId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    use_count: Mapped[int] = mapped_column(Integer, default=0, server_default=default_number(0))
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)
    is_featured: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    is_required: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Each new question bears at least one of the space's required tags."""


class TagExpert(TenantRow):
    """A person named as an expert on a tag. Those whom points make experts are computed, not kept."""

    __tablename__ = "tag_expert"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id", "tag_id"), (Tag.tenant_id, Tag.tag_id)),
        ForeignKeyConstraint(("tenant_id", "account_ref"), (AccountRow.tenant_id, AccountRow.account_ref)),
        Index("ix_tag_expert_account", "tenant_id", "account_ref"),
    )

    tag_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = mapped_column(Instant)
