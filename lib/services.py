"""The collaborators a process shares, built at first use: importing the app touches neither disk nor network."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from sqlalchemy.orm import Session

from lib.config import Settings, settings
from lib.confluence import Confluence
from lib.crypto import Keyring, StaticKeyring, VaultKeyring, purpose_key, vault_fetch
from lib.engine import engine_for
from lib.events import FOLLOW_KINDS, TALLY_KINDS, EventKind
from lib.grants import GrantBook, Probe
from lib.log import keyed_hash
from lib.outbound import Door
from lib.outbox import APPENDED
from lib.principal import AccountId, TenantId
from lib.queues import FOLLOW_QUEUE, RELAY_QUEUE, TALLY_QUEUE, Queues, StorageQueues, Waker
from lib.scrubbing import install_filter
from lib.spaces import Spaces
from lib.sql import Database
from lib.telemetry import Trace, start_exporting
from lib.tenancy import Tenants

_USER_AGENT = "community-questions/1"


def utc_now() -> datetime:
    return datetime.now(UTC)


def _queue_of(kind: EventKind) -> str:
    if kind in FOLLOW_KINDS:
        return FOLLOW_QUEUE
    return TALLY_QUEUE if kind in TALLY_KINDS else RELAY_QUEUE


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a trigger may need, already wired."""

    settings: Settings
    database: Database
    keyring: Keyring
    tenants: Tenants
    door: Door
    confluence: Confluence
    spaces: Spaces
    grants: GrantBook
    queues: Queues
    waker: Waker
    now: Callable[[], datetime] = field(default=utc_now)

    def read[T](self, work: Callable[[Session], T], *, tenant_id: TenantId | None = None) -> T:
        return self.database.read(work, tenant_id=tenant_id)

    def write[T](self, work: Callable[[Session], T], *, trace: Trace, tenant_id: TenantId | None = None) -> T:
        """What `work` returns, committed; then those who act on the events it appended are woken."""

        def traced(session: Session) -> tuple[T, set[EventKind]]:
            session.info["traceparent"] = trace.traceparent
            session.info.pop(APPENDED, None)
            result = work(session)
            return result, session.info.get(APPENDED, set())

        result, appended = self.database.write(traced, tenant_id=tenant_id)
        for queue in {_queue_of(kind) for kind in appended}:
            self.waker.wake(queue, trace.traceparent)
        return result

    def log_hash(self, value: TenantId | AccountId) -> str:
        """How an installation or a person appears in logs: joinable by us, meaningless to a reader."""
        _, key = purpose_key(self.keyring, "log-hash")
        return keyed_hash(key, str(value))


@dataclass(slots=True)
class Parts:
    """What a feature gives to the services and `lib` cannot know. Set while the app is imported, used by `build`."""

    probe_of: Callable[[Database], Probe] | None = None


PARTS = Parts()


def build(chosen: Settings) -> Services:
    """The services for these settings; nothing connects before it is used."""
    keyring: Keyring
    if chosen.key_vault_url:
        keyring = VaultKeyring(vault_fetch(chosen.key_vault_url, chosen.azure_client_id), clock=time.monotonic)
    else:
        keyring = StaticKeyring(dict(chosen.encryption_keys))
    database = Database(engine_for(chosen.database_url, client_id=chosen.azure_client_id))
    tenants = Tenants(database, lambda: keyring)
    door = Door(local_origins=chosen.outbound_local_origins, user_agent=_USER_AGENT)
    confluence = Confluence(chosen, tenants, door)
    spaces = Spaces(database)
    queues = StorageQueues(chosen.queues)
    grants = GrantBook(confluence, spaces)
    if PARTS.probe_of is not None:
        grants.probe = PARTS.probe_of(database)
    return Services(
        settings=chosen,
        database=database,
        keyring=keyring,
        tenants=tenants,
        door=door,
        confluence=confluence,
        spaces=spaces,
        grants=grants,
        queues=queues,
        waker=Waker(lambda: queues),
    )


@cache
def services() -> Services:
    """The process's services; raises `SettingsInvalid` when the environment does not describe them."""
    chosen = settings()
    install_filter()
    start_exporting(chosen)
    return build(chosen)
