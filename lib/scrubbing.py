"""Keeps secrets and personal data out of every log, our own and the libraries': the second net below `lib.log`.

`install_filter` puts `scrub` in front of whatever the process logs or dies of. It cannot help against text
written to standard output directly, nor against telemetry that bypasses the logging module.
"""

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from traceback import walk_tb
from types import TracebackType
from typing import Any

from lib.redaction import MARK, scrub

__all__ = ("MARK", "ErrorFacts", "Scrubbed", "error_facts", "error_text", "install_filter", "scrub")

MAX_FRAMES = 20
MAX_CAUSES = 5
MAX_MESSAGE = 2_000

_DRIVERS = frozenset({"sqlite3", "psycopg", "pyodbc", "mssql_python"})
_STATE_LENGTH = 5

QUIET_LOGGERS = ("urllib3", "requests", "httpx", "httpcore", "azure", "msal", "sqlalchemy.engine", "opentelemetry")
"""Libraries that tell URLs, headers or statements below WARNING."""

UNHANDLED = logging.getLogger("cq.unhandled")

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Scrubbed(str):
    """Text that needs no more scrubbing: `lib.log` makes it from fields it has checked one by one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What a log may say of an exception."""

    type: str
    message: str
    frames: tuple[str, ...]
    """`folder/file.py:line`, the innermost last; neither source text nor local values."""


def error_facts(error: BaseException) -> tuple[ErrorFacts, ...]:
    """The error, then its cause, the cause's cause and so on, five at most."""
    facts: list[ErrorFacts] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and len(facts) < MAX_CAUSES and id(current) not in seen:
        seen.add(id(current))
        frames = [_frame(frame.f_code.co_filename, line) for frame, line in walk_tb(current.__traceback__)]
        facts.append(ErrorFacts(type(current).__name__, _message(current), tuple(frames[-MAX_FRAMES:])))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return tuple(facts)


def error_text(error: BaseException) -> str:
    """The same in one line."""
    return " <- ".join(f"{fact.type}: {fact.message} [{' > '.join(fact.frames)}]" for fact in error_facts(error))


def _number(error: Any) -> str:
    """What a driver calls the failure: SQL Server's number, a name of SQLite's, or a state of five signs."""
    # Late: a log is there before any database library.
    from lib.sql_errors import error_number

    named = error_number(error) or getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    first = next(iter(getattr(error, "args", ())), None)
    state = first if isinstance(first, str) and len(first) == _STATE_LENGTH else None
    return str(named or state or "unknown")


def _frame(path: str, line: int) -> str:
    return f"{'/'.join(PurePath(path).parts[-2:])}:{line}"


def _message(error: BaseException) -> str:
    if hasattr(error, "orig") and hasattr(error, "statement"):
        # A database puts the values of the row it refuses into its words. The number says what happened.
        return f"database error {_number(error.orig)}"
    if type(error).__module__.partition(".")[0] in _DRIVERS:
        return f"database error {_number(error)}"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be printed must not hide where it was raised
        return "(unprintable)"
    # Scrubbed before it is cut, because half a secret may no longer look like one.
    return scrub(text[: 20 * MAX_MESSAGE])[:MAX_MESSAGE]


def clean_record(record: logging.LogRecord) -> logging.LogRecord:
    """The same record with message, arguments, exception and extra fields scrubbed."""
    if not isinstance(record.msg, Scrubbed):
        _clean_message(record)
    if record.exc_info and record.exc_info[1] is not None:
        # Kept as text only: a handler that formats the exception itself would print it whole.
        record.exc_text = error_text(record.exc_info[1])
    elif record.exc_text:
        record.exc_text = scrub(record.exc_text)
    record.exc_info = None
    if record.stack_info:
        record.stack_info = scrub(record.stack_info)
    for name in vars(record).keys() - _STANDARD_FIELDS:
        setattr(record, name, _clean_value(getattr(record, name)))
    return record


def _clean_message(record: logging.LogRecord) -> None:
    try:
        # Arguments stay apart where they can: some formatters read them.
        record.args = _clean_arguments(record.args)
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - any object may be an argument, and logging's own report prints it whole
        record.msg, record.args = "(a log message that cannot be formatted)", ()
        return
    cleaned = scrub(message)
    if cleaned != message:
        record.msg, record.args = cleaned, ()


def _clean_arguments(args: Any) -> Any:
    if isinstance(args, dict):
        return {name: _clean_value(value) for name, value in args.items()}
    if isinstance(args, tuple):
        return tuple(scrub(value) if isinstance(value, str) else value for value in args)
    return args


def _clean_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(str(value))


def install_filter() -> Callable[[], None]:
    """Scrub everything logged from now on, and unhandled exceptions; the answer undoes it. Twice does no harm.

    Handlers the root logger has now get the filter; a record factory covers handlers added later or
    elsewhere, all but the extra fields, which a record receives only after it is made.
    """
    handlers = list(logging.getLogger().handlers)
    levels = {name: logging.getLogger(name).level for name in QUIET_LOGGERS}
    made = logging.getLogRecordFactory()
    hooks = (sys.excepthook, threading.excepthook)

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return clean_record(made(*args, **kwargs))

    def undo() -> None:
        for handler in handlers:
            handler.removeFilter(clean_record)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        logging.setLogRecordFactory(made)
        sys.excepthook, threading.excepthook = hooks

    for handler in handlers:
        handler.addFilter(clean_record)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    if not getattr(made, "is_scrubbing", False):
        factory.is_scrubbing = True  # type: ignore[attr-defined]  # a mark on our own function
        logging.setLogRecordFactory(factory)
    sys.excepthook, threading.excepthook = _report, _report_thread
    return undo


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    UNHANDLED.critical("%s", Scrubbed(error_text(error)))


def _report_thread(facts: threading.ExceptHookArgs) -> None:
    if facts.exc_value is not None:
        UNHANDLED.critical("%s", Scrubbed(error_text(facts.exc_value)))
