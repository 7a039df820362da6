"""Failures as problem documents: one status for each kind, and nothing told that should not be."""

import json
from collections.abc import Iterator

import pytest

import lib.spaces
import lifecycle.installing
import questions_api.policy
import questions_api.posts
from lib.connect_jwt import TokenRefused
from lib.errors import (
    Conflict,
    Failure,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Unacceptable,
    Unauthenticated,
    Unavailable,
    Unlicensed,
)
from lib.problems import (
    KeyInProgress,
    KeyReused,
    MethodNotAllowed,
    RateLimited,
    TooLarge,
    UnsupportedMediaType,
    headers_of,
    problem,
    status_of,
    titles,
    unexpected,
)
from lifecycle.installing import LifecycleRefused
from questions_api.policy import OwnPost, QuestionClosed
from questions_api.posts import NotOurContent, NotYourContent, WrongContainer

LIMITED = RateLimited(retry_after_s=3, headers={"RateLimit": '"vote";r=0;t=3'})
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MODULES = (lib.spaces, lifecycle.installing, questions_api.policy, questions_api.posts)
"""Importing a module makes its failures known to the tests that walk all of them."""


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Invalid(), 400),
        (Unauthenticated(), 401),
        (TokenRefused("signature"), 401),
        (LifecycleRefused("token-reused"), 401),
        (Forbidden(), 403),
        (OwnPost(), 403),
        (Unlicensed(), 403),
        (NotFound(), 404),
        (MethodNotAllowed(("GET",)), 405),
        (Conflict(), 409),
        (QuestionClosed(), 409),
        (KeyInProgress(), 409),
        (PreconditionFailed(), 412),
        (TooLarge(), 413),
        (UnsupportedMediaType(), 415),
        (Unacceptable(), 422),
        (NotOurContent(), 422),
        (NotYourContent(), 422),
        (WrongContainer(), 422),
        (KeyReused(), 422),
        (LIMITED, 429),
        (Unavailable(), 503),
    ],
)
def test_each_kind_has_its_status(failure: Failure, status: int) -> None:
    assert status_of(failure)[0] == status
    document = json.loads(problem(failure, TRACE))
    assert document["status"] == status
    assert document["title"] == status_of(failure)[1]
    assert document["code"] == failure.code
    assert document["type"] == f"urn:community-questions:problem:{failure.code}"
    assert document["detail"] == failure.explanation
    assert document["traceId"] == TRACE
    assert "problems" not in document
    assert "current" not in document
    assert titles()[status] == document["title"]


@pytest.mark.parametrize("kind", [Conflict, PreconditionFailed])
def test_a_conflict_says_what_stands_now(kind: type[Conflict]) -> None:
    document = json.loads(problem(kind("Changed by somebody.", current={"version": 4, "state": "closed"}), TRACE))

    assert document["current"] == {"version": 4, "state": "closed"}
    assert document["detail"] == "Changed by somebody."


def kinds(of: type[Failure] = Failure) -> Iterator[type[Failure]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_codes_are_words_and_no_two_kinds_share_one_without_sharing_their_meaning() -> None:
    owners: dict[str, type[Failure]] = {}
    for kind in kinds():
        assert kind.code.replace("-", "").isalpha(), kind
        assert kind.code == kind.code.lower(), kind
        owner = owners.setdefault(kind.code, kind)
        assert issubclass(kind, owner), f"{kind} and {owner} share the code {kind.code}"
    assert MODULES


def test_every_problem_of_a_request_is_listed_where_it_is() -> None:
    failure = Invalid(faults=(Fault("/tags/0", "is too long"), Fault("limit", "is too large"), Fault("", "is odd")))

    assert json.loads(problem(failure, TRACE))["problems"] == [
        {"pointer": "/tags/0", "detail": "is too long"},
        {"parameter": "limit", "detail": "is too large"},
        {"parameter": "", "detail": "is odd"},
    ]


@pytest.mark.parametrize(
    ("failure", "headers"),
    [
        (Unauthenticated(), {"WWW-Authenticate": "JWT"}),
        (TokenRefused("expired"), {"WWW-Authenticate": "JWT"}),
        (Unavailable(retry_after_s=17), {"Retry-After": "17"}),
        (MethodNotAllowed(("GET", "PUT")), {"Allow": "GET, PUT"}),
        (LIMITED, {"Retry-After": "3", "RateLimit": '"vote";r=0;t=3'}),
        (KeyInProgress(), {"Retry-After": "1"}),
        (KeyReused(), {}),
        (Conflict(), {}),
        (Forbidden(), {}),
        (NotFound(), {}),
    ],
)
def test_headers_that_belong_to_a_status(failure: Failure, headers: dict[str, str]) -> None:
    assert headers_of(failure) == headers


@pytest.mark.parametrize("reason", ["signature", "issuer", "expired", "query-hash", "unknown-key"])
def test_every_refused_token_looks_the_same(reason: str) -> None:
    assert problem(TokenRefused(reason), TRACE) == problem(Unauthenticated(), TRACE)  # type: ignore[arg-type]
    assert problem(LifecycleRefused(reason), TRACE) == problem(Unauthenticated(), TRACE)


def test_a_defect_says_nothing_but_where_to_look() -> None:
    document = json.loads(unexpected(TRACE))
    assert (document["status"], document["traceId"], document["code"]) == (500, TRACE, "unexpected")
    assert set(document) == {"type", "title", "status", "detail", "code", "traceId"}
