"""What administrators do to a tag: rename and describe it, give it synonyms, name experts."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.errors import Conflict, Fault, NotFound
from lib.principal import AccountId, Principal, TenantId
from lib.sql import delete_rows, insert_row, rows_changed, select_rows, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.tags.finding import TagHead, check_version, find_synonym, find_tag, take_tags
from questions_api.tags.model import MAX_DESCRIPTION, Tag, TagExpert, TagSynonym

MAX_EXPERTS = 50
_REFUSED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Directional embeddings, overrides and isolates: they make text read otherwise than it is written."""


class SlugTaken(Conflict):
    """`current` holds the slug of the tag that has it."""

    code = "slug-taken"
    detail = "Another tag has this slug or synonym; merge the two to make them one."


class TooManyExperts(Conflict):
    code = "too-many-experts"
    detail = f"A tag has at most {MAX_EXPERTS} named experts."


@dataclass(frozen=True, slots=True)
class TagChange:
    """What becomes of a tag; None leaves the slug, and `describes` says whether the description is replaced.

    `version` is the one that the change is based on, where the administrator says so.
    """

    slug: str | None = None
    description: str | None = None
    describes: bool = False
    version: int | None = None


def description_fault(text: str) -> Fault | None:
    """What keeps the text from being a description (pure)."""
    if any(unicodedata.category(character) in {"Cc", "Cs", "Cn"} or character in _REFUSED for character in text):
        return Fault("/description", "must not hold control characters or change the direction of writing")
    # SQL Server counts UTF-16 code units.
    if len(text.encode("utf-16-le")) > 2 * MAX_DESCRIPTION:
        return Fault("/description", f"must be at most {MAX_DESCRIPTION} characters long")
    return None


def change_tag(
    session: Session, principal: Principal, slug: str, change: TagChange, *, if_match: int | None = None, now: datetime
) -> TagHead:
    """Renames or describes the tag. A rename leaves the old slug as a synonym, so that nobody loses the tag.

    `TagChanged`, or for `if_match` `PreconditionFailed`, where another version stands; `SlugTaken` where another
    tag has the new slug.
    """
    tag = find_tag(session, principal.tenant_id, slug)
    check_version(tag, version=change.version, if_match=if_match)
    renamed = change.slug if change.slug not in {None, tag.slug} else None
    described = change.describes and (change.description or None) != tag.description
    if renamed is None and not described:
        return tag
    take_tags(session, principal.tenant_id, tag)
    if renamed is not None:
        _rename(session, principal.tenant_id, tag, renamed)
    if described:
        _update(session, principal.tenant_id, tag, description=change.description or None)
    done = [name for name, is_done in (("slug", renamed is not None), ("description", described)) if is_done]
    after = {"version": tag.version + 1, "changed": done}
    append_audit(
        session, principal, "tag.changed", ("tag", tag.tag_id), before={"version": tag.version}, after=after, now=now
    )
    return find_tag(session, principal.tenant_id, renamed or tag.slug)


def _rename(session: Session, tenant_id: TenantId, tag: TagHead, slug: str) -> None:
    _check_free(session, tenant_id, tag, slug)
    # A synonym of its own becomes its slug.
    session.execute(delete_rows(tenant_id, TagSynonym).where(TagSynonym.slug == slug, TagSynonym.tag_id == tag.tag_id))
    _update(session, tenant_id, tag, slug=slug)
    session.execute(insert_row(tenant_id, TagSynonym, slug=tag.slug, tag_id=tag.tag_id))


def _update(session: Session, tenant_id: TenantId, tag: TagHead, **values: str | None) -> None:
    session.execute(update_rows(tenant_id, Tag).where(Tag.tag_id == tag.tag_id).values(**values))


def _check_free(session: Session, tenant_id: TenantId, tag: TagHead, slug: str) -> None:
    try:
        holder = find_tag(session, tenant_id, slug)
    except NotFound:
        return
    if holder.tag_id != tag.tag_id:
        raise SlugTaken(current={"slug": holder.slug})


def add_synonym(session: Session, principal: Principal, slug: str, synonym: str, *, now: datetime) -> TagHead:
    """Makes the slug stand for the tag as well; one that does already changes nothing."""
    tag = find_tag(session, principal.tenant_id, slug)
    _check_free(session, principal.tenant_id, tag, synonym)
    if synonym == tag.slug or find_synonym(session, principal.tenant_id, synonym) == tag.tag_id:
        return tag
    take_tags(session, principal.tenant_id, tag)
    session.execute(insert_row(principal.tenant_id, TagSynonym, slug=synonym, tag_id=tag.tag_id))
    _note(session, principal, "tag.synonym-added", tag, now=now)
    return find_tag(session, principal.tenant_id, tag.slug)


def remove_synonym(session: Session, principal: Principal, slug: str, synonym: str, *, now: datetime) -> TagHead:
    """Frees the slug; questions keep their tags. `NotFound` where it is no synonym of the tag."""
    tag = find_tag(session, principal.tenant_id, slug)
    if find_synonym(session, principal.tenant_id, synonym) != tag.tag_id:
        raise NotFound
    take_tags(session, principal.tenant_id, tag)
    session.execute(
        delete_rows(principal.tenant_id, TagSynonym).where(TagSynonym.slug == synonym, TagSynonym.tag_id == tag.tag_id)
    )
    _note(session, principal, "tag.synonym-removed", tag, now=now)
    return find_tag(session, principal.tenant_id, tag.slug)


def name_expert(session: Session, principal: Principal, slug: str, account_id: AccountId, *, now: datetime) -> None:
    """Names the person an expert on the tag; `TooManyExperts` where it has as many as a tag may have."""
    tag = find_tag(session, principal.tenant_id, slug)
    expert_ref = account_ref(session, principal.tenant_id, account_id, now=now)
    if _is_expert(session, principal.tenant_id, tag, expert_ref):
        return
    take_tags(session, principal.tenant_id, tag)
    named = session.scalars(
        select_rows(principal.tenant_id, TagExpert.account_ref).where(TagExpert.tag_id == tag.tag_id)
    )
    if len(named.all()) >= MAX_EXPERTS:
        raise TooManyExperts
    row = {"tag_id": tag.tag_id, "account_ref": expert_ref, "created_at": now}
    session.execute(insert_row(principal.tenant_id, TagExpert, **row))
    _note(session, principal, "tag.expert-named", tag, expert_ref, now=now)


def unname_expert(session: Session, principal: Principal, slug: str, account_id: AccountId, *, now: datetime) -> None:
    """The person is no named expert any more; naming nobody changes nothing."""
    tag = find_tag(session, principal.tenant_id, slug)
    expert_ref = session.scalar(
        select_rows(principal.tenant_id, AccountRow.account_ref).where(AccountRow.atlassian_account_id == account_id)
    )
    if expert_ref is None or not _is_expert(session, principal.tenant_id, tag, expert_ref):
        return
    take_tags(session, principal.tenant_id, tag)
    gone = session.execute(
        delete_rows(principal.tenant_id, TagExpert).where(
            TagExpert.tag_id == tag.tag_id, TagExpert.account_ref == expert_ref
        )
    )
    if rows_changed(gone) == 1:
        _note(session, principal, "tag.expert-unnamed", tag, expert_ref, now=now)


def _is_expert(session: Session, tenant_id: TenantId, tag: TagHead, expert_ref: int) -> bool:
    held = select_rows(tenant_id, TagExpert.account_ref).where(
        TagExpert.tag_id == tag.tag_id, TagExpert.account_ref == expert_ref
    )
    return session.scalar(held) is not None


def _note(
    session: Session, principal: Principal, action: str, tag: TagHead, expert_ref: int | None = None, *, now: datetime
) -> None:
    """Writes the change down by ids: a slug is text that somebody typed."""
    after = None if expert_ref is None else {"accountRef": str(expert_ref)}
    append_audit(session, principal, action, ("tag", tag.tag_id), after=after, now=now)
