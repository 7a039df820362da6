"""Changing which tags a question bears, and asking with tags as the space wants them."""

from datetime import datetime

from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Content
from lib.errors import Forbidden
from lib.grants import Grants
from lib.principal import ContentId, Principal, SpaceId
from lib.spaces import SpaceSettings
from questions_api.policy import check_may_tag, check_may_untag
from questions_api.posts import register_question
from questions_api.tags.checking import check_tags
from questions_api.tags.tagging import add_tags, borne_tags, remove_tags, tag_ids


def ask_question(
    session: Session,
    principal: Principal,
    content: Content,
    *,
    tags: tuple[str, ...],
    grants: Grants,
    settings: SpaceSettings,
    now: datetime,
) -> bool:
    """Registers the question with its tags, which are as many and as the space wants. True when it is new.

    Whoever may not add tags is not asked for any; a request that is repeated without tags is not measured again.
    """
    tenant_id = principal.tenant_id
    is_new = register_question(session, tenant_id, content, tags=tags, now=now)
    if tags or (is_new and grants.tags.add):
        check_tags(session, tenant_id, content.space_id, tags, settings)
    return is_new


def edit_tags(
    session: Session,
    principal: Principal,
    question_id: ContentId,
    tags: tuple[str, ...],
    *,
    grants: Grants,
    settings: SpaceSettings,
    space_id: SpaceId,
    created_at: datetime,
    now: datetime,
) -> bool:
    """Makes the question bear exactly these tags; False when it does already. The caller holds the question's row.

    Adding needs the one right and removing the other; only what really changes is asked for.
    """
    if not grants.tags.view:
        # Such a person would take off what they cannot see.
        raise Forbidden("You may not see tags in this space; a space administrator can grant it.")
    tenant_id = principal.tenant_id
    known = tag_ids(session, tenant_id, tags)
    borne = borne_tags(session, tenant_id, question_id)
    added = tuple(slug for slug in tags if known.get(slug) not in borne)
    removed = borne - set(known.values())
    if not added and not removed:
        return False
    if added:
        check_may_tag(grants)
    if removed:
        check_may_untag(grants)
    check_tags(session, tenant_id, space_id, tags, settings)
    # Taken off first: a full question may have one of its tags replaced.
    remove_tags(session, tenant_id, question_id, removed, now=now)
    add_tags(session, tenant_id, question_id, added, created_at=created_at, now=now)
    before, after = sorted(borne), sorted(borne_tags(session, tenant_id, question_id))
    append_audit(
        session,
        principal,
        "question.tagged",
        ("question", question_id),
        before={"tags": before},
        after={"tags": after},
        now=now,
    )
    return True
