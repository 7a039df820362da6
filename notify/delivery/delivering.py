"""One delivery, once: claimed in one transaction, sent outside any, recorded in a second.

No transaction is open during a call. A worker that dies between the two costs at most one message more, and
none less: its lease ends, and the sweep hands the delivery to the next.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime

from lib.confluence import Content
from lib.errors import Unavailable
from lib.log import Log
from lib.principal import SpaceId, TenantId
from lib.queues import DELIVER_QUEUE
from lib.services import Services
from lib.spaces import read_space_settings
from lib.telemetry import Trace, trace_of
from lib.tenancy import Installation
from notify.delivery.claims import UNAVAILABLE, Cancelled, Claim, Left, claim, record
from notify.delivery.queued import DeliveryMessage
from notify.endpoints import send_once
from notify.message import Disclosure, Message, compose, plain
from notify.model import DeliveryId, DeliveryState
from notify.outcome import Delivered, Outcome, Retry, name_of
from notify.routing.sightings import SIGHTINGS

log = Log("notify.delivery.delivering")


def deliver(
    services: Services, tenant_id: TenantId, delivery_id: DeliveryId, rng: Callable[[], float]
) -> DeliveryState | None:
    """Makes the delivery if it is due and in nobody's hands. The state it is left in, None when nothing was done."""
    claimed = services.write(
        lambda session: claim(session, tenant_id, delivery_id, now=services.now()),
        trace=trace_of(None),
        tenant_id=tenant_id,
    )
    if not isinstance(claimed, Claim):
        if claimed is not None:
            log.warning("delivery_ended", delivery_id=str(delivery_id), state=claimed)
        return claimed
    trace = trace_of(claimed.traceparent)
    started = time.perf_counter()
    result = _attempt(services, claimed)
    duration_ms = int((time.perf_counter() - started) * 1000)
    jitter = rng()
    left = services.write(
        lambda session: record(session, claimed, result, now=services.now(), duration_ms=duration_ms, rng=jitter),
        trace=trace,
        tenant_id=tenant_id,
    )
    _log_end(claimed, result, left, trace, duration_ms)
    if left is not None and left.due_at is not None:
        _queue_again(services, claimed, left.due_at)
    return None if left is None else left.state


def _attempt(services: Services, claimed: Claim) -> Outcome | Cancelled:
    """The checks that only now can be made, then the one call."""
    try:
        installation = services.tenants.by_id(claimed.tenant_id)
        if installation is None or not installation.is_active:
            return Cancelled("installation-inactive")
        if claimed.target is None:
            return Cancelled("destination-disabled")
        message = _message(services, installation, claimed)
        if isinstance(message, Cancelled):
            return message
        if claimed.is_plain:
            message = plain(message)
        return send_once(services, installation, claimed.target, message, was_plain=claimed.is_plain)
    except Unavailable:
        return Retry(UNAVAILABLE)


def _message(services: Services, installation: Installation, claimed: Claim) -> Message | Cancelled:
    """What may be said now; `Cancelled` where the question is gone or its space is not carried any more.

    What the app cannot see it cannot judge: then the message is a link, which names nothing.
    """
    content = SIGHTINGS.of(services, installation, claimed.question_id)
    title: str | None = None
    if content is not None:
        if content.status != "current":
            return Cancelled("question-gone")
        if claimed.scope_id is None and not _is_carried(services, claimed.tenant_id, content.space_id):
            return Cancelled("space-not-carried")
        if claimed.disclosure is Disclosure.TITLE and _may_show_title(services, claimed, content):
            title = content.title
    return compose(
        claimed.kind,
        is_about_answer=claimed.is_about_answer,
        disclosure=claimed.disclosure,
        title=title,
        address=services.confluence.question_address(installation, claimed.question_id),
    )


def _is_carried(services: Services, tenant_id: TenantId, space_id: SpaceId) -> bool:
    settings = services.read(lambda session: read_space_settings(session, tenant_id, space_id), tenant_id=tenant_id)
    return settings.chat_enabled


def _may_show_title(services: Services, claimed: Claim, content: Content) -> bool:
    """Only for a question directly in the very space whose administrator confirmed this destination.

    Below a page the page's restrictions rule, and those of the channel's readers are not known.
    """
    return (
        content.type == services.confluence.type_of("question")
        and content.container_kind == "space"
        and content.space_id == claimed.scope_id
    )


def _log_end(claimed: Claim, result: Outcome | Cancelled, left: Left | None, trace: Trace, duration_ms: int) -> None:
    say = log.warning if left is None or left.state is DeliveryState.DEAD else log.info
    say(
        "delivery_attempted",
        delivery_id=str(claimed.delivery_id),
        destination_id=str(claimed.destination_id),
        attempt=claimed.attempt_no,
        outcome="cancelled" if isinstance(result, Cancelled) else name_of(result),
        reason=None if isinstance(result, Delivered) else result.reason,
        http_status=None if isinstance(result, Cancelled) else result.http_status,
        state="lost-claim" if left is None else left.state,
        duration_ms=duration_ms,
        trace_id=trace.trace_id,
    )


def _queue_again(services: Services, claimed: Claim, due_at: datetime) -> None:
    """A message for the next try, best effort: the sweep finds the delivery too."""
    delay_s = max(0, math.ceil((due_at - services.now()).total_seconds()))
    message = DeliveryMessage(claimed.tenant_id, claimed.delivery_id, claimed.traceparent)
    try:
        services.queues.send(DELIVER_QUEUE, message.to_body(), delay_s=delay_s)
    except Exception as error:  # noqa: BLE001 - the retry has committed; the sweep will find it
        log.warning("delivery_requeue_failed", delivery_id=str(claimed.delivery_id), error_type=type(error).__name__)
