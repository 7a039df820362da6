"""Installing, rotating, disabling and removing an installation.

Every `installed` replaces the secret at once and for good: from its commit on, tokens signed with the earlier
one are refused (Atlassian, "Connect app lifecycle"; there is no overlap in any official library).
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.connect_jwt import VerifiedClaims
from lib.crypto import Keyring
from lib.errors import Unauthenticated, Unavailable
from lib.principal import ClientKey, TenantId
from lib.sql import Instant, Row, code_type, delete_rows, new_id
from lib.tenancy import InstallationRow, InstallationSecretRow, InstallationState, store_secret
from lifecycle.payloads import Installed, LifecycleNotice

GRACE = timedelta(days=30)
"""How long an uninstalled site's rows are kept for its return."""


class InstallTokenRow(Row):
    """An accepted install token, kept until it expires: the body is not signed, so the pair is remembered."""

    __tablename__ = "install_token"

    token_hash: Mapped[str] = mapped_column(code_type(64), primary_key=True)
    body_hash: Mapped[str] = mapped_column(code_type(64))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class LifecycleRefused(Unauthenticated):
    """A signed lifecycle call that must not take effect; the caller learns no more than from a bad token."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def _is_repeat(session: Session, claims: VerifiedClaims, body: bytes, *, now: datetime) -> bool:
    """Whether this very call was accepted before; `LifecycleRefused` for its token with another body."""
    body_hash = hashlib.sha256(body).hexdigest()
    held = session.get(InstallTokenRow, claims.token_hash)
    if held is None:
        for stale in session.scalars(select(InstallTokenRow).where(InstallTokenRow.expires_at < now).limit(100)):
            session.delete(stale)
        session.add(
            InstallTokenRow(
                token_hash=claims.token_hash, body_hash=body_hash, expires_at=claims.expires_at + timedelta(minutes=5)
            )
        )
        return False
    if held.body_hash != body_hash:
        raise LifecycleRefused("token-reused")
    return True


def _find(session: Session, client_key: ClientKey) -> InstallationRow | None:
    """The installation, locked: of two callbacks at once the second sees what the first has written.

    Else both would count from the same secret version, and a process could keep the wrong secret for it.
    """
    session.execute(
        update(InstallationRow)
        .where(InstallationRow.client_key == client_key)
        .values(secret_version=InstallationRow.secret_version)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(select(InstallationRow).where(InstallationRow.client_key == client_key))


def _check_binding(claims: VerifiedClaims, client_key: ClientKey, row: InstallationRow | None) -> None:
    if claims.issuer != client_key:
        raise LifecycleRefused("issuer-mismatch")
    # Equal is allowed: Atlassian repeats calls within a second.
    if row is not None and claims.issued_at < row.last_issued_at:
        raise LifecycleRefused("older-than-last")


def install(
    session: Session, keyring: Keyring, claims: VerifiedClaims, installed: Installed, body: bytes, *, now: datetime
) -> None:
    """First install, update, rotation, rename and return after removal: one idempotent replacement."""
    row = _find(session, installed.client_key)
    _check_binding(claims, installed.client_key, row)
    if _is_repeat(session, claims, body, now=now):
        return
    if row is not None and row.state == InstallationState.PURGING:
        raise Unavailable("The site's earlier data is being deleted; try again shortly.", retry_after_s=60)
    if row is None:
        row = InstallationRow(
            tenant_id=new_id(now),
            client_key=installed.client_key,
            permission_epoch=0,
            secret_version=0,
            key_salt=secrets.token_bytes(32),
            installed_at=now,
        )
        session.add(row)
    row.base_url = installed.base_url
    row.display_url = installed.display_url
    row.oauth_client_id = installed.oauth_client_id
    row.installation_ari = installed.installation_ari or row.installation_ari
    row.state = InstallationState.ACTIVE
    row.permission_epoch += 1
    row.last_issued_at = claims.issued_at
    row.uninstalled_at = row.purge_after = None
    # Flushed before the secret, whose row may refer to this one.
    session.flush()
    store_secret(session, keyring, row, installed.shared_secret, now=now)


def uninstall(session: Session, claims: VerifiedClaims, notice: LifecycleNotice, body: bytes, *, now: datetime) -> None:
    """Stops the installation and destroys its secret; its rows wait for its return until the grace is over.

    For an installation we do not know this is nothing: there is no one to tell. One that is being purged stays so.
    """
    row = _find(session, notice.client_key)
    _check_binding(claims, notice.client_key, row)
    if row is None or _is_repeat(session, claims, body, now=now) or row.state == InstallationState.PURGING:
        return
    row.state = InstallationState.UNINSTALLED
    row.permission_epoch += 1
    row.secret_version += 1
    row.last_issued_at = claims.issued_at
    row.uninstalled_at = now
    row.purge_after = now + GRACE
    session.execute(delete_rows(TenantId(row.tenant_id), InstallationSecretRow))


def set_enabled(session: Session, tenant_id: TenantId, *, is_enabled: bool) -> None:
    """Follows `enabled` and `disabled`; an uninstalled installation stays uninstalled."""
    session.execute(
        update(InstallationRow)
        .where(
            InstallationRow.tenant_id == tenant_id,
            InstallationRow.state.in_((InstallationState.ACTIVE, InstallationState.DISABLED)),
        )
        .values(
            state=InstallationState.ACTIVE if is_enabled else InstallationState.DISABLED,
            permission_epoch=InstallationRow.permission_epoch + 1,
        )
        .execution_options(synchronize_session=False)
    )
