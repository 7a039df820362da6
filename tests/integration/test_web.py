"""The HTTP edge: what a request's address may hold, and that reading it is cheap and never a defect."""

import json
import time
from typing import Any

import azure.functions as func
import pytest

from lib.authentication import Request
from lib.errors import NotFound
from lib.services import Services
from lib.telemetry import trace_of
from lib.web import Call, Nothing, Query, Reply, Resource
from tests.factories import NOW, Site
from tests.tokens import ALICE, context_token

Sites = tuple[Site, Site]
blueprint = func.Blueprint()
public = Resource(blueprint, "test_public", "public", None)
closed = Resource(blueprint, "test_closed", "closed")
listed = Resource(blueprint, "test_listed", "listed")


class Wanted(Query):
    space: str = ""


@public.operation("GET")
def tell_all(_: Call, __: Nothing) -> Reply:
    return Reply({"told": True})


@closed.operation("GET")
def tell_few(_: Call, __: Nothing) -> Reply:
    return Reply({"told": True})


@listed.operation("GET", takes=Wanted)
def tell_space(_: Call, query: Wanted) -> Reply:
    return Reply({"space": query.space})


@pytest.fixture(autouse=True)
def shared(services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Services:
    del sites
    monkeypatch.setattr("lib.web.services", lambda: services)
    return services


def get(resource: Resource, query: str = "", *, origin: str = "https://cq.example.com") -> tuple[int, Any]:
    """(status, document) of a call with a good token."""
    headers = {"Authorization": f"JWT {context_token(NOW, account_id=ALICE)}"}
    url = f"{origin}/{resource.route}{query}"
    response = resource.respond(func.HttpRequest("GET", url, headers=headers, route_params={}, body=b""), None)
    return response.status_code, json.loads(response.get_body())


@pytest.mark.parametrize("query", ["", "?", "?t=1764072000", "?a=1&a=2", "?" + "&".join(["x"] * 60)])
def test_a_public_address_ignores_parameters(query: str) -> None:
    assert get(public, query) == (200, {"told": True})


def test_elsewhere_a_parameter_nobody_asked_for_is_named() -> None:
    status, document = get(closed, "?a=1&b=2")

    assert status == 400
    assert [problem["parameter"] for problem in document["problems"]] == ["a", "b"]
    assert get(closed) == (200, {"told": True})


def test_a_parameter_given_more_than_once_is_named_once() -> None:
    status, document = get(listed, "?space=1&b=1&space=2&space=3&b=2&c=3")

    assert status == 400
    assert [problem["parameter"] for problem in document["problems"]] == ["b", "space"]
    assert get(listed, "?space=7") == (200, {"space": "7"})


@pytest.mark.parametrize("resource", [closed, listed])
def test_more_than_fifty_parameters_are_not_read(resource: Resource) -> None:
    def named(number: int) -> tuple[int, Any]:
        return get(resource, "?" + "&".join(f"p{at}=1" for at in range(number)))

    status, document = named(50)
    assert (status, len(document["problems"])) == (400, 50)
    status, document = named(51)
    assert (status, "problems" in document) == (400, False)

    started = time.perf_counter()
    assert named(20_000)[0] == 400
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("origin", ["https://[", "https://[::1", "https://]", "https://[x]"])
@pytest.mark.parametrize("resource", [public, closed])
def test_a_host_that_is_no_host_is_a_bad_request(resource: Resource, origin: str) -> None:
    status, document = get(resource, origin=origin)

    assert (status, document["code"]) == (400, "invalid")


def test_a_path_that_looks_like_a_host_is_a_path() -> None:
    status, document = get(listed, "?space=7", origin="https://cq.example.com//[")

    assert (status, document) == (200, {"space": "7"})


@pytest.mark.parametrize("text", ["1\u0662", "1\uff12", "1\u0968", "12 ", "+12", "1_2"])
def test_an_id_has_ascii_digits_only(shared: Services, text: str) -> None:
    request = Request("GET", "/", {}, {"questionId": text}, b"", NOW)

    with pytest.raises(NotFound):
        Call(shared, request, None, trace_of(None)).content_id("questionId")
