"""What an account may do in a space: evaluated as that account by Confluence, remembered for a short while.

The only module that decides what a Confluence answer grants. An allow is believed for 60 seconds by writes
and 5 minutes by reads, a deny for 30 seconds; every entry dies with the installation's permission epoch.
When Confluence does not answer, nothing is granted (`Unavailable`).
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lib.confluence import Caller, Confluence, ContainerKind
from lib.principal import AccountId, ContentId, SpaceId
from lib.tenancy import Installation

WRITE_BELIEVED_S = 60.0
READ_BELIEVED_S = 300.0
DENY_BELIEVED_S = 30.0
_HELD = 50_000


@dataclass(frozen=True, slots=True)
class Grant:
    """View, add and delete of one of questions, votes or tags."""

    view: bool = False
    add: bool = False
    delete: bool = False


@dataclass(frozen=True, slots=True)
class Grants:
    """The 3×3 grid of an account in a space. `reason` says why everything is refused, when it is."""

    questions: Grant = Grant()
    votes: Grant = Grant()
    tags: Grant = Grant()
    administers_space: bool = False
    reason: str | None = None


SPACE_INVISIBLE = "space-invisible"
TYPES_NOT_LISTED = "types-not-listed"


def read_grants(operations: frozenset[tuple[str, str]] | None, types: dict[str, str]) -> Grants:
    """The grid that a space's operation list grants (pure). `types` maps question, vote and tag to type keys.

    A site that does not list app types at all grants nothing: guessing would be wider than Confluence.
    """
    if operations is None:
        return Grants(reason=SPACE_INVISIBLE)
    administers = ("administer", "space") in operations
    if not any(target in types.values() for _, target in operations):
        return Grants(administers_space=administers, reason=TYPES_NOT_LISTED)

    def grant(kind: str) -> Grant:
        target = types[kind]
        return Grant(
            view=("read", target) in operations,
            add=("create", target) in operations,
            delete=("delete", target) in operations,
        )

    return Grants(questions=grant("question"), votes=grant("vote"), tags=grant("tag"), administers_space=administers)


@dataclass(frozen=True, slots=True)
class Item:
    """What visibility needs to know of a post."""

    id: ContentId
    space_id: SpaceId
    container_kind: ContainerKind
    is_guarded: bool
    """Confluence has told us of restrictions; the flag adds a check and never removes one."""

    @property
    def needs_confirmation(self) -> bool:
        return self.is_guarded or self.container_kind != "space"


@dataclass(slots=True)
class GrantBook:
    """Grants and confirmed items, remembered per account. Shared by all threads of a process."""

    confluence: Confluence
    clock: Callable[[], float] = time.monotonic
    _grants: dict[tuple[int, int, AccountId, SpaceId], tuple[float, Grants]] = field(default_factory=dict, init=False)
    _seen: dict[tuple[int, int, AccountId, ContentId], tuple[float, bool]] = field(default_factory=dict, init=False)
    _administrators: dict[tuple[int, int, AccountId], tuple[float, bool]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(
        self, installation: Installation, account_id: AccountId, space_id: SpaceId, *, for_write: bool = False
    ) -> Grants:
        """The account's grid in the space. Raises `Unavailable` when Confluence does not answer."""
        key = (installation.tenant_id, installation.permission_epoch, account_id, space_id)
        held = self._grants.get(key)
        if held is not None:
            allowed_s = WRITE_BELIEVED_S if for_write else READ_BELIEVED_S
            believed_s = allowed_s if held[1].questions.view else DENY_BELIEVED_S
            if self.clock() - held[0] < believed_s:
                return held[1]
        started = self.clock()
        operations = self.confluence.space_operations(Caller(installation, account_id), space_id)
        kinds: tuple[tuple[str, str], ...] = (
            ("question", self.confluence.type_of("question")),
            ("vote", self.confluence.type_of("vote")),
            ("tag", self.confluence.type_of("tag")),
        )
        grants = read_grants(operations, dict(kinds))
        self._remember(self._grants, key, (started, grants))
        return grants

    def is_administrator(self, installation: Installation, account_id: AccountId) -> bool:
        """Whether the account administers this Confluence; believed like a write."""
        key = (installation.tenant_id, installation.permission_epoch, account_id)
        held = self._administrators.get(key)
        if held is not None and self.clock() - held[0] < (WRITE_BELIEVED_S if held[1] else DENY_BELIEVED_S):
            return held[1]
        started = self.clock()
        answer = self.confluence.is_administrator(Caller(installation, account_id))
        self._remember(self._administrators, key, (started, answer))
        return answer

    def visible(self, installation: Installation, account_id: AccountId, items: Iterable[Item]) -> set[ContentId]:
        """Those questions that the account may see, given that it may see questions in their spaces.

        Items below a page, and items with restrictions of their own, are confirmed by Confluence in one read
        as the account.
        """
        shown: set[ContentId] = set()
        unknown: list[ContentId] = []
        for item in items:
            if not item.needs_confirmation:
                shown.add(item.id)
                continue
            held = self._seen.get(self._seen_key(installation, account_id, item.id))
            if held is None or self.clock() - held[0] >= (WRITE_BELIEVED_S if held[1] else DENY_BELIEVED_S):
                unknown.append(item.id)
            elif held[1]:
                shown.add(item.id)
        if unknown:
            started = self.clock()
            answered = self.confluence.contents(Caller(installation, account_id), "question", unknown)
            for content_id in unknown:
                may_see = content_id in answered
                self._remember(self._seen, self._seen_key(installation, account_id, content_id), (started, may_see))
                if may_see:
                    shown.add(content_id)
        return shown

    def note_seen(self, installation: Installation, account_id: AccountId, content_id: ContentId) -> None:
        """Remembers that Confluence has just shown the account this question."""
        self._remember(self._seen, self._seen_key(installation, account_id, content_id), (self.clock(), True))

    @staticmethod
    def _seen_key(
        installation: Installation, account_id: AccountId, content_id: ContentId
    ) -> tuple[int, int, AccountId, ContentId]:
        return (installation.tenant_id, installation.permission_epoch, account_id, content_id)

    def _remember[K, V](self, held: dict[K, V], key: K, value: V) -> None:
        with self._lock:
            if len(held) >= _HELD:
                held.clear()
            held[key] = value
