"""HTTP functions of the sample app."""

import json
import os
import time
from pathlib import Path
from typing import List  # noqa: UP035 - the worker refuses Out[list[str]]

import azure.functions as func

bp = func.Blueprint()


def _answer(value: object) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(value), mimetype="application/json")


@bp.route(route="ping", methods=["GET"])
def ping_sync(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")


@bp.route(route="ping-async", methods=["GET"])
async def ping_async(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("pong")


@bp.route(route="items/{id:int}/{part?}", methods=["GET"])
def item(req: func.HttpRequest) -> func.HttpResponse:
    return _answer({"by": "id", **req.route_params})


@bp.route(route="items/{name}", methods=["GET"])
def item_by_name(req: func.HttpRequest) -> func.HttpResponse:
    return _answer({"by": "name", **req.route_params})


@bp.route(route="items/latest", methods=["GET"])
def item_latest(req: func.HttpRequest) -> func.HttpResponse:
    return _answer({"by": "literal"})


@bp.route(route="echo/{*rest}", methods=["GET", "POST", "PUT"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return _answer(
        {
            "method": req.method,
            "url": req.url,
            "headers": dict(req.headers),
            "query": dict(req.params),
            "params": dict(req.route_params),
            "body": req.get_body().decode("latin-1"),
            "traceParent": context.trace_context.trace_parent,
            "greeting": os.environ.get("SAMPLE_GREETING"),
            "folder": str(Path.cwd()),
        }
    )


@bp.route(route="cookies", methods=["GET"])
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse("", status_code=201, headers={"Cache-Control": "max-age=5"})
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    answer.headers.add("Set-Cookie", "b=2; SameSite=None; Secure")
    return answer


@bp.route(route="fail", methods=["GET"])
def fail(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("on purpose")


@bp.route(route="leave", methods=["GET"])
def leave(req: func.HttpRequest) -> func.HttpResponse:
    raise SystemExit(3)


@bp.route(route="nothing", methods=["GET"])
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]


@bp.route(route="slow", methods=["GET"])
def slow(req: func.HttpRequest) -> func.HttpResponse:
    time.sleep(float(req.params["s"]))
    return func.HttpResponse("late")


@bp.route(route="keyed", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")


@bp.route(route="enqueue", methods=["POST"])
@bp.queue_output(arg_name="message", queue_name="%SAMPLE_IN_QUEUE%", connection="AzureWebJobsStorage")
def enqueue(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
    message.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@bp.route(route="enqueue-many", methods=["POST"])
@bp.queue_output(arg_name="messages", queue_name="sample-many", connection="AzureWebJobsStorage")
def enqueue_many(req: func.HttpRequest, messages: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006
    messages.set(req.get_json())
    return func.HttpResponse(status_code=202)


@bp.route(route="enqueue-nowhere", methods=["POST"])
@bp.queue_output(arg_name="message", queue_name="sample-nowhere", connection="UnreachableStorage")
def enqueue_nowhere(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
    message.set("lost")
    return func.HttpResponse(status_code=202)
