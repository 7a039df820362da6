"""The schema: migrations and models agree, SQL Server understands them, and no table can hold text."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import String, create_engine, inspect

from lib.engine import engine_for
from lib.sql import Row, TenantRow
from tests.conftest import TABLES
from tests.factories import migrate

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN_BY_PEOPLE = {("tag", "slug"), ("destination", "label")}
"""The only columns that hold what somebody typed; each is named in the data map."""


def statements(url: str) -> list[list[str]]:
    """What SQLite has stored of each table and index: its lines, those of constraints in order of their names."""
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
    columns = [part for part in parts if not part.startswith("CONSTRAINT")]
    return columns + sorted(part for part in parts if part.startswith("CONSTRAINT"))


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

    assert made["ix_question_newest"] == (
        "question (tenant_id, space_id, created_at DESC, id DESC) WHERE deleted_at IS NULL"
    )
    assert made["ix_question_votes"] == "question (tenant_id, space_id, score DESC, id DESC) WHERE deleted_at IS NULL"
    assert made["ix_question_unanswered"].endswith("WHERE deleted_at IS NULL AND answer_count = 0")
    assert made["ix_outbox_due"].endswith("WHERE done_at IS NULL")


def test_only_the_columns_on_the_list_hold_what_people_write() -> None:
    """Titles and texts stay in Confluence: any other text column must be an ASCII code."""
    texts = {
        (table.name, column.name): column.type
        for table in Row.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String)
    }
    typed = {place for place, kind in texts.items() if "mssql" not in kind._variant_mapping}

    assert typed == WRITTEN_BY_PEOPLE
    assert all(kind.length for kind in texts.values())


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
