"""Names of events in JSON and in the row."""

from itertools import permutations

import pytest

from lib.events import CHAT_KINDS, EventKind
from notify.model import Destination
from notify.routing.subscriptions import KIND_OF, NAME_OF, EventName, names_in, read_events, to_column

ALL: tuple[EventName, ...] = ("asked", "answered", "voted", "accepted")


def test_every_kind_chat_carries_has_a_name() -> None:
    assert set(NAME_OF) == set(CHAT_KINDS)
    assert tuple(KIND_OF) == ALL


@pytest.mark.parametrize("names", [*permutations(ALL, 2), ALL, ("asked", "asked")])
def test_names_are_kept_once_and_in_one_order(names: tuple[EventName, ...]) -> None:
    kept = names_in(to_column(names))

    assert kept == [name for name in ALL if name in names]


def test_the_row_holds_kinds() -> None:
    assert read_events(to_column(["voted", "asked"])) == {EventKind.POST_VOTED, EventKind.QUESTION_ASKED}


def test_all_names_fit_their_column() -> None:
    length: int = Destination.__table__.c.events.type.length  # type: ignore[attr-defined]

    assert len(to_column(ALL)) <= length
