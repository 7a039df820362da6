"""Every write of the API once, for counting its statements; what a write needs is made just before it."""

from bench.community import ENG_PAGE, Community
from bench.reads import Count
from local.confluence.cast import ALICE, BOB, DAVE
from local.person import ANSWER_TYPE, QUESTION_TYPE, Person, send
from local.seed import ENG, HR

VOTE_BUDGET = 5
_CREATED_AT = "2020-01-01T09:00:00Z"


def count_posts(count: Count, community: Community) -> None:
    _count_votes(count, community)
    _count_asking(count, community)
    _count_acceptance(count, community)
    _count_removal(count, community)
    _count_watches(count, community)


def _count_votes(count: Count, community: Community) -> None:
    front, vote = community.front, f"/questions/{community.question}/vote"
    count("vote, first act of a person", front.dave, "PUT", vote, {"value": 1}, budget=VOTE_BUDGET)
    for name, value in (("vote", 1), ("vote that stands already", 1), ("vote taken back", 0)):
        count(name, front.bob, "PUT", vote, {"value": value}, budget=VOTE_BUDGET)
    count(
        "vote on an answer", front.carol, "PUT", f"/answers/{community.answer}/vote", {"value": 1}, budget=VOTE_BUDGET
    )


def _count_asking(count: Count, community: Community) -> None:
    alice, bob = community.front.alice, community.front.bob
    content_id = alice.create(QUESTION_TYPE, "Counted?", "<p>?</p>", spaceId=ENG)
    body = {"contentId": content_id, "tags": ["howto", "tag-1"]}
    count("ask, two known tags", alice, "POST", "/questions", body)
    count("ask what is registered already", alice, "POST", "/questions", body)
    content_id = alice.create(QUESTION_TYPE, "Counted?", "<p>?</p>", pageId=ENG_PAGE)
    count("ask below a page, a new tag", alice, "POST", "/questions", {"contentId": content_id, "tags": ["brand-new"]})
    answered = community.ask(alice)
    content_id = bob.create(ANSWER_TYPE, "Answer", "<p>!</p>", customContentId=answered)
    count("answer", bob, "POST", f"/questions/{answered}/answers", {"contentId": content_id})
    asked = community.ask(alice)
    count("ask a person to answer", alice, "POST", f"/questions/{asked}/requests", {"accountId": DAVE})
    count("take that back", alice, "DELETE", f"/questions/{asked}/requests/{DAVE}")


def _count_acceptance(count: Count, community: Community) -> None:
    alice, bob = community.front.alice, community.front.bob
    question = community.ask(alice, ("howto",))
    answer = community.give_answer(bob, question)
    accepted = f"/questions/{question}/accepted"
    count("accept an answer", alice, "PUT", accepted, {"answerId": answer})
    count("accept none", alice, "PUT", accepted, {"answerId": None})
    count("accept this answer", alice, "PUT", f"/answers/{answer}/accepted")
    count("accept this answer no more", alice, "DELETE", f"/answers/{answer}/accepted")


def _count_removal(count: Count, community: Community) -> None:
    front = community.front
    alice, bob, carol = front.alice, front.bob, front.carol
    question = community.ask(alice, ("howto",))
    answer = community.give_answer(bob, question)
    count("make a comment of an answer", bob, "POST", f"/answers/{answer}/comment")
    count(
        "make an answer of a comment",
        bob,
        "POST",
        f"/questions/{question}/answers/from-comment",
        _comment(bob, question),
    )
    answer = community.give_answer(bob, question)
    count("delete an answer", bob, "DELETE", f"/answers/{answer}")
    count("move a question below a page", alice, "POST", f"/questions/{question}/move", {"pageId": ENG_PAGE})
    count("move a question into a space", alice, "POST", f"/questions/{question}/move", {"spaceId": HR})
    count("delete a question", carol, "DELETE", f"/questions/{question}")
    count("restore a question", carol, "POST", f"/questions/{question}/restore")


def _comment(person: Person, question_id: str) -> dict[str, str]:
    body = {"customContentId": question_id, "body": {"representation": "storage", "value": "<p>!</p>"}}
    answer = person.confluence("POST", "/api/v2/footer-comments", body)
    if answer.status not in {200, 201}:
        raise RuntimeError(f"no comment: {answer.status} {answer.body}")
    return {"commentId": str(answer.body["id"])}


def _count_watches(count: Count, community: Community) -> None:
    alice = community.front.alice
    for name, target in (
        ("question", f"/questions/{community.questions[0]}"),
        ("space", f"/spaces/{ENG}"),
        ("tag", "/tags/howto"),
    ):
        count(f"watch a {name}", alice, "PUT", f"{target}/watch", {"muted": False})
        count(f"watch a {name} no more", alice, "DELETE", f"{target}/watch")


def count_moderation(count: Count, community: Community) -> None:
    _count_changes(count, community)
    _count_flags(count, community)


def _count_changes(count: Count, community: Community) -> None:
    alice, carol = community.front.alice, community.front.carol
    one = f"/questions/{community.ask(alice, ('howto',))}"
    for name, change in (
        ("change tags", {"tags": ["howto", "tag-2"]}),
        ("close", {"state": "closed", "closeReason": "off-topic"}),
        ("reopen", {"state": "open"}),
        ("close as a duplicate", {"state": "closed", "closeReason": "duplicate", "duplicateOf": community.question}),
        ("lock", {"isLocked": True}),
        ("pin", {"isPinned": True}),
    ):
        count(name, carol, "PATCH", one, change)
    count("relate two questions", carol, "PUT", f"{one}/links/{community.questions[0]}")
    count("relate them no more", carol, "DELETE", f"{one}/links/{community.questions[0]}")


def _count_flags(count: Count, community: Community) -> None:
    bob, carol, front = community.front.bob, community.front.carol, community.front
    question, answer = f"/questions/{community.questions[6]}", f"/answers/{community.answer}"
    for name, person, post in (("a question", bob, question), ("an answer", carol, answer)):
        count(f"flag {name}", person, "PUT", f"{post}/flag", {"reason": "outdated"})
        count(f"withdraw the flag on {name}", person, "DELETE", f"{post}/flag")
        front.do(person, "PUT", f"{post}/flag", {"reason": "outdated"})
        count(f"resolve the flags on {name}", carol, "POST", f"{post}/flags/resolution", {"resolution": "dismissed"})


def count_settings(count: Count, community: Community) -> None:
    carol = community.front.carol
    count("settings of a space", carol, "PUT", f"/spaces/{ENG}/settings", {"severalAccepted": True, "version": 0})
    count("settings of the site", carol, "PUT", "/settings", {"expertPoints": 50, "version": 0})
    count("featured tags", carol, "PUT", f"/spaces/{ENG}/tags", {"featured": ["howto"], "required": [], "version": 1})
    count("seeding", carol, "POST", f"/spaces/{ENG}/seeding", {"subjects": None})
    _count_tags(count, carol)
    _count_destinations(count, community)
    _count_imports(count, carol)


def _count_tags(count: Count, carol: Person) -> None:
    count("describe a tag", carol, "PATCH", "/tags/tag-3", {"description": "Third."})
    count("rename a tag", carol, "PATCH", "/tags/tag-3", {"slug": "tag-three"})
    count("add a synonym", carol, "POST", "/tags/tag-4/synonyms", {"slug": "tag-four"})
    count("remove a synonym", carol, "DELETE", "/tags/tag-4/synonyms/tag-four")
    count("name an expert", carol, "PUT", f"/tags/tag-4/experts/{ALICE}")
    count("name an expert no more", carol, "DELETE", f"/tags/tag-4/experts/{ALICE}")
    count("merge two tags", carol, "POST", "/tags/tag-4/merge", {"into": "tag-5"})


def _count_destinations(count: Count, community: Community) -> None:
    carol = community.front.carol
    channel = send("GET", f"{community.front.stack.chat_url}/_sim/channels").body[0]
    body = {
        "kind": "teams",
        "label": channel["name"],
        "url": channel["url"],
        "scope": {"kind": "space", "spaceId": ENG},
        "events": ["asked"],
        "disclosure": "link",
    }
    one = f"/destinations/{count('add a destination', carol, 'POST', '/destinations', body).body['id']}"
    count("one destination", carol, "GET", one)
    count("deliveries of a destination", carol, "GET", f"{one}/deliveries")
    count("change a destination", carol, "PATCH", one, {"label": "Another"})
    count("test a destination", carol, "POST", f"{one}/test")
    count("remove a destination", carol, "DELETE", one)


def _count_imports(count: Count, carol: Person) -> None:
    def imported(content_id: str, source: str) -> dict[str, object]:
        votes = [{"accountId": account, "value": 1} for account in (ALICE, DAVE)]
        author = {"accountId": BOB}
        return {"source": source, "contentId": content_id, "author": author, "createdAt": _CREATED_AT, "votes": votes}

    question = carol.create(QUESTION_TYPE, "Old?", "<p>?</p>", spaceId=ENG)
    body = {**imported(question, "old:1"), "tags": ["howto", "tag-1"]}
    count("import a question, two votes", carol, "POST", "/imports/questions", body)
    answer = carol.create(ANSWER_TYPE, "Answer", "<p>!</p>", customContentId=question)
    body = {**imported(answer, "old:2"), "questionId": question, "isAccepted": True}
    count("import an answer, two votes, accepted", carol, "POST", "/imports/answers", body)
    count("which are imported", carol, "POST", "/imports/known", {"sources": ["old:1", "old:2"]})
