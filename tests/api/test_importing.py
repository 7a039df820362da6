"""Importing through the whole stack: content as the administrator, then posts in others' names."""

from local.person import ANSWER_TYPE, QUESTION_TYPE
from tests.api.conftest import ENG, MKT, Cast, title
from tests.api.test_questions import code
from tests.api.waiting import eventually

LONG_AGO, LATER = "2019-03-04T10:00:00.000Z", "2019-03-05T10:00:00.000Z"


def test_a_question_with_its_answer_is_imported_and_taken_up_again(cast: Cast) -> None:
    carol = cast.carol
    name = title("How did we ship?")
    content = carol.create(QUESTION_TYPE, name, "<p>?</p>", spaceId=ENG)
    body = {
        "source": f"dc:{name}",
        "contentId": content,
        "author": {"accountId": cast.alice.account_id},
        "createdAt": LONG_AGO,
        "tags": ["Old Times"],
        "votes": [{"accountId": cast.bob.account_id, "value": 1}, {"accountId": cast.alice.account_id, "value": 1}],
        "bounty": 50,
    }
    imported = carol.api("POST", "/imports/questions", body)
    assert imported.status == 201, imported.body
    assert imported.body["droppedVotes"] == [{"reason": "own-post", "count": 1}]

    reply = carol.create(ANSWER_TYPE, "Answer", "<p>!</p>", customContentId=content)
    answer_body = {
        "source": f"dc:{name}:answer",
        "contentId": reply,
        "questionId": content,
        "author": {"former": "somebody-who-left"},
        "createdAt": LATER,
        "isAccepted": True,
    }
    assert carol.api("POST", "/imports/answers", answer_body).status == 201

    seen = cast.dave.api("GET", f"/questions/{content}").body
    assert (seen["authorId"], seen["createdAt"], seen["activeAt"]) == (cast.alice.account_id, LONG_AGO, LATER)
    assert (seen["tags"], seen["score"], seen["bounty"], seen["state"]) == (["old-times"], 1, 50, "accepted")
    (answer,) = cast.dave.api("GET", f"/questions/{content}/answers").body["items"]
    assert (answer["authorId"], answer["createdAt"], answer["acceptedById"]) == (None, LATER, None)

    again = carol.api("POST", "/imports/questions", body)
    assert (again.status, again.body["contentId"], again.body["votes"]) == (200, content, 0)
    known = carol.api("POST", "/imports/known", {"sources": [f"dc:{name}", "dc:never"]}).body["items"]
    assert known == [{"source": f"dc:{name}", "contentId": content}]
    # Whichever was first, webhook or import: the author stays, and the importer watches nothing.
    eventually(lambda: carol.api("GET", f"/questions/{content}").body["watch"] is None, "forgetting the importer")


def test_nobody_but_a_confluence_administrator_imports(cast: Cast) -> None:
    content = cast.alice.create(QUESTION_TYPE, title("Mine"), "<p>?</p>", spaceId=ENG)
    body = {
        "source": "dc:alice",
        "contentId": content,
        "author": {"accountId": cast.bob.account_id},
        "createdAt": LONG_AGO,
    }
    assert code(cast.alice.api("POST", "/imports/questions", body)) == (403, "forbidden")
    assert code(cast.alice.api("POST", "/imports/known", {"sources": ["dc:alice"]})) == (403, "forbidden")
    # Mallory administers her own site only.
    assert code(cast.mallory.api("POST", "/imports/questions", body)) == (404, "not-found")


def test_mallory_answers_nothing_of_another_site(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Ours"))
    own = cast.mallory.create(QUESTION_TYPE, title("Theirs"), "<p>?</p>", spaceId=MKT)
    body = {
        "source": "x",
        "contentId": own,
        "questionId": question,
        "author": {"former": "x"},
        "createdAt": LONG_AGO,
    }
    assert code(cast.mallory.api("POST", "/imports/answers", body)) == (404, "not-found")
    assert cast.alice.api("GET", f"/questions/{question}").body["answerCount"] == 0


def test_bad_imports_name_every_problem(cast: Cast) -> None:
    body = {
        "source": "",
        "contentId": "0",
        "author": {},
        "createdAt": "yesterday",
        "votes": [{"accountId": "a b", "value": 2}],
        "title": "?",
    }
    answer = cast.carol.api("POST", "/imports/questions", body)
    assert answer.status == 400
    places = {problem["pointer"] for problem in answer.body["problems"]}
    assert places == {
        "/source",
        "/contentId",
        "/author",
        "/createdAt",
        "/votes/0/accountId",
        "/votes/0/value",
        "/title",
    }
    future = {"source": "x", "contentId": "1", "author": {"former": "x"}, "createdAt": "2999-01-01T00:00:00Z"}
    refused = cast.carol.api("POST", "/imports/questions", future)
    assert code(refused) == (422, "unacceptable")
    assert refused.body["problems"] == [{"pointer": "/createdAt", "detail": "is in the future"}]
