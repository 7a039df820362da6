"""kill −9 of the Functions host in the middle of a fan-out, repeated: no event is lost.

Rounds: CQ_FAULT_ROUNDS (4 here, 200 by `make faults`); the moments come from a seed that is printed on failure.
"""

import os
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

from local.person import QUESTION_TYPE, Person, send
from local.seed import ENG
from local.stack import Stack
from tests.api.waiting import eventually

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("CQ_FAULT_ROUNDS", "4"))
SEED = int(os.environ.get("CQ_FAULT_SEED", "20261125"))
EVENTS = 20
CHANNELS = 6
SETTLED_WITHIN_S = 180
"""Leases, lost messages and retries are over by then: 30 s of lease, 30 s of sweep, and the first retries."""

AT_ONCE = 24
"""Deliveries the host may have in flight when it dies: each can have been posted and not yet recorded."""


def connect(carol: Person, stack: Stack) -> list[str]:
    """Six channels, each with a destination that shows titles; their channel ids."""
    channels = []
    for number in range(CHANNELS):
        channel = send("POST", f"{stack.chat_url}/_sim/channels", body={"name": f"Channel {number}"}).body
        destination = {
            "kind": "teams",
            "label": channel["name"],
            "url": channel["url"],
            "scope": {"kind": "space", "spaceId": ENG},
            "events": ["asked"],
            "disclosure": "title",
        }
        answer = carol.api("POST", "/destinations", destination)
        assert answer.status == 201, answer.body
        channels.append(str(channel["id"]))
    return channels


def ask_until_killed(person: Person, titles: list[str]) -> None:
    """Asks one after another; what the dead host cannot register, the page would register later: so do we."""
    for title in titles:
        content = person.create(QUESTION_TYPE, title, "<p>?</p>", spaceId=ENG)
        while True:
            with suppress(OSError):
                if person.api("POST", "/questions", {"contentId": content}).status in {200, 201}:
                    break
            time.sleep(0.1)


def shown(stack: Stack, channels: list[str]) -> dict[str, Counter[str]]:
    """How often each channel has shown each title."""
    seen: dict[str, Counter[str]] = {}
    for channel in channels:
        messages = send("GET", f"{stack.chat_url}/_sim/messages?channel={channel}").body
        lines = [message["text"].split("\n") for message in messages if message["verdict"]["state"] == "shown"]
        seen[channel] = Counter(line[1] for line in lines)
    return seen


def test_no_event_is_lost(own_stack: Stack, alice: Person, carol: Person) -> None:
    chance = random.Random(SEED)
    channels = connect(carol, own_stack)
    titles: list[str] = []
    for number in range(ROUNDS):
        asked = [f"Round {number} question {n}" for n in range(EVENTS)]
        titles += asked
        asking = threading.Thread(target=ask_until_killed, args=(alice, asked))
        asking.start()
        time.sleep(chance.uniform(0.05, 1.5))
        own_stack.kill("app")
        own_stack.start_one("app")
        own_stack.wait_for("app")
        asking.join()

    def missing() -> list[tuple[str, str]]:
        seen = shown(own_stack, channels)
        return [(channel, title) for channel in channels for title in titles if not seen[channel][title]]

    eventually(lambda: not missing(), f"delivery after seed {SEED}", SETTLED_WITHIN_S)
    counts = shown(own_stack, channels)
    extra = sum(count - 1 for channel in channels for count in counts[channel].values())
    print(f"\n{ROUNDS} kills, {len(titles)} events x {CHANNELS} destinations: 0 lost, {extra} extra posts")
    assert extra <= ROUNDS * AT_ONCE
