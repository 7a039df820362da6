"""Which cards Teams would show, and the words it would show of them."""

import time
from typing import Any

import pytest

from local.chat.cards import find_violations, plain_text
from tests.local_chat.simulator import CARD, card

TEXT = {"type": "TextBlock", "text": "Hello"}


def test_the_model_card_has_no_violation() -> None:
    assert find_violations(CARD) == []


@pytest.mark.parametrize("version", ["1.0", "1.3", "1.5"])
def test_versions_up_to_1_5_are_shown(version: str) -> None:
    assert find_violations(card(version=version)) == []


@pytest.mark.parametrize("version", ["1.6", "2.0", "1.10", "1", "1.4.0", "", 1.4, None])
def test_other_versions_are_not(version: object) -> None:
    violations = find_violations(card(version=version))

    assert any(violation.startswith("/version: ") for violation in violations)


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"body": [{"type": "TextBlock"}]}, "/body/0: 'text' is a required property."),
        ({"body": [{"type": "Carousel"}]}, "/body/0: 'Carousel' is not known here."),
        ({"body": [{"text": "x"}]}, "/body/0: type is missing."),
        ({"body": ["x"]}, '/body/0: "x" is not valid here.'),
        ({"body": [{**TEXT, "color": "pink"}]}, '/body/0/color: "pink" is not valid here.'),
        (
            {"body": [{**TEXT, "markdown": True}]},
            "/body/0: Additional properties are not allowed ('markdown' was unexpected).",
        ),
        (
            {"body": [{"type": "Container", "items": [TEXT, {"type": "TextBlock", "text": 5}]}]},
            "/body/0/items/1/text: 5 is not of type 'string'.",
        ),
        (
            {"body": [{"type": "RichTextBlock", "inlines": ["a", {"type": "TextRun"}]}]},
            "/body/0/inlines/1: 'text' is a required property.",
        ),
        ({"actions": [{"type": "Action.OpenUrl", "title": "x"}]}, "/actions/0: 'url' is a required property."),
        (
            {"actions": [{"type": "Action.OpenUrl", "url": "javascript:alert(1)"}]},
            "/actions/0/url: is not an absolute http or https address.",
        ),
        (
            {"actions": [{"type": "Action.Submit", "title": "x"}]},
            "/actions/0/type: Action.Submit does not work through a webhook.",
        ),
        (
            {"body": [{"type": "ActionSet", "actions": [{"type": "Action.Execute", "title": "x"}]}]},
            "/body/0/actions/0/type: Action.Execute does not work through a webhook.",
        ),
        ({"type": "Card"}, "/type: must be AdaptiveCard."),
        ({"msteams": "Full"}, "/msteams: must be an object."),
        ({"summary": "x"}, "/: Additional properties are not allowed ('summary' was unexpected)."),
    ],
)
def test_a_fault_is_named_with_its_place(changes: dict[str, Any], violation: str) -> None:
    assert violation in find_violations(card(**changes))


def test_every_fault_is_listed_once() -> None:
    faulty = card(
        version="9.9", body=[{"type": "TextBlock"}, {"type": "Hologram"}], actions=[{"type": "Action.Submit"}]
    )

    assert find_violations(faulty) == [
        "/version: 9.9 is newer than the 1.5 Teams shows.",
        "/actions/0/type: Action.Submit does not work through a webhook.",
        "/body/0: 'text' is a required property.",
        "/body/1: 'Hologram' is not known here.",
    ]


def test_deep_and_branching_cards_are_judged_in_bounded_time() -> None:
    deep: dict[str, Any] = TEXT
    for _ in range(200):
        deep = {"type": "Container", "items": [deep]}
    branching: dict[str, Any] = TEXT
    for _ in range(12):
        branching = {**TEXT, "fallback": branching}

    started_at = time.monotonic()
    violations = find_violations(card(body=[deep])) + find_violations(card(body=[branching]))

    assert violations == [
        "/: the card is nested deeper than 40 levels.",
        "/: fallback is nested deeper than 1 levels.",
    ]
    assert plain_text(card(body=[deep])) == ""
    assert time.monotonic() - started_at < 2


def test_plain_text_is_what_a_reader_sees_line_by_line() -> None:
    shown = card(
        body=[
            {"type": "TextBlock", "text": "First"},
            {
                "type": "ColumnSet",
                "columns": [{"type": "Column", "items": [TEXT]}, {"type": "Column", "items": [TEXT]}],
            },
            {"type": "RichTextBlock", "inlines": ["a ", {"type": "TextRun", "text": "b"}]},
            {"type": "Container", "items": [{"type": "FactSet", "facts": [{"title": "Votes", "value": "3"}]}]},
        ]
    )

    assert plain_text(shown) == "First\nHello\nHello\na b\nVotes: 3\n[Open question]"


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"body": 5},
        {"body": [{"type": "FactSet", "facts": [None, 3]}, {"type": "RichTextBlock", "inlines": 7}, {"type": []}]},
    ],
)
def test_plain_text_of_nonsense_is_empty_and_nonsense_is_a_violation(content: object) -> None:
    assert plain_text(content) == ""
    assert find_violations(content)
