"""The names of event kinds that destinations subscribe to, in JSON and in their row (pure)."""

from collections.abc import Iterable, Mapping
from typing import Literal

from lib.events import EventKind

EventName = Literal["asked", "answered", "voted", "accepted"]

KIND_OF: Mapping[EventName, EventKind] = {
    "asked": EventKind.QUESTION_ASKED,
    "answered": EventKind.QUESTION_ANSWERED,
    "voted": EventKind.POST_VOTED,
    "accepted": EventKind.ANSWER_ACCEPTED,
}

NAME_OF: Mapping[EventKind, EventName] = {kind: name for name, kind in KIND_OF.items()}


def to_column(names: Iterable[EventName]) -> str:
    """The names in a fixed order, each once."""
    wanted = set(names)
    return ",".join(name for name in KIND_OF if name in wanted)


def names_in(column: str) -> list[EventName]:
    return [name for name in KIND_OF if name in column.split(",")]


def read_events(column: str) -> frozenset[EventKind]:
    return frozenset(KIND_OF[name] for name in names_in(column))
