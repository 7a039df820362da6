"""Footer comments through REST: where they go, who may delete them, and who hears of it."""

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import EVENTS, FakeApp, descriptor, subscriptions
from tests.local_confluence.people import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ENG,
    ENG_PAGE,
    HR,
    MALLORY,
    AppIdentity,
    Browser,
    Control,
    Json,
    comment_on,
)

COMMENTS = "/wiki/api/v2/footer-comments"
CONTENT = "/wiki/api/v2/custom-content"


def test_comments_on_questions(alice: Browser, bob: Browser) -> None:
    item = alice.created()
    made = bob.commented("customContentId", item["id"])
    reply = alice.commented("parentCommentId", made["id"])

    listed = alice.get(f"{CONTENT}/{item['id']}/footer-comments?body-format=storage").json()["results"]
    assert [(one["id"], one["body"]["storage"]["value"]) for one in listed] == [(made["id"], "<p>Me too.</p>")]
    everything = alice.get(f"{COMMENTS}?limit=250").json()["results"]
    assert {made["id"], reply["id"]} <= {one["id"] for one in everything}


def test_one_comment_is_read_with_its_body_when_asked(alice: Browser, bob: Browser, dave: Browser) -> None:
    item = alice.created(spaceId=HR)
    made = bob.commented("customContentId", item["id"])
    reply = alice.commented("parentCommentId", made["id"])

    shown = alice.get(f"{COMMENTS}/{made['id']}?body-format=storage").json()
    assert (shown["customContentId"], shown["version"]["authorId"]) == (item["id"], BOB)
    assert shown["body"]["storage"]["value"] == "<p>Me too.</p>"
    assert "body" not in alice.get(f"{COMMENTS}/{made['id']}").json()
    assert alice.get(f"{COMMENTS}/{reply['id']}").json()["parentCommentId"] == made["id"]
    assert dave.get(f"{COMMENTS}/{made['id']}").status_code == 404
    assert alice.get(f"{COMMENTS}/{made['id']}?body-format=view").status_code == 400


@pytest.mark.parametrize("places", [{}, {"customContentId": "1", "pageId": ENG_PAGE}])
def test_a_comment_has_one_place(alice: Browser, places: Json) -> None:
    body = {"representation": "storage", "value": "x"}

    assert alice.post(COMMENTS, {**places, "body": body}).status_code == 400


@pytest.mark.parametrize(
    ("account", "status"), [(BOB, 204), (CAROL, 204), (ALICE, 404), (DAVE, 404), (MALLORY, 404), ("", 401)]
)
def test_authors_and_space_administrators_delete_comments(
    process: Process, alice: Browser, bob: Browser, account: str, status: int
) -> None:
    """Alice may see the comment, even asked the question, and still does not learn that it is there to be deleted."""
    item = alice.created(spaceId=HR)
    made = bob.commented("customContentId", item["id"])
    origin = process.globex if account == MALLORY else process.acme

    assert Browser(origin, account).send("DELETE", f"{COMMENTS}/{made['id']}").status_code == status
    left = 404 if status == 204 else 200
    assert alice.get(f"{COMMENTS}/{made['id']}").status_code == left


def test_a_deleted_comment_takes_its_replies_along(alice: Browser, bob: Browser) -> None:
    item = alice.created()
    made, other = (bob.commented("customContentId", item["id"]) for _ in range(2))
    reply = alice.commented("parentCommentId", made["id"])

    assert bob.send("DELETE", f"{COMMENTS}/{made['id']}").status_code == 204
    assert bob.send("DELETE", f"{COMMENTS}/{made['id']}").status_code == 404
    assert alice.get(f"{COMMENTS}/{reply['id']}").status_code == 404
    listed = alice.get(f"{CONTENT}/{item['id']}/footer-comments").json()["results"]
    assert [one["id"] for one in listed] == [other["id"]]


def test_deleting_needs_the_scope(identity: AppIdentity, alice: Browser, bob: Browser) -> None:
    made = bob.commented("customContentId", alice.created()["id"])
    headers = {"Authorization": f"Bearer {identity.bearer(BOB, scope='READ WRITE')}"}

    assert Browser(identity.origin, "").send("DELETE", f"{COMMENTS}/{made['id']}", headers=headers).status_code == 403
    assert identity.send_as(BOB, "DELETE", f"{COMMENTS}/{made['id']}").status_code == 204


def test_only_an_app_that_subscribed_hears_of_comments(
    heard: FakeApp, alice: Browser, bob: Browser, carol: Browser, control: Control
) -> None:
    item = alice.created()
    unheard = bob.commented("customContentId", item["id"])
    bob.send("DELETE", f"{COMMENTS}/{unheard['id']}")
    modules = descriptor(heard.url)["modules"]
    more = subscriptions(*EVENTS, "comment_created", "comment_removed")
    heard.changes = {"modules": {**modules, "webhooks": more}}
    try:
        control.send("POST", "/install")
        made = bob.commented("customContentId", item["id"])
        reply = alice.commented("parentCommentId", made["id"])
        assert alice.send("DELETE", f"{COMMENTS}/{reply['id']}").status_code == 204
        assert carol.send("DELETE", f"{COMMENTS}/{made['id']}").status_code == 204
        heard.wait_for("/connect/webhooks/comment_removed", 2)
    finally:
        heard.changes = {}
        control.send("POST", "/install")

    told = heard.told("comment_created", "comment_removed")
    assert [(event, body["comment"]["id"], body["userAccountId"]) for event, body in told] == [
        ("comment_created", int(made["id"]), BOB),
        ("comment_created", int(reply["id"]), ALICE),
        ("comment_removed", int(reply["id"]), ALICE),
        ("comment_removed", int(made["id"]), CAROL),
    ]
    first, second = told[0][1]["comment"], told[1][1]["comment"]
    assert (
        first["parent"]
        == second["parent"]
        == {
            "id": int(item["id"]),
            "idAsString": item["id"],
            "contentType": item["type"],
        }
    )
    assert "inReplyTo" not in first
    assert second["inReplyTo"] == {"id": int(made["id"])}
    assert (first["spaceKey"], first["spaceId"], first["contentType"]) == ("ENG", int(ENG), "comment")
    assert "Me too" not in str(told)


def test_a_comment_on_what_may_not_be_seen_is_refused(alice: Browser, dave: Browser) -> None:
    item = alice.created(spaceId=HR)

    assert dave.post(COMMENTS, comment_on("customContentId", item["id"])).status_code == 404
