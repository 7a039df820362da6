"""Destinations over HTTP: who may have which, what they show, and what others never see."""

import json
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest
from sqlalchemy import text

from lib.crypto import StaticKeyring
from lib.outbound import OutboundError
from lib.services import Services
from lib.web import Resource
from notify import triggers
from notify.delivery.consuming import on_delivery, on_relay
from notify.delivery.queued import DeliveryMessage
from notify.destinations import routes
from notify.message import Disclosure
from notify.model import DeliveryState, DestinationId
from tests.factories import ENG, HR, MKT, NOW, Site
from tests.integration.notify_fixtures import (
    HOST,
    PERSONAL,
    Stage,
    make_stage,
    reply,
    workflow_url,
)
from tests.tokens import ALICE, CAROL, DAVE, GLOBEX_KEY, GLOBEX_SECRET, MALLORY, context_token

URL = workflow_url(7)


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = make_stage(services, sites)
    monkeypatch.setattr("lib.web.services", lambda: made.services)
    monkeypatch.setattr("notify.triggers.services", lambda: made.services)
    return made


def call(
    resource: Resource,
    method: str,
    *,
    body: object = None,
    destination_id: object = None,
    account_id: str = CAROL,
) -> tuple[int, Any]:
    """(status, document) of a call from the account's page."""
    is_mallory = account_id == MALLORY
    token = (
        context_token(NOW, client_key=GLOBEX_KEY, secret=GLOBEX_SECRET, account_id=account_id)
        if is_mallory
        else context_token(NOW, account_id=account_id)
    )
    headers = {"Authorization": f"JWT {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = func.HttpRequest(
        method=method,
        url="https://cq.example.com/" + resource.route.replace("{destinationId}", str(destination_id)),
        headers=headers,
        route_params={"destinationId": str(destination_id)},
        body=b"" if body is None else json.dumps(body).encode(),
    )
    response = resource.respond(request, None)
    answer = response.get_body()
    return response.status_code, json.loads(answer) if answer else None


def wanted(**changes: object) -> dict[str, object]:
    return {
        "kind": "teams",
        "label": "Engineering",
        "url": URL,
        "scope": {"kind": "space", "spaceId": str(ENG)},
        "events": ["voted", "asked"],
        "disclosure": "link",
        **changes,
    }


def add(**changes: object) -> tuple[int, Any]:
    return call(routes.destinations, "POST", body=wanted(**changes))


def code_of(answered: tuple[int, Any]) -> tuple[int, str]:
    return answered[0], answered[1]["code"]


def test_an_administrator_adds_a_destination_and_sees_all_but_its_url(stage: Stage) -> None:
    status, document = add(disclosure="title")

    assert status == 201
    destination_id = document.pop("id")
    assert destination_id.isdecimal()
    assert document == {
        "kind": "teams",
        "label": "Engineering",
        "scope": {"kind": "space", "spaceId": str(ENG)},
        "events": ["asked", "voted"],
        "disclosure": "title",
        "state": "active",
        "disabledReason": None,
        "endpoint": {"host": HOST, "ending": URL[-4:]},
        "lastDeliveredAt": None,
        "createdAt": "2026-11-25T12:00:00.000Z",
    }
    shown = {"id": destination_id, **document}
    assert call(routes.destinations, "GET") == (200, {"items": [shown], "next": None})
    assert call(routes.destination, "GET", destination_id=destination_id) == (200, shown)


def test_the_url_is_nowhere_in_the_database(stage: Stage) -> None:
    add()

    with stage.services.database.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM destination")).all()
    held = " ".join(bytes(value).decode("latin-1") if isinstance(value, bytes) else str(value) for value in rows[0])
    assert URL[-43:] not in held
    assert "workflows" not in held


def test_a_destination_for_the_whole_site(stage: Stage) -> None:
    status, document = add(scope={"kind": "site"})

    assert (status, document["scope"]) == (201, {"kind": "site"})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "Microsoft has retired"),
        ("https://evil.example/hook", "not that of a Teams workflow"),
        (URL.partition("&sig=")[0], "incomplete"),
        (URL + "&more=1", "other parameters"),
        (URL.replace("https://", "http://"), "must begin with https://"),
        (URL.replace(HOST, "169.254.169.254"), "not a URL that this app calls"),
        (URL.replace(HOST, "evil.example"), "a host that this app does not call"),
        (URL.replace(HOST, HOST + ".evil.example"), "a host that this app does not call"),
        (URL.replace(HOST, "user@" + HOST), "not that of a Teams workflow"),
        (URL.replace(".com/", ".com:8443/"), "not a URL that this app calls"),
    ],
)
def test_a_url_that_is_none_of_teams_is_refused_with_what_to_do(stage: Stage, url: str, words: str) -> None:
    status, document = add(url=url)

    assert status == 400
    (problem,) = document["problems"]
    assert problem["pointer"] == "/url"
    assert words in problem["detail"]
    assert URL[-43:] not in json.dumps(document)


def test_every_problem_of_a_body_is_told_at_once(stage: Stage) -> None:
    status, document = add(label="", events=["closed"], scope={"kind": "tag"}, more=1)

    assert status == 400
    assert {problem["pointer"] for problem in document["problems"]} == {"/label", "/events/0", "/scope", "/more"}


def test_one_url_is_a_destination_of_one_scope_once(stage: Stage) -> None:
    assert add()[0] == 201

    assert code_of(add(label="Again")) == (409, "destination-exists")
    assert add(scope={"kind": "site"})[0] == 201
    assert add(scope={"kind": "space", "spaceId": str(HR)})[0] == 201
    assert add(url=workflow_url(8))[0] == 201


def test_a_duplicate_is_found_after_the_master_key_was_rotated(stage: Stage) -> None:
    _, old = stage.services.keyring.current()
    add()
    stage.services = replace(stage.services, keyring=StaticKeyring({1: old, 2: b"2" * 32}))
    # The installation's own secret was sealed before the rotation and still opens.
    assert code_of(add()) == (409, "destination-exists")


def test_another_site_may_use_the_same_url(stage: Stage) -> None:
    assert add()[0] == 201

    body = wanted(scope={"kind": "space", "spaceId": str(MKT)})
    assert call(routes.destinations, "POST", body=body, account_id=MALLORY)[0] == 201


def test_a_site_has_at_most_two_hundred(stage: Stage) -> None:
    for _ in range(199):
        stage.destination()
    assert add(url=workflow_url(1000))[0] == 201

    assert code_of(add(url=workflow_url(1001))) == (409, "too-many-destinations")
    assert len(call(routes.destinations, "GET")[1]["items"]) == 200


def test_a_space_the_administrator_may_not_see_is_refused(stage: Stage) -> None:
    assert code_of(add(scope={"kind": "space", "spaceId": str(MKT)})) == (422, "space-not-visible")


def test_a_personal_space_is_refused(stage: Stage) -> None:
    assert code_of(add(scope={"kind": "space", "spaceId": str(PERSONAL)})) == (422, "personal-space")


def test_titles_need_the_administrator_of_that_very_space(stage: Stage) -> None:
    of_hr = {"kind": "space", "spaceId": str(HR)}

    assert code_of(add(scope=of_hr, disclosure="title")) == (403, "title-needs-space-administrator")
    assert add(scope=of_hr, disclosure="link")[0] == 201


def test_the_whole_site_never_shows_titles(stage: Stage) -> None:
    assert code_of(add(scope={"kind": "site"}, disclosure="title")) == (422, "title-needs-space")


OPERATIONS: list[tuple[Resource, str, object]] = [
    (routes.destinations, "GET", None),
    (routes.destinations, "POST", wanted()),
    (routes.destination, "GET", None),
    (routes.destination, "PATCH", {"label": "Mine"}),
    (routes.destination, "DELETE", None),
    (routes.destination_test, "POST", None),
    (routes.destination_deliveries, "GET", None),
]


@pytest.mark.parametrize("account_id", [ALICE, DAVE])
@pytest.mark.parametrize(("resource", "method", "body"), OPERATIONS)
def test_only_administrators_of_confluence_do_any_of_it(
    stage: Stage, resource: Resource, method: str, body: object, account_id: str
) -> None:
    destination_id = stage.destination()

    answered = call(resource, method, body=body, destination_id=destination_id, account_id=account_id)

    assert code_of(answered) == (403, "forbidden")
    assert len(stage.door.posted) == 0
    assert stage.destination_row(destination_id).label == "Engineering"


@pytest.mark.parametrize(
    ("resource", "method", "body"), [row for row in OPERATIONS if row[0] is not routes.destinations]
)
def test_mallory_finds_nothing_of_another_site(stage: Stage, resource: Resource, method: str, body: object) -> None:
    destination_id = stage.destination()
    stage.event()
    on_relay(stage.services)

    foreign = call(resource, method, body=body, destination_id=destination_id, account_id=MALLORY)
    missing = call(resource, method, body=body, destination_id=17, account_id=MALLORY)

    assert code_of(foreign) == code_of(missing) == (404, "not-found")
    assert (len(stage.door.posted), len(stage.deliveries())) == (0, 1)
    assert stage.destination_row(destination_id).label == "Engineering"


def test_mallory_lists_only_her_own(stage: Stage) -> None:
    stage.destination()
    own = stage.destination(site=stage.globex, space_id=MKT)

    _, document = call(routes.destinations, "GET", account_id=MALLORY)

    assert [item["id"] for item in document["items"]] == [str(own)]


def test_nothing_is_done_while_confluence_is_away(stage: Stage) -> None:
    stage.door.is_confluence_away = True

    assert add()[0] == 503


@pytest.mark.parametrize("destination_id", ["0", "x", "9" * 25, "1/../2"])
def test_what_cannot_be_an_id_does_not_exist(stage: Stage, destination_id: str) -> None:
    assert code_of(call(routes.destination, "GET", destination_id=destination_id)) == (404, "not-found")


def test_label_events_and_state_can_be_changed(stage: Stage) -> None:
    destination_id = stage.destination()

    status, document = call(
        routes.destination,
        "PATCH",
        body={"label": "Questions", "events": ["accepted"], "state": "disabled"},
        destination_id=destination_id,
    )

    assert status == 200
    assert (document["label"], document["events"]) == ("Questions", ["accepted"])
    assert (document["state"], document["disabledReason"]) == ("disabled", "by-administrator")


def test_activating_forgets_what_went_wrong(stage: Stage) -> None:
    destination_id = stage.destination()
    stage.event()
    (body,) = on_relay(stage.services)
    stage.door.reactions = [reply(410)]
    on_delivery(stage.services, body.encode())
    assert stage.destination_row(destination_id).failure_count == 1

    _, document = call(routes.destination, "PATCH", body={"state": "active"}, destination_id=destination_id)

    assert (document["state"], document["disabledReason"]) == ("active", None)
    assert stage.destination_row(destination_id).failure_count == 0


@pytest.mark.parametrize(
    "body", [{}, {"url": URL}, {"scope": {"kind": "site"}}, {"disclosure": "title"}, {"label": None}]
)
def test_what_was_agreed_at_the_start_cannot_be_changed(stage: Stage, body: object) -> None:
    destination_id = stage.destination()

    assert call(routes.destination, "PATCH", body=body, destination_id=destination_id)[0] == 400


def test_a_removed_destination_takes_its_deliveries_along(stage: Stage) -> None:
    destination_id, other = stage.destination(), stage.destination()
    stage.event()
    for body in on_relay(stage.services):
        on_delivery(stage.services, body.encode())

    assert call(routes.destination, "DELETE", destination_id=destination_id) == (204, None)

    assert call(routes.destination, "GET", destination_id=destination_id)[0] == 404
    assert call(routes.destination, "DELETE", destination_id=destination_id)[0] == 404
    assert [row.destination_id for row in stage.deliveries()] == [other]
    assert len(stage.attempts()) == 1


@pytest.mark.parametrize(
    ("reaction", "outcome", "http_status", "words"),
    [
        (reply(202), "delivered", 202, "Check that the card appears in the channel"),
        (reply(429), "retry", 429, "too many messages"),
        (reply(401), "gone", 401, "“Anyone”"),
        (reply(400), "gone", 400, "refused the card"),
        (OutboundError("timeout"), "retry", None, "Try again in a minute"),
    ],
)
def test_a_test_card_is_sent_now_and_told_in_words(
    stage: Stage, reaction: Any, outcome: str, http_status: int | None, words: str
) -> None:
    destination_id = stage.destination()
    stage.door.reactions = [reaction]

    status, document = call(routes.destination_test, "POST", destination_id=destination_id)

    assert (status, document["outcome"], document["httpStatus"]) == (200, outcome, http_status)
    assert words in document["detail"]
    assert len(stage.door.posted) == 1
    assert "This is a test" in stage.door.texts[0]
    row = stage.destination_row(destination_id)
    assert (row.state, row.failure_count, row.last_delivered_at) == ("active", 0, None)


def test_a_test_enables_nothing(stage: Stage) -> None:
    destination_id = stage.destination()
    call(routes.destination, "PATCH", body={"state": "disabled"}, destination_id=destination_id)

    assert call(routes.destination_test, "POST", destination_id=destination_id)[1]["outcome"] == "delivered"

    assert stage.destination_row(destination_id).state == "disabled"


def test_deliveries_are_told_with_what_became_of_them(stage: Stage) -> None:
    destination_id = stage.destination(disclosure=Disclosure.TITLE)
    for reaction in (reply(202), reply(503)):
        stage.event()
        (body,) = on_relay(stage.services)
        stage.door.reactions = [reaction]
        on_delivery(stage.services, body.encode())
        stage.pass_s(1)
    stage.event()
    on_relay(stage.services)

    status, document = call(routes.destination_deliveries, "GET", destination_id=destination_id)

    assert (status, document["next"]) == (200, None)
    shown = [
        (item["state"], item["kind"], item["attempts"], item["reason"], item["httpStatus"], item["finishedAt"])
        for item in document["items"]
    ]
    assert shown == [
        ("pending", "asked", 0, None, None, None),
        ("retry", "asked", 1, "server-error", 503, None),
        ("delivered", "asked", 1, None, 202, "2026-11-25T12:00:00.000Z"),
    ]
    assert document["items"][0]["dueAt"] == "2026-11-25T12:00:02.000Z"
    assert document["items"][2]["dueAt"] is None
    assert "Engineering" not in json.dumps(document)


def test_the_last_hundred_deliveries_are_told(stage: Stage) -> None:
    destination_id = stage.destination()
    for _ in range(103):
        stage.event()
        stage.pass_s(0.002)
    on_relay(stage.services)

    _, document = call(routes.destination_deliveries, "GET", destination_id=destination_id)

    ids = [int(item["id"]) for item in document["items"]]
    assert len(ids) == 100
    assert ids == sorted(ids, reverse=True)


class Kept[T]:
    """An output binding that keeps what it was given."""

    def __init__(self) -> None:
        self.value: T | None = None

    def set(self, value: T) -> None:
        self.value = value

    def get(self) -> T | None:
        return self.value


def test_the_functions_carry_an_event_to_the_channel(stage: Stage) -> None:
    stage.destination()
    stage.event()
    messages: Kept[list[str]] = Kept()

    triggers.relay(func.QueueMessage(body=b"{}"), messages)
    (body,) = messages.value or []
    triggers.deliver(func.QueueMessage(body=body.encode()))

    assert stage.delivery().state == DeliveryState.DELIVERED


def test_the_sweep_function_hands_over_nothing_when_there_is_nothing(stage: Stage) -> None:
    messages: Kept[list[str]] = Kept()

    triggers.sweep(func.TimerRequest(), messages)

    assert messages.value is None


def test_the_poison_function_ends_a_delivery(stage: Stage) -> None:
    stage.destination()
    stage.event()
    on_relay(stage.services)
    message = DeliveryMessage(stage.acme.tenant_id, stage.delivery().id, None)

    triggers.bury(func.QueueMessage(body=message.to_body().encode()))

    assert stage.delivery().state == DeliveryState.DEAD


def test_ids_stay_whole_in_json(stage: Stage) -> None:
    destination_id = stage.destination()

    _, document = call(routes.destination, "GET", destination_id=destination_id)

    assert DestinationId(int(document["id"])) == destination_id
    assert isinstance(document["id"], str)
