"""Installations: the unit of isolation, looked up by client key at every authentication.

A process may believe what it last read of an installation for five seconds; a signature that does not fit
makes the edge read again at once, and the process that handles a change forgets at once.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    LargeBinary,
    UniqueConstraint,
    bindparam,
    select,
    true,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.crypto import DecryptionFailed, Keyring, Place, open_sealed, purpose_key, seal
from lib.errors import Unavailable
from lib.log import Log, keyed_hash
from lib.principal import AccountId, ClientKey, TenantId
from lib.sql import (
    Database,
    Instant,
    Row,
    TenantRow,
    code_type,
    default_number,
    insert_bound,
    new_id,
    partial_index,
    run_bound,
    select_bound,
    select_rows,
)

log = Log("lib.tenancy")

BELIEVED_S = 5.0
_REMEMBERED = 10_000


class InstallationState(StrEnum):
    """Life of an installation. Only an active one is authenticated."""

    ACTIVE = "active"
    DISABLED = "disabled"
    UNINSTALLED = "uninstalled"
    PURGING = "purging"
    """The grace is over and its rows are going; it can be installed anew when they are gone."""


class InstallationRow(Row):
    """One Confluence site that installed the app. Its secret is in `installation_secret`."""

    __tablename__ = "installation"
    __table_args__ = (UniqueConstraint("client_key"),)

    tenant_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    client_key: Mapped[str] = mapped_column(code_type(255))
    base_url: Mapped[str] = mapped_column(code_type(200))
    display_url: Mapped[str | None] = mapped_column(code_type(200))
    oauth_client_id: Mapped[str | None] = mapped_column(code_type(255))
    installation_ari: Mapped[str | None] = mapped_column(code_type(255))
    state: Mapped[str] = mapped_column(code_type(16))
    permission_epoch: Mapped[int] = mapped_column(Integer)
    restriction_epoch: Mapped[int] = mapped_column(Integer, default=0, server_default=default_number(0))
    is_licensed: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    secret_version: Mapped[int] = mapped_column(Integer)
    key_salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    last_issued_at: Mapped[datetime] = mapped_column(Instant)
    installed_at: Mapped[datetime] = mapped_column(Instant)
    uninstalled_at: Mapped[datetime | None] = mapped_column(Instant)
    purge_after: Mapped[datetime | None] = mapped_column(Instant)


class InstallationSecretRow(TenantRow):
    """The one live shared secret of an installation, sealed."""

    __tablename__ = "installation_secret"

    record: Mapped[bytes] = mapped_column(LargeBinary(1024))
    created_at: Mapped[datetime] = mapped_column(Instant)


class AccountRow(TenantRow):
    """A person, by reference: rows about people hold `account_ref`, so forgetting a person is one update."""

    __tablename__ = "account"

    account_ref: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    atlassian_account_id: Mapped[str | None] = mapped_column(code_type(128))
    """None for a former user: somebody who was forgotten, or whom an import could not map."""
    former_key: Mapped[str | None] = mapped_column(code_type(64))
    """Keyed hash of whom an import could not map, so that all of a person's posts share one reference."""
    first_seen_at: Mapped[datetime] = mapped_column(Instant)


# SQL Server takes two NULLs for equal, hence the conditions.
partial_index(
    "ux_account_atlassian",
    "atlassian_account_id IS NOT NULL",
    AccountRow.tenant_id,
    AccountRow.atlassian_account_id,
    unique=True,
)
partial_index("ux_account_former", "former_key IS NOT NULL", AccountRow.tenant_id, AccountRow.former_key, unique=True)


@dataclass(frozen=True, slots=True)
class Installation:
    """What a process believes about an installation; holds no secret."""

    tenant_id: TenantId
    client_key: ClientKey
    base_url: str
    display_url: str | None
    oauth_client_id: str | None
    state: InstallationState
    permission_epoch: int
    secret_version: int
    key_salt: bytes = field(repr=False)
    restriction_epoch: int = 0
    """Raised when restrictions of content change: what was confirmed of single items is not believed any more."""
    is_licensed: bool = True

    @property
    def is_active(self) -> bool:
        return self.state is InstallationState.ACTIVE


def view(row: InstallationRow) -> Installation:
    return Installation(
        tenant_id=TenantId(row.tenant_id),
        client_key=ClientKey(row.client_key),
        base_url=row.base_url,
        display_url=row.display_url,
        oauth_client_id=row.oauth_client_id,
        state=InstallationState(row.state),
        permission_epoch=row.permission_epoch,
        restriction_epoch=row.restriction_epoch or 0,
        is_licensed=row.is_licensed is not False,
        secret_version=row.secret_version,
        key_salt=row.key_salt,
    )


def secret_place(tenant_id: TenantId) -> Place:
    return Place("installation_secret", "record", tenant_id, tenant_id)


def store_secret(session: Session, keyring: Keyring, row: InstallationRow, secret: str, *, now: datetime) -> None:
    """Replaces the installation's secret; the earlier one is gone with the same commit."""
    tenant_id = TenantId(row.tenant_id)
    record = seal(keyring, row.key_salt, secret_place(tenant_id), secret.encode())
    held = session.scalar(select_rows(tenant_id, InstallationSecretRow))
    if held is None:
        session.add(InstallationSecretRow(tenant_id=tenant_id, record=record, created_at=now))
    else:
        held.record = record
        held.created_at = now
    row.secret_version += 1


def raise_permission_epoch(session: Session, tenant_id: TenantId) -> None:
    """Makes every instance forget what it cached about who may do what in this installation."""
    session.execute(
        update(InstallationRow)
        .where(InstallationRow.tenant_id == tenant_id)
        .values(permission_epoch=InstallationRow.permission_epoch + 1)
        .execution_options(synchronize_session=False)
    )


def raise_restriction_epoch(session: Session, tenant_id: TenantId) -> None:
    """Makes every instance forget which restricted items it has confirmed for whom."""
    session.execute(
        update(InstallationRow)
        .where(InstallationRow.tenant_id == tenant_id)
        .values(restriction_epoch=InstallationRow.restriction_epoch + 1)
        .execution_options(synchronize_session=False)
    )


def note_licence(session: Session, tenant_id: TenantId, *, is_licensed: bool) -> None:
    """Remembers what Confluence says of the site's licence; without one the app is read-only and loses nothing."""
    session.execute(
        update(InstallationRow)
        .where(InstallationRow.tenant_id == tenant_id)
        .values(is_licensed=is_licensed)
        .execution_options(synchronize_session=False)
    )


_ACCOUNT = select_bound(AccountRow, AccountRow.account_ref).where(
    AccountRow.atlassian_account_id == bindparam("account")
)
_ADD_ACCOUNT = insert_bound(AccountRow)


def account_ref(session: Session, tenant_id: TenantId, account_id: AccountId, *, now: datetime) -> int:
    """The reference that rows about this person hold; made at first sight."""
    held: int | None = run_bound(session, _ACCOUNT, {"tenant_id": tenant_id, "account": account_id}).scalar()
    return add_account(session, tenant_id, account_id, now=now) if held is None else held


def add_account(session: Session, tenant_id: TenantId, account_id: AccountId, *, now: datetime) -> int:
    """The reference of a person whom this transaction has found to have none."""
    made = new_id(now)
    run_bound(
        session,
        _ADD_ACCOUNT,
        {"tenant_id": tenant_id, "account_ref": made, "atlassian_account_id": account_id, "first_seen_at": now},
    )
    return made


@dataclass(slots=True)
class Tenants:
    """Installations and their secrets as this process believes them. Shared by all threads."""

    database: Database
    keyring: Callable[[], Keyring]
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _by_client_key: dict[ClientKey, tuple[float, Installation | None]] = field(default_factory=dict, init=False)
    _by_id: dict[TenantId, tuple[float, Installation | None]] = field(default_factory=dict, init=False)
    _secrets: dict[tuple[TenantId, int], bytes] = field(default_factory=dict, init=False, repr=False)

    def by_client_key(self, client_key: ClientKey, *, fresh: bool = False) -> Installation | None:
        held = self._by_client_key.get(client_key)
        if held is not None and not fresh and self.clock() - held[0] < BELIEVED_S:
            return held[1]
        return self._read(InstallationRow.client_key == client_key, self._by_client_key, client_key)

    def by_id(self, tenant_id: TenantId) -> Installation | None:
        held = self._by_id.get(tenant_id)
        if held is not None and self.clock() - held[0] < BELIEVED_S:
            return held[1]
        return self._read(InstallationRow.tenant_id == tenant_id, self._by_id, tenant_id)

    def _read[K](
        self, condition: object, cache: dict[K, tuple[float, Installation | None]], key: K
    ) -> Installation | None:
        started = self.clock()
        statement = select(InstallationRow).where(condition)  # type: ignore[arg-type]
        row = self.database.read(lambda session: session.scalar(statement))
        found = None if row is None else view(row)
        with self._lock:
            # Unknown client keys come from outside: the bound keeps a flood of them from filling memory.
            if len(cache) >= _REMEMBERED:
                cache.clear()
            cache[key] = (started, found)
        return found

    def secret(self, installation: Installation) -> bytes | None:
        """The shared secret of that version, or None when it has been replaced or destroyed meanwhile.

        `Unavailable` when its record does not open (a key that is gone, a record that was altered): an operator
        has to look.
        """
        key = (installation.tenant_id, installation.secret_version)
        held = self._secrets.get(key)
        if held is not None:
            return held
        tenant_id = installation.tenant_id
        statement = select_rows(tenant_id, InstallationSecretRow.record, InstallationRow.secret_version).join(
            InstallationRow, InstallationRow.tenant_id == InstallationSecretRow.tenant_id
        )
        row = self.database.read(lambda session: session.execute(statement).first(), tenant_id=tenant_id)
        if row is None or row.secret_version != installation.secret_version:
            return None
        try:
            secret = open_sealed(self.keyring(), installation.key_salt, secret_place(tenant_id), row.record)
        except DecryptionFailed as error:
            _, hashing_key = purpose_key(self.keyring(), "log-hash")
            log.error("shared_secret_unreadable", error=error, tenant=keyed_hash(hashing_key, str(tenant_id)))
            raise Unavailable from None
        with self._lock:
            for stale in [held for held in self._secrets if held[0] == tenant_id]:
                del self._secrets[stale]
            if len(self._secrets) >= _REMEMBERED:
                self._secrets.clear()
            self._secrets[key] = secret
        return secret

    def forget(self, client_key: ClientKey) -> None:
        """Called by the process that has just changed the installation."""
        with self._lock:
            _, installation = self._by_client_key.pop(client_key, (0.0, None))
            if installation is None:
                self._by_id.clear()
                return
            self._by_id.pop(installation.tenant_id, None)
            for stale in [held for held in self._secrets if held[0] == installation.tenant_id]:
                del self._secrets[stale]
