"""Webhooks: one signed attempt each, in the recorded shape, and the switches that lose or repeat them."""

import time

import jwt
import pytest

from local.confluence.tokens import query_hash
from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import (
    ALICE,
    BOB,
    CAROL,
    ENG,
    ENG_PAGE,
    Browser,
    Control,
    Json,
    identity_of,
    update_of,
)

HOOKS = "/connect/webhooks"
CONTENT = "/wiki/api/v2/custom-content"


def about(app: FakeApp, event: str, item_id: str) -> list[Json]:
    return [one.body for one in app.of(f"{HOOKS}/{event}") if one.body["content"]["id"] == item_id]


def test_a_new_question_is_announced(process: Process, heard: FakeApp) -> None:
    item = Browser(process.acme, ALICE).created(title="Is this heard?")
    received = heard.wait_for(f"{HOOKS}/content_created")[-1]
    told = identity_of(heard, process.acme).told
    claims = jwt.decode(received.token, told["sharedSecret"], algorithms=["HS256"])

    assert claims["iss"] == told["clientKey"]
    assert claims["qsh"] == query_hash("POST", f"{HOOKS}/content_created")
    assert claims["exp"] - claims["iat"] == 180
    payload = received.body
    assert payload["userAccountId"] == ALICE
    content = payload["content"]
    assert (content["id"], content["type"], content["status"]) == (item["id"], QUESTION, "current")
    assert (content["title"], content["version"]["number"]) == ("Is this heard?", 1)
    assert (content["space"]["id"], content["space"]["key"]) == (int(ENG), "ENG")
    assert content["history"]["createdBy"]["accountId"] == ALICE
    assert content["_expandable"]["container"] == "/rest/api/space/ENG"
    assert payload["timestamp"] == pytest.approx(time.time() * 1000, abs=60_000)
    assert "<p>" not in str(payload)


def test_the_life_of_a_question_is_told_in_order(process: Process, heard: FakeApp) -> None:
    alice, carol = Browser(process.acme, ALICE), Browser(process.acme, CAROL)
    item = alice.created()
    path = f"{CONTENT}/{item['id']}"
    changed = alice.send("PUT", path, json=update_of(item)).json()
    alice.send("DELETE", path)
    alice.send("PUT", path, json=update_of(changed))
    alice.send("DELETE", path)
    carol.send("DELETE", f"{path}?purge=true")
    heard.wait_for(f"{HOOKS}/content_removed")

    told = [one for one in heard.received if one.target.startswith(f"{HOOKS}/content_")]
    order = [one.target.rpartition("/")[2] for one in told if one.body["content"]["id"] == item["id"]]
    assert order == [
        "content_created",
        "content_updated",
        "content_trashed",
        "content_restored",
        "content_trashed",
        "content_removed",
    ]
    assert about(heard, "content_trashed", item["id"])[0]["content"]["status"] == "trashed"
    assert about(heard, "content_removed", item["id"])[0]["userAccountId"] == CAROL


def test_a_refused_call_is_not_announced(process: Process, heard: FakeApp) -> None:
    assert Browser(process.acme, ALICE).create(title="").status_code == 400
    marker = Browser(process.acme, BOB).created()
    heard.wait_for(f"{HOOKS}/content_created")

    assert [one.body["content"]["id"] for one in heard.of(f"{HOOKS}/content_created")] == [marker["id"]]


def test_restrictions_and_grants_are_announced(process: Process, heard: FakeApp, control: Control) -> None:
    bob = {"type": "user", "identifier": BOB}
    try:
        control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": [ALICE]})
        control.grant(ENG, bob, "delete", QUESTION, access=True)
        # The same again changes nothing and says nothing.
        control.grant(ENG, bob, "delete", QUESTION, access=True)
    finally:
        control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": []})
        control.grant(ENG, bob, "delete", QUESTION, access=False)
    restricted = heard.wait_for(f"{HOOKS}/content_permissions_updated", 2)
    granted = heard.wait_for(f"{HOOKS}/space_permissions_updated", 2)

    assert {one.body["content"]["id"] for one in restricted} == {ENG_PAGE}
    assert {one.body["space"]["key"] for one in granted} == {"ENG"}
    assert len(granted) == 2


@pytest.mark.parametrize(("mode", "copies"), [("drop", 0), ("duplicate", 2), ("on", 1)])
def test_webhooks_may_be_lost_or_repeated(
    process: Process, heard: FakeApp, control: Control, mode: str, copies: int
) -> None:
    alice = Browser(process.acme, ALICE)
    control.send("POST", "/outage", {"webhooks": mode})
    try:
        item = alice.created()
    finally:
        control.send("POST", "/outage", {"webhooks": "on"})
    marker = alice.created()
    heard.wait_for(f"{HOOKS}/content_created", copies + 1)

    assert len(about(heard, "content_created", item["id"])) == copies
    assert len(about(heard, "content_created", marker["id"])) == 1


def test_a_failed_attempt_is_not_repeated(process: Process, heard: FakeApp) -> None:
    alice = Browser(process.acme, ALICE)
    heard.answers[f"{HOOKS}/content_created"] = 503
    try:
        item = alice.created()
        heard.wait_for(f"{HOOKS}/content_created")
    finally:
        heard.answers.clear()
    marker = alice.created()
    heard.wait_for(f"{HOOKS}/content_created", 2)

    assert len(about(heard, "content_created", item["id"])) == 1
    assert len(about(heard, "content_created", marker["id"])) == 1


def test_a_disabled_app_hears_nothing_even_later(process: Process, heard: FakeApp, control: Control) -> None:
    # The type belongs to the app: without it there is nothing to create, so a grant is what happens here.
    bob = {"type": "user", "identifier": BOB}
    heard.is_open.clear()
    try:
        Browser(process.acme, ALICE).created()
        heard.wait_for(f"{HOOKS}/content_created")
        control.send("POST", "/disable")
        control.grant(ENG, bob, "create", "page", access=True)
    finally:
        control.send("POST", "/enable")
        heard.is_open.set()
    control.grant(ENG, bob, "create", "page", access=False)
    control.space("AFTER")
    heard.wait_for(f"{HOOKS}/space_created")

    assert len(heard.of(f"{HOOKS}/space_permissions_updated")) == 1
