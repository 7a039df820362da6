"""The Confluence client's writes and lists: what is sent, with what proof, and which links it follows."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from lib.confluence import (
    Assignment,
    Caller,
    Comment,
    Confluence,
    ConfluenceRefused,
    ContentPage,
    Place,
    SpaceFacts,
    Written,
)
from lib.errors import Unavailable
from lib.principal import AccountId, ContentId, SpaceId
from tests.factories import ANSWER_TYPE, ENG, HR, QUESTION_TYPE
from tests.fakes import Clock
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, qsh
from tests.unit.lib.scripted_site import AS_ALICE, AS_APP, BASE, ITEM, STARTED_S, ScriptedSite, Secrets, over

TITLE, STORAGE = "A secret title", "<p>Grüße</p>"
WITH_TEXT = ITEM | {"version": {"number": 3}, "body": {"storage": {"representation": "storage", "value": STORAGE}}}
BODY = {"representation": "storage", "value": STORAGE}
IN_SPACE = Place(ENG, "space", int(ENG))


@pytest.fixture
def site() -> ScriptedSite:
    return ScriptedSite(answer=(200, WITH_TEXT))


@pytest.fixture
def clock() -> Clock:
    return Clock(STARTED_S)


@pytest.fixture
def confluence(site: ScriptedSite, clock: Clock) -> Confluence:
    return over(site, clock)


def write_all(confluence: Confluence, caller: Caller, written: Written) -> list[tuple[str, str]]:
    """Every kind of write once; the methods and targets they are expected to have."""
    confluence.create_content(caller, "question", IN_SPACE, title=TITLE, storage=STORAGE)
    confluence.update_content(caller, written)
    confluence.delete_content(caller, ContentId(70001))
    confluence.create_comment(caller, ContentId(70001), storage=STORAGE)
    confluence.delete_comment(caller, 80001)
    confluence.grant_types(caller, "~me", ("user", ALICE), [("read", "question", True)])
    return [
        ("POST", "/api/v2/custom-content"),
        ("PUT", "/api/v2/custom-content/70001"),
        ("DELETE", "/api/v2/custom-content/70001"),
        ("POST", "/api/v2/footer-comments"),
        ("DELETE", "/api/v2/footer-comments/80001"),
        ("POST", "/rest/api/space/~me/permission/custom-content"),
    ]


@pytest.fixture
def written(confluence: Confluence, site: ScriptedSite) -> Written:
    found = confluence.written(AS_ALICE, ContentId(70001))
    assert found is not None
    site.sent.clear()
    return found


def test_the_app_signs_each_write_for_its_method_and_target(
    confluence: Confluence, site: ScriptedSite, written: Written
) -> None:
    expected = write_all(confluence, AS_APP, written)

    assert [(sent.method, sent.target) for sent in site.sent] == expected
    for sent in site.sent:
        scheme, _, token = sent.headers["Authorization"].partition(" ")
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, ACME_SECRET, algorithms=["HS256"], audience=ACME_KEY, options=options)
        assert (scheme, claims["qsh"]) == ("JWT", qsh(sent.method, sent.target))


def test_a_person_writes_with_that_persons_token(confluence: Confluence, site: ScriptedSite, written: Written) -> None:
    expected = write_all(confluence, AS_ALICE, written)

    assert [(sent.method, sent.target) for sent in site.calls] == expected
    assert {sent.headers["Authorization"] for sent in site.calls} == {"Bearer user-token-1"}
    assert {sent.headers["X-Atlassian-Token"] for sent in site.calls} == {"no-check"}


def test_what_has_a_body_says_that_it_is_json(confluence: Confluence, site: ScriptedSite, written: Written) -> None:
    write_all(confluence, AS_APP, written)
    for sent in site.sent:
        assert (sent.headers.get("Content-Type") == "application/json") is (sent.method != "DELETE")
        assert (sent.body is None) is (sent.method == "DELETE")


@pytest.mark.parametrize(
    ("place", "container"),
    [
        (IN_SPACE, {"spaceId": "65537"}),
        (Place(ENG, "page", 9), {"pageId": "9"}),
        (Place(ENG, "blogpost", 9), {"blogPostId": "9"}),
        (Place(ENG, "content", 9), {"customContentId": "9"}),
    ],
)
def test_new_content_names_exactly_one_container(
    confluence: Confluence, site: ScriptedSite, place: Place, container: dict[str, str]
) -> None:
    site.answer = (201, ITEM)
    made = confluence.create_content(AS_ALICE, "answer", place, title=TITLE, storage=STORAGE)

    assert made.id == 70001
    assert site.calls[0].document == {
        "type": ANSWER_TYPE,
        "status": "current",
        **container,
        "title": TITLE,
        "body": BODY,
    }


@pytest.mark.parametrize(
    ("place", "moved"),
    [
        (None, {"spaceId": "65537"}),
        (Place(HR, "space", int(HR)), {"spaceId": "65538"}),
        (Place(HR, "page", 9), {"spaceId": "65538", "pageId": "9"}),
    ],
)
def test_an_item_is_written_again_with_its_text_as_the_next_version(
    confluence: Confluence, site: ScriptedSite, written: Written, place: Place | None, moved: dict[str, str]
) -> None:
    confluence.update_content(AS_ALICE, written, place=place)
    assert site.calls[0].document == {
        "id": "70001",
        "type": QUESTION_TYPE,
        "status": "current",
        **moved,
        "title": TITLE,
        "body": BODY,
        "version": {"number": 4},
    }


def test_an_item_stays_in_its_container_when_no_place_is_named(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, WITH_TEXT | {"pageId": "9", "status": "trashed"})
    found = confluence.written(AS_ALICE, ContentId(70001))
    assert found is not None
    assert (found.version, found.content.status) == (3, "trashed")
    assert site.reads[-1].target == "/api/v2/custom-content/70001?body-format=storage"

    confluence.update_content(AS_ALICE, found)

    document = site.calls[-1].document
    assert isinstance(document, dict)
    assert (document["pageId"], document["spaceId"], document["status"]) == ("9", "65537", "current")


def test_rights_are_given_on_our_own_types(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, b"")
    confluence.grant_types(AS_ALICE, "A B/C", ("group", "g-1"), [("read", "question", True), ("delete", "tag", False)])
    (sent,) = site.calls
    assert sent.target == "/rest/api/space/A%20B%2FC/permission/custom-content"
    assert sent.document == {
        "subject": {"type": "group", "identifier": "g-1"},
        "operations": [
            {"key": "read", "target": QUESTION_TYPE, "access": True},
            {"key": "delete", "target": "ac:community-questions:cq-tag", "access": False},
        ],
    }


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 413, 415, 422])
def test_a_refusal_says_what_confluence_said_and_is_not_tried_again(
    confluence: Confluence, site: ScriptedSite, status: int
) -> None:
    site.answer = (status, {"errors": [{"status": status, "code": "X", "title": "Not  this\n", "detail": None}]})
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(AS_ALICE, ContentId(1))
    assert (refused.value.status, refused.value.words, refused.value.code) == (status, "Not this", "confluence-refused")
    assert "Not this" not in str(refused.value)
    assert len(site.calls) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"<html>", ""),
        (b"[1]", ""),
        (b"[" * 100_000, ""),
        ({"errors": "none"}, ""),
        ({"errors": ["none"], "message": "In v1"}, "In v1"),
        ({"message": 5}, ""),
        ({"errors": [{"title": "Short", "detail": "Long"}]}, "Long"),
        ({"message": "w" * 500}, "w" * 200),
    ],
)
def test_the_words_of_a_refusal_are_found_where_there_are_any(
    confluence: Confluence, site: ScriptedSite, body: object, words: str
) -> None:
    site.answer = (403, body)
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(AS_ALICE, ContentId(1))
    assert refused.value.words == words


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_person_without_a_token_is_refused_without_being_tried(
    confluence: Confluence, site: ScriptedSite, status: int
) -> None:
    site.token_answer = (status, {"error": "invalid_grant"})
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(AS_ALICE, ContentId(1))
    assert refused.value.status == 401
    assert site.calls == []


def test_a_write_with_a_token_that_is_not_taken_any_more_is_refused_and_the_token_dropped(
    confluence: Confluence, site: ScriptedSite
) -> None:
    site.first_answers = [(401, b"", {})]
    with pytest.raises(ConfluenceRefused):
        confluence.delete_content(AS_ALICE, ContentId(1))
    confluence.delete_content(AS_ALICE, ContentId(1))
    assert [sent.headers["Authorization"][-1] for sent in site.calls] == ["1", "2"]


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503, 504])
def test_a_write_that_may_have_happened_is_never_repeated(
    confluence: Confluence, site: ScriptedSite, clock: Clock, status: int
) -> None:
    site.answer, site.answer_headers = (status, b""), {"retry-after": "1"}
    with pytest.raises(Unavailable) as away:
        confluence.create_content(AS_APP, "question", IN_SPACE, title=TITLE, storage=STORAGE)
    assert away.value.retry_after_s == 1
    assert (len(site.calls), clock.seconds) == (1, STARTED_S)


@pytest.mark.parametrize("cause", ["timeout", "connect", "protocol", "too-large"])
def test_a_write_whose_answer_is_lost_is_unavailable_and_sent_once(
    confluence: Confluence, site: ScriptedSite, cause: str
) -> None:
    site.broken = cause
    with pytest.raises(Unavailable):
        confluence.delete_comment(AS_APP, 5)
    assert len(site.sent) == 1


def test_without_a_secret_nothing_is_written(site: ScriptedSite, clock: Clock) -> None:
    with pytest.raises(Unavailable):
        over(site, clock, Secrets(None)).delete_content(AS_APP, ContentId(1))
    assert site.sent == []


@pytest.mark.parametrize("caller", [AS_ALICE, AS_APP])
@pytest.mark.parametrize(("wait", "waited_s"), [("0", 0), ("1", 1), ("2", 2)])
def test_a_read_is_tried_again_once_when_confluence_is_busy_for_a_moment(
    confluence: Confluence, site: ScriptedSite, clock: Clock, caller: Caller, wait: str, waited_s: int
) -> None:
    site.first_answers = [(429, b"", {"retry-after": wait})]
    assert confluence.content(caller, ContentId(70001)) is not None
    assert (len(site.reads), clock.seconds - STARTED_S) == (2, waited_s)

    site.first_answers = [(429, b"", {"retry-after": wait})] * 2
    with pytest.raises(Unavailable):
        confluence.content(caller, ContentId(70001))
    assert len(site.reads) == 4


@pytest.mark.parametrize("wait", ["3", "60", "", "soon", "-1", "9" * 5000])
def test_a_read_does_not_wait_for_long(confluence: Confluence, site: ScriptedSite, clock: Clock, wait: str) -> None:
    site.answer, site.answer_headers = (429, b""), {"retry-after": wait}
    with pytest.raises(Unavailable):
        confluence.content(AS_APP, ContentId(70001))
    assert (len(site.reads), clock.seconds) == (1, STARTED_S)


def test_calls_are_paid_for(confluence: Confluence, site: ScriptedSite) -> None:
    """A token costs nothing: it is not Confluence that issues it."""
    tenant_id = AS_APP.installation.tenant_id
    confluence.content(AS_ALICE, ContentId(1))
    assert confluence.points.used(tenant_id) == 1
    site.answer = (200, {"results": [ITEM, ITEM]})
    confluence.contents(AS_ALICE, "question", [ContentId(1)])
    assert confluence.points.used(tenant_id) == 4
    site.answer = (404, {"results": [ITEM, ITEM]})
    confluence.content(AS_ALICE, ContentId(1))
    assert confluence.points.used(tenant_id) == 5
    site.answer, site.answer_headers = (204, b""), {"x-ratelimit-nearlimit": "true"}
    confluence.delete_content(AS_ALICE, ContentId(1))
    assert confluence.points.used(tenant_id) == 6
    assert confluence.points.is_saving(tenant_id)


FIRST = f"/api/v2/custom-content?type={QUESTION_TYPE.replace(':', '%3A')}&limit=250&sort=id"


def page(*items: dict[str, Any], link: object = None) -> tuple[int, object]:
    return 200, {"results": list(items), "_links": {"base": BASE} | ({} if link is None else {"next": link})}


@pytest.mark.parametrize(
    "link",
    [
        "/wiki/api/v2/custom-content?cursor=abc%3D&limit=250",
        "/api/v2/custom-content?cursor=abc%3D&limit=250",
        f"{BASE}/api/v2/custom-content?cursor=abc%3D&limit=250",
    ],
)
def test_the_next_page_is_where_confluence_says(confluence: Confluence, site: ScriptedSite, link: str) -> None:
    site.answer = page(ITEM, ITEM | {"type": ANSWER_TYPE}, link=link)
    found = confluence.contents_page(AS_APP, "question")
    assert [item.id for item in found.items] == [70001]
    assert found.next_link == "/api/v2/custom-content?cursor=abc%3D&limit=250"
    site.answer = page()
    assert confluence.contents_page(AS_APP, "question", link=found.next_link) == ContentPage((), None)

    assert [sent.target for sent in site.reads] == [FIRST, found.next_link]
    claims = jwt.decode(site.reads[1].headers["Authorization"][4:], options={"verify_signature": False})
    assert claims["qsh"] == qsh("GET", found.next_link)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.com/wiki/api/v2/custom-content?cursor=a",
        "//evil.example.com/wiki/api/v2/custom-content",
        "https://acme.atlassian.net@evil.example.com/wiki/api/v2/custom-content",
        "https://acme.atlassian.net:444/wiki/api/v2/custom-content",
        "http://acme.atlassian.net/wiki/api/v2/custom-content",
        "/wiki/rest/api/user/current",
        "/wiki/api/v2/../../rest/api/user",
        "/other/api/v2/custom-content",
        "/wikileak/api/v2/custom-content",
        "https://[acme/wiki/api/v2/custom-content",
        "javascript:alert(1)",
    ],
)
def test_a_link_that_leads_elsewhere_is_not_followed(confluence: Confluence, site: ScriptedSite, link: str) -> None:
    site.answer = page(ITEM, link=link)
    with pytest.raises(Unavailable):
        confluence.contents_page(AS_APP, "question")
    site.sent.clear()
    with pytest.raises(Unavailable):
        confluence.contents_page(AS_APP, "question", link=link)
    assert site.sent == []


def test_a_list_may_be_of_one_space_and_in_another_order(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = page()
    confluence.contents_page(AS_APP, "answer", sort="-modified-date", space_id=HR)
    assert parse_qsl(urlsplit(site.reads[0].url).query) == [
        ("type", ANSWER_TYPE),
        ("limit", "250"),
        ("sort", "-modified-date"),
        ("space-id", "65538"),
    ]


@pytest.mark.parametrize("status", [403, 404])
def test_an_app_that_may_not_list_does_not_take_the_site_for_empty(
    confluence: Confluence, site: ScriptedSite, status: int
) -> None:
    site.answer = (status, {})
    with pytest.raises(Unavailable):
        confluence.contents_page(AS_APP, "question")
    assert confluence.contents_page(AS_ALICE, "question") == ContentPage((), None)


COMMENT = {
    "id": "80001",
    "status": "current",
    "customContentId": "70001",
    "version": {"number": 1, "authorId": ALICE, "createdAt": "2026-11-24T10:00:00.000Z"},
    "body": {"storage": BODY},
}


def test_a_comment_is_read_with_its_text(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, COMMENT)
    found = confluence.comment(AS_ALICE, 80001)
    assert found == Comment(
        80001, AccountId(ALICE), ContentId(70001), datetime(2026, 11, 24, 10, 0, tzinfo=UTC), STORAGE
    )
    assert STORAGE not in repr(found)
    assert site.reads[0].target == "/api/v2/footer-comments/80001?body-format=storage"


def test_an_edited_comment_belongs_to_whoever_wrote_it_first(confluence: Confluence, site: ScriptedSite) -> None:
    edited = COMMENT | {"version": {"number": 2, "authorId": BOB, "createdAt": "2026-11-25T10:00:00.000Z"}}
    site.first_answers = [(200, edited | {"body": {"storage": BODY | {"value": "new"}}}, {}), (200, COMMENT, {})]
    found = confluence.comment(AS_ALICE, 80001)
    assert found is not None
    assert (found.author_id, found.storage, found.created_at.day) == (ALICE, "new", 24)
    assert site.reads[1].target == "/api/v2/footer-comments/80001?body-format=storage&version=1"


def test_a_comment_on_a_page_is_on_nothing_of_ours(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {**COMMENT, "customContentId": None, "pageId": "9"})
    found = confluence.comment(AS_ALICE, 80001)
    assert found is not None
    assert found.container_id is None


@pytest.mark.parametrize("name", ["id", "version", "body"])
def test_a_comment_in_an_unknown_form_is_unavailable(confluence: Confluence, site: ScriptedSite, name: str) -> None:
    site.answer = (200, {key: value for key, value in COMMENT.items() if key != name})
    with pytest.raises(Unavailable):
        confluence.comment(AS_ALICE, 80001)


def test_a_comment_is_written_on_an_item(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (201, COMMENT)
    assert confluence.create_comment(AS_ALICE, ContentId(70001), storage=STORAGE) == 80001
    assert site.calls[0].document == {"customContentId": "70001", "body": BODY}


def test_pages_and_then_blog_posts_are_looked_for(confluence: Confluence, site: ScriptedSite) -> None:
    site.first_answers = [
        (200, {"results": [{"id": "2", "spaceId": "65538"}]}, {}),
        (200, {"results": [{"id": "1", "spaceId": "65537"}]}, {}),
    ]
    assert confluence.pages(AS_ALICE, [1, 2, 3, 2]) == {1: ENG, 2: HR}
    assert [sent.target for sent in site.reads] == [
        "/api/v2/pages?limit=250&id=1&id=2&id=3",
        "/api/v2/blogposts?limit=250&id=1&id=3",
    ]
    assert confluence.pages(AS_ALICE, []) == {}
    assert len(site.reads) == 2


SPACE = {"id": "65537", "key": "ENG", "type": "global", "status": "archived", "name": "Secret name"}


def test_spaces_are_told_by_key_kind_and_status(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"results": [SPACE]})
    assert confluence.spaces(AS_ALICE, [HR, ENG]) == {ENG: SpaceFacts("ENG", "global", "archived")}
    assert site.reads[0].target == "/api/v2/spaces?limit=250&ids=65538&ids=65537"


def test_a_space_is_found_by_its_key_and_by_nothing_like_it(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"results": [SPACE | {"id": "1", "key": "eng"}, SPACE]})
    assert confluence.space_id_of(AS_ALICE, "ENG") == ENG
    assert confluence.space_id_of(AS_ALICE, "E&keys=NG") is None
    assert site.reads[1].target == "/api/v2/spaces?keys=E%26keys%3DNG"


def assignment(number: int, target: str = QUESTION_TYPE) -> dict[str, Any]:
    return {
        "id": str(number),
        "principal": {"type": "group", "id": f"g-{number}"},
        "operation": {"key": "read", "targetType": target},
    }


def test_all_assignments_of_a_space_are_read(confluence: Confluence, site: ScriptedSite) -> None:
    following = "/wiki/api/v2/spaces/65537/permissions?limit=250&cursor=x"
    site.first_answers = [(*page(assignment(1), assignment(2, "unheard-of"), link=following), {})]
    site.answer = page(assignment(3))
    assert confluence.space_assignments(AS_ALICE, ENG) == (
        Assignment("group", "g-1", "read", QUESTION_TYPE),
        Assignment("group", "g-2", "read", "unheard-of"),
        Assignment("group", "g-3", "read", QUESTION_TYPE),
    )
    assert [sent.target for sent in site.reads] == [
        "/api/v2/spaces/65537/permissions?limit=250",
        following.removeprefix("/wiki"),
    ]
    site.answer = (404, {})
    assert confluence.space_assignments(AS_ALICE, ENG) is None


def test_a_list_without_end_is_given_up(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = page(assignment(1), link="/wiki/api/v2/spaces/65537/permissions?cursor=x")
    with pytest.raises(Unavailable):
        confluence.space_assignments(AS_ALICE, ENG)
    assert len(site.reads) == 40


def test_what_may_be_done_with_an_item(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"operations": [{"operation": "delete", "targetType": QUESTION_TYPE}]})
    assert confluence.item_operations(AS_ALICE, ContentId(5)) == frozenset({("delete", QUESTION_TYPE)})
    assert site.reads[0].target == "/api/v2/custom-content/5/operations"
    site.answer = (404, {})
    assert confluence.item_operations(AS_ALICE, ContentId(5)) is None


def test_how_a_site_assigns_rights(confluence: Confluence, site: ScriptedSite) -> None:
    site.answer = (200, {"mode": "ROLES"})
    assert confluence.role_mode(AS_ALICE) == "ROLES"
    site.answer = (404, {})
    assert confluence.role_mode(AS_ALICE) is None


@pytest.mark.parametrize("status", [403, 404])
def test_what_may_not_be_seen_is_none_in_every_read(confluence: Confluence, site: ScriptedSite, status: int) -> None:
    site.answer = (status, {})
    assert confluence.written(AS_ALICE, ContentId(1)) is None
    assert confluence.comment(AS_ALICE, 1) is None
    assert confluence.pages(AS_ALICE, [1]) == {}
    assert confluence.spaces(AS_ALICE, [SpaceId(1)]) == {}
    assert confluence.space_id_of(AS_ALICE, "ENG") is None


def test_a_text_is_not_shown_by_what_holds_it(written: Written) -> None:
    assert written.storage == STORAGE
    assert STORAGE not in repr(written)
    assert TITLE not in repr(written)
    assert STORAGE not in repr(replace(written, version=9))
