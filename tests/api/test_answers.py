"""Answers over HTTP: deleting, accepting one or several, one for each person, and what was a comment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.person import ANSWER_TYPE, Answered, Person, send
from tests.api.conftest import ENG, HR, MKT, Cast, title
from tests.api.waiting import eventually

NOT_FOUND = (404, "not-found")
TEXT = "<p>Words of an answer</p>"


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def comment(person: Person, question: str, text: str = TEXT) -> str:
    body = {"customContentId": question, "body": {"representation": "storage", "value": text}}
    made = person.confluence("POST", "/api/v2/footer-comments", body)
    assert made.status == 201, made.body
    return str(made.body["id"])


def comments(person: Person, question: str) -> list[str]:
    path = f"/api/v2/custom-content/{question}/footer-comments?body-format=storage"
    return [item["body"]["storage"]["value"] for item in person.confluence("GET", path).body["results"]]


def answers(person: Person, question: str) -> list[dict[str, Any]]:
    return list(person.api("GET", f"/questions/{question}/answers").body["items"])


@contextmanager
def chosen(administrator: Person, space: str, **choices: bool) -> Iterator[None]:
    """The space's settings, changed for a while."""
    path = f"/spaces/{space}/settings"

    def choose(values: dict[str, bool]) -> None:
        held = administrator.api("GET", path).body
        answer = administrator.api("PUT", path, {**values, "version": held["version"]})
        assert answer.status == 200, answer.body

    choose(choices)
    try:
        yield
    finally:
        choose(dict.fromkeys(choices, False))


def test_an_answer_is_deleted_by_its_author_or_a_moderator(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Deleting answers"))
    first, second = cast.bob.answer(question), cast.bob.answer(question)
    cast.alice.accept(question, second)
    assert code(cast.alice.api("DELETE", f"/answers/{first}")) == (403, "forbidden")
    assert code(cast.mallory.api("DELETE", f"/answers/{first}")) == NOT_FOUND
    assert cast.bob.api("DELETE", f"/answers/{first}").status == 204
    assert code(cast.bob.api("DELETE", f"/answers/{first}")) == NOT_FOUND
    assert cast.carol.api("DELETE", f"/answers/{second}").status == 204
    seen = cast.dave.api("GET", f"/questions/{question}").body
    assert (seen["answerCount"], seen["acceptedCount"], seen["state"]) == (0, 0, "unanswered")


def test_pages_of_answers_join_and_refuse_cursors_of_others(cast: Cast) -> None:
    question, other = cast.alice.ask(ENG, title("Many")), cast.alice.ask(ENG, title("Other"))
    ids = [cast.bob.answer(question) for _ in range(5)]
    cast.alice.accept(question, ids[3])
    seen: list[str] = []
    path, cursor = f"/questions/{question}/answers?limit=2", ""
    while True:
        page = cast.dave.api("GET", path + cursor).body
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
        assert cast.dave.api("GET", f"/questions/{other}/answers?limit=2{cursor}").status == 400
    assert seen == [ids[3], *ids[:3], ids[4]]


def test_answers_are_accepted_one_by_one(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Accepting"))
    first, second = cast.bob.answer(question), cast.dave.answer(question)
    assert cast.alice.api("PUT", f"/answers/{first}/accepted").body["acceptedAnswerIds"] == [first]
    assert cast.alice.api("PUT", f"/answers/{second}/accepted").body["acceptedAnswerIds"] == [second]
    assert cast.alice.api("DELETE", f"/answers/{first}/accepted").body["acceptedAnswerIds"] == [second]
    assert cast.alice.api("DELETE", f"/answers/{second}/accepted").body["acceptedAnswerIds"] == []
    for method in ("PUT", "DELETE"):
        assert code(cast.bob.api(method, f"/answers/{first}/accepted")) == (403, "forbidden")
        assert code(cast.mallory.api(method, f"/answers/{first}/accepted")) == NOT_FOUND


def test_who_accepts_on_an_old_version_is_told_what_stands(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Two at once"))
    first, second = cast.bob.answer(question), cast.dave.answer(question)
    tag = cast.carol.api("GET", f"/questions/{question}").headers["etag"]

    def send_as(person: Person, method: str, path: str, body: object = None) -> Answered:
        headers = {"Authorization": f"JWT {person.token()}", "If-Match": tag}
        return send(method, f"{person.app}/api/v1{path}", headers=headers, body=body)

    assert send_as(cast.alice, "PUT", f"/answers/{first}/accepted").status == 200
    for method, path, body in (
        ("PUT", f"/answers/{second}/accepted", None),
        ("DELETE", f"/answers/{first}/accepted", None),
        ("PUT", f"/questions/{question}/accepted", {"answerId": second}),
    ):
        late = send_as(cast.carol, method, path, body)
        assert code(late) == (412, "precondition-failed")
        assert late.body["current"] == {"acceptedAnswerIds": [first], "version": 2}
    tag = cast.carol.api("GET", f"/questions/{question}").headers["etag"]
    assert send_as(cast.carol, "PUT", f"/answers/{second}/accepted").body["acceptedAnswerIds"] == [second]


def test_a_space_chooses_several_accepted_and_one_answer_each(cast: Cast) -> None:
    mallory = cast.mallory
    question = mallory.ask(MKT, title("Choices"))
    first, second = mallory.answer(question), mallory.answer(question)
    with chosen(mallory, MKT, severalAccepted=True, oneAnswerEach=True):
        eventually(
            lambda: len(mallory.api("PUT", f"/answers/{first}/accepted").body["acceptedAnswerIds"]) == 1, "the setting"
        )
        assert set(mallory.accept(question, second).body["acceptedAnswerIds"]) == {first, second}
        extra = mallory.create(ANSWER_TYPE, "Answer", TEXT, customContentId=question)
        refused = mallory.api("POST", f"/questions/{question}/answers", {"contentId": extra})
        assert refused.status in {200, 409}
        if refused.status == 409:
            assert refused.body["code"] == "already-answered"
            assert refused.body["current"]["answerId"] in {first, second}
        assert mallory.accept(question, None).body["acceptedAnswerIds"] == []


def test_an_answer_becomes_a_comment_and_an_answer_again(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Converting"))
    content = cast.bob.create(ANSWER_TYPE, "Answer", TEXT, customContentId=question)
    assert cast.bob.api("POST", f"/questions/{question}/answers", {"contentId": content}).status in {200, 201}

    made = cast.bob.api("POST", f"/answers/{content}/comment")
    assert made.status == 201
    assert comments(cast.alice, question) == [TEXT]
    assert answers(cast.alice, question) == []
    assert code(cast.bob.api("POST", f"/answers/{content}/comment")) == NOT_FOUND

    back = cast.bob.api("POST", f"/questions/{question}/answers/from-comment", {"commentId": made.body["commentId"]})
    assert (back.status, back.body["authorId"]) == (201, cast.bob.account_id)
    assert comments(cast.alice, question) == []
    eventually(lambda: [item["id"] for item in answers(cast.alice, question)] == [back.body["id"]], "one answer")
    assert cast.alice.api("GET", f"/questions/{question}").body["answerCount"] == 1


def test_a_moderator_credits_the_author_of_the_comment(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Crediting"))
    commented = comment(cast.bob, question)
    made = cast.carol.api("POST", f"/questions/{question}/answers/from-comment", {"commentId": commented})
    assert (made.status, made.body["authorId"]) == (201, cast.bob.account_id)
    assert code(cast.bob.vote("answer", made.body["id"])) == (403, "own-post")
    assert [item["authorId"] for item in answers(cast.dave, question)] == [cast.bob.account_id]


def test_who_may_not_convert_changes_nothing(cast: Cast) -> None:
    question, other = cast.alice.ask(ENG, title("Hands off")), cast.alice.ask(ENG, title("Other"))
    hidden = cast.alice.ask(HR, title("Hidden"))
    answer, commented = cast.bob.answer(question), comment(cast.bob, question)
    theirs, hidden_comment = cast.bob.answer(hidden), comment(cast.bob, hidden)

    def from_comment(person: Person, question_id: str, comment_id: str) -> Answered:
        return person.api("POST", f"/questions/{question_id}/answers/from-comment", {"commentId": comment_id})

    assert code(cast.alice.api("POST", f"/answers/{answer}/comment")) == (403, "forbidden")
    assert code(cast.dave.api("POST", f"/answers/{theirs}/comment")) == NOT_FOUND
    assert code(cast.mallory.api("POST", f"/answers/{answer}/comment")) == NOT_FOUND
    assert code(from_comment(cast.alice, question, commented)) == (403, "forbidden")
    assert code(from_comment(cast.bob, other, commented)) == (422, "wrong-container")
    assert code(from_comment(cast.dave, hidden, hidden_comment)) == NOT_FOUND
    assert code(from_comment(cast.dave, question, hidden_comment)) == NOT_FOUND
    assert code(from_comment(cast.mallory, question, commented)) == NOT_FOUND
    assert code(from_comment(cast.bob, question, "424242")) == NOT_FOUND
    assert comments(cast.alice, question) == [TEXT]
    assert [item["id"] for item in answers(cast.alice, question)] == [answer]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_was_never_there_is_not_accepted(cast: Cast, method: str) -> None:
    assert code(cast.alice.api(method, "/answers/424242/accepted")) == NOT_FOUND
