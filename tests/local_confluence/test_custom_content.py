"""Custom content through REST: creation, reading, versions, states, lists."""

import pytest
import requests

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import ANSWER, QUESTION, VOTE
from tests.local_confluence.people import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ENG,
    ENG_PAGE,
    HR,
    HR_PAGE,
    MALLORY,
    AppIdentity,
    Browser,
    Json,
    answer_to,
    question,
    update_of,
)

CONTENT = "/wiki/api/v2/custom-content"


def test_a_question_is_read_back_as_it_was_asked(alice: Browser, bob: Browser) -> None:
    item = alice.created(title="A title")
    found = bob.get(f"{CONTENT}/{item['id']}?body-format=storage").json()

    assert found["authorId"] == ALICE
    assert (found["title"], found["spaceId"], found["status"]) == ("A title", ENG, "current")
    assert found["version"]["number"] == 1
    assert found["body"]["storage"]["value"] == "<p>How?</p>"
    assert "body" not in bob.read(item["id"]).json()


def test_an_answer_lives_in_its_question(alice: Browser, bob: Browser) -> None:
    item = alice.created()
    answer = bob.post(CONTENT, answer_to(item)).json()

    assert answer["customContentId"] == item["id"]
    assert answer["spaceId"] == ENG
    children = alice.get(f"{CONTENT}/{item['id']}/children").json()["results"]
    assert [child["id"] for child in children] == [answer["id"]]


def test_a_question_on_a_page(alice: Browser) -> None:
    item = alice.created(spaceId=None, pageId=ENG_PAGE)

    assert item["pageId"] == ENG_PAGE
    assert item["spaceId"] == ENG


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"title": ""}, 400),
        ({"title": "x" * 256}, 400),
        ({"title": 7}, 400),
        ({"body": None}, 400),
        ({"body": {"representation": "storage", "value": "<p>open"}}, 400),
        ({"body": {"representation": "storage", "value": "<!DOCTYPE x><p/>"}}, 400),
        ({"body": {"representation": "wiki", "value": "x"}}, 400),
        ({"body": {"representation": "raw", "value": "x"}}, 400),
        ({"body": {"representation": "storage", "value": "x", "more": 1}}, 400),
        ({"type": "ac:community-questions:unknown"}, 400),
        ({"type": "ac:another-app:cq-question"}, 400),
        ({"spaceId": None}, 400),
        ({"pageId": ENG_PAGE}, 400),
        ({"spaceId": "x"}, 400),
        ({"spaceId": "999999"}, 404),
        ({"status": "archived"}, 400),
        ({"unexpected": 1}, 400),
        ({"type": ANSWER}, 400),
        ({"type": VOTE, "spaceId": None, "pageId": ENG_PAGE}, 400),
        ({"spaceId": None, "pageId": "999999"}, 404),
        ({"spaceId": None, "customContentId": "999999"}, 404),
    ],
)
def test_what_may_not_be_created(alice: Browser, changes: Json, status: int) -> None:
    body = {name: value for name, value in question(**changes).items() if value is not None}

    assert alice.post(CONTENT, body).status_code == status


@pytest.mark.parametrize(
    "value",
    [
        "<p>Caf&eacute; &amp; tea&nbsp;&lt;3</p>",
        '<ac:structured-macro ac:name="x"><ac:plain-text-body><![CDATA[<]]></ac:plain-text-body></ac:structured-macro>',
        '<p><ac:link><ri:user ri:account-id="557058:x"/></ac:link></p>',
        "plain text",
        "",
    ],
)
def test_well_formed_storage_is_kept_to_the_letter(alice: Browser, value: str) -> None:
    item = alice.created(body={"representation": "storage", "value": value})

    assert alice.get(f"{CONTENT}/{item['id']}?body-format=storage").json()["body"]["storage"]["value"] == value


def test_the_nested_body_form_is_accepted(alice: Browser) -> None:
    item = alice.created(body={"storage": {"representation": "storage", "value": "<p>x</p>"}})

    assert item["body"]["storage"]["value"] == "<p>x</p>"


def test_a_body_must_be_json(process: Process, alice: Browser) -> None:
    for media_type, status in (("text/plain", 415), ("application/json", 400)):
        answer = alice.send("POST", CONTENT, data="{", headers={"Content-Type": media_type})
        assert answer.status_code == status


def test_an_update_needs_the_next_version(alice: Browser) -> None:
    item = alice.created()
    path = f"{CONTENT}/{item['id']}"

    for number in (0, 1, 3):
        assert alice.send("PUT", path, json=update_of(item, version={"number": number})).status_code == 409
    changed = alice.send("PUT", path, json=update_of(item, title="Better"))
    assert changed.status_code == 200
    assert (changed.json()["version"]["number"], changed.json()["title"]) == (2, "Better")
    assert alice.send("PUT", path, json=update_of(item, title="Stale")).status_code == 409
    first = alice.get(f"{path}?version=1").json()
    assert (first["title"], first["status"]) == (item["title"], "historical")
    assert alice.get(f"{path}?version=9").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1"},
        {"type": VOTE},
        {"status": "draft"},
        {"version": {"number": "2"}},
        {"version": 2},
        {"spaceId": None},
        {"title": None},
        {"pageId": "1", "customContentId": "1"},
    ],
)
def test_what_an_update_may_not_say(alice: Browser, changes: Json) -> None:
    item = alice.created()
    body = {name: value for name, value in update_of(item, **changes).items() if value is not None}

    assert alice.send("PUT", f"{CONTENT}/{item['id']}", json=body).status_code == 400


def test_an_answer_stays_in_its_question(alice: Browser, bob: Browser) -> None:
    answer = bob.post(CONTENT, answer_to(alice.created())).json()
    loose = update_of(answer)
    del loose["customContentId"]

    assert bob.send("PUT", f"{CONTENT}/{answer['id']}", json=loose).status_code == 400
    assert bob.send("PUT", f"{CONTENT}/{answer['id']}", json=update_of(answer)).status_code == 200


def test_trash_restore_and_purge(alice: Browser, bob: Browser, carol: Browser) -> None:
    item = alice.created()
    path = f"{CONTENT}/{item['id']}"
    answer = bob.post(CONTENT, answer_to(item)).json()

    assert carol.send("DELETE", f"{path}?purge=true").status_code == 400
    assert alice.send("DELETE", path).status_code == 204
    assert alice.send("DELETE", path).status_code == 404
    assert alice.read(item["id"]).json()["status"] == "trashed"
    assert bob.read(item["id"]).status_code == 404
    assert bob.read(answer["id"]).status_code == 404
    restored = alice.send("PUT", path, json=update_of(item))
    assert (restored.status_code, restored.json()["status"]) == (200, "current")
    assert bob.read(answer["id"]).status_code == 200

    assert alice.send("DELETE", path).status_code == 204
    assert alice.send("DELETE", f"{path}?purge=true").status_code == 403
    assert carol.send("DELETE", f"{path}?purge=true").status_code == 204
    for gone in (item, answer):
        assert carol.read(gone["id"]).status_code == 404


def test_only_the_author_or_a_moderator_changes_and_deletes(alice: Browser, bob: Browser, carol: Browser) -> None:
    item = alice.created()
    path = f"{CONTENT}/{item['id']}"

    assert bob.send("PUT", path, json=update_of(item)).status_code == 403
    assert bob.send("DELETE", path).status_code == 403
    assert carol.send("DELETE", path).status_code == 204


def test_dave_is_told_that_nothing_in_hr_exists(alice: Browser, dave: Browser) -> None:
    item = alice.created(spaceId=HR)
    on_page = alice.created(spaceId=None, pageId=HR_PAGE)

    assert dave.create(spaceId=HR).status_code == 404
    assert dave.create(spaceId=None, pageId=HR_PAGE).status_code == 404
    for path in (
        f"{CONTENT}/{item['id']}",
        f"{CONTENT}/{item['id']}/operations",
        f"{CONTENT}/{item['id']}/children",
        f"{CONTENT}/{item['id']}/footer-comments",
        f"{CONTENT}/{on_page['id']}",
        f"/wiki/api/v2/spaces/{HR}",
        f"/wiki/api/v2/spaces/{HR}/operations",
        f"/wiki/api/v2/spaces/{HR}/permissions",
        f"/wiki/api/v2/spaces/{HR}/custom-content?type={QUESTION}",
        f"/wiki/api/v2/pages/{HR_PAGE}",
        f"/wiki/pages/viewpage.action?pageId={item['id']}",
        "/wiki/spaces/HR",
    ):
        assert dave.get(path).status_code == 404, path
    assert dave.post(CONTENT, answer_to(item)).status_code == 404
    listed = dave.get(f"{CONTENT}?type={QUESTION}&limit=250").json()["results"]
    assert not {item["id"], on_page["id"]} & {one["id"] for one in listed}
    assert {space["key"] for space in dave.get("/wiki/api/v2/spaces").json()["results"]} == {"ENG"}


def test_mallory_s_site_knows_nothing_of_site_one(process: Process, alice: Browser) -> None:
    item = alice.created()
    mallory = Browser(process.globex, MALLORY)

    assert mallory.read(item["id"]).status_code == 404
    assert mallory.get(f"/wiki/api/v2/spaces/{ENG}").status_code == 404
    assert mallory.create(spaceId=ENG).status_code == 404
    assert mallory.get(f"/wiki/rest/api/user?accountId={ALICE}").status_code == 404
    people = mallory.post("/wiki/api/v2/users-bulk", {"accountIds": [ALICE, MALLORY]}).json()["results"]
    assert [person["accountId"] for person in people] == [MALLORY]
    # Mallory's cookie means nobody on site one.
    assert Browser(process.acme, MALLORY).read(item["id"]).status_code == 404
    assert Browser(process.acme, MALLORY).create().status_code == 401


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("id", [0, 1, 2, 3, 4]),
        ("created-date", [0, 1, 2, 3, 4]),
        ("-created-date", [4, 3, 2, 1, 0]),
        ("modified-date", [0, 2, 3, 4, 1]),
        ("-modified-date", [1, 4, 3, 2, 0]),
        ("title", [4, 0, 1, 2, 3]),
    ],
)
def test_lists_page_by_opaque_cursors(alice: Browser, sort: str, expected: list[int]) -> None:
    """Five questions, the second changed last, the last one first by title."""
    made = [alice.created(title=f"{'A' if number == 4 else 'B'}{number}") for number in range(5)]
    assert alice.send("PUT", f"{CONTENT}/{made[1]['id']}", json=update_of(made[1])).status_code == 200
    ids = [one["id"] for one in made]
    path = f"{CONTENT}?type={QUESTION}&sort={sort}&limit=2&" + "&".join(f"id={one}" for one in ids)
    seen: list[str] = []
    sizes = []
    while path and len(seen) < 9:
        answer = alice.get(path)
        assert answer.status_code == 200
        sizes.append(len(answer.json()["results"]))
        seen += [one["id"] for one in answer.json()["results"]]
        path = answer.json()["_links"].get("next", "")
        assert answer.headers.get("Link") == (f'<{path}>; rel="next"' if path else None)
        assert path.startswith("/wiki/api/v2/") or not path

    assert seen == [ids[number] for number in expected]
    assert sizes == [2, 2, 1]


def test_a_cursor_of_another_list_or_a_changed_one_is_refused(alice: Browser) -> None:
    for _ in range(2):
        alice.created()
    following = alice.get(f"{CONTENT}?type={QUESTION}&limit=1").json()["_links"]["next"]

    assert alice.get(following).status_code == 200
    assert alice.get(following + "A").status_code == 400
    assert alice.get(following.replace("limit=1", "limit=1&sort=title")).status_code == 400
    assert alice.get(f"{CONTENT}?type={QUESTION}&cursor=abc").status_code == 400


@pytest.mark.parametrize("sort", ["id", "-id", "created-date", "-created-date", "modified-date", "title", "-title"])
def test_sorting(alice: Browser, sort: str) -> None:
    made = [alice.created(title=title)["id"] for title in ("b", "a", "c")]
    wanted = "&".join(f"id={one}" for one in made)
    found = [one["id"] for one in alice.get(f"{CONTENT}?type={QUESTION}&sort={sort}&{wanted}").json()["results"]]
    by_title = [made[1], made[0], made[2]]
    expected = by_title if "title" in sort else made

    assert found == (expected[::-1] if sort.startswith("-") else expected)


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"?type={QUESTION}&limit=0",
        f"?type={QUESTION}&limit=251",
        f"?type={QUESTION}&limit=x",
        f"?type={QUESTION}&sort=votes",
        f"?type={QUESTION}&body-format=view",
        f"?type={QUESTION}&id=x",
        f"?type={QUESTION}&surprise=1",
        f"?type={QUESTION}&type={VOTE}",
        "?type=ac:community-questions:unknown",
        f"?type={QUESTION}&" + "&".join(f"id={n}" for n in range(1, 252)),
        f"?type={QUESTION}&" + "&".join(f"space-id={n}" for n in range(1, 102)),
    ],
)
def test_list_parameters_are_checked(alice: Browser, query: str) -> None:
    assert alice.get(CONTENT + query).status_code == 400


def test_lists_narrow_by_space(alice: Browser) -> None:
    eng, hr = alice.created(), alice.created(spaceId=HR)
    wanted = f"id={eng['id']}&id={hr['id']}"

    found = alice.get(f"{CONTENT}?type={QUESTION}&{wanted}&space-id={HR}").json()["results"]
    assert [one["id"] for one in found] == [hr["id"]]
    in_space = alice.get(f"/wiki/api/v2/spaces/{ENG}/custom-content?type={QUESTION}&limit=250").json()["results"]
    assert eng["id"] in {one["id"] for one in in_space}
    assert hr["id"] not in {one["id"] for one in in_space}


def test_the_app_acts_as_its_own_account(identity: AppIdentity, alice: Browser) -> None:
    made = identity.send("POST", CONTENT, json=question())

    assert made.status_code == 201
    assert made.json()["authorId"].startswith("557058:")
    assert made.json()["authorId"] not in {ALICE, BOB, CAROL, DAVE}
    person = alice.get(f"/wiki/rest/api/user?accountId={made.json()['authorId']}").json()
    assert person["accountType"] == "app"


def test_errors_have_the_form_of_their_family(process: Process, alice: Browser) -> None:
    v2 = alice.read("999999").json()
    v1 = alice.get("/wiki/rest/api/user?accountId=nobody").json()

    assert [(one["status"], one["code"]) for one in v2["errors"]] == [(404, "NOT_FOUND")]
    assert v1["statusCode"] == 404
    unknown = requests.get(f"{process.acme}/wiki/api/v2/whiteboards/1", timeout=5)
    assert (unknown.status_code, unknown.json()["errors"][0]["status"]) == (404, 404)
    assert alice.get(f"{CONTENT}/not-a-number").status_code == 400
