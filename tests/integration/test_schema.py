"""The schema: migrations and models agree, SQL Server understands them, and no table can hold text."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import String, Unicode, create_engine, inspect

from lib.engine import engine_for
from lib.events import TALLY_KINDS, Subject
from lib.outbox import due_events
from lib.principal import ContentId, SpaceId
from lib.sql import Database, Row, TenantRow
from tests.conftest import TABLES
from tests.factories import migrate

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN_BY_PEOPLE = {("tag", "slug"), ("tag", "description"), ("tag_synonym", "slug"), ("destination", "label")}
"""The only columns that hold what somebody typed; each is named in the data map."""


def statements(url: str) -> list[list[str]]:
    """What SQLite has stored of each table and index: its lines, in an order of their own."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
        ).scalars()
        found = sorted(lines(sql) for sql in rows)
    engine.dispose()
    return found


def lines(sql: str) -> list[str]:
    parts = [re.sub(r"\s+", " ", line).strip(" ,") for line in sql.replace('"', "").split("\n")]
    # A later migration appends its columns, and SQLite writes constraints in the order of their making.
    return parts[:1] + sorted(parts[1:])


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    by_migration, by_models = (f"sqlite:///{tmp_path / name}.db" for name in ("migrated", "created"))
    migrate(by_migration)
    engine = engine_for(by_models)
    Row.metadata.create_all(engine)
    engine.dispose()

    assert statements(by_migration) == statements(by_models)


def test_running_the_migrations_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'twice.db'}"
    migrate(url)
    first = statements(url)

    migrate(url)

    assert statements(url) == first


def test_rows_of_the_first_schema_get_their_values_in_the_second(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    migrate(url, "0001")
    engine = engine_for(url)
    asked = "2026-01-02 03:04:05.678"
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("INSERT INTO account VALUES (1, 7, '557058:alice', '2026-01-01')")
        for number, (kind, guarded, answers, accepted, up) in enumerate(
            [("space", 0, 0, 0, 2), ("space", 0, 1, 0, 0), ("page", 0, 1, 1, 40), ("space", 1, 0, 0, 0)], start=1
        ):
            run(
                "INSERT INTO question (tenant_id, id, space_id, container_kind, container_id, is_guarded, author_ref,"
                " state, score, up, down, answer_count, accepted_count, created_at, active_at)"
                " VALUES (1, ?, 5, ?, 5, ?, 7, 'open', ?, ?, 0, ?, ?, ?, ?)",
                (number, kind, guarded, up, up, answers, accepted, asked, asked),
            )
            run("INSERT OR IGNORE INTO tag (tenant_id, tag_id, slug, use_count) VALUES (1, 9, 'ci', 4)")
            run("INSERT INTO question_tag VALUES (1, 9, ?, ?)", (asked, number))

    migrate(url)

    with engine.connect() as connection:
        run = connection.exec_driver_sql
        since = 1_767_323_045_678
        lift = 12 * 60 * 60 * 1000
        assert run("SELECT state, hot, version, watch_count FROM question ORDER BY id").all() == [
            ("unanswered", since + 2 * lift, 1, 0),
            ("answered", since, 1, 0),
            ("accepted", since + 28 * lift, 1, 0),
            ("unanswered", since, 1, 0),
        ]
        assert run("SELECT space_id, status, permission_epoch FROM space").all() == [(5, "current", 0)]
        assert run("SELECT tag_id, use_count, is_featured FROM tag_use").all() == [(9, 2, 0)]
        assert run("SELECT atlassian_account_id, former_key FROM account").all() == [("557058:alice", None)]
    read = partial(due_events, kinds=TALLY_KINDS, now=datetime.now(UTC), limit=10)
    due = Database(engine).read(read)
    assert [event.about for event in due] == [Subject(ContentId(number), SpaceId(5)) for number in (1, 3)]
    engine.dispose()


def test_the_history_is_one_line() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    script = ScriptDirectory.from_config(config)

    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


@pytest.mark.parametrize("module", TABLES, ids=lambda module: module.__name__)
def test_every_module_with_tables_is_known_to_the_migrations(module: object) -> None:
    source = (ROOT / "migrations" / "env.py").read_text()
    assert f"import {module.__name__}\n" in source  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def script() -> str:
    """The SQL that a database administrator would run on SQL Server; no driver is needed to write it."""
    url = "mssql+pyodbc://example.database.windows.net/questions?driver=x"
    finished = subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", "upgrade", "head", "--sql"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout


def test_the_script_for_sql_server_makes_every_table(script: str) -> None:
    made = set(re.findall(r"CREATE TABLE (\w+)", script)) - {"alembic_version"}
    assert made == set(Row.metadata.tables)


@pytest.mark.parametrize("outdated", ["IMAGE", "TEXT", "NTEXT", "DATETIME", "TIMESTAMP", "FLOAT"])
def test_the_script_for_sql_server_uses_no_outdated_type(script: str, outdated: str) -> None:
    assert re.search(rf"\b{outdated}\b(?!2)", script) is None


def test_codes_on_sql_server_are_compared_byte_by_byte(script: str) -> None:
    codes = re.findall(r"VARCHAR\(\d+\)[^,\n]*", script.replace("NVARCHAR", "UNICODE"))
    own = [code for code in codes if code != "VARCHAR(32) NOT NULL"]  # the migration tool's own table
    assert own
    assert [code for code in own if "Latin1_General_100_BIN2" not in code] == []


def test_lists_on_sql_server_have_filtered_indexes_in_their_order(script: str) -> None:
    made = dict(re.findall(r"CREATE INDEX (\w+) ON ([^;]+);", script))

    for name, key in (("newest", "created_at"), ("active", "active_at"), ("votes", "score"), ("hot", "hot")):
        order = f"state, {key} DESC, id DESC"
        assert made[f"ix_question_space_{name}"] == f"question (tenant_id, space_id, {order}) WHERE deleted_at IS NULL"
        assert made[f"ix_question_site_{name}"] == f"question (tenant_id, {order}, space_id) WHERE deleted_at IS NULL"
    assert made["ix_outbox_due"].endswith("WHERE done_at IS NULL")


def test_only_the_columns_on_the_list_hold_what_people_write() -> None:
    """Titles and texts stay in Confluence: any other text column must be an ASCII code."""
    texts = {
        (table.name, column.name): column.type
        for table in Row.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String)
    }
    typed = {place for place, kind in texts.items() if isinstance(kind, Unicode)}

    assert typed == WRITTEN_BY_PEOPLE
    assert all(kind.length for kind in texts.values())
    codes = {place for place, kind in texts.items() if "mssql" in kind._variant_mapping} - typed
    assert codes | typed == set(texts)


def test_the_keys_of_tenant_tables_are_led_by_the_tenant() -> None:
    for mapper in Row.registry.mappers:
        if not issubclass(mapper.class_, TenantRow):
            continue
        keys = [column.name for column in mapper.local_table.primary_key]
        assert keys[0] == "tenant_id", mapper.local_table.name  # type: ignore[attr-defined]


def test_references_between_tables_stay_within_the_tenant() -> None:
    for table in Row.metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            columns = [column.name for column in key.columns]
            parents = [element.column.name for element in key.elements]
            assert columns[0] == parents[0] == "tenant_id", (table.name, columns)


def test_every_table_has_the_columns_of_its_model(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'columns.db'}"
    migrate(url)
    engine = create_engine(url)
    found = {name: {column["name"] for column in inspect(engine).get_columns(name)} for name in Row.metadata.tables}
    engine.dispose()

    assert found == {name: set(table.columns.keys()) for name, table in Row.metadata.tables.items()}
