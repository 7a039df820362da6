"""Archived spaces: read as before, written by nobody, and told once."""

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import (
    BOB,
    CAROL,
    ENG,
    HR,
    MALLORY,
    PARTICIPANT,
    AppIdentity,
    Browser,
    Control,
    answer_to,
    comment_on,
    question,
    update_of,
)

CONTENT = "/wiki/api/v2/custom-content"
COMMENTS = "/wiki/api/v2/footer-comments"


def test_an_archived_space_may_be_read_and_not_written(
    alice: Browser, bob: Browser, carol: Browser, control: Control
) -> None:
    space_id = control.space("ARCH")["spaceId"]
    item, gone = alice.created(spaceId=space_id), alice.created(spaceId=space_id)
    path = f"{CONTENT}/{item['id']}"
    answer, comment = bob.answered(item), bob.commented("customContentId", item["id"])
    alice.send("DELETE", f"{CONTENT}/{gone['id']}")
    control.send("POST", f"/spaces/{space_id}/archive")

    assert alice.read(item["id"]).status_code == 200
    assert bob.read(answer["id"]).status_code == 200
    assert alice.get(f"{CONTENT}?type={QUESTION}&id={item['id']}").json()["results"][0]["id"] == item["id"]
    assert alice.operations(space_id) == PARTICIPANT, "the operations do not show it"
    writes = [
        alice.create(spaceId=space_id),
        alice.post(CONTENT, answer_to(item)),
        alice.send("PUT", path, json=update_of(item)),
        alice.send("DELETE", path),
        carol.send("DELETE", path),
        carol.send("DELETE", f"{CONTENT}/{gone['id']}?purge=true"),
        alice.post(COMMENTS, comment_on("customContentId", item["id"])),
        bob.send("DELETE", f"{COMMENTS}/{comment['id']}"),
    ]
    assert [one.status_code for one in writes] == [403] * len(writes)
    assert "archived" in writes[0].json()["errors"][0]["title"]

    control.send("POST", f"/spaces/{space_id}/unarchive")
    assert alice.send("PUT", path, json=update_of(item)).status_code == 200
    assert bob.send("DELETE", f"{COMMENTS}/{comment['id']}").status_code == 204


def test_archiving_hides_nothing_less(dave: Browser, alice: Browser, process: Process, control: Control) -> None:
    item = alice.created(spaceId=HR)
    control.send("POST", f"/spaces/{HR}/archive")
    try:
        assert dave.post(CONTENT, answer_to(item)).status_code == 404
        assert dave.create(spaceId=HR).status_code == 404
        assert Browser(process.globex, MALLORY).create(spaceId=HR).status_code == 404
    finally:
        control.send("POST", f"/spaces/{HR}/unarchive")


def test_nothing_moves_into_or_out_of_an_archived_space(alice: Browser, control: Control) -> None:
    closed = control.space("SHUT")["spaceId"]
    inside, outside = alice.created(spaceId=closed), alice.created()
    control.send("POST", f"/spaces/{closed}/archive")

    for item, target in ((inside, ENG), (outside, closed)):
        answer = alice.send("PUT", f"{CONTENT}/{item['id']}", json=update_of(item, spaceId=target))
        assert answer.status_code == 403
        assert alice.read(item["id"]).json()["spaceId"] == item["spaceId"]


def test_archiving_is_told_once(heard: FakeApp, control: Control) -> None:
    space_id = control.space("ONCE")["spaceId"]
    assert control.send("POST", f"/spaces/{space_id}/archive", {"accountId": BOB})["status"] == "archived"
    assert control.send("POST", f"/spaces/{space_id}/archive")["status"] == "archived"
    assert control.send("POST", f"/spaces/{space_id}/unarchive")["status"] == "current"
    heard.wait_for("/connect/webhooks/space_updated", 2)
    control.space("MARKER")
    heard.wait_for("/connect/webhooks/space_created", 2)

    told = [body for event, body in heard.told("space_updated")]
    assert [(body["space"]["key"], body["userAccountId"]) for body in told] == [("ONCE", BOB), ("ONCE", CAROL)]
    assert not any("id" in body["space"] for body in told)


def test_an_app_may_not_write_into_an_archived_space_either(identity: AppIdentity, control: Control) -> None:
    space_id = control.space("APPS")["spaceId"]
    assert identity.send("POST", CONTENT, json=question(spaceId=space_id)).status_code == 201
    control.send("POST", f"/spaces/{space_id}/archive")

    assert identity.send("POST", CONTENT, json=question(spaceId=space_id)).status_code == 403
    assert identity.send_as(CAROL, "POST", CONTENT, json=question(spaceId=space_id)).status_code == 403
