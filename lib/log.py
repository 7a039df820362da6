"""The structured, sanitised logger: constant event names, an allow-list of typed fields, one JSON line per record.

A secret, a title, a name or a URL cannot be expressed: each field takes identifiers or numbers of its own
shape. What does not fit is dropped and counted in `dropped_fields`; under `configure(strict=True)`, as in
tests, it raises. Lines go to the standard logging module, whose handlers the platform provides.
"""

import hmac
import json
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from lib.scrubbing import Scrubbed, error_facts, scrub

Value = str | int | float | bool | None

HASH_LENGTH = 16

_EVENT = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
_MAX_EVENT = 64
_MAX_NUMBER = 2**63

_TRACE = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(rf"[0-9a-f]{{{HASH_LENGTH}}}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,63}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ROUTE = re.compile(r"/[A-Za-z0-9._/{}:-]{0,127}")
_METHOD = re.compile(r"[A-Z]{3,7}")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}")

_TEXTS: Final = MappingProxyType(
    {
        "trace_id": _TRACE,
        "tenant": _HASH,
        "account": _HASH,
        "route": _ROUTE,
        "method": _METHOD,
        "host": _HOST,
        "version": _VERSION,
        "event_id": _IDENTIFIER,
        "delivery_id": _IDENTIFIER,
        "destination_id": _IDENTIFIER,
    }
    | dict.fromkeys(("code", "kind", "outcome", "reason", "state", "queue", "function"), _WORD)
    | dict.fromkeys(("error_type", "setting", "table", "step"), _WORD)
)
"""Fields that hold text, and the shape of it."""

_NUMBERS: Final = frozenset(
    {"status", "http_status", "duration_ms", "attempt", "count", "error_number", "bytes", "limit", "remaining"}
    | {"checked", "registered", "updated", "removed", "points"}
    | {"age_s", "delay_s", "retry_after_s", "version", "event_id", "delivery_id", "destination_id", "epoch"}
)
"""Fields that hold a number."""

FIELDS: Final = frozenset(_TEXTS) | _NUMBERS


class FieldRefused(Exception):
    """A field or an event name the log does not take; names fields only, never their values."""


@dataclass(slots=True)
class _Switch:
    is_strict: bool = False


_switch = _Switch()


def configure(*, strict: bool) -> None:
    """Whether a field that does not fit raises `FieldRefused` (tests) or is dropped and counted (production)."""
    _switch.is_strict = strict


def keyed_hash(key: bytes, value: str) -> str:
    """16 hexadecimal digits that stand for `value` in logs; without the key they cannot be tried out."""
    return hmac.digest(key, value.encode(), "sha256").hex()[:HASH_LENGTH]


@dataclass(frozen=True, slots=True)
class Log:
    """A logger named `cq.<name>` with fields bound to it; immutable, so safe to share."""

    name: str
    bound: tuple[tuple[str, Value], ...] = ()
    dropped: int = field(default=0, repr=False)

    def bind(self, **fields: Value) -> "Log":
        """A logger that adds `fields` to every record; a later field of the same name wins."""
        taken, dropped = _checked(fields)
        return Log(self.name, tuple((dict(self.bound) | taken).items()), self.dropped + dropped)

    def info(self, event: str, **fields: Value) -> None:
        self._write(logging.INFO, event, None, fields)

    def warning(self, event: str, error: BaseException | None = None, **fields: Value) -> None:
        self._write(logging.WARNING, event, error, fields)

    def error(self, event: str, error: BaseException | None = None, **fields: Value) -> None:
        """Says of `error` and its causes the type, the scrubbed message and `file:line` of each frame."""
        self._write(logging.ERROR, event, error, fields)

    def _write(self, level: int, event: str, error: BaseException | None, fields: dict[str, Value]) -> None:
        logger = logging.getLogger(f"cq.{self.name}")
        if not logger.isEnabledFor(level) and not _switch.is_strict:
            return
        taken, dropped = _checked(fields)
        line: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level).lower(),
            "log": self.name,
            "event": _checked_event(event),
            **dict(self.bound),
            **taken,
        }
        if error is not None:
            line["errors"] = [
                {"type": fact.type, "message": fact.message, "frames": fact.frames} for fact in error_facts(error)
            ]
        if dropped + self.dropped:
            line["dropped_fields"] = dropped + self.dropped
        logger.log(level, Scrubbed(json.dumps(line, separators=(",", ":"))))


def _checked_event(event: str) -> str:
    if len(event) <= _MAX_EVENT and _EVENT.fullmatch(event):
        return event
    if _switch.is_strict:
        raise FieldRefused("an event name is a constant of lower-case words")
    return "log.malformed-event"


def _checked(fields: dict[str, Value]) -> tuple[dict[str, Value], int]:
    """(the fields that fit, how many do not)."""
    taken = {name: value for name, value in fields.items() if _fits(name, value)}
    dropped = len(fields) - len(taken)
    if dropped and _switch.is_strict:
        refused = ", ".join(sorted(fields.keys() - taken.keys()))
        raise FieldRefused(f"not in the allow-list, or not of its shape: {refused}")
    return taken, dropped


def _fits(name: str, value: Value) -> bool:
    if value is None:
        return name in FIELDS
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return name in _NUMBERS and abs(value) < _MAX_NUMBER
    shape = _TEXTS.get(name)
    return shape is not None and shape.fullmatch(value) is not None and _is_clean(value)


@lru_cache(maxsize=512)
def _is_clean(value: str) -> bool:
    """A token or a key may have the shape of a word; what the scrubber would take out does not get in."""
    return scrub(value) == value
