"""Groups and their members: what follows for rights, and what is told and what is not."""

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import ALICE, BOB, DAVE, ENG, HR, MALLORY, Browser, Control

SPACES = "/wiki/api/v2/spaces"
HR_TEAM = "/groups/hr-team/members"


def principals(browser: Browser) -> set[str]:
    answer = browser.get(f"{SPACES}/{HR}/permissions?limit=250").json()
    return {one["principal"]["id"] for one in answer["results"]}


def test_joining_and_leaving_a_group_counts_at_once_and_is_not_told(
    heard: FakeApp, dave: Browser, control: Control
) -> None:
    assert dave.get(f"{SPACES}/{HR}").status_code == 404
    try:
        assert DAVE in control.send("PUT", f"{HR_TEAM}/{DAVE}")["members"]
        assert DAVE in control.send("PUT", f"{HR_TEAM}/{DAVE}")["members"]
        assert dave.get(f"{SPACES}/{HR}").status_code == 200
        assert dave.create(spaceId=HR).status_code == 201
    finally:
        assert DAVE not in control.send("DELETE", f"{HR_TEAM}/{DAVE}")["members"]
    assert dave.get(f"{SPACES}/{HR}").status_code == 404
    dave.created()
    heard.wait_for("/connect/webhooks/content_created", 2)
    assert {event for event, _ in heard.told()} == {"content_created"}


def test_taking_the_last_right_of_a_member(bob: Browser, control: Control) -> None:
    control.send("DELETE", f"{HR_TEAM}/{BOB}")
    try:
        assert bob.get(f"{SPACES}/{HR}").status_code == 404
    finally:
        control.send("PUT", f"{HR_TEAM}/{BOB}")
    assert bob.get(f"{SPACES}/{HR}").status_code == 200


def test_a_group_that_goes_takes_its_rights_with_it(
    heard: FakeApp, alice: Browser, dave: Browser, control: Control
) -> None:
    made = control.send("POST", "/groups", {"name": "visitors"})
    control.send("PUT", f"/groups/visitors/members/{DAVE}")
    for operation, target in (("read", "space"), ("read", QUESTION)):
        control.grant(HR, {"type": "group", "identifier": "visitors"}, operation, target, access=True)
    assert dave.operations(HR) == {("read", "space"), ("read", QUESTION)}
    assert made["groupId"] in principals(alice)
    control.send("DELETE", "/groups/visitors")
    assert dave.get(f"{SPACES}/{HR}").status_code == 404
    assert made["groupId"] not in principals(alice)
    again = control.send("POST", "/groups", {"name": "visitors"})

    assert again["groupId"] != made["groupId"]
    control.send("PUT", f"/groups/visitors/members/{DAVE}")
    assert dave.get(f"{SPACES}/{HR}").status_code == 404, "a new group of that name holds nothing"
    heard.wait_for("/connect/webhooks/group_created", 2)
    told = heard.told("group_created", "group_removed")
    assert [(event, body["group"]) for event, body in told] == [
        ("group_created", {"name": "visitors"}),
        ("group_removed", {"name": "visitors"}),
        ("group_created", {"name": "visitors"}),
    ]
    assert len(heard.told("space_permissions_updated")) == 2, "of the removal no space says anything"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", f"{HR_TEAM}/{MALLORY}", 404),
        ("PUT", f"/groups/nobody/members/{ALICE}", 404),
        ("DELETE", f"/groups/nobody/members/{ALICE}", 404),
        ("DELETE", "/groups/nobody", 404),
        ("DELETE", "/groups/everyone", 409),
        ("DELETE", "/groups/atlassian-addons", 409),
    ],
)
def test_senseless_changes_are_refused(control: Control, method: str, path: str, status: int) -> None:
    assert control.refused(method, path) == status


def test_groups_belong_to_their_site(process: Process, control: Control) -> None:
    assert control.refused("POST", "/groups", {"name": "hr-team"}) == 409
    assert control.refused("POST", "/groups", {}) == 400
    other = Control(process.globex)
    assert other.refused("PUT", f"{HR_TEAM}/{MALLORY}") == 404
    assert other.send("POST", "/groups", {"name": "hr-team"})["members"] == []
    other.send("PUT", f"{HR_TEAM}/{MALLORY}")
    assert Browser(process.globex, MALLORY).get(f"{SPACES}/{HR}").status_code == 404
    assert Browser(process.acme, ALICE).get(f"{SPACES}/{HR}").status_code == 200


def test_leaving_the_company_is_told(heard: FakeApp, bob: Browser, control: Control) -> None:
    control.send("PUT", f"/people/{BOB}", {"active": False})
    assert bob.get(f"{SPACES}/{ENG}").status_code == 404
    control.send("PUT", f"/people/{BOB}", {"active": True})
    heard.wait_for("/connect/webhooks/user_reactivated")

    assert [(event, body["userProfile"]["accountId"]) for event, body in heard.told()] == [
        ("user_deactivated", BOB),
        ("user_reactivated", BOB),
    ]
    assert control.refused("PUT", f"/people/{BOB}", {}) == 400
    assert control.refused("PUT", f"/people/{BOB}", {"active": "no"}) == 400
    assert control.refused("PUT", f"/people/{MALLORY}", {"active": False}) == 404
