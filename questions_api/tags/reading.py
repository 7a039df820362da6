"""The tags on questions, by slug, and what belongs to one tag."""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam
from sqlalchemy.orm import Session

from lib.principal import AccountId, ContentId, TenantId
from lib.sql import run_bound, select_bound, select_rows
from lib.tenancy import AccountRow
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym

_TAGS = (
    select_bound(QuestionTag, QuestionTag.question_id, Tag.slug)
    .join(Tag, and_(Tag.tenant_id == QuestionTag.tenant_id, Tag.tag_id == QuestionTag.tag_id))
    .where(QuestionTag.question_id.in_(bindparam("ids", expanding=True)))
    .order_by(Tag.slug)
)


def tags_of(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> dict[ContentId, list[str]]:
    """The slugs on each of the questions, in order."""
    tags: dict[ContentId, list[str]] = {question_id: [] for question_id in ids}
    if ids:
        for row in run_bound(session, _TAGS, {"tenant_id": tenant_id, "ids": ids}):
            tags[row.question_id].append(row.slug)
    return tags


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
