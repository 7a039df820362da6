"""What was answered for survives a killed process."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.local_chat.simulator import CARD, Simulator, start_simulator


@pytest.fixture
def lone_simulator(tmp_path: Path) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path / "kept" / "chat.db")
    yield simulator
    simulator.kill()


def test_a_killed_simulator_comes_back_with_channels_messages_and_scripts(lone_simulator: Simulator) -> None:
    webhook = lone_simulator.add_channel("Kept", asTheRealOne=True)
    for _ in range(3):
        webhook.post_card(CARD)
    webhook.script({"status": 429}, {"status": 500})
    assert webhook.post_card(CARD).status_code == 429
    channels, messages = lone_simulator.channels(), webhook.messages()

    lone_simulator.kill()
    lone_simulator.restart()

    assert lone_simulator.channels() == channels
    assert webhook.messages() == messages
    assert webhook.states() == ["shown", "shown", "shown", "scripted"]
    assert [webhook.post_card(CARD).status_code for _ in range(2)] == [500, 202]


def test_a_stop_is_clean_and_quick_even_while_an_answer_drips(lone_simulator: Simulator) -> None:
    webhook = lone_simulator.add_channel("Dripping")
    webhook.script({"status": 200, "behaviour": "drip-body"})
    headers = {"Content-Type": "application/json; charset=utf-8"}

    with requests.post(webhook.url, data=b"{}", headers=headers, stream=True, timeout=10):
        started_at = time.monotonic()
        exit_code = lone_simulator.stop()

    assert time.monotonic() - started_at < 5
    assert exit_code == 0
