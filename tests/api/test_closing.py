"""Moderating over HTTP: closing, reopening, locking, pinning, linking, and two moderators at once."""

from typing import Any

import pytest

from local.person import Answered, Person, send
from tests.api.conftest import ENG, HR, Cast, title

NOT_FOUND = (404, "not-found")


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def change(person: Person, question: str, *, if_match: str | None = None, **body: Any) -> Answered:
    headers = {"Authorization": f"JWT {person.token()}"} | ({} if if_match is None else {"If-Match": if_match})
    return send("PATCH", f"{person.app}/api/v1/questions/{question}", headers=headers, body=body)


def duplicate(original: str) -> dict[str, str]:
    return {"state": "closed", "closeReason": "duplicate", "duplicateOf": original}


def test_a_closed_question_takes_votes_and_acceptance_but_no_answers(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Closing"))
    answer = cast.bob.answer(question)
    closed = change(cast.carol, question, state="closed", closeReason="outdated").body
    assert (closed["state"], closed["closeReason"], closed["may"]["answer"]) == ("closed", "outdated", False)
    assert closed["closedAt"] is not None

    assert cast.bob.vote("question", question).body == {"value": 1, "score": 1}
    assert cast.alice.accept(question, answer).body["state"] == "closed"
    with pytest.raises(RuntimeError, match="question-closed"):
        cast.dave.answer(question)
    listed = cast.dave.api("GET", f"/questions?space={ENG}&state=closed&limit=100").body["items"]
    assert question in {item["id"] for item in listed}

    assert change(cast.carol, question, state="open").body["state"] == "accepted"
    cast.dave.answer(question)


def test_a_locked_question_takes_no_answers_and_a_pinned_one_leads(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Locked"))
    changed = change(cast.carol, question, isLocked=True, isPinned=True).body
    try:
        assert (changed["isLocked"], changed["isPinned"], changed["state"]) == (True, True, "unanswered")
        with pytest.raises(RuntimeError, match="question-locked"):
            cast.bob.answer(question)
        pinned = cast.dave.api("GET", f"/questions?space={ENG}").body["pinned"]
        assert question in {item["id"] for item in pinned}
    finally:
        change(cast.carol, question, isPinned=False)
    assert change(cast.carol, question, isLocked=False).body["may"]["answer"]


def test_the_second_of_two_moderators_is_told_what_stands(cast: Cast) -> None:
    question, original = cast.alice.ask(ENG, title("Both")), cast.alice.ask(ENG, title("First"))
    seen = cast.carol.api("GET", f"/questions/{question}")
    tag = seen.headers["etag"]
    assert change(cast.carol, question, if_match=tag, **duplicate(original)).status == 200

    late = change(cast.carol, question, if_match=tag, isLocked=True)
    assert code(late) == (412, "precondition-failed")
    other = change(cast.carol, question, state="closed", closeReason="off-topic")
    assert code(other) == (409, "closed-otherwise")
    standing = {
        "state": "closed",
        "closeReason": "duplicate",
        "duplicateOf": original,
        "isLocked": False,
        "isPinned": False,
        "version": 2,
    }
    assert late.body["current"] == other.body["current"] == standing
    assert change(cast.carol, question, if_match="nonsense", isLocked=True).status == 400


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"/"}),
        ({"state": "closed"}, {"/closeReason"}),
        ({"state": "closed", "closeReason": "duplicate", "tags": [""]}, {"/duplicateOf", "/tags/0"}),
        ({"state": "open", "closeReason": "outdated", "duplicateOf": "1"}, {"/closeReason", "/duplicateOf"}),
        ({"state": "gone", "isLocked": "yes", "pinned": True}, {"/state", "/isLocked", "/pinned"}),
    ],
)
def test_what_does_not_go_together_is_told_at_once(cast: Cast, body: dict[str, Any], places: set[str]) -> None:
    question = cast.alice.ask(ENG, title("Nonsense"))
    answer = change(cast.carol, question, **body)
    assert answer.status == 400
    assert {problem["pointer"] for problem in answer.body["problems"]} == places


def test_duplicates_form_no_circle_and_are_shown_from_both_ends(cast: Cast) -> None:
    one, two, three = (cast.alice.ask(ENG, title("Same")) for _ in range(3))
    assert change(cast.carol, one, **duplicate(two)).body["duplicateOf"] == two
    assert code(change(cast.carol, two, **duplicate(one))) == (422, "duplicate-circle")
    assert code(change(cast.carol, two, **duplicate(two))) == (422, "duplicate-of-itself")
    sent_on = change(cast.carol, three, **duplicate(one))
    assert code(sent_on) == (422, "original-is-duplicate")
    assert two in sent_on.body["detail"]
    assert change(cast.carol, three, **duplicate(two)).status == 200

    links = cast.dave.api("GET", f"/questions/{two}/links").body
    assert ({item["id"] for item in links["duplicates"]}, links["duplicateOf"]) == ({one, three}, None)
    assert cast.dave.api("GET", f"/questions/{one}/links").body["duplicateOf"]["id"] == two
    change(cast.carol, one, state="open")
    links = cast.dave.api("GET", f"/questions/{two}/links").body
    assert [item["id"] for item in links["duplicates"]] == [three]


def test_what_is_hidden_stays_hidden_through_every_link(cast: Cast) -> None:
    question, hidden = cast.alice.ask(ENG, title("Open")), cast.alice.ask(HR, title("Hidden"), tags=("leave",))
    assert change(cast.carol, question, **duplicate(hidden)).status == 200
    assert cast.alice.api("PUT", f"/questions/{question}/links/{hidden}").status == 200

    assert cast.dave.api("GET", f"/questions/{question}").body["duplicateOf"] is None
    links = cast.dave.api("GET", f"/questions/{question}/links").body
    assert links == {"duplicateOf": None, "duplicates": [], "linked": []}
    daves = cast.dave.ask(ENG, title("Dave's"), tags=("leave",))
    assert cast.dave.api("GET", f"/questions/{daves}/related").body == {"items": [], "next": None}
    assert [item["id"] for item in cast.bob.api("GET", f"/questions/{daves}/related").body["items"]] == [hidden]
    for refused in (
        cast.dave.api("PUT", f"/questions/{daves}/links/{hidden}"),
        cast.dave.api("PUT", f"/questions/{daves}/links/424242"),
        cast.dave.api("GET", f"/questions/{hidden}/links"),
        cast.mallory.api("GET", f"/questions/{question}/links"),
        cast.mallory.api("GET", f"/questions/{question}/related"),
        cast.mallory.api("PUT", f"/questions/{question}/links/{daves}"),
        cast.mallory.api("DELETE", f"/questions/{question}/links/{hidden}"),
    ):
        assert code(refused) == NOT_FOUND
    shown = cast.bob.api("GET", f"/questions/{question}/links").body
    assert (shown["duplicateOf"]["id"], [item["id"] for item in shown["linked"]]) == (hidden, [hidden])
    assert cast.alice.api("DELETE", f"/questions/{question}/links/{hidden}").status == 204


def test_dave_alice_and_mallory_moderate_nothing(cast: Cast) -> None:
    question, hidden = cast.alice.ask(ENG, title("Mine")), cast.alice.ask(HR, title("Theirs"))
    for body in ({"state": "closed", "closeReason": "outdated"}, {"isLocked": True}, {"isPinned": True}):
        assert code(change(cast.alice, question, **body)) == (403, "forbidden")
        assert code(change(cast.dave, hidden, **body)) == NOT_FOUND
        assert code(change(cast.mallory, question, **body)) == NOT_FOUND
    assert cast.alice.api("GET", f"/questions/{question}").body["version"] == 1
