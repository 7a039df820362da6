"""Waiting for what happens in the background."""

import time
from collections.abc import Callable

WITHIN_S = 20


def eventually[T](look: Callable[[], T], what: str = "it", within_s: float = WITHIN_S) -> T:
    """The first true answer of `look`; fails when none comes in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within_s} s; last seen: {found!r}")
        time.sleep(0.05)
