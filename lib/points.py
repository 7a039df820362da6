"""What calls to Confluence cost, counted per installation and hour, and when it is time to save.

Atlassian's quotas: https://developer.atlassian.com/cloud/confluence/rate-limiting/. A request costs a point and
each object it returns another. Unless Atlassian grants a quota to each tenant, all tenants of an app share one
pool. The count is this process's own; the headers of Confluence's answers say what all processes have used.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lib.principal import TenantId

HOUR_S = 3600.0
POOL = 65_000
"""Points an hour in the pool that all tenants share."""
TENANT_SHARE = 6_500
"""What one tenant may use of the pool in an hour; a tenth, so that a single busy site does not starve the rest."""
SAVING_FROM = 0.8
ROOM_UNTIL = 0.5
"""What nobody waits for stops here, long before it would make those save who do wait."""
_HELD = 20_000


@dataclass(slots=True)
class _Hour:
    """One tenant's count, or that of the pool, in the hour that began at `started`."""

    started: float
    used: int = 0
    limit: int | None = None
    remaining: int | None = None
    is_near_limit: bool = False

    def is_past(self, part: float) -> bool:
        """Whether more than that part of the hour's budget is gone."""
        if self.is_near_limit:
            return True
        if self.limit and self.remaining is not None and self.remaining < self.limit * (1 - part):
            return True
        # A limit above the pool's is the tenant's own quota.
        share = self.limit if self.limit and self.limit > POOL else TENANT_SHARE
        return self.used > share * part


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 time with a zone, or nothing."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def _tells_of_the_pool(headers: Mapping[str, str]) -> bool:
    told = f"{headers.get('ratelimit-reason', '')} {headers.get('ratelimit-policy', '')}"
    return "global" in told.lower()


@dataclass(slots=True)
class PointsBook:
    """Counts points. Shared by all threads of a process; what is lost with it is an hour's count."""

    clock: Callable[[], float] = time.time
    _hours: dict[TenantId, _Hour] = field(default_factory=dict, init=False, repr=False)
    _pool: _Hour = field(default_factory=lambda: _Hour(0.0), init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def spend(self, tenant_id: TenantId, objects: int, headers: Mapping[str, str]) -> None:
        """One request that answered that many objects; `headers` by lower-case names, understood as far as known."""
        now = self.clock()
        with self._lock:
            hour = self._hour(tenant_id, now)
            hour.used += 1 + objects
            told = hour
            if _tells_of_the_pool(headers):
                told = self._pool = self._pool if now - self._pool.started < HOUR_S else _Hour(now)
            _listen(told, headers, now)

    def add(self, tenant_id: TenantId, objects: int) -> None:
        """What the answer to a request already counted turned out to hold."""
        with self._lock:
            self._hour(tenant_id, self.clock()).used += objects

    def used(self, tenant_id: TenantId) -> int:
        """Points this process has spent on the tenant in this hour."""
        with self._lock:
            return self._hour(tenant_id, self.clock()).used

    def is_saving(self, tenant_id: TenantId) -> bool:
        """Whether more than four fifths of the hour's budget are gone: the tenant's share, or the pool."""
        return self._is_past(tenant_id, SAVING_FROM)

    def has_room(self, tenant_id: TenantId) -> bool:
        """Whether there are points for what nobody waits for: at most half of the same budget is gone."""
        return not self._is_past(tenant_id, ROOM_UNTIL)

    def _is_past(self, tenant_id: TenantId, part: float) -> bool:
        now = self.clock()
        with self._lock:
            is_pool_low = now - self._pool.started < HOUR_S and self._pool.is_past(part)
            return is_pool_low or self._hour(tenant_id, now).is_past(part)

    def _hour(self, tenant_id: TenantId, now: float) -> _Hour:
        held = self._hours.get(tenant_id)
        if held is None or now - held.started >= HOUR_S:
            if len(self._hours) >= _HELD:
                self._hours.clear()
            held = self._hours[tenant_id] = _Hour(now)
        return held


def _listen(hour: _Hour, headers: Mapping[str, str], now: float) -> None:
    """Takes over what Confluence says of its own count; an answer without such headers changes nothing."""
    limit, remaining = (_number(headers.get(f"x-ratelimit-{name}", "").strip()) for name in ("limit", "remaining"))
    near = headers.get("x-ratelimit-nearlimit", "").strip().lower()
    if limit is not None:
        hour.limit = limit
    if remaining is not None:
        hour.remaining = remaining
    if near or remaining is not None:
        hour.is_near_limit = near == "true"
    ends_at = _moment(headers.get("x-ratelimit-reset", "").strip())
    # Confluence's hour ends when it says, so that saving does not outlast it.
    if ends_at is not None and now < ends_at <= now + HOUR_S:
        hour.started = ends_at - HOUR_S
