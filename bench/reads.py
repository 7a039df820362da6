"""Every GET of the API once, for counting its statements."""

from typing import Protocol
from urllib.parse import quote

from bench.community import ENG_PAGE, Community
from local.confluence.cast import ALICE, BOB
from local.person import Answered, Person
from local.seed import ENG
from questions_api.questions.listings import Order, StateFilter

LIST_BUDGET, QUESTION_BUDGET = 3, 3


class Count(Protocol):
    """Sends a request and counts its statements."""

    def __call__(
        self,
        name: str,
        person: Person | None,
        method: str,
        path: str,
        body: object = None,
        *,
        budget: int | None = None,
    ) -> Answered: ...


def count_lists(count: Count, community: Community) -> None:
    bob, here = community.front.bob, f"space={ENG}"

    def listed(name: str, query: str) -> Answered:
        return count(name, bob, "GET", f"/questions?{query}&limit=10", budget=LIST_BUDGET)

    for order in Order:
        first = listed(f"a space's, {order}", f"{here}&order={order}")
        listed(f"a space's, {order}, next page", f"{here}&order={order}&cursor={quote(first.body['next'])}")
    for state in StateFilter:
        listed(f"a space's, {state}", f"{here}&state={state}")
    day = "2026-01-05T09:00:00Z"
    for name, query in (
        ("of a tag", "tag=howto"),
        ("of an author", f"author={ALICE}"),
        ("of a page", f"page={ENG_PAGE}"),
        ("watched", "watching=true"),
        ("answerable", "answerable=true"),
        ("asked in a time", f"askedFrom={day}"),
    ):
        listed(f"a space's, {name}", f"{here}&{query}")
        listed(f"the site's, {name}", query)
    for order in Order:
        listed(f"the site's, {order}", f"order={order}")


def count_others(count: Count, community: Community) -> None:
    _count_question(count, community)
    _count_tags(count, community)
    _count_people(count, community)
    _count_administration(count, community)


def _count_question(count: Count, community: Community) -> None:
    bob, question = community.front.bob, community.question
    one = f"/questions/{question}"
    count("question with an accepted answer", bob, "GET", one, budget=QUESTION_BUDGET)
    count("question without answers", bob, "GET", f"/questions/{community.questions[0]}", budget=QUESTION_BUDGET)
    count("question closed as a duplicate", bob, "GET", f"/questions/{community.questions[3]}", budget=QUESTION_BUDGET)
    count("question below a page", bob, "GET", f"/questions/{community.questions[1]}", budget=QUESTION_BUDGET)
    count("answers of a question", bob, "GET", f"{one}/answers", budget=QUESTION_BUDGET)
    count("links of a question", bob, "GET", f"{one}/links")
    count("questions like it", bob, "GET", f"{one}/related")
    count("who was asked to answer", bob, "GET", f"/questions/{community.questions[5]}/requests")
    count("questions of a page", bob, "GET", f"/pages/{ENG_PAGE}/questions")
    count("counts of pages", bob, "GET", f"/pages/counts?ids=98305,{ENG_PAGE}")


def _count_tags(count: Count, community: Community) -> None:
    bob = community.front.bob
    count("tags of a space", bob, "GET", f"/tags?space={ENG}")
    count("tags of the site", bob, "GET", "/tags")
    count("one tag", bob, "GET", "/tags/howto")
    count("experts of a tag", bob, "GET", "/tags/howto/experts")
    count("featured and required tags", bob, "GET", f"/spaces/{ENG}/tags")


def _count_people(count: Count, community: Community) -> None:
    bob = community.front.bob
    count("contributors of a space", bob, "GET", f"/contributors?space={ENG}")
    count("contributors of the site", bob, "GET", "/contributors")
    count("contributors of the site, 30 days", bob, "GET", "/contributors?days=30")
    count("contributors under a tag", bob, "GET", "/contributors?tag=howto")
    count("profile", bob, "GET", f"/people/{BOB}")
    count("profile of another", bob, "GET", f"/people/{ALICE}")
    count("all that is kept of a person", bob, "GET", f"/people/{BOB}/data")
    count("what I am asked to answer", bob, "GET", "/requests")
    count("my watches", bob, "GET", "/watches")
    count("who am I", bob, "GET", "/me")


def _count_administration(count: Count, community: Community) -> None:
    bob, carol = community.front.bob, community.front.carol
    count("a space", bob, "GET", f"/spaces/{ENG}")
    count("grants of a space", bob, "GET", f"/spaces/{ENG}/grants")
    count("grants of another person", carol, "GET", f"/spaces/{ENG}/grants?accountId={BOB}")
    count("moderators of a space", bob, "GET", f"/spaces/{ENG}/moderators")
    count("flags of a space", carol, "GET", f"/spaces/{ENG}/flags")
    count("resolved flags of a space", carol, "GET", f"/spaces/{ENG}/flags?state=resolved")
    count("settings of a space", carol, "GET", f"/spaces/{ENG}/settings")
    count("settings of the site", carol, "GET", "/settings")
    count("preview of seeding", carol, "GET", f"/spaces/{ENG}/seeding")
    count("audit log", carol, "GET", "/audit")
    count("export of a space", carol, "GET", f"/export?space={ENG}")
    count("reconcile passes", carol, "GET", "/reconcile")
    count("chat destinations", carol, "GET", "/destinations")
    for name, path in (
        ("descriptor", "/atlassian-connect.json"),
        ("API document", "/api/v1/openapi.json"),
        ("alive", "/healthz"),
        ("ready", "/readyz"),
    ):
        count(name, None, "GET", path)
