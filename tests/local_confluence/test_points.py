"""The points quota: what a call of the app costs, what its answers say, and the refusal at the end of it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.confluence.points import Quota, cost_of
from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import (
    ALICE,
    ENG,
    ENG_PAGE,
    HR_PAGE,
    AppIdentity,
    Browser,
    Control,
    identity_of,
    question,
    update_of,
)

SPACES = "/wiki/api/v2/spaces"
CONTENT = "/wiki/api/v2/custom-content"
DEFAULT_LIMIT = 65_000


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> Iterator[None]:
    """An unused quota before and after each test that talks to a site."""
    if "control" not in request.fixturenames:
        yield
        return
    control: Control = request.getfixturevalue("control")
    assert control.send("POST", "/points/reset") == {"used": 0, "limit": DEFAULT_LIMIT, "requests": 0}
    yield
    control.send("PUT", "/points", {"limit": DEFAULT_LIMIT})
    control.send("POST", "/points/reset")


class Clock:
    def __init__(self) -> None:
        self.now = 1_767_225_600.0

    def __call__(self) -> float:
        return self.now


def test_a_new_hour_brings_new_points() -> None:
    clock = Clock()
    quota = Quota(clock)
    quota.set_limit(10)
    quota.spend(8)
    clock.now += 3599
    assert (quota.spend(5).remaining, quota.refusal() is None) == (0, False)
    refused = quota.refusal()
    assert refused is not None
    assert refused["Retry-After"] == "1"
    clock.now += 1

    assert quota.refusal() is None
    budget = quota.read()
    assert (budget.used, budget.requests, budget.limit) == (0, 0, 10)
    assert budget.headers()["X-RateLimit-Reset"] == "2026-01-01T02:00:00Z"


@pytest.mark.parametrize(("used", "near"), [(0, False), (80, False), (81, True), (100, True), (250, True)])
def test_the_headers_warn_below_a_fifth(used: int, near: bool) -> None:
    quota = Quota(Clock())
    quota.set_limit(100)
    headers = quota.spend(used).headers()

    assert headers["X-RateLimit-Remaining"] == str(max(0, 100 - used))
    assert headers.get("X-RateLimit-NearLimit") == ("true" if near else None)


@pytest.mark.parametrize(
    ("scope", "body", "points"),
    [
        ("READ", None, 1),
        ("READ", {"id": "1"}, 1),
        ("READ", {"results": []}, 1),
        ("READ", {"results": [{}, {}, {}]}, 4),
        ("WRITE", {"results": [{}, {}]}, 1),
        ("DELETE", None, 1),
    ],
)
def test_prices(scope: str, body: object, points: int) -> None:
    assert cost_of(scope, body) == points


def test_the_app_s_calls_are_counted(identity: AppIdentity, alice: Browser, control: Control) -> None:
    item = alice.created()
    wanted = f"/wiki/api/v2/pages?id={ENG_PAGE}&id={HR_PAGE}"
    costs = [
        (identity.send("GET", f"{SPACES}/{ENG}"), 1),
        (identity.send("GET", wanted), 3),
        (identity.send_as(ALICE, "GET", wanted), 3),
        (identity.send("GET", f"{CONTENT}?type={QUESTION}&id={item['id']}"), 2),
        (identity.send("POST", CONTENT, json=question()), 1),
        (identity.send_as(ALICE, "PUT", f"{CONTENT}/{item['id']}", json=update_of(item)), 1),
        (identity.send_as(ALICE, "DELETE", f"{CONTENT}/{item['id']}"), 1),
        (identity.send_as(ALICE, "GET", f"{CONTENT}/999999"), 1),
        (identity.send("POST", "/wiki/api/v2/users-bulk", json={"accountIds": [ALICE]}), 2),
    ]
    used = 0
    for answer, points in costs:
        used += points
        assert answer.headers["X-RateLimit-Limit"] == str(DEFAULT_LIMIT)
        assert answer.headers["X-RateLimit-Remaining"] == str(DEFAULT_LIMIT - used)
        assert "X-RateLimit-NearLimit" not in answer.headers
    assert control.send("GET", "/points") == {"used": used, "limit": DEFAULT_LIMIT, "requests": len(costs)}
    ends_at = datetime.fromisoformat(costs[0][0].headers["X-RateLimit-Reset"])
    assert 3000 < (ends_at - datetime.now(UTC)).total_seconds() <= 3601


def test_calls_of_browsers_cost_nothing(process: Process, alice: Browser, control: Control) -> None:
    frame = Browser(process.acme, ALICE, as_page=True)
    control.send("PUT", "/points", {"limit": 0})

    for answer in (alice.get(SPACES), frame.get(SPACES), frame.create()):
        assert answer.status_code in {200, 201}
        assert not any(name.lower().startswith("x-ratelimit") for name in answer.headers)
    assert control.send("GET", "/points") == {"used": 0, "limit": 0, "requests": 0}


def test_a_credential_that_does_not_hold_costs_nothing(identity: AppIdentity, control: Control) -> None:
    assert identity.send("GET", SPACES, "x.y.z").status_code == 401
    assert control.send("GET", "/points")["requests"] == 0


def test_when_the_points_are_used_up(identity: AppIdentity, alice: Browser, control: Control) -> None:
    control.send("PUT", "/points", {"limit": 5})
    assert "X-RateLimit-NearLimit" not in identity.send("GET", f"{SPACES}/{ENG}").headers
    last = identity.send("GET", f"{SPACES}?ids={ENG}&limit=1")
    assert (last.status_code, last.headers["X-RateLimit-Remaining"]) == (200, "2")
    over = identity.send("GET", f"/wiki/api/v2/pages?id={ENG_PAGE}&id={HR_PAGE}")
    assert (over.status_code, over.headers["X-RateLimit-Remaining"]) == (200, "0")
    assert over.headers["X-RateLimit-NearLimit"] == "true"

    title = "Never written"
    refused = [
        identity.send("GET", f"{SPACES}/{ENG}"),
        identity.send_as(ALICE, "POST", CONTENT, json=question(title=title)),
    ]
    for answer in refused:
        assert answer.status_code == 429
        assert 3000 < int(answer.headers["Retry-After"]) <= 3600
        assert answer.headers["RateLimit-Reason"] == "confluence-quota-tenant-based"
        assert answer.headers["X-RateLimit-Remaining"] == "0"
        assert answer.json()["errors"][0]["status"] == 429
    listed = alice.get(f"{CONTENT}?type={QUESTION}&sort=-id&limit=5").json()["results"]
    assert title not in {one["title"] for one in listed}
    assert control.send("GET", "/points") == {"used": 6, "limit": 5, "requests": 3}
    assert [one["status"] for one in control.send("GET", "/requests")["requests"][-3:-1]] == [429, 429]
    control.send("POST", "/points/reset")
    assert identity.send("GET", f"{SPACES}/{ENG}").status_code == 200


def test_v1_counts_as_well_and_answers_in_its_form(identity: AppIdentity, control: Control) -> None:
    path = "/wiki/rest/api/user/current"
    assert identity.send_as(ALICE, "GET", path).headers["X-RateLimit-Remaining"] == str(DEFAULT_LIMIT - 1)
    control.send("PUT", "/points", {"limit": 1})
    refused = identity.send_as(ALICE, "GET", path)

    assert (refused.status_code, refused.json()["statusCode"]) == (429, 429)


def test_each_site_has_its_own_points(process: Process, app: FakeApp, control: Control) -> None:
    control.send("PUT", "/points", {"limit": 0})

    assert identity_of(app, process.acme).send("GET", SPACES).status_code == 429
    assert identity_of(app, process.globex).send("GET", SPACES).status_code == 200


@pytest.mark.parametrize("limit", [None, -1, "10", True, 1.5])
def test_a_limit_is_a_number(control: Control, limit: object) -> None:
    assert control.refused("PUT", "/points", {"limit": limit}) == 400
