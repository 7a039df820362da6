"""When a delivery is tried again (pure). The figures are a promise: docs name them."""

from datetime import datetime, timedelta

from notify.outcome import THROTTLED, TIMEOUT, Retry

SCHEDULE_S = (0, 5, 30, 120, 600, 1_800, 7_200, 21_600)
"""Seconds before each try: eight tries within 8 h 42 min 35 s."""

MAX_ATTEMPTS = len(SCHEDULE_S)
EVENT_LIFE = timedelta(hours=24)
"""An event that has reached no one by then is no news any more."""

_JITTER = 0.2
_PATIENT_REASONS = (THROTTLED, TIMEOUT)
_PATIENT_FLOOR_S = 60.0
_MAX_ASKED_S = 3_600


def next_try(outcome: Retry, attempt_no: int, *, now: datetime, rng: float) -> datetime | None:
    """When try `attempt_no` + 1 is due, or None when that was the last. `rng` is from [0, 1).

    The receiver's own wish (Retry-After) may lengthen the wait, up to an hour, and never shortens it.
    """
    if attempt_no >= MAX_ATTEMPTS:
        return None
    wait_s = SCHEDULE_S[attempt_no] * (1 - _JITTER + 2 * _JITTER * rng)
    if outcome.reason in _PATIENT_REASONS:
        wait_s = max(wait_s, _PATIENT_FLOOR_S)
    if outcome.after_s is not None:
        wait_s = max(wait_s, min(outcome.after_s, _MAX_ASKED_S))
    return now + timedelta(seconds=wait_s)
