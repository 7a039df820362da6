"""Rate limits: how much passes in any stretch of time, whose bucket it is, and that memory is bounded."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.limits import PER_MINUTE, SITE_SHARE, Bucket, Limit, Limiter, Policy, limiter_of, take
from lib.principal import TenantId

ACME, GLOBEX = TenantId(1), TenantId(2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def used(limiter: Limiter, times: int, *, tenant: TenantId = ACME, account: str = "bob") -> list[bool]:
    return [limiter.admit(tenant, account, Limit.VOTE).is_allowed for _ in range(times)]


gaps = st.lists(st.floats(min_value=-5, max_value=90, allow_nan=False), max_size=120)


@given(quota=st.integers(1, 50), gaps=gaps)
def test_no_stretch_of_time_lets_more_through_than_burst_and_refill(quota: int, gaps: list[float]) -> None:
    policy, bucket, now, passed = Policy("any", quota), None, 0.0, []
    for gap in gaps:
        now += gap
        bucket, passes = take(bucket, policy, now)
        assert -1e-6 <= bucket.level <= quota
        if passes:
            passed.append(bucket.at)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            took = passed[last] - passed[first]
            assert last - first + 1 <= quota + policy.rate * took + 1e-6


@given(quota=st.integers(1, 1000), used_up=st.floats(min_value=0, max_value=0.999))
def test_whoever_waits_as_told_passes(quota: int, used_up: float) -> None:
    limiter = Limiter(factor=quota / PER_MINUTE[Limit.VOTE], clock=(clock := Clock()))
    assert used(limiter, quota) == [True] * quota
    clock.now += used_up * 60 / quota
    refused = limiter.admit(ACME, "bob", Limit.VOTE)
    assert not refused.is_allowed
    clock.now += refused.resets_in_s
    assert used(limiter, 1) == [True]


def test_a_person_has_a_minute_s_worth_at_once_and_then_as_much_a_minute() -> None:
    limiter = Limiter(clock=(clock := Clock()))

    assert used(limiter, 61) == [True] * 60 + [False]
    clock.now += 1
    assert used(limiter, 2) == [True, False]
    clock.now += 600
    assert used(limiter, 61) == [True] * 60 + [False]


def test_a_refused_request_costs_nothing() -> None:
    limiter = Limiter(clock=(clock := Clock()))
    used(limiter, 1000)

    clock.now += 1
    assert used(limiter, 1) == [True]


def test_people_sites_and_kinds_of_work_do_not_share_a_bucket() -> None:
    limiter = Limiter(clock=Clock())
    used(limiter, 61)

    assert used(limiter, 1, account="alice") == [True]
    assert used(limiter, 1, tenant=GLOBEX) == [True]
    assert limiter.admit(ACME, "bob", Limit.READ).is_allowed


def test_a_site_may_do_ten_times_what_one_person_may() -> None:
    limiter = Limiter(clock=Clock())
    passed = sum(sum(used(limiter, 60, account=f"person-{number}")) for number in range(12))

    assert passed == 60 * SITE_SHARE
    refused = limiter.admit(ACME, "newcomer", Limit.VOTE)
    assert (refused.is_allowed, refused.policy) == (False, Policy("vote-site", 600))
    assert used(limiter, 1, tenant=GLOBEX, account="mallory") == [True]


@pytest.mark.parametrize(
    ("factor", "quota"), [(1, 600), (0.5, 300), (0.0001, 1), (1000, 600_000), (1.0005, 600), (0.0025, 2)]
)
def test_the_factor_multiplies_the_figures(factor: float, quota: int) -> None:
    person, site = Limiter(factor=factor).policies(Limit.READ)

    assert (person.quota, site.quota) == (quota, quota * SITE_SHARE)


def test_headers_name_the_limit_what_remains_and_when_it_is_whole() -> None:
    limiter = Limiter(clock=(clock := Clock()))
    first = limiter.admit(ACME, "bob", Limit.HEAVY)
    for _ in range(19):
        limiter.admit(ACME, "bob", Limit.HEAVY)
    refused = limiter.admit(ACME, "bob", Limit.HEAVY)

    assert first.header == {"RateLimit": '"heavy";r=19;t=3'}
    assert refused.header == {"RateLimit": '"heavy";r=0;t=3'}
    assert refused.policy_header == {"RateLimit-Policy": '"heavy";q=20;w=60'}
    clock.now += 2.5
    assert limiter.admit(ACME, "bob", Limit.HEAVY).header == {"RateLimit": '"heavy";r=0;t=1'}


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    limiter = Limiter(clock=Clock(), remembered=3)
    used(limiter, 60, account="kept")
    for number in range(2):
        used(limiter, 1, account=f"other-{number}")
    assert used(limiter, 1, account="kept") == [False]
    used(limiter, 1, account="other-2")

    assert len(limiter._people.held) == 3
    for number in range(500):
        used(limiter, 1, tenant=TenantId(number + 10))
    assert (len(limiter._people.held), len(limiter._sites.held)) == (3, 3)


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    policy = Policy("any", 60)
    bucket, _ = take(Bucket(0.0, 100.0), policy, 40.0)

    assert bucket == Bucket(0.0, 100.0)
    assert math.isclose(take(bucket, policy, 102.0)[0].level, 1.0)


def test_a_process_has_one_limiter_for_a_factor() -> None:
    assert limiter_of(1.5) is limiter_of(1.5)
    assert limiter_of(1.5) is not limiter_of(2.5)
