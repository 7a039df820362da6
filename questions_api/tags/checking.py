"""Whether a question may bear these tags in its space: how many, and one of those the space requires."""

from sqlalchemy.orm import Session

from lib.errors import Fault, Invalid
from lib.principal import SpaceId, TenantId
from lib.spaces import SpaceSettings
from lib.sql import select_rows
from questions_api.tags.model import TagUse
from questions_api.tags.tagging import tag_ids


def check_tags(
    session: Session, tenant_id: TenantId, space_id: SpaceId, slugs: tuple[str, ...], settings: SpaceSettings
) -> None:
    """`Invalid` where the tags that a question is to bear are too few, too many or lack a required one.

    Synonyms are one tag, and stand in for it. For people who ask or edit, and only for those who may add tags:
    what Confluence reports of a question is registered as it is.
    """
    known = tag_ids(session, tenant_id, slugs)
    count = len({known.get(slug, slug) for slug in slugs})
    faults: list[Fault] = []
    if count < settings.min_tags:
        faults.append(Fault("/tags", f"must hold at least {settings.min_tags} tags"))
    if count > settings.max_tags:
        faults.append(Fault("/tags", f"must hold at most {settings.max_tags} tags"))
    required = set(
        session.scalars(select_rows(tenant_id, TagUse.tag_id).where(TagUse.space_id == space_id, TagUse.is_required))
    )
    if required and required.isdisjoint(known.values()):
        faults.append(Fault("/tags", "must hold one of the space's required tags"))
    if faults:
        raise Invalid(faults=tuple(faults))
