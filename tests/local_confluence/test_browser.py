"""The app's frame in a real browser, behind the real Connect host script."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page, sync_playwright

from tests.local_confluence.conftest import ROOT, Process
from tests.local_confluence.fake_app import APP_KEY, FakeApp
from tests.local_confluence.people import ALICE, Control

CHROMIUM = Path("/usr/bin/chromium")
SCRIPTS = Path(os.environ.get("CONNECT_JS_DIR", ROOT / "ui" / "node_modules"))
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What connect-host.js says about itself on every page; nothing else may be reported.
KNOWN_NOISE = ("[ACJS] Feature flag service is not initialised", "status of 404")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
    pytest.mark.skipif(not (SCRIPTS / "atlassian-connect-js").is_dir(), reason="the Connect scripts are not installed"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(process: Process, chromium: Browser) -> Iterator[Page]:
    """Alice's page on site one; any script error, policy violation or request to elsewhere fails the test."""
    problems: list[str] = []
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    context.add_cookies([{"name": "cq_user", "value": ALICE, "url": process.acme}])
    opened = context.new_page()
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: None if "//127.0.0.1:" in request.url else problems.append(request.url))
    yield opened
    context.close()
    assert [one for one in problems if not any(noise in one for noise in KNOWN_NOISE)] == []


def app_frame(page: Page, process: Process, path: str) -> tuple[Frame, dict[str, Any]]:
    page.goto(process.acme + path)
    handle = page.wait_for_selector("iframe.connect-frame")
    assert handle is not None
    frame = handle.content_frame()
    assert frame is not None
    frame.wait_for_function("/^(ready|failed) /.test(document.getElementById('root').textContent)", timeout=15_000)
    word, _, rest = frame.locator("#root").inner_text().partition(" ")
    assert word == "ready", rest
    return frame, json.loads(rest)


QUESTIONS = f"/wiki/plugins/servlet/ac/{APP_KEY}/questions?space.id=65537&space.key=ENG"


def test_the_bridge_works_as_the_current_person(page: Page, process: Process) -> None:
    frame, seen = app_frame(page, process, QUESTIONS)

    assert len(seen["token"].split(".")) == 3
    assert seen["user"] == {"atlassianAccountId": ALICE}
    assert seen["context"]["confluence"]["space"] == {"id": "65537", "key": "ENG"}
    assert seen["spaces"] == ["ENG", "HR"]
    assert seen["created"] == 201
    assert seen["missing"] == "404"
    assert "relative" in seen["absolute"]
    assert "leaves" in seen["climbing"]
    assert seen["state"] == "page=2"
    assert page.url.endswith("#!page%3D2")
    assert frame.url.count("jwt=") == 1
    logged = Control(process.acme).send("GET", "/requests")["requests"]
    assert f"page:{ALICE}" in {one["who"] for one in logged}


def test_the_frame_is_fenced_in(page: Page, process: Process) -> None:
    app_frame(page, process, QUESTIONS)
    frame = page.locator("iframe.connect-frame")

    assert frame.get_attribute("referrerpolicy") == "no-referrer"
    sandbox = (frame.get_attribute("sandbox") or "").split()
    assert {"allow-scripts", "allow-same-origin"} <= set(sandbox)
    assert "allow-top-navigation" not in sandbox
    assert page.locator(".flag strong").inner_text() == "A flag"


def test_the_theme_switch_reaches_the_app(page: Page, process: Process) -> None:
    frame, _ = app_frame(page, process, QUESTIONS)
    frame.wait_for_function("document.documentElement.dataset.colorMode === 'light'")
    page.get_by_role("button", name="Dark theme").click()
    frame.wait_for_function("document.documentElement.dataset.colorMode === 'dark'")
    frame.wait_for_function("document.querySelector('link[href*=tokens_dark]') !== null")

    page.reload()
    assert page.locator("html").get_attribute("data-color-mode") == "dark"


def test_navigation_history_and_cookies(page: Page, process: Process) -> None:
    frame, _ = app_frame(page, process, QUESTIONS)
    located = frame.evaluate("AP.navigator.getLocation()")
    assert (located["target"], located["context"]["moduleKey"]) == ("addonmodule", "questions")

    frame.evaluate("AP.cookie.save('draft', 'a b', 1)")
    assert frame.evaluate("AP.cookie.read('draft')") == "a b"
    frame.evaluate("AP.cookie.erase('draft')")
    assert frame.evaluate("AP.cookie.read('draft')") is None

    frame.evaluate("AP.history.popState((change) => { window.heard = change.state; })")
    frame.evaluate("AP.history.pushState('page=3')")
    page.go_back()
    frame.wait_for_function("window.heard === 'page=2'")

    refused = frame.evaluate("AP.navigator.go('nowhere', {}).then(() => '', String)")
    assert "cannot go" in refused
    frame.evaluate("void AP.navigator.go('contentview', {contentId: '98306'})")
    page.wait_for_url(f"{process.acme}/wiki/pages/viewpage.action?pageId=98306")
    assert page.locator("h1").inner_text() == "Release checklist"


def test_dialogs_carry_data_both_ways(page: Page, process: Process, app: FakeApp) -> None:
    frame, _ = app_frame(page, process, QUESTIONS)
    frame.evaluate("AP.events.on('dialog.close', (data) => { window.dialogData = data; })")
    frame.evaluate("void AP.dialog.create({key: 'ask', chrome: true, header: 'Ask', customData: {from: 'list'}})")
    handle = page.wait_for_selector("dialog iframe")
    assert handle is not None
    inner = handle.content_frame()
    assert inner is not None
    inner.wait_for_function("/^ready/.test(document.getElementById('root').textContent)", timeout=15_000)
    assert inner.url.startswith(f"{app.url}/ui/ask?spaceId=65537")
    given = inner.evaluate("new Promise((resolve) => AP.dialog.getCustomData(resolve))")
    assert given == {"from": "list"}

    inner.evaluate("void AP.dialog.close({done: true})")
    frame.wait_for_function("window.dialogData && window.dialogData.done === true")
    assert page.locator("dialog").count() == 0


def test_the_frame_follows_the_height_of_the_app(page: Page, process: Process) -> None:
    frame, _ = app_frame(page, process, QUESTIONS)
    frame.evaluate("document.getElementById('root').style.height = '1234px'")
    height = 0.0
    # The page's policy forbids the polling function Playwright would put into it.
    for _ in range(100):
        box = page.locator("iframe.connect-frame").bounding_box()
        height = box["height"] if box is not None else 0
        if height >= 1234:
            break
        page.wait_for_timeout(50)
    assert height >= 1234


def test_people_are_switched_by_keyboard(page: Page, process: Process) -> None:
    page.goto(f"{process.acme}/wiki/spaces/ENG")
    page.locator("#people-menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.locator("#people-menu").get_attribute("open") is None
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Bob Baker").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{process.acme}/wiki/spaces/ENG")
    page.wait_for_selector(".menu-name:has-text('Bob Baker')")
