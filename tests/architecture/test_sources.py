"""Rules about our own source text that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOYED = ("lib", "lifecycle", "questions_api", "notify")
FOREIGN = {"__pycache__", "node_modules"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if FOREIGN.isdisjoint(path.parts))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call of the module with the last part of the name that is called."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


def users_of(call: str, *folders: str) -> set[str]:
    return {named(path) for path in sources(*folders) if any(name == call for name, _ in calls(path))}


def test_bare_sql_names_no_table() -> None:
    """Text is not seen by the check for installations: one probe, and conditions of partial indexes."""
    users = {
        named(path)
        for path in sources(*DEPLOYED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        if any(alias.name == "text" for alias in node.names)
    }
    assert users <= {"lib/health.py", "lib/sql.py", "lib/outbox.py", "questions_api/model.py", "notify/model.py"}
    assert users_of("exec_driver_sql", *DEPLOYED) == {"lib/engine.py"}


def test_the_sessions_check_is_passed_by_in_three_places() -> None:
    """`run_bound` checks by itself, the outbox belongs to no installation, and the purge walks all tables."""
    assert users_of("connection", *DEPLOYED) <= {"lib/sql.py", "lib/outbox.py", "lifecycle/purging.py"}


def test_looking_at_all_installations_is_for_timers() -> None:
    assert users_of("across_tenants", *DEPLOYED) <= {
        "lib/idempotency.py",
        "lib/sql.py",
        "lifecycle/purging.py",
        "notify/delivery/relay.py",
        "questions_api/following/forgetting.py",
        "questions_api/following/passes.py",
        "notify/delivery/retention.py",
    }


@pytest.mark.parametrize("construct", ["tuple_", "with_for_update", "nulls_last", "nulls_first", "offset", "merge"])
def test_constructs_that_break_on_sql_server_are_not_used(construct: str) -> None:
    users = {
        f"{named(path)}:{node.lineno}" for path in sources(*DEPLOYED) for name, node in calls(path) if name == construct
    }
    assert users == set()


def test_transactions_are_committed_in_one_place() -> None:
    assert users_of("commit", *DEPLOYED) == {"lib/sql.py"}
    assert users_of("rollback", *DEPLOYED) == set()


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        named(path)
        for path in sources(*DEPLOYED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"lib/config.py"}


def test_nothing_deployed_writes_to_the_console() -> None:
    assert users_of("print", *DEPLOYED) <= {"questions_api/openapi.py", "lib/openapi.py"}


def test_use_cases_know_no_clock() -> None:
    """The time is an argument, so that every rule about time can be tried."""
    allowed = {"lib/services.py", "lib/log.py"}
    assert users_of("utcnow", *DEPLOYED) == set()
    assert users_of("now", "questions_api", "lifecycle", "notify") <= {
        named(path) for path in sources("questions_api", "lifecycle", "notify") if "services" in path.read_text()
    }
    readers = {
        named(path)
        for path in sources(*DEPLOYED)
        for name, node in calls(path)
        if name == "now" and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "datetime"
    }
    assert readers <= allowed


def test_every_module_opens_with_a_sentence_of_its_purpose() -> None:
    without = [
        named(path)
        for path in sources(*DEPLOYED, "local", "migrations", "bench", "infra")
        if path.name not in {"__init__.py", "env.py"}
        and path.read_text().strip()
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert without == []


def test_no_test_stands_in_with_a_mock() -> None:
    users = [
        named(path)
        for path in sources("tests", "local", *DEPLOYED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and any(
            "mock" in (alias.name, getattr(node, "module", "") or "") or alias.name == "unittest.mock"
            for alias in node.names
        )
    ]
    assert users == []


def test_everything_is_caught_at_a_rim_only() -> None:
    """HTTP, queues, the waker's thread, a health probe: each says at its `except` why."""
    broad = {
        named(path)
        for path in sources(*DEPLOYED)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    }
    assert broad <= {
        "lib/web.py",
        "lib/queues.py",
        "lib/health.py",
        "lib/scrubbing.py",
        "lib/redaction.py",
        "lib/telemetry.py",
        "questions_api/following/following.py",
        "notify/delivery/consuming.py",
        "notify/delivery/delivering.py",
    }
