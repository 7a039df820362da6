"""Flags on the running stack: pointing at posts, contesting answers, deciding, and every intruder at each door."""

import pytest

from local.person import Answered, Person
from tests.api.conftest import ENG, HR, Cast, title

NOT_FOUND = (404, "not-found")


def code(answer: Answered) -> tuple[int, str]:
    return answer.status, answer.body["code"]


def flag(person: Person, kind: str, post: str, reason: str = "spam") -> Answered:
    return person.api("PUT", f"/{kind}s/{post}/flag", {"reason": reason})


def flagged(moderator: Person, space: str = ENG, state: str = "open") -> dict[str, dict[str, int]]:
    """Reasons by post, over all pages."""
    found: dict[str, dict[str, int]] = {}
    cursor = ""
    while True:
        answer = moderator.api("GET", f"/spaces/{space}/flags?state={state}&limit=100{cursor}")
        assert answer.status == 200, answer.body
        found |= {item["postId"]: item["reasons"] for item in answer.body["items"]}
        if answer.body["next"] is None:
            return found
        cursor = f"&cursor={answer.body['next']}"


def test_flags_reach_the_moderator_and_are_decided_once(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Buy now"))
    assert flag(cast.bob, "question", question).body["reason"] == "spam"
    assert flag(cast.dave, "question", question, "rude").status == 200
    assert flagged(cast.carol)[question] == {"rude": 1, "spam": 1}

    path = f"/questions/{question}/flags/resolution"
    assert cast.carol.api("POST", path, {"resolution": "upheld"}).body == {"resolution": "upheld", "count": 2}

    late = cast.carol.api("POST", path, {"resolution": "dismissed"})
    assert code(late) == (409, "no-open-flags")
    assert (late.body["current"]["resolution"], late.body["current"]["resolvedById"]) == (
        "upheld",
        cast.carol.account_id,
    )
    assert question not in flagged(cast.carol)
    assert question in flagged(cast.carol, state="resolved")


def test_an_accepted_answer_is_contested_until_the_flag_is_gone(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Still true?"))
    answer = cast.bob.answer(question)
    cast.alice.accept(question, answer)

    def contested_at() -> str | None:
        (item,) = cast.dave.api("GET", f"/questions/{question}/answers").body["items"]
        found: str | None = item["contestedAt"]
        return found

    assert flag(cast.dave, "answer", answer, "outdated").status == 200
    since = contested_at()
    assert since is not None
    cast.alice.accept(question, None)
    assert contested_at() is None
    cast.alice.accept(question, answer)
    assert contested_at() == since
    assert cast.dave.api("DELETE", f"/answers/{answer}/flag").status == 204
    assert contested_at() is None


def test_nobody_flags_their_own_post(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Mine"))
    assert code(flag(cast.alice, "question", question)) == (403, "own-post-flag")


@pytest.mark.parametrize("body", [{}, {"reason": "boring"}, {"reason": None}, {"reason": "spam", "text": "Look!"}])
def test_a_flag_is_a_reason_and_nothing_else(cast: Cast, body: dict[str, object]) -> None:
    question = cast.alice.ask(ENG, title("Flag me"))
    assert code(cast.bob.api("PUT", f"/questions/{question}/flag", body)) == (400, "invalid")


def test_members_neither_read_nor_decide(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Moderators only"))
    flag(cast.bob, "question", question)
    assert code(cast.bob.api("GET", f"/spaces/{ENG}/flags")) == (403, "forbidden")
    resolution = cast.bob.api("POST", f"/questions/{question}/flags/resolution", {"resolution": "dismissed"})
    assert code(resolution) == (403, "forbidden")


def test_intruders_find_nothing(cast: Cast) -> None:
    question = cast.alice.ask(HR, title("Leave"))
    answer = cast.bob.answer(question)
    flag(cast.bob, "question", question)
    for intruder in (cast.dave, cast.mallory):
        for kind, post in (("question", question), ("answer", answer)):
            assert code(flag(intruder, kind, post)) == NOT_FOUND
            assert code(intruder.api("DELETE", f"/{kind}s/{post}/flag")) == NOT_FOUND
            resolution = intruder.api("POST", f"/{kind}s/{post}/flags/resolution", {"resolution": "upheld"})
            assert code(resolution) == NOT_FOUND
        assert code(intruder.api("GET", f"/spaces/{HR}/flags")) == NOT_FOUND
    assert flagged(cast.carol, HR)[question] == {"spam": 1}
