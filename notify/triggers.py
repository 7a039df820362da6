"""HTTP routes of chat destinations under /api/v1, and the triggers of delivery."""

from functools import partial
from typing import List  # noqa: UP035 - the worker library refuses `list[str]` in `Out`

import azure.functions as func

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable, Unavailable
from lib.queues import DELIVER_QUEUE, RELAY_QUEUE
from lib.services import services
from lib.web import Call, Nothing, Reply, Resource
from notify import schemas
from notify.consuming import POISON_QUEUE, on_delivery, on_poison, on_relay, on_retention, on_sweep
from notify.destinations import (
    change_destination,
    check_administrator,
    check_wanted,
    create_destination,
    delete_destination,
    find_destination,
    list_deliveries,
    list_destinations,
    try_destination,
)
from notify.kinds import DestinationKind
from notify.model import DestinationId

CONNECTION = "AzureWebJobsStorage"

blueprint = func.Blueprint()

destinations = Resource(blueprint, "api_destinations", "api/v1/destinations")
destination = Resource(blueprint, "api_destination", "api/v1/destinations/{destinationId}")
destination_test = Resource(blueprint, "api_destination_test", "api/v1/destinations/{destinationId}/test")
destination_deliveries = Resource(
    blueprint, "api_destination_deliveries", "api/v1/destinations/{destinationId}/deliveries"
)

RESOURCES = (destinations, destination, destination_test, destination_deliveries)


def _check_administrator(call: Call) -> None:
    check_administrator(call.services, call.installation, call.account_id)


def _destination_id(call: Call) -> DestinationId:
    # Our own ids have the range of Confluence's.
    return DestinationId(call.content_id("destinationId"))


@destinations.operation("GET", returns=schemas.DestinationPage, failures=(Forbidden,))
def read_destinations(call: Call, _: Nothing) -> schemas.DestinationPage:
    """The site's chat destinations, the oldest first."""
    _check_administrator(call)
    rows = call.read(partial(list_destinations, tenant_id=call.tenant_id))
    return {"items": [schemas.destination_view(row) for row in rows], "next": None}


@destinations.operation(
    "POST",
    takes=schemas.DestinationBody,
    returns=schemas.DestinationView,
    statuses=(201,),
    failures=(Forbidden, Conflict, Unacceptable, Unavailable),
)
def add_destination(call: Call, body: schemas.DestinationBody) -> Reply:
    """Adds a chat destination. Its URL is kept encrypted and never shown again."""
    _check_administrator(call)
    wanted = body.wanted()
    endpoint = check_wanted(call.services, call.installation, call.account_id, wanted)
    create = partial(
        create_destination,
        principal=call.principal,
        installation=call.installation,
        keyring=call.services.keyring,
        wanted=wanted,
        endpoint=endpoint,
        now=call.now,
    )
    return Reply(schemas.destination_view(call.write(create)), 201)


@destination.operation("GET", returns=schemas.DestinationView, failures=(Forbidden, NotFound))
def read_destination(call: Call, _: Nothing) -> schemas.DestinationView:
    """One chat destination."""
    _check_administrator(call)
    find = partial(find_destination, tenant_id=call.tenant_id, destination_id=_destination_id(call))
    return schemas.destination_view(call.read(find))


@destination.operation(
    "PATCH", takes=schemas.DestinationChange, returns=schemas.DestinationView, failures=(Forbidden, NotFound)
)
def patch_destination(call: Call, body: schemas.DestinationChange) -> schemas.DestinationView:
    """Changes label, events or state. Activating forgets earlier failures."""
    _check_administrator(call)
    change = partial(
        change_destination, tenant_id=call.tenant_id, destination_id=_destination_id(call), change=body.change()
    )
    return schemas.destination_view(call.write(change))


@destination.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound))
def remove_destination(call: Call, _: Nothing) -> Reply:
    """Removes the destination, its URL and its deliveries."""
    _check_administrator(call)
    call.write(partial(delete_destination, tenant_id=call.tenant_id, destination_id=_destination_id(call)))
    return Reply(status=204)


@destination_test.operation("POST", returns=schemas.TrialView, failures=(Forbidden, NotFound, Unavailable))
def send_test(call: Call, _: Nothing) -> schemas.TrialView:
    """Sends a test card now and says what came of it. It enables and disables nothing."""
    _check_administrator(call)
    find = partial(find_destination, tenant_id=call.tenant_id, destination_id=_destination_id(call))
    row = call.read(find)
    return schemas.trial_view(DestinationKind(row.kind), try_destination(call.services, call.installation, row))


@destination_deliveries.operation("GET", returns=schemas.DeliveryPage, failures=(Forbidden, NotFound))
def read_deliveries(call: Call, _: Nothing) -> schemas.DeliveryPage:
    """The destination's last hundred deliveries, the newest first."""
    _check_administrator(call)
    find = partial(list_deliveries, tenant_id=call.tenant_id, destination_id=_destination_id(call))
    return {"items": [schemas.delivery_view(record) for record in call.read(find)], "next": None}


@blueprint.function_name("notify_relay")
@blueprint.queue_trigger(arg_name="wake", queue_name=RELAY_QUEUE, connection=CONNECTION)
@blueprint.queue_output(arg_name="messages", queue_name=DELIVER_QUEUE, connection=CONNECTION)
def relay(wake: func.QueueMessage, messages: func.Out[List[str]]) -> None:  # noqa: UP006
    """Woken after a write. The message only says that there is work; the outbox says which."""
    del wake
    if bodies := on_relay(services()):
        messages.set(bodies)


@blueprint.function_name("notify_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="*/30 * * * * *", use_monitor=False)
@blueprint.queue_output(arg_name="messages", queue_name=DELIVER_QUEUE, connection=CONNECTION)
def sweep(timer: func.TimerRequest, messages: func.Out[List[str]]) -> None:  # noqa: UP006
    """Finds what a lost message left behind, and ends what is too old."""
    del timer
    if bodies := on_sweep(services()):
        messages.set(bodies)


@blueprint.function_name("notify_deliver")
@blueprint.queue_trigger(arg_name="message", queue_name=DELIVER_QUEUE, connection=CONNECTION)
def deliver(message: func.QueueMessage) -> None:
    """Makes one delivery."""
    on_delivery(services(), message.get_body())


@blueprint.function_name("notify_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=POISON_QUEUE, connection=CONNECTION)
def bury(message: func.QueueMessage) -> None:
    """Ends the delivery of a message that failed five times."""
    on_poison(services(), message.get_body())


@blueprint.function_name("notify_retention")
@blueprint.timer_trigger(arg_name="timer", schedule="0 0 4 * * *", use_monitor=True)
def forget(timer: func.TimerRequest) -> None:
    """Forgets, at night, deliveries and events that ended thirty days ago."""
    del timer
    on_retention(services())
