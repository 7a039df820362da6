"""What is forgotten after thirty days, and what is not."""

import random

import pytest
from sqlalchemy import func, select

from lib.events import EventKind
from lib.outbox import OutboxRow
from lib.services import Services
from notify.delivery.delivering import deliver
from notify.delivery.relay import relay_events
from notify.delivery.retention import KEPT, forget_old
from tests.factories import Site
from tests.integration.notify_fixtures import Stage, make_stage

DAY_S = 86_400


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site]) -> Stage:
    return make_stage(services, sites)


def events(stage: Stage) -> int:
    return int(stage.services.read(lambda session: session.scalar(select(func.count()).select_from(OutboxRow))) or 0)


def finish_one(stage: Stage) -> None:
    stage.event(EventKind.QUESTION_ASKED)
    relay_events(stage.services)
    for row in stage.deliveries():
        deliver(stage.services, stage.acme.tenant_id, row.id, random.Random(1).random)


def test_what_ended_thirty_days_ago_is_gone_with_its_attempts(stage: Stage) -> None:
    stage.destination()
    finish_one(stage)
    stage.pass_s(KEPT.total_seconds() - DAY_S)
    assert forget_old(stage.services) == 0
    assert (len(stage.deliveries()), len(stage.attempts()), events(stage)) == (1, 1, 1)

    stage.pass_s(2 * DAY_S)
    assert forget_old(stage.services) == 2
    assert (stage.deliveries(), stage.attempts(), events(stage)) == ([], [], 0)


def test_what_has_not_ended_stays(stage: Stage) -> None:
    stage.destination()
    stage.event(EventKind.QUESTION_ASKED)
    relay_events(stage.services)
    stage.event(EventKind.QUESTION_ANSWERED)
    stage.pass_s(3 * KEPT.total_seconds())

    forget_old(stage.services)

    assert len(stage.deliveries()) == 1
    assert events(stage) == 1
