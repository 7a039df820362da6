"""When a delivery is tried again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.delivery.schedule import MAX_ATTEMPTS, SCHEDULE_S, next_try
from notify.outcome import Retry

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MIDDLE = 0.5
"""The value of the generator at which jitter changes nothing."""

PROMISED_TOTAL_S = 8 * 3600 + 42 * 60 + 35


def wait_s(outcome: Retry, attempt_no: int, rng: float = MIDDLE) -> float | None:
    due_at = next_try(outcome, attempt_no, now=NOW, rng=rng)
    return None if due_at is None else (due_at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("attempt_no", "expected"),
    [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1_800), (6, 7_200), (7, 21_600), (8, None), (9, None)],
)
def test_each_failed_try_waits_longer_and_the_eighth_is_the_last(attempt_no: int, expected: float | None) -> None:
    assert wait_s(Retry("server-error", 503), attempt_no) == expected


def test_the_whole_schedule_is_what_the_documentation_promises() -> None:
    assert (len(SCHEDULE_S), sum(SCHEDULE_S)) == (8, PROMISED_TOTAL_S)


@pytest.mark.parametrize(("rng", "expected"), [(0.0, 24.0), (0.5, 30.0), (1.0, 36.0)])
def test_jitter_is_a_fifth_either_way(rng: float, expected: float) -> None:
    assert wait_s(Retry("connect"), 2, rng) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("outcome", "attempt_no", "expected"),
    [
        (Retry("throttled", 429), 1, 60),
        (Retry("timeout"), 1, 60),
        (Retry("timeout"), 3, 120),
        (Retry("throttled", 429, 90), 1, 90),
        (Retry("throttled", 429, 7), 1, 60),
        (Retry("server-error", 503, 7), 1, 7),
        (Retry("server-error", 503, 2), 1, 5),
        (Retry("throttled", 429, 86_400), 1, 3_600),
        (Retry("throttled", 429, 86_400), 7, 21_600),
        (Retry("server-error", 503, 0), 1, 5),
    ],
)
def test_busy_receivers_get_a_minute_and_what_they_ask_for_up_to_an_hour(
    outcome: Retry, attempt_no: int, expected: float
) -> None:
    assert wait_s(outcome, attempt_no) == expected


@settings(deadline=None)
@given(
    reason=st.sampled_from(["throttled", "timeout", "connect", "server-error"]),
    after_s=st.none() | st.integers(0, 10**9),
    attempt_no=st.integers(1, 20),
    rng=st.floats(0, 1, exclude_max=True),
)
def test_every_wait_is_bounded_and_every_delivery_ends(
    reason: str, after_s: int | None, attempt_no: int, rng: float
) -> None:
    waited = wait_s(Retry(reason, None, after_s), attempt_no, rng)

    assert (waited is None) == (attempt_no >= MAX_ATTEMPTS)
    assert waited is None or 4 <= waited <= 1.2 * SCHEDULE_S[-1]
