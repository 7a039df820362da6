"""What comes out of the queues and off the timers: strict about form, harmless whatever it holds.

Nothing here asks the platform to try again when a neighbour is away: the sweep will, and five quick failures
would make a poison message of a delivery that only came at a bad time.
"""

import random
from collections.abc import Callable

from lib.errors import Unavailable
from lib.log import Log
from lib.queues import DELIVER_QUEUE
from lib.services import Services
from lib.telemetry import trace_of
from notify.delivery.claims import bury
from notify.delivery.delivering import deliver
from notify.delivery.queued import read_message
from notify.delivery.relay import relay_events, sweep
from notify.delivery.retention import forget_old

POISON_QUEUE = f"{DELIVER_QUEUE}-poison"

log = Log("notify.delivery.consuming")


def on_relay(services: Services) -> list[str]:
    """Messages of the deliveries that the outbox asked for."""
    return _while_available(services, relay_events)


def on_sweep(services: Services) -> list[str]:
    """The same, and those of deliveries that lost their message."""
    return _while_available(services, sweep)


def _while_available(services: Services, work: Callable[[Services], list[str]]) -> list[str]:
    try:
        return work(services)
    except Unavailable as error:
        log.warning("relay_put_off", code=error.code)
        return []


def on_retention(services: Services) -> None:
    if forgotten := forget_old(services):
        log.info("deliveries_forgotten", count=forgotten)


def on_delivery(services: Services, body: bytes) -> None:
    message = read_message(body)
    if message is None:
        log.warning("queue_message_foreign", queue=DELIVER_QUEUE)
        return
    try:
        state = deliver(services, message.tenant_id, message.delivery_id, random.SystemRandom().random)
    except Unavailable as error:
        log.warning("delivery_put_off", delivery_id=str(message.delivery_id), code=error.code)
        return
    if state is None:
        # Doubled, early, finished or unknown: all of them mean that there is nothing to do.
        log.info("delivery_not_due", delivery_id=str(message.delivery_id))


def on_poison(services: Services, body: bytes) -> None:
    """Ends the delivery whose message the platform gave up after five failures: a defect of ours."""
    message = read_message(body)
    if message is None:
        log.error("queue_message_foreign", queue=POISON_QUEUE)
        return
    trace = trace_of(message.traceparent)
    is_buried = services.write(
        lambda session: bury(session, message.tenant_id, message.delivery_id, now=services.now()),
        trace=trace,
        tenant_id=message.tenant_id,
    )
    log.error(
        "delivery_poisoned",
        delivery_id=str(message.delivery_id),
        state="dead" if is_buried else "unchanged",
        trace_id=trace.trace_id,
    )
