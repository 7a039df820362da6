"""What a site does in its own way: roles instead of permissions, and with or without a licence."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import APP_KEY, TAG, FakeApp
from tests.local_confluence.people import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MALLORY,
    AppIdentity,
    Browser,
    Control,
    Json,
    identity_of,
)

MODE = "/wiki/api/v2/space-role-mode"
GRANT = "/wiki/rest/api/space/ENG/permission/custom-content"


@pytest.fixture
def site(control: Control) -> Iterator[Control]:
    """The control interface, with the switches put back afterwards."""
    yield control
    control.send("PUT", "/site", {"listsAppTypes": True, "roleMode": "PRE_ROLES", "licensed": True})


def delete_tags(account: str, *, access: bool) -> Json:
    operation = {"key": "delete", "target": TAG, "access": access}
    return {"subject": {"type": "user", "identifier": account}, "operations": [operation]}


@pytest.mark.parametrize("mode", ["PRE_ROLES", "ROLES_TRANSITION", "ROLES"])
def test_the_role_mode_is_told(process: Process, identity: AppIdentity, site: Control, mode: str) -> None:
    assert site.send("PUT", "/site", {"roleMode": mode})["roleMode"] == mode

    for answer in (
        Browser(process.acme, DAVE).get(MODE),
        identity.send("GET", MODE),
        identity.send_as(BOB, "GET", MODE),
    ):
        assert (answer.status_code, answer.json()) == (200, {"mode": mode})
    assert Browser(process.acme, "").get(MODE).status_code == 404
    assert Browser(process.globex, MALLORY).get(MODE).json() == {"mode": "PRE_ROLES"}


@pytest.mark.parametrize(("mode", "status"), [("PRE_ROLES", 200), ("ROLES_TRANSITION", 200), ("ROLES", 400)])
def test_single_grants_end_with_roles(
    process: Process, identity: AppIdentity, site: Control, mode: str, status: int
) -> None:
    user = {"type": "user", "identifier": DAVE}
    site.grant("65537", user, "read", "space", access=True)
    site.send("PUT", "/site", {"roleMode": mode})
    try:
        answer = identity.send_as(CAROL, "POST", GRANT, json=delete_tags(DAVE, access=True))
        assert answer.status_code == status
        held = ("delete", TAG) in Browser(process.acme, DAVE).operations("65537")
        assert held is (status == 200)
        if status == 400:
            assert "roles" in answer.json()["message"]
            assert identity.send_as(BOB, "POST", GRANT, json=delete_tags(DAVE, access=True)).status_code == 403
    finally:
        for operation, target in (("delete", TAG), ("read", "space")):
            site.grant("65537", user, operation, target, access=False)


def test_the_frame_of_a_space_administrator_may_grant_as_well(process: Process, control: Control) -> None:
    user = {"type": "user", "identifier": BOB}
    control.grant("65537", user, "read", "space", access=True)
    try:
        frame = Browser(process.acme, CAROL, as_page=True)
        assert frame.post(GRANT, delete_tags(BOB, access=True)).status_code == 200
        assert ("delete", TAG) in Browser(process.acme, BOB).operations("65537")
        assert frame.post(GRANT, delete_tags(BOB, access=False)).status_code == 200
        assert ("delete", TAG) not in Browser(process.acme, BOB).operations("65537")
        assert Browser(process.acme, ALICE, as_page=True).post(GRANT, delete_tags(BOB, access=True)).status_code == 403
    finally:
        control.grant("65537", user, "read", "space", access=False)


def test_granting_stops_at_the_site_s_border(process: Process, app: FakeApp) -> None:
    other = identity_of(app, process.globex)
    body = delete_tags(MALLORY, access=True)

    assert other.send_as(MALLORY, "POST", GRANT, json=body).status_code == 404
    own = GRANT.replace("/ENG/", "/MKT/")
    # Mallory may see the space as an administrator, so this is one right more for a subject that may read it.
    assert other.send_as(MALLORY, "POST", own, json=body).status_code == 200
    assert other.send_as(MALLORY, "POST", own, json=delete_tags(ALICE, access=True)).status_code == 400


@pytest.mark.parametrize(("licensed", "word"), [(True, "active"), (False, "none")])
def test_addresses_of_the_app_say_whether_it_is_licensed(
    heard: FakeApp, alice: Browser, site: Control, licensed: bool, word: str
) -> None:
    assert site.send("PUT", "/site", {"licensed": licensed})["licensed"] is licensed
    made = site.send("POST", "/iframe-url", {"accountId": ALICE, "moduleKey": "questions"})["url"]
    assert parse_qs(urlsplit(made).query)["lic"] == [word]
    shown = alice.get(f"/wiki/plugins/servlet/ac/{APP_KEY}/questions?space.key=ENG").text
    assert f"lic={word}" in shown

    alice.created()
    received = heard.wait_for("/connect/webhooks/content_created")[-1]
    assert received.target == "/connect/webhooks/content_created", "webhooks say nothing of the licence"


def test_a_site_is_licensed_from_the_first_day(process: Process) -> None:
    state = Control(process.globex).send("GET", "/state")

    assert (state["licensed"], state["roleMode"], state["listsAppTypes"]) == (True, "PRE_ROLES", True)


def test_only_the_named_switches_change(process: Process, site: Control) -> None:
    site.send("PUT", "/site", {"licensed": False})
    state = site.send("PUT", "/site", {"roleMode": "ROLES"})
    assert (state["licensed"], state["roleMode"], state["listsAppTypes"]) == (False, "ROLES", True)
    assert Control(process.globex).send("GET", "/state")["licensed"] is True

    for body in ({}, {"roleMode": "SOME"}, {"licensed": "yes"}, {"listsAppTypes": 1}, {"theme": "dark"}):
        assert site.refused("PUT", "/site", body) == 400
