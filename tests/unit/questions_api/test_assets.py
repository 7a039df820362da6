"""Files of the build: those there are, by name; names that anybody makes up leave no trace."""

from pathlib import Path

import pytest

from lib.errors import NotFound
from questions_api.frontend import assets


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "assets"
    made.mkdir()
    monkeypatch.setattr(assets, "_DIST", tmp_path)
    assets._file.cache_clear()
    return made


def test_a_file_is_served_with_its_type_and_read_once(folder: Path) -> None:
    (folder / "main-1a2b.js").write_bytes(b"let x")
    first = assets.asset("main-1a2b.js")
    (folder / "main-1a2b.js").unlink()

    assert (first.content, first.media_type) == (b"let x", "text/javascript; charset=utf-8")
    assert assets.asset("main-1a2b.js") is first


@pytest.mark.parametrize("name", ["none.js", "main.tsx", "..", "../main.js", "a/b.js", "", "x" * 300 + ".js"])
def test_what_is_no_file_of_the_build_is_not_found(folder: Path, name: str) -> None:
    (folder / "main.tsx").write_bytes(b"x")
    (folder.parent / "main.js").write_bytes(b"x")
    for find in (assets.asset, assets.icon):
        with pytest.raises(NotFound):
            find(name)


@pytest.mark.usefixtures("folder")
def test_made_up_names_are_not_kept() -> None:
    for number in range(100):
        with pytest.raises(NotFound):
            assets.asset(f"made-up-{number}.js")

    assert assets._file.cache_info().currsize == 0


def test_files_are_kept_up_to_a_number(folder: Path) -> None:
    for number in range(assets._MAX_KEPT + 10):
        (folder / f"file-{number}.js").write_bytes(b"x")
        assets.asset(f"file-{number}.js")

    assert assets._file.cache_info().currsize == assets._MAX_KEPT
