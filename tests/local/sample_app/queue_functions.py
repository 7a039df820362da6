"""Queue and timer functions of the sample app."""

import json
import time

import azure.functions as func

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="%SAMPLE_IN_QUEUE%", connection="AzureWebJobsStorage")
@bp.queue_output(arg_name="report", queue_name="sample-out", connection="AzureWebJobsStorage")
def forward(message: func.QueueMessage, report: func.Out[str]) -> None:
    text = message.get_body().decode("latin-1")
    if text.startswith("fail"):
        raise ValueError("on purpose")
    if text.startswith("sleep "):
        time.sleep(float(text.removeprefix("sleep ")))
    inserted_at = message.insertion_time
    expires_at = message.expiration_time
    report.set(
        json.dumps(
            {
                "text": text,
                "id": message.id,
                "dequeueCount": message.dequeue_count,
                "insertedAt": inserted_at.isoformat() if inserted_at else None,
                "expiresAt": expires_at.isoformat() if expires_at else None,
                "hasReceipt": bool(message.pop_receipt),
            }
        )
    )


@bp.queue_trigger(arg_name="message", queue_name="sample-dead-poison", connection="AzureWebJobsStorage")
@bp.queue_output(arg_name="$return", queue_name="sample-buried", connection="AzureWebJobsStorage")
async def bury(message: func.QueueMessage) -> bytes:
    if message.get_body() == b"fail":
        raise ValueError("on purpose")
    return message.get_body()


@bp.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@bp.queue_output(arg_name="tick", queue_name="sample-ticks", connection="AzureWebJobsStorage")
def tick(timer: func.TimerRequest, tick: func.Out[str]) -> None:
    # The worker gives more than the abstract type declares.
    status = timer.schedule_status  # type: ignore[attr-defined]
    tick.set(json.dumps({"isPastDue": timer.past_due, "status": status}))
