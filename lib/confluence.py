"""The only Confluence client: what the app asks of Confluence, as a person or as the app.

What a person may not see answers None, as does what is missing. Writes raise `ConfluenceRefused` for what
Confluence does not do for the caller. When Confluence is away, everything raises `Unavailable`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from lib import confluence_shapes as shapes
from lib.config import Settings
from lib.confluence_calls import AccessLostError, Caller, Calls
from lib.confluence_shapes import (
    Assignment,
    Comment,
    ConfluenceRefused,
    ContainerKind,
    Content,
    ContentKind,
    ContentPage,
    Place,
    SpaceFacts,
    Written,
)
from lib.errors import Unavailable
from lib.outbound import Door
from lib.points import PointsBook
from lib.principal import ContentId, SpaceId
from lib.tenancy import Installation, Tenants

__all__ = (
    "AccessLostError",
    "Assignment",
    "Caller",
    "Comment",
    "Confluence",
    "ConfluenceRefused",
    "ContainerKind",
    "Content",
    "ContentKind",
    "ContentPage",
    "Place",
    "SpaceFacts",
    "Written",
    "content_type",
)

_MAX_IDS = 250
"""Values of `id` in one list request, and the most results of one answer (Confluence REST v2)."""
_MAX_PAGES = 40
"""Answers followed for one list that is read whole."""

_CONTENT = "/api/v2/custom-content"
_COMMENTS = "/api/v2/footer-comments"
_SPACES = "/api/v2/spaces"


def content_type(app_key: str, kind: ContentKind) -> str:
    """The permanent name of one of our custom content types."""
    return f"ac:{app_key}:cq-{kind}"


@dataclass(slots=True)
class Confluence:
    """Reads from and writes to every installation's Confluence. Shared by all threads of a process."""

    settings: Settings
    tenants: Tenants
    door: Door
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    points: PointsBook = field(default_factory=PointsBook)
    _calls: Calls = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._calls = Calls(self.settings, self.tenants, self.door, self.clock, self.sleep, self.points)

    def type_of(self, kind: ContentKind) -> str:
        return content_type(self.settings.connect_app_key, kind)

    def content(self, caller: Caller, content_id: ContentId) -> Content | None:
        """One item, or None where the caller may not see it."""
        answer = self._calls.read(caller, f"{_CONTENT}/{content_id}")
        return None if answer is None else shapes.content_of(answer)

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        """Those of the items that the caller may see, in one request for each 250."""
        about = [("type", self.type_of(kind))]
        found = (shapes.content_of(item) for item in self._listed(caller, _CONTENT, about, "id", ids))
        return {content.id: content for content in found if content.type == self.type_of(kind)}

    def contents_page(
        self,
        caller: Caller,
        kind: ContentKind,
        *,
        link: str | None = None,
        sort: str = "id",
        space_id: SpaceId | None = None,
    ) -> ContentPage:
        """One answer of the list of all items of the type that the caller may see; `link` is where the last one ended.

        An app that may not list at all is `Unavailable`: an empty list would read as if everything were gone.
        """
        query = [("type", self.type_of(kind)), ("limit", str(_MAX_IDS)), ("sort", sort)]
        if space_id is not None:
            query.append(("space-id", str(space_id)))
        base_url = caller.installation.base_url
        target = f"{_CONTENT}?{urlencode(query)}" if link is None else shapes.relative_link(base_url, link)
        answer = self._calls.read(caller, target)
        if answer is None:
            if caller.account_id is None:
                raise Unavailable
            return ContentPage((), None)
        items = tuple(shapes.content_of(item) for item in shapes.items_in(answer, "results"))
        ours = tuple(item for item in items if item.type == self.type_of(kind))
        return ContentPage(ours, shapes.next_link(base_url, answer))

    def written(self, caller: Caller, content_id: ContentId) -> Written | None:
        """One item with its text; also one in the trash, where the caller may see that."""
        answer = self._calls.read(caller, f"{_CONTENT}/{content_id}?body-format=storage")
        return None if answer is None else shapes.written_of(answer)

    def create_content(self, caller: Caller, kind: ContentKind, place: Place, *, title: str, storage: str) -> Content:
        container = shapes.container_fields(place) or {"spaceId": str(place.space_id)}
        document = {"type": self.type_of(kind), "status": "current", **container, **_text(title, storage)}
        return shapes.content_of(self._calls.write(caller, "POST", _CONTENT, document))

    def update_content(self, caller: Caller, written: Written, *, place: Place | None = None) -> Content:
        """The same text as the next version: at another place, or brought back from the trash.

        `ConfluenceRefused` with status 409 when the item has changed since it was read.
        """
        content = written.content
        there = place or Place(content.space_id, content.container_kind, content.container_id)
        document = {
            "id": str(content.id),
            "type": content.type,
            "status": "current",
            "spaceId": str(there.space_id),
            **shapes.container_fields(there),
            **_text(content.title, written.storage),
            "version": {"number": written.version + 1},
        }
        return shapes.content_of(self._calls.write(caller, "PUT", f"{_CONTENT}/{content.id}", document))

    def delete_content(self, caller: Caller, content_id: ContentId) -> None:
        """Puts the item into the trash, from where `update_content` brings it back."""
        self._calls.write(caller, "DELETE", f"{_CONTENT}/{content_id}")

    def item_operations(self, caller: Caller, content_id: ContentId) -> frozenset[tuple[str, str]] | None:
        """(operation, target type) pairs the caller may do with the item; None where it may not see it."""
        answer = self._calls.read(caller, f"{_CONTENT}/{content_id}/operations")
        return None if answer is None else shapes.operations_of(answer)

    def comment(self, caller: Caller, comment_id: int) -> Comment | None:
        """A footer comment with its text and its first author."""
        target = f"{_COMMENTS}/{comment_id}?body-format=storage"
        answer = self._calls.read(caller, target)
        if answer is None:
            return None
        version = answer.get("version")
        is_edited = isinstance(version, dict) and version.get("number", 1) != 1
        first = self._calls.read(caller, f"{target}&version=1") if is_edited else answer
        return None if first is None else shapes.comment_of(answer, first)

    def create_comment(self, caller: Caller, content_id: ContentId, *, storage: str) -> int:
        """Comments on an item of ours; the comment's id."""
        body = {"representation": "storage", "value": storage}
        document = {"customContentId": str(content_id), "body": body}
        return shapes.id_of(self._calls.write(caller, "POST", _COMMENTS, document))

    def delete_comment(self, caller: Caller, comment_id: int) -> None:
        self._calls.write(caller, "DELETE", f"{_COMMENTS}/{comment_id}")

    def pages(self, caller: Caller, ids: Iterable[int]) -> dict[int, SpaceId]:
        """The spaces of those pages and blog posts that the caller may see."""
        wanted = list(dict.fromkeys(ids))
        found = dict(map(shapes.page_of, self._listed(caller, "/api/v2/pages", [], "id", wanted)))
        others = [page_id for page_id in wanted if page_id not in found]
        found |= dict(map(shapes.page_of, self._listed(caller, "/api/v2/blogposts", [], "id", others)))
        return {page_id: found[page_id] for page_id in wanted if page_id in found}

    def spaces(self, caller: Caller, ids: Iterable[SpaceId]) -> dict[SpaceId, SpaceFacts]:
        """Those of the spaces that the caller may see, archived ones too."""
        wanted = list(dict.fromkeys(ids))
        found = dict(map(shapes.space_of, self._listed(caller, _SPACES, [], "ids", wanted)))
        return {space_id: found[space_id] for space_id in wanted if space_id in found}

    def space_id_of(self, caller: Caller, key: str) -> SpaceId | None:
        answer = self._calls.read(caller, f"{_SPACES}?{urlencode({'keys': key})}")
        found = map(shapes.space_of, shapes.items_in(answer or {}, "results"))
        return next((space_id for space_id, facts in found if facts.key == key), None)

    def space_kind(self, caller: Caller, space_id: SpaceId) -> str | None:
        """`global`, `personal`, …; None where the caller may not see the space."""
        answer = self._calls.read(caller, f"{_SPACES}/{space_id}")
        return None if answer is None else str(answer.get("type"))

    def space_operations(self, caller: Caller, space_id: SpaceId) -> frozenset[tuple[str, str]] | None:
        """(operation, target type) pairs the caller may do in the space; None where it may not see the space."""
        answer = self._calls.read(caller, f"{_SPACES}/{space_id}/operations")
        return None if answer is None else shapes.operations_of(answer)

    def space_assignments(self, caller: Caller, space_id: SpaceId) -> tuple[Assignment, ...] | None:
        """Everything the space gives to anybody; None where the caller may not see it."""
        target = f"{_SPACES}/{space_id}/permissions?limit={_MAX_IDS}"
        found: list[Assignment] = []
        for _ in range(_MAX_PAGES):
            answer = self._calls.read(caller, target)
            if answer is None:
                return None
            found += map(shapes.assignment_of, shapes.items_in(answer, "results"))
            link = shapes.next_link(caller.installation.base_url, answer)
            if link is None:
                return tuple(found)
            target = link
        raise Unavailable("Confluence lists more rights of this space than this app reads.")

    def grant_types(
        self, caller: Caller, space_key: str, subject: tuple[str, str], changes: Sequence[tuple[str, ContentKind, bool]]
    ) -> None:
        """Gives the `user` or `group` operations on our types in the space, or takes them; for its administrators."""
        kind, identifier = subject
        operations = [
            {"key": operation, "target": self.type_of(target), "access": access}
            for operation, target, access in changes
        ]
        document = {"subject": {"type": kind, "identifier": identifier}, "operations": operations}
        self._calls.write(
            caller, "POST", f"/rest/api/space/{quote(space_key, safe='~')}/permission/custom-content", document
        )

    def is_administrator(self, caller: Caller) -> bool:
        """Whether the person administers this Confluence."""
        answer = self._calls.read(caller, "/rest/api/user/current?expand=operations")
        return ("administer", "application") in shapes.operations_of(answer or {})

    def role_mode(self, caller: Caller) -> str | None:
        """How the site assigns rights: `PRE_ROLES`, `ROLES_TRANSITION` or `ROLES`; None where it does not say."""
        answer = self._calls.read(caller, "/api/v2/space-role-mode")
        return None if answer is None else str(answer.get("mode"))

    def question_address(self, installation: Installation, question_id: ContentId) -> str:
        """Where people open the question; names neither space nor title."""
        return f"{installation.base_url}/pages/viewpage.action?pageId={question_id}"

    def _listed(
        self, caller: Caller, path: str, about: Sequence[tuple[str, str]], name: str, ids: Iterable[int]
    ) -> Iterator[Mapping[str, Any]]:
        """The objects with these ids, in one request for each 250; those the caller may not see are left out."""
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), _MAX_IDS):
            batch = [(name, str(item)) for item in wanted[start : start + _MAX_IDS]]
            query = urlencode([*about, ("limit", str(_MAX_IDS)), *batch])
            answer = self._calls.read(caller, f"{path}?{query}")
            yield from shapes.items_in(answer or {}, "results")


def _text(title: str, storage: str) -> dict[str, object]:
    return {"title": title, "body": {"representation": "storage", "value": storage}}
