"""Confluence's grid decides, and a change of it is followed."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from local.confluence.cast import ACME, ALICE, APP_KEY, BOB, DAVE, group_id
from local.confluence.people import EVERYONE
from local.person import QUESTION_TYPE, Person, send
from tests.api.conftest import ENG, HR, MKT, Cast, grant, title
from tests.api.waiting import eventually

VOTE_TYPE, TAG_TYPE = f"ac:{APP_KEY}:cq-vote", f"ac:{APP_KEY}:cq-tag"
GROUP = {"type": "group", "identifier": group_id(ACME, EVERYONE)}


@pytest.fixture
def restored(cast: Cast) -> Iterator[None]:
    """Gives back what the test takes from the group."""
    yield
    grant(
        cast.carol,
        ENG,
        GROUP,
        *((operation, QUESTION_TYPE, True) for operation in ("read", "create")),
        *((operation, VOTE_TYPE, True) for operation in ("read", "create", "delete")),
        *((operation, TAG_TYPE, True) for operation in ("read", "create")),
    )
    eventually(lambda: cast.dave.api("GET", f"/spaces/{ENG}/grants").body["votes"]["add"], "restoring")


@pytest.mark.usefixtures("restored")
def test_a_lost_right_is_lost_at_once(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Votes"))
    assert cast.dave.vote("question", question).status == 200
    grant(cast.carol, ENG, GROUP, ("create", VOTE_TYPE, False), ("delete", VOTE_TYPE, False))
    eventually(lambda: cast.dave.vote("question", question, 0).status == 403, "refusal")
    assert cast.bob.vote("question", question).status == 403


@pytest.mark.usefixtures("restored")
def test_counts_are_absent_without_the_right_to_see_votes(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Counts"))
    grant(cast.carol, ENG, GROUP, ("read", VOTE_TYPE, False))
    eventually(lambda: "score" not in cast.dave.api("GET", f"/questions/{question}").body, "hiding")
    assert "myVote" not in cast.dave.api("GET", f"/questions/{question}").body
    assert all("score" not in item for item in cast.dave.api("GET", f"/questions?space={ENG}").body["items"])


@pytest.mark.usefixtures("restored")
def test_without_view_there_is_nothing(cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Unseen"))
    grant(cast.carol, ENG, GROUP, ("read", QUESTION_TYPE, False))
    eventually(lambda: cast.dave.api("GET", f"/questions/{question}").status == 404, "hiding")
    assert cast.dave.vote("question", question).status == 404


@pytest.mark.usefixtures("restored")
def test_without_the_right_to_tag_a_question_is_asked_without_tags(cast: Cast) -> None:
    grant(cast.carol, ENG, GROUP, ("create", TAG_TYPE, False))
    eventually(lambda: not cast.dave.api("GET", f"/spaces/{ENG}/grants").body["tags"]["add"], "refusal")
    content = cast.dave.create(QUESTION_TYPE, title("Tagless"), "<p>?</p>", spaceId=ENG)
    refused = cast.dave.api("POST", "/questions", {"contentId": content, "tags": ["x"]})
    assert refused.status == 403
    assert cast.dave.api("POST", "/questions", {"contentId": content}).status in {200, 201}


def test_a_site_that_does_not_list_our_types_grants_nothing_and_says_why(cast: Cast) -> None:
    def lists(*, app_types: bool) -> None:
        answer = send("PUT", f"{cast.mallory.site}/_sim/site", body={"listsAppTypes": app_types})
        assert answer.status == 200, answer.body
        # Any change of the grid makes the site send its webhook, which is what we wait for.
        grant(cast.mallory, "75001", {"type": "anonymous", "identifier": ""}, ("read", "space", not app_types))

    try:
        lists(app_types=False)
        eventually(
            lambda: cast.mallory.api("GET", "/spaces/75001/grants").body["reason"] == "types-not-listed", "reason"
        )
    finally:
        lists(app_types=True)


def explained(person: Person, space: str, **query: str) -> dict[str, str]:
    """The rule of each cell of the person's grid, or of the named account's."""
    answer = person.api("GET", f"/spaces/{space}/grants?{urlencode(query)}" if query else f"/spaces/{space}/grants")
    assert answer.status == 200, answer.body
    return {cell: explanation["rule"] for cell, explanation in answer.body["explanations"].items()}


def test_the_grid_says_what_decided_each_cell_and_what_follows(cast: Cast) -> None:
    found = cast.dave.api("GET", f"/spaces/{ENG}/grants").body
    assert len(found["explanations"]) == 9
    assert explained(cast.dave, ENG)["questions.add"] == "granted-by-confluence"
    assert explained(cast.dave, ENG)["questions.delete"] == "not-granted"
    assert set(explained(cast.dave, HR).values()) == {"space-invisible"}
    assert (found["may"]["ask"], found["may"]["vote"], found["may"]["moderate"]) == (True, True, False)
    assert cast.carol.api("GET", f"/spaces/{ENG}/grants").body["may"]["administerSpace"]


@pytest.mark.usefixtures("restored")
def test_the_permission_doctor_looks_with_the_eyes_of_another(cast: Cast) -> None:
    grant(cast.carol, ENG, GROUP, ("create", VOTE_TYPE, False))
    eventually(
        lambda: explained(cast.carol, ENG, accountId=DAVE)["votes.add"] == "not-granted", "explanation of the change"
    )
    assert explained(cast.carol, ENG, accountId=DAVE) == explained(cast.dave, ENG)
    assert set(explained(cast.carol, HR, accountId=DAVE).values()) == {"space-invisible"}


def test_the_permission_doctor_is_for_administrators_of_the_space(cast: Cast) -> None:
    for person, space, status in ((cast.alice, ENG, 403), (cast.dave, HR, 404), (cast.dave, "1", 404)):
        assert person.api("GET", f"/spaces/{space}/grants?accountId={BOB}").status == status
    assert cast.carol.api("GET", f"/spaces/{ENG}/grants?accountId=no%20body").status == 400


def test_mallory_examines_nobody_of_another_site(cast: Cast) -> None:
    """She administers her whole Confluence, so she is answered: for her site, where neither space nor person is."""
    answer = cast.mallory.api("GET", f"/spaces/{ENG}/grants?accountId={ALICE}")
    assert (answer.status, answer.body["reason"]) == (200, "space-invisible")
    assert not any(answer.body["may"].values())


def test_a_site_with_roles_says_so(cast: Cast) -> None:
    def roles(mode: str, *, lists: bool) -> None:
        answer = send("PUT", f"{cast.mallory.site}/_sim/site", body={"listsAppTypes": lists, "roleMode": mode})
        assert answer.status == 200, answer.body
        grant(cast.mallory, MKT, {"type": "anonymous", "identifier": ""}, ("read", "space", not lists))

    try:
        roles("ROLES", lists=False)
        eventually(lambda: set(explained(cast.mallory, MKT).values()) == {"role-mode"}, "explanation by roles")
        seeded = cast.mallory.api("POST", f"/spaces/{MKT}/seeding", {}).body["items"]
        assert {item["outcome"] for item in seeded} == {"refused"}
        assert all("roles" in item["reason"] and len(item["instructions"]) == 5 for item in seeded)
        assert cast.mallory.api("GET", f"/spaces/{MKT}/seeding").body["instructions"]
        assert cast.mallory.api("GET", f"/spaces/{MKT}/moderators").status == 404
    finally:
        roles("PRE_ROLES", lists=True)
    eventually(lambda: explained(cast.mallory, MKT)["tags.delete"] == "granted-by-confluence", "restoring")
