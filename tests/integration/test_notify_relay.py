"""From the outbox to deliveries: who hears of what, once, whatever is lost or doubled."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from lib.events import CHAT_KINDS, EventKind, Subject
from lib.outbox import append_event
from lib.principal import ContentId, SpaceId
from lib.services import Services
from lib.spaces import SiteSettings, SpaceSettings, change_site_settings, change_space_settings
from lib.tenancy import InstallationState
from notify.delivery.queued import DeliveryMessage, read_message
from notify.delivery.relay import relay_batch, relay_events, sweep
from notify.destinations.managing import Change, change_destination
from notify.model import DeliveryState, DestinationState
from tests.factories import ENG, HR, NOW, Site
from tests.integration.notify_fixtures import QUESTION, TRACE, Stage, make_stage


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site]) -> Stage:
    return make_stage(services, sites)


def allow_chat(stage: Stage, space_id: SpaceId = ENG) -> None:
    stage.services.database.write(
        lambda session: change_space_settings(
            session, stage.acme.tenant_id, space_id, SpaceSettings(chat_enabled=True), now=NOW
        ),
        tenant_id=stage.acme.tenant_id,
    )


def test_an_event_becomes_one_delivery_for_each_destination_and_one_message_each(stage: Stage) -> None:
    wanted = {stage.destination(), stage.destination()}
    stage.event(EventKind.POST_VOTED, answer_id=ContentId(98320))

    bodies = relay_events(stage.services)

    deliveries = stage.deliveries()
    assert {row.destination_id for row in deliveries} == wanted
    assert {(row.state, row.kind, row.question_id, row.answer_id) for row in deliveries} == {
        (DeliveryState.PENDING, EventKind.POST_VOTED, QUESTION, 98320)
    }
    assert {row.expires_at for row in deliveries} == {NOW + timedelta(hours=24)}
    assert len(bodies) == 2
    assert {read_message(body.encode()) for body in bodies} == {
        DeliveryMessage(stage.acme.tenant_id, row.id, None) for row in deliveries
    }
    assert json.loads(bodies[0]).keys() == {"v", "tenantId", "deliveryId", "traceparent"}


def test_the_trace_of_the_request_reaches_the_message(stage: Stage) -> None:
    stage.destination()

    def ask(session: Session) -> None:
        append_event(session, stage.acme.tenant_id, EventKind.QUESTION_ASKED, Subject(QUESTION, ENG), now=NOW)

    stage.services.write(ask, trace=TRACE, tenant_id=stage.acme.tenant_id)

    (body,) = relay_events(stage.services)
    assert json.loads(body)["traceparent"] == TRACE.traceparent


def test_a_second_relay_makes_nothing_more(stage: Stage) -> None:
    stage.destination()
    stage.event()

    assert len(relay_events(stage.services)) == 1
    assert relay_events(stage.services) == []
    assert len(stage.deliveries()) == 1


def test_relays_at_once_make_each_delivery_once(stage: Stage) -> None:
    for _ in range(3):
        stage.destination()
    for _ in range(20):
        stage.event()

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: relay_events(stage.services), range(4)))

    bodies = [body for part in made for body in part]
    assert len(bodies) == len(set(bodies)) == len(stage.deliveries()) == 60


def test_more_events_than_one_run_takes_are_all_relayed(stage: Stage) -> None:
    stage.destination()
    for _ in range(120):
        stage.event()

    assert len(relay_events(stage.services)) == 120


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_only_subscribed_kinds_are_carried(stage: Stage, kind: EventKind) -> None:
    stage.destination(events=("answered", "accepted"))
    stage.event(kind)

    made = relay_events(stage.services)

    assert len(made) == (kind in {EventKind.QUESTION_ANSWERED, EventKind.ANSWER_ACCEPTED})


def test_a_space_hears_of_its_own_questions_only(stage: Stage) -> None:
    of_hr = stage.destination(space_id=HR)
    stage.destination(space_id=ENG)
    stage.event(space_id=HR)

    relay_events(stage.services)

    assert stage.delivery().destination_id == of_hr


def test_the_site_hears_only_of_spaces_that_let_chat_carry_them(stage: Stage) -> None:
    stage.destination(space_id=None)
    stage.event(space_id=HR)
    assert relay_events(stage.services) == []

    allow_chat(stage, ENG)
    stage.event(space_id=HR)
    stage.event(space_id=ENG)

    assert len(relay_events(stage.services)) == 1


def test_chat_in_a_space_of_one_site_opens_nothing_on_another(stage: Stage) -> None:
    allow_chat(stage, ENG)
    stage.destination(site=stage.globex, space_id=None)
    stage.event(site=stage.globex, space_id=ENG)

    assert relay_events(stage.services) == []


def test_another_site_hears_nothing(stage: Stage) -> None:
    stage.destination(site=stage.globex, space_id=ENG)
    stage.event()

    assert relay_events(stage.services) == []
    assert stage.deliveries(stage.globex) == []


def test_a_disabled_destination_hears_nothing(stage: Stage) -> None:
    destination_id = stage.destination()
    change = Change(state=DestinationState.DISABLED)
    stage.services.database.write(
        lambda session: change_destination(session, stage.acme.tenant_id, destination_id, change)
    )
    stage.event()

    assert relay_events(stage.services) == []


@pytest.mark.parametrize("state", [InstallationState.DISABLED, InstallationState.UNINSTALLED])
def test_events_of_an_installation_that_is_away_are_dropped(stage: Stage, state: InstallationState) -> None:
    stage.destination()
    stage.event()
    stage.set_installation(stage.acme.tenant_id, state)
    assert relay_events(stage.services) == []

    stage.set_installation(stage.acme.tenant_id, InstallationState.ACTIVE)

    assert relay_events(stage.services) == []


def test_a_crash_before_the_commit_leaves_the_event_for_the_next(stage: Stage) -> None:
    stage.destination()
    stage.event()

    def killed(session: Session) -> None:
        relay_batch(session, stage.now)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.services.database.write(killed)

    assert stage.deliveries() == []
    assert len(relay_events(stage.services)) == 1


def test_the_sweep_relays_what_no_wake_announced(stage: Stage) -> None:
    stage.destination()
    stage.event()

    assert len(sweep(stage.services)) == 1


def test_a_lost_message_is_sent_again_after_fifteen_seconds_and_then_every_minute(stage: Stage) -> None:
    stage.destination()
    stage.event()
    (lost,) = relay_events(stage.services)

    found = []
    for second in range(0, 180, 30):
        found += [(second, body) for body in sweep(stage.services)]
        stage.pass_s(30)

    assert found == [(30, lost), (90, lost), (150, lost)]


def test_what_is_not_due_is_left_alone(stage: Stage) -> None:
    stage.destination()
    stage.event()
    relay_events(stage.services)
    stage.set_delivery(stage.delivery().id, state="retry", due_at=NOW + timedelta(minutes=10))
    stage.pass_s(600)
    assert sweep(stage.services) == []

    stage.pass_s(15)

    assert len(sweep(stage.services)) == 1


def test_a_delivery_in_somebodys_hands_is_left_until_the_lease_ends(stage: Stage) -> None:
    stage.destination()
    stage.event()
    relay_events(stage.services)
    stage.set_delivery(stage.delivery().id, state="sending", lease_until=NOW + timedelta(seconds=30))
    stage.pass_s(30)
    assert sweep(stage.services) == []

    stage.pass_s(1)

    assert len(sweep(stage.services)) == 1


@pytest.mark.parametrize("state", ["delivered", "dead", "expired", "cancelled"])
def test_what_is_finished_stays_so(stage: Stage, state: str) -> None:
    stage.destination()
    stage.event()
    relay_events(stage.services)
    stage.set_delivery(stage.delivery().id, state=state)
    stage.pass_s(48 * 3600)

    assert sweep(stage.services) == []
    assert stage.delivery().state == state


@pytest.mark.parametrize(
    ("state", "lease_s", "expected"),
    [
        ("pending", None, DeliveryState.EXPIRED),
        ("retry", None, DeliveryState.EXPIRED),
        ("sending", -1, DeliveryState.EXPIRED),
        ("sending", 10, DeliveryState.SENDING),
    ],
)
def test_a_day_old_event_is_no_news_any_more(
    stage: Stage, state: str, lease_s: int | None, expected: DeliveryState
) -> None:
    stage.destination()
    stage.event()
    relay_events(stage.services)
    stage.pass_s(24 * 3600)
    lease_until = None if lease_s is None else stage.now + timedelta(seconds=lease_s)
    stage.set_delivery(stage.delivery().id, state=state, lease_until=lease_until)

    assert sweep(stage.services) == []

    row = stage.delivery()
    assert (row.state, row.finished_at) == (expected, stage.now if expected is DeliveryState.EXPIRED else None)


def test_one_sweep_serves_every_site(stage: Stage) -> None:
    for site in (stage.acme, stage.globex):
        stage.destination(site=site)
        stage.event(site=site)
    relay_events(stage.services)
    stage.pass_s(30)

    found = [read_message(body.encode()) for body in sweep(stage.services)]

    assert {message.tenant_id for message in found if message} == {stage.acme.tenant_id, stage.globex.tenant_id}


@pytest.mark.parametrize(
    ("space", "site", "told"), [(False, True, 0), (None, False, 0), (True, False, 1), (None, True, 1)]
)
def test_a_space_in_which_the_community_is_switched_off_tells_nobody(
    stage: Stage, *, space: bool | None, site: bool, told: int
) -> None:
    stage.destination()
    tenant_id = stage.acme.tenant_id

    def settle(session: Session) -> None:
        change_space_settings(session, tenant_id, ENG, SpaceSettings(is_enabled=space), now=NOW)
        change_site_settings(session, tenant_id, SiteSettings(enabled_by_default=site), now=NOW)

    stage.services.database.write(settle, tenant_id=tenant_id)
    stage.event()

    assert len(relay_events(stage.services)) == told
