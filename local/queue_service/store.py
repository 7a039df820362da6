"""Queues and messages of the local queue service in SQLite; every method returns after its commit."""

import json
import secrets
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# The service answers this instant for messages that never expire (31 Dec 9999 23:59:59 UTC).
NEVER_MS = 253_402_300_799_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    name TEXT PRIMARY KEY,
    metadata TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL REFERENCES queue (name) ON DELETE CASCADE,
    text TEXT NOT NULL,
    inserted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL,
    pop_receipt TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_by_visibility ON message (queue, visible_at, seq);
"""


class QueueNotFound(Exception):
    pass


class QueueAlreadyExists(Exception):
    """The queue exists with other metadata."""


class MessageNotFound(Exception):
    pass


class PopReceiptMismatch(Exception):
    """The message was received or updated by somebody else since this receipt was given."""


@dataclass(frozen=True, slots=True)
class Message:
    """Times are milliseconds since the epoch."""

    id: str
    text: str
    inserted_at: int
    expires_at: int
    visible_at: int
    dequeue_count: int
    pop_receipt: str


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class QueueStore:
    """Not thread-safe: the queue service calls it from one event loop, which also orders all writes."""

    def __init__(self, path: Path | str, *, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._clock_ms = clock_ms
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL survives a killed process; only a power cut may lose the last commits, which a local stack bears.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def create_queue(self, name: str, metadata: Mapping[str, str]) -> bool:
        """True when created, False when it exists with the same metadata."""
        wanted = json.dumps(dict(metadata), sort_keys=True)
        row = self._db.execute("SELECT metadata FROM queue WHERE name = ?", (name,)).fetchone()
        if row is None:
            self._db.execute("INSERT INTO queue (name, metadata) VALUES (?, ?)", (name, wanted))
            return True
        if row[0] != wanted:
            raise QueueAlreadyExists(name)
        return False

    def delete_queue(self, name: str) -> None:
        if self._db.execute("DELETE FROM queue WHERE name = ?", (name,)).rowcount == 0:
            raise QueueNotFound(name)

    def queues(self, prefix: str, after: str, limit: int) -> list[tuple[str, dict[str, str]]]:
        """Names and metadata in name order, strictly after the name `after`."""
        rows = self._db.execute(
            "SELECT name, metadata FROM queue WHERE name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
            (after, len(prefix), prefix, limit),
        )
        return [(name, json.loads(metadata)) for name, metadata in rows]

    def metadata(self, name: str) -> dict[str, str]:
        row = self._db.execute("SELECT metadata FROM queue WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise QueueNotFound(name)
        metadata: dict[str, str] = json.loads(row[0])
        return metadata

    def set_metadata(self, name: str, metadata: Mapping[str, str]) -> None:
        wanted = json.dumps(dict(metadata), sort_keys=True)
        if self._db.execute("UPDATE queue SET metadata = ? WHERE name = ?", (wanted, name)).rowcount == 0:
            raise QueueNotFound(name)

    def count(self, name: str) -> int:
        """All messages not expired, visible or not, as the service counts them."""
        row = self._db.execute(
            "SELECT count(*) FROM message WHERE queue = ? AND expires_at > ?", (name, self._clock_ms())
        ).fetchone()
        return int(row[0])

    def put(self, queue: str, text: str, *, delay_s: int, ttl_s: int | None) -> Message:
        self.metadata(queue)
        now = self._clock_ms()
        message = Message(
            id=str(uuid.uuid4()),
            text=text,
            inserted_at=now,
            expires_at=NEVER_MS if ttl_s is None else now + ttl_s * 1000,
            visible_at=now + delay_s * 1000,
            dequeue_count=0,
            pop_receipt=_new_receipt(),
        )
        self._db.execute(
            "INSERT INTO message (id, queue, text, inserted_at, expires_at, visible_at, dequeue_count, pop_receipt)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                message.id,
                queue,
                text,
                now,
                message.expires_at,
                message.visible_at,
                message.pop_receipt,
            ),
        )
        return message

    def receive(self, queue: str, count: int, lease_s: int) -> list[Message]:
        self.metadata(queue)
        now = self._clock_ms()
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.execute("DELETE FROM message WHERE queue = ? AND expires_at <= ?", (queue, now))
            due = self._db.execute(
                "SELECT seq FROM message WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, seq LIMIT ?",
                (queue, now, count),
            ).fetchall()
            return [self._lease(seq, now + lease_s * 1000) for (seq,) in due]

    def _lease(self, seq: int, visible_at: int) -> Message:
        row = self._db.execute(
            "UPDATE message SET visible_at = ?, dequeue_count = dequeue_count + 1, pop_receipt = ? WHERE seq = ?"
            " RETURNING id, text, inserted_at, expires_at, visible_at, dequeue_count, pop_receipt",
            (visible_at, _new_receipt(), seq),
        ).fetchone()
        return Message(*row)

    def peek(self, queue: str, count: int) -> list[Message]:
        self.metadata(queue)
        now = self._clock_ms()
        rows = self._db.execute(
            "SELECT id, text, inserted_at, expires_at, visible_at, dequeue_count, pop_receipt"
            " FROM message WHERE queue = ? AND visible_at <= ? AND expires_at > ?"
            " ORDER BY visible_at, seq LIMIT ?",
            (queue, now, now, count),
        )
        return [Message(*row) for row in rows]

    def update(self, queue: str, message_id: str, receipt: str, *, delay_s: int, text: str | None) -> Message:
        self._check_receipt(queue, message_id, receipt)
        row = self._db.execute(
            "UPDATE message SET visible_at = ?, pop_receipt = ?, text = coalesce(?, text) WHERE id = ?"
            " RETURNING id, text, inserted_at, expires_at, visible_at, dequeue_count, pop_receipt",
            (self._clock_ms() + delay_s * 1000, _new_receipt(), text, message_id),
        ).fetchone()
        return Message(*row)

    def delete(self, queue: str, message_id: str, receipt: str) -> None:
        self._check_receipt(queue, message_id, receipt)
        self._db.execute("DELETE FROM message WHERE id = ?", (message_id,))

    def clear(self, queue: str) -> None:
        self.metadata(queue)
        self._db.execute("DELETE FROM message WHERE queue = ?", (queue,))

    def _check_receipt(self, queue: str, message_id: str, receipt: str) -> None:
        self.metadata(queue)
        row = self._db.execute(
            "SELECT pop_receipt FROM message WHERE queue = ? AND id = ? AND expires_at > ?",
            (queue, message_id, self._clock_ms()),
        ).fetchone()
        if row is None:
            raise MessageNotFound(message_id)
        if row[0] != receipt:
            raise PopReceiptMismatch(message_id)


def _new_receipt() -> str:
    return secrets.token_hex(12)
