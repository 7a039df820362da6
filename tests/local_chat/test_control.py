"""The control API: channels, scripts and what a test may read back."""

import pytest
import requests

from tests.local_chat.simulator import CARD, Simulator, Webhook


def test_scripted_answers_come_in_order_and_then_end(webhook: Webhook) -> None:
    webhook.script(
        {"status": 429, "headers": {"Retry-After": "3"}, "body": "slow down"},
        {"status": 500},
        {"status": 200, "body": "1"},
    )

    answers = [webhook.post_card(CARD) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [429, 500, 200, 202]
    assert (answers[0].headers["Retry-After"], answers[0].text) == ("3", "slow down")
    assert answers[2].text == "1"
    assert webhook.states() == ["scripted", "scripted", "shown", "shown"]


def test_a_repeating_script_lasts_until_it_is_taken_away(webhook: Webhook) -> None:
    webhook.script({"status": 503}, {"status": 404}, repeat=True)
    statuses = [webhook.post_card(CARD).status_code for _ in range(5)]
    webhook.drop_script()

    assert statuses == [503, 404, 503, 404, 503]
    assert webhook.post_card(CARD).status_code == 202


def test_a_script_belongs_to_one_channel_and_unsigned_calls_do_not_use_it_up(
    simulator: Simulator, webhook: Webhook
) -> None:
    other = simulator.add_channel("Other")
    webhook.script({"status": 410})

    assert webhook.post(b"{}", url=webhook.url[:-43] + "B" * 43).status_code == 401
    assert other.post_card(CARD).status_code == 202
    assert webhook.post_card(CARD).status_code == 410


def test_an_invalid_card_under_a_scripted_202_is_lost_not_shown(webhook: Webhook) -> None:
    webhook.script({"status": 202})

    assert webhook.post_card({}).status_code == 202
    assert webhook.states() == ["failedLater"]


def test_a_channel_tells_how_much_of_its_script_is_left(simulator: Simulator, webhook: Webhook) -> None:
    webhook.script({"status": 500}, {"status": 500})
    webhook.post_card(CARD)

    (found,) = [channel for channel in simulator.channels() if channel["id"] == webhook.id]
    assert found["script"] == {"left": 1, "repeat": False}


def test_messages_can_be_read_from_a_point_on(simulator: Simulator, webhook: Webhook) -> None:
    for _ in range(4):
        webhook.post_card(CARD)
    ids = [message["id"] for message in webhook.messages()]
    address = f"{simulator.base_url}/_sim/messages?channel={webhook.id}"

    later = requests.get(f"{address}&after={ids[1]}", timeout=5).json()
    newest = requests.get(f"{address}&last=1", timeout=5).json()
    everywhere = requests.get(f"{simulator.base_url}/_sim/messages", timeout=5).json()

    assert [message["id"] for message in later] == ids[2:]
    assert [message["id"] for message in newest] == ids[3:]
    assert set(ids) <= {message["id"] for message in everywhere}


@pytest.mark.parametrize(
    ("method", "path", "document", "status"),
    [
        ("POST", "/_sim/channels", {}, 400),
        ("POST", "/_sim/channels", {"name": "  "}, 400),
        ("POST", "/_sim/channels", {"name": "x" * 81}, 400),
        ("POST", "/_sim/channels", {"name": "x", "asTheRealOne": 1}, 400),
        ("POST", "/_sim/channels", [], 400),
        ("PATCH", "/_sim/channels/nobody", {"asTheRealOne": True}, 404),
        ("POST", "/_sim/channels/nobody/script", {"answers": [{"status": 200}]}, 404),
        ("DELETE", "/_sim/channels/nobody/script", None, 404),
        ("GET", "/_sim/messages?channel=nobody", None, 404),
        ("GET", "/_sim/messages?after=-1", None, 400),
        ("GET", "/_sim/messages?last=x", None, 400),
    ],
)
def test_what_cannot_be_done_is_said_with_its_problem(
    simulator: Simulator, method: str, path: str, document: object, status: int
) -> None:
    answer = requests.request(method, simulator.base_url + path, json=document, timeout=5)

    assert answer.status_code == status
    assert answer.json()["problems"]


def test_an_invalid_script_changes_nothing(simulator: Simulator, webhook: Webhook) -> None:
    webhook.script({"status": 418})
    address = f"{simulator.base_url}/_sim/channels/{webhook.id}/script"

    refused = requests.post(address, json={"answers": [{"status": 7}]}, timeout=5)

    assert refused.status_code == 400
    assert refused.json()["problems"] == ["/answers/0/status must be a number from 200 to 599."]
    assert webhook.post_card(CARD).status_code == 418


def test_a_foreign_web_page_can_neither_post_nor_rebind_a_name(simulator: Simulator) -> None:
    address = f"{simulator.base_url}/_sim/channels"

    as_form = requests.post(address, data='{"name": "x"}', headers={"Content-Type": "text/plain"}, timeout=5)
    rebound = requests.get(address, headers={"Host": "evil.example"}, timeout=5)

    assert as_form.status_code == 415
    assert rebound.status_code == 400
