"""The tags on questions, by slug, and what belongs to one tag."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from lib.principal import AccountId, ContentId, TenantId
from lib.sql import run_bound, select_bound, select_rows
from lib.tenancy import AccountRow
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym

# A scalar in place of a join: PostgreSQL would else start from a site's few tags and read all that each is on.
_SLUG: Any = (
    select(Tag.slug)
    .where(Tag.tenant_id == QuestionTag.tenant_id, Tag.tag_id == QuestionTag.tag_id)
    .correlate(QuestionTag)
    .scalar_subquery()
)
_TAGS = select_bound(QuestionTag, QuestionTag.question_id, _SLUG.label("slug")).where(
    QuestionTag.question_id.in_(bindparam("ids", expanding=True))
)


def tags_of(session: Session, tenant_id: TenantId, ids: Collection[ContentId]) -> dict[ContentId, list[str]]:
    """The slugs on each of the questions, in order."""
    tags: dict[ContentId, list[str]] = {question_id: [] for question_id in ids}
    if ids:
        for row in run_bound(session, _TAGS, {"tenant_id": tenant_id, "ids": ids}):
            tags[row.question_id].append(row.slug)
    return {question_id: sorted(slugs) for question_id, slugs in tags.items()}


@dataclass(frozen=True, slots=True)
class TagSurroundings:
    """What else stands for a tag, and who was named an expert on it, without former users."""

    synonyms: tuple[str, ...]
    experts: tuple[AccountId, ...]


def read_surroundings(session: Session, tenant_id: TenantId, tag_id: int) -> TagSurroundings:
    synonyms = session.scalars(
        select_rows(tenant_id, TagSynonym.slug).where(TagSynonym.tag_id == tag_id).order_by(TagSynonym.slug)
    )
    experts = session.scalars(
        select_rows(tenant_id, AccountRow.atlassian_account_id, only=TagExpert)
        .join(
            AccountRow,
            and_(AccountRow.tenant_id == TagExpert.tenant_id, AccountRow.account_ref == TagExpert.account_ref),
        )
        .where(TagExpert.tag_id == tag_id, AccountRow.atlassian_account_id.is_not(None))
        .order_by(TagExpert.created_at, TagExpert.account_ref)
    )
    return TagSurroundings(tuple(synonyms), tuple(AccountId(expert) for expert in experts if expert is not None))
