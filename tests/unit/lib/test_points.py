"""Points: what is counted, what Confluence's headers change, and when saving begins and ends."""

from datetime import UTC, datetime

import pytest

from lib.points import HOUR_S, POOL, TENANT_SHARE, PointsBook
from lib.principal import TenantId
from tests.fakes import Clock

ACME, GLOBEX = TenantId(1), TenantId(2)
STARTED_S = 1_795_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock(STARTED_S)


@pytest.fixture
def book(clock: Clock) -> PointsBook:
    return PointsBook(clock)


def told(limit: int, remaining: int, **more: str) -> dict[str, str]:
    return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(remaining), **more}


def test_a_request_costs_a_point_and_each_object_another(book: PointsBook) -> None:
    book.spend(ACME, 0, {})
    book.spend(ACME, 25, {})
    book.add(ACME, 3)
    assert (book.used(ACME), book.used(GLOBEX)) == (30, 0)


def test_saving_begins_above_four_fifths_of_the_share(book: PointsBook) -> None:
    book.add(ACME, TENANT_SHARE * 8 // 10)
    assert not book.is_saving(ACME)
    book.spend(ACME, 0, {})
    assert book.is_saving(ACME)
    assert not book.is_saving(GLOBEX)


def test_there_is_room_for_what_nobody_waits_for_until_half_of_the_share_is_used(
    book: PointsBook, clock: Clock
) -> None:
    book.add(ACME, TENANT_SHARE // 2)
    assert book.has_room(ACME)
    book.spend(ACME, 0, {})
    assert (book.has_room(ACME), book.is_saving(ACME)) == (False, False)
    assert book.has_room(GLOBEX)
    clock.pass_(HOUR_S)
    assert book.has_room(ACME)


@pytest.mark.parametrize(
    ("headers", "has_room"),
    [
        (told(65_000, 32_500), True),
        (told(65_000, 32_499), False),
        (told(65_000, 64_000, **{"x-ratelimit-nearlimit": "true"}), False),
        ({}, True),
    ],
)
def test_what_confluence_says_counts_for_room_too(book: PointsBook, headers: dict[str, str], has_room: bool) -> None:
    book.spend(ACME, 0, headers)
    assert book.has_room(ACME) is has_room


def test_a_pool_that_is_half_empty_has_room_for_nobody(book: PointsBook) -> None:
    book.spend(ACME, 0, told(65_000, 32_499, **{"ratelimit-policy": '"Global-app-quota";q=65000;w=3600'}))
    assert (book.has_room(GLOBEX), book.is_saving(GLOBEX)) == (False, False)


def test_a_new_hour_begins_with_nothing_used(book: PointsBook, clock: Clock) -> None:
    book.add(ACME, TENANT_SHARE)
    clock.pass_(HOUR_S - 0.01)
    assert book.is_saving(ACME)
    clock.pass_(0.01)
    assert not book.is_saving(ACME)
    assert book.used(ACME) == 0


@pytest.mark.parametrize(
    ("headers", "is_saving"),
    [
        (told(65_000, 13_000), False),
        (told(65_000, 12_999), True),
        (told(100, 0), True),
        (told(100, 100), False),
        ({"x-ratelimit-nearlimit": "true"}, True),
        ({"x-ratelimit-nearlimit": " True "}, True),
        ({"x-ratelimit-nearlimit": "false"}, False),
        (told(65_000, 60_000, **{"x-ratelimit-nearlimit": "true"}), True),
        ({"x-ratelimit-remaining": "0"}, False),
        ({"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-1"}, False),
        ({"x-ratelimit-limit": "²", "x-ratelimit-remaining": ""}, False),
        ({"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"}, False),
        ({"x-ratelimit-limit": "9" * 5000, "x-ratelimit-remaining": "1"}, False),
        ({"x-ratelimit-reset": "soon"}, False),
        ({}, False),
    ],
)
def test_what_confluence_says_is_believed_as_far_as_it_is_understood(
    book: PointsBook, headers: dict[str, str], is_saving: bool
) -> None:
    book.spend(ACME, 0, headers)
    assert book.is_saving(ACME) is is_saving


def test_the_latest_word_counts(book: PointsBook) -> None:
    book.spend(ACME, 0, told(65_000, 100, **{"x-ratelimit-nearlimit": "true"}))
    assert book.is_saving(ACME)
    book.spend(ACME, 0, {})
    assert book.is_saving(ACME)
    book.spend(ACME, 0, told(65_000, 64_000))
    assert not book.is_saving(ACME)


def test_a_tenant_with_a_quota_of_its_own_may_use_four_fifths_of_that(book: PointsBook) -> None:
    limit = POOL + 35_000
    book.spend(ACME, 0, told(limit, limit))
    book.add(ACME, TENANT_SHARE)
    assert not book.is_saving(ACME)
    book.add(ACME, limit * 8 // 10)
    assert book.is_saving(ACME)


@pytest.mark.parametrize("name", ["ratelimit-policy", "ratelimit-reason"])
def test_an_empty_pool_makes_every_tenant_save(book: PointsBook, clock: Clock, name: str) -> None:
    book.spend(ACME, 0, told(65_000, 5, **{name: '"Global-app-quota";q=65000;w=3600'}))
    assert book.is_saving(ACME)
    assert book.is_saving(GLOBEX)
    clock.pass_(HOUR_S)
    assert not book.is_saving(GLOBEX)


def test_saving_ends_with_confluences_own_hour(book: PointsBook, clock: Clock) -> None:
    ends_at = datetime.fromtimestamp(STARTED_S + 600, UTC).isoformat().replace("+00:00", "Z")
    book.spend(ACME, 0, told(65_000, 5, **{"x-ratelimit-reset": ends_at}))
    clock.pass_(599)
    assert book.is_saving(ACME)
    clock.pass_(1)
    assert not book.is_saving(ACME)


@pytest.mark.parametrize("away_s", [-1, HOUR_S + 1, 10**9])
def test_an_end_that_cannot_be_is_not_believed(book: PointsBook, clock: Clock, away_s: float) -> None:
    ends_at = datetime.fromtimestamp(STARTED_S + away_s, UTC).isoformat()
    book.spend(ACME, 0, told(65_000, 5, **{"x-ratelimit-reset": ends_at}))
    assert book.is_saving(ACME)
    clock.pass_(HOUR_S)
    assert not book.is_saving(ACME)
