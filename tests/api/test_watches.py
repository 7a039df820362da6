"""Watches through the real worker and host."""

import pytest

from local.person import Person, send
from tests.api.conftest import ENG, HR, Cast, title

WATCHING, MUTED, NOTHING = {"watch": "watching"}, {"watch": "muted"}, {"watch": None}


def watched(person: Person, query: str = "") -> list[tuple[str, str, str]]:
    answer = person.api("GET", f"/watches?limit=100{query}")
    assert answer.status == 200, answer.body
    return [(item["kind"], item["target"], item["watch"]) for item in answer.body["items"]]


def test_a_question_is_watched_muted_and_left(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Watched"))
    path = f"/questions/{question}/watch"

    def seen() -> tuple[str | None, int]:
        body = cast.bob.api("GET", f"/questions/{question}").body
        return body["watch"], body["watchCount"]

    assert seen() == (None, 1)
    assert cast.bob.api("PUT", path, {}).body == WATCHING
    assert seen() == ("watching", 2)
    assert cast.bob.api("PUT", path, {"muted": True}).body == MUTED
    assert seen() == ("muted", 1)
    assert cast.bob.api("DELETE", path).body == NOTHING
    assert cast.bob.api("DELETE", path).body == NOTHING
    assert seen() == (None, 1)


def test_a_watch_needs_no_body(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("No body"), tags=("bodiless",))

    for path in (f"/questions/{question}/watch", f"/spaces/{ENG}/watch", "/tags/bodiless/watch"):
        assert cast.bob.api("PUT", path, {"muted": True}).body == MUTED
        bare = cast.bob.api("PUT", path)
        assert (bare.status, bare.body) == (200, WATCHING), path
        assert cast.bob.api("DELETE", path).body == NOTHING
    path = f"/questions/{question}/watch"
    token = {"Authorization": f"JWT {cast.bob.token()}", "Content-Type": "text/plain"}
    refused = send("PUT", f"{cast.bob.app}/api/v1{path}", headers=token, body=b"{}")
    assert (refused.status, refused.body["code"]) == (415, "unsupported-media-type")


def test_asking_and_answering_watch_and_muting_lasts(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Automatic"))
    assert ("question", question, "watching") in watched(cast.alice)
    assert cast.bob.api("PUT", f"/questions/{question}/watch", {"muted": True}).status == 200

    cast.bob.answer(question)

    assert ("question", question, "muted") in watched(cast.bob)
    assert cast.alice.api("GET", f"/questions/{question}").body["watchCount"] == 1


def test_spaces_and_tags_are_watched_and_listed_by_kind(cast: Cast) -> None:
    cast.alice.ask(HR, title("Tagged"), tags=("watched-tag",))

    assert cast.bob.api("PUT", f"/spaces/{HR}/watch", {"muted": True}).body == MUTED
    assert cast.bob.api("PUT", "/tags/Watched%20Tag/watch", {}).body == WATCHING
    assert cast.bob.api("GET", "/tags/watched-tag").body["watch"] == "watching"
    assert watched(cast.bob, "&kind=space") == [("space", HR, "muted")]
    assert ("tag", "watched-tag", "watching") in watched(cast.bob, "&kind=tag")
    assert {kind for kind, *_ in watched(cast.bob, "&kind=tag")} == {"tag"}

    assert cast.bob.api("DELETE", f"/spaces/{HR}/watch").body == NOTHING
    assert cast.bob.api("DELETE", "/tags/watched-tag/watch").body == NOTHING
    left = {target for _, target, _ in watched(cast.bob)}
    assert left.isdisjoint({HR, "watched-tag"})


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_hidden_cannot_be_watched(cast: Cast, method: str) -> None:
    question = cast.alice.ask(HR, title("Hidden"), tags=("hidden-tag",))
    body: dict[str, object] | None = {} if method == "PUT" else None

    for path in (f"/questions/{question}/watch", f"/spaces/{HR}/watch", "/tags/hidden-tag/watch"):
        for person in (cast.dave, cast.mallory):
            answer = person.api(method, path, body)
            assert (answer.status, answer.body["code"]) == (404, "not-found"), path
    assert cast.alice.api("GET", f"/questions/{question}").body["watchCount"] == 1


def test_a_watch_takes_one_word_and_a_list_one_kind(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Strict"))
    path = f"/questions/{question}/watch"

    for body in ({"muted": "yes"}, {"muted": None}, {"loud": True}):
        assert cast.bob.api("PUT", path, body).status == 400
    assert cast.bob.api("GET", "/watches?kind=person").status == 400
    assert cast.bob.api("GET", "/watches?cursor=AAAA").status == 400
    assert cast.bob.api("GET", path).status == 405
