"""Comparing with Confluence what its webhooks did not tell, on the whole stack."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from local.person import ANSWER_TYPE, QUESTION_TYPE, send
from local.stack import Stack
from tests.api.conftest import ENG, Cast, title
from tests.api.waiting import eventually

KINDS = ["recent-questions", "recent-answers", "all-questions", "all-answers"]


@pytest.fixture
def deaf(cast: Cast) -> Iterator[None]:
    """The site's webhooks are lost."""
    set_webhooks(cast, "drop")
    yield
    set_webhooks(cast, "on")


def set_webhooks(cast: Cast, mode: str) -> None:
    assert send("POST", f"{cast.alice.site}/_sim/outage", body={"webhooks": mode}).status == 200


def reconcile_now(stack: Stack, cast: Cast) -> None:
    """Makes every pass due, as if its hour or week were over, and fires the timer."""
    with closing(sqlite3.connect(stack.data / "app.db", timeout=20)) as database, database:
        database.execute("UPDATE reconcile SET due_at = '2020-01-01 00:00:00.000000'")
    fired = send("POST", f"{stack.app_url}/admin/functions/reconcile_sweep", body={})
    assert fired.status == 202
    eventually(lambda: not any(str(item["dueAt"]).startswith("2020") for item in passes(cast)), "all passes")


def passes(cast: Cast) -> list[dict[str, object]]:
    answer = cast.carol.api("GET", "/reconcile")
    assert answer.status == 200
    items: list[dict[str, object]] = answer.body["items"]
    return items


@pytest.fixture
def begun(stack: Stack, cast: Cast) -> None:
    """The timer has seen the site."""
    assert send("POST", f"{stack.app_url}/admin/functions/reconcile_sweep", body={}).status == 202
    eventually(lambda: [item["kind"] for item in passes(cast)] == KINDS, "passes")
    eventually(lambda: all(item["finishedAt"] for item in passes(cast)), "the first passes")


@pytest.mark.usefixtures("begun", "deaf")
def test_what_no_webhook_told_is_found(stack: Stack, cast: Cast) -> None:
    trashed = cast.alice.ask(ENG, title("Trashed unheard"))
    assert cast.carol.confluence("DELETE", f"/api/v2/custom-content/{trashed}").status == 204
    question = cast.alice.create(QUESTION_TYPE, title("Written unheard"), "<p>?</p>", spaceId=ENG)
    cast.bob.create(ANSWER_TYPE, "Answer", "<p>!</p>", customContentId=question)
    assert cast.bob.api("GET", f"/questions/{question}").status == 404

    reconcile_now(stack, cast)

    assert cast.bob.api("GET", f"/questions/{question}").body["answerCount"] == 1
    counts = {str(item["kind"]): item for item in passes(cast)}
    assert counts["recent-questions"]["registered"] == 1
    assert counts["recent-answers"]["registered"] == 1
    assert all(isinstance(item["cost"], int) and item["cost"] > 0 for item in counts.values())
    assert not any(item["isRunning"] for item in counts.values())


@pytest.mark.usefixtures("begun")
def test_only_a_confluence_administrator_sees_the_passes_of_the_site(cast: Cast) -> None:
    assert [item["kind"] for item in passes(cast)] == KINDS
    for person in (cast.alice, cast.dave):
        refused = person.api("GET", "/reconcile")
        assert (refused.status, refused.body["code"]) == (403, "forbidden")
    theirs = cast.mallory.api("GET", "/reconcile").body["items"]
    assert [item["startedAt"] for item in theirs] != [item["startedAt"] for item in passes(cast)] or theirs == []
