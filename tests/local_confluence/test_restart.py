"""What was acknowledged survives a kill, and an install that was under way is taken up again."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local.ports import free_port
from tests.local_confluence.conftest import ROOT, Process
from tests.local_confluence.fake_app import QUESTION, FakeApp
from tests.local_confluence.people import ALICE, BOB, ENG, ENG_PAGE, Browser, Control, identity_of

INSTALLED = "/connect/lifecycle/installed"


@pytest.fixture
def own(app: FakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A process of this test alone."""
    app.forget()
    made = Process(tmp_path_factory.mktemp("restart") / "data.db", app)
    yield made
    made.stop(signal.SIGKILL)


def test_a_kill_loses_nothing(own: Process, app: FakeApp) -> None:
    own.start()
    own.wait_until_installed()
    identity = identity_of(app, own.acme)
    control, alice = Control(own.acme), Browser(own.acme, ALICE)
    item = alice.created(title="Kept")
    bearer = identity.bearer(ALICE)
    control.grant(ENG, {"type": "user", "identifier": BOB}, "delete", QUESTION, access=True)
    control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": [ALICE]})
    archived = control.space("OLD", type="global")
    control.send("POST", f"/spaces/{archived['spaceId']}/archive")
    page = control.page(ENG, "In the trash")
    control.send("POST", f"/pages/{page['pageId']}/trash")
    control.send("PUT", "/site", {"roleMode": "ROLES", "licensed": False})
    before = control.send("GET", "/state")
    own.stop(signal.SIGKILL)
    own.start()

    assert control.send("GET", "/state") == before
    assert alice.read(item["id"]).json()["title"] == "Kept"
    assert ("delete", QUESTION) in Browser(own.acme, BOB).operations(ENG)
    assert Browser(own.acme, BOB).get(f"/wiki/api/v2/pages/{ENG_PAGE}").status_code == 404
    assert (before["roleMode"], before["licensed"]) == ("ROLES", False)
    assert alice.get(f"/wiki/api/v2/spaces/{archived['spaceId']}").json()["status"] == "archived"
    assert alice.get(f"/wiki/api/v2/pages/{page['pageId']}").status_code == 404
    assert control.send("POST", f"/pages/{page['pageId']}/restore")["status"] == "current"
    assert identity.send("GET", "/wiki/api/v2/spaces").status_code == 200
    headers = {"Authorization": f"Bearer {bearer}"}
    assert Browser(own.acme, "").get("/wiki/api/v2/spaces", headers=headers).status_code == 200
    assert int(alice.created()["id"]) > int(item["id"])
    assert len(app.of(INSTALLED)) == 2, "one install per site; a restart does not install again"


def test_the_key_and_the_tenants_stay_over_a_restart(own: Process, app: FakeApp) -> None:
    own.start()
    own.wait_until_installed()
    first = identity_of(app, own.acme).told["clientKey"]
    assert own.stop() == 0
    app.changes = {"description": "A newer version."}
    try:
        own.start()
        deadline = time.monotonic() + 10
        while len(app.of(INSTALLED)) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        app.changes = {}

    assert len(app.of(INSTALLED)) == 4, "a changed descriptor is an update, announced to both sites' tenants"
    assert identity_of(app, own.acme).told["clientKey"] == first


def test_the_site_waits_for_an_app_that_is_not_up(own: Process, app: FakeApp) -> None:
    app.answers["/atlassian-connect.json"] = 503
    try:
        own.start()
        time.sleep(0.5)
        assert Control(own.acme).send("GET", "/state")["installed"] is False
        assert Browser(own.acme, ALICE).get("/").status_code == 200
    finally:
        app.answers.clear()
    own.wait_until_installed()


def test_an_install_the_app_never_confirmed_is_repeated_by_the_same_tenant(own: Process, app: FakeApp) -> None:
    app.answers[INSTALLED] = 500
    try:
        own.start()
        refused = app.wait_for(INSTALLED)[0]
        own.stop(signal.SIGKILL)
    finally:
        app.answers.clear()
    own.start()
    own.wait_until_installed()

    assert identity_of(app, own.acme).told["clientKey"] == refused.body["clientKey"]
    assert identity_of(app, own.acme).secret != refused.body["sharedSecret"]


def test_no_install_when_asked_not_to(own: Process, app: FakeApp) -> None:
    own.start("--no-install")
    time.sleep(0.5)

    assert app.of(INSTALLED) == []
    state = Control(own.acme).send("GET", "/state")
    assert (state["installed"], state["clientKey"]) == (False, None)


def test_a_clean_stop_is_quick(own: Process) -> None:
    own.start()
    own.wait_until_installed()
    began = time.monotonic()

    assert own.stop() == 0
    assert time.monotonic() - began < 5


def test_a_data_file_of_another_version_is_refused_in_words(tmp_path: Path) -> None:
    data = tmp_path / "data.db"
    with closing(sqlite3.connect(data)) as database:
        database.execute("CREATE TABLE spaces (id INTEGER PRIMARY KEY)")
    ports = ["--port", str(free_port()), "--second-port", str(free_port())]
    command = [sys.executable, "-m", "local.confluence", *ports, "--data", str(data), "--no-install"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 1
    assert f"{data} was made by another version of the simulator" in ended.stderr
    assert "Traceback" not in ended.stderr
