"""Wire shapes of watches."""

from typing import TypedDict

from lib.web import Wire
from questions_api.watches.listings import WatchRow
from questions_api.watches.model import WatchKind
from questions_api.wire import PageQuery, time_view


class WatchBody(Wire):
    """Watch, or mute: nothing more is told about the target, whatever else the caller watches."""

    muted: bool = False


class WatchView(TypedDict):
    """`watch` is watching, muted or null."""

    watch: str | None


class WatchesQuery(PageQuery):
    """Which of the caller's watches; all kinds where none is named."""

    kind: WatchKind | None = None


class WatchItem(TypedDict):
    """`target` is the id of a question or space, or the slug of a tag."""

    kind: str
    target: str
    watch: str
    isAutomatic: bool
    createdAt: str


class WatchPage(TypedDict):
    items: list[WatchItem]
    next: str | None


def watch_word(is_muted: bool | None) -> str | None:
    if is_muted is None:
        return None
    return "muted" if is_muted else "watching"


def watch_view(is_muted: bool | None) -> WatchView:
    return {"watch": watch_word(is_muted)}


def watch_item(row: WatchRow, target: str) -> WatchItem:
    return {
        "kind": row.target.kind,
        "target": target,
        "watch": "muted" if row.is_muted else "watching",
        "isAutomatic": row.is_automatic,
        "createdAt": time_view(row.created_at),
    }
