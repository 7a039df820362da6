"""What an administrator may send, and what a destination shows of itself."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from lib.principal import SpaceId
from notify.destinations.managing import Change, Wanted
from notify.destinations.schemas import DestinationBody, DestinationChange, trial_view
from notify.kinds import DestinationKind
from notify.message import Disclosure
from notify.model import DestinationState
from notify.outcome import Delivered, Gone, Retry

URL = "https://example.com/hook"
GOOD: dict[str, Any] = {
    "kind": "teams",
    "label": "Engineering",
    "url": URL,
    "scope": {"kind": "space", "spaceId": "65537"},
    "events": ["asked", "voted"],
    "disclosure": "title",
}


def parse(**changes: object) -> DestinationBody:
    return DestinationBody.model_validate_json(json.dumps({**GOOD, **changes}))


def test_a_destination_for_a_space() -> None:
    assert parse().wanted() == Wanted(
        DestinationKind.TEAMS, "Engineering", URL, SpaceId(65537), ("asked", "voted"), Disclosure.TITLE
    )


def test_a_destination_for_the_site_shows_links_unless_told_otherwise() -> None:
    body = DestinationBody.model_validate_json(
        json.dumps({**{key: GOOD[key] for key in GOOD if key != "disclosure"}, "scope": {"kind": "site"}})
    )

    assert (body.wanted().space_id, body.wanted().disclosure) == (None, Disclosure.LINK)


def test_the_url_shows_in_no_repr_of_what_is_wanted() -> None:
    assert URL not in repr(parse().wanted())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "slack"},
        {"label": ""},
        {"label": "   "},
        {"label": "two\nlines"},
        {"label": "x" * 81},
        {"label": "😀" * 41},
        {"label": 7},
        {"url": None},
        {"scope": {"kind": "space"}},
        {"scope": {"kind": "space", "spaceId": 65537}},
        {"scope": {"kind": "space", "spaceId": "0"}},
        {"scope": {"kind": "site", "spaceId": "65537"}},
        {"scope": {"kind": "tag"}},
        {"events": []},
        {"events": ["closed"]},
        {"events": "asked"},
        {"events": ["asked"] * 5},
        {"disclosure": "excerpt"},
        {"state": "active"},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse(**change)


@pytest.mark.parametrize("label", ["x" * 80, "😀" * 40, "  Engineering  "])
def test_labels_that_fit(label: str) -> None:
    assert parse(label=label).label == label.strip()


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"label": "New"}, Change(label="New")),
        ({"events": ["voted"]}, Change(events=("voted",))),
        ({"state": "disabled"}, Change(state=DestinationState.DISABLED)),
        ({"state": "active", "label": "New"}, Change(label="New", state=DestinationState.ACTIVE)),
    ],
)
def test_a_change_names_what_it_changes(body: dict[str, object], change: Change) -> None:
    assert DestinationChange.model_validate_json(json.dumps(body)).change() == change


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"label": None},
        {"label": ""},
        {"events": []},
        {"events": None},
        {"state": "gone"},
        {"url": URL},
        {"id": "1"},
    ],
)
def test_a_change_of_nothing_or_of_what_is_fixed_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DestinationChange.model_validate_json(json.dumps(body))


@pytest.mark.parametrize(
    ("outcome", "name", "http_status", "words"),
    [
        (Delivered(202), "delivered", 202, "Handed over to Teams"),
        (Gone("unauthorized", 401), "gone", 401, "Anyone"),
        (Gone("not-found", 404), "gone", 404, "does not exist any more"),
        (Retry("throttled", 429, 60), "retry", 429, "too many messages"),
        (Retry("connect"), "retry", None, "Try again in a minute"),
    ],
)
def test_a_trial_is_told_in_words(
    outcome: Delivered | Gone | Retry, name: str, http_status: int | None, words: str
) -> None:
    view = trial_view(DestinationKind.TEAMS, outcome)

    assert (view["outcome"], view["httpStatus"]) == (name, http_status)
    assert words in view["detail"]
