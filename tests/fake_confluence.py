"""A Confluence in memory that behaves: it shows, refuses and changes as the real one does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from lib.confluence import (
    Assignment,
    Caller,
    Comment,
    ConfluenceRefused,
    Content,
    ContentKind,
    ContentPage,
    Place,
    SpaceFacts,
    Written,
    content_type,
)
from lib.errors import Unavailable
from lib.points import PointsBook
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.tenancy import Installation

_OPERATIONS = {"v": "read", "a": "create", "d": "delete"}
_SORTS = {"id": "id", "created-date": "created_at", "modified-date": "modified_at"}

type Reader = AccountId | None
"""An account, or None for the app itself."""


def _readers(readers: Iterable[str | None]) -> set[Reader]:
    return {None if reader is None else AccountId(reader) for reader in readers}


@dataclass(slots=True)
class FakeConfluence:
    """A Confluence with spaces, rights and items; who was not let in sees nothing.

    `is_away` stops every answer, `away_sites` those of single installations; `refusals` counts what was stopped.
    `refused_writers` are refused every write. Tests put things in with `allow`, `assign`, `put`, `put_comment`
    and `put_page`, and read them back with `item`.
    """

    app_key: str = "community-questions"
    is_away: bool = False
    away_sites: set[TenantId] = field(default_factory=set)
    refusals: int = 0
    administrators: set[AccountId] = field(default_factory=set)
    space_kinds: dict[SpaceId, str] = field(default_factory=dict)
    space_keys: dict[SpaceId, str] = field(default_factory=dict)
    archived_spaces: set[SpaceId] = field(default_factory=set)
    lists_app_types: bool = True
    has_roles: bool = False
    refused_writers: set[Reader] = field(default_factory=set)
    page_size: int = 250
    moment: datetime = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    points: PointsBook = field(default_factory=PointsBook)
    comments: dict[int, Comment] = field(default_factory=dict)
    _operations: dict[tuple[Reader, SpaceId], frozenset[tuple[str, str]]] = field(default_factory=dict)
    _assignments: dict[SpaceId, list[Assignment]] = field(default_factory=dict)
    _items: dict[ContentId, Content] = field(default_factory=dict)
    _texts: dict[ContentId, str] = field(default_factory=dict)
    _readers: dict[int, set[Reader]] = field(default_factory=dict)
    _pages: dict[int, SpaceId] = field(default_factory=dict)
    _links: dict[str, tuple[str, SpaceId | None, int]] = field(default_factory=dict)
    _last_id: int = 9_000_000

    # What tests put in and read back.

    def allow(
        self,
        account: str | None,
        space_id: SpaceId,
        *,
        questions: str = "",
        votes: str = "",
        tags: str = "",
        administers: bool = False,
    ) -> None:
        """Replaces what the account may do in the space: letters of view, add, delete for each of our types."""
        granted = {("read", "space"), ("administer", "space")} if administers else {("read", "space")}
        kinds: tuple[tuple[ContentKind, str], ...] = (("question", questions), ("vote", votes), ("tag", tags))
        granted |= {(_OPERATIONS[letter], self.type_of(kind)) for kind, letters in kinds for letter in letters}
        self._operations[None if account is None else AccountId(account), space_id] = frozenset(granted)

    def assign(self, space_id: SpaceId, *assignments: Assignment) -> None:
        """Adds to what the space gives to users and groups. It is what is listed, apart from what `allow` grants."""
        self._assignments.setdefault(space_id, []).extend(assignments)

    def shut_out(self, account: str, space_id: SpaceId) -> None:
        self._operations.pop((AccountId(account), space_id), None)

    def put(self, item: Content, *readers: str | None, storage: str = "<p>Text</p>") -> None:
        """Replaces the item and who may read it; None among the readers is the app itself."""
        self._items[item.id], self._texts[item.id] = item, storage
        self._readers[item.id] = _readers(readers)

    def put_comment(self, comment: Comment, *readers: str | None) -> None:
        self.comments[comment.id] = comment
        self._readers[comment.id] = _readers(readers)

    def put_page(self, page_id: int, space_id: SpaceId, *readers: str | None) -> None:
        self._pages[page_id] = space_id
        self._readers[page_id] = _readers(readers)

    def item(self, content_id: ContentId) -> Content:
        """The item whoever may see it."""
        return self._items[content_id]

    def type_of(self, kind: ContentKind) -> str:
        return content_type(self.app_key, kind)

    # Items.

    def content(self, caller: Caller, content_id: ContentId) -> Content | None:
        self._answer(caller)
        return self._items[content_id] if self._sees(caller, content_id) else None

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        found = {content_id: self.content(caller, content_id) for content_id in ids}
        return {
            key: item
            for key, item in found.items()
            if item is not None and item.type == self.type_of(kind) and item.status == "current"
        }

    def contents_page(
        self,
        caller: Caller,
        kind: ContentKind,
        *,
        link: str | None = None,
        sort: str = "id",
        space_id: SpaceId | None = None,
    ) -> ContentPage:
        start = 0
        if link is not None:
            sort, space_id, start = self._links[link]
        found = [
            item for item in self.contents(caller, kind, self._items).values() if space_id in {None, item.space_id}
        ]
        name = _SORTS[sort.removeprefix("-")]
        found.sort(key=lambda item: (getattr(item, name), item.id), reverse=sort.startswith("-"))
        following = start + self.page_size
        next_link = None
        if following < len(found):
            next_link = f"/api/v2/custom-content?cursor={len(self._links)}"
            self._links[next_link] = (sort, space_id, following)
        return ContentPage(tuple(found[start:following]), next_link)

    def written(self, caller: Caller, content_id: ContentId) -> Written | None:
        item = self.content(caller, content_id)
        return None if item is None else Written(item, item.version, self._texts[content_id])

    def create_content(self, caller: Caller, kind: ContentKind, place: Place, *, title: str, storage: str) -> Content:
        self._check_writer(caller, place.space_id)
        if kind != "answer" and not self._holds(caller, place.space_id, "create", kind):
            raise ConfluenceRefused(404, "The place was not found or may not be seen.")
        item = Content(
            id=ContentId(self._new_id()),
            type=self.type_of(kind),
            status="current",
            space_id=place.space_id,
            container_kind=place.container_kind,
            container_id=place.container_id,
            author_id=AccountId(caller.account_id or "app"),
            created_at=self.moment,
            title=title,
            modified_at=self.moment,
        )
        readers = {who for who, space_id in self._operations if space_id == place.space_id}
        self.put(item, *readers, caller.account_id, storage=storage)
        return item

    def update_content(self, caller: Caller, written: Written, *, place: Place | None = None) -> Content:
        held = self._changeable(caller, written.content.id)
        if written.version != held.version:
            raise ConfluenceRefused(409, f"The version must be {held.version + 1}.")
        there = place or Place(held.space_id, held.container_kind, held.container_id)
        changed = replace(
            held,
            status="current",
            space_id=there.space_id,
            container_kind=there.container_kind,
            container_id=there.container_id,
            version=held.version + 1,
            modified_at=self.moment,
        )
        self._items[held.id] = changed
        for item in [item for item in self._items.values() if item.container_kind == "content"]:
            if item.container_id == held.id:
                self._items[item.id] = replace(item, space_id=there.space_id)
        return changed

    def delete_content(self, caller: Caller, content_id: ContentId) -> None:
        held = self._changeable(caller, content_id)
        if held.status != "current":
            raise ConfluenceRefused(404, "The custom content was not found.")
        self._items[content_id] = replace(held, status="trashed")

    def item_operations(self, caller: Caller, content_id: ContentId) -> frozenset[tuple[str, str]] | None:
        item = self.content(caller, content_id)
        if item is None:
            return None
        held = {pair for pair in self._operations.get((caller.account_id, item.space_id), ()) if pair[1] == item.type}
        own = {("update", item.type), ("delete", item.type)} if item.author_id == caller.account_id else set()
        return frozenset({("read", item.type)} | held | own)

    # Comments and pages.

    def comment(self, caller: Caller, comment_id: int) -> Comment | None:
        self._answer(caller)
        return self.comments[comment_id] if self._sees(caller, comment_id) else None

    def create_comment(self, caller: Caller, content_id: ContentId, *, storage: str) -> int:
        item = self.content(caller, content_id)
        if item is None:
            raise ConfluenceRefused(404, "The container was not found.")
        self._check_writer(caller, item.space_id)
        author_id = AccountId(caller.account_id or "app")
        made = Comment(self._new_id(), author_id, content_id, self.moment, storage)
        self.put_comment(made, *self._readers[content_id])
        return made.id

    def delete_comment(self, caller: Caller, comment_id: int) -> None:
        held = self.comment(caller, comment_id)
        if held is None or caller.account_id in self.refused_writers:
            raise ConfluenceRefused(404, "The comment was not found.")
        del self.comments[comment_id], self._readers[comment_id]

    def pages(self, caller: Caller, ids: Iterable[int]) -> dict[int, SpaceId]:
        self._answer(caller)
        return {
            page_id: self._pages[page_id] for page_id in ids if page_id in self._pages and self._sees(caller, page_id)
        }

    # Spaces and rights.

    def spaces(self, caller: Caller, ids: Iterable[SpaceId]) -> dict[SpaceId, SpaceFacts]:
        self._answer(caller)
        return {
            space_id: self._facts(space_id) for space_id in ids if (caller.account_id, space_id) in self._operations
        }

    def space_id_of(self, caller: Caller, key: str) -> SpaceId | None:
        known = self.spaces(caller, dict.fromkeys(space_id for _, space_id in self._operations))
        return next((space_id for space_id, facts in known.items() if facts.key == key), None)

    def space_kind(self, caller: Caller, space_id: SpaceId) -> str | None:
        found = self.spaces(caller, [space_id])
        return found[space_id].kind if found else None

    def space_operations(self, caller: Caller, space_id: SpaceId) -> frozenset[tuple[str, str]] | None:
        self._answer(caller)
        held = self._operations.get((caller.account_id, space_id))
        if held is None or self.lists_app_types:
            return held
        return frozenset(pair for pair in held if not pair[1].startswith("ac:"))

    def space_assignments(self, caller: Caller, space_id: SpaceId) -> tuple[Assignment, ...] | None:
        self._answer(caller)
        if (caller.account_id, space_id) not in self._operations:
            return None
        listed = self._assignments.get(space_id, [])
        return tuple(held for held in listed if self.lists_app_types or not held.target.startswith("ac:"))

    def grant_types(
        self, caller: Caller, space_key: str, subject: tuple[str, str], changes: Sequence[tuple[str, ContentKind, bool]]
    ) -> None:
        space_id = self.space_id_of(caller, space_key)
        if space_id is None:
            raise ConfluenceRefused(404, "The space was not found.")
        if ("administer", "space") not in self._operations[caller.account_id, space_id]:
            raise ConfluenceRefused(403, "The caller does not administer the space.")
        if self.has_roles:
            raise ConfluenceRefused(400, "The site assigns rights by roles.")
        listed = self._assignments.setdefault(space_id, [])
        if Assignment(*subject, "read", "space") not in listed:
            raise ConfluenceRefused(400, "'read space' permission doesn't exist for the given user or group")
        for operation, kind, is_given in changes:
            changed = Assignment(*subject, operation, self.type_of(kind))
            listed[:] = [held for held in listed if held != changed] + ([changed] if is_given else [])
            if subject[0] == "user":
                self._change(AccountId(subject[1]), space_id, (operation, changed.target), is_given=is_given)

    def is_administrator(self, caller: Caller) -> bool:
        self._answer(caller)
        return caller.account_id in self.administrators

    def role_mode(self, caller: Caller) -> str | None:
        self._answer(caller)
        return "ROLES" if self.has_roles else "PRE_ROLES"

    def question_address(self, installation: Installation, question_id: ContentId) -> str:
        return f"{installation.base_url}/pages/viewpage.action?pageId={question_id}"

    def _change(self, account: AccountId, space_id: SpaceId, pair: tuple[str, str], *, is_given: bool) -> None:
        held = self._operations.get((account, space_id), frozenset())
        self._operations[account, space_id] = held | {pair} if is_given else held - {pair}

    def _facts(self, space_id: SpaceId) -> SpaceFacts:
        status = "archived" if space_id in self.archived_spaces else "current"
        key = self.space_keys.get(space_id, f"S{space_id}")
        return SpaceFacts(key, self.space_kinds.get(space_id, "global"), status)

    def _sees(self, caller: Caller, thing_id: int) -> bool:
        return caller.account_id in self._readers.get(thing_id, ())

    def _holds(self, caller: Caller, space_id: SpaceId, operation: str, kind: ContentKind) -> bool:
        return (operation, self.type_of(kind)) in self._operations.get((caller.account_id, space_id), ())

    def _check_writer(self, caller: Caller, space_id: SpaceId) -> None:
        self._answer(caller)
        if caller.account_id in self.refused_writers or space_id in self.archived_spaces:
            raise ConfluenceRefused(403, "This may only be read.")

    def _changeable(self, caller: Caller, content_id: ContentId) -> Content:
        """The item, for its author and those who hold delete on questions."""
        held = self.content(caller, content_id)
        if held is None:
            raise ConfluenceRefused(404, "The custom content was not found.")
        self._check_writer(caller, held.space_id)
        if held.author_id != caller.account_id and not self._holds(caller, held.space_id, "delete", "question"):
            raise ConfluenceRefused(403, "You may not change this custom content.")
        return held

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _answer(self, caller: Caller) -> None:
        if self.is_away or caller.installation.tenant_id in self.away_sites:
            self.refusals += 1
            raise Unavailable("Confluence is not answering; try again shortly.")
