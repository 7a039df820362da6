"""What the simulator remembers: channels, the messages they received and the answers scripted for them."""

import json
import secrets
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from local.chat.script import Script, ScriptedAnswer, parse_script
from local.chat.verdict import Verdict

DEFAULT_CHANNEL_NAME = "Engineering questions"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS channel (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    signature TEXT NOT NULL,
    as_the_real_one INTEGER NOT NULL DEFAULT 0,
    script TEXT,
    script_position INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id TEXT NOT NULL REFERENCES channel (id),
    received_at TEXT NOT NULL,
    card TEXT,
    text TEXT NOT NULL,
    verdict TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_by_channel ON message (channel_id, id);
"""


@dataclass(frozen=True, slots=True)
class Channel:
    """A chat channel with its incoming webhook; the signature is the webhook's secret."""

    id: str
    name: str
    signature: str = field(repr=False)
    as_the_real_one: bool
    """An invalid card is answered 202 and fails later, as the vendor does it, instead of 400."""
    scripted_answers: int
    """How many scripted answers are still to come."""
    script_repeats: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One authentic call and what became of it."""

    id: int
    channel_id: str
    received_at: str
    card: object
    text: str
    verdict: Verdict


class Store:
    """All of it in one SQLite file.

    Each method is one transaction and has committed when it returns, so a killed process loses nothing
    it has answered for. Not for use from more than one thread.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, autocommit=True)
        self._database.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives a killed process, not a lost machine: enough for a simulator, and no fsync per call.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("PRAGMA busy_timeout = 5000")
        self._database.executescript(_SCHEMA)
        if not self.channels():
            self.add_channel(DEFAULT_CHANNEL_NAME)

    def close(self) -> None:
        self._database.close()

    def channels(self) -> list[Channel]:
        with closing(self._database.execute("SELECT * FROM channel ORDER BY created_at, rowid")) as found:
            return [_channel(row) for row in found]

    def channel(self, channel_id: str) -> Channel | None:
        with closing(self._database.execute("SELECT * FROM channel WHERE id = ?", (channel_id,))) as found:
            row = found.fetchone()
        return None if row is None else _channel(row)

    def add_channel(self, name: str, *, as_the_real_one: bool = False) -> Channel:
        channel_id = secrets.token_hex(16)
        values = (channel_id, name, secrets.token_urlsafe(32), as_the_real_one, _now())
        self._database.execute(
            "INSERT INTO channel (id, name, signature, as_the_real_one, created_at) VALUES (?, ?, ?, ?, ?)", values
        )
        return Channel(
            id=channel_id,
            name=name,
            signature=values[2],
            as_the_real_one=as_the_real_one,
            scripted_answers=0,
            script_repeats=False,
        )

    def switch_realism(self, channel_id: str, *, as_the_real_one: bool) -> None:
        self._database.execute("UPDATE channel SET as_the_real_one = ? WHERE id = ?", (as_the_real_one, channel_id))

    def set_script(self, channel_id: str, script: Script | None) -> None:
        written = None if script is None else json.dumps(script.as_json())
        self._database.execute("UPDATE channel SET script = ?, script_position = 0 WHERE id = ?", (written, channel_id))

    def next_scripted_answer(self, channel_id: str) -> ScriptedAnswer | None:
        """Take the next answer off the channel's script; None when there is no script or it is spent."""
        with closing(
            self._database.execute(
                "UPDATE channel SET script_position = script_position + 1 WHERE id = ? AND script IS NOT NULL"
                " RETURNING script, script_position",
                (channel_id,),
            )
        ) as taken:
            row = taken.fetchone()
        if row is None:
            return None
        script = parse_script(json.loads(row[0]))
        position: int = row[1] - 1
        if script.repeat:
            return script.answers[position % len(script.answers)]
        return script.answers[position] if position < len(script.answers) else None

    def add_message(self, channel_id: str, *, card: object, text: str, verdict: Verdict) -> int:
        written_card = None if card is None else json.dumps(card)
        values = (channel_id, _now(), written_card, text, json.dumps(asdict(verdict)))
        with closing(
            self._database.execute(
                "INSERT INTO message (channel_id, received_at, card, text, verdict) VALUES (?, ?, ?, ?, ?)"
                " RETURNING id",
                values,
            )
        ) as added:
            message_id: int = added.fetchone()[0]
        return message_id

    def messages(self, channel_id: str | None, *, after: int = 0, last: int | None = None) -> list[Message]:
        """Oldest first. `after` is the id of a message already known; `last` keeps only the newest ones."""
        query = (
            "SELECT id, channel_id, received_at, card, text, verdict FROM message"
            " WHERE id > ? AND (? IS NULL OR channel_id = ?) ORDER BY id DESC LIMIT ?"
        )
        parameters = (after, channel_id, channel_id, -1 if last is None else last)
        with closing(self._database.execute(query, parameters)) as found:
            return [_message(row) for row in found][::-1]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _channel(row: tuple[str, str, str, int, str | None, int, str]) -> Channel:
    channel_id, name, signature, as_the_real_one, written, position, _ = row
    script = None if written is None else parse_script(json.loads(written))
    left = 0
    if script is not None:
        left = len(script.answers) if script.repeat else max(0, len(script.answers) - position)
    return Channel(
        id=channel_id,
        name=name,
        signature=signature,
        as_the_real_one=bool(as_the_real_one),
        scripted_answers=left,
        script_repeats=script is not None and script.repeat,
    )


def _message(row: tuple[int, str, str, str | None, str, str]) -> Message:
    message_id, channel_id, received_at, card, text, written = row
    verdict = json.loads(written)
    return Message(
        id=message_id,
        channel_id=channel_id,
        received_at=received_at,
        card=None if card is None else json.loads(card),
        text=text,
        verdict=Verdict(state=verdict["state"], status=verdict["status"], reasons=tuple(verdict["reasons"])),
    )
