"""The HTTP edge: what a request may hold, who may send it how often, and which answer is one that was given before."""

import json
import time
from typing import Any

import azure.functions as func
import pytest
from pydantic import model_validator

from lib.authentication import Request
from lib.errors import NotFound
from lib.services import Services
from lib.telemetry import trace_of
from lib.web import Call, Nothing, Query, Reply, Resource, Wire
from local.functions_host.routes import RouteTable, compile_route
from tests.factories import NOW, Site
from tests.tokens import ALICE, context_token

Sites = tuple[Site, Site]
blueprint = func.Blueprint()
public = Resource(blueprint, "test_public", "public", None)
closed = Resource(blueprint, "test_closed", "closed")
listed = Resource(blueprint, "test_listed", "listed")
loose = Resource(blueprint, "test_loose", "loose")
picky = Resource(blueprint, "test_picky", "picky")
strict = Resource(blueprint, "test_strict", "strict")


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


class Loose(Wire):
    muted: bool = False


class Picky(Wire):
    """Nothing has to be given, but not nothing at all."""

    muted: bool | None = None
    loud: bool | None = None

    @model_validator(mode="after")
    def check_not_empty(self) -> "Picky":
        if not self.model_fields_set:
            raise ValueError("must hold something")
        return self


class Strict(Wire):
    muted: bool


@loose.operation("PUT", takes=Loose)
def take_loose(_: Call, body: Loose) -> Reply:
    return Reply({"muted": body.muted})


@picky.operation("PUT", takes=Picky)
def take_picky(_: Call, body: Picky) -> Reply:
    return Reply({"muted": body.muted})


@strict.operation("PUT", takes=Strict)
def take_strict(_: Call, body: Strict) -> Reply:
    return Reply({"muted": body.muted})


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


def put(resource: Resource, body: bytes, media_type: str | None = None) -> tuple[int, Any]:
    """(status, document) of a call with a good token and this body."""
    headers = {"Authorization": f"JWT {context_token(NOW, account_id=ALICE)}"}
    headers |= {} if media_type is None else {"Content-Type": media_type}
    url = f"https://cq.example.com/{resource.route}"
    response = resource.respond(func.HttpRequest("PUT", url, headers=headers, route_params={}, body=body), None)
    return response.status_code, json.loads(response.get_body())


@pytest.mark.parametrize("media_type", [None, "application/json", "text/plain"])
def test_a_body_that_need_not_hold_anything_may_be_left_out(media_type: str | None) -> None:
    assert put(loose, b"", media_type) == (200, {"muted": False})


def test_a_body_that_is_sent_is_json_and_says_so() -> None:
    assert put(loose, b'{"muted": true}', "application/json; charset=utf-8") == (200, {"muted": True})
    for media_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        for body in (b'{"muted": true}', b"{}", b" "):
            status, document = put(loose, body, media_type)
            assert (status, document["code"]) == (415, "unsupported-media-type")
    for body in (b" ", b"null", b"[]", b'{"muted": 1}', b'{"loud": true}'):
        assert put(loose, body, "application/json")[0] == 400


def test_a_body_with_a_member_that_must_be_given_cannot_be_left_out() -> None:
    assert put(strict, b"")[0] == 415
    assert put(strict, b"", "application/json")[0] == 400
    status, document = put(strict, b"{}", "application/json")
    assert (status, [problem["pointer"] for problem in document["problems"]]) == (400, ["/muted"])


def test_a_body_left_out_is_checked_like_an_empty_one() -> None:
    status, document = put(picky, b"")
    assert (status, document["code"]) == (400, "invalid")
    assert put(picky, b"{}", "application/json")[1]["problems"] == document["problems"]
    assert put(picky, b'{"muted": true}', "application/json") == (200, {"muted": True})


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


def call_with(shared: Services, **path_values: str) -> Call:
    return Call(shared, Request("GET", "/", {}, path_values, b"", NOW), None, trace_of(None))


@pytest.mark.parametrize("text", ["ci/cd", "ci%2Fcd", "ci%2fcd"])
def test_text_in_the_path_has_its_slash_whatever_the_host_kept(shared: Services, text: str) -> None:
    assert call_with(shared, slug=text).path_text("slug") == "ci/cd"


@pytest.mark.parametrize("text", ["größe", "c++", "100%", "a b", "%20", "x" * 200, "\U0001f642"])
def test_text_in_the_path_is_decoded_by_the_host_and_not_again(shared: Services, text: str) -> None:
    assert call_with(shared, slug=text).path_text("slug") == text


@pytest.mark.parametrize("text", ["", "x" * 201, "a\x00b", "a\nb", "\x7f", "\ud800"])
def test_text_that_cannot_be_stored_does_not_exist(shared: Services, text: str) -> None:
    with pytest.raises(NotFound):
        call_with(shared, slug=text).path_text("slug")
    with pytest.raises(NotFound):
        call_with(shared).path_text("slug")


def test_an_account_in_the_path_has_the_form_of_one(shared: Services) -> None:
    assert call_with(shared, accountId=ALICE).account_in_path("accountId") == ALICE
    for text in ("", "a b", "557058%3Aabc", "a" * 129, "\u0661", "a\n"):
        with pytest.raises(NotFound):
            call_with(shared, accountId=text).account_in_path("accountId")


def test_an_id_in_the_path_is_a_number(shared: Services) -> None:
    assert call_with(shared, flagId="9223372036854775807").path_id("flagId") == 2**63 - 1
    with pytest.raises(NotFound):
        call_with(shared, flagId="9223372036854775808").path_id("flagId")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("ci%2Fcd", "ci/cd"),
        ("gr%C3%B6%C3%9Fe", "größe"),
        ("c%2B%2B", "c++"),
        ("c++", "c++"),
        ("100%25", "100%"),
        ("a%2520b", "a%20b"),
        ("%f0%9f%99%82", "\U0001f642"),
    ],
)
def test_the_local_host_hands_over_text_that_is_decoded_once(shared: Services, sent: str, text: str) -> None:
    routes = RouteTable([compile_route("tag", "api/v1/tags/{slug}", ["GET"])])
    match = routes.match("GET", f"/api/v1/tags/{sent}")

    assert match is not None
    assert call_with(shared, **match.params).path_text("slug") == text
