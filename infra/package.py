"""Builds build/app.zip: the app with its packages and bytecode, as it is deployed; `python -m infra.package`.

Bytecode is checked by no time stamp (PEP 552, unchecked hash): packages run from a read-only mount, where a
stale cache would be compiled anew at every cold start, which costs four to six times the import.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
STAGE = BUILD / "app"
ARCHIVE = BUILD / "app.zip"

FILES = ("function_app.py", "host.json", "requirements.txt")
PACKAGES = ("lib", "lifecycle", "questions_api", "notify")
PAGES = Path("ui") / "dist"
SITE_PACKAGES = Path(".python_packages") / "lib" / "site-packages"
_PLATFORM = "x86_64-manylinux_2_28"
_EPOCH = (2026, 1, 1, 0, 0, 0)
"""One time for every entry, so that the same sources give the same archive."""


def stage() -> None:
    """Lays out in build/app exactly what is deployed, nothing more."""
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    for name in FILES:
        shutil.copy2(ROOT / name, STAGE / name)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, STAGE / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / PAGES, STAGE / PAGES)


def install() -> None:
    """Installs the locked requirements for the cloud's platform."""
    target = STAGE / SITE_PACKAGES
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--python-version", "3.13"]
    command = [sys.executable, "-m", "uv", "pip", "install", *options, "--python-platform", _PLATFORM]
    subprocess.run([*command, "--target", str(target), "-r", str(ROOT / "requirements.txt")], check=True)  # noqa: S603
    shutil.rmtree(target / "bin", ignore_errors=True)


def compile_all() -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(STAGE, quiet=1, workers=0, invalidation_mode=mode, stripdir=str(STAGE)):
        raise SystemExit("something does not compile")


def _entries() -> Iterator[Path]:
    return (path for path in sorted(STAGE.rglob("*")) if path.is_file())


def pack() -> None:
    """Writes the archive with paths in order and times fixed."""
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in _entries():
            info = zipfile.ZipInfo(path.relative_to(STAGE).as_posix(), _EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())


_LOAD = """
import sys
sys.path[:] = [entry for entry in sys.path if "site-packages" not in entry]
sys.path.insert(0, sys.argv[2])
sys.path.append(sys.argv[1])
import function_app
assert function_app.__file__.startswith(sys.argv[1]), function_app.__file__
assert len(function_app.app.get_functions()) > 20
"""


def load() -> None:
    """Loads the archive's content the way the worker does: its packages first, the app's folder last, no settings."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(folder)
        packages = str(Path(folder) / SITE_PACKAGES)
        subprocess.run([sys.executable, "-I", "-c", _LOAD, folder, packages], check=True, env={}, cwd=folder)  # noqa: S603


def main() -> None:
    for text, step in (
        ("Collecting the app", stage),
        ("Installing its packages", install),
        ("Compiling", compile_all),
        ("Packing", pack),
        ("Loading it as the worker does", load),
    ):
        sys.stdout.write(f"{text} …\n")
        step()
    sys.stdout.write(f"{ARCHIVE.relative_to(ROOT)}: {ARCHIVE.stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
