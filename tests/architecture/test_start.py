"""What importing the app costs and needs: no heavy library, no environment, no network, no disk."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LATE = (
    "azure.identity",
    "azure.keyvault",
    "azure.storage",
    "azure.core",
    "azure.monitor",
    "opentelemetry",
    "slack_sdk",
    "requests",
    "urllib3",
    "pyodbc",
    "cryptography.hazmat.primitives.ciphers.aead",
    "alembic",
)
"""Libraries that a first answer must not wait for; each is imported by whoever first needs it."""

NEVER = ("local", "bench", "tests", "migrations", "pytest", "starlette", "uvicorn")

REPORT = """
import json, socket, sys
def refuse(*_):
    raise AssertionError("importing opens no connection")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import function_app
print(json.dumps(sorted(sys.modules)))
"""


def imported(environment: Mapping[str, str]) -> list[str]:
    """Names of all modules that are loaded after `function_app` was imported in a fresh interpreter."""
    finished = subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    names: list[str] = json.loads(finished.stdout)
    return names


@pytest.fixture(scope="module")
def modules() -> list[str]:
    return imported({})


@pytest.mark.parametrize("late", LATE)
def test_heavy_libraries_wait_for_their_first_use(modules: list[str], late: str) -> None:
    assert [name for name in modules if name == late or name.startswith(f"{late}.")] == []


@pytest.mark.parametrize("never", NEVER)
def test_what_is_not_deployed_is_not_imported(modules: list[str], never: str) -> None:
    assert [name for name in modules if name == never or name.startswith(f"{never}.")] == []


def test_importing_needs_no_environment_and_minds_no_broken_one(modules: list[str]) -> None:
    broken = {"APP_BASE_URL": "nonsense", "DATABASE_URL": "nonsense", "ENCRYPTION_KEYS": "nonsense"}
    assert imported(broken) == modules


def test_the_app_names_routes_and_nothing_else() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    names = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]

    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [name for name in names if name not in {"azure.functions", "lib.health", "lib.openapi"}] == [
        name for name in names if name.endswith((".triggers", ".routes"))
    ]
    kinds = (ast.Import, ast.Assign, ast.Expr)
    assert [type(node).__name__ for node in tree.body if not isinstance(node, kinds)] == []
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.If | ast.FunctionDef | ast.Lambda | ast.Try)]
    apps = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "FunctionApp"]
    assert len(apps) == 1
