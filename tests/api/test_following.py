"""What people do in Confluence itself: pages and spaces that move, go and come back, people who leave."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from local.person import QUESTION_TYPE, Person, send
from tests.api.conftest import ENG, HR, Cast, title
from tests.api.waiting import eventually

_numbers = itertools.count(1)


def control(person: Person, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What an administrator does on the site; the site sends its webhooks."""
    answer = send(method, f"{person.site}/_sim{path}", body={} if body is None else body)
    assert answer.status in {200, 201}, (answer.status, answer.body)
    return answer.body


def new_page(cast: Cast, space_id: str = ENG) -> str:
    made = control(cast.alice, "POST", "/pages", {"spaceId": space_id, "title": title("A page")})
    return str(made["pageId"] if "pageId" in made else made["id"])


def ask_on(person: Person, page_id: str) -> str:
    question = person.create(QUESTION_TYPE, title("On a page"), "<p>?</p>", pageId=page_id)
    registered = person.api("POST", "/questions", {"contentId": question})
    assert registered.status in {200, 201}, registered.body
    return question


def new_space(cast: Cast) -> str:
    number = next(_numbers)
    return str(control(cast.carol, "POST", "/spaces", {"key": f"FOL{number}", "name": f"Space {number}"})["spaceId"])


def status(person: Person, question: str) -> int:
    return person.api("GET", f"/questions/{question}").status


def test_a_question_follows_its_page_into_another_space(cast: Cast) -> None:
    page = new_page(cast)
    question = ask_on(cast.bob, page)
    answer = cast.alice.answer(question)
    assert status(cast.dave, question) == 200

    control(cast.alice, "POST", f"/pages/{page}/move", {"spaceId": HR})

    eventually(lambda: cast.alice.api("GET", f"/questions/{question}").body.get("spaceId") == HR, "moving")
    assert status(cast.dave, question) == 404
    assert question in {item["id"] for item in cast.alice.api("GET", f"/questions?space={HR}").body["items"]}
    assert question not in {item["id"] for item in cast.alice.api("GET", f"/questions?space={ENG}").body["items"]}
    assert cast.bob.accept(question, answer).status == 200


def test_questions_go_and_come_back_with_their_page(cast: Cast) -> None:
    page = new_page(cast)
    question = ask_on(cast.alice, page)
    answer = cast.bob.answer(question)
    assert cast.dave.vote("question", question).status == 200

    control(cast.alice, "POST", f"/pages/{page}/trash")
    eventually(lambda: status(cast.alice, question) == 404, "removal")

    control(cast.alice, "POST", f"/pages/{page}/restore")
    eventually(lambda: status(cast.alice, question) == 200, "return")
    seen = cast.alice.api("GET", f"/questions/{question}").body
    assert (seen["score"], seen["answerCount"]) == (1, 1)
    assert [item["id"] for item in cast.alice.api("GET", f"/questions/{question}/answers").body["items"]] == [answer]

    control(cast.alice, "POST", f"/pages/{page}/trash")
    control(cast.alice, "DELETE", f"/pages/{page}")
    eventually(lambda: status(cast.alice, question) == 404, "removal for good")


def test_an_archived_space_can_be_read_and_not_changed(cast: Cast) -> None:
    space = new_space(cast)
    question = cast.alice.ask(space, title("Archived"))

    control(cast.carol, "POST", f"/spaces/{space}/archive")
    eventually(lambda: cast.bob.vote("question", question).status == 409, "archiving")
    assert cast.bob.vote("question", question).body["code"] == "space-archived"
    assert status(cast.bob, question) == 200

    control(cast.carol, "POST", f"/spaces/{space}/unarchive")
    eventually(lambda: cast.bob.vote("question", question).status == 200, "bringing back")


def test_a_removed_space_is_gone_for_everybody_at_once(cast: Cast) -> None:
    space = new_space(cast)
    question = cast.alice.ask(space, title("Removed"))
    assert status(cast.bob, question) == 200

    control(cast.carol, "DELETE", f"/spaces/{space}")

    for person in (cast.alice, cast.bob, cast.carol):
        eventually(lambda person=person: status(person, question) == 404, "removal")  # type: ignore[misc]


def test_the_copy_of_a_space_has_questions_of_its_own(cast: Cast) -> None:
    space = new_space(cast)
    question = cast.alice.ask(space, title("Copied"))
    cast.alice.answer(question)
    assert cast.bob.vote("question", question).status == 200
    key = f"COP{next(_numbers)}"

    made = control(cast.carol, "POST", f"/spaces/{space}/copy", {"key": key, "name": "A copy"})

    copy = made["copies"][question]
    eventually(lambda: status(cast.bob, copy) == 200, "registration")
    eventually(lambda: cast.bob.api("GET", f"/questions/{copy}").body["answerCount"] == 1, "its answer")
    assert cast.bob.api("GET", f"/questions/{copy}").body["score"] == 0
    assert cast.bob.api("GET", f"/questions/{question}").body["score"] == 1


@pytest.fixture
def dave_is_back(cast: Cast) -> Iterator[None]:
    yield
    control(cast.dave, "PUT", f"/people/{cast.dave.account_id}", {"active": True})


@pytest.mark.usefixtures("dave_is_back")
def test_who_is_deactivated_sees_nothing_any_more_and_again_when_reactivated(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Before he left"))
    assert status(cast.dave, question) == 200

    def grants() -> bool:
        return bool(cast.dave.api("GET", f"/spaces/{ENG}/grants").body.get("questions", {}).get("view"))

    token = cast.dave.token()
    headers = {"Authorization": f"JWT {token}"}
    address = f"{cast.dave.app}/api/v1/questions/{question}"
    assert send("GET", address, headers=headers).status == 200
    control(cast.dave, "PUT", f"/people/{cast.dave.account_id}", {"active": False})
    eventually(lambda: send("GET", address, headers=headers).status == 404, "losing sight")
    control(cast.dave, "PUT", f"/people/{cast.dave.account_id}", {"active": True})
    eventually(grants, "seeing again")
    assert status(cast.dave, question) == 200
