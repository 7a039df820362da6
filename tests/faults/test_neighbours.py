"""A neighbour is away: what the caller is told, what is written, and what happens when it is back."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.person import QUESTION_TYPE, Person, send
from local.seed import ENG, connect_channel, wait_until_installed
from local.stack import ROOT, Ports, Stack, running
from tests.api.waiting import eventually

pytestmark = pytest.mark.faults

HELD = "Asked while the queue was away"


def outage(stack: Stack, **switches: bool | str) -> None:
    assert send("POST", f"{stack.site_one}/_sim/outage", body=switches).status == 200


def test_without_a_queue_the_write_succeeds_and_is_delivered_later(
    own_stack: Stack, alice: Person, carol: Person
) -> None:
    connect_channel(carol, own_stack.chat_url)
    own_stack.kill("queues")
    question = alice.ask(ENG, HELD)
    assert alice.api("GET", f"/questions/{question}").status == 200
    own_stack.start_one("queues")
    own_stack.wait_for("queues")

    def heard() -> bool:
        return any(HELD in message["text"] for message in send("GET", f"{own_stack.chat_url}/_sim/messages").body)

    eventually(heard, "delivery", 90)


def test_without_confluence_nothing_is_granted_and_nothing_half_written(
    own_stack: Stack, alice: Person, bob: Person, carol: Person
) -> None:
    outage(own_stack, webhooks="drop")
    content = alice.create(QUESTION_TYPE, "Asked during the outage", "<p>?</p>", spaceId=ENG)
    # Each person is new to the app here, so that neither a grant nor a token is remembered.
    for person, switches in ((bob, {"rest": True, "oauth": False}), (carol, {"rest": False, "oauth": True})):
        outage(own_stack, **switches)
        refused = person.api("GET", f"/spaces/{ENG}/grants")
        assert (refused.status, refused.body["code"]) == (503, "unavailable")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert alice.api("POST", "/questions", {"contentId": content}).status == 503
    outage(own_stack, rest=False, oauth=False, webhooks="on")
    assert bob.api("GET", f"/questions?space={ENG}").body["items"] == []
    assert alice.api("POST", "/questions", {"contentId": content}).status == 201


def test_doubled_webhooks_change_nothing_twice(own_stack: Stack, alice: Person, bob: Person) -> None:
    outage(own_stack, webhooks="duplicate")
    question = alice.ask(ENG, "Reported twice")
    bob.answer(question)
    bob.answer(question)
    eventually(lambda: alice.api("GET", f"/questions/{question}").body["answerCount"] == 2, "both answers")
    listed = alice.api("GET", f"/questions/{question}/answers").body["items"]
    assert len(listed) == 2


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A PostgreSQL of its own, to be stopped and started; its folder and URL."""
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    script = ROOT / "tests" / "postgres.sh"
    started = subprocess.run([script, "start", folder], capture_output=True, text=True, check=False)
    if started.returncode != 0:
        pytest.skip("needs PostgreSQL (apt-get install postgresql-15)")
    yield folder, started.stdout.strip()
    subprocess.run([script, "stop", folder], check=True)


def test_without_its_database_the_app_says_so_and_recovers_by_itself(
    postgres: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = postgres
    stack = Stack(tmp_path / "stack", Ports.free(), {"DATABASE_URL": url}, logs_to_files=True)
    with running(stack):
        wait_until_installed(stack.site_one)
        alice = Person("557058:a11ce000-0000-4000-8000-000000000001", stack.site_one, stack.app_url)
        question = alice.ask(ENG, "Before the outage")
        subprocess.run([ROOT / "tests" / "postgres.sh", "pause", folder], check=True)
        refused = alice.api("GET", f"/questions/{question}")
        assert (refused.status, refused.body["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert send("GET", f"{stack.app_url}/healthz").status == 200
        subprocess.run([ROOT / "tests" / "postgres.sh", "resume", folder], check=True)
        eventually(lambda: alice.api("GET", f"/questions/{question}").status == 200, "recovery", 60)
