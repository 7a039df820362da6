"""Tag slugs and putting tags on a question."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from lib.errors import Fault, Invalid
from lib.principal import ContentId, TenantId
from lib.sql import insert_row, new_id, select_rows, update_rows
from questions_api.model import MAX_SLUG, QuestionTag, Tag

MAX_TAGS = 5
_SLUG = re.compile(r"[\w][\w.+#-]*")
_SEPARATORS = re.compile(r"[\s_]+")


def normalise(text: str) -> str | None:
    """The slug of a tag as typed, or None where it cannot be one (pure).

    Compatibility forms are folded (NFKC), case is dropped, spaces become one dash: what looks the same is the
    same. Control and formatting characters, which could make two slugs look alike, are refused.
    """
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} for character in text.strip()):
        return None
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    slug = _SEPARATORS.sub("-", folded.strip())
    # SQL Server counts UTF-16 code units.
    is_short = len(slug.encode("utf-16-le", "surrogatepass")) <= 2 * MAX_SLUG
    return slug if is_short and _SLUG.fullmatch(slug) else None


def slugs_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The slugs, each once; `Invalid` names every text that cannot be one."""
    slugs: dict[str, None] = {}
    faults: list[Fault] = []
    for position, text in enumerate(texts):
        slug = normalise(text)
        if slug is None:
            faults.append(Fault(f"/tags/{position}", f"cannot be a tag of 1 to {MAX_SLUG} letters, digits or dashes"))
        else:
            slugs[slug] = None
    if len(slugs) > MAX_TAGS:
        faults.append(Fault("/tags", f"must hold at most {MAX_TAGS} tags"))
    if faults:
        raise Invalid(faults=tuple(faults))
    return tuple(slugs)


def add_tags(
    session: Session,
    tenant_id: TenantId,
    question_id: ContentId,
    slugs: tuple[str, ...],
    *,
    created_at: datetime,
    now: datetime,
) -> None:
    """Puts the tags on the question, making those the installation does not have yet; ones it bears stay.

    `Invalid` where that makes more than `MAX_TAGS`.
    """
    if not slugs:
        return
    known = {
        row.slug: row.tag_id
        for row in session.execute(select_rows(tenant_id, Tag.slug, Tag.tag_id).where(Tag.slug.in_(slugs)))
    }
    borne = set(
        session.scalars(select_rows(tenant_id, QuestionTag.tag_id).where(QuestionTag.question_id == question_id))
    )
    added = [slug for slug in slugs if known.get(slug) not in borne]
    if added and len(borne) + len(added) > MAX_TAGS:
        raise Invalid(faults=(Fault("/tags", f"would make more than {MAX_TAGS} tags on the question"),))
    for slug in added:
        tag_id = known.get(slug)
        if tag_id is None:
            tag_id = new_id(now)
            session.execute(insert_row(tenant_id, Tag, tag_id=tag_id, slug=slug, use_count=0))
        session.execute(
            insert_row(tenant_id, QuestionTag, tag_id=tag_id, question_created_at=created_at, question_id=question_id)
        )
        session.execute(update_rows(tenant_id, Tag).where(Tag.tag_id == tag_id).values(use_count=Tag.use_count + 1))
