"""Answers kept for requests that carry an `Idempotency-Key`, so that asking twice is asking once.

Source: IETF draft "The Idempotency-Key HTTP Header Field". A key belongs to the account that sent it and is kept,
with the answer, for a day. Whoever inserts the row works; others are told to wait or get what was answered. The
worker holds a lease, so that a key is free again soon after a process died. Keys are remembered under the newest
master key: a request repeated across its rotation counts as a new one.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Index, Integer, LargeBinary, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.authentication import Request
from lib.crypto import PURPOSE_FINGERPRINT, DecryptionFailed, Keyring, Place, open_sealed, purpose_key, seal
from lib.errors import Unavailable
from lib.log import Log
from lib.principal import AccountId, TenantId
from lib.problems import KeyInProgress, KeyReused
from lib.rendering import Answer
from lib.services import Services
from lib.sql import (
    Instant,
    TenantRow,
    across_tenants,
    code_type,
    delete_rows,
    insert_row,
    lost_race,
    rows_changed,
    select_rows,
    update_rows,
)
from lib.tenancy import Installation

KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(seconds=60)
MAX_KEPT_BYTES = 65_536
_FORGOTTEN_AT_ONCE = 500

log = Log("lib.idempotency")


class IdempotencyRow(TenantRow):
    """One request. The key, with who sent it, is kept as a keyed hash; the answer is sealed."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("ix_idempotency_expires_at", "expires_at"),)

    key_hash: Mapped[str] = mapped_column(code_type(64), primary_key=True)
    route: Mapped[str] = mapped_column(code_type(120))
    body_hash: Mapped[str] = mapped_column(code_type(64))
    status: Mapped[int | None] = mapped_column(Integer)
    """None while the first request is being worked on."""
    record: Mapped[bytes | None] = mapped_column(LargeBinary)
    locked_until: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request with a key: the row it has, and what that row says when it is the same request."""

    tenant_id: TenantId
    key_hash: str
    route: str
    body_hash: str

    @property
    def place(self) -> Place:
        return Place("idempotency", "record", self.tenant_id, self.key_hash)


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that stands already, sealed."""

    status: int
    record: bytes


def ticket_of(
    keyring: Keyring, tenant_id: TenantId, account_id: AccountId, *, key: str, route: str, request: Request
) -> Ticket:
    """`route` is the address's template; the path itself counts as part of the body. Bodies may hold secrets, so
    they too are hashed with a key.
    """
    _, secret = purpose_key(keyring, PURPOSE_FINGERPRINT)

    def hashed(what: str, *parts: str) -> str:
        return hmac.digest(secret, json.dumps(["idempotency", what, tenant_id, *parts]).encode(), "sha256").hex()

    body = hashlib.sha256(request.body).hexdigest()
    return Ticket(
        tenant_id,
        key_hash=hashed("key", account_id, key),
        route=route,
        body_hash=hashed("body", request.method, request.target, body),
    )


def claim(session: Session, ticket: Ticket, *, now: datetime) -> Kept | datetime:
    """What was answered, or the end of the lease under which the caller may now do the work.

    `KeyReused` where the key came with another request, `KeyInProgress` while somebody else holds the lease. Two
    who insert at once meet in a duplicate key; the second runs again and sees the first.
    """
    lease = now + LEASE
    mine = {"route": ticket.route, "body_hash": ticket.body_hash, "locked_until": lease, "expires_at": now + KEPT_FOR}
    held = session.scalar(
        select_rows(ticket.tenant_id, IdempotencyRow).where(IdempotencyRow.key_hash == ticket.key_hash)
    )
    if held is None:
        session.execute(insert_row(ticket.tenant_id, IdempotencyRow, key_hash=ticket.key_hash, **mine))
        return lease
    if held.expires_at > now:
        if (held.route, held.body_hash) != (ticket.route, ticket.body_hash):
            raise KeyReused
        if held.status is not None:
            return Kept(held.status, held.record or b"")
        if held.locked_until > now:
            raise KeyInProgress
    taken = session.execute(
        update_rows(ticket.tenant_id, IdempotencyRow)
        .where(IdempotencyRow.key_hash == ticket.key_hash)
        .where(IdempotencyRow.locked_until == held.locked_until)
        .where(IdempotencyRow.expires_at == held.expires_at)
        .values(**mine, status=None, record=None)
    )
    if rows_changed(taken) != 1:
        lost_race()
    return lease


def keep(session: Session, ticket: Ticket, lease: datetime, *, kept: Kept) -> None:
    """Remembers the answer, unless the lease has run out and somebody else has taken the key."""
    session.execute(
        update_rows(ticket.tenant_id, IdempotencyRow)
        .where(IdempotencyRow.key_hash == ticket.key_hash)
        .where(IdempotencyRow.locked_until == lease)
        .where(IdempotencyRow.status.is_(None))
        .values(status=kept.status, record=kept.record)
    )


def free(session: Session, ticket: Ticket, lease: datetime) -> None:
    """Makes the key usable again: nothing is known of what its request did."""
    session.execute(
        delete_rows(ticket.tenant_id, IdempotencyRow)
        .where(IdempotencyRow.key_hash == ticket.key_hash)
        .where(IdempotencyRow.locked_until == lease)
        .where(IdempotencyRow.status.is_(None))
    )


def forget_expired_keys(session: Session, now: datetime) -> int:
    """Deletes some of the keys whose day is over, of every installation; how many. 0 means that none is left."""
    # A timer's work: no installation asks for it, and each delete names its own.
    found = session.execute(
        across_tenants(
            select(IdempotencyRow.tenant_id, IdempotencyRow.key_hash)
            .where(IdempotencyRow.expires_at <= now)
            .limit(_FORGOTTEN_AT_ONCE)
        )
    ).all()
    of_tenant: dict[TenantId, list[str]] = {}
    for tenant_id, key_hash in found:
        of_tenant.setdefault(tenant_id, []).append(key_hash)
    deleted = 0
    for tenant_id, hashes in of_tenant.items():
        gone = session.execute(
            delete_rows(tenant_id, IdempotencyRow)
            .where(IdempotencyRow.key_hash.in_(hashes))
            .where(IdempotencyRow.expires_at <= now)
        )
        deleted += rows_changed(gone)
    return deleted


def once(
    shared: Services, installation: Installation, ticket: Ticket, work: Callable[[], Answer], *, now: datetime
) -> Answer:
    """What `work` answers, or what it answered before. When it raises, the key is free again."""
    database, tenant_id = shared.database, ticket.tenant_id
    found = database.write(partial(claim, ticket=ticket, now=now), tenant_id=tenant_id)
    if isinstance(found, Kept):
        return _replayed(shared.keyring, installation, ticket, found)
    is_kept = False
    try:
        answer = work()
        if answer.status < 500 and len(answer.body) <= MAX_KEPT_BYTES:
            kept = Kept(answer.status, _sealed(shared.keyring, installation, ticket, answer))
            # The work is done whether or not this succeeds; without it the key is free when the lease ends.
            is_kept = True
            with suppress(Unavailable):
                database.write(partial(keep, ticket=ticket, lease=found, kept=kept), tenant_id=tenant_id)
        return answer
    finally:
        if not is_kept:
            with suppress(Unavailable):
                database.write(partial(free, ticket=ticket, lease=found), tenant_id=tenant_id)


def _sealed(keyring: Keyring, installation: Installation, ticket: Ticket, answer: Answer) -> bytes:
    head = json.dumps({"mediaType": answer.media_type, "headers": dict(answer.headers)})
    return seal(keyring, installation.key_salt, ticket.place, head.encode() + b"\n" + answer.body)


def _replayed(keyring: Keyring, installation: Installation, ticket: Ticket, kept: Kept) -> Answer:
    try:
        plain = open_sealed(keyring, installation.key_salt, ticket.place, kept.record)
    except DecryptionFailed as error:
        # The work was done, so doing it again is no way out; an operator has to look.
        log.error("kept_answer_unreadable", error=error)
        raise Unavailable from None
    head, _, body = plain.partition(b"\n")
    facts = json.loads(head)
    headers = {**facts["headers"], "Idempotency-Replayed": "true"}
    return Answer(kept.status, body, facts["mediaType"], headers)
