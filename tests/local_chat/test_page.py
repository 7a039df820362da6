"""The page in a real browser: what a person sees, and that hostile text stays text."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.local_chat.simulator import CARD, Simulator, Webhook, card

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (
    "<img src=x onerror=window.hurt=1><script>window.hurt=2</script>"
    "[click](javascript:window.hurt=3) **bold** </article>\u202e"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, simulator: Simulator) -> Iterator[Page]:
    """A page that fails the test on a script error or on any request that leaves the simulator."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda entry: troubles.append(entry.text) if entry.type == "error" else None)
    page.on(
        "request",
        lambda request: None if request.url.startswith((simulator.base_url, "data:")) else troubles.append(request.url),
    )
    yield page
    context.close()
    assert troubles == []


def show(page: Page, webhook: Webhook) -> None:
    page.goto(f"{webhook.simulator.base_url}/#channel-{webhook.id}")
    expect(page.get_by_role("link", name="Tests").and_(page.locator("[aria-current]"))).to_be_visible()


def test_a_card_appears_by_itself_as_a_person_would_see_it(page: Page, webhook: Webhook) -> None:
    show(page, webhook)
    expect(page.get_by_text("Nothing has been posted here yet.")).to_be_visible()

    webhook.post_card(CARD)

    drawn = page.locator("article.card")
    expect(drawn).to_contain_text("How do I roll back?")
    expect(drawn.locator("dt")).to_have_text("Space")
    expect(drawn.get_by_role("link", name="Open question")).to_have_attribute("href", CARD["actions"][0]["url"])
    expect(page.get_by_text("Nothing has been posted here yet.")).to_be_hidden()


def test_every_kind_of_element_is_drawn_and_the_newest_is_at_the_bottom(page: Page, webhook: Webhook) -> None:
    webhook.post_card(CARD)
    columns = [
        {"type": "Column", "width": "auto", "items": [{"type": "TextBlock", "text": "3", "size": "extraLarge"}]},
        {"type": "Column", "width": "stretch", "items": [{"type": "TextBlock", "text": "votes _now_"}]},
    ]
    open_url = {"type": "Action.OpenUrl", "title": "In a set", "url": "https://example.com/"}
    webhook.post_card(
        card(
            body=[
                {"type": "ColumnSet", "columns": columns},
                {"type": "Container", "style": "emphasis", "items": [{"type": "TextBlock", "text": "**Inside**"}]},
                {"type": "ActionSet", "actions": [open_url]},
                {"type": "Image", "url": "https://example.com/x.png"},
            ],
            actions=None,
        )
    )
    show(page, webhook)

    newest = page.locator("article.card").last
    expect(newest.locator(".column")).to_have_text(["3", "votes now"])
    expect(newest.locator(".container strong")).to_have_text("Inside")
    expect(newest.get_by_role("link", name="In a set")).to_have_attribute("href", "https://example.com/")
    expect(newest.get_by_text("Image is not drawn by this simulator.")).to_be_visible()
    expect(newest.get_by_role("link", name="In a set")).to_be_in_viewport()


def test_failures_stand_in_the_channel_with_their_reason(page: Page, webhook: Webhook) -> None:
    webhook.script({"status": 429})
    webhook.post_card(CARD)
    webhook.post_card(card(version="1.6"))
    show(page, webhook)

    failures = page.locator(".failure")
    expect(failures.nth(0)).to_contain_text("Answered 429 by the script")
    expect(failures.nth(1)).to_contain_text("Refused with 400")
    expect(failures.nth(1)).to_contain_text("1.6 is newer than the 1.5 Teams shows.")
    expect(page.locator("article.card")).to_have_count(0)


def test_hostile_text_is_inert_wherever_it_stands(page: Page, simulator: Simulator) -> None:
    webhook = simulator.add_channel(HOSTILE[:70])
    webhook.post_card(
        card(
            body=[
                {"type": "TextBlock", "text": HOSTILE},
                {"type": "RichTextBlock", "inlines": [HOSTILE, {"type": "TextRun", "text": HOSTILE}]},
                {"type": "FactSet", "facts": [{"title": HOSTILE, "value": HOSTILE}]},
                {
                    "type": "ColumnSet",
                    "columns": [{"type": "Column", "items": [{"type": "TextBlock", "text": HOSTILE}]}],
                },
            ],
            actions=[{"type": "Action.OpenUrl", "title": HOSTILE, "url": "https://example.com/<script>"}],
        )
    )
    webhook.post_card(card(body=[{"type": HOSTILE}]))
    page.goto(f"{simulator.base_url}/#channel-{webhook.id}")

    expect(page.locator(".failure")).to_be_visible()
    drawn = page.locator("article.card")
    expect(drawn.locator("p.text").nth(1)).to_have_text(HOSTILE + HOSTILE)
    expect(drawn.locator("dt")).to_have_text(HOSTILE)
    expect(page.locator("#channel-name")).to_have_text(HOSTILE[:70])
    assert page.locator("img, article script, #list script, a[href^='javascript']").count() == 0
    assert page.evaluate("window.hurt") is None


def test_a_link_address_other_than_the_web_is_never_made_a_link(page: Page, webhook: Webhook) -> None:
    inline = {
        "type": "TextRun",
        "text": "run",
        "selectAction": {"type": "Action.OpenUrl", "url": "https://example.com/a"},
    }
    webhook.post_card(
        card(
            body=[
                {"type": "TextBlock", "text": "[bad](javascript:alert) [good](https://example.com/b)"},
                {"type": "RichTextBlock", "inlines": [inline, "[plain](https://example.com/c)"]},
            ],
            actions=None,
        )
    )
    show(page, webhook)

    links = page.locator("article.card a")
    expect(links).to_have_text(["good", "run"])
    expect(page.locator("article.card")).to_contain_text("[bad](javascript:alert)")
    expect(page.locator("article.card")).to_contain_text("[plain](https://example.com/c)")


def test_a_channel_can_be_made_and_its_address_copied_with_the_keyboard_alone(page: Page, simulator: Simulator) -> None:
    page.goto(simulator.base_url)
    page.get_by_label("New channel").focus()
    page.keyboard.type("Release news")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Release news")).to_be_visible()

    page.locator("summary", has_text="Webhook and behaviour").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Copied.")
    made = next(channel for channel in simulator.channels() if channel["name"] == "Release news")
    assert page.evaluate("navigator.clipboard.readText()") == made["url"]

    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Behave as the real one")).to_be_checked()
    page.reload()
    expect(page.get_by_role("heading", name="Release news")).to_be_visible()
    made = next(channel for channel in simulator.channels() if channel["name"] == "Release news")
    assert made["asTheRealOne"] is True


def test_choosing_a_channel_shows_its_own_messages_only(page: Page, simulator: Simulator, webhook: Webhook) -> None:
    webhook.post_card(CARD)
    other = simulator.add_channel("Elsewhere")
    show(page, webhook)
    expect(page.locator("article.card")).to_have_count(1)

    page.locator(f"a[href='#channel-{other.id}']").click()

    expect(page.get_by_role("heading", name="Elsewhere")).to_be_visible()
    expect(page.locator("article.card")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_its_window(browser: Browser, webhook: Webhook, width: int, scheme: str) -> None:
    webhook.post_card(card(body=[{"type": "TextBlock", "text": "word " * 60 + "x" * 300, "wrap": True}, *CARD["body"]]))
    webhook.post_card(card(version="1.6"))
    webhook.script({"status": 429})
    webhook.post_card(CARD)
    webhook.post_card(CARD)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    show(page, webhook)
    expect(page.locator("article.card")).to_have_count(2)

    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if directory := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(directory) / f"chat-{width}-{scheme}.png")
    context.close()

    assert overflow == 0
