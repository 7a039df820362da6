"""One delivery, from claim to record: what is sent, how often, and what is left behind."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from lib.crypto import StaticKeyring
from lib.errors import Unavailable
from lib.events import EventKind
from lib.outbound import Answer, OutboundError
from lib.principal import ContentId, TenantId
from lib.queues import DELIVER_QUEUE
from lib.services import Services
from lib.spaces import SpaceSettings, change_space_settings
from lib.tenancy import InstallationState
from notify.delivery.claims import Claim, bury, claim
from notify.delivery.consuming import on_delivery, on_poison
from notify.delivery.delivering import deliver
from notify.delivery.queued import DeliveryMessage
from notify.delivery.relay import relay_events, sweep
from notify.delivery.schedule import SCHEDULE_S
from notify.destinations.managing import Change, change_destination, delete_destination
from notify.message import Disclosure
from notify.model import DeliveryId, DeliveryState, DestinationId, DestinationState
from tests.factories import ENG, HR, NOW, Site
from tests.integration.notify_fixtures import (
    ACCEPTED,
    QUESTION,
    TITLE,
    Reaction,
    Stage,
    confluence_question,
    make_stage,
    reply,
    workflow_url,
)


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site]) -> Stage:
    return make_stage(services, sites)


def queue_one(
    stage: Stage,
    *,
    disclosure: Disclosure = Disclosure.LINK,
    kind: EventKind = EventKind.QUESTION_ASKED,
    answer_id: ContentId | None = None,
) -> DestinationId:
    """One destination and one delivery for it, waiting."""
    destination_id = stage.destination(disclosure=disclosure)
    stage.event(kind, answer_id=answer_id)
    relay_events(stage.services)
    return destination_id


def run(stage: Stage) -> DeliveryState | None:
    return deliver(stage.services, stage.acme.tenant_id, stage.delivery().id, lambda: 0.5)


def run_all(stage: Stage) -> None:
    """Turns the clock to each next try until there is none."""
    while (row := stage.delivery()).finished_at is None:
        stage.now = max(stage.now, row.due_at)
        assert run(stage) is not None


def test_a_healthy_destination_gets_one_card_and_the_rows_say_so(stage: Stage) -> None:
    destination_id = queue_one(stage)

    assert run(stage) is DeliveryState.DELIVERED

    ((url, card),) = stage.door.posted
    assert url == workflow_url(1)
    content = card["attachments"][0]["content"]
    assert content["body"][0]["text"] == "A question was asked."
    assert content["actions"][0]["url"] == f"https://acme.atlassian.net/wiki/pages/viewpage.action?pageId={QUESTION}"
    assert stage.attempts() == [(1, "delivered", 202, None)]
    row, destination = stage.delivery(), stage.destination_row(destination_id)
    assert (row.state, row.finished_at, row.lease_until, row.reason) == (DeliveryState.DELIVERED, NOW, None, None)
    assert (destination.last_delivered_at, destination.failure_count) == (NOW, 0)


def test_a_delivered_one_is_never_sent_again(stage: Stage) -> None:
    queue_one(stage)
    run(stage)

    assert run(stage) is None
    assert len(stage.door.posted) == 1


def test_deliverers_at_once_send_once(stage: Stage) -> None:
    queue_one(stage)
    delivery_id = stage.delivery().id

    with ThreadPoolExecutor(4) as pool:
        states = list(
            pool.map(lambda _: deliver(stage.services, stage.acme.tenant_id, delivery_id, lambda: 0.5), range(8))
        )

    assert states.count(DeliveryState.DELIVERED) == 1
    assert states.count(None) == 7
    assert len(stage.door.posted) == 1


def test_a_crash_after_the_call_costs_one_message_more_and_none_less(stage: Stage) -> None:
    queue_one(stage)

    def die() -> Answer:
        raise KeyboardInterrupt

    stage.door.reactions = [die]
    with pytest.raises(KeyboardInterrupt):
        run(stage)
    stage.pass_s(30)
    assert run(stage) is None, "the lease still holds"
    stage.pass_s(1)
    (body,) = sweep(stage.services)

    on_delivery(stage.services, body.encode())

    assert stage.delivery().state == DeliveryState.DELIVERED
    assert len(stage.door.posted) == 2
    assert stage.attempts() == [(1, "unknown", None, "worker-lost"), (2, "delivered", 202, None)]


def test_a_worker_that_crashes_every_time_ends_in_a_dead_letter(stage: Stage) -> None:
    queue_one(stage)

    def take() -> object:
        stage.pass_s(31)
        return stage.services.database.write(
            lambda session: claim(session, stage.acme.tenant_id, stage.delivery().id, now=stage.now)
        )

    taken = [take() for _ in range(9)]

    assert all(isinstance(claimed, Claim) for claimed in taken[:8])
    assert taken[8] is DeliveryState.DEAD
    row = stage.delivery()
    assert (row.state, row.reason, len(stage.attempts())) == (DeliveryState.DEAD, "worker-lost", 8)


def test_a_worker_that_comes_back_late_writes_nothing(stage: Stage) -> None:
    queue_one(stage)

    def overtaken() -> Answer:
        stage.pass_s(31)
        assert run(stage) is DeliveryState.DELIVERED
        return reply(500)

    stage.door.reactions = [overtaken]

    assert run(stage) is None

    assert stage.delivery().state == DeliveryState.DELIVERED
    assert stage.attempts() == [(1, "unknown", None, "worker-lost"), (2, "delivered", 202, None)]
    assert stage.queues.sent == []


def test_a_passing_fault_is_tried_again_by_the_schedule_and_then_is_a_dead_letter(stage: Stage) -> None:
    destination_id = queue_one(stage)
    stage.door.reactions = [reply(503)] * 8
    waits = []
    while run(stage) is DeliveryState.RETRY:
        waits.append((stage.delivery().due_at - stage.now).total_seconds())
        stage.now = stage.delivery().due_at

    assert tuple(waits) == SCHEDULE_S[1:]
    assert len(stage.door.posted) == 8
    row, destination = stage.delivery(), stage.destination_row(destination_id)
    assert (row.state, row.reason, row.finished_at) == (DeliveryState.DEAD, "server-error", stage.now)
    assert (destination.state, destination.failure_count, destination.failing_since) == ("active", 8, NOW)


def test_a_retry_has_a_message_of_its_own_that_comes_when_it_is_due(stage: Stage) -> None:
    queue_one(stage)
    stage.door.reactions = [reply(429, {"retry-after": "90"})]
    run(stage)

    message = DeliveryMessage(stage.acme.tenant_id, stage.delivery().id, None)
    assert stage.queues.sent == [(DELIVER_QUEUE, message.to_body(), 90)]
    assert run(stage) is None, "not due yet"

    stage.pass_s(90)

    assert run(stage) is DeliveryState.DELIVERED


def test_a_message_that_comes_a_moment_early_is_not_lost(stage: Stage) -> None:
    queue_one(stage)
    stage.door.reactions = [reply(503)]
    run(stage)
    stage.pass_s(4.2)

    assert run(stage) is DeliveryState.DELIVERED


def test_queues_that_are_away_cost_time_only(stage: Stage) -> None:
    queue_one(stage)
    stage.door.reactions = [reply(503)]
    stage.queues.is_away = True

    assert run(stage) is DeliveryState.RETRY

    stage.pass_s(5 + 15)
    assert len(sweep(stage.services)) == 1


def test_success_forgets_failures(stage: Stage) -> None:
    destination_id = queue_one(stage)
    stage.door.reactions = [reply(503), OutboundError("connect")]
    run_all(stage)

    destination = stage.destination_row(destination_id)
    assert stage.attempts() == [
        (1, "retry", 503, "server-error"),
        (2, "retry", None, "connect"),
        (3, "delivered", 202, None),
    ]
    assert (destination.failure_count, destination.failing_since) == (0, None)


@pytest.mark.parametrize(
    ("reaction", "reason", "http_status"),
    [
        (reply(410), "gone", 410),
        (reply(404), "not-found", 404),
        (reply(401), "unauthorized", 401),
        (OutboundError("redirect"), "redirect", None),
    ],
)
def test_an_endpoint_that_is_gone_disables_its_destination_at_once(
    stage: Stage, reaction: Reaction, reason: str, http_status: int | None
) -> None:
    destination_id = queue_one(stage)
    stage.event(EventKind.QUESTION_ASKED)
    relay_events(stage.services)
    first, second = stage.deliveries()
    stage.door.reactions = [reaction]

    deliver(stage.services, stage.acme.tenant_id, first.id, lambda: 0.5)
    deliver(stage.services, stage.acme.tenant_id, second.id, lambda: 0.5)

    destination = stage.destination_row(destination_id)
    assert (destination.state, destination.disabled_reason) == (DestinationState.DISABLED, reason)
    assert [(row.state, row.reason) for row in stage.deliveries()] == [
        (DeliveryState.DEAD, reason),
        (DeliveryState.CANCELLED, "destination-disabled"),
    ]
    assert stage.attempts() == [(1, "gone", http_status, reason)]
    assert len(stage.door.posted) == 1


def test_a_refused_card_is_tried_once_more_without_its_title_and_then_stops(stage: Stage) -> None:
    destination_id = queue_one(stage, disclosure=Disclosure.TITLE)
    stage.door.reactions = [reply(400), reply(400)]
    run_all(stage)

    assert [TITLE in text for text in stage.door.texts] == [True, False]
    assert stage.destination_row(destination_id).disabled_reason == "card-refused"


def test_a_card_that_passes_without_its_title_is_delivered(stage: Stage) -> None:
    destination_id = queue_one(stage, disclosure=Disclosure.TITLE)
    stage.door.reactions = [reply(413), ACCEPTED]
    run_all(stage)

    assert stage.delivery().state == DeliveryState.DELIVERED
    assert stage.destination_row(destination_id).state == DestinationState.ACTIVE


def test_three_days_without_a_success_disable_a_destination(stage: Stage) -> None:
    destination_id = stage.destination()
    states = []
    for _ in range(9):
        stage.event()
        relay_events(stage.services)
        stage.door.reactions = [reply(503)] * 8
        latest = stage.deliveries()[-1]
        while latest.finished_at is None:
            stage.now = max(stage.now, latest.due_at)
            deliver(stage.services, stage.acme.tenant_id, latest.id, lambda: 0.5)
            latest = stage.deliveries()[-1]
        states.append(stage.destination_row(destination_id).state)

    # Eight tries take 8 h 42 min 35 s, so 72 hours have passed within the ninth delivery.
    assert states == ["active"] * 8 + ["disabled"]
    assert stage.destination_row(destination_id).disabled_reason == "server-error"


def test_a_delivery_whose_day_has_passed_is_not_sent(stage: Stage) -> None:
    queue_one(stage)
    stage.pass_s(24 * 3600)

    assert run(stage) is DeliveryState.EXPIRED
    assert (stage.door.posted, stage.delivery().reason) == ([], "expired")


@pytest.mark.parametrize("state", [InstallationState.DISABLED, InstallationState.UNINSTALLED])
def test_nothing_is_sent_for_an_installation_that_is_away(stage: Stage, state: InstallationState) -> None:
    queue_one(stage)
    stage.set_installation(stage.acme.tenant_id, state)

    assert run(stage) is DeliveryState.CANCELLED
    assert (stage.door.posted, stage.delivery().reason, stage.attempts()) == ([], "installation-inactive", [])


def test_nothing_is_sent_to_a_destination_that_was_disabled_meanwhile(stage: Stage) -> None:
    destination_id = queue_one(stage)
    change = Change(state=DestinationState.DISABLED)
    stage.services.database.write(
        lambda session: change_destination(session, stage.acme.tenant_id, destination_id, change)
    )

    assert run(stage) is DeliveryState.CANCELLED
    assert stage.door.posted == []


def test_a_destination_removed_during_the_call_leaves_nothing(stage: Stage) -> None:
    destination_id = queue_one(stage)

    def removed() -> Answer:
        stage.services.database.write(lambda session: delete_destination(session, stage.acme.tenant_id, destination_id))
        return ACCEPTED

    stage.door.reactions = [removed]

    assert run(stage) is None
    assert (stage.deliveries(), stage.attempts()) == ([], [])


def test_a_host_that_is_not_listed_any_more_is_not_called(stage: Stage) -> None:
    destination_id = queue_one(stage)
    settings = replace(stage.services.settings, teams_hosts=(".logic.azure.com",))
    stage.services = replace(stage.services, settings=settings)

    assert run(stage) is DeliveryState.DEAD
    assert stage.door.posted == []
    assert stage.destination_row(destination_id).disabled_reason == "host-not-listed"


def test_a_key_that_is_missing_is_waited_for(stage: Stage) -> None:
    destination_id = queue_one(stage)
    right = stage.services
    stage.services = replace(right, keyring=StaticKeyring({2: b"2" * 32}))
    assert run(stage) is DeliveryState.RETRY
    stage.services = right
    stage.pass_s(5)

    assert run(stage) is DeliveryState.DELIVERED
    assert stage.destination_row(destination_id).state == DestinationState.ACTIVE


@pytest.mark.parametrize("kind", [EventKind.QUESTION_ASKED, EventKind.ANSWER_ACCEPTED])
def test_link_says_nothing_of_the_question(stage: Stage, kind: EventKind) -> None:
    queue_one(stage, kind=kind)

    assert run(stage) is DeliveryState.DELIVERED
    assert TITLE not in stage.door.texts[0]


def test_title_shows_the_title(stage: Stage) -> None:
    queue_one(stage, disclosure=Disclosure.TITLE)

    assert run(stage) is DeliveryState.DELIVERED
    assert TITLE in stage.door.texts[0]


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(None, id="unseen"),
        pytest.param(confluence_question(pageId="500"), id="below-a-page"),
        pytest.param(confluence_question(blogPostId="501"), id="below-a-blog-post"),
        pytest.param(confluence_question(spaceId=str(HR)), id="moved-elsewhere"),
        pytest.param(confluence_question(type="ac:other-app:thing"), id="not-a-question"),
    ],
)
def test_title_falls_back_to_a_link_where_it_was_not_confirmed(
    stage: Stage, question: dict[str, object] | None
) -> None:
    queue_one(stage, disclosure=Disclosure.TITLE)
    stage.door.question = question

    assert run(stage) is DeliveryState.DELIVERED
    assert TITLE not in stage.door.texts[0]


@pytest.mark.parametrize("status", ["trashed", "archived", "draft"])
@pytest.mark.parametrize("disclosure", list(Disclosure))
def test_a_question_that_is_gone_is_not_announced(stage: Stage, status: str, disclosure: Disclosure) -> None:
    queue_one(stage, disclosure=disclosure)
    stage.door.question = confluence_question(status=status)

    assert run(stage) is DeliveryState.CANCELLED
    assert (stage.door.posted, stage.delivery().reason) == ([], "question-gone")


def test_a_space_that_left_chat_meanwhile_is_not_carried_site_wide(stage: Stage) -> None:
    tenant_id = stage.acme.tenant_id

    def allow(version: int, *, chat_enabled: bool) -> None:
        change = partial(
            change_space_settings,
            space_id=ENG,
            wanted=SpaceSettings(chat_enabled=chat_enabled, version=version),
            now=NOW,
        )
        stage.services.database.write(partial(change, tenant_id=tenant_id), tenant_id=tenant_id)

    allow(0, chat_enabled=True)
    stage.destination(space_id=None)
    stage.event(EventKind.QUESTION_ASKED)
    relay_events(stage.services)
    allow(1, chat_enabled=False)

    assert run(stage) is DeliveryState.CANCELLED
    assert (stage.door.posted, stage.delivery().reason) == ([], "space-not-carried")


def test_many_destinations_ask_for_one_question_once(stage: Stage) -> None:
    for _ in range(5):
        stage.destination(disclosure=Disclosure.TITLE)
    stage.event(EventKind.QUESTION_ASKED)
    relay_events(stage.services)

    for row in stage.deliveries():
        deliver(stage.services, stage.acme.tenant_id, row.id, lambda: 0.5)

    assert len(stage.door.posted) == 5
    assert stage.door.questions_read == 1


def test_confluence_away_puts_a_title_off_and_is_not_held_against_the_destination(stage: Stage) -> None:
    destination_id = queue_one(stage, disclosure=Disclosure.TITLE)
    stage.door.is_confluence_away = True
    assert run(stage) is DeliveryState.RETRY
    assert stage.destination_row(destination_id).failure_count == 0
    stage.door.is_confluence_away = False
    stage.pass_s(5)

    assert run(stage) is DeliveryState.DELIVERED


def test_mallory_cannot_have_another_sites_delivery_made(stage: Stage) -> None:
    queue_one(stage)

    assert deliver(stage.services, stage.globex.tenant_id, stage.delivery().id, lambda: 0.5) is None
    assert stage.door.posted == []
    assert stage.delivery().state == DeliveryState.PENDING


def test_mallory_cannot_bury_another_sites_delivery(stage: Stage) -> None:
    queue_one(stage)
    delivery_id = stage.delivery().id

    def work(tenant_id: TenantId) -> bool:
        return stage.services.database.write(lambda session: bury(session, tenant_id, delivery_id, now=stage.now))

    assert not work(stage.globex.tenant_id)
    assert stage.delivery().state == DeliveryState.PENDING


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"v":2}', b"[1]"])
@pytest.mark.parametrize("consume", [on_delivery, on_poison])
def test_foreign_messages_are_dropped(stage: Stage, consume: Callable[[Services, bytes], None], body: bytes) -> None:
    queue_one(stage)

    consume(stage.services, body)

    assert stage.delivery().state == DeliveryState.PENDING


@pytest.mark.parametrize("consume", [on_delivery, on_poison])
def test_messages_about_what_does_not_exist_are_dropped(
    stage: Stage, consume: Callable[[Services, bytes], None]
) -> None:
    for tenant_id in (stage.acme.tenant_id, TenantId(7)):
        consume(stage.services, DeliveryMessage(tenant_id, DeliveryId(8), None).to_body().encode())

    assert stage.door.posted == []


def poison(stage: Stage) -> None:
    message = DeliveryMessage(stage.acme.tenant_id, stage.delivery().id, None)
    on_poison(stage.services, message.to_body().encode())


def test_a_poison_message_makes_a_dead_letter(stage: Stage) -> None:
    queue_one(stage)
    poison(stage)

    row = stage.delivery()
    assert (row.state, row.reason, row.finished_at) == (DeliveryState.DEAD, "poison", NOW)
    assert run(stage) is None


def test_a_poison_message_leaves_alone_what_somebody_is_sending(stage: Stage) -> None:
    queue_one(stage)
    stage.set_delivery(stage.delivery().id, state="sending", lease_until=NOW + timedelta(seconds=5))
    poison(stage)

    assert stage.delivery().state == DeliveryState.SENDING


def test_a_poison_message_does_not_undo_a_delivery(stage: Stage) -> None:
    queue_one(stage)
    run(stage)
    poison(stage)

    assert stage.delivery().state == DeliveryState.DELIVERED


def test_a_database_that_is_away_does_not_make_poison(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    queue_one(stage)
    body = DeliveryMessage(stage.acme.tenant_id, stage.delivery().id, None).to_body().encode()

    def away(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr("notify.delivery.delivering.claim", away)
        on_delivery(stage.services, body)
    assert stage.delivery().state == DeliveryState.PENDING

    on_delivery(stage.services, body)

    assert stage.delivery().state == DeliveryState.DELIVERED


def test_neither_url_nor_title_is_ever_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    queue_one(stage, disclosure=Disclosure.TITLE)
    stage.door.reactions = [reply(503), reply(400), OutboundError("timeout"), reply(410)]
    stage.queues.is_away = True
    run_all(stage)

    assert "delivery_attempted" in caplog.text
    assert TITLE not in caplog.text
    assert "powerplatform" not in caplog.text
    assert workflow_url(1)[-43:] not in caplog.text
