"""Rate limits: token buckets for each person and each site, counted by every instance for itself.

A bucket holds as many tokens as its minute allows and refills evenly, so in any t seconds at most
quota + quota · t / 60 requests pass. The clock is an argument; a bucket that has filled up again is as good as none,
which is what keeps memory bounded.
Source of the headers: IETF draft "RateLimit header fields for HTTP".
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from lib.principal import TenantId

WINDOW_S = 60
SITE_SHARE = 10
"""A site may do ten times as much as one person, whoever of its people do it."""

REMEMBERED = 20_000
_ROUNDING = 1e-9


class Limit(StrEnum):
    """What kind of work an operation is, and so how often a person may ask for it."""

    READ = "read"
    WRITE = "write"
    VOTE = "vote"
    HEAVY = "heavy"


PER_MINUTE = {Limit.READ: 600, Limit.WRITE: 120, Limit.VOTE: 60, Limit.HEAVY: 20}


@dataclass(frozen=True, slots=True)
class Policy:
    """A bucket's size: `quota` requests at once, and as many again within each minute."""

    name: str
    quota: int

    @property
    def rate(self) -> float:
        return self.quota / WINDOW_S


@dataclass(frozen=True, slots=True)
class Bucket:
    level: float
    at: float


def take(bucket: Bucket | None, policy: Policy, now: float) -> tuple[Bucket, bool]:
    """The bucket after one request at `now`, and whether it passes. No bucket is a full one (pure)."""
    if bucket is None:
        bucket = Bucket(policy.quota, now)
    at = max(now, bucket.at)
    level = min(policy.quota, bucket.level + (at - bucket.at) * policy.rate)
    passes = level >= 1 - _ROUNDING
    return Bucket(level - 1 if passes else level, at), passes


@dataclass(frozen=True, slots=True)
class Standing:
    """How a request stands against the limit that decided about it."""

    policy: Policy
    is_allowed: bool
    level: float

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self.level + _ROUNDING)) if self.is_allowed else 0

    @property
    def resets_in_s(self) -> int:
        """Seconds until the quota is whole again or, where the request was refused, until the next one passes."""
        missing = self.policy.quota - self.level if self.is_allowed else 1 - self.level
        return max(0 if self.is_allowed else 1, math.ceil(missing / self.policy.rate - _ROUNDING))

    @property
    def header(self) -> dict[str, str]:
        return {"RateLimit": f'"{self.policy.name}";r={self.remaining};t={self.resets_in_s}'}

    @property
    def policy_header(self) -> dict[str, str]:
        return {"RateLimit-Policy": f'"{self.policy.name}";q={self.policy.quota};w={WINDOW_S}'}


@dataclass(slots=True)
class _Buckets[K: Hashable]:
    """The buckets used last; those left longest are forgotten, and begin anew as full ones."""

    remembered: int
    held: OrderedDict[K, Bucket] = field(default_factory=OrderedDict)

    def put(self, key: K, bucket: Bucket) -> None:
        self.held[key] = bucket
        self.held.move_to_end(key)
        if len(self.held) > self.remembered:
            self.held.popitem(last=False)


@dataclass(slots=True)
class Limiter:
    """The buckets of one process, shared by its threads."""

    factor: float = 1.0
    clock: Callable[[], float] = time.monotonic
    remembered: int = REMEMBERED
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _people: _Buckets[tuple[TenantId, str, Limit]] = field(init=False)
    _sites: _Buckets[tuple[TenantId, Limit]] = field(init=False)

    def __post_init__(self) -> None:
        # Apart from each other, so that a site of very many people does not push sites out.
        self._people = _Buckets(self.remembered)
        self._sites = _Buckets(self.remembered)

    def policies(self, limit: Limit) -> tuple[Policy, Policy]:
        """(of a person, of a site)."""
        quota = max(1, round(PER_MINUTE[limit] * self.factor))
        return Policy(limit, quota), Policy(f"{limit}-site", quota * SITE_SHARE)

    def admit(self, tenant_id: TenantId, account_id: str, limit: Limit) -> Standing:
        """Counts one request of this person, if it passes; one that is refused costs nothing."""
        of_person, of_site = self.policies(limit)
        person, site = (tenant_id, account_id, limit), (tenant_id, limit)
        with self._lock:
            now = self.clock()
            own, own_passes = take(self._people.held.get(person), of_person, now)
            if not own_passes:
                return Standing(of_person, is_allowed=False, level=own.level)
            shared, shared_passes = take(self._sites.held.get(site), of_site, now)
            if not shared_passes:
                return Standing(of_site, is_allowed=False, level=shared.level)
            self._people.put(person, own)
            self._sites.put(site, shared)
        return Standing(of_person, is_allowed=True, level=own.level)


@cache
def limiter_of(factor: float) -> Limiter:
    """The process's limiter at this factor."""
    return Limiter(factor)
