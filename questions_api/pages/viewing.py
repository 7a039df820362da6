"""Which pages an account may see, as Confluence has lately said."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lib.confluence import Caller, Confluence
from lib.principal import AccountId, SpaceId
from lib.tenancy import Installation

_BELIEVED_S = 60.0
_HELD = 50_000

type _Key = tuple[int, int, int, AccountId, int]
"""Installation, the epochs that end an entry, account, page."""


@dataclass(slots=True)
class PageBook:
    """Pages and their spaces by who may see them, remembered for a minute. Shared by all threads of a process."""

    clock: Callable[[], float] = time.monotonic
    _seen: dict[_Key, tuple[float, SpaceId | None]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def spaces_of(
        self, confluence: Confluence, installation: Installation, account_id: AccountId, page_ids: Iterable[int]
    ) -> dict[int, SpaceId]:
        """The spaces of those pages that the account may see; one read as the account for all that is not known."""
        wanted = list(dict.fromkeys(page_ids))
        found: dict[int, SpaceId | None] = {}
        unknown: list[int] = []
        for page_id in wanted:
            held = self._seen.get(_key(installation, account_id, page_id))
            if held is None or self.clock() - held[0] >= _BELIEVED_S:
                unknown.append(page_id)
            else:
                found[page_id] = held[1]
        if unknown:
            started = self.clock()
            answered = confluence.pages(Caller(installation, account_id), unknown)
            for page_id in unknown:
                found[page_id] = answered.get(page_id)
                self._remember(_key(installation, account_id, page_id), (started, found[page_id]))
        return {page_id: space_id for page_id in wanted if (space_id := found[page_id]) is not None}

    def _remember(self, key: _Key, value: tuple[float, SpaceId | None]) -> None:
        with self._lock:
            if len(self._seen) >= _HELD:
                self._seen.clear()
            self._seen[key] = value


def _key(installation: Installation, account_id: AccountId, page_id: int) -> _Key:
    epochs = (installation.permission_epoch, installation.restriction_epoch)
    return (installation.tenant_id, *epochs, account_id, page_id)
