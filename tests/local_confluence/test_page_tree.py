"""Pages: read in bulk, made, moved with what they hold, trashed, restored and purged."""

import json
from pathlib import Path

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import (
    ALICE,
    BOB,
    CAROL,
    ENG,
    ENG_PAGE,
    HR,
    HR_PAGE,
    MALLORY,
    Browser,
    Control,
    Json,
)

PAGES = "/wiki/api/v2/pages"
CONTENT = "/wiki/api/v2/custom-content"
HOME = "98305"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "specs" / "confluence-webhooks" / "samples.json"


def titles(browser: Browser, query: str) -> list[str]:
    answer = browser.get(f"{PAGES}?{query}")
    assert answer.status_code == 200, answer.text
    return [page["title"] for page in answer.json()["results"]]


def test_many_pages_in_one_call_as_far_as_they_may_be_seen(alice: Browser, dave: Browser, process: Process) -> None:
    query = f"id={ENG_PAGE}&id={HR_PAGE}&id=999999"

    assert titles(alice, query) == ["Release checklist", "Parental leave"]
    assert titles(dave, query) == ["Release checklist"]
    assert titles(Browser(process.globex, MALLORY), query) == []
    assert titles(alice, f"id={ENG_PAGE},{HR_PAGE}&sort=-id") == ["Parental leave", "Release checklist"]
    assert titles(alice, f"{query}&space-id={HR}") == ["Parental leave"]
    shown = alice.get(f"{PAGES}?id={ENG_PAGE}&body-format=storage").json()["results"][0]
    assert "All checks are green" in shown["body"]["storage"]["value"]
    assert "body" not in alice.get(f"{PAGES}?id={ENG_PAGE}").json()["results"][0]


def test_a_restricted_page_is_left_out_of_the_bulk(alice: Browser, bob: Browser, control: Control) -> None:
    control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": [ALICE]})
    try:
        assert titles(bob, f"id={ENG_PAGE}&id={HR_PAGE}") == ["Parental leave"]
        assert titles(alice, f"id={ENG_PAGE}") == ["Release checklist"]
    finally:
        control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": []})


def test_the_bulk_of_pages_has_pages_of_its_own(alice: Browser) -> None:
    seen: list[str] = []
    path = f"{PAGES}?limit=1&id={HOME}&id={ENG_PAGE}&id={HR_PAGE}"
    while path and len(seen) < 5:
        answer = alice.get(path)
        seen += [page["id"] for page in answer.json()["results"]]
        path = answer.json()["_links"].get("next", "")
        assert bool(path) == ("Link" in answer.headers)

    assert seen == [HOME, ENG_PAGE, HR_PAGE]


@pytest.mark.parametrize(
    "query", ["id=x", "limit=251", "sort=position", "body-format=view", "&".join(f"id={n}" for n in range(1, 252))]
)
def test_parameters_of_the_bulk_are_checked(alice: Browser, query: str) -> None:
    assert alice.get(f"{PAGES}?{query}").status_code == 400


def test_a_page_is_made(heard: FakeApp, alice: Browser, control: Control) -> None:
    parent = control.page(ENG, "Runbooks & more", body="<h2>Steps</h2><p>One <strong>at a time</strong>.</p>")
    child = control.page(ENG, "Restart", parentId=parent["pageId"], accountId=BOB)

    shown = alice.get(f"{PAGES}/{child['pageId']}").json()
    assert (shown["parentId"], shown["parentType"], shown["authorId"]) == (parent["pageId"], "page", BOB)
    assert "parentId" not in alice.get(f"{PAGES}/{parent['pageId']}").json()
    opened = alice.get(f"/wiki/pages/viewpage.action?pageId={parent['pageId']}").text
    assert "<p>One <strong>at a time</strong>.</p>" in opened
    heard.wait_for("/connect/webhooks/page_created", 2)
    (_, first), (_, second) = heard.told("page_created")
    assert (first["page"]["id"], first["page"]["idAsString"]) == (int(parent["pageId"]), parent["pageId"])
    assert (first["page"]["spaceId"], first["page"]["spaceKey"]) == (int(ENG), "ENG")
    assert first["page"]["self"].endswith(f"/wiki/spaces/ENG/pages/{parent['pageId']}/Runbooks+%26+more")
    assert (second["userAccountId"], second["page"]["creatorAccountId"]) == (BOB, BOB)
    assert "at a time" not in str(first)


@pytest.mark.skipif(not SAMPLES.is_file(), reason="the samples of webhooks are not beside this tree")
def test_page_webhooks_have_the_recorded_shape(heard: FakeApp, control: Control) -> None:
    page = control.page(ENG, "Shape")
    control.send("POST", f"/pages/{page['pageId']}/trash")
    heard.wait_for("/connect/webhooks/page_trashed")
    samples = {one["event"]: one["payload"] for one in json.loads(SAMPLES.read_text("utf-8"))["connect"]}

    for event, body in heard.told("page_created", "page_trashed"):
        assert set(body) == set(samples[event])
        assert {name: type(value) for name, value in body["page"].items()} == {
            name: type(value) for name, value in samples[event]["page"].items()
        }


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"title": " "}, 400),
        ({"spaceId": "1"}, 404),
        ({"spaceId": "ENG"}, 400),
        ({"parentId": "1"}, 404),
        ({"parentId": HR_PAGE}, 409),
        ({"accountId": MALLORY}, 404),
        ({"body": "<p>open"}, 400),
        ({"body": "<script>alert(1)</script>"}, 400),
        ({"body": '<p onclick="x">y</p>'}, 400),
    ],
)
def test_pages_that_cannot_be(control: Control, changes: Json, status: int) -> None:
    assert control.refused("POST", "/pages", {"spaceId": ENG, "title": "T", **changes}) == status


def test_a_moved_page_takes_all_it_holds_into_the_other_space(
    heard: FakeApp, alice: Browser, bob: Browser, dave: Browser, control: Control
) -> None:
    page = control.page(ENG, "Wanders")
    child = control.page(ENG, "Comes along", parentId=page["pageId"])
    item = alice.created(spaceId=None, pageId=page["pageId"])
    answer, comment = bob.answered(item), bob.commented("customContentId", item["id"])
    below = dave.created(spaceId=None, pageId=child["pageId"])
    trashed = alice.created(spaceId=None, pageId=page["pageId"])
    alice.send("DELETE", f"{CONTENT}/{trashed['id']}")
    control.settle(heard)
    moved = control.send("POST", f"/pages/{page['pageId']}/move", {"spaceId": HR, "accountId": CAROL})

    assert moved == {"pageId": page["pageId"], "spaceId": HR, "parentId": None, "status": "current"}
    for item_id in (item["id"], answer["id"], below["id"], trashed["id"]):
        assert alice.read(item_id).json()["spaceId"] == HR
    assert alice.read(item["id"]).json()["pageId"] == page["pageId"]
    assert alice.get(f"{PAGES}/{child['pageId']}").json()["parentId"] == page["pageId"]
    in_space = alice.get(f"/wiki/api/v2/spaces/{HR}/custom-content?type={QUESTION}&limit=250").json()["results"]
    assert {item["id"], below["id"]} <= {one["id"] for one in in_space}
    for path in (
        f"{CONTENT}/{item['id']}",
        f"{CONTENT}/{below['id']}",
        f"/wiki/api/v2/footer-comments/{comment['id']}",
    ):
        assert dave.get(path).status_code == 404, "the rights of the new space count, for authors as well"
    heard.wait_for("/connect/webhooks/page_moved")
    ((event, told),) = heard.told()
    assert (event, told["userAccountId"]) == ("page_moved", CAROL)
    assert (told["page"]["id"], told["page"]["spaceKey"], told["page"]["spaceId"]) == (
        int(page["pageId"]),
        "HR",
        int(HR),
    )


def test_moves_that_cannot_be(control: Control, process: Process) -> None:
    page = control.page(ENG, "Above")
    child = control.page(ENG, "Below", parentId=page["pageId"])
    closed = control.space("CLOSED")["spaceId"]
    control.send("POST", f"/spaces/{closed}/archive")
    path = f"/pages/{page['pageId']}/move"

    assert control.refused("POST", path, {"spaceId": ENG, "parentId": child["pageId"]}) == 409
    assert control.refused("POST", path, {"spaceId": ENG, "parentId": page["pageId"]}) == 409
    assert control.refused("POST", path, {"spaceId": closed}) == 409
    assert control.refused("POST", path, {}) == 400
    assert control.refused("POST", f"/pages/{HOME}/move", {"spaceId": HR}) == 409
    assert control.refused("POST", f"/pages/{HOME}/trash") == 409
    assert Control(process.globex).refused("POST", f"/pages/{page['pageId']}/trash") == 404
    assert control.refused("POST", "/pages", {"spaceId": closed, "title": "T"}) == 409


def test_a_trashed_page_hides_its_content_and_leaves_it_as_it_is(
    heard: FakeApp, alice: Browser, carol: Browser, control: Control
) -> None:
    page = control.page(ENG, "Trashed and back")
    child = control.page(ENG, "Stays", parentId=page["pageId"])
    item = alice.created(spaceId=None, pageId=page["pageId"])
    answer, comment = alice.answered(item), alice.commented("pageId", page["pageId"])
    control.settle(heard)
    assert control.send("POST", f"/pages/{page['pageId']}/trash")["status"] == "trashed"

    for browser in (alice, carol):
        assert browser.get(f"{PAGES}/{page['pageId']}").status_code == 404
        assert browser.get(f"{PAGES}?id={page['pageId']}").json()["results"] == []
        assert browser.read(item["id"]).status_code == 404
        assert browser.read(answer["id"]).status_code == 404
        assert browser.get(f"/wiki/api/v2/footer-comments/{comment['id']}").status_code == 404
    assert alice.get(f"{CONTENT}?type={QUESTION}&id={item['id']}").json()["results"] == []
    assert "parentId" not in alice.get(f"{PAGES}/{child['pageId']}").json()
    assert control.refused("POST", f"/pages/{page['pageId']}/trash") == 409

    control.send("POST", f"/pages/{page['pageId']}/restore")
    assert alice.read(item["id"]).json()["status"] == "current"
    assert alice.read(answer["id"]).status_code == 200
    assert control.refused("POST", f"/pages/{page['pageId']}/restore") == 409
    heard.wait_for("/connect/webhooks/page_restored")
    assert [(event, body["page"]["id"]) for event, body in heard.told()] == [
        ("page_trashed", int(page["pageId"])),
        ("page_restored", int(page["pageId"])),
    ]


def test_a_page_whose_parent_is_in_the_trash_is_restored_to_the_top(alice: Browser, control: Control) -> None:
    parent = control.page(ENG, "Parent")
    page = control.page(ENG, "Child", parentId=parent["pageId"])
    control.send("POST", f"/pages/{page['pageId']}/trash")
    assert control.send("POST", f"/pages/{page['pageId']}/restore")["parentId"] == parent["pageId"]
    control.send("POST", f"/pages/{page['pageId']}/trash")
    control.send("POST", f"/pages/{parent['pageId']}/trash")

    assert control.send("POST", f"/pages/{page['pageId']}/restore")["parentId"] is None
    assert alice.get(f"{PAGES}/{page['pageId']}").status_code == 200


def test_a_purged_page_takes_its_content_with_it(heard: FakeApp, alice: Browser, control: Control) -> None:
    page = control.page(ENG, "Purged")
    item = alice.created(spaceId=None, pageId=page["pageId"])
    answer = alice.answered(item)
    assert control.refused("DELETE", f"/pages/{page['pageId']}") == 409
    control.send("POST", f"/pages/{page['pageId']}/trash")
    control.settle(heard)
    control.send("DELETE", f"/pages/{page['pageId']}")

    assert control.refused("POST", f"/pages/{page['pageId']}/restore") == 404
    assert alice.read(item["id"]).status_code == 404
    assert alice.read(answer["id"]).status_code == 404
    heard.wait_for("/connect/webhooks/page_removed")
    assert [(event, body["page"]["id"]) for event, body in heard.told()] == [("page_removed", int(page["pageId"]))]
    assert control.refused("PUT", f"/content/{item['id']}/restriction", {"accountIds": []}) == 404, "the rows are gone"
