"""What Confluence answers, as values of ours; whatever has another form than these know is `Unavailable` (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from lib.errors import Forbidden, Unavailable
from lib.principal import AccountId, ContentId, SpaceId

ContentKind = Literal["question", "answer", "vote", "tag"]
ContainerKind = Literal["space", "page", "blogpost", "content"]

_UNKNOWN_FORM = "Confluence answered in a form this app does not know."
_REASON_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Content:
    """A custom content item as Confluence answered it. The title is for sending on, never for storing."""

    id: ContentId
    type: str
    status: str
    space_id: SpaceId
    container_kind: ContainerKind
    container_id: int
    author_id: AccountId
    created_at: datetime
    title: str = field(repr=False)
    version: int = 1
    modified_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Written:
    """An item with its text, for writing it again; the text is never stored."""

    content: Content
    version: int
    storage: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is, or is to be."""

    space_id: SpaceId
    container_kind: ContainerKind
    container_id: int


@dataclass(frozen=True, slots=True)
class ContentPage:
    """One page of a list. `next_link` is relative to the site's base address; None at the end."""

    items: tuple[Content, ...]
    next_link: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A footer comment. `container_id` is the custom content it is on, None for one on anything else."""

    id: int
    author_id: AccountId
    container_id: ContentId | None
    created_at: datetime
    storage: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SpaceFacts:
    """`key` is for display and for the one call that takes no id; it may change and is never stored."""

    key: str
    kind: str
    status: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """A right that a space gives to a `user`, `group` or `role`."""

    principal_type: str
    principal_id: str
    operation: str
    target: str


class ConfluenceRefused(Forbidden):
    """Confluence does not do this for this person. `status` 404 means that the thing is gone or may not be seen.

    `words` are Confluence's own sentence, for whoever asked and for nobody else: it may name things.
    """

    code = "confluence-refused"
    detail = "Confluence does not allow this."

    def __init__(self, status: int = 403, words: str = "") -> None:
        super().__init__()
        self.status = status
        self.words = words


def unknown_form() -> Unavailable:
    return Unavailable(_UNKNOWN_FORM)


def parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable from error
    if not isinstance(found, dict):
        raise Unavailable
    return found


def items_in(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects listed under the name; absent or null is an empty list (an anonymous answer has no operations)."""
    listed = answer.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise unknown_form()
    return listed


_CONTAINERS: tuple[tuple[str, ContainerKind], ...] = (
    ("customContentId", "content"),
    ("pageId", "page"),
    ("blogPostId", "blogpost"),
)


def content_of(item: Mapping[str, Any]) -> Content:
    try:
        space_id = SpaceId(int(item["spaceId"]))
        kind, container_id = next(
            ((kind, int(item[name])) for name, kind in _CONTAINERS if item.get(name)), ("space", int(space_id))
        )
        created_at = datetime.fromisoformat(str(item["createdAt"]))
        version = item.get("version") or {}
        return Content(
            id=ContentId(int(item["id"])),
            type=str(item["type"]),
            status=str(item["status"]),
            space_id=space_id,
            container_kind=kind,
            container_id=container_id,
            author_id=AccountId(str(item["authorId"])),
            created_at=created_at,
            title=str(item.get("title", "")),
            version=int(version.get("number", 1)),
            modified_at=datetime.fromisoformat(str(version["createdAt"])) if "createdAt" in version else created_at,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unknown_form() from error


def storage_of(item: Mapping[str, Any]) -> str:
    """The text of an item or comment that was asked for with it."""
    try:
        return str(item["body"]["storage"]["value"])
    except (KeyError, TypeError) as error:
        raise unknown_form() from error


def written_of(item: Mapping[str, Any]) -> Written:
    content = content_of(item)
    return Written(content, content.version, storage_of(item))


def container_fields(place: Place) -> dict[str, str]:
    """The container as a write names it; an item of the space itself names none."""
    names = {kind: name for name, kind in _CONTAINERS}
    name = names.get(place.container_kind)
    return {} if name is None else {name: str(place.container_id)}


def comment_of(item: Mapping[str, Any], first: Mapping[str, Any]) -> Comment:
    """`first` is the same comment in its first version, whose author wrote it: this API names no other author."""
    try:
        container = item.get("customContentId")
        return Comment(
            id=int(item["id"]),
            author_id=AccountId(str(first["version"]["authorId"])),
            container_id=ContentId(int(container)) if container else None,
            created_at=datetime.fromisoformat(str(first["version"]["createdAt"])),
            storage=storage_of(item),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unknown_form() from error


def space_of(item: Mapping[str, Any]) -> tuple[SpaceId, SpaceFacts]:
    try:
        facts = SpaceFacts(str(item["key"]), str(item["type"]), str(item.get("status", "current")))
        return SpaceId(int(item["id"])), facts
    except (KeyError, TypeError, ValueError) as error:
        raise unknown_form() from error


def page_of(item: Mapping[str, Any]) -> tuple[int, SpaceId]:
    try:
        return int(item["id"]), SpaceId(int(item["spaceId"]))
    except (KeyError, TypeError, ValueError) as error:
        raise unknown_form() from error


def id_of(item: Mapping[str, Any]) -> int:
    try:
        return int(item["id"])
    except (KeyError, TypeError, ValueError) as error:
        raise unknown_form() from error


def operations_of(answer: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """(operation, target type) pairs."""
    return frozenset(
        (str(item.get("operation")), str(item.get("targetType"))) for item in items_in(answer, "operations")
    )


def assignment_of(item: Mapping[str, Any]) -> Assignment:
    """Kinds of targets and principals are free text here: the documented list leaves out what apps add."""
    try:
        principal, operation = item["principal"], item["operation"]
        return Assignment(
            str(principal["type"]), str(principal["id"]), str(operation["key"]), str(operation["targetType"])
        )
    except (KeyError, TypeError) as error:
        raise unknown_form() from error


def next_link(base_url: str, answer: Mapping[str, Any]) -> str | None:
    """The link to the next page, relative to the site's base address; None at the end of the list."""
    links = answer.get("_links")
    link = links.get("next") if isinstance(links, dict) else None
    return relative_link(base_url, link) if isinstance(link, str) and link else None


def relative_link(base_url: str, link: str) -> str:
    """The link below the base address. One that leads off the site, or out of its REST API, is not followed."""
    base = urlsplit(base_url)
    if link.startswith("/api/v2/"):
        link = f"{base.path}{link}"
    try:
        target = urlsplit(urljoin(f"{base_url}/", link))
    except ValueError as error:
        raise unknown_form() from error
    path = target.path.removeprefix(base.path)
    if (target.scheme, target.netloc) != (base.scheme, base.netloc) or not path.startswith("/api/v2/"):
        raise unknown_form()
    return f"{path}?{target.query}" if target.query else path


def words_in(body: bytes) -> str:
    """Confluence's sentence in an answer that refuses; empty where there is none to be found."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    texts = (first.get("detail"), first.get("title"), found.get("message"))
    told = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    return " ".join(told.split())[:_REASON_LENGTH]
