"""Points, contributors, profiles, experts, requests and personal data on the running stack, with every intruder."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from local.person import Answered, Person, send
from local.stack import Stack
from tests.api.conftest import ENG, HR, Cast, title
from tests.api.waiting import eventually

NOT_FOUND = (404, "not-found")
NOBODY = "557058:00000000-0000-4000-8000-00000000dead"


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def points(viewer: Person, account: str, query: str = "") -> int:
    answer = viewer.api("GET", f"/contributors?limit=100{query}")
    assert answer.status == 200, answer.body
    return sum(int(item["points"]) for item in answer.body["items"] if item["accountId"] == account)


def profile(viewer: Person, account: str) -> dict[str, Any]:
    answer = viewer.api("GET", f"/people/{account}")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def test_votes_and_acceptance_become_points_and_go_with_their_question(cast: Cast) -> None:
    tag = "earned-" + title("").strip(" ()")
    before = {person.account_id: points(cast.dave, person.account_id) for person in (cast.alice, cast.bob)}
    question = cast.alice.ask(ENG, title("What earns points?"), tags=(tag,))
    answer = cast.bob.answer(question)
    cast.bob.vote("question", question)
    cast.carol.vote("answer", answer)
    cast.alice.accept(question, answer)

    def earned() -> tuple[int, int]:
        alice, bob = (points(cast.dave, one.account_id) - before[one.account_id] for one in (cast.alice, cast.bob))
        return alice, bob

    eventually(lambda: earned() == (10, 25), "points")
    assert points(cast.dave, cast.bob.account_id, f"&tag={tag}") == 25
    assert points(cast.dave, cast.bob.account_id, f"&tag={tag}&days=7&space={ENG}") == 25
    seen = profile(cast.dave, cast.bob.account_id)
    assert seen["points"]["ever"] == before[cast.bob.account_id] + 25
    assert answer in [post["id"] for post in seen["answers"]]
    assert {"slug": tag, "points": 25} in seen["tags"]
    assert cast.dave.api("GET", f"/tags/{tag}/experts").body == {"items": [], "next": None, "isPartial": False}

    assert cast.carol.confluence("DELETE", f"/api/v2/custom-content/{question}").status == 204
    eventually(lambda: earned() == (0, 0), "points going")


def test_points_of_a_space_that_dave_does_not_see_are_not_his_to_know(cast: Cast) -> None:
    before = points(cast.dave, cast.alice.account_id)
    question = cast.alice.ask(HR, title("Hidden points"))
    cast.bob.vote("question", question)
    eventually(lambda: points(cast.bob, cast.alice.account_id, f"&space={HR}") >= 10, "points")

    assert points(cast.dave, cast.alice.account_id) == before
    assert code(cast.dave.api("GET", f"/contributors?space={HR}")) == NOT_FOUND
    assert question not in [post["id"] for post in profile(cast.dave, cast.alice.account_id)["recent"]]


def test_mallory_learns_nothing_of_the_people_of_another_site(cast: Cast) -> None:
    cast.alice.ask(ENG, title("Ours"))
    known, unknown = (profile(cast.mallory, account) for account in (cast.alice.account_id, NOBODY))

    assert {**known, "accountId": ""} == {**unknown, "accountId": ""}
    assert code(cast.mallory.api("GET", f"/contributors?space={ENG}")) == NOT_FOUND
    assert cast.mallory.api("GET", f"/people/{cast.alice.account_id}/data").body["tables"] == []


@pytest.mark.parametrize("query", ["days=8", "days=-7", "limit=0", "limit=101", "space=0", "cursor=x", "tag=", "who=1"])
def test_bad_queries_of_contributors_are_refused(cast: Cast, query: str) -> None:
    assert code(cast.alice.api("GET", f"/contributors?{query}")) == (400, "invalid")


def test_a_request_is_made_seen_and_done(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Who knows?"))
    made = cast.carol.api("POST", f"/questions/{question}/requests", {"accountId": cast.bob.account_id})
    assert made.status == 201
    assert cast.alice.api("POST", f"/questions/{question}/requests", {"accountId": cast.bob.account_id}).status == 200
    assert question in [item["questionId"] for item in cast.bob.api("GET", "/requests").body["items"]]

    cast.bob.answer(question)

    assert question not in [item["questionId"] for item in cast.bob.api("GET", "/requests").body["items"]]
    (item,) = cast.dave.api("GET", f"/questions/{question}/requests").body["items"]
    assert (item["accountId"], item["isDone"]) == (cast.bob.account_id, True)


def test_who_may_not_see_the_question_is_not_asked(cast: Cast) -> None:
    question = cast.alice.ask(HR, title("Leave"))
    path = f"/questions/{question}/requests"

    for account in (cast.dave.account_id, cast.mallory.account_id, NOBODY):
        assert code(cast.bob.api("POST", path, {"accountId": account})) == (422, "cannot-see-question")
    assert code(cast.bob.api("POST", path, {"accountId": cast.alice.account_id})) == (422, "asks-asker")
    assert code(cast.bob.api("POST", path, {"accountId": "no account"})) == (400, "invalid")
    for intruder in (cast.dave, cast.mallory):
        assert code(intruder.api("POST", path, {"accountId": cast.bob.account_id})) == NOT_FOUND
        assert code(intruder.api("GET", path)) == NOT_FOUND
        assert code(intruder.api("DELETE", f"{path}/{cast.bob.account_id}")) == NOT_FOUND


def test_a_request_is_taken_back_by_the_two_it_concerns(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Never mind"))
    path = f"/questions/{question}/requests"
    cast.alice.api("POST", path, {"accountId": cast.bob.account_id})

    assert code(cast.dave.api("DELETE", f"{path}/{cast.bob.account_id}")) == (403, "forbidden")
    assert cast.bob.api("DELETE", f"{path}/{cast.bob.account_id}").status == 204
    assert code(cast.alice.api("DELETE", f"{path}/{cast.bob.account_id}")) == NOT_FOUND


def test_a_persons_data_is_for_that_person_and_administrators(cast: Cast) -> None:
    question = cast.bob.ask(ENG, title("Mine"))
    path = f"/people/{cast.bob.account_id}/data"

    own, administrators = cast.bob.api("GET", path), cast.carol.api("GET", path)

    assert (own.status, administrators.status) == (200, 200)
    assert own.body["next"] is None
    tables = {(table["name"], table["role"]): table for table in own.body["tables"]}
    questions = tables["question", "author"]
    assert question in [row[questions["columns"].index("id")] for row in questions["rows"]]
    columns = {column for table in own.body["tables"] for column in table["columns"]}
    assert columns & {"score", "up", "down", "watch_count", "duplicate_of", "label", "endpoint_host"} == set()
    assert code(cast.bob.api("GET", f"{path}?cursor=x")) == (400, "invalid")
    assert code(cast.bob.api("GET", f"{path}?limit=5")) == (400, "invalid")
    assert code(cast.alice.api("GET", path)) == (403, "forbidden")


def test_experts_of_unknown_tags_are_not_found(cast: Cast) -> None:
    assert code(cast.alice.api("GET", "/tags/never-heard-of-it/experts")) == NOT_FOUND


@pytest.mark.parametrize(
    ("function", "given"),
    [("recount_nightly", ""), ("recount_rest", '{"v":1,"tenant":"0","step":"questions","after":"0"}')],
)
def test_a_drift_is_repaired_at_night(stack: Stack, cast: Cast, function: str, given: str) -> None:
    question = cast.alice.ask(ENG, title("Drifted"))
    with closing(sqlite3.connect(stack.data / "app.db", timeout=20)) as base, base:
        base.execute("UPDATE question SET watch_count = 41 WHERE id = ?", (int(question),))
    assert cast.bob.api("GET", f"/questions/{question}").body["watchCount"] == 41

    fired = send("POST", f"{stack.app_url}/admin/functions/{function}", body={"input": given})

    assert fired.status == 202
    eventually(lambda: cast.bob.api("GET", f"/questions/{question}").body["watchCount"] == 1, "the repair")
