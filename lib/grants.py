"""What an account may do in a space: evaluated as that account by Confluence, remembered for a short while.

The only module that decides what a Confluence answer grants. An allow is believed for 60 seconds by writes
and 5 minutes by reads (15 while the hour's points run out), a deny for 30 seconds; every entry dies with the
permission epoch of its space, and of the installation.
When Confluence does not answer, nothing is granted (`Unavailable`).
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from lib.confluence import Assignment, Caller, Confluence, ContainerKind, Content, ContentKind
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.problems import RateLimited
from lib.spaces import Spaces
from lib.tenancy import Installation

WRITE_BELIEVED_S = 60.0
READ_BELIEVED_S = 300.0
SAVING_READ_BELIEVED_S = 900.0
"""How long reads believe an allow while points are short; writes never believe one for longer."""
DENY_BELIEVED_S = 30.0
_HELD = 50_000

GUESSES, GUESSES_WITHIN_S = 60, 60.0
"""How many spaces that we know nothing of and a person may not see Confluence is asked about for that person, and
within what time. Lists of the site come across known ones only."""

type GrantKey = tuple[int, int, int, AccountId, SpaceId]
type SeenKey = tuple[int, int, int, AccountId, ContentId]
"""The epochs that end an entry, and what it is about."""

type Probe = Callable[[TenantId, SpaceId], ContentId | None]
"""A live question of the space on which a person's rights can be asked for."""


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
    is_probed: bool = False
    """The site lists no rights of ours in the space; those on questions were read from a question in it."""


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


def read_probe(
    probed: Content | None,
    operations: frozenset[tuple[str, str]] | None,
    *,
    account_id: AccountId,
    space_id: SpaceId,
    question_type: str,
) -> Grant:
    """What a question of the space, as Confluence shows it to the account, says of its rights there (pure).

    Nothing, unless it is a live question in that very space. Deleting one's own is no sign of the right to delete.
    """
    if probed is None or operations is None:
        return Grant()
    if (probed.type, probed.status, probed.space_id) != (question_type, "current", space_id):
        return Grant()
    if ("read", question_type) not in operations:
        return Grant()
    return Grant(
        view=True,
        add=("create", question_type) in operations,
        delete=("delete", question_type) in operations and probed.author_id != account_id,
    )


def _no_probe(_: TenantId, __: SpaceId) -> ContentId | None:
    return None


@dataclass(frozen=True, slots=True)
class Item:
    """What visibility needs to know of a post."""

    id: ContentId
    space_id: SpaceId
    container_kind: ContainerKind
    is_guarded: bool
    """Confluence has told us of restrictions; the flag adds a check and never removes one."""
    kind: ContentKind = "question"
    """An answer is seen where its question is; only restrictions of its own need more."""

    @property
    def needs_confirmation(self) -> bool:
        return self.is_guarded or (self.kind == "question" and self.container_kind != "space")


@dataclass(slots=True)
class GrantBook:
    """Grants and confirmed items, remembered per account. Shared by all threads of a process."""

    confluence: Confluence
    spaces: Spaces
    clock: Callable[[], float] = time.monotonic
    probe: Probe = _no_probe
    _grants: dict[GrantKey, tuple[float, Grants]] = field(default_factory=dict, init=False)
    _seen: dict[SeenKey, tuple[float, bool]] = field(default_factory=dict, init=False)
    _assigned: dict[GrantKey, tuple[float, tuple[Assignment, ...] | None]] = field(default_factory=dict, init=False)
    _administrators: dict[tuple[int, int, AccountId], tuple[float, bool]] = field(default_factory=dict, init=False)
    _guesses: dict[tuple[TenantId, AccountId], tuple[float, int]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(
        self, installation: Installation, account_id: AccountId, space_id: SpaceId, *, for_write: bool = False
    ) -> Grants:
        """The account's grid in the space. Raises `Unavailable` when Confluence does not answer."""
        key = self._grant_key(installation, account_id, space_id)
        held = self._grants.get(key)
        if held is not None:
            allowed_s = WRITE_BELIEVED_S if for_write else self._read_believed_s(installation)
            believed_s = allowed_s if held[1].questions.view else DENY_BELIEVED_S
            if self.clock() - held[0] < believed_s:
                return held[1]
        started, person = self.clock(), (installation.tenant_id, account_id)
        self._check_guesses(person, started)
        grants = self._ask(Caller(installation, account_id), account_id, space_id)
        is_known = self.spaces.of(installation.tenant_id, space_id).is_known
        if grants.reason == SPACE_INVISIBLE and not is_known:
            since, guesses = self._guesses.get(person, (started, 0))
            self._remember(self._guesses, person, (since, guesses + 1))
        self._remember(self._grants, key, (started, grants))
        return grants

    def _check_guesses(self, person: tuple[TenantId, AccountId], now: float) -> None:
        """Each made-up space id costs points that all sites share, so a person has few of them a minute."""
        since, guesses = self._guesses.get(person, (now, 0))
        if now - since >= GUESSES_WITHIN_S:
            self._guesses.pop(person, None)
        elif guesses >= GUESSES:
            wait_s = max(1, int(since + GUESSES_WITHIN_S - now))
            raise RateLimited(retry_after_s=wait_s, headers={})

    def assignments(
        self, installation: Installation, account_id: AccountId, space_id: SpaceId
    ) -> tuple[Assignment, ...] | None:
        """What the space gives to anybody, as the account may see it: to explain rights, never to decide them."""
        key = self._grant_key(installation, account_id, space_id)
        held = self._assigned.get(key)
        if held is not None and self.clock() - held[0] < WRITE_BELIEVED_S:
            return held[1]
        started = self.clock()
        found = self.confluence.space_assignments(Caller(installation, account_id), space_id)
        self._remember(self._assigned, key, (started, found))
        return found

    def _ask(self, caller: Caller, account_id: AccountId, space_id: SpaceId) -> Grants:
        kinds: tuple[ContentKind, ...] = ("question", "vote", "tag")
        types: dict[str, str] = {kind: self.confluence.type_of(kind) for kind in kinds}
        grants = read_grants(self.confluence.space_operations(caller, space_id), types)
        if grants.reason != TYPES_NOT_LISTED or not self.spaces.site(caller.installation.tenant_id).probes_rights:
            return grants
        probe_id = self.probe(caller.installation.tenant_id, space_id)
        if probe_id is None:
            return grants
        probed = self.confluence.content(caller, probe_id)
        operations = None if probed is None else self.confluence.item_operations(caller, probe_id)
        questions = read_probe(
            probed, operations, account_id=account_id, space_id=space_id, question_type=types["question"]
        )
        if not questions.view:
            return grants
        # Votes and tags have no items, so there is nothing to ask about them: they stay denied.
        return Grants(questions, administers_space=grants.administers_space, is_probed=True)

    def _read_believed_s(self, installation: Installation) -> float:
        is_saving = self.confluence.points.is_saving(installation.tenant_id)
        return SAVING_READ_BELIEVED_S if is_saving else READ_BELIEVED_S

    def _grant_key(self, installation: Installation, account_id: AccountId, space_id: SpaceId) -> GrantKey:
        space = self.spaces.of(installation.tenant_id, space_id)
        return (installation.tenant_id, installation.permission_epoch, space.permission_epoch, account_id, space_id)

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
        """Those posts that the account may see, given that it may see questions in their spaces.

        Items below a page, and items with restrictions of their own, are confirmed by Confluence in one read
        as the account. One that Confluence shows in another space than we think was moved: it is not shown until
        that has been followed, because the rights of the wrong space were looked at.
        """
        shown: set[ContentId] = set()
        unknown: list[Item] = []
        for item in items:
            if not item.needs_confirmation:
                shown.add(item.id)
                continue
            held = self._seen.get(self._seen_key(installation, account_id, item.id))
            if held is None or self.clock() - held[0] >= (WRITE_BELIEVED_S if held[1] else DENY_BELIEVED_S):
                unknown.append(item)
            elif held[1]:
                shown.add(item.id)
        return shown | self._confirmed(installation, account_id, unknown)

    def _confirmed(self, installation: Installation, account_id: AccountId, items: list[Item]) -> set[ContentId]:
        if not items:
            return set()
        started, caller = self.clock(), Caller(installation, account_id)
        answered: dict[ContentId, Content] = {}
        for kind in sorted({item.kind for item in items}):
            answered |= self.confluence.contents(caller, kind, [item.id for item in items if item.kind == kind])
        confirmed: set[ContentId] = set()
        for item in items:
            found = answered.get(item.id)
            may_see = found is not None and found.status == "current"
            if may_see and found is not None and found.space_id != item.space_id:
                # Not remembered: the row will follow within seconds, and the item may be shown then.
                continue
            self._remember(self._seen, self._seen_key(installation, account_id, item.id), (started, may_see))
            if may_see:
                confirmed.add(item.id)
        return confirmed

    def note_seen(self, installation: Installation, account_id: AccountId, content_id: ContentId) -> None:
        """Remembers that Confluence has just shown the account this question."""
        self._remember(self._seen, self._seen_key(installation, account_id, content_id), (self.clock(), True))

    @staticmethod
    def _seen_key(installation: Installation, account_id: AccountId, content_id: ContentId) -> SeenKey:
        epochs = (installation.permission_epoch, installation.restriction_epoch)
        return (installation.tenant_id, *epochs, account_id, content_id)

    def _remember[K, V](self, held: dict[K, V], key: K, value: V) -> None:
        with self._lock:
            # What was remembered first goes first, so that a flood of made-up ids of one site costs the others a
            # tenth of what is remembered, not all of it.
            if len(held) >= _HELD:
                for stale in list(islice(held, _HELD // 10)):
                    del held[stale]
            held.pop(key, None)
            held[key] = value
