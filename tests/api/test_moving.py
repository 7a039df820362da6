"""Deleting, restoring and moving over HTTP: what Confluence did is what we show."""

from collections.abc import Callable
from functools import partial

import pytest

from local.person import Answered, send
from tests.api.conftest import ENG, ENG_PAGE, HR, Cast, title
from tests.api.waiting import eventually
from tests.races import at_once, succeeded

NOT_FOUND = (404, "not-found")


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def status_in_confluence(cast: Cast, content_id: str) -> str | None:
    answer = cast.carol.confluence("GET", f"/api/v2/custom-content/{content_id}")
    return answer.body["status"] if answer.status == 200 else None


def test_the_asker_deletes_and_a_moderator_restores_everything(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Delete me"), tags=("gone",))
    cast.alice.answer(question)
    cast.bob.vote("question", question)
    before = cast.carol.api("GET", f"/questions/{question}").body

    assert cast.alice.api("DELETE", f"/questions/{question}").status == 204
    assert status_in_confluence(cast, question) == "trashed"
    assert code(cast.alice.api("GET", f"/questions/{question}")) == NOT_FOUND
    assert code(cast.bob.vote("question", question)) == NOT_FOUND
    assert code(cast.alice.api("DELETE", f"/questions/{question}")) == NOT_FOUND
    assert code(cast.alice.api("POST", f"/questions/{question}/restore")) == (403, "forbidden")
    for person in (cast.bob, cast.dave, cast.mallory):
        assert code(person.api("POST", f"/questions/{question}/restore")) == NOT_FOUND

    assert cast.carol.api("POST", f"/questions/{question}/restore").status == 200
    assert status_in_confluence(cast, question) == "current"
    after = cast.carol.api("GET", f"/questions/{question}").body
    assert {**after, "version": 0} == {**before, "version": 0}


def test_what_others_answered_is_not_the_askers_to_delete(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Answered"))
    answer = cast.bob.answer(question)
    assert not cast.alice.api("GET", f"/questions/{question}").body["may"]["delete"]
    assert cast.carol.api("GET", f"/questions/{question}").body["may"]["delete"]
    assert code(cast.alice.api("DELETE", f"/questions/{question}")) == (409, "has-answers")
    assert code(cast.bob.api("DELETE", f"/questions/{question}")) == (403, "forbidden")
    assert code(cast.mallory.api("DELETE", f"/questions/{question}")) == NOT_FOUND
    assert status_in_confluence(cast, question) == "current"
    assert cast.bob.api("DELETE", f"/answers/{answer}").status == 204
    assert cast.alice.api("GET", f"/questions/{question}").body["may"]["delete"]
    assert cast.alice.api("DELETE", f"/questions/{question}").status == 204


def test_a_question_moves_to_a_page_and_to_another_space(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("On the move"), tags=("moving",))
    answer = cast.bob.answer(question)
    cast.bob.vote("question", question)

    moved = cast.alice.api("POST", f"/questions/{question}/move", {"pageId": ENG_PAGE}).body
    assert (moved["containerKind"], moved["containerId"], moved["spaceId"]) == ("page", ENG_PAGE, ENG)
    moved = cast.carol.api("POST", f"/questions/{question}/move", {"spaceId": HR}).body
    assert (moved["containerKind"], moved["spaceId"]) == ("space", HR)
    assert (moved["score"], moved["answerCount"], moved["tags"]) == (1, 1, ["moving"])
    shown = cast.carol.confluence("GET", f"/api/v2/custom-content/{question}").body
    assert shown["spaceId"] == HR
    assert code(cast.dave.api("GET", f"/questions/{question}")) == NOT_FOUND
    listed = cast.bob.api("GET", f"/questions/{question}/answers").body["items"]
    assert [item["id"] for item in listed] == [answer]


def test_moving_needs_rights_at_both_ends(cast: Cast) -> None:
    question, daves = cast.alice.ask(ENG, title("Stay")), cast.dave.ask(ENG, title("Dave's"))
    refusals = [
        (cast.bob, question, {"spaceId": HR}, (403, "forbidden")),
        (cast.dave, daves, {"spaceId": HR}, NOT_FOUND),
        (cast.dave, daves, {"pageId": "98307"}, NOT_FOUND),
        (cast.dave, daves, {"spaceId": "424242"}, NOT_FOUND),
        (cast.mallory, question, {"spaceId": HR}, NOT_FOUND),
        (cast.alice, question, {}, (400, "invalid")),
        (cast.alice, question, {"spaceId": HR, "pageId": ENG_PAGE}, (400, "invalid")),
    ]
    for person, moving, place, expected in refusals:
        assert code(person.api("POST", f"/questions/{moving}/move", place)) == expected
    for each in (question, daves):
        assert cast.alice.api("GET", f"/questions/{each}").body["spaceId"] == ENG


def test_what_is_deleted_below_a_restricted_page_is_restored_by_those_only_who_may_see_it(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Below a page"))
    assert cast.alice.api("POST", f"/questions/{question}/move", {"pageId": ENG_PAGE}).status == 200
    restriction = f"{cast.alice.site}/_sim/content/{ENG_PAGE}/restriction"
    try:
        assert send("PUT", restriction, body={"accountIds": [cast.alice.account_id]}).status == 200
        eventually(lambda: cast.carol.api("GET", f"/questions/{question}").status == 404, "hiding")
        assert code(cast.carol.api("POST", f"/questions/{question}/move", {"spaceId": ENG})) == NOT_FOUND
        assert cast.alice.api("DELETE", f"/questions/{question}").status == 204
        assert code(cast.carol.api("POST", f"/questions/{question}/restore")) == NOT_FOUND
    finally:
        send("PUT", restriction, body={"accountIds": []})


def test_of_two_who_move_or_delete_at_once_the_slower_is_told_so(cast: Cast) -> None:
    """No refusal looks like a missing right: both had it."""
    for _ in range(4):
        question = cast.alice.ask(ENG, title("Both at once"))
        path = f"/questions/{question}"
        moves: list[Callable[[], Answered]] = [
            partial(cast.alice.api, "POST", f"{path}/move", {"pageId": ENG_PAGE}),
            partial(cast.carol.api, "POST", f"{path}/move", {"spaceId": HR}),
        ]
        outcomes = succeeded(at_once(moves))
        assert {200} <= {outcome.status for outcome in outcomes} <= {200, 409}
        for outcome in outcomes:
            if outcome.status == 409:
                assert outcome.body["code"] == "changed-meanwhile"
                assert outcome.body["current"]["containerId"] in {ENG_PAGE, HR}
        deletions = succeeded(at_once([partial(person.api, "DELETE", path) for person in (cast.alice, cast.carol)]))
        assert {204} <= {outcome.status for outcome in deletions} <= {204, 404}
        restored = succeeded(at_once([partial(cast.carol.api, "POST", f"{path}/restore")] * 2))
        assert {200} <= {outcome.status for outcome in restored} <= {200, 404, 409}


@pytest.mark.parametrize("path", ["restore", "move"])
def test_what_was_never_there_is_neither_restored_nor_moved(cast: Cast, path: str) -> None:
    body = {"spaceId": ENG} if path == "move" else None
    assert code(cast.carol.api("POST", f"/questions/424242/{path}", body)) == NOT_FOUND
