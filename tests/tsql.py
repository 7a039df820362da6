"""What SQL Server would make of the statements that tests run elsewhere: each is compiled for it and looked through.

No SQL Server runs here, and SQLAlchemy writes some constructs that it does not take, without a word. The rules are
those met so far; each names what the server says.
"""

import re
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import ClauseElement

TRAPS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("LIMIT is no T-SQL", re.compile(r"\bLIMIT\b")),
    ("NULLS FIRST and LAST are no T-SQL", re.compile(r"\bNULLS (FIRST|LAST)\b")),
    ("rows are not compared", re.compile(r"\([\w.\[\]]+, [\w.\[\]]+\) (<|>|=|IN \()")),
    ("EXISTS is no value", re.compile(r"SELECT (NOT )?\(?EXISTS|, (NOT )?\(?EXISTS")),
    ("IS takes NULL only", re.compile(r"\bIS (NOT )?[01]\b")),
    ("true and false are no T-SQL", re.compile(r"\b(true|false)\b")),
    ("paging by number of rows", re.compile(r"ROW_NUMBER\(\)|\bOFFSET \(?[1-9:]")),
    ("FETCH needs an ORDER BY before it", re.compile(r"^(?:(?!ORDER BY).)*OFFSET 0 ROWS", re.DOTALL)),
    ("an ORDER BY in a subquery needs TOP", re.compile(r"\(SELECT (?!DISTINCT TOP|TOP)[^()]*ORDER BY[^()]*\)")),
    ("|| is no T-SQL", re.compile(r"\|\|")),
    ("RETURNING is no T-SQL", re.compile(r"\bRETURNING\b")),
    ("ON CONFLICT is no T-SQL", re.compile(r"\bON CONFLICT\b")),
)

_seen: dict[str, list[str]] = {}


def compiled(statement: ClauseElement) -> str:
    """The statement as SQL Server 2022 and Azure SQL get it: the dialect learns the version when it connects."""
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    dialect.server_version_info = (16, 0)  # type: ignore[assignment]
    dialect._supports_offset_fetch = True
    return str(statement.compile(dialect=dialect))


def faults(sql: str) -> list[str]:
    """The rules that the text breaks, with the text."""
    return [f"{rule}: {sql}" for rule, pattern in TRAPS if pattern.search(sql)]


def watch(engine: Engine) -> list[str]:
    """A list that fills with the faults of whatever the engine runs from now on."""
    found: list[str] = []

    def look(_: Connection, __: Any, statement: str, ___: Any, context: Any, ____: bool) -> None:
        made = getattr(context, "compiled", None)
        if made is None:
            return
        if statement not in _seen:
            try:
                _seen[statement] = faults(compiled(made.statement))
            except CompileError as error:
                _seen[statement] = [f"not to be compiled ({error}): {statement}"]
        found.extend(_seen[statement])

    event.listen(engine, "before_cursor_execute", look)
    return found
