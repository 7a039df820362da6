"""Files of the built front end, by the names the build gave them."""

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from lib.errors import NotFound, Unavailable

_ROOT = Path(__file__).resolve().parent.parent.parent
_DIST = _ROOT / "ui" / "dist"
_ICONS = Path(__file__).resolve().parent / "icons"
_ENTRY = "src/main.tsx"
_STYLES = "style.css"
"""All styles are one file: lazily loaded parts then bring none, which the policy would have to allow for."""
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
"""One file name without a folder: nothing that could climb out of the folder it is looked up in."""

_MAX_NAME = 200
"""A longer name is an error to the file system, not a missing file."""

_MAX_KEPT = 256
"""Files kept in memory; a build has some dozens."""

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
}


@dataclass(frozen=True, slots=True)
class File:
    """A static file and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Addresses of the script and styles a page must load."""

    script: str
    styles: tuple[str, ...]


@lru_cache(maxsize=_MAX_KEPT)
def _file(folder: Path, name: str) -> File:
    """Only what is found is kept: the cache holds no exception, and anybody can make up names."""
    media_type = _MEDIA_TYPES.get(Path(name).suffix)
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name) or media_type is None:
        raise NotFound
    path = folder / name
    if not path.is_file():
        raise NotFound
    return File(path.read_bytes(), media_type)


def asset(name: str) -> File:
    """A file of the build; names hold a hash of the content, so an answer never goes stale."""
    return _file(_DIST / "assets", name)


def icon(name: str) -> File:
    return _file(_ICONS, name)


@cache
def entry() -> Entry:
    """What the build's manifest says a page must load. `Unavailable` when the front end is not built."""
    try:
        manifest = json.loads((_DIST / ".vite" / "manifest.json").read_bytes())
    except FileNotFoundError:
        raise Unavailable("The front end has not been built.") from None
    styles = (manifest[_STYLES]["file"], *manifest[_ENTRY].get("css", ()))
    return Entry(f"/ui/{manifest[_ENTRY]['file']}", tuple(f"/ui/{style}" for style in styles))
