"""HTTP routes of tags under /api/v1."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from lib.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unacceptable
from lib.principal import SpaceId
from lib.web import Call, Nothing, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.policy import check_may_view
from questions_api.seeing import (
    check_administrator,
    check_space_administrator,
    grants_in,
    viewable_spaces,
    visible_items,
)
from questions_api.tags import curating, listings, schemas
from questions_api.tags.finding import TagHead, find_tag
from questions_api.tags.listings import TagsWanted
from questions_api.tags.merging import merge_tags
from questions_api.tags.reading import read_surroundings
from questions_api.tags.sight import Sight, Uses, candidate_spaces, is_borne_in_sight, uses_seen
from questions_api.tags.slugs import normalise
from questions_api.tags.space_tags import SpaceTags, read_space_tags, replace_space_tags
from questions_api.watches.model import WatchKind
from questions_api.watches.moving import move_tag_watches
from questions_api.watches.schemas import watch_word
from questions_api.watches.watching import Target, my_watch
from questions_api.wire import after_cursor, next_cursor

tags = Resource(blueprint, "api_tags", "api/v1/tags")
tag = Resource(blueprint, "api_tag", "api/v1/tags/{slug}")
tag_merge = Resource(blueprint, "api_tag_merge", "api/v1/tags/{slug}/merge")
tag_synonyms = Resource(blueprint, "api_tag_synonyms", "api/v1/tags/{slug}/synonyms")
tag_synonym = Resource(blueprint, "api_tag_synonym", "api/v1/tags/{slug}/synonyms/{synonym}")
tag_expert = Resource(blueprint, "api_tag_expert", "api/v1/tags/{slug}/experts/{accountId}")
space_tags = Resource(blueprint, "api_space_tags", "api/v1/spaces/{spaceId}/tags")

RESOURCES = (tags, tag, tag_merge, tag_synonyms, tag_synonym, tag_expert, space_tags)


@dataclass(frozen=True, slots=True)
class SeenTag:
    """A tag that the caller may know of, and where they see it used."""

    head: TagHead
    uses: Uses


def sight_of(call: Call) -> Sight:
    def spaces(space_ids: Iterable[SpaceId]) -> set[SpaceId]:
        return {space_id for space_id, grants in viewable_spaces(call, space_ids).items() if grants.tags.view}

    is_administrator = partial(call.services.grants.is_administrator, call.installation, call.account_id)
    return Sight(call.principal, spaces, partial(visible_items, call), is_administrator)


def see_tag(call: Call) -> SeenTag:
    """The tag of the path, also by a synonym; `NotFound` for missing ones and those the caller may not know of."""
    head = call.read(partial(find_tag, tenant_id=call.tenant_id, slug=_slug(call)))
    sight = sight_of(call)
    uses = uses_seen(call.read, sight, [head.tag_id])
    if not uses.seen and not is_borne_in_sight(call.read, sight, head.tag_id) and not sight.is_administrator():
        raise NotFound
    return SeenTag(head, uses)


def _slug(call: Call, name: str = "slug") -> str:
    slug = normalise(call.path_text(name))
    if slug is None:
        raise NotFound
    return slug


def _detail(call: Call, head: TagHead, uses: Uses) -> schemas.TagDetail:
    around = call.read(partial(read_surroundings, tenant_id=call.tenant_id, tag_id=head.tag_id))
    target = Target(WatchKind.TAG, head.tag_id)
    watch = call.read(partial(my_watch, principal=call.principal, target=target))
    return {
        "slug": head.slug,
        "description": head.description,
        "questionCount": sum(use.use_count for use in uses.seen),
        "isPartial": uses.is_partial,
        "synonyms": list(around.synonyms),
        "experts": list(around.experts),
        "watch": watch_word(watch),
        "version": head.version,
    }


def _changed(call: Call, head: TagHead) -> schemas.TagDetail:
    return _detail(call, head, uses_seen(call.read, sight_of(call), [head.tag_id]))


def _wanted(call: Call, query: schemas.TagsQuery) -> tuple[TagsWanted, bool]:
    """What the list holds, and whether there are spaces that it does not look into."""
    prefix = None if query.prefix is None else normalise(query.prefix)
    if query.prefix is not None and prefix is None:
        raise Invalid(faults=(Fault("prefix", "cannot be the beginning of a tag"),))
    is_for_administrators = query.filter is not None and query.filter.is_for_administrators
    if query.space is None:
        sight = sight_of(call)
        is_administrator = sight.is_administrator()
        if is_for_administrators:
            check_administrator(call)
        candidates, is_partial = call.read(partial(candidate_spaces, tenant_id=call.tenant_id))
        spaces = sorted(sight.spaces(candidates))
        return TagsWanted(
            spaces, prefix, query.order, query.filter, holds_unused=is_administrator
        ), is_partial and bool(spaces)
    space_id = SpaceId(int(query.space))
    grants = grants_in(call, space_id)
    check_may_view(grants)
    if is_for_administrators and not grants.administers_space:
        check_administrator(call)
    return TagsWanted([space_id] if grants.tags.view else [], prefix, query.order, query.filter), False


@tags.operation("GET", takes=schemas.TagsQuery, returns=schemas.TagPage, failures=(Forbidden, NotFound))
def list_tags(call: Call, query: schemas.TagsQuery) -> schemas.TagPage:
    """Tags in use where the caller sees them; administrators of Confluence also find those in use nowhere."""
    wanted, is_partial = _wanted(call, query)
    name = schemas.tags_name(query)
    after = after_cursor(call, name, query.cursor)
    read = partial(listings.list_tags, tenant_id=call.tenant_id, wanted=wanted, after=after, now=call.now)
    rows = call.read(partial(read, limit=query.limit + 1))
    shown = rows[: query.limit]
    last = listings.position(query.order, shown[-1]) if len(rows) > query.limit else None
    items = [schemas.tag_view(row) for row in shown]
    return {"items": items, "next": next_cursor(call, name, last), "isPartial": is_partial}


@tag.operation("GET", returns=schemas.TagDetail, failures=(NotFound,))
def read_tag(call: Call, _: Nothing) -> schemas.TagDetail:
    """One tag, also by a synonym: then `slug` is the tag's own."""
    seen = see_tag(call)
    return _detail(call, seen.head, seen.uses)


@tag.operation(
    "PATCH",
    takes=schemas.TagBody,
    returns=schemas.TagDetail,
    failures=(Conflict, Forbidden, NotFound),
    if_match=True,
)
def change_tag(call: Call, body: schemas.TagBody) -> schemas.TagDetail:
    """Renames or describes the tag, for administrators of Confluence."""
    check_administrator(call)
    work = partial(
        curating.change_tag,
        principal=call.principal,
        slug=_slug(call),
        change=schemas.tag_change(body),
        if_match=call.if_match,
        now=call.now,
    )
    return _changed(call, call.write(work))


@tag_merge.operation(
    "POST",
    takes=schemas.MergeBody,
    returns=schemas.TagDetail,
    failures=(Conflict, Forbidden, NotFound, Unacceptable),
)
def merge(call: Call, body: schemas.MergeBody) -> schemas.TagDetail:
    """Makes the tag a synonym of another, which takes over its questions, watches and experts."""
    check_administrator(call)
    into = normalise(body.into)
    if into is None:
        raise Unacceptable(faults=(Fault("/into", "is no tag"),))
    work = partial(
        merge_tags,
        principal=call.principal,
        slug=_slug(call),
        into=into,
        move_watches=move_tag_watches,
        now=call.now,
    )
    return _changed(call, call.write(work).tag)


@tag_synonyms.operation(
    "POST", takes=schemas.SynonymBody, returns=schemas.TagDetail, failures=(Conflict, Forbidden, NotFound)
)
def add_synonym(call: Call, body: schemas.SynonymBody) -> schemas.TagDetail:
    """Makes another slug stand for the tag, for administrators of Confluence."""
    check_administrator(call)
    synonym = schemas.wanted_slug(body.slug, "/slug")
    work = partial(curating.add_synonym, principal=call.principal, slug=_slug(call), synonym=synonym, now=call.now)
    return _changed(call, call.write(work))


@tag_synonym.operation("DELETE", returns=schemas.TagDetail, failures=(Forbidden, NotFound))
def remove_synonym(call: Call, _: Nothing) -> schemas.TagDetail:
    """Frees a synonym of the tag, for administrators of Confluence."""
    check_administrator(call)
    synonym = _slug(call, "synonym")
    work = partial(curating.remove_synonym, principal=call.principal, slug=_slug(call), synonym=synonym, now=call.now)
    return _changed(call, call.write(work))


@tag_expert.operation("PUT", statuses=(204,), failures=(Conflict, Forbidden, NotFound))
def name_expert(call: Call, _: Nothing) -> Reply:
    """Names a person an expert on the tag, for administrators of Confluence."""
    check_administrator(call)
    account_id = call.account_in_path("accountId")
    call.write(
        partial(curating.name_expert, principal=call.principal, slug=_slug(call), account_id=account_id, now=call.now)
    )
    return Reply(status=204)


@tag_expert.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound))
def unname_expert(call: Call, _: Nothing) -> Reply:
    """Ends that a person is a named expert on the tag, for administrators of Confluence."""
    check_administrator(call)
    account_id = call.account_in_path("accountId")
    call.write(
        partial(curating.unname_expert, principal=call.principal, slug=_slug(call), account_id=account_id, now=call.now)
    )
    return Reply(status=204)


@space_tags.operation("GET", returns=schemas.SpaceTagsView, failures=(NotFound,))
def read_tags_of_space(call: Call, _: Nothing) -> schemas.SpaceTagsView:
    """The space's featured and required tags; none for those who may not see tags there."""
    space_id = call.space_id("spaceId")
    grants = grants_in(call, space_id)
    check_may_view(grants)
    held = call.read(partial(read_space_tags, tenant_id=call.tenant_id, space_id=space_id))
    return schemas.space_tags_view(held if grants.tags.view else SpaceTags((), (), held.version))


@space_tags.operation(
    "PUT",
    takes=schemas.SpaceTagsBody,
    returns=schemas.SpaceTagsView,
    failures=(Conflict, Forbidden, NotFound),
    needs_licence=False,
)
def replace_tags_of_space(call: Call, body: schemas.SpaceTagsBody) -> schemas.SpaceTagsView:
    """Replaces the space's featured and required tags, if its settings are still those of `version`."""
    space_id = call.space_id("spaceId")
    check_space_administrator(call, space_id)
    wanted = schemas.space_tags(body)
    work = partial(replace_space_tags, principal=call.principal, space_id=space_id, wanted=wanted, now=call.now)
    held = call.write(work)
    call.services.spaces.forget(call.tenant_id)
    return schemas.space_tags_view(held)
