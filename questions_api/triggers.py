"""All routes of the community, gathered, and the triggers that follow Confluence."""

import time

import azure.functions as func

import questions_api.answers.routes
import questions_api.exporting.routes
import questions_api.following.routes
import questions_api.importing.routes
import questions_api.moderation.routes
import questions_api.pages.routes
import questions_api.people.routes
import questions_api.questions.routes
import questions_api.spaces.routes
import questions_api.tags.routes
import questions_api.votes.routes
import questions_api.watches.routes
from lib.queues import FOLLOW_QUEUE, TALLY_QUEUE
from lib.services import PARTS, services
from questions_api.blueprint import blueprint
from questions_api.following.following import follow_changes
from questions_api.following.forgetting import forget_missing_spaces
from questions_api.following.reconciling import reconcile
from questions_api.people.recounting import RECOUNT_QUEUE, on_recount
from questions_api.people.tallying import on_tally
from questions_api.spaces.probing import probe_of

__all__ = ("RESOURCES", "blueprint")

PARTS.probe_of = probe_of

RESOURCES = (
    *questions_api.spaces.routes.RESOURCES,
    *questions_api.questions.routes.RESOURCES,
    *questions_api.answers.routes.RESOURCES,
    *questions_api.tags.routes.RESOURCES,
    *questions_api.votes.routes.RESOURCES,
    *questions_api.watches.routes.RESOURCES,
    *questions_api.pages.routes.RESOURCES,
    *questions_api.importing.routes.RESOURCES,
    *questions_api.exporting.routes.RESOURCES,
    *questions_api.following.routes.RESOURCES,
    *questions_api.moderation.routes.RESOURCES,
    *questions_api.people.routes.RESOURCES,
)
"""Importing a module of routes registers them on the blueprint; this is what the API's document is made from."""


@blueprint.function_name("follow_changes")
@blueprint.queue_trigger(arg_name="wake", queue_name=FOLLOW_QUEUE, connection="AzureWebJobsStorage")
def on_wake(wake: func.QueueMessage) -> None:
    """Woken after a webhook. The message only says that there is work; the outbox says which."""
    del wake
    follow_changes(services())


@blueprint.function_name("follow_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="15,45 * * * * *", use_monitor=False)
def on_sweep(timer: func.TimerRequest) -> None:
    """Finds what a lost wake left behind."""
    del timer
    follow_changes(services())


@blueprint.function_name("reconcile_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", use_monitor=True)
def on_reconcile(timer: func.TimerRequest) -> None:
    """Compares what is due with Confluence's lists."""
    del timer
    reconcile(services())


@blueprint.function_name("forget_spaces")
@blueprint.timer_trigger(arg_name="timer", schedule="0 25 * * * *", use_monitor=True)
def on_forget_spaces(timer: func.TimerRequest) -> None:
    """Forgets the spaces that have been missing for their time."""
    del timer
    forget_missing_spaces(services())


@blueprint.function_name("tally_points")
@blueprint.queue_trigger(arg_name="wake", queue_name=TALLY_QUEUE, connection="AzureWebJobsStorage")
def on_tally_wake(wake: func.QueueMessage) -> None:
    """Woken after a change of what somebody has earned. The outbox says of which questions."""
    del wake
    on_tally(services())


@blueprint.function_name("tally_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="40 * * * * *", use_monitor=False)
def on_tally_sweep(timer: func.TimerRequest) -> None:
    """Finds what a lost wake left behind."""
    del timer
    on_tally(services())


@blueprint.function_name("recount_nightly")
@blueprint.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", use_monitor=True)
@blueprint.queue_output(arg_name="rest", queue_name=RECOUNT_QUEUE, connection="AzureWebJobsStorage")
def on_recount_night(timer: func.TimerRequest, rest: func.Out[str]) -> None:
    """Compares all counters with the facts, for two minutes; a message asks for the rest."""
    del timer
    if body := on_recount(services(), time.monotonic):
        rest.set(body)


@blueprint.function_name("recount_rest")
@blueprint.queue_trigger(arg_name="message", queue_name=RECOUNT_QUEUE, connection="AzureWebJobsStorage")
@blueprint.queue_output(arg_name="rest", queue_name=RECOUNT_QUEUE, connection="AzureWebJobsStorage")
def on_recount_rest(message: func.QueueMessage, rest: func.Out[str]) -> None:
    """Goes on with a recount where it stopped."""
    if body := on_recount(services(), time.monotonic, message.get_body()):
        rest.set(body)
