"""Small fakes that behave: each keeps what it was given and answers from it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lib.confluence import Caller, Content, ContentKind, content_type
from lib.errors import Unavailable
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.tenancy import Installation

_OPERATIONS = {"v": "read", "a": "create", "d": "delete"}


@dataclass(slots=True)
class RememberedQueues:
    """Keeps messages in memory; `is_away` makes sending fail as a stopped service would."""

    sent: list[tuple[str, str, int]] = field(default_factory=list)
    is_away: bool = False

    def send(self, queue: str, body: str, *, delay_s: int = 0) -> None:
        if self.is_away:
            raise ConnectionError("the queue service is away")
        self.sent.append((queue, body, delay_s))


@dataclass(slots=True)
class FakeConfluence:
    """A Confluence with spaces, rights and items; who was not let in sees nothing.

    `is_away` stops every answer, `away_sites` those of single installations; `refusals` counts what was stopped.
    """

    app_key: str = "community-questions"
    is_away: bool = False
    away_sites: set[TenantId] = field(default_factory=set)
    refusals: int = 0
    administrators: set[AccountId] = field(default_factory=set)
    space_kinds: dict[SpaceId, str] = field(default_factory=dict)
    _operations: dict[tuple[AccountId | None, SpaceId], frozenset[tuple[str, str]]] = field(default_factory=dict)
    _items: dict[ContentId, Content] = field(default_factory=dict)
    _readers: dict[ContentId, set[AccountId | None]] = field(default_factory=dict)

    def allow(
        self,
        account: str,
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
        self._operations[AccountId(account), space_id] = frozenset(granted)

    def shut_out(self, account: str, space_id: SpaceId) -> None:
        self._operations.pop((AccountId(account), space_id), None)

    def put(self, item: Content, *readers: str | None) -> None:
        """Replaces the item and who may read it; None among the readers is the app itself."""
        self._items[item.id] = item
        self._readers[item.id] = {None if reader is None else AccountId(reader) for reader in readers}

    def type_of(self, kind: ContentKind) -> str:
        return content_type(self.app_key, kind)

    def content(self, caller: Caller, content_id: ContentId) -> Content | None:
        self._answer(caller)
        return self._items[content_id] if caller.account_id in self._readers.get(content_id, ()) else None

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        found = {content_id: self.content(caller, content_id) for content_id in ids}
        return {key: item for key, item in found.items() if item is not None and item.type == self.type_of(kind)}

    def space_operations(self, caller: Caller, space_id: SpaceId) -> frozenset[tuple[str, str]] | None:
        self._answer(caller)
        return self._operations.get((caller.account_id, space_id))

    def space_kind(self, caller: Caller, space_id: SpaceId) -> str | None:
        self._answer(caller)
        is_visible = (caller.account_id, space_id) in self._operations
        return self.space_kinds.get(space_id, "global") if is_visible else None

    def is_administrator(self, caller: Caller) -> bool:
        self._answer(caller)
        return caller.account_id in self.administrators

    def question_address(self, installation: Installation, question_id: ContentId) -> str:
        return f"{installation.base_url}/pages/viewpage.action?pageId={question_id}"

    def _answer(self, caller: Caller) -> None:
        if self.is_away or caller.installation.tenant_id in self.away_sites:
            self.refusals += 1
            raise Unavailable("Confluence is not answering; try again shortly.")


@dataclass(slots=True)
class Clock:
    """A clock that moves when told to."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
