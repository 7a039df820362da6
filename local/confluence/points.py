"""The points quota of an app's REST calls: a budget for each hour, its headers, and the end of it.

https://developer.atlassian.com/cloud/confluence/rate-limiting/ has the prices: one point for a request, one more
for each object a read returns.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

WINDOW_S = 3600
DEFAULT_LIMIT = 65_000
NEAR_SHARE = 0.2
REASON = "confluence-quota-tenant-based"


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the quota stands; `ends_at` is in seconds since 1970."""

    limit: int
    used: int
    requests: int
    ends_at: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        ends_at = datetime.fromtimestamp(math.ceil(self.ends_at), UTC).isoformat().replace("+00:00", "Z")
        found = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": ends_at,
        }
        near = self.remaining < self.limit * NEAR_SHARE
        return {**found, "X-RateLimit-NearLimit": "true"} if near else found

    def refusal_headers(self, now: float) -> dict[str, str]:
        wait_s = max(1, math.ceil(self.ends_at - now))
        return {**self.headers(), "Retry-After": str(wait_s), "RateLimit-Reason": REASON}


def cost_of(scope: str, body: object) -> int:
    """Writes cost one point whatever they answer."""
    results = body.get("results") if scope == "READ" and isinstance(body, dict) else None
    return 1 + (len(results) if isinstance(results, list) else 0)


class Quota:
    """One site's counter. The hour begins with the first call after the last one ended; all is lost at restart."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = DEFAULT_LIMIT
        self._used = 0
        self._requests = 0
        self._ends_at = clock() + WINDOW_S

    def _read(self) -> Budget:
        now = self._clock()
        if now >= self._ends_at:
            self._used, self._requests, self._ends_at = 0, 0, now + WINDOW_S
        return Budget(self._limit, self._used, self._requests, self._ends_at)

    def read(self) -> Budget:
        with self._lock:
            return self._read()

    def refusal(self) -> dict[str, str] | None:
        """The headers of a 429 once the points are used up; None while a call may still be made."""
        with self._lock:
            budget = self._read()
            return None if budget.remaining else budget.refusal_headers(self._clock())

    def spend(self, points: int) -> Budget:
        """A call is paid for after its answer is known, so the last one of an hour may cost more than is left."""
        with self._lock:
            self._read()
            self._used += points
            self._requests += 1
            return self._read()

    def set_limit(self, limit: int) -> Budget:
        with self._lock:
            self._limit = limit
            return self._read()

    def reset(self) -> Budget:
        """A fresh hour under the same limit."""
        with self._lock:
            self._ends_at = self._clock()
            return self._read()
