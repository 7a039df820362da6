"""Asking, answering, voting, accepting and listing, with every intruder at each door."""

import itertools
from typing import Any

import pytest

from local.confluence.cast import ACME, APP_KEY, group_id
from local.confluence.people import EVERYONE
from local.person import ANSWER_TYPE, QUESTION_TYPE, Answered, Person, send
from local.stack import Stack
from tests.api.conftest import ENG, ENG_PAGE, HR, MKT, Cast, grant, title
from tests.api.waiting import eventually

VOTE_TYPE = f"ac:{APP_KEY}:cq-vote"

_numbers = itertools.count(1)


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


NOT_FOUND = (404, "not-found")


def test_the_main_job(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("How do we ship?"), tags=("Release Notes", "ci"))
    answer = cast.bob.answer(question)
    assert cast.bob.vote("question", question).body == {"value": 1, "score": 1}
    assert cast.alice.accept(question, answer).body["acceptedAnswerIds"] == [answer]

    seen = cast.dave.api("GET", f"/questions/{question}").body
    assert seen["tags"] == ["ci", "release-notes"]
    assert (seen["score"], seen["myVote"], seen["answerCount"], seen["acceptedCount"]) == (1, 0, 1, 1)
    allowed = {"answer", "vote"}
    assert {name for name, may in seen["may"].items() if may} == allowed
    assert (seen["state"], seen["version"], seen["watch"]) == ("accepted", 2, None)
    (listed,) = cast.dave.api("GET", f"/questions/{question}/answers").body["items"]
    assert (listed["id"], listed["acceptedById"]) == (answer, cast.alice.account_id)


def test_registering_twice_is_registering_once(cast: Cast) -> None:
    content = cast.alice.create(QUESTION_TYPE, title("Twice?"), "<p>?</p>", spaceId=ENG)
    first = cast.alice.api("POST", "/questions", {"contentId": content})
    second = cast.alice.api("POST", "/questions", {"contentId": content})
    assert {first.status, second.status} <= {200, 201}
    assert second.status == 200
    assert first.body["id"] == second.body["id"] == content


def test_tags_become_those_that_are_named(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Tagged"), tags=("vpn",))
    assert cast.alice.api("PATCH", f"/questions/{question}", {"tags": ["vpn", "SSO"]}).body["tags"] == ["sso", "vpn"]
    assert code(cast.alice.api("PATCH", f"/questions/{question}", {"tags": []})) == (403, "forbidden")
    assert cast.carol.api("PATCH", f"/questions/{question}", {"tags": ["sso"]}).body["tags"] == ["sso"]
    bad = cast.alice.api("PATCH", f"/questions/{question}", {"tags": ["\u202e", "x" * 150, "ok"]})
    assert {problem["pointer"] for problem in bad.body["problems"]} == {"/tags/0", "/tags/1"}
    assert cast.alice.api("GET", f"/questions/{question}").body["tags"] == ["sso"]
    assert code(cast.dave.api("PATCH", f"/questions/{question}", {})) == (400, "invalid")
    assert code(cast.mallory.api("PATCH", f"/questions/{question}", {"tags": ["x"]})) == NOT_FOUND


def test_a_webhook_registers_what_the_page_could_not(cast: Cast) -> None:
    content = cast.alice.create(QUESTION_TYPE, title("Closed the tab"), "<p>?</p>", spaceId=ENG)
    eventually(lambda: cast.bob.api("GET", f"/questions/{content}").status == 200, "registration")


def test_content_trashed_in_confluence_is_gone_and_comes_back(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("To the trash"))
    assert cast.carol.confluence("DELETE", f"/api/v2/custom-content/{question}").status == 204
    eventually(lambda: cast.bob.api("GET", f"/questions/{question}").status == 404, "removal")
    assert cast.carol.api("POST", f"/questions/{question}/restore").body["id"] == question
    assert cast.bob.api("GET", f"/questions/{question}").status == 200


@pytest.mark.parametrize("path", ["", "/answers"])
def test_mallory_reads_nothing(cast: Cast, path: str) -> None:
    question = cast.alice.ask(ENG, title("Ours"))
    assert code(cast.mallory.api("GET", f"/questions/{question}{path}")) == NOT_FOUND
    assert code(cast.mallory.api("GET", "/questions?space=" + ENG)) == NOT_FOUND
    missing = cast.mallory.api("GET", f"/questions/999999999{path}")
    foreign = cast.mallory.api("GET", f"/questions/{question}{path}")
    assert {**missing.body, "traceId": ""} == {**foreign.body, "traceId": ""}


def test_mallory_changes_nothing(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Hands off"))
    answer = cast.bob.answer(question)
    mallory = cast.mallory
    own = mallory.create(QUESTION_TYPE, title("Mine"), "<p>?</p>", spaceId=MKT)
    assert code(mallory.vote("question", question)) == NOT_FOUND
    assert code(mallory.vote("answer", answer)) == NOT_FOUND
    assert code(mallory.accept(question, answer)) == NOT_FOUND
    assert code(mallory.api("POST", "/questions", {"contentId": question})) == NOT_FOUND
    assert code(mallory.api("POST", f"/questions/{question}/answers", {"contentId": own})) == NOT_FOUND
    untouched = cast.alice.api("GET", f"/questions/{question}").body
    assert (untouched["score"], untouched["acceptedCount"], untouched["answerCount"]) == (0, 0, 1)


def test_dave_does_not_see_the_space_he_may_not_see(cast: Cast) -> None:
    question = cast.alice.ask(HR, title("Leave"))
    answer = cast.bob.answer(question)
    assert code(cast.dave.api("GET", f"/questions/{question}")) == NOT_FOUND
    assert code(cast.dave.api("GET", f"/questions/{question}/answers")) == NOT_FOUND
    assert code(cast.dave.api("GET", f"/questions?space={HR}")) == NOT_FOUND
    assert code(cast.dave.vote("question", question)) == NOT_FOUND
    assert code(cast.dave.vote("answer", answer)) == NOT_FOUND
    assert code(cast.dave.accept(question, answer)) == NOT_FOUND
    grants = cast.dave.api("GET", f"/spaces/{HR}/grants").body
    assert grants["reason"] == "space-invisible"
    assert grants["questions"] == {"view": False, "add": False, "delete": False}


def test_a_question_below_a_restricted_page_is_shown_to_those_who_may_see_it_only(cast: Cast) -> None:
    question = cast.alice.create(QUESTION_TYPE, title("On the page"), "<p>?</p>", pageId=ENG_PAGE)
    assert cast.alice.api("POST", "/questions", {"contentId": question}).status in {200, 201}
    restriction = f"{cast.alice.site}/_sim/content/{ENG_PAGE}/restriction"
    try:
        assert send("PUT", restriction, body={"accountIds": [cast.alice.account_id]}).status == 200
        eventually(lambda: cast.bob.api("GET", f"/questions/{question}").status == 404, "hiding")
        listed = cast.bob.api("GET", f"/questions?space={ENG}&limit=100").body["items"]
        assert question not in {item["id"] for item in listed}
        assert code(cast.bob.vote("question", question)) == NOT_FOUND
        assert cast.alice.api("GET", f"/questions/{question}").status == 200
    finally:
        send("PUT", restriction, body={"accountIds": []})


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (b"{", {"/"}),
        ({}, {"/contentId"}),
        ({"contentId": 7, "tags": "x", "score": 1}, {"/contentId", "/tags", "/score"}),
        ({"contentId": "0"}, {"/contentId"}),
        ({"contentId": "1", "tags": ["a\u202eb", "", "x" * 60]}, {"/tags/0", "/tags/1", "/tags/2"}),
        ({"contentId": "1", "tags": [str(n) for n in range(9)]}, {"/tags"}),
    ],
)
def test_a_malformed_body_is_answered_with_every_problem(cast: Cast, body: object, places: set[str]) -> None:
    answer = cast.alice.api("POST", "/questions", body)
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {problem["pointer"] for problem in answer.body["problems"]} == places


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?space=65537&order=best&limit=0&page=x", {"order", "limit", "page"}),
        ("?state=deleted&askedFrom=yesterday&watching=no", {"state", "askedFrom", "watching"}),
        ("?tag=%00", {"tag"}),
        ("?space=65537&space=65538", {"space"}),
        ("?space=65537&cursor=AAAA", {"cursor"}),
        ("?space=ENG", {"space"}),
    ],
)
def test_bad_parameters_are_all_named(cast: Cast, query: str, names: set[str]) -> None:
    answer = cast.alice.api("GET", f"/questions{query}")
    assert answer.status == 400
    assert {problem["parameter"] for problem in answer.body["problems"]} == names


def test_content_that_cannot_be_registered_is_refused_by_name(cast: Cast) -> None:
    alice, bob = cast.alice, cast.bob
    question = alice.ask(ENG, title("A question"))
    answer = bob.answer(question)
    other = alice.ask(ENG, title("Another"))
    assert code(bob.api("POST", "/questions", {"contentId": question})) == (422, "not-your-content")
    assert code(bob.api("POST", "/questions", {"contentId": answer})) == (422, "not-our-content")
    assert code(bob.api("POST", f"/questions/{other}/answers", {"contentId": answer})) == (422, "wrong-container")
    assert code(bob.api("POST", f"/questions/{question}/answers", {"contentId": question})) == (422, "not-our-content")
    assert code(alice.api("POST", "/questions", {"contentId": "424242424242"})) == NOT_FOUND


def test_votes_and_acceptance_follow_their_rules(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Rules"))
    answer = cast.bob.answer(question)
    foreign = cast.bob.answer(cast.alice.ask(ENG, title("Elsewhere")))
    assert code(cast.alice.vote("question", question)) == (403, "own-post")
    assert code(cast.bob.vote("answer", answer)) == (403, "own-post")
    assert code(cast.bob.vote("question", question, -1)) == (403, "downvotes-off")
    assert cast.bob.vote("question", question).body == cast.bob.vote("question", question).body
    assert cast.bob.vote("question", question, 0).body == {"value": 0, "score": 0}
    assert code(cast.bob.accept(question, answer)) == (403, "forbidden")
    refused = cast.alice.accept(question, foreign)
    assert code(refused) == NOT_FOUND
    assert refused.body["detail"] == "That answer does not belong to this question."
    assert cast.carol.accept(question, answer).body["acceptedAnswerIds"] == [answer]
    assert cast.alice.accept(question, None).body["acceptedAnswerIds"] == []


def test_pages_of_a_list_join_without_gap_or_repetition(cast: Cast) -> None:
    mallory = cast.mallory
    asked = [mallory.ask(MKT, title("Page")) for _ in range(7)]
    for order in ("newest", "votes"):
        seen = [item["id"] for item in _all(mallory, f"/questions?space={MKT}&order={order}&limit=3")]
        assert len(seen) == len(set(seen))
        assert set(asked) <= set(seen)
    first = mallory.api("GET", f"/questions?space={MKT}&limit=3").body["next"]
    altered = first[:-1] + ("A" if first[-1] != "A" else "B")
    for query in (f"order=votes&cursor={first}", f"state=open&cursor={first}", f"cursor={altered}", "cursor=AAAA"):
        refused = mallory.api("GET", f"/questions?space={MKT}&{query}")
        assert code(refused) == (400, "invalid")
        assert [problem["parameter"] for problem in refused.body["problems"]] == ["cursor"]
    assert cast.alice.api("GET", f"/questions?space={ENG}&cursor={first}").status == 400


def test_without_a_space_the_list_is_of_those_spaces_that_one_may_see(cast: Cast) -> None:
    open_one, hidden = cast.alice.ask(ENG, title("Everywhere")), cast.alice.ask(HR, title("Not for Dave"))
    by_alice = {item["id"] for item in _all(cast.alice, "/questions?limit=100")}
    by_dave = {item["id"] for item in _all(cast.dave, "/questions?limit=100")}
    assert {open_one, hidden} <= by_alice
    assert open_one in by_dave
    assert hidden not in by_dave
    assert {open_one, hidden}.isdisjoint(item["id"] for item in _all(cast.mallory, "/questions?limit=100"))


def test_unanswered_lists_what_has_no_answer(cast: Cast) -> None:
    waiting, done = cast.alice.ask(ENG, title("Waiting")), cast.alice.ask(ENG, title("Done"))
    cast.bob.answer(done)
    listed = {item["id"] for item in _all(cast.bob, f"/questions?space={ENG}&state=unanswered&limit=100")}
    assert waiting in listed
    assert done not in listed


def _all(person: Person, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = person.api("GET", path + cursor)
        assert answer.status == 200, answer.body
        items += answer.body["items"]
        if answer.body["next"] is None:
            return items
        cursor = f"&cursor={answer.body['next']}"


def listed(person: Person, query: str) -> list[dict[str, Any]]:
    return _all(person, f"/questions?limit=100&{query}")


def ids(items: list[dict[str, Any]]) -> set[str]:
    return {item["id"] for item in items}


def moderate(cast: Cast, question: str, **change: object) -> None:
    answer = cast.carol.api("PATCH", f"/questions/{question}", change)
    assert answer.status == 200, answer.body


def ask_on_page(person: Person, page: str) -> str:
    question = person.create(QUESTION_TYPE, title("On a page"), "<p>?</p>", pageId=page)
    assert person.api("POST", "/questions", {"contentId": question}).status in {200, 201}
    return question


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("open", {"unanswered", "answered", "accepted"}),
        ("answered", {"answered", "accepted"}),
        ("unanswered", {"unanswered"}),
        ("unresolved", {"unanswered", "answered"}),
        ("accepted", {"accepted"}),
        ("closed", {"closed"}),
    ],
)
def test_a_list_by_state_holds_what_is_in_that_state(cast: Cast, state: str, shown: set[str]) -> None:
    questions = {name: cast.alice.ask(ENG, title(name)) for name in ("unanswered", "answered", "accepted", "closed")}
    cast.bob.answer(questions["answered"])
    cast.alice.accept(questions["accepted"], cast.bob.answer(questions["accepted"]))
    cast.alice.accept(questions["closed"], cast.bob.answer(questions["closed"]))
    moderate(cast, questions["closed"], state="closed", closeReason="outdated")

    found = listed(cast.dave, f"space={ENG}&state={state}")

    assert ids(found) & set(questions.values()) == {questions[name] for name in shown}
    assert {item["state"] for item in found} == shown


def test_a_list_by_author_holds_what_that_person_asked(cast: Cast) -> None:
    hers, his, hidden = cast.alice.ask(ENG, title("Hers")), cast.bob.ask(ENG, title("His")), cast.alice.ask(HR, "Hers")

    found = listed(cast.dave, f"author={cast.alice.account_id}")

    assert ids(found) & {hers, his, hidden} == {hers}
    assert {item["authorId"] for item in found} == {cast.alice.account_id}
    assert listed(cast.dave, f"author={cast.mallory.account_id}") == []


def test_a_list_by_page_holds_what_was_asked_there(cast: Cast) -> None:
    here, elsewhere = ask_on_page(cast.alice, ENG_PAGE), cast.alice.ask(ENG, title("In the space"))

    found = listed(cast.dave, f"page={ENG_PAGE}")

    assert ids(found) & {here, elsewhere} == {here}
    assert {item["containerId"] for item in found} == {ENG_PAGE}
    assert listed(cast.mallory, f"page={ENG_PAGE}") == []


def test_a_list_of_what_one_watches_holds_nothing_else(cast: Cast) -> None:
    watched, muted, other = (cast.alice.ask(ENG, title("Watched?")) for _ in range(3))
    assert cast.dave.api("PUT", f"/questions/{watched}/watch", {}).status == 200
    assert cast.dave.api("PUT", f"/questions/{muted}/watch", {"muted": True}).status == 200

    assert ids(listed(cast.dave, "watching=true")) & {watched, muted, other} == {watched}
    assert ids(listed(cast.alice, "watching=true")) & {watched, muted, other} == {watched, muted, other}

    assert cast.dave.api("DELETE", f"/questions/{watched}/watch").status == 200
    assert ids(listed(cast.dave, "watching=true")) & {watched, muted, other} == set()


def test_a_list_of_what_one_could_answer_holds_others_questions_under_ones_tags(cast: Cast) -> None:
    tag = f"answerable-{next(_numbers)}"
    tagged, own = cast.alice.ask(ENG, title("Tagged"), tags=(tag,)), cast.dave.ask(ENG, title("Own"), tags=(tag,))
    other = cast.alice.ask(ENG, title("Other"), tags=(f"{tag}-not",))
    assert ids(listed(cast.dave, "answerable=true")) & {tagged, own, other} == set()

    assert cast.dave.api("PUT", f"/tags/{tag}/watch", {}).status == 200
    assert ids(listed(cast.dave, "answerable=true")) & {tagged, own, other} == {tagged}
    assert cast.dave.api("DELETE", f"/tags/{tag}/watch").status == 200
    assert ids(listed(cast.dave, "answerable=true")) & {tagged, own, other} == set()


def test_a_list_by_tag_holds_what_bears_it(cast: Cast) -> None:
    tag = f"by-tag-{next(_numbers)}"
    tagged, also = cast.alice.ask(ENG, title("Tagged"), tags=(tag, "ci")), cast.bob.ask(ENG, title("Also"), tags=(tag,))
    cast.alice.ask(ENG, title("Other"), tags=("ci",))
    hidden = cast.alice.ask(HR, title("Hidden"), tags=(tag,))

    assert ids(listed(cast.dave, f"tag={tag}")) == {tagged, also}
    assert ids(listed(cast.bob, f"tag={tag}")) == {tagged, also, hidden}
    assert ids(listed(cast.bob, f"tag={tag.upper()}&space={HR}")) == {hidden}
    assert listed(cast.bob, f"tag={tag}-unused") == []


def test_a_list_by_time_holds_its_first_moment_and_not_its_last(cast: Cast) -> None:
    author = f"author={cast.alice.account_id}"
    asked = [cast.alice.ask(ENG, title("When?")) for _ in range(3)]
    first, second, third = (cast.alice.api("GET", f"/questions/{question}").body["createdAt"] for question in asked)
    assert first < second < third

    def within(query: str) -> list[str]:
        found = ids(listed(cast.dave, f"{author}&{query}"))
        return [question for question in asked if question in found]

    assert within(f"askedFrom={second}") == asked[1:]
    assert within(f"askedBefore={second}") == asked[:1]
    assert within(f"askedFrom={second}&askedBefore={third}") == asked[1:2]
    assert within(f"askedFrom={first}") == asked
    assert within(f"askedBefore={first}") == []


@pytest.fixture
def fresh_space(cast: Cast) -> str:
    """A space that no other test knows, in which everybody takes part."""
    key = f"QUESTIONS{next(_numbers)}"
    made = send("POST", f"{cast.alice.site}/_sim/spaces", body={"key": key, "name": key})
    assert made.status == 200, made.body
    return str(made.body["spaceId"])


def test_an_order_by_votes_tells_nothing_of_votes_that_one_may_not_see(cast: Cast, fresh_space: str) -> None:
    space, everyone = fresh_space, {"type": "group", "identifier": group_id(ACME, EVERYONE)}
    asked, elsewhere = (
        [cast.alice.ask(space, title("Which leads?")) for _ in range(3)],
        cast.alice.ask(ENG, title("Not")),
    )
    cast.bob.vote("question", asked[0])
    newest, by_votes = asked[::-1], [asked[0], asked[2], asked[1]]

    def order(name: str) -> list[str]:
        return [item["id"] for item in listed(cast.dave, f"space={space}&order={name}")]

    assert (order("votes"), order("hot"), order("newest")) == (by_votes, by_votes, newest)
    cursors = {
        name: cast.dave.api("GET", f"/questions?space={space}&order={name}&limit=1").body["next"]
        for name in ("votes", "newest")
    }
    grant(cast.carol, space, everyone, ("read", VOTE_TYPE, False))
    eventually(lambda: not cast.dave.api("GET", f"/spaces/{space}/grants").body["votes"]["view"], "hiding")

    assert (order("votes"), order("hot"), order("newest")) == (newest, newest, newest)
    assert all("score" not in item for item in listed(cast.dave, f"space={space}&order=votes"))
    refused = cast.dave.api("GET", f"/questions?space={space}&order=votes&limit=1&cursor={cursors['votes']}")
    assert code(refused) == (400, "invalid")
    going_on = cast.dave.api("GET", f"/questions?space={space}&order=votes&limit=1&cursor={cursors['newest']}").body
    assert [item["id"] for item in going_on["items"]] == [newest[1]]
    assert ids(listed(cast.dave, "order=votes")) & {*asked, elsewhere} == {elsewhere}
    assert ids(listed(cast.dave, "order=newest")) & {*asked, elsewhere} == {*asked, elsewhere}


def test_in_an_archived_space_nothing_may_be_done_and_nothing_is_said_to_be(cast: Cast, fresh_space: str) -> None:
    question = cast.alice.ask(fresh_space, title("Archived"))
    answer = cast.bob.answer(question)
    assert any(cast.carol.api("GET", f"/questions/{question}").body["may"].values())
    assert send("POST", f"{cast.alice.site}/_sim/spaces/{fresh_space}/archive").status == 200
    eventually(lambda: cast.alice.api("GET", f"/spaces/{fresh_space}").body["status"] == "archived", "archiving")

    for person in (cast.alice, cast.dave, cast.carol):
        assert not any(person.api("GET", f"/questions/{question}").body["may"].values())
    for refused in (
        cast.dave.vote("question", question),
        cast.alice.accept(question, answer),
        cast.carol.api("PATCH", f"/questions/{question}", {"isLocked": True}),
        cast.carol.api("DELETE", f"/questions/{question}"),
        cast.alice.api("DELETE", f"/questions/{question}/links/{question}"),
        cast.dave.api("PUT", f"/questions/{question}/flag", {"reason": "spam"}),
        cast.dave.api("DELETE", f"/answers/{answer}/flag"),
    ):
        assert code(refused) == (409, "space-archived")


def test_an_answer_of_another_type_in_the_wrong_place_is_never_registered(cast: Cast, stack: Stack) -> None:
    question = cast.alice.ask(ENG, title("Types"))
    refused = cast.bob.confluence(
        "POST",
        "/api/v2/custom-content",
        {
            "type": ANSWER_TYPE,
            "status": "current",
            "title": "Answer",
            "spaceId": ENG,
            "body": {"representation": "storage", "value": "<p>!</p>"},
        },
    )
    assert refused.status in {400, 404}
    assert cast.alice.api("GET", f"/questions/{question}").body["answerCount"] == 0


@pytest.mark.parametrize("path", ["/questions/abc", "/questions/0", "/questions/99999999999999999999", "/questions/-1"])
def test_what_cannot_be_an_id_does_not_exist(cast: Cast, path: str) -> None:
    assert code(cast.alice.api("GET", path)) == NOT_FOUND


def test_wrong_methods_types_and_sizes(cast: Cast, stack: Stack) -> None:
    wrong = cast.alice.api("PATCH", "/questions")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, POST")
    headers = {"Authorization": f"JWT {cast.alice.token()}", "Content-Type": "text/plain"}
    url = f"{stack.app_url}/api/v1/questions"
    assert send("POST", url, headers=headers, body=b"{}").status == 415
    assert cast.alice.api("POST", "/questions", {"contentId": "1", "tags": ["x" * 70_000]}).status == 413
    headers = {"Authorization": f"JWT {cast.alice.token()}", "Sec-Fetch-Site": "cross-site"}
    assert send("POST", url, headers=headers, body={"contentId": "1"}).status == 403
