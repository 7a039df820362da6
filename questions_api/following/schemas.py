"""Wire shapes of reconciling."""

from typing import TypedDict

from questions_api.following.model import PassKind, ReconcileRow
from questions_api.wire import moment_view, time_view


class PassView(TypedDict):
    kind: PassKind
    startedAt: str | None
    finishedAt: str | None
    dueAt: str
    isRunning: bool
    checked: int
    registered: int
    updated: int
    removed: int
    cost: int


class PassPage(TypedDict):
    items: list[PassView]
    next: str | None


def pass_view(row: ReconcileRow) -> PassView:
    is_running = row.started_at is not None and (row.finished_at is None or row.finished_at < row.started_at)
    return {
        "kind": PassKind(row.pass_kind),
        "startedAt": moment_view(row.started_at),
        "finishedAt": moment_view(row.finished_at),
        "dueAt": time_view(row.due_at),
        "isRunning": is_running,
        "checked": row.checked,
        "registered": row.registered,
        "updated": row.updated,
        "removed": row.removed,
        "cost": row.points,
    }
