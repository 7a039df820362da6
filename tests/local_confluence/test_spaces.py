"""Spaces through REST and control: kinds, archiving, copying, removing, and what is told of each."""

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import (
    ADMINISTRATOR,
    ALICE,
    BOB,
    CAROL,
    ENG,
    HR,
    MALLORY,
    PARTICIPANT,
    AppIdentity,
    Browser,
    Control,
    Json,
    update_of,
)

SPACES = "/wiki/api/v2/spaces"
CONTENT = "/wiki/api/v2/custom-content"
COMMENTS = "/wiki/api/v2/footer-comments"


def keys(browser: Browser, query: str = "") -> set[str]:
    answer = browser.get(f"{SPACES}?limit=250{query}")
    assert answer.status_code == 200
    return {space["key"] for space in answer.json()["results"]}


def test_a_new_space_has_the_grid_of_the_first_day(
    heard: FakeApp, alice: Browser, carol: Browser, identity: AppIdentity, control: Control
) -> None:
    made = control.space("NEW", type="global")
    shown = alice.get(f"{SPACES}/{made['spaceId']}").json()

    assert (shown["key"], shown["name"], shown["type"], shown["status"]) == (
        "NEW",
        "The space NEW",
        "global",
        "current",
    )
    assert shown["homepageId"] == made["homepageId"]
    assert alice.get(f"/wiki/api/v2/pages/{made['homepageId']}").json()["title"] == "The space NEW home"
    assert alice.operations(made["spaceId"]) == PARTICIPANT
    assert carol.operations(made["spaceId"]) == ADMINISTRATOR
    assert identity.send("GET", f"{SPACES}/{made['spaceId']}").status_code == 200
    told = heard.wait_for("/connect/webhooks/space_created")[-1].body
    assert (told["space"]["key"], told["space"]["isPersonalSpace"]) == ("NEW", False)
    assert "id" not in told["space"]
    assert told["userAccountId"] == CAROL


def test_a_space_may_be_for_a_group_only(dave: Browser, bob: Browser, control: Control) -> None:
    made = control.space("TEAM", participants="hr-team", administrator=BOB)

    assert dave.get(f"{SPACES}/{made['spaceId']}").status_code == 404
    assert bob.operations(made["spaceId"]) == ADMINISTRATOR


def test_spaces_are_found_by_type_and_status(alice: Browser, heard: FakeApp, control: Control) -> None:
    own = control.space("~alice", type="personal", administrator=ALICE)
    old = control.space("OLD")
    control.send("POST", f"/spaces/{old['spaceId']}/archive")

    def found(query: str) -> set[str]:
        return keys(alice, query) & {"ENG", "HR", "OLD", "~alice"}

    assert found("&type=personal") == {"~alice"}
    assert found("&type=global") == {"ENG", "HR", "OLD"}
    assert found("&type=collaboration") == set()
    assert found("&status=archived") == {"OLD"}
    assert found("&status=current") == {"ENG", "HR", "~alice"}
    assert found("&status=archived&type=personal") == set()
    assert keys(alice, f"&type=personal&ids={own['spaceId']}&ids={ENG}") == {"~alice"}
    assert alice.get(f"{SPACES}?type=secret").status_code == 400
    assert alice.get(f"{SPACES}?status=trashed").status_code == 400
    heard.wait_for("/connect/webhooks/space_created", 2)
    told = [body["space"] for _, body in heard.told("space_created")]
    assert {space["key"]: space["isPersonalSpace"] for space in told} == {"~alice": True, "OLD": False}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"key": "ENG", "name": "Again"}, 409),
        ({"key": "A B", "name": "Blank"}, 400),
        ({"key": "~bob", "name": "Personal by key only"}, 400),
        ({"key": "BOB", "name": "Personal by type only", "type": "personal"}, 400),
        ({"key": "X", "name": "X", "type": "team"}, 400),
        ({"key": "X"}, 400),
        ({"name": "X"}, 400),
        ({"key": "X", "name": "X", "participants": "nobody"}, 404),
        ({"key": "X", "name": "X", "administrator": MALLORY}, 404),
    ],
)
def test_spaces_that_cannot_be(control: Control, body: Json, status: int) -> None:
    assert control.refused("POST", "/spaces", body) == status


def test_a_removed_space_is_gone_for_everybody(
    heard: FakeApp, alice: Browser, carol: Browser, identity: AppIdentity, control: Control
) -> None:
    made = control.space("GONE")
    space_id = made["spaceId"]
    item = alice.created(spaceId=space_id)
    answer, comment = alice.answered(item), alice.commented("customContentId", item["id"])
    page = control.page(space_id, "A page that goes too")
    control.settle(heard)
    control.send("DELETE", f"/spaces/{space_id}")

    paths = [
        f"{SPACES}/{space_id}",
        f"{SPACES}/{space_id}/operations",
        f"{SPACES}/{space_id}/custom-content?type={QUESTION}",
        f"{CONTENT}/{item['id']}",
        f"{CONTENT}/{answer['id']}",
        f"{COMMENTS}/{comment['id']}",
        f"/wiki/api/v2/pages/{page['pageId']}",
        f"/wiki/api/v2/pages/{made['homepageId']}",
        "/wiki/spaces/GONE",
    ]
    for path in paths:
        assert alice.get(path).status_code == 404, path
        assert carol.get(path).status_code == 404, path
    assert identity.send("GET", paths[3]).status_code == 404
    assert alice.create(spaceId=space_id).status_code == 404
    assert "GONE" not in keys(carol)
    assert control.refused("DELETE", f"/spaces/{space_id}") == 404
    heard.wait_for("/connect/webhooks/space_removed")
    ((event, told),) = heard.told()
    assert (event, told["space"]["key"], told["userAccountId"]) == ("space_removed", "GONE", CAROL)
    assert "id" not in told["space"]
    assert control.space("GONE")["spaceId"] != space_id, "the key is free again, the id is not"


def test_a_copy_has_pages_and_content_of_its_own(
    heard: FakeApp, alice: Browser, bob: Browser, control: Control
) -> None:
    source = control.space("SRC")
    later = control.page(source["spaceId"], "Made first, put below what was made later")
    page = control.page(source["spaceId"], "A page")
    control.send("POST", f"/pages/{later['pageId']}/move", {"spaceId": source["spaceId"], "parentId": page["pageId"]})
    control.send("PUT", f"/content/{later['pageId']}/restriction", {"accountIds": [ALICE]})
    item = alice.created(spaceId=None, pageId=later["pageId"], title="Copied question")
    answer, comment = alice.answered(item), alice.commented("customContentId", item["id"])
    trashed = alice.created(spaceId=source["spaceId"])
    alice.send("DELETE", f"{CONTENT}/{trashed['id']}")
    control.grant(source["spaceId"], {"type": "user", "identifier": BOB}, "delete", QUESTION, access=True)
    control.settle(heard)
    made = control.send("POST", f"/spaces/{source['spaceId']}/copy", {"key": "DUP", "name": "Copy", "accountId": BOB})

    copies: dict[str, str] = made["copies"]
    assert set(copies) == {source["homepageId"], page["pageId"], later["pageId"], item["id"], answer["id"]}
    assert comment["id"] not in copies
    assert not set(copies) & set(copies.values())
    assert made["homepageId"] == copies[source["homepageId"]]
    shown = alice.get(f"{CONTENT}/{copies[item['id']]}?body-format=storage").json()
    assert (shown["title"], shown["spaceId"], shown["pageId"]) == (
        "Copied question",
        made["spaceId"],
        copies[later["pageId"]],
    )
    assert (shown["authorId"], shown["version"]["number"]) == (ALICE, 1)
    assert shown["body"]["storage"]["value"] == "<p>How?</p>"
    assert alice.read(copies[answer["id"]]).json()["customContentId"] == copies[item["id"]]
    below = alice.get(f"/wiki/api/v2/pages/{copies[later['pageId']]}").json()
    assert (below["parentId"], below["spaceId"]) == (copies[page["pageId"]], made["spaceId"])
    assert bob.read(copies[item["id"]]).status_code == 404, "the restriction of the page is copied"
    assert ("delete", QUESTION) in bob.operations(made["spaceId"]), "the grid is copied"
    assert alice.read(item["id"]).json()["spaceId"] == source["spaceId"], "the original stays"

    heard.wait_for("/connect/webhooks/content_created", 2)
    assert heard.told()[0][0] == "space_created"
    pages = {copies[old] for old in (source["homepageId"], page["pageId"], later["pageId"])}
    assert {body["page"]["idAsString"] for _, body in heard.told("page_created")} == pages
    content = [body["content"] for _, body in heard.told("content_created")]
    assert [one["id"] for one in content] == [copies[item["id"]], copies[answer["id"]]]
    assert content[1]["_expandable"]["container"] == f"/rest/api/content/{copies[item['id']]}"
    assert {body["userAccountId"] for _, body in heard.told()} == {BOB}


def test_another_site_s_spaces_are_out_of_reach(process: Process, control: Control) -> None:
    other = Control(process.globex)

    for method, path in (("POST", "archive"), ("POST", "copy"), ("DELETE", "")):
        body = {"key": "X", "name": "X"}
        assert other.refused(method, f"/spaces/{HR}/{path}".rstrip("/"), body) == 404
    assert control.refused("POST", f"/spaces/{HR}/archive", {"accountId": MALLORY}) == 404
    assert Browser(process.globex, MALLORY).get(f"{SPACES}/{HR}").status_code == 404
    assert Browser(process.acme, ALICE).get(f"{SPACES}/{HR}").json()["status"] == "current"


@pytest.mark.parametrize("sort", ["id", "-id", "key", "-key", "name", "-name"])
def test_a_list_goes_on_when_the_space_at_its_mark_is_removed(alice: Browser, control: Control, sort: str) -> None:
    made = [control.space(f"L{letter}{sort.strip('-')}{len(sort)}")["spaceId"] for letter in "bac"]
    wanted = "&".join(f"ids={space_id}" for space_id in made)
    first = alice.get(f"{SPACES}?{wanted}&sort={sort}&limit=1").json()
    control.send("DELETE", f"/spaces/{first['results'][0]['id']}")
    rest: list[str] = []
    path = first["_links"]["next"]
    while path and len(rest) < 5:
        answer = alice.get(path).json()
        rest += [space["key"][1] for space in answer["results"]]
        path = answer["_links"].get("next")

    order = "bac" if "id" in sort else "abc"
    assert rest == list(order[::-1] if sort.startswith("-") else order)[1:]


def test_what_is_put_into_another_space_takes_its_answers_along(alice: Browser, bob: Browser) -> None:
    item = alice.created()
    answer = bob.answered(item)
    moved = alice.send("PUT", f"{CONTENT}/{item['id']}", json=update_of(item, spaceId=HR))

    assert moved.status_code == 200
    assert bob.read(answer["id"]).json()["spaceId"] == HR


def test_the_site_s_page_names_archived_spaces(alice: Browser, control: Control) -> None:
    made = control.space("SHOWN", description="Of last year.")
    assert "Of last year." in alice.get("/").text
    control.send("POST", f"/spaces/{made['spaceId']}/archive")

    assert "Archived. Of last year." in alice.get("/").text
