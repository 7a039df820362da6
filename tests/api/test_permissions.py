"""Confluence's grid decides, and a change of it is followed."""

from collections.abc import Iterator

import pytest

from local.confluence.cast import ACME, APP_KEY, group_id
from local.confluence.people import EVERYONE
from local.person import QUESTION_TYPE, send
from tests.api.conftest import ENG, HR, Cast, grant, title
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


def test_space_settings_are_for_space_administrators(cast: Cast) -> None:
    assert cast.alice.api("GET", f"/spaces/{ENG}/settings").status == 403
    assert cast.dave.api("GET", f"/spaces/{HR}/settings").status == 404
    assert cast.mallory.api("GET", f"/spaces/{ENG}/settings").status == 404
    held = cast.carol.api("GET", f"/spaces/{HR}/settings").body
    change = {"chatEnabled": not held["chatEnabled"], "version": held["version"]}
    assert cast.mallory.api("PUT", f"/spaces/{HR}/settings", change).status == 404
    assert cast.alice.api("PUT", f"/spaces/{HR}/settings", change).status == 403
    changed = cast.carol.api("PUT", f"/spaces/{HR}/settings", change)
    assert changed.body == {"chatEnabled": not held["chatEnabled"], "version": held["version"] + 1}
    stale = cast.carol.api("PUT", f"/spaces/{HR}/settings", change)
    assert (stale.status, stale.body["code"]) == (409, "settings-changed")
