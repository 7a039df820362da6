"""An administrator brings the questions of an old site: checks the file, reads what would be lost, imports, repeats."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from local.confluence.cast import ALICE, BOB
from local.person import Person
from local.stack import Stack
from tests.e2e.conftest import Visit

pytestmark = pytest.mark.e2e

ENG = "65537"
ASKED = "2019-03-04T05:06:07.000Z"
EXPORT = [
    {
        "id": 11,
        "title": "How do we sign a release?",
        "body": {"content": "<p>The <b>old</b> way.</p><script>alert(1)</script>"},
        "author": {"userKey": "alice"},
        "dateAsked": ASKED,
        "topics": [{"name": "Releases"}],
        "votes": [{"user": "bob", "value": 1}],
        "answers": [
            {
                "id": 12,
                "body": {"content": "<p>With the key in the vault.</p>"},
                "author": {"userKey": "bob"},
                "dateAnswered": "2019-03-05T05:06:07.000Z",
                "accepted": True,
                "votes": [{"user": "alice", "value": 1}],
            }
        ],
    },
    {
        "id": 21,
        "title": "Who keeps the style guide?",
        "body": {"content": "<p>Asked by somebody who has left.</p>"},
        "author": {"userKey": "gone"},
        "dateAsked": ASKED,
        "votes": 4,
        "answers": [],
    },
]


def choose_file(visit: Visit, folder: Path) -> None:
    export, accounts = folder / "questions.json", folder / "accounts.csv"
    export.write_text(json.dumps(EXPORT))
    accounts.write_text(f"user,account\nalice,{ALICE}\nbob,{BOB}\n")
    form = visit.app.get_by_role("form", name="Import questions")
    form.get_by_role("combobox", name="Space").click()
    visit.app.get_by_role("option", name="Engineering").click()
    form.get_by_label(re.compile("^File")).set_input_files(export)
    form.get_by_label(re.compile("^Account map")).set_input_files(accounts)
    form.get_by_role("button", name="Check the file").click()
    expect(visit.app.get_by_role("heading", name="What will be imported, and what will not")).to_be_visible()


def open_importer(visit: Visit, stack: Stack) -> None:
    visit.page.goto(f"{stack.site_one}/wiki/plugins/servlet/ac/community-questions/admin")
    visit.app.get_by_role("button", name="Start an import").click()
    expect(visit.app.get_by_role("button", name="Check the file")).to_be_visible()


def run_import(visit: Visit) -> None:
    visit.app.get_by_role("button", name=re.compile("^Import ")).click()
    expect(visit.app.get_by_role("heading", name="Finished")).to_be_visible(timeout=60_000)


def test_questions_of_an_old_site_come_with_authors_times_and_votes(
    own_stack: Stack, visit: Visit, tmp_path: Path
) -> None:
    alice = Person(ALICE, own_stack.site_one, own_stack.app_url)
    visit.act_as("Carol Castle", own_stack.site_one)
    open_importer(visit, own_stack)
    assert visit.barriers() == []
    visit.picture("import-form")
    choose_file(visit, tmp_path)
    assert visit.barriers() == []
    visit.app.get_by_role("heading", name="What will be imported, and what will not").scroll_into_view_if_needed()
    visit.picture("import-loss")
    assert alice.api("GET", f"/questions?space={ENG}").body["items"] == []

    run_import(visit)
    visit.app.get_by_role("heading", name="Finished").scroll_into_view_if_needed()
    visit.picture("import-done")
    visit.page.get_by_role("button", name="Dark theme").click()
    visit.page.set_viewport_size({"width": 400, "height": 860})
    assert visit.barriers() == []
    visit.picture("import-done-dark-400")
    visit.page.set_viewport_size({"width": 1280, "height": 860})
    listed = alice.api("GET", f"/questions?space={ENG}").body["items"]
    by_author = {item["authorId"]: item for item in listed}
    assert set(by_author) == {ALICE, None}
    signed = by_author[ALICE]
    assert (signed["createdAt"], signed["tags"], signed["score"], signed["state"]) == (
        ASKED,
        ["releases"],
        1,
        "accepted",
    )
    (answer,) = alice.api("GET", f"/questions/{signed['id']}/answers").body["items"]
    assert (answer["authorId"], answer["score"]) == (BOB, 1)
    assert by_author[None]["score"] == 0

    open_importer(visit, own_stack)
    choose_file(visit, tmp_path)
    run_import(visit)
    assert len(alice.api("GET", f"/questions?space={ENG}").body["items"]) == 2

    visit.page.goto(f"{own_stack.site_one}/wiki/spaces/ENG")
    visit.page.get_by_role("link", name="Questions", exact=True).click()
    expect(visit.app.get_by_text("Former user")).to_be_visible()
    expect(visit.app.get_by_text("How do we sign a release?")).to_be_visible()
    visit.picture("import-listed")
