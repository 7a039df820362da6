"""The main job as people do it: connect a channel, ask, answer, vote, accept, hear of it; and the intruder's view."""

import re

import pytest
from playwright.sync_api import expect

from local.person import send
from local.seed import seed
from local.stack import Stack
from tests.e2e.conftest import Visit

pytestmark = pytest.mark.e2e

QUESTION = "How do we roll back a release?"
HEARD = ("A question was asked", "A question was answered", "A question received a vote", "An answer was accepted")
ASK = re.compile("^Ask (a|the first) question$")
WITHIN_MS = 20_000


def open_questions(visit: Visit, stack: Stack) -> None:
    visit.page.goto(f"{stack.site_one}/wiki/spaces/ENG")
    visit.page.get_by_role("link", name="Questions", exact=True).click()
    expect(visit.app.get_by_role("heading", name="Questions", exact=True)).to_be_visible()


def connect_channel(visit: Visit, stack: Stack) -> None:
    channel = send("GET", f"{stack.chat_url}/_sim/channels").body[0]
    visit.act_as("Carol Castle", stack.site_one)
    visit.page.goto(f"{stack.site_one}/wiki/plugins/servlet/ac/community-questions/admin")
    form = visit.app
    form.get_by_role("button", name="Add destination").click()
    form.get_by_role("textbox", name="Name").fill("Engineering questions")
    form.get_by_role("textbox", name="Workflow address").fill(channel["url"])
    form.get_by_role("combobox", name="Space").click()
    form.get_by_role("option", name="Engineering").click()
    form.get_by_role("radio", name=re.compile("^Link and title")).check()
    form.get_by_role("checkbox", name="A post is voted for").check()
    form.get_by_role("button", name="Add destination").last.click()
    expect(form.get_by_role("row", name=re.compile("Engineering questions"))).to_be_visible()
    form.get_by_role("button", name="Send a test to Engineering questions").click()
    expect(form.get_by_text(re.compile("handed over to Teams", re.IGNORECASE)).first).to_be_visible()
    visit.picture("admin")


def ask(visit: Visit, stack: Stack) -> None:
    visit.act_as("Alice Archer", stack.site_one)
    open_questions(visit, stack)
    visit.app.get_by_role("button", name=ASK).click()
    visit.app.get_by_role("textbox", name="Title").fill(QUESTION)
    visit.app.get_by_role("textbox", name="Details").fill(
        "The release of **today** has a bad migration.\n\n```\nmake rollback\n```"
    )
    visit.app.get_by_role("textbox", name="Tags").fill("releases,")
    visit.picture("ask")
    visit.app.get_by_role("button", name="Publish question").click()
    expect(visit.app.get_by_role("heading", name=QUESTION)).to_be_visible()
    expect(visit.app.get_by_role("strong").or_(visit.app.locator("strong", has_text="today"))).to_be_visible()


def answer_and_vote(visit: Visit, stack: Stack) -> None:
    visit.act_as("Bob Baker", stack.site_one)
    open_questions(visit, stack)
    visit.app.get_by_role("button", name=QUESTION).or_(visit.app.get_by_role("link", name=QUESTION)).click()
    visit.app.get_by_role("textbox", name="Answer").fill("Run `make rollback`, then tell *#releases*.")
    visit.app.get_by_role("button", name="Publish answer").click()
    expect(visit.app.get_by_role("article", name="Answer by Bob Baker")).to_be_visible()
    vote = visit.app.get_by_role("button", name="Vote for this question")
    vote.click()
    expect(vote).to_have_attribute("aria-pressed", "true")


def accept(visit: Visit, stack: Stack) -> None:
    visit.act_as("Alice Archer", stack.site_one)
    open_questions(visit, stack)
    visit.picture("list")
    visit.app.get_by_role("button", name=QUESTION).or_(visit.app.get_by_role("link", name=QUESTION)).click()
    visit.app.get_by_role("button", name=re.compile("^Accept")).click()
    expect(visit.app.get_by_text("Accepted", exact=True).first).to_be_visible()
    visit.picture("question")


def hear_of_it(visit: Visit, stack: Stack) -> None:
    visit.page.goto(stack.chat_url)
    for line in (
        "A question was asked",
        "A question was answered",
        "A question received a vote",
        "An answer was accepted",
    ):
        expect(visit.page.get_by_text(re.compile(line)).first).to_be_visible(timeout=WITHIN_MS)
    expect(visit.page.get_by_text(QUESTION).first).to_be_visible()
    visit.picture("chat")


def see_nothing(visit: Visit, stack: Stack, question: str) -> None:
    visit.page.goto(f"{stack.site_two}/wiki/pages/viewpage.action?pageId={question}")
    expect(visit.page.get_by_text(QUESTION)).to_have_count(0)
    visit.page.goto(f"{stack.site_two}/wiki/spaces/MKT")
    visit.page.get_by_role("link", name="Questions", exact=True).click()
    expect(visit.app.get_by_role("heading", name="Questions", exact=True)).to_be_visible()
    expect(visit.app.get_by_role("button", name=ASK)).to_be_visible()
    expect(visit.app.get_by_text(QUESTION)).to_have_count(0)
    visit.picture("empty")


def test_the_story(visit: Visit, own_stack: Stack) -> None:
    connect_channel(visit, own_stack)
    ask(visit, own_stack)
    answer_and_vote(visit, own_stack)
    accept(visit, own_stack)
    hear_of_it(visit, own_stack)
    messages = send("GET", f"{own_stack.chat_url}/_sim/messages").body
    question = re.search(r"pageId=(\d+)", str(messages))
    assert question
    visit.expected = ("Failed to load resource: the server responded with a status of 404",)
    see_nothing(visit, own_stack, question.group(1))
    visit.expected = ()

    own_stack.stop()
    own_stack.start()
    open_questions(visit, own_stack)
    row = visit.app.get_by_role("listitem").filter(has_text=QUESTION)
    expect(row).to_be_visible()
    expect(row).to_contain_text(re.compile(r"1\s*vote"))
    expect(row).to_contain_text(re.compile(r"1\s*answer"))


def test_light_and_dark_narrow_and_wide(visit: Visit, own_stack: Stack) -> None:
    seed(own_stack)
    for theme in ("light", "dark"):
        for width in (400, 1280):
            visit.page.set_viewport_size({"width": width, "height": 900})
            open_questions(visit, own_stack)
            if visit.page.locator("html").get_attribute("data-color-mode") != theme:
                visit.page.locator("#theme-switch").click()
            frame = visit.app.locator("html")
            expect(frame).to_have_attribute("data-color-mode", theme)
            expect(visit.app.get_by_role("listitem").first).to_be_visible()
            overflow = frame.evaluate("e => e.scrollWidth - e.clientWidth")
            assert overflow <= 0, f"{theme} {width}: the list is {overflow} px too wide"
            assert visit.barriers() == []
            visit.picture(f"list-{theme}-{width}")
            visit.app.get_by_role("button", name="What is our policy for dependency updates?").click()
            expect(visit.app.get_by_text("Accepted", exact=True).first).to_be_visible()
            assert visit.barriers() == []
            visit.picture(f"question-{theme}-{width}")
