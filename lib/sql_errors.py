"""Which database errors pass by themselves, told by number, never by exception class (pure).

Azure SQL reports the same fault under different classes and only the number in the text is steady:
"[...] message (40613) (SQLDriverConnect)". Numbers: SqlClient's configurable-retry baseline and EF Core's
transient detector (learn.microsoft.com, "Troubleshoot transient connection errors in SQL Database").
"""

import re

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

TRANSIENT_NUMBERS = frozenset(
    {
        20, 64, 121, 233, 997, 1204, 1205, 1222, 4060, 4221, 10053, 10054, 10060, 10928, 10929,
        40143, 40197, 40501, 40540, 40613, 41301, 41302, 41305, 41325, 41839,
        42108, 42109, 49918, 49919, 49920,
    }
)  # fmt: skip

_SOCKET_NUMBERS = frozenset({32, 104, 110})
"""EPIPE, ECONNRESET and ETIMEDOUT: what the driver on Linux says, by chance of timing, in place of 10054 and 10060."""

_BUSY = 40501
"""The service asks for ten seconds of rest with this number; we start at five and let the caller come back."""

_CONNECT_STATES = frozenset({"08001", "08S01", "HYT00"})
"""Transient while connecting only: the same state on a statement may follow a commit that did happen."""

_POSTGRESQL_STATES = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "08000", "08003", "08006"})

_NUMBER = re.compile(r"\(([0-9]{1,6})\) \(SQL")
_STATE = re.compile(r"\('?([0-9A-Z]{5})'?,")


def error_number(error: BaseException) -> int | None:
    """SQL Server's number in a driver's text, or None."""
    found = _NUMBER.search(str(getattr(error, "orig", error)))
    return int(found.group(1)) if found else None


def is_transient(error: BaseException) -> bool:
    """Whether running the same whole transaction again may succeed."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    origin = error.orig
    state = getattr(origin, "sqlstate", None)
    if state is not None:
        return state in _POSTGRESQL_STATES
    text = str(origin)
    if isinstance(error, OperationalError) and ("database is locked" in text or "database table is locked" in text):
        return True
    if error_number(error) in TRANSIENT_NUMBERS | _SOCKET_NUMBERS:
        return True
    found = _STATE.match(text)
    if found is None:
        # psycopg reports a refused connection without a state.
        return isinstance(error, OperationalError) and error.statement is None
    return found.group(1) in _CONNECT_STATES and error.statement is None


def retry_delay_s(error: BaseException, attempt: int, jitter: float) -> float:
    """Seconds before try `attempt` + 1: exponential with full jitter (`jitter` in 0..1), short enough for HTTP."""
    start = 1.0 if error_number(error) == _BUSY else 0.05
    return start * float(2 ** (attempt - 1)) * (0.5 + jitter / 2)
