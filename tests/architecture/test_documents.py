"""Documents that must keep up with the code: settings, the data map and the lock files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import config
from lib.sql import Row
from tests.conftest import TABLES

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "settings.md"
READERS = {"optional", "required", "base_url", "names", "contact", "encryption_keys"}
LOCKS = ("requirements.txt", "requirements-dev.txt")


def settings_read() -> Iterator[str]:
    """The name of every setting that lib.config looks up."""
    for node in ast.walk(ast.parse(Path(config.__file__).read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        first = node.args[0]
        is_reading = node.func.attr in READERS or (
            node.func.attr == "get" and getattr(node.func.value, "id", "") == "environment"
        )
        if is_reading and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def documented() -> dict[str, list[str]]:
    """The rows of the settings' tables: name → the other cells."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in rows}


def test_the_reading_of_settings_is_found() -> None:
    names = set(settings_read())
    assert {"APP_BASE_URL", "ENCRYPTION_KEYS", "AzureWebJobsStorage__queueServiceUri", "WEBSITE_INSTANCE_ID"} <= names
    assert len(names) >= 16


@pytest.mark.parametrize("name", sorted(set(settings_read())))
def test_every_setting_is_documented(name: str) -> None:
    assert DOCUMENT.is_file(), "docs/settings.md is missing"
    cells = documented().get(name)
    assert cells is not None, f"{name} is read by lib/config.py and has no row in docs/settings.md"
    assert len(cells) == 3, f"the row of {name} has not the columns Name | Meaning | Default | Local value"
    assert all(cells), f"the row of {name} has an empty cell"


def test_no_setting_is_documented_that_nobody_reads() -> None:
    hosts_own = {
        "AzureWebJobsStorage__credential",
        "FUNCTIONS_WORKER_RUNTIME",
        "PYTHON_THREADPOOL_THREAD_COUNT",
        "PYTHON_ENABLE_OPENTELEMETRY",
    }
    assert set(documented()) - set(settings_read()) <= hosts_own


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("CONNECT_INSTALL_KEYS_URL", config.DEFAULT_INSTALL_KEYS_URL),
        ("ATLASSIAN_OAUTH_URL", config.DEFAULT_OAUTH_URL),
        ("CONNECT_SCRIPT_URL", config.DEFAULT_CONNECT_SCRIPT_URL),
        ("ATLASSIAN_ALLOWED_HOSTS", config.DEFAULT_ATLASSIAN_HOSTS),
        ("DESTINATION_HOSTS_TEAMS", config.DEFAULT_TEAMS_HOSTS),
    ],
)
def test_documented_defaults_are_the_real_ones(name: str, default: str) -> None:
    assert documented()[name][1] == f"`{default}`"


def test_every_table_is_on_the_data_map() -> None:
    assert TABLES
    listed = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "data-map.md").read_text()))
    assert set(Row.metadata.tables) <= listed


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_versions_and_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert re.search(r"--(extra-)?index-url|--find-links|--trusted-host|@ ", text) is None
    assert len(requirements) > 10
    for requirement in requirements:
        if requirement.startswith("#"):
            continue
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==[^\s;]+", requirement), requirement[:60]
        assert "--hash=sha256:" in requirement, requirement[:60]


def test_what_is_deployed_is_locked_alike_in_both_files() -> None:
    def pins(lock: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE))

    deployed, tools = (pins(lock) for lock in LOCKS)
    assert {name: tools[name] for name in deployed if name in tools} == {
        name: version for name, version in deployed.items() if name in tools
    }
    assert not {"pytest", "alembic", "ruff", "mypy", "azure-functions-runtime", "starlette"} & set(deployed)
