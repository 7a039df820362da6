"""The rules for SQL Server's sake catch what they are for, and let pass what is right."""

from typing import Any

import pytest
from sqlalchemy import exists, func, select
from sqlalchemy import literal_column as literal

from questions_api.model import Question
from questions_api.watches.model import Watch
from tests.tsql import compiled, faults

BROKEN: dict[str, Any] = {
    "IS takes NULL only": select(Watch.target_id).where(Watch.is_muted.is_(False)),
    "EXISTS is no value": select(exists(select(Question.id))),
    "NULLS FIRST and LAST": select(Question.id).order_by(Question.pinned_at.desc().nulls_last()),
    "paging by number": select(Question.id).order_by(Question.id).limit(5).offset(5),
}


@pytest.mark.parametrize(("rule", "statement"), BROKEN.items(), ids=BROKEN)
def test_a_trap_is_seen(rule: str, statement: Any) -> None:
    assert [fault for fault in faults(compiled(statement)) if fault.startswith(rule)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t LIMIT 5",
        "SELECT a FROM t WHERE (a, b) < (1, 2)",
        "SELECT a FROM (SELECT a FROM t ORDER BY a) AS u",
        "SELECT a FROM t OFFSET 0 ROWS FETCH FIRST 5 ROWS ONLY",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t (a) VALUES (1) RETURNING a",
        "SELECT a || b FROM t",
        "SELECT a FROM t WHERE b = true",
    ],
)
def test_a_trap_is_seen_in_text(sql: str) -> None:
    assert faults(sql) != []


@pytest.mark.parametrize(
    "statement",
    [
        select(Watch.target_id).where(~Watch.is_muted, Watch.is_automatic),
        select(Question.id).where(exists(select(literal("1")).where(Question.id == 1))),
        select(func.count()).select_from(select(Question.id).order_by(Question.id.desc()).limit(5).subquery()),
        select(Question.id).where(Question.deleted_at.is_(None), Question.pinned_at.is_not(None)),
    ],
)
def test_what_is_right_passes(statement: Any) -> None:
    assert faults(compiled(statement)) == []
