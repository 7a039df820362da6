"""Every function of chat: the routes of its rooms, and the triggers of delivery."""

from typing import List  # noqa: UP035 - the worker library refuses `list[str]` in `Out`

import azure.functions as func

from lib.queues import DELIVER_QUEUE, RELAY_QUEUE
from lib.services import services
from notify.blueprint import blueprint
from notify.delivery.consuming import POISON_QUEUE, on_delivery, on_poison, on_relay, on_retention, on_sweep
from notify.destinations import routes as destination_routes

__all__ = ("RESOURCES", "blueprint")

CONNECTION = "AzureWebJobsStorage"

RESOURCES = (*destination_routes.RESOURCES,)


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
