"""What an old system calls its posts and people: kept as keyed hashes, and recognised when they come again."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from lib.crypto import PURPOSE_FINGERPRINT, Keyring, UnknownKeyVersion, purpose_key
from lib.principal import AccountId, ContentId, TenantId
from lib.sql import delete_rows, insert_row, new_id, select_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.importing.model import ImportedRow
from questions_api.model import Answer, Question

_MAC_LENGTH = 48
_KEYS_TRIED = 8
"""Key versions back from the newest under which an earlier import is recognised."""

type Hashes = tuple[str, ...]
"""The same name hashed under each key version in use, the newest first: that one is written, all are looked for."""


def hashes_of(keyring: Keyring, tenant_id: TenantId, what: Literal["post", "person"], name: str) -> Hashes:
    """Keyed hashes of a name in an old system; each is led by the version of its key."""
    newest, _ = keyring.current()
    found: list[str] = []
    for version in range(newest, max(newest - _KEYS_TRIED, 0), -1):
        try:
            _, key = purpose_key(keyring, PURPOSE_FINGERPRINT, version)
        except UnknownKeyVersion:
            break
        digest = hmac.digest(key, f"import|{tenant_id}|{what}|{name}".encode(), hashlib.sha256).hex()
        found.append(f"{version}:{digest[:_MAC_LENGTH]}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a post in the old system: a person of this site, or a former user known by a keyed hash only."""

    account_id: AccountId | None
    former: Hashes = ()


def author_ref(session: Session, tenant_id: TenantId, author: Author, *, now: datetime) -> int:
    """The reference of the author; all posts of one former user share one."""
    if author.account_id is not None:
        return account_ref(session, tenant_id, author.account_id, now=now)
    held: int | None = session.scalar(
        select_rows(tenant_id, AccountRow.account_ref).where(AccountRow.former_key.in_(author.former))
    )
    if held is not None:
        return held
    made = new_id(now)
    row = {"account_ref": made, "atlassian_account_id": None, "former_key": author.former[0], "first_seen_at": now}
    session.execute(insert_row(tenant_id, AccountRow, **row))
    return made


def _content_key(content_id: ContentId) -> str:
    """A second row per import stands under the content itself: found by key, whatever source it is sent with."""
    return f"content:{content_id}"


def known_sources(session: Session, tenant_id: TenantId, sources: dict[str, Hashes]) -> dict[str, ContentId]:
    """Those of the sources that were imported before and whose content is still there, with that content's id."""
    keys = {one: source for source, hashes in sources.items() for one in hashes}
    return {keys[key]: content_id for key, content_id in _live_imports(session, tenant_id, list(keys)).items()}


def find_import(
    session: Session, tenant_id: TenantId, source: Hashes, content_id: ContentId | None = None
) -> ContentId | None:
    """The live content that the source became, or the content itself where it was imported from another source."""
    keys = [*source, *(() if content_id is None else (_content_key(content_id),))]
    found = _live_imports(session, tenant_id, keys)
    return next((found[key] for key in keys if key in found), None)


def _live_imports(session: Session, tenant_id: TenantId, keys: list[str]) -> dict[str, ContentId]:
    imported: dict[str, ContentId] = {
        row.source_hash: row.content_id
        for row in session.execute(
            select_rows(tenant_id, ImportedRow.source_hash, ImportedRow.content_id).where(
                ImportedRow.source_hash.in_(keys)
            )
        )
    }
    ids = set(imported.values())
    live = {
        *session.scalars(
            select_rows(tenant_id, Question.id).where(Question.id.in_(ids), Question.deleted_at.is_(None))
        ),
        *session.scalars(select_rows(tenant_id, Answer.id).where(Answer.id.in_(ids), Answer.deleted_at.is_(None))),
    }
    return {key: content_id for key, content_id in imported.items() if content_id in live}


def note_import(session: Session, tenant_id: TenantId, source: Hashes, content_id: ContentId, *, now: datetime) -> None:
    """Remembers the import; what the source became before, and is gone, is forgotten."""
    keys = (source[0], _content_key(content_id))
    session.execute(delete_rows(tenant_id, ImportedRow).where(ImportedRow.source_hash.in_((*source, keys[1]))))
    for key in keys:
        session.execute(insert_row(tenant_id, ImportedRow, source_hash=key, content_id=content_id, created_at=now))
