"""A browser, and a person who looks at a site with it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect, sync_playwright

from local.seed import wait_until_installed
from local.stack import Ports, Stack, running
from tests.leaks import leaks

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=15_000)

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_HOST_NOISE = ("Connect GasV3", "[ACJS] Feature flag service", "SIMPLE XDM")
"""What the product's own host script says in every page; it is not ours to mend."""

_WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"


@dataclass(slots=True)
class Visit:
    """A page in the browser, and everything that went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith((*_HOST_NOISE, *self.expected)):
            self.complaints.append(message.text)

    def act_as(self, name: str, site: str) -> None:
        """Opens the site's first page and switches the person through its menu."""
        self.page.goto(site)
        self.page.locator("#people-menu summary").click()
        self.page.locator("#people-menu").get_by_role("button", name=name).click()
        self.page.locator("#people-menu .menu-name", has_text=name).wait_for()

    @property
    def app(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    def barriers(self) -> list[str]:
        """What axe finds against WCAG 2.2 A and AA in our frame: rule and first place."""
        frame = self.page.frames[-1]
        # The frame is transparent: without the site's own background, contrast would be judged against white.
        background = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        frame.evaluate("colour => { document.documentElement.style.background = colour }", background)
        frame.evaluate(AXE.read_text())
        found = frame.evaluate(
            "axe.run({preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
            ".then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html"
            " + ' ' + v.nodes[0].failureSummary))"
        )
        return [str(violation) for violation in found]

    def picture(self, name: str) -> None:
        """Keeps what is to be seen, for the README and for looking at after a run."""
        folder = Path(os.environ.get("CQ_PICTURES", ROOT / "build" / "pictures"))
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", animations="disabled")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while the library runs, no other test of this process can run an event loop."""
    if CHROMIUM is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh browser profile; the test fails on any page error, console error or policy violation."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.add_init_script(_WATCH_POLICY)
    made = Visit(context.new_page())
    made.page.on("console", lambda message: made.heard(message))  # noqa: PLW0108 - it marks bound methods
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that the test may stop and start."""
    made = Stack(tmp_path / "stack", Ports.free(), logs_to_files=True)
    with running(made):
        wait_until_installed(made.site_one)
        wait_until_installed(made.site_two)
        yield made
    assert leaks(made, made.data / "app.log") == []
