"""Spaces over the wire: summary, settings of space and site, first grants, moderators, and the audit log."""

import csv
import io
from collections.abc import Iterator

import pytest

from local.confluence.cast import ACME, APP_KEY, CAROL, group_id
from local.person import QUESTION_TYPE, send
from tests.api.conftest import ENG, HR, MKT, Cast, grant
from tests.api.waiting import eventually

TAG_TYPE = f"ac:{APP_KEY}:cq-tag"
HR_TEAM = group_id(ACME, "hr-team")
SPACE_DEFAULTS = {
    "isEnabled": None,
    "chatEnabled": False,
    "downvotesAllowed": False,
    "oneAnswerEach": False,
    "severalAccepted": False,
    "minTags": 0,
    "maxTags": 5,
}
SITE_DEFAULTS = {"enabledByDefault": True, "showsContributors": True, "expertPoints": 100, "probesRights": False}


@pytest.fixture
def default_settings(cast: Cast) -> Iterator[None]:
    """Puts the settings of HR and of the site back to what they are without any change."""
    yield
    version = cast.carol.api("GET", f"/spaces/{HR}/settings").body["version"]
    assert cast.carol.api("PUT", f"/spaces/{HR}/settings", {**SPACE_DEFAULTS, "version": version}).status == 200
    version = cast.carol.api("GET", "/settings").body["version"]
    assert cast.carol.api("PUT", "/settings", {**SITE_DEFAULTS, "version": version}).status == 200


def test_members_are_told_what_shapes_posts(cast: Cast) -> None:
    found = cast.dave.api("GET", f"/spaces/{ENG}")
    assert found.body == {
        "spaceId": ENG,
        "status": "current",
        "isEnabled": True,
        "downvotesAllowed": False,
        "oneAnswerEach": False,
        "severalAccepted": False,
        "minTags": 0,
        "maxTags": 5,
    }
    for person, space in ((cast.dave, HR), (cast.mallory, ENG), (cast.alice, MKT), (cast.alice, "1")):
        assert person.api("GET", f"/spaces/{space}").status == 404


@pytest.mark.usefixtures("default_settings")
def test_space_settings_are_for_space_administrators(cast: Cast) -> None:
    assert cast.alice.api("GET", f"/spaces/{ENG}/settings").status == 403
    assert cast.dave.api("GET", f"/spaces/{HR}/settings").status == 404
    assert cast.mallory.api("GET", f"/spaces/{ENG}/settings").status == 404
    held = cast.carol.api("GET", f"/spaces/{HR}/settings").body
    assert held["defaults"] == SPACE_DEFAULTS
    change = {"chatEnabled": not held["chatEnabled"], "version": held["version"]}
    assert cast.mallory.api("PUT", f"/spaces/{HR}/settings", change).status == 404
    assert cast.alice.api("PUT", f"/spaces/{HR}/settings", change).status == 403
    changed = cast.carol.api("PUT", f"/spaces/{HR}/settings", change)
    assert changed.body == {**held, "chatEnabled": not held["chatEnabled"], "version": held["version"] + 1}
    stale = cast.carol.api("PUT", f"/spaces/{HR}/settings", change)
    assert (stale.status, stale.body["code"]) == (409, "settings-changed")
    assert stale.body["current"] == {"version": held["version"] + 1}


@pytest.mark.parametrize(
    ("member", "value", "status"),
    [
        ("minTags", 5, 200),
        ("minTags", 6, 400),
        ("maxTags", 0, 400),
        ("fromTheFuture", True, 400),
        ("maxTags", "3", 400),
    ],
)
@pytest.mark.usefixtures("default_settings")
def test_only_known_settings_with_possible_values_are_taken(
    cast: Cast, member: str, value: object, status: int
) -> None:
    version = cast.carol.api("GET", f"/spaces/{HR}/settings").body["version"]
    answer = cast.carol.api("PUT", f"/spaces/{HR}/settings", {member: value, "version": version})
    assert answer.status == status
    if status != 200:
        assert [fault["pointer"] for fault in answer.body["problems"]] == [f"/{member}"]
    else:
        more = cast.carol.api("PUT", f"/spaces/{HR}/settings", {"maxTags": 4, "version": version + 1})
        assert (more.status, [fault["pointer"] for fault in more.body["problems"]]) == (400, ["/minTags"])


@pytest.mark.usefixtures("default_settings")
def test_site_settings_are_for_confluence_administrators(cast: Cast) -> None:
    for person in (cast.alice, cast.dave):
        assert person.api("GET", "/settings").status == 403
        assert person.api("PUT", "/settings", {"version": 0}).status == 403
    held = cast.carol.api("GET", "/settings").body
    assert (held["defaults"], held["expertPoints"]) == (SITE_DEFAULTS, 100)
    other = cast.mallory.api("GET", "/settings").body
    changed = cast.carol.api("PUT", "/settings", {"expertPoints": 7, "version": held["version"]})
    assert changed.body == {**held, "expertPoints": 7, "version": held["version"] + 1}
    stale = cast.carol.api("PUT", "/settings", {"expertPoints": 8, "version": held["version"]})
    assert (stale.status, stale.body["code"], stale.body["current"]) == (
        409,
        "settings-changed",
        {"version": held["version"] + 1},
    )
    assert cast.mallory.api("GET", "/settings").body == other
    assert cast.carol.api("PUT", "/settings", {"isEnabled": True, "version": 1}).status == 400


@pytest.mark.usefixtures("default_settings")
def test_a_space_can_be_switched_off_and_on(cast: Cast) -> None:
    version = cast.carol.api("GET", f"/spaces/{HR}/settings").body["version"]
    cast.carol.api("PUT", f"/spaces/{HR}/settings", {"isEnabled": False, "version": version})
    off = cast.alice.api("GET", f"/spaces/{HR}/grants").body
    assert (off["reason"], off["explanations"]["questions.view"]["rule"]) == ("space-disabled", "space-disabled")
    assert not cast.alice.api("GET", f"/spaces/{HR}").body["isEnabled"]
    assert cast.alice.api("GET", f"/spaces/{HR}/moderators").status == 404
    cast.carol.api("PUT", f"/spaces/{HR}/settings", {"isEnabled": None, "version": version + 1})
    assert cast.alice.api("GET", f"/spaces/{HR}/grants").body["may"]["ask"]


def test_first_grants_are_seeded_as_the_administrator(cast: Cast) -> None:
    team = {"type": "group", "identifier": HR_TEAM}
    grant(cast.carol, HR, team, ("create", TAG_TYPE, False), ("create", QUESTION_TYPE, False))
    eventually(lambda: not cast.alice.api("GET", f"/spaces/{HR}/grants").body["may"]["ask"], "loss of the right")
    preview = cast.carol.api("GET", f"/spaces/{HR}/seeding").body
    (item,) = (item for item in preview["items"] if item["id"] == HR_TEAM)
    assert item["missing"] == {"questions": ["add"], "votes": [], "tags": ["add"]}
    (carol,) = (item for item in preview["items"] if item["id"] == CAROL)
    assert (carol["administersSpace"], carol["isComplete"]) == (True, True)

    subjects = {"subjects": [{"type": "group", "id": HR_TEAM}]}
    seeded = cast.carol.api("POST", f"/spaces/{HR}/seeding", subjects)
    assert [(one["outcome"], one["granted"]) for one in seeded.body["items"]] == [("granted", item["missing"])]
    eventually(lambda: cast.alice.api("GET", f"/spaces/{HR}/grants").body["may"]["addTags"], "the seeded right")
    again = cast.carol.api("POST", f"/spaces/{HR}/seeding", subjects)
    assert [one["outcome"] for one in again.body["items"]] == ["unchanged"]
    newest = cast.carol.api("GET", "/audit?action=grants.seeded&limit=1").body["items"][0]
    assert (newest["actorId"], newest["targetId"], newest["after"]) == (CAROL, HR, {"granted": 1, "refused": 0})


def test_seeding_is_for_space_administrators(cast: Cast) -> None:
    for person, space, status in ((cast.alice, ENG, 403), (cast.dave, HR, 404), (cast.mallory, ENG, 404)):
        assert person.api("GET", f"/spaces/{space}/seeding").status == status
        assert person.api("POST", f"/spaces/{space}/seeding", {}).status == status
    assert cast.alice.api("POST", f"/spaces/{ENG}/seeding").status == 403
    bare = cast.carol.api("POST", f"/spaces/{ENG}/seeding")
    assert {one["outcome"] for one in bare.body["items"]} <= {"granted", "unchanged"}
    assert {one["id"] for one in bare.body["items"]} >= {CAROL, group_id(ACME, "everyone")}
    strangers = {"subjects": [{"type": "group", "id": "no-such-group"}]}
    assert cast.carol.api("POST", f"/spaces/{ENG}/seeding", strangers).status == 422
    refused: tuple[dict[str, object], ...] = (
        {"subjects": []},
        {"subjects": [{"type": "role", "id": "1"}]},
        {"subject": 1},
    )
    for wrong in refused:
        assert cast.carol.api("POST", f"/spaces/{ENG}/seeding", wrong).status == 400


def test_moderators_are_those_who_may_delete_questions(cast: Cast) -> None:
    found = cast.dave.api("GET", f"/spaces/{ENG}/moderators").body
    assert {"type": "user", "id": CAROL} in found["items"]
    assert found["reason"] is None
    assert {"type": "group", "id": group_id(ACME, "everyone")} not in found["items"]
    for person, space in ((cast.dave, HR), (cast.mallory, ENG)):
        assert person.api("GET", f"/spaces/{space}/moderators").status == 404


@pytest.mark.usefixtures("default_settings")
def test_the_audit_log_tells_who_changed_what(cast: Cast) -> None:
    version = cast.carol.api("GET", f"/spaces/{HR}/settings").body["version"]
    cast.carol.api("PUT", f"/spaces/{HR}/settings", {"minTags": 2, "version": version})
    answer = cast.carol.api("GET", "/audit?limit=1&action=settings.changed").body
    (entry,) = answer["items"]
    assert (entry["actorId"], entry["targetKind"], entry["targetId"]) == (CAROL, "space", HR)
    assert (entry["before"], entry["after"]) == ({"minTags": 0}, {"minTags": 2})

    table = cast.carol.api("GET", "/audit?format=csv&limit=1&action=settings.changed")
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    heading, row = csv.reader(io.StringIO(table.body))
    assert (heading[0], row[1], row[2], row[5], row[6]) == (
        "time",
        "settings.changed",
        CAROL,
        '{"minTags": 0}',
        '{"minTags": 2}',
    )


def test_the_audit_log_is_for_confluence_administrators_of_the_site(cast: Cast) -> None:
    assert cast.alice.api("GET", "/audit").status == 403
    assert CAROL not in str(cast.mallory.api("GET", "/audit?limit=100").body)
    for query in (
        "from=yesterday",
        "from=2026-01-01",
        "to=9999-12-31T23:59:59-14:00",
        "format=xml",
        "cursor=x",
        "no=1",
    ):
        assert cast.carol.api("GET", f"/audit?{query}").status == 400


def test_when_the_points_of_the_hour_are_used_up_the_caller_is_told_to_wait(cast: Cast) -> None:
    site = f"{cast.mallory.site}/_sim/points"
    assert send("PUT", site, body={"limit": 1}).status == 200
    try:
        away = cast.mallory.api("GET", f"/spaces/{MKT}/seeding")
        assert (away.status, away.body["code"], away.headers["retry-after"]) == (503, "unavailable", "60")
    finally:
        send("PUT", site, body={"limit": 65_000})
        send("POST", f"{site}/reset")
    assert cast.mallory.api("GET", f"/spaces/{MKT}/seeding").status == 200
