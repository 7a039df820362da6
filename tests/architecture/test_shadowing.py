"""Our top-level names belong to us: the worker puts the app's folder last on the search path, and a stray name wins."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("lib", "lifecycle", "questions_api", "notify", "local", "migrations", "function_app", "bench", "tests")

FOREIGN = {"__pycache__", "node_modules"}


@pytest.mark.parametrize("name", OURS)
def test_nothing_installed_has_one_of_our_names(name: str) -> None:
    assert packages_distributions().get(name, []) == []
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("name", OURS)
def test_no_folder_on_the_search_path_holds_one_of_our_names(name: str) -> None:
    """Also what no distribution owns up to: a folder or file left behind by a careless one."""
    elsewhere = [Path(entry).resolve() for entry in sys.path if entry and Path(entry).resolve() != ROOT]
    found = [entry for entry in elsewhere if (entry / name).is_dir() or (entry / f"{name}.py").is_file()]
    assert found == []


def test_every_package_says_that_it_is_one() -> None:
    """Without `__init__.py` a folder loses to any regular package of its name, even when it comes first."""
    folders = {path.parent for name in OURS for path in (ROOT / name).rglob("*.py") if FOREIGN.isdisjoint(path.parts)}
    # Alembic loads revisions by path; they are no package.
    folders.discard(ROOT / "migrations" / "versions")
    assert folders
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


INDEXING = """
import importlib, os, sys
root = sys.argv[1]
sys.path = [entry for entry in sys.path if os.path.realpath(entry or ".") != os.path.realpath(root)] + [root]
assert sys.path[-1] == root
module = importlib.import_module("function_app")
functions = module.app.get_functions()
print(len(functions), len({function.get_function_name() for function in functions}))
assert all(type(function).__name__ == "Function" for function in functions)
"""


def test_the_app_is_found_and_indexed_with_its_folder_last(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", INDEXING, str(ROOT)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert finished.returncode == 0, finished.stderr[-3000:]
    count, names = (int(number) for number in finished.stdout.split())
    assert count == names
    assert count > 20
