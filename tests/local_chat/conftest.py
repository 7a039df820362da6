"""One simulator for a module's tests; each test makes its own channel."""

from collections.abc import Iterator

import pytest

from tests.local_chat.simulator import Simulator, Webhook, start_simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("chat") / "chat.db")
    yield simulator
    simulator.stop()


@pytest.fixture
def webhook(simulator: Simulator) -> Webhook:
    return simulator.add_channel()
