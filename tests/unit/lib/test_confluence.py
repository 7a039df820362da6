"""The Confluence client over a scripted door: what each answer means, and where tokens never appear."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest

from lib.confluence import Caller, Confluence, Content, content_type
from lib.errors import Unavailable
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from tests.factories import ENG, QUESTION_TYPE
from tests.fakes import Clock
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, qsh
from tests.unit.lib.scripted_site import (
    AS_ALICE,
    AS_APP,
    AS_BOB,
    BASE,
    INSTALLATION,
    ITEM,
    OAUTH,
    OPERATIONS,
    STARTED_S,
    ScriptedSite,
    Secrets,
    over,
)


@pytest.fixture
def site() -> ScriptedSite:
    return ScriptedSite()


@pytest.fixture
def clock() -> Clock:
    return Clock(STARTED_S)


@pytest.fixture
def confluence(site: ScriptedSite, clock: Clock) -> Confluence:
    return over(site, clock)


def test_a_person_is_asked_for_with_that_persons_token(confluence: Confluence, site: ScriptedSite) -> None:
    assert confluence.space_operations(AS_ALICE, ENG) == frozenset({("read", QUESTION_TYPE)})

    exchange, read = site.sent
    assert (exchange.method, exchange.url) == ("POST", f"{OAUTH}/oauth2/token")
    form = parse_qs((exchange.body or b"").decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(
        form["assertion"][0],
        ACME_SECRET,
        algorithms=["HS256"],
        audience=OAUTH,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["iss"] == "urn:atlassian:connect:clientid:client-of-acme"
    assert claims["sub"] == f"urn:atlassian:connect:useraccountid:{ALICE}"
    assert (claims["tnt"], claims["exp"] - claims["iat"]) == (BASE, 60)
    assert (read.method, read.url) == ("GET", f"{BASE}/api/v2/spaces/65537/operations")
    assert read.headers["Authorization"] == "Bearer user-token-1"


def test_the_app_signs_each_call_itself(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, ITEM)
    confluence.content(AS_APP, ContentId(70001))

    (read,) = site.sent
    assert read.url == f"{BASE}/api/v2/custom-content/70001"
    scheme, _, token = read.headers["Authorization"].partition(" ")
    assert scheme == "JWT"
    claims = jwt.decode(
        token, ACME_SECRET, algorithms=["HS256"], audience=ACME_KEY, options={"verify_exp": False, "verify_iat": False}
    )
    assert claims["iss"] == "community-questions"
    assert claims["qsh"] == qsh("GET", "/api/v2/custom-content/70001")
    assert claims["iat"] == int(STARTED_S)


def test_a_token_is_used_until_half_a_minute_before_its_end(
    confluence: Confluence, site: ScriptedSite, clock: Clock
) -> None:
    confluence.space_operations(AS_ALICE, ENG)
    clock.pass_(site.lifetime_s - 30 - 0.01)
    confluence.space_operations(AS_ALICE, ENG)
    clock.pass_(0.02)
    confluence.space_operations(AS_ALICE, ENG)

    used = [read.headers["Authorization"] for read in site.reads]
    assert used == ["Bearer user-token-1", "Bearer user-token-1", "Bearer user-token-2"]


def test_no_two_people_and_no_two_secrets_share_a_token(confluence: Confluence, site: ScriptedSite) -> None:
    rotated = replace(INSTALLATION, secret_version=2)
    other_site = replace(INSTALLATION, tenant_id=TenantId(2))
    for caller in (
        AS_ALICE,
        AS_BOB,
        replace(AS_ALICE, installation=rotated),
        replace(AS_ALICE, installation=other_site),
    ):
        confluence.space_operations(caller, ENG)

    assert len({read.headers["Authorization"] for read in site.reads}) == 4


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_person_without_a_token_sees_nothing(confluence: Confluence, site: ScriptedSite, status: int) -> None:
    site.token_answer = (status, {"error": "invalid_grant"})

    assert confluence.space_operations(AS_ALICE, ENG) is None
    assert confluence.content(AS_ALICE, ContentId(1)) is None
    assert confluence.contents(AS_ALICE, "question", [ContentId(1)]) == {}
    assert confluence.space_kind(AS_ALICE, ENG) is None
    assert not confluence.is_administrator(AS_ALICE)
    assert site.reads == []


def test_without_an_oauth_client_no_person_is_asked_for(confluence: Confluence, site: ScriptedSite) -> None:
    caller = Caller(replace(INSTALLATION, oauth_client_id=None), AccountId(ALICE))
    assert confluence.space_operations(caller, ENG) is None
    assert site.sent == []


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("caller", [AS_ALICE, AS_APP])
def test_what_may_not_be_seen_is_none(confluence: Confluence, site: ScriptedSite, status: int, caller: Caller) -> None:
    site.answer = (status, {"errors": [{"title": "Not found"}]})

    assert confluence.content(caller, ContentId(1)) is None
    assert confluence.contents(caller, "question", [ContentId(1)]) == {}
    assert confluence.space_operations(caller, ENG) is None
    assert confluence.space_kind(caller, ENG) is None
    assert not confluence.is_administrator(caller)


def test_a_token_that_is_not_taken_any_more_is_dropped(confluence: Confluence, site: ScriptedSite) -> None:
    confluence.space_operations(AS_ALICE, ENG)
    site.answer = (401, b"")
    assert confluence.space_operations(AS_ALICE, ENG) is None

    site.answer = (200, OPERATIONS)
    assert confluence.space_operations(AS_ALICE, ENG) == frozenset({("read", QUESTION_TYPE)})
    assert site.reads[-1].headers["Authorization"] == "Bearer user-token-2"


def test_an_app_that_is_not_let_in_is_a_fault_and_not_an_empty_site(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (401, b"")
    with pytest.raises(Unavailable):
        confluence.content(AS_APP, ContentId(1))


@pytest.mark.parametrize(
    ("status", "at_token"),
    # 400 from the token endpoint is a verdict; see above.
    [(400, False), *product((409, 429, 500, 502, 503, 504), (True, False))],
)
def test_an_answer_that_is_none_is_no_verdict(
    confluence: Confluence, site: ScriptedSite, status: int, at_token: bool
) -> None:
    site.answer_headers = {"retry-after": "7"}
    if at_token:
        site.token_answer = (status, b"<html>busy</html>")
    else:
        site.answer = (status, b"<html>busy</html>")

    with pytest.raises(Unavailable) as away:
        confluence.space_operations(AS_ALICE, ENG)

    assert away.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("retry_after", "waits_s"),
    [
        ("1", 1),
        ("60", 60),
        ("86400", 60),
        ("", 5),
        ("soon", 5),
        ("Wed, 25 Nov 2026 12:00:00 GMT", 5),
        ("-3", 5),
        ("²", 5),
    ],
)
def test_how_long_to_wait_is_taken_from_the_answer_within_bounds(
    confluence: Confluence, site: ScriptedSite, retry_after: str, waits_s: int
) -> None:
    site.answer, site.answer_headers = (429, b""), {"retry-after": retry_after}
    with pytest.raises(Unavailable) as away:
        confluence.space_operations(AS_ALICE, ENG)
    assert away.value.retry_after_s == waits_s


@pytest.mark.parametrize("cause", ["timeout", "connect", "dns", "tls", "too-large", "redirect", "refused-address"])
def test_a_site_that_cannot_be_reached_is_unavailable(confluence: Confluence, site: ScriptedSite, cause: str) -> None:
    site.broken = cause
    for caller in (AS_ALICE, AS_APP):
        with pytest.raises(Unavailable):
            confluence.space_operations(caller, ENG)


def test_without_a_secret_nobody_is_asked(site: ScriptedSite, clock: Clock) -> None:
    bare = over(site, clock, Secrets(None))
    for caller in (AS_ALICE, AS_APP):
        with pytest.raises(Unavailable):
            bare.space_operations(caller, ENG)
    assert site.sent == []


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'"text"', b"\xff", b'{"operations": 5}', b'{"operations": ["read"]}']
)
def test_operations_in_an_unknown_form_are_unavailable(confluence: Confluence, site: ScriptedSite, body: bytes) -> None:
    site.answer = (200, body)
    with pytest.raises(Unavailable):
        confluence.space_operations(AS_ALICE, ENG)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"[]",
        {},
        {"access_token": "t"},
        {"expires_in": 900},
        {"access_token": "t", "expires_in": "soon"},
        {"access_token": "t", "expires_in": None},
    ],
)
def test_a_token_in_an_unknown_form_is_unavailable(confluence: Confluence, site: ScriptedSite, token: object) -> None:
    site.token_answer = (200, token)
    with pytest.raises(Unavailable):
        confluence.space_operations(AS_ALICE, ENG)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *product(("id", "type", "status", "spaceId", "authorId", "createdAt"), ("missing",)),
        *product(("id", "spaceId", "createdAt", "pageId"), ("malformed",)),
    ],
)
def test_an_item_in_an_unknown_form_is_unavailable(
    confluence: Confluence, site: ScriptedSite, name: str, fault: str
) -> None:
    broken: dict[str, object] = {key: value for key, value in ITEM.items() if key != name}
    if fault == "malformed":
        broken[name] = {"nested": True}
    site.answer = (200, broken)
    with pytest.raises(Unavailable):
        confluence.content(AS_ALICE, ContentId(70001))
    site.answer = (200, {"results": [broken]})
    with pytest.raises(Unavailable):
        confluence.contents(AS_ALICE, "question", [ContentId(70001)])


@pytest.mark.parametrize(
    ("extra", "kind", "container_id"),
    [
        ({}, "space", 65537),
        ({"pageId": "9"}, "page", 9),
        ({"blogPostId": "9"}, "blogpost", 9),
        ({"customContentId": "9"}, "content", 9),
        ({"customContentId": "9", "pageId": "8"}, "content", 9),
        ({"pageId": None, "blogPostId": None}, "space", 65537),
    ],
)
def test_an_item_is_what_confluence_says(
    confluence: Confluence, site: ScriptedSite, extra: dict[str, Any], kind: str, container_id: int
) -> None:
    version = {"number": 3, "createdAt": "2026-11-25T09:00:00.000Z", "authorId": BOB}
    site.answer = (200, ITEM | extra | {"version": version})

    assert confluence.content(AS_ALICE, ContentId(70001)) == Content(
        id=ContentId(70001),
        type=QUESTION_TYPE,
        status="current",
        space_id=SpaceId(65537),
        container_kind=kind,  # type: ignore[arg-type]
        container_id=container_id,
        author_id=AccountId(ALICE),
        created_at=datetime(2026, 11, 24, 10, 0, 0, 123_000, tzinfo=UTC),
        title="A secret title",
        version=3,
        modified_at=datetime(2026, 11, 25, 9, 0, tzinfo=UTC),
    )


def test_many_items_are_asked_for_in_requests_of_250_ids(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"results": []})
    wanted = [ContentId(number) for number in range(1, 602)]

    confluence.contents(AS_ALICE, "question", [*wanted, *wanted[:10]])

    queries = [parse_qsl(urlsplit(read.url).query) for read in site.reads]
    assert [len([1 for name, _ in query if name == "id"]) for query in queries] == [250, 250, 101]
    assert [value for query in queries for name, value in query if name == "id"] == [str(number) for number in wanted]
    assert {value for query in queries for name, value in query if name == "type"} == {QUESTION_TYPE}
    assert {value for query in queries for name, value in query if name == "limit"} == {"250"}
    assert all(len(read.url) < 8000 for read in site.reads)


def test_no_items_are_asked_for_in_no_request(confluence: Confluence, site: ScriptedSite) -> None:
    assert confluence.contents(AS_ALICE, "question", []) == {}
    assert site.sent == []


def test_items_of_another_type_are_left_out(confluence: Confluence, site: ScriptedSite) -> None:
    other = ITEM | {"id": "70002", "type": content_type("community-questions", "answer")}
    site.answer = (200, {"results": [ITEM, other]})
    assert set(confluence.contents(AS_ALICE, "question", [ContentId(70001), ContentId(70002)])) == {70001}


@pytest.mark.parametrize(
    ("operations", "administers"),
    [
        ([{"operation": "administer", "targetType": "application"}], True),
        ([{"operation": "administer", "targetType": "space"}], False),
        ([{"operation": "use", "targetType": "application"}], False),
        ([], False),
        (None, False),
    ],
)
def test_who_administers_confluence(
    confluence: Confluence, site: ScriptedSite, operations: object, administers: bool
) -> None:
    site.answer = (200, {"accountId": ALICE, "operations": operations})
    assert confluence.is_administrator(AS_ALICE) is administers


def test_the_kind_of_a_space(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"id": "65537", "key": "ENG", "type": "personal"})
    assert confluence.space_kind(AS_ALICE, ENG) == "personal"


def test_only_the_stored_address_is_called(confluence: Confluence, site: ScriptedSite) -> None:
    confluence.space_operations(AS_ALICE, ENG)
    assert {urlsplit(sent.url).hostname for sent in site.sent} == {"acme.atlassian.net", urlsplit(OAUTH).hostname}


def test_the_address_for_people_names_neither_space_nor_title(confluence: Confluence) -> None:
    assert confluence.question_address(INSTALLATION, ContentId(5)) == f"{BASE}/pages/viewpage.action?pageId=5"


@pytest.mark.parametrize(
    ("answer", "token_answer"),
    [
        ((500, b"user-token-1"), None),
        ((200, b"<html>user-token-1"), None),
        ((200, OPERATIONS), (500, {"access_token": "user-token-1"})),
        ((200, OPERATIONS), (200, {"access_token": "user-token-1", "expires_in": "soon"})),
    ],
)
def test_no_failure_carries_a_token_or_a_secret(
    confluence: Confluence,
    site: ScriptedSite,
    answer: tuple[int, object],
    token_answer: tuple[int, object] | None,
) -> None:
    site.answer, site.token_answer = answer, token_answer

    with pytest.raises(Unavailable) as away:
        confluence.space_operations(AS_ALICE, ENG)

    error: BaseException | None = away.value
    while error is not None:
        assert "user-token" not in f"{error!s} {error!r} {error.args}"
        assert ACME_SECRET not in f"{error!s} {error!r}"
        error = error.__cause__
    assert "user-token" not in repr(confluence)


def test_a_title_is_not_shown_by_its_item(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, ITEM)
    assert "secret title" not in repr(confluence.content(AS_ALICE, ContentId(70001)))
