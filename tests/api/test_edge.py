"""The HTTP edge through the real worker and host: conditions, keys, limits and the licence as a browser meets them."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from urllib.parse import quote

import pytest

from local.person import QUESTION_TYPE, Answered, Person, send
from tests.api.conftest import ENG, MKT, Cast, title
from tests.api.waiting import eventually
from tests.races import at_once, succeeded

_keys = count(1)


def call(person: Person, method: str, path: str, body: object = None, **headers: str) -> Answered:
    """A call of our page with more headers; underscores in their names stand for dashes."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{person.app}/api/v1{path}"
    return send(method, url, headers={"Authorization": f"JWT {person.token()}", **given}, body=body)


def new_key() -> str:
    return f"key-of-a-test-{next(_keys)}"


def test_what_the_browser_has_is_not_sent_again_until_it_changes(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Tagged?"))
    path = f"/questions/{question}"
    first = call(cast.bob, "GET", path)
    assert first.headers["cache-control"] == "private, no-cache"
    again = call(cast.bob, "GET", path, If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, "", first.headers["etag"])

    assert cast.dave.vote("question", question).status == 200
    changed = call(cast.bob, "GET", path, If_None_Match=first.headers["etag"])
    assert (changed.status, changed.body["score"]) == (200, 1)
    assert changed.headers["etag"] != first.headers["etag"]


def test_the_browser_keeps_no_answer_about_people(cast: Cast) -> None:
    for path in ("/audit", f"/people/{quote(cast.carol.account_id, safe='')}/data"):
        answer = call(cast.carol, "GET", path)
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
        assert "etag" not in answer.headers


def test_a_tag_is_no_way_in(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Ours"))
    tag = call(cast.alice, "GET", f"/questions/{question}").headers["etag"]
    for given in (tag, "*"):
        assert call(cast.mallory, "GET", f"/questions/{question}", If_None_Match=given).status == 404


def test_a_condition_that_nobody_honours_is_refused(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Conditional?"))
    refused = call(cast.bob, "PUT", f"/questions/{question}/vote", {"value": 1}, If_Match='"1.abc"')

    assert (refused.status, refused.body["code"]) == (400, "invalid")
    assert cast.alice.api("GET", f"/questions/{question}").body["score"] == 0


def test_what_is_too_large_is_refused(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Large?"))
    path = f"/questions/{question}/watch"
    room = 65_536 - len('{"muted": false}')

    fits = call(cast.bob, "PUT", path, b'{"muted": false' + b" " * room + b"}", Content_Type="application/json")
    assert (fits.status, fits.body) == (200, {"watch": "watching"})
    over = call(cast.bob, "PUT", path, b'{"muted": false' + b" " * (room + 1) + b"}", Content_Type="application/json")
    assert (over.status, over.body["code"]) == (413, "too-large")
    many = call(cast.bob, "GET", "/questions?" + "&".join(f"p{number}=1" for number in range(51)))
    assert (many.status, "50 parameters" in many.body["detail"]) == (400, True)


def test_the_document_says_what_is_too_large_and_which_bodies_are_needed(cast: Cast) -> None:
    document = send("GET", f"{cast.bob.app}/api/v1/openapi.json").body
    for words in ("64 KB (65536 bytes)", "413", "50 query parameters"):
        assert words in document["info"]["description"]
    for path, method, is_needed in (
        ("/tags/{slug}/merge", "post", True),
        ("/spaces/{spaceId}/tags", "put", True),
        ("/tags/{slug}/watch", "put", False),
    ):
        assert document["paths"][f"/api/v1{path}"][method]["requestBody"]["required"] is is_needed, path


def test_asking_twice_with_a_key_is_asking_once(cast: Cast) -> None:
    key = new_key()
    body = {"contentId": cast.alice.create(QUESTION_TYPE, title("Once"), "<p>?</p>", spaceId=ENG)}
    first = call(cast.alice, "POST", "/questions", body, Idempotency_Key=key)
    second = call(cast.alice, "POST", "/questions", body, Idempotency_Key=key)

    assert first.status in {200, 201}
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    # Without the key the question is known already; with it, the first answer stands.
    assert call(cast.alice, "POST", "/questions", body).status == 200

    other = call(cast.alice, "POST", "/questions", {**body, "tags": ["x"]}, Idempotency_Key=key)
    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
    elsewhere = call(cast.alice, "POST", f"/questions/{body['contentId']}/answers", body, Idempotency_Key=key)
    assert (elsewhere.status, elsewhere.body["code"]) == (422, "idempotency-key-reused")


def test_the_same_key_of_mallory_is_another_key(cast: Cast) -> None:
    key = new_key()
    ours = cast.alice.create(QUESTION_TYPE, title("Ours"), "<p>?</p>", spaceId=ENG)
    assert call(cast.alice, "POST", "/questions", {"contentId": ours}, Idempotency_Key=key).status in {200, 201}
    stolen = call(cast.mallory, "POST", "/questions", {"contentId": ours}, Idempotency_Key=key)

    assert (stolen.status, stolen.body["code"]) == (404, "not-found")
    assert "idempotency-replayed" not in stolen.headers


def test_equal_requests_at_once_get_one_answer_or_are_told_to_wait(cast: Cast) -> None:
    key = new_key()
    body = {"contentId": cast.bob.create(QUESTION_TYPE, title("At once"), "<p>?</p>", spaceId=ENG)}
    ask = partial(call, cast.bob, "POST", "/questions", body, Idempotency_Key=key)
    answers = succeeded(at_once([ask] * 5))

    done = [answer for answer in answers if answer.status in {200, 201}]
    assert done
    assert [answer.body for answer in done] == [done[0].body] * len(done)
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    for answer in answers:
        if answer not in done:
            assert (answer.body["code"], answer.headers["retry-after"]) == ("idempotency-in-progress", "1")


def test_each_answer_says_how_much_of_its_limit_remains(cast: Cast) -> None:
    first, second = (call(cast.dave, "GET", "/me").headers["ratelimit"] for _ in range(2))

    for header in (first, second):
        assert header.startswith('"read";r=')
    assert "ratelimit" not in send("GET", f"{cast.dave.app}/healthz").headers


@pytest.fixture
def unlicensed(cast: Cast) -> Iterator[Person]:
    """Mallory, on a site whose licence is gone for as long as the test takes."""
    mallory = cast.mallory

    def open_page() -> None:
        body = {"accountId": mallory.account_id, "moduleKey": "questions", "params": {}}
        assert send("GET", send("POST", f"{mallory.site}/_sim/iframe-url", body=body).body["url"]).status == 200

    def switch(*, licensed: bool) -> None:
        assert send("PUT", f"{mallory.site}/_sim/site", body={"licensed": licensed}).status == 200
        open_page()

    switch(licensed=False)
    try:
        yield mallory
    finally:
        switch(licensed=True)
    question = mallory.create(QUESTION_TYPE, title("Licensed again"), "<p>?</p>", spaceId=MKT)
    assert mallory.api("POST", "/questions", {"contentId": question}).status < 300


def test_a_site_without_a_licence_can_be_read(cast: Cast, unlicensed: Person) -> None:
    content = unlicensed.create(QUESTION_TYPE, title("Unlicensed"), "<p>?</p>", spaceId=MKT)
    refused = unlicensed.api("POST", "/questions", {"contentId": content})
    assert (refused.status, refused.body["code"]) == (403, "unlicensed")
    assert unlicensed.api("GET", f"/questions?space={MKT}").status == 200
    # What Confluence reports is followed all the same, so nothing is lost.
    eventually(lambda: unlicensed.api("GET", f"/questions/{content}").status == 200, "registration")
    assert cast.alice.vote("question", cast.bob.ask(ENG, title("Elsewhere"))).status == 200
