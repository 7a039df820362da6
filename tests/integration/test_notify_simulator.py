"""The whole way through the real door to the chat simulator, which checks cards as Teams does."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lib.outbound import Door
from lib.services import Services
from notify.delivery.consuming import on_delivery, on_relay
from notify.message import Disclosure
from notify.model import DeliveryState
from tests.factories import Site
from tests.integration.notify_fixtures import TITLE, Stage, make_stage
from tests.local_chat.simulator import Simulator, Webhook, start_simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    simulator = start_simulator(tmp_path_factory.mktemp("chat") / "chat.db")
    yield simulator
    simulator.stop()


@pytest.fixture
def webhook(simulator: Simulator) -> Webhook:
    return simulator.add_channel()


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site], simulator: Simulator) -> Stage:
    """The real door for chat; Confluence stays played, as its client has a door of its own here."""
    stage = make_stage(services, sites)
    origins = frozenset({simulator.base_url})
    stage.services = replace(
        stage.services,
        door=Door(local_origins=origins),
        settings=replace(services.settings, outbound_local_origins=origins),
    )
    return stage


def send_one(stage: Stage, webhook: Webhook) -> None:
    stage.destination(url=webhook.url, disclosure=Disclosure.TITLE)
    stage.event()
    (body,) = on_relay(stage.services)
    on_delivery(stage.services, body.encode())


def test_a_question_appears_in_the_channel(stage: Stage, webhook: Webhook) -> None:
    send_one(stage, webhook)

    assert stage.delivery().state == DeliveryState.DELIVERED
    (message,) = webhook.messages()
    assert message["verdict"] == {"state": "shown", "status": 202, "reasons": []}
    assert message["text"].splitlines() == ["A question was asked.", TITLE, "[Open question]"]


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ({"status": 410}, DeliveryState.DEAD, "gone"),
        ({"status": 503}, DeliveryState.RETRY, "server-error"),
        ({"status": 429, "headers": {"Retry-After": "120"}}, DeliveryState.RETRY, "throttled"),
        ({"behaviour": "redirect"}, DeliveryState.DEAD, "redirect"),
        ({"behaviour": "endless-body"}, DeliveryState.RETRY, "too-large"),
        ({"behaviour": "close"}, DeliveryState.RETRY, "protocol"),
    ],
)
def test_answers_of_a_real_server_are_told_apart(
    stage: Stage, webhook: Webhook, answer: dict[str, object], state: DeliveryState, reason: str
) -> None:
    webhook.script(answer)

    send_one(stage, webhook)

    assert (stage.delivery().state, stage.delivery().reason) == (state, reason)
