"""The simulator's one database: schema, serialised statements and transactions on SQLite."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

type Value = str | int | None

SCHEMA_VERSION = 2
SCHEMA = f"""
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sites (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, lists_app_types INTEGER NOT NULL DEFAULT 1,
    role_mode TEXT NOT NULL DEFAULT 'PRE_ROLES', licensed INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS people (
    account_id TEXT PRIMARY KEY, site TEXT NOT NULL, name TEXT NOT NULL, account_type TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1, administers INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS groups (id TEXT PRIMARY KEY, site TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    group_id TEXT NOT NULL, account_id TEXT NOT NULL, PRIMARY KEY (group_id, account_id));
CREATE TABLE IF NOT EXISTS spaces (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
    type TEXT NOT NULL DEFAULT 'global', status TEXT NOT NULL DEFAULT 'current',
    author_id TEXT NOT NULL, created_at TEXT NOT NULL, homepage_id INTEGER NOT NULL,
    description TEXT NOT NULL, UNIQUE (site, key));
CREATE TABLE IF NOT EXISTS grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT, space_id INTEGER NOT NULL, subject_type TEXT NOT NULL,
    subject_id TEXT NOT NULL, operation TEXT NOT NULL, target_type TEXT NOT NULL,
    UNIQUE (space_id, subject_type, subject_id, operation, target_type));
CREATE TABLE IF NOT EXISTS content (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL,
    title TEXT NOT NULL, space_id INTEGER NOT NULL, container_kind TEXT NOT NULL, container_id INTEGER NOT NULL,
    author_id TEXT NOT NULL, created_at TEXT NOT NULL, modified_at TEXT NOT NULL, modifier_id TEXT NOT NULL,
    version INTEGER NOT NULL, message TEXT NOT NULL, representation TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS content_by_type ON content (site, type, space_id);
CREATE INDEX IF NOT EXISTS content_by_container ON content (container_kind, container_id);
CREATE TABLE IF NOT EXISTS versions (
    content_id INTEGER NOT NULL, number INTEGER NOT NULL, created_at TEXT NOT NULL, author_id TEXT NOT NULL,
    message TEXT NOT NULL, title TEXT NOT NULL, representation TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (content_id, number));
CREATE TABLE IF NOT EXISTS restrictions (
    content_id INTEGER NOT NULL, account_id TEXT NOT NULL, PRIMARY KEY (content_id, account_id));
CREATE TABLE IF NOT EXISTS installations (
    site TEXT PRIMARY KEY, client_key TEXT NOT NULL, app_key TEXT NOT NULL, state TEXT NOT NULL,
    unconfirmed INTEGER NOT NULL, shared_secret TEXT NOT NULL, oauth_client_id TEXT NOT NULL,
    app_account_id TEXT NOT NULL, descriptor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS access_tokens (
    hash TEXT PRIMARY KEY, site TEXT NOT NULL, account_id TEXT NOT NULL, scopes TEXT NOT NULL,
    expires_at INTEGER NOT NULL);
"""

# Content ids start above the space ids and are shared by both sites, as in the real product.
FIRST_CONTENT_ID = 131_073


class OldDataFile(Exception):
    """The data file was made by another version of the simulator."""


def timestamp() -> str:
    """Now, in the form the REST API prints: UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Storage:
    """One connection behind one lock; each statement outside a transaction commits by itself."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._check_version(path)
        self._db.executescript(SCHEMA)

    def _check_version(self, path: Path) -> None:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        if tables and version != SCHEMA_VERSION:
            self._db.close()
            raise OldDataFile(f"{path} was made by another version of the simulator; remove it to start anew")

    def rows(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Value) -> sqlite3.Row | None:
        with self._lock:
            found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return found

    def run(self, sql: str, *values: Value) -> int:
        """Executes one statement and returns the number of rows it changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block commit together or not at all; blocks may nest in one thread."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def setting(self, name: str) -> str | None:
        found = self.row("SELECT value FROM settings WHERE name = ?", name)
        return None if found is None else str(found["value"])

    def set_setting(self, name: str, value: str) -> None:
        self.run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value)

    def next_content_id(self) -> int:
        with self.transaction():
            number = int(self.setting("next-content-id") or FIRST_CONTENT_ID)
            self.set_setting("next-content-id", str(number + 1))
        return number

    def close(self) -> None:
        with self._lock:
            self._db.close()
