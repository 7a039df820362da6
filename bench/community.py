"""A small community on the first site of the local stack: questions, answers, votes, tags and what people set up."""

from dataclasses import dataclass

from bench.front import Front
from lib.services import services
from local.confluence.cast import BOB
from local.person import ANSWER_TYPE, QUESTION_TYPE, Person
from local.seed import ENG, HR
from questions_api.people.tallying import on_tally

ENG_PAGE = "98306"
EVERY_NTH_ON_PAGE = 10


@dataclass(frozen=True, slots=True)
class Community:
    """`question` has an accepted answer, `answer`; it is the newest, and in the space itself."""

    front: Front
    questions: tuple[str, ...]
    question: str
    answer: str

    def ask(self, person: Person, tags: tuple[str, ...] = (), space: str = ENG) -> str:
        return ask(self.front, person, tags, spaceId=space)

    def give_answer(self, person: Person, question_id: str) -> str:
        """The id of an answer that has been registered."""
        content_id = person.create(ANSWER_TYPE, "Answer", "<p>!</p>", customContentId=question_id)
        self.front.do(person, "POST", f"/questions/{question_id}/answers", {"contentId": content_id})
        return content_id


def ask(front: Front, person: Person, tags: tuple[str, ...], **container: str) -> str:
    """The id of a question that has been registered."""
    content_id = person.create(QUESTION_TYPE, "A question?", "<p>?</p>", **container)
    front.do(person, "POST", "/questions", {"contentId": content_id, "tags": list(tags)})
    return content_id


def founded(front: Front, count: int, space: str = ENG, page: str | None = ENG_PAGE) -> Community:
    """Alice's questions in the space, one in ten below the page, and one answer by Bob, accepted and voted for."""
    made = []
    for number in range(count):
        is_on_page = page is not None and number % EVERY_NTH_ON_PAGE == 1
        container = {"pageId": str(page)} if is_on_page else {"spaceId": space}
        made.append(ask(front, front.alice, ("howto", f"tag-{number % 7}"), **container))
    question = ask(front, front.alice, ("howto", "tag-1"), spaceId=space)
    community = Community(front, (*made, question), question, "")
    answer = community.give_answer(front.bob, question)
    front.do(front.alice, "PUT", f"/questions/{question}/accepted", {"answerId": answer})
    front.do(front.carol, "PUT", f"/questions/{question}/vote", {"value": 1})
    front.do(front.alice, "PUT", f"/answers/{answer}/vote", {"value": 1})
    return Community(front, community.questions, question, answer)


def furnish(community: Community) -> None:
    """What lists and profiles show besides: states, pins, watches, flags, experts, a link, a request and points."""
    front, asked = community.front, community.questions
    alice, bob, carol = front.alice, front.bob, front.carol
    ask(front, bob, ("howto",), spaceId=HR)
    for target in (f"/questions/{community.question}", f"/spaces/{ENG}", "/tags/howto"):
        front.do(bob, "PUT", f"{target}/watch", {"muted": False})
    front.do(bob, "PUT", f"/questions/{asked[0]}/flag", {"reason": "spam"})
    front.do(carol, "PUT", f"/tags/howto/experts/{BOB}")
    front.do(carol, "PATCH", f"/questions/{asked[2]}", {"isPinned": True})
    closing = {"state": "closed", "closeReason": "duplicate", "duplicateOf": community.question}
    front.do(carol, "PATCH", f"/questions/{asked[3]}", closing)
    front.do(alice, "PUT", f"/questions/{community.question}/links/{asked[4]}")
    front.do(alice, "POST", f"/questions/{asked[5]}/requests", {"accountId": BOB})
    on_tally(services())
