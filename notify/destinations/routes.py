"""HTTP routes of chat destinations under /api/v1, for Confluence administrators."""

from functools import partial

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable, Unavailable
from lib.web import Call, Nothing, Reply, Resource
from notify.blueprint import blueprint
from notify.destinations import schemas
from notify.destinations.managing import (
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
