"""Wire shapes of tags."""

from typing import Annotated, TypedDict

from pydantic import Field

from lib.errors import Fault, Invalid
from lib.web import Wire
from questions_api.tags.curating import TagChange, description_fault
from questions_api.tags.listings import TagFilter, TagOrder, TagRow
from questions_api.tags.slugs import new_slug, slugs_in
from questions_api.tags.space_tags import MAX_SPACE_TAGS, SpaceTags
from questions_api.wire import Id, PageQuery, Version, moment_view

SlugText = Annotated[str, Field(min_length=1, max_length=200)]
SlugTexts = Annotated[tuple[SlugText, ...], Field(max_length=100, strict=False)]


class TagsQuery(PageQuery):
    """Which tags, in which order. Without `space`, those of every space the caller may see questions and tags in."""

    space: Id | None = None
    prefix: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    order: TagOrder = TagOrder.USE
    filter: Annotated[TagFilter | None, Field(description="withoutExpert and inactive are for administrators.")] = None


class TagView(TypedDict):
    """`questionCount` and `lastUsedAt` are about the spaces the caller sees, without questions below pages."""

    slug: str
    description: str | None
    questionCount: int
    lastUsedAt: str | None
    isFeatured: bool


class TagPage(TypedDict):
    """`isPartial` says that the site has more spaces than one answer looks into."""

    items: list[TagView]
    next: str | None
    isPartial: bool


class TagDetail(TypedDict):
    """`experts` are those named by hand; `watch` is watching, muted or null."""

    slug: str
    description: str | None
    questionCount: int
    isPartial: bool
    synonyms: list[str]
    experts: list[str]
    watch: str | None
    version: int


class TagBody(Wire):
    """What is left out stays as it is; a description of null is none. The old slug stays as a synonym."""

    slug: SlugText | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    version: Version | None = None


class MergeBody(Wire):
    into: SlugText


class SynonymBody(Wire):
    slug: SlugText


class SpaceTagsBody(Wire):
    """The space's featured tags, and those of which each new question bears at least one."""

    featured: SlugTexts
    required: SlugTexts
    version: Version


class SpaceTagsView(TypedDict):
    """`version` is that of the space's settings, of which these are some."""

    featured: list[str]
    required: list[str]
    version: int


def wanted_slug(text: str, where: str) -> str:
    """A slug that a tag may be given; `Invalid` for anything else."""
    slug, fault = new_slug(text, where)
    if slug is None:
        raise Invalid(faults=() if fault is None else (fault,))
    return slug


def tag_change(body: TagBody) -> TagChange:
    """What the body asks for; `Invalid` names every problem of it."""
    faults: list[Fault] = []
    slug: str | None = None
    if body.slug is not None:
        slug, fault = new_slug(body.slug, "/slug")
        faults += [] if fault is None else [fault]
    if body.description is not None:
        fault = description_fault(body.description)
        faults += [] if fault is None else [fault]
    if faults:
        raise Invalid(faults=tuple(faults))
    description = None if body.description is None else body.description.strip()
    return TagChange(slug, description, describes="description" in body.model_fields_set, version=body.version)


def space_tags(body: SpaceTagsBody) -> SpaceTags:
    featured, faults = slugs_in(body.featured, "/featured")
    required, more = slugs_in(body.required, "/required")
    faults += more
    for name, slugs in (("featured", featured), ("required", required)):
        if len(slugs) > MAX_SPACE_TAGS:
            faults += (Fault(f"/{name}", f"must hold at most {MAX_SPACE_TAGS} tags"),)
    if faults:
        raise Invalid(faults=faults)
    return SpaceTags(featured, required, body.version)


def space_tags_view(held: SpaceTags) -> SpaceTagsView:
    return {"featured": list(held.featured), "required": list(held.required), "version": held.version}


def tags_name(query: TagsQuery) -> str:
    """Names the list for its cursors: another query's cursor is refused."""
    values = query.model_dump(exclude={"cursor", "limit"})
    return "tags:" + ":".join(f"{name}={value}" for name, value in sorted(values.items()))


def tag_view(row: TagRow) -> TagView:
    return {
        "slug": row.slug,
        "description": row.description,
        "questionCount": row.use_count,
        "lastUsedAt": moment_view(row.last_used_at),
        "isFeatured": row.is_featured,
    }
