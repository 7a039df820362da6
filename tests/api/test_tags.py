"""Tags through the real worker and host: what the addresses take, who may use them, and what they tell nobody."""

from itertools import count
from urllib.parse import quote

import pytest

from local.confluence.cast import ALICE, BOB
from local.person import QUESTION_TYPE, Answered, Person, send
from tests.api.conftest import ENG, HR, MKT, Cast, title

_numbers = count(1)


def new_slug(text: str = "tag") -> str:
    """A slug of its own: tests share the site."""
    return f"{text}-{next(_numbers)}"


def at(slug: str, rest: str = "") -> str:
    return f"/tags/{quote(slug, safe='')}{rest}"


def listed(person: Person, query: str) -> list[str]:
    answer = person.api("GET", f"/tags?{query}")
    assert answer.status == 200, answer.body
    return [item["slug"] for item in answer.body["items"]]


def problem(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def faults(answer: Answered) -> list[str]:
    return [fault.get("pointer") or fault["parameter"] for fault in answer.body["problems"]]


@pytest.mark.parametrize("text", ["C++", "C#", "Node.js", "日本語", "Grüße", "single sign on"])
def test_a_tag_of_any_script_is_found_at_its_address(cast: Cast, text: str) -> None:
    typed = new_slug(text)
    question = cast.alice.ask(ENG, title("Which?"), tags=(typed,))
    (slug,) = cast.bob.api("GET", f"/questions/{question}").body["tags"]

    for asked in (slug, typed, typed.upper()):
        answer = cast.bob.api("GET", at(asked))
        assert (answer.status, answer.body["slug"], answer.body["questionCount"]) == (200, slug, 1), asked
    assert listed(cast.bob, f"prefix={quote(typed)}") == [slug]


def test_tags_are_listed_with_counts_of_what_the_caller_sees(cast: Cast) -> None:
    prefix = new_slug("seen")
    cast.alice.ask(ENG, title("One"), tags=(f"{prefix}-both",))
    cast.alice.ask(HR, title("Two"), tags=(f"{prefix}-both", f"{prefix}-hr"))

    def counts(person: Person) -> dict[str, int]:
        items = person.api("GET", f"/tags?prefix={prefix}").body["items"]
        return {item["slug"]: item["questionCount"] for item in items}

    assert counts(cast.bob) == {f"{prefix}-both": 2, f"{prefix}-hr": 1}
    assert counts(cast.dave) == {f"{prefix}-both": 1}
    assert counts(cast.mallory) == {}
    assert cast.dave.api("GET", at(f"{prefix}-hr")).status == 404
    assert cast.dave.api("GET", f"/tags?space={HR}").status == 404
    assert cast.mallory.api("GET", at(f"{prefix}-both")).status == 404
    assert cast.mallory.api("GET", f"/tags?space={ENG}").status == 404


def test_a_renamed_tag_keeps_its_questions_and_its_old_address(cast: Cast) -> None:
    old, new = new_slug("old"), new_slug("new")
    question = cast.alice.ask(ENG, title("Renamed"), tags=(old,))
    version = cast.carol.api("GET", at(old)).body["version"]

    changed = cast.carol.api("PATCH", at(old), {"slug": new, "description": "What it is about", "version": version})

    assert changed.status == 200, changed.body
    assert (changed.body["slug"], changed.body["synonyms"], changed.body["version"]) == (new, [old], version + 1)
    assert cast.bob.api("GET", at(old)).body["description"] == "What it is about"
    assert cast.bob.api("GET", f"/questions/{question}").body["tags"] == [new]
    for given in (old, new):
        assert question in {item["id"] for item in cast.bob.api("GET", f"/questions?tag={given}").body["items"]}
    stale = cast.carol.api("PATCH", at(new), {"slug": new_slug(), "version": version})
    assert problem(stale) == (409, "tag-changed")
    assert stale.body["current"] == {"version": version + 1, "slug": new}


def test_a_change_can_be_conditional(cast: Cast) -> None:
    slug = new_slug()
    cast.alice.ask(ENG, title("Conditional"), tags=(slug,))
    tag = cast.carol.api("GET", at(slug)).headers["etag"]

    def change(text: str) -> Answered:
        headers = {"Authorization": f"JWT {cast.carol.token()}", "If-Match": tag}
        return send("PATCH", f"{cast.carol.app}/api/v1{at(slug)}", headers=headers, body={"description": text})

    assert change("First").status == 200
    second = change("Second")
    assert problem(second) == (412, "precondition-failed")
    assert cast.bob.api("GET", at(slug)).body["description"] == "First"


def test_a_merge_moves_questions_watches_and_experts(cast: Cast) -> None:
    source, target = new_slug("source"), new_slug("target")
    question = cast.alice.ask(ENG, title("Merged"), tags=(source,))
    cast.alice.ask(ENG, title("Stays"), tags=(target,))
    assert cast.bob.api("PUT", at(source, "/watch"), {}).body == {"watch": "watching"}
    assert cast.carol.api("PUT", at(source, f"/experts/{BOB}")).status == 204

    merged = cast.carol.api("POST", at(source, "/merge"), {"into": target})

    assert merged.status == 200, merged.body
    assert (merged.body["slug"], merged.body["questionCount"]) == (target, 2)
    assert (merged.body["synonyms"], merged.body["experts"]) == ([source], [BOB])
    assert cast.bob.api("GET", at(source)).body["watch"] == "watching"
    assert cast.bob.api("GET", f"/questions/{question}").body["tags"] == [target]
    again = cast.carol.api("POST", at(source, "/merge"), {"into": target})
    assert problem(again) == (409, "already-merged")
    assert again.body["current"] == {"slug": target}
    itself = cast.carol.api("POST", at(target, "/merge"), {"into": target})
    assert problem(itself) == (422, "same-tag")


def test_synonyms_come_and_go(cast: Cast) -> None:
    slug, other, taken = new_slug(), new_slug("other"), new_slug("taken")
    cast.alice.ask(ENG, title("Named twice"), tags=(slug, taken))

    added = cast.carol.api("POST", at(slug, "/synonyms"), {"slug": other})
    assert (added.status, added.body["synonyms"]) == (200, [other])
    refused = cast.carol.api("POST", at(slug, "/synonyms"), {"slug": taken})
    assert problem(refused) == (409, "slug-taken")
    assert refused.body["current"] == {"slug": taken}
    assert cast.bob.api("GET", at(other)).body["slug"] == slug

    assert cast.carol.api("DELETE", at(slug, f"/synonyms/{taken}")).status == 404
    removed = cast.carol.api("DELETE", at(slug, f"/synonyms/{other}"))
    assert (removed.status, removed.body["synonyms"]) == (200, [])
    assert cast.bob.api("GET", at(other)).status == 404


def test_experts_are_named_and_unnamed(cast: Cast) -> None:
    slug = new_slug()
    cast.alice.ask(ENG, title("Who knows?"), tags=(slug,))
    prefix = f"filter=withoutExpert&prefix={slug}"
    assert listed(cast.carol, prefix) == [slug]

    for account in (ALICE, BOB, ALICE):
        assert cast.carol.api("PUT", at(slug, f"/experts/{account}")).status == 204
    assert cast.dave.api("GET", at(slug)).body["experts"] == [ALICE, BOB]
    assert listed(cast.carol, prefix) == []
    assert cast.carol.api("DELETE", at(slug, f"/experts/{ALICE}")).status == 204
    assert cast.dave.api("GET", at(slug)).body["experts"] == [BOB]
    assert cast.carol.api("PUT", at(slug, "/experts/no%20account")).status == 404


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PATCH", "", {"slug": "mine-now"}),
        ("POST", "/merge", {"into": "mine-now"}),
        ("POST", "/synonyms", {"slug": "mine-now"}),
        ("DELETE", "/synonyms/mine-now", None),
        ("PUT", f"/experts/{BOB}", None),
        ("DELETE", f"/experts/{BOB}", None),
    ],
)
def test_only_administrators_of_confluence_change_tags(
    cast: Cast, method: str, rest: str, body: dict[str, str] | None
) -> None:
    slug = new_slug()
    cast.alice.ask(ENG, title("Mine"), tags=(slug,))
    before = cast.carol.api("GET", at(slug)).body

    for person in (cast.alice, cast.dave):
        assert problem(person.api(method, at(slug, rest), body)) == (403, "forbidden")
        # What is refused tells nothing of which tags there are.
        assert person.api(method, at("never-seen", rest), body).status == 403
    assert cast.mallory.api(method, at(slug, rest), body).status == 404
    assert cast.carol.api("GET", at(slug)).body == before


def test_lists_for_administrators_are_refused_to_others(cast: Cast) -> None:
    for name in ("inactive", "withoutExpert"):
        assert cast.bob.api("GET", f"/tags?filter={name}").status == 403
        assert cast.bob.api("GET", f"/tags?filter={name}&space={ENG}").status == 403
        assert cast.carol.api("GET", f"/tags?filter={name}").status == 200
    assert cast.bob.api("GET", "/tags?filter=featured").status == 200


@pytest.mark.parametrize("text", ["new", "Untagged", "\u202egnp", "a\u0000b", "x" * 36, "x" * 200, "-", " "])
def test_what_cannot_be_a_tag_is_refused_everywhere_by_name(cast: Cast, text: str) -> None:
    slug = new_slug()
    cast.alice.ask(ENG, title("Plain"), tags=(slug,))
    content = cast.alice.create(QUESTION_TYPE, title("Odd"), "<p>?</p>", spaceId=ENG)

    for method, path, body, where in (
        ("POST", "/questions", {"contentId": content, "tags": [slug, text]}, "/tags/1"),
        ("PATCH", at(slug), {"slug": text}, "/slug"),
        ("POST", at(slug, "/synonyms"), {"slug": text}, "/slug"),
        ("PUT", f"/spaces/{ENG}/tags", {"featured": [text], "required": [], "version": 0}, "/featured/0"),
    ):
        answer = cast.carol.api(method, path, body)
        assert (answer.status, faults(answer)) == (400, [where]), path


def test_bodies_that_are_too_long_or_unknown_are_refused(cast: Cast) -> None:
    slug = new_slug()
    cast.alice.ask(ENG, title("Long"), tags=(slug,))

    for body, where in (
        ({"slug": "x" * 10_000}, ["/slug"]),
        ({"description": "x" * 10_000}, ["/description"]),
        ({"description": "x" * 501}, ["/description"]),
        ({"description": "\u202etxet"}, ["/description"]),
        ({"slug": "new", "description": "a\u0007b"}, ["/slug", "/description"]),
        ({"colour": "red"}, ["/colour"]),
        ({"version": -1}, ["/version"]),
    ):
        answer = cast.carol.api("PATCH", at(slug), body)
        assert (answer.status, faults(answer)) == (400, where), body
    into = cast.carol.api("POST", at(slug, "/merge"), {"into": "never-seen"})
    assert (into.status, faults(into)) == (422, ["/into"])
    many = {"featured": [f"tag-{number}" for number in range(21)], "required": [], "version": 0}
    assert faults(cast.carol.api("PUT", f"/spaces/{ENG}/tags", many)) == ["/featured"]
    assert cast.carol.api("GET", at("x" * 1000)).status == 404
    assert faults(cast.bob.api("GET", "/tags?order=colour")) == ["order"]
    assert faults(cast.bob.api("GET", "/tags?prefix=%E2%80%AEgnp")) == ["prefix"]


def test_a_space_features_and_requires_tags(cast: Cast) -> None:
    featured, required = new_slug("featured"), new_slug("required")
    path = f"/spaces/{HR}/tags"
    version = cast.bob.api("GET", path).body["version"]
    body = {"featured": [featured], "required": [required], "version": version}

    assert problem(cast.bob.api("PUT", path, body)) == (403, "forbidden")
    for person in (cast.dave, cast.mallory):
        assert person.api("PUT", path, body).status == 404
        assert person.api("GET", path).status == 404
    try:
        changed = cast.carol.api("PUT", path, body)
        assert changed.body == {**body, "version": version + 1}
        assert cast.bob.api("GET", path).body == changed.body
        assert cast.carol.api("GET", f"/spaces/{HR}/settings").body["version"] == version + 1
        stale = cast.carol.api("PUT", path, {**body, "featured": []})
        assert problem(stale) == (409, "settings-changed")
        assert stale.body["current"] == {"version": version + 1}
        assert cast.bob.api("GET", path).body == changed.body
        assert featured in listed(cast.bob, f"space={HR}&filter=featured")
        assert featured not in listed(cast.dave, "filter=featured")
        other = cast.mallory.api("GET", f"/spaces/{MKT}/tags").body
        assert (other["featured"], other["required"]) == ([], [])
    finally:
        version = cast.bob.api("GET", path).body["version"]
        cleared = cast.carol.api("PUT", path, {"featured": [], "required": [], "version": version})
        assert cleared.body == {"featured": [], "required": [], "version": version + 1}
