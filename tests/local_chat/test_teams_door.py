"""The Teams webhook: who may post, what is shown, what is refused and what is lost later."""

import re
from typing import Any

import pytest
import requests

from local.chat.teams import LARGEST_MESSAGE
from tests.local_chat.simulator import CARD, Simulator, Webhook, card, encode, message

OTHER_SIGNATURE = "A" * 43
URL_SHAPE = re.compile(
    r"http://127\.0\.0\.1:\d+/powerautomate/automations/direct/workflows/[0-9a-f]{32}/triggers/manual/paths/invoke"
    r"\?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1\.0&sig=[A-Za-z0-9_-]{43}"
)


def padded(size: int) -> bytes:
    """A message Teams would show, of exactly this many bytes."""
    body = [{"type": "TextBlock", "text": ""}]
    missing = size - len(encode(message(card(body=body))))
    return encode(message(card(body=[{"type": "TextBlock", "text": "x" * missing}])))


def test_a_fresh_simulator_has_one_channel_and_its_url_has_the_vendors_shape(simulator: Simulator) -> None:
    first = simulator.channels()[0]

    assert first["name"] == "Engineering questions"
    assert URL_SHAPE.fullmatch(first["url"])


def test_a_good_card_is_accepted_with_an_empty_202_and_kept(webhook: Webhook) -> None:
    answer = webhook.post_card(CARD)

    assert (answer.status_code, answer.content) == (202, b"")
    (kept,) = webhook.messages()
    assert kept["channel"] == webhook.id
    assert kept["card"] == CARD
    assert kept["text"].splitlines() == [
        "Alice asked a question",
        "How do I roll back?",
        "Space: Engineering",
        "[Open question]",
    ]
    assert kept["verdict"] == {"state": "shown", "status": 202, "reasons": []}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", kept["receivedAt"])


def test_the_regional_path_with_cu_is_accepted(webhook: Webhook) -> None:
    regional = webhook.url.replace("/direct/", "/direct/cu/19/")

    assert webhook.post(encode(message(CARD)), url=regional).status_code == 202


@pytest.mark.parametrize(
    ("old", "new", "status", "code"),
    [
        ("sig=", "sig=A", 401, "AuthorizationFailed"),
        ("&sig=", "&sgi=", 401, "DirectApiAuthorizationRequired"),
        ("api-version=1", "api-version=2016-06-01", 401, "AuthorizationFailed"),
        ("sv=1.0", "sv=1.0&sv=1.0", 401, "AuthorizationFailed"),
        ("sv=1.0", "sv=1.0&x=1", 401, "AuthorizationFailed"),
        ("sp=%2Ftriggers%2Fmanual%2Frun&", "", 401, "AuthorizationFailed"),
        ("/workflows/", "/workflows/0", 404, "ResourceNotFound"),
        ("/invoke?", "/invoke/?", 404, "ResourceNotFound"),
        ("/triggers/manual/paths", "/triggers/other/paths", 404, "ResourceNotFound"),
        ("/paths/invoke", "/paths/%69nvoke", 404, "ResourceNotFound"),
    ],
)
def test_another_path_or_query_reaches_no_channel(webhook: Webhook, old: str, new: str, status: int, code: str) -> None:
    # The dots and the percent sign must arrive as written, so the URL is prepared without normalising.
    session = requests.Session()
    request = requests.Request("POST", webhook.url, data=encode(message(CARD))).prepare()
    request.headers["Content-Type"] = "application/json; charset=utf-8"
    request.url = webhook.url.replace(old, new, 1)

    with session:
        answer = session.send(request, timeout=5)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]
    assert webhook.messages() == []


def test_the_signature_must_be_the_channels_own(simulator: Simulator, webhook: Webhook) -> None:
    other = simulator.add_channel("Other")
    with_signature_of_other = webhook.url.partition("&sig=")[0] + "&sig=" + other.url.partition("&sig=")[2]
    with_any_signature = webhook.url.partition("&sig=")[0] + "&sig=" + OTHER_SIGNATURE

    for url in (with_signature_of_other, with_any_signature):
        assert webhook.post(encode(message(CARD)), url=url).status_code == 401
    assert webhook.messages() == other.messages() == []


def test_an_unknown_workflow_is_404_and_a_get_is_no_trigger(webhook: Webhook) -> None:
    unknown = webhook.url.replace(webhook.id, "0" * 32)

    answer = webhook.post(encode(message(CARD)), url=unknown)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "WorkflowNotFound")
    assert requests.get(webhook.url, timeout=5).status_code == 404
    assert webhook.messages() == []


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "text/plain; charset=utf-8", "application/json; charset=latin-1"],
)
def test_the_content_type_must_be_json_with_its_charset(webhook: Webhook, content_type: str) -> None:
    assert webhook.post(encode(message(CARD)), content_type).status_code == 400
    assert webhook.last_reasons().startswith("The Content-Type must be application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is not valid JSON"),
        (b"{", "The body is not valid JSON"),
        (b"[" * 20_000, "The body is not valid JSON"),
        (b'{"type": "message", "type": "message"}', "The body is not valid JSON"),
        (b'{"type": NaN}', "The body is not valid JSON"),
        (b'{"type": "\xff"}', "The body is not valid JSON"),
        (b"[]", "The body must be an object."),
        (encode({"text": "legacy"}), "Top level: 'text' is not expected."),
        (encode({"type": "message", "attachments": []}), "Top level: attachments must hold exactly one"),
        (encode({**message(CARD), "summary": "x"}), "Top level: 'summary' is not expected."),
        (encode({**message(CARD), "type": "card"}), "Top level: type must be message."),
    ],
)
def test_another_shape_is_refused(webhook: Webhook, body: bytes, reason: str) -> None:
    answer = webhook.post(body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "TriggerInputSchemaMismatch"
    assert reason in answer.json()["error"]["message"]
    assert reason in webhook.last_reasons()


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("contentType", "application/vnd.microsoft.teams.card.o365connector", "Attachment: contentType must be"),
        ("contentUrl", "https://example.com", "Attachment: contentUrl must be null."),
        ("content", "text", "Attachment: content must be a card."),
        ("name", "x", "Attachment: 'name' is not expected."),
    ],
)
def test_another_attachment_is_refused(webhook: Webhook, member: str, value: Any, reason: str) -> None:
    document = message(CARD)
    document["attachments"][0][member] = value

    assert webhook.post(encode(document)).status_code == 400
    assert reason in webhook.last_reasons()


def test_two_attachments_are_refused(webhook: Webhook) -> None:
    document = message(CARD)
    document["attachments"] *= 2

    assert webhook.post(encode(document)).status_code == 400
    assert webhook.last_reasons() == "Top level: attachments must hold exactly one attachment."


def test_an_invalid_card_is_refused_with_every_violation(webhook: Webhook) -> None:
    answer = webhook.post_card(card(version="1.6", body=[{"type": "TextBlock"}]))

    assert answer.status_code == 400
    assert "/version: 1.6 is newer" in answer.json()["error"]["message"]
    assert webhook.messages()[0]["verdict"] == {
        "state": "refused",
        "status": 400,
        "reasons": [
            "/version: 1.6 is newer than the 1.5 Teams shows.",
            "/body/0: 'text' is a required property.",
        ],
    }


def test_as_the_real_one_an_invalid_card_is_accepted_and_lost(simulator: Simulator) -> None:
    webhook = simulator.add_channel("Real", asTheRealOne=True)

    answer = webhook.post_card(card(body=[{"type": "TextBlock"}]))

    assert (answer.status_code, answer.content) == (202, b"")
    assert webhook.states() == ["failedLater"]
    assert webhook.last_reasons() == "/body/0: 'text' is a required property."


def test_the_switch_can_be_turned_afterwards(simulator: Simulator, webhook: Webhook) -> None:
    address = f"{simulator.base_url}/_sim/channels/{webhook.id}"
    for wanted, status in ((True, 202), (False, 400)):
        changed = requests.patch(address, json={"asTheRealOne": wanted}, timeout=5)

        assert changed.json()["asTheRealOne"] is wanted
        assert webhook.post_card({}).status_code == status


@pytest.mark.parametrize(
    ("size", "state"),
    [(LARGEST_MESSAGE - 1, "shown"), (LARGEST_MESSAGE, "shown"), (LARGEST_MESSAGE + 1, "failedLater")],
)
def test_the_size_limit_is_exact_and_found_out_only_later(webhook: Webhook, size: int, state: str) -> None:
    body = padded(size)

    assert len(body) == size
    assert webhook.post(body).status_code == 202
    assert webhook.states() == [state]
    assert ("Request Entity too large" in webhook.last_reasons()) == (state == "failedLater")


def test_a_body_beyond_reason_is_not_read_to_its_end(webhook: Webhook) -> None:
    answer = webhook.post(b" " * ((1 << 20) + 1))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "RequestEntityTooLarge")
    assert webhook.messages() == []


def test_bytes_are_counted_not_characters(webhook: Webhook) -> None:
    emoji = encode(message(card(body=[{"type": "TextBlock", "text": "🙂" * 7200}])))

    assert len(emoji) > LARGEST_MESSAGE > len(emoji.decode())
    assert webhook.post(emoji).status_code == 202
    assert webhook.states() == ["failedLater"]
