"""The HTTP edge under /api/v1: conditions, rate limits and the licence, on the real database."""

from collections.abc import Iterator
from dataclasses import replace

import azure.functions as func
import pytest

import questions_api.frontend.routes as frontend
from lib.limits import limiter_of
from lib.services import Services
from lib.tenancy import note_licence
from lib.web import Resource
from questions_api.frontend import assets
from tests.factories import NOW, Site
from tests.integration.edge_routes import Got, heavy, note, notes, outside, send, world
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    BOB,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
    context_token,
    request_token,
)

Sites = tuple[Site, Site]


@pytest.fixture(autouse=True)
def shared(services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    del sites
    limiter_of.cache_clear()
    world.reset()
    monkeypatch.setattr("lib.web.services", lambda: services)
    yield services
    limiter_of.cache_clear()


def test_an_answer_with_a_version_has_it_in_its_tag() -> None:
    first = send(note, "GET")
    world.version = 4
    second = send(note, "GET")

    assert first.status == second.status == 200
    assert first.headers["etag"].startswith('"3.')
    assert second.headers["etag"].startswith('"4.')
    assert first.headers["cache-control"] == "private, no-cache"


def test_other_answers_have_the_hash_alone() -> None:
    tag = send(note, "GET", path="api/v1/notes/1?of=list").headers["etag"]

    assert "." not in tag
    world.text = "second"
    assert send(note, "GET", path="api/v1/notes/1?of=list").headers["etag"] != tag


@pytest.mark.parametrize(("of", "status", "caching"), [("csv", 200, "no-store"), ("created", 201, "no-store")])
def test_what_is_no_plain_json_answer_has_no_tag(of: str, status: int, caching: str) -> None:
    answer = send(note, "GET", path=f"api/v1/notes/1?of={of}", If_None_Match="*")

    assert (answer.status, answer.headers["cache-control"]) == (status, caching)
    assert "etag" not in answer.headers


def test_a_handler_s_own_caching_stands() -> None:
    answer = send(note, "GET", path="api/v1/notes/1?of=public")

    assert answer.headers["cache-control"] == "public, max-age=5"
    assert "etag" in answer.headers


@pytest.mark.parametrize("given", ["{}", "W/{}", '"other", {}', "*"])
def test_what_the_caller_has_is_not_sent_again(given: str) -> None:
    tag = send(note, "GET").headers["etag"]
    answer = send(note, "GET", If_None_Match=given.format(tag))

    assert (answer.status, answer.raw) == (304, b"")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (tag, "private, no-cache")
    world.text = "second"
    if given != "*":
        assert send(note, "GET", If_None_Match=given.format(tag)).body["text"] == "second"


def test_a_change_is_made_to_the_version_it_is_based_on_only() -> None:
    tag = send(note, "GET").headers["etag"]
    assert send(note, "PUT", {"text": "mine"}, If_Match=tag).status == 200
    world.version = 4
    refused = send(note, "PUT", {"text": "late"}, If_Match=tag)

    assert refused.code == (412, "precondition-failed")
    assert refused.body["current"] == {"version": 4}
    assert (world.text, world.changes) == ("mine", 1)
    assert send(note, "PUT", {"text": "any"}, If_Match="*").status == 200
    assert send(note, "PUT", {"text": "none"}).status == 200


@pytest.mark.parametrize("given", ['"abc"', "3", "", '"3.a", "4.b"'])
def test_a_malformed_condition_is_refused_before_anything_is_done(given: str) -> None:
    assert send(note, "PUT", {"text": "x"}, If_Match=given).code == (400, "invalid")
    assert world.changes == 0


@pytest.mark.parametrize(("resource", "method"), [(note, "GET"), (note, "DELETE"), (notes, "POST")])
def test_a_condition_is_refused_where_nobody_honours_it(resource: Resource, method: str) -> None:
    answer = send(resource, method, {"text": "x"} if method == "POST" else None, If_Match='"3.a"')

    assert answer.code == (400, "invalid")
    assert "If-Match" in answer.body["detail"]
    assert world.changes == 0


def test_too_many_requests_are_told_when_to_come_back(shared: Services) -> None:
    answers = [send(heavy, "POST") for _ in range(21)]

    assert [answer.status for answer in answers] == [200] * 20 + [429]
    assert answers[0].headers["ratelimit"] == '"heavy";r=19;t=3'
    refused = answers[-1]
    assert refused.code == (429, "rate-limited")
    assert refused.headers["retry-after"] == "3"
    assert refused.headers["ratelimit"] == '"heavy";r=0;t=3'
    assert refused.headers["ratelimit-policy"] == '"heavy";q=20;w=60'
    assert send(heavy, "GET").status == 429
    assert send(heavy, "POST", account=BOB).status == 200
    assert send(note, "GET").headers["ratelimit"].startswith('"read";r=599')
    del shared


def test_mallory_uses_up_her_own_site_s_limit_only() -> None:
    theirs = context_token(NOW, client_key=GLOBEX_KEY, secret=GLOBEX_SECRET, account_id=MALLORY)
    ours = context_token(NOW, client_key=ACME_KEY, secret=ACME_SECRET, account_id=MALLORY)

    assert [send(heavy, "POST", token=theirs).status for _ in range(21)][-1] == 429
    assert send(heavy, "POST", token=ours).status == 200


def test_the_factor_is_a_setting(shared: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = replace(shared, settings=replace(shared.settings, rate_limit_factor=0.1))
    monkeypatch.setattr("lib.web.services", lambda: narrow)

    assert [send(heavy, "POST").status for _ in range(3)] == [200, 200, 429]


def test_a_limit_is_met_before_anything_is_read_and_only_by_those_who_are_known() -> None:
    for _ in range(20):
        send(heavy, "POST")

    assert send(heavy, "POST", {"nonsense": True}).status == 429
    assert send(heavy, "POST", token="none").status == 401


def licensed(shared: Services, site: Site, *, is_licensed: bool) -> None:
    shared.database.write(lambda session: note_licence(session, site.tenant_id, is_licensed=is_licensed))
    shared.tenants.forget(site.installation.client_key)


def test_without_a_licence_one_may_read_and_change_nothing(shared: Services, sites: Sites) -> None:
    licensed(shared, sites[0], is_licensed=False)

    refused = send(notes, "POST", {"text": "x"})
    assert refused.code == (403, "unlicensed")
    assert "nothing is lost" in refused.body["detail"]
    assert send(note, "PUT", {"text": "x"}).code == (403, "unlicensed")
    assert world.changes == 0
    assert send(note, "GET").status == 200
    assert send(note, "DELETE").status == 204
    theirs = context_token(NOW, client_key=GLOBEX_KEY, secret=GLOBEX_SECRET, account_id=MALLORY)
    assert send(notes, "POST", {"text": "x"}, token=theirs).status == 201
    licensed(shared, sites[0], is_licensed=True)
    assert send(notes, "POST", {"text": "x"}).status == 201


def open_frame(query: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(assets, "entry", lambda: assets.Entry("/ui/assets/a.js", ()))
    target = f"/ui/questions{query}"
    url = f"https://cq.example.com{target}{'&' if query else '?'}jwt={request_token('GET', target, NOW)}"
    request = func.HttpRequest("GET", url, headers={}, route_params={"view": "questions"}, body=b"")
    status: int = frontend.view.respond(request, None).status_code
    return status


def test_the_frame_s_address_says_whether_the_site_is_licensed(
    shared: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, globex = (site.installation.client_key for site in sites)

    def is_licensed() -> tuple[bool, bool]:
        found = [shared.tenants.by_client_key(key, fresh=True) for key in (acme, globex)]
        return found[0].is_licensed, found[1].is_licensed  # type: ignore[union-attr]

    for query, expected in [
        ("", True),
        ("?lic=odd", True),
        ("?lic=none", False),
        ("", False),
        ("?lic=none", False),
        ("?lic=active", True),
    ]:
        assert open_frame(query, monkeypatch) == 200
        assert is_licensed() == (expected, True), query
    assert open_frame("?lic=none", monkeypatch) == 200
    # No five seconds of belief: this process has heard it itself.
    assert send(notes, "POST", {"text": "x"}).code == (403, "unlicensed")


def test_a_frame_that_is_not_signed_changes_nothing(shared: Services, sites: Sites) -> None:
    token = request_token("GET", "/ui/questions?lic=active", NOW)
    url = f"https://cq.example.com/ui/questions?lic=none&jwt={token}"
    request = func.HttpRequest("GET", url, headers={}, route_params={"view": "questions"}, body=b"")

    assert frontend.view.respond(request, None).status_code == 401
    found = shared.tenants.by_client_key(sites[0].installation.client_key, fresh=True)
    assert found is not None
    assert found.is_licensed


def test_what_is_not_part_of_the_api_has_no_limits_licences_or_conditions(shared: Services, sites: Sites) -> None:
    licensed(shared, sites[0], is_licensed=False)
    answer: Got = send(outside, "POST", {"text": "x"}, If_Match='"3.a"', Idempotency_Key="a", account=ALICE)

    assert (answer.status, world.changes) == (200, 1)
    assert "ratelimit" not in answer.headers
