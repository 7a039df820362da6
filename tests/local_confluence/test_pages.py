"""The host pages without a browser: who sees what, switching person, forms, static files, escaping."""

import re
from html import unescape

import pytest
import requests

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import APP_KEY, FakeApp
from tests.local_confluence.people import ALICE, BOB, CAROL, DAVE, ENG_PAGE, HR, MALLORY, Browser

SWITCH = "/wiki/host/person"


def test_the_first_visit_is_made_as_the_first_person(process: Process) -> None:
    answer = requests.get(f"{process.acme}/", timeout=5)

    assert "Alice Archer" in answer.text
    assert answer.cookies["cq_user"].strip('"') == ALICE
    assert "samesite=lax" in answer.headers["Set-Cookie"].lower()


def test_spaces_are_listed_as_far_as_they_may_be_seen(process: Process) -> None:
    assert "People and Culture" in Browser(process.acme, ALICE).get("/").text
    assert "People and Culture" not in Browser(process.acme, DAVE).get("/").text
    assert "Marketing" in Browser(process.globex, MALLORY).get("/").text


def test_switching_person_keeps_the_other_site_s_person(process: Process) -> None:
    form = {"account": BOB, "next": "/wiki/spaces/ENG"}
    headers = {"Origin": process.acme, "Cookie": f"cq_user={ALICE}~{MALLORY}"}
    answer = requests.post(process.acme + SWITCH, data=form, headers=headers, timeout=5, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/wiki/spaces/ENG")
    assert answer.cookies["cq_user"].strip('"') == f"{BOB}~{MALLORY}"
    both = answer.cookies["cq_user"].strip('"')
    assert Browser(process.acme, both).get("/wiki/rest/api/user/current").json()["accountId"] == BOB
    assert Browser(process.globex, both).get("/wiki/rest/api/user/current").json()["accountId"] == MALLORY


@pytest.mark.parametrize("target", ["//example.com", "https://example.com", "/\\example.com"])
def test_the_way_back_stays_on_the_site(process: Process, target: str) -> None:
    answer = requests.post(
        process.acme + SWITCH,
        data={"account": "anonymous", "next": target},
        headers={"Origin": process.acme},
        timeout=5,
        allow_redirects=False,
    )

    assert answer.headers["Location"] == "/"
    marked = answer.cookies["cq_user"].strip('"')
    assert "Anonymous" in Browser(process.acme, marked).get("/").text


def test_the_app_s_frame_cannot_switch_the_person(process: Process, app: FakeApp) -> None:
    for headers in ({"Origin": app.url}, {}):
        answer = requests.post(process.acme + SWITCH, data={"account": CAROL}, headers=headers, timeout=5)
        assert answer.status_code == 403
    assert requests.post(f"{process.acme}/wiki/host/context-token", timeout=5).status_code == 403


def test_one_link_in_the_sidebar_although_two_modules_lead_there(process: Process) -> None:
    shown = Browser(process.acme, ALICE).get("/wiki/spaces/ENG").text
    links = re.findall(rf'href="(/wiki/plugins/servlet/ac/{APP_KEY}/[^"]*)"', shown)

    assert [unescape(link) for link in links] == [
        f"/wiki/plugins/servlet/ac/{APP_KEY}/questions?space.id=65537&space.key=ENG"
    ]


def test_administrators_get_the_app_s_administration(process: Process) -> None:
    path = f"/wiki/plugins/servlet/ac/{APP_KEY}/admin"

    assert path in Browser(process.acme, CAROL).get("/").text
    assert path not in Browser(process.acme, ALICE).get("/").text
    assert Browser(process.acme, CAROL).get(path).status_code == 200


def test_a_question_opens_in_its_content_view_with_a_fresh_address(process: Process, app: FakeApp) -> None:
    alice = Browser(process.acme, ALICE)
    item = alice.created(title="<script>alert(1)</script>")
    path = f"/wiki/pages/viewpage.action?pageId={item['id']}"
    first, second = alice.get(path), alice.get(path)

    assert f"{app.url}/ui/question?contentId={item['id']}&spaceId=65537&" in unescape(unescape(first.text))
    assert "<script>alert" not in first.text
    assert "script-src 'self';" in first.headers["Content-Security-Policy"]
    assert f"frame-src {app.url};" in first.headers["Content-Security-Policy"]
    assert second.status_code == 200


def test_modules_do_not_open_on_what_may_not_be_seen(process: Process) -> None:
    dave = Browser(process.acme, DAVE)
    item = Browser(process.acme, ALICE).created(spaceId=HR)
    base = f"/wiki/plugins/servlet/ac/{APP_KEY}/questions"

    for query in ("space.key=HR", f"space.id={HR}", f"content.id={item['id']}", "content.id=x", "space.key=NOPE"):
        assert dave.get(f"{base}?{query}").status_code == 404, query
    assert dave.get(f"{base}?space.key=ENG&ac.tag=python").status_code == 200
    assert dave.get(base).status_code == 200


def test_restricting_a_page_by_its_form(process: Process) -> None:
    carol, bob = Browser(process.acme, CAROL), Browser(process.acme, BOB)

    def save(browser: Browser, accounts: list[str]) -> int:
        form = [("contentId", ENG_PAGE), *(("account", one) for one in accounts)]
        headers = {"Origin": process.acme}
        return browser.send("POST", "/wiki/host/restriction", data=form, headers=headers).status_code

    try:
        assert save(bob, [BOB]) == 404
        assert save(carol, [CAROL]) == 303
        assert bob.get(f"/wiki/pages/viewpage.action?pageId={ENG_PAGE}").status_code == 404
        assert "may be seen by 1 person" in carol.get(f"/wiki/pages/viewpage.action?pageId={ENG_PAGE}").text
    finally:
        assert save(carol, []) == 303
    assert bob.get(f"/wiki/pages/viewpage.action?pageId={ENG_PAGE}").status_code == 200


def test_the_theme_comes_from_its_cookie(process: Process) -> None:
    for value, expected in (("dark", "dark"), ("light", "light"), ('"><x', "light")):
        answer = requests.get(f"{process.acme}/", headers={"Cookie": f"cq_theme={value}"}, timeout=5)
        assert f'data-color-mode="{expected}"' in answer.text


@pytest.mark.parametrize(
    "path",
    ["/host/../storage.py", "/host/unknown.js", "/atlassian-connect/themes/..%2Fiframe.js", "/atlassian-connect/x.css"],
)
def test_nothing_else_is_served_as_a_file(process: Process, path: str) -> None:
    assert requests.get(process.acme + path, timeout=5).status_code == 404


def test_pictures_of_people(process: Process) -> None:
    person = Browser(process.acme, ALICE).post("/wiki/api/v2/users-bulk", {"accountIds": [BOB]}).json()["results"][0]
    picture = requests.get(process.acme + person["profilePicture"]["path"], timeout=5)

    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert ">BB<" in picture.text
