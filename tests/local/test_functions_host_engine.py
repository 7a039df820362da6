"""Contract of the worker library's internal seam: a new version that moves it must fail here, by name."""

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.utils import threadpool

from local.functions_host.engine import IndexingFailed
from tests.local.processes import ROOT, SAMPLE_APP, host_settings

# Runs the engine alone: one app per process, because the library keeps its registry in module globals.
_PROGRAM = """
import asyncio, dataclasses, json, pathlib, sys
from local.functions_host.engine import Engine, HttpCall, IndexingFailed, Trace

async def main():
    try:
        engine = await Engine.start(pathlib.Path(sys.argv[1]))
    except IndexingFailed as failure:
        return {"refused": failure.message, "trace": failure.stack_trace}
    found = {function.name: function for function in engine.functions}
    trace = Trace("00-" + "a" * 32 + "-" + "b" * 16 + "-01", "vendor=1")
    def call(url):
        return HttpCall("GET", url, {"x-a": "1"}, {"q": "v"}, {"rest": "p"}, b"body")
    echo, failed, cookies = [
        await engine.invoke_http(found[name], call("http://h/x?q=v"), trace) for name in ("echo", "fail", "cookies")
    ]
    many = await engine.invoke_http(
        found["enqueue_many"], HttpCall("POST", "http://h/", {}, {}, {}, b'["a", "b"]'), trace
    )
    queue = await engine.invoke_queue(found["forward"], "hello", {"DequeueCount": 2, "Id": "7"}, trace)
    binary = await engine.invoke_queue(found["forward"], b"\\xff", {}, trace)
    returned = await engine.invoke_queue(found["bury"], b"\\xff", {}, trace)
    timer = await engine.invoke_timer(found["tick"], {"IsPastDue": True, "ScheduleStatus": {"Last": "x"}}, trace)
    engine.stop()
    return {
        "functions": {name: [f.trigger.type, sorted(b.type for b in f.outputs)] for name, f in found.items()},
        "echo": json.loads(echo.http.body),
        "failed": failed.error,
        "cookies": dataclasses.asdict(cookies.http) | {"body": ""},
        "many": many.messages,
        "queue": [[name, json.loads(text)] for name, text in queue.messages],
        "binary": json.loads(binary.messages[0][1])["text"],
        "returned": [[name, body.hex()] for name, body in returned.messages],
        "timer": [[name, json.loads(text)] for name, text in timer.messages],
    }

print("ANSWER " + json.dumps(asyncio.run(main())))
"""


def _engine(app: Path) -> dict[str, object]:
    finished = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(app)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), **host_settings(1)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = next((text for text in finished.stdout.splitlines() if text.startswith("ANSWER ")), None)
    assert line is not None, finished.stderr
    answer: dict[str, object] = json.loads(line.removeprefix("ANSWER "))
    return answer


@pytest.fixture(scope="module")
def answer() -> dict[str, object]:
    return _engine(SAMPLE_APP)


def test_the_pinned_version_is_installed() -> None:
    assert version("azure-functions-runtime") == "1.3.0"


def test_signatures_the_engine_relies_on() -> None:
    assert list(inspect.signature(native_invocation.invocation_request_native).parameters)[:6] == [
        "invocation_id",
        "function_id",
        "inputs",
        "trigger_metadata",
        "trace_parent",
        "trace_state",
    ]
    assert list(inspect.signature(handle_event.worker_init_request).parameters) == ["request"]
    assert list(inspect.signature(handle_event.functions_metadata_request).parameters) == ["request"]
    assert list(inspect.signature(Datum).parameters) == ["value", "type"]
    assert not inspect.signature(threadpool.start_threadpool_executor).parameters


def test_metadata_names_triggers_and_outputs(answer: dict[str, object]) -> None:
    functions = answer["functions"]
    assert isinstance(functions, dict)
    assert functions["echo"] == ["httpTrigger", ["http"]]
    assert functions["enqueue"] == ["httpTrigger", ["http", "queue"]]
    assert functions["forward"] == ["queueTrigger", ["queue"]]
    assert functions["tick"] == ["timerTrigger", ["queue"]]


def test_http_goes_in_and_out(answer: dict[str, object]) -> None:
    echo = answer["echo"]
    assert isinstance(echo, dict)
    assert (echo["url"], echo["headers"], echo["query"]) == ("http://h/x?q=v", {"x-a": "1"}, {"q": "v"})
    assert (echo["params"], echo["body"]) == ({"rest": "p"}, "body")
    assert echo["traceParent"] == "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    cookies = answer["cookies"]
    assert isinstance(cookies, dict)
    assert cookies["status"] == 201
    assert cookies["cookies"] == ["a=1; HttpOnly; Path=/", "b=2; SameSite=None; Secure"]


def test_failures_are_values(answer: dict[str, object]) -> None:
    assert answer["failed"] == "ValueError('on purpose')"


def test_queue_goes_in_and_out(answer: dict[str, object]) -> None:
    queue = answer["queue"]
    assert isinstance(queue, list)
    name, report = queue[0]
    assert name == "report"
    assert (report["text"], report["id"], report["dequeueCount"]) == ("hello", "7", 2)
    assert answer["binary"] == "ÿ"
    assert answer["returned"] == [["$return", "ff"]]
    assert answer["many"] == [["messages", "a"], ["messages", "b"]]


def test_timer_goes_in(answer: dict[str, object]) -> None:
    assert answer["timer"] == [["tick", {"isPastDue": True, "status": {"Last": "x"}}]]


_HEADER = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (_HEADER + "raise RuntimeError('broken at import')\n", "broken at import"),
        (
            _HEADER + "@app.route(route='x')\ndef one(request: func.HttpRequest) -> func.HttpResponse: ...\n",
            "one function",
        ),
        (
            _HEADER
            + "@app.route(route='x')\ndef one(req): ...\n"
            + "@app.function_name('one')\n@app.route(route='y')\ndef two(req): ...\n",
            "unique",
        ),
        (
            _HEADER
            + "@app.blob_trigger(arg_name='b', path='c/d', connection='S')\ndef one(b: func.InputStream): ...\n",
            "blobTrigger",
        ),
        ("import nowhere_to_be_found\n", "nowhere_to_be_found"),
    ],
)
def test_broken_apps_are_refused_with_the_workers_words(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "function_app.py").write_text(source, "utf-8")
    assert said in str(_engine(tmp_path)["refused"])


def test_a_folder_without_app_is_refused(tmp_path: Path) -> None:
    assert str(_engine(tmp_path)["refused"]).startswith("No function_app.py")


def test_indexing_failure_carries_both_texts() -> None:
    failure = IndexingFailed("message", "trace")
    assert (failure.message, failure.stack_trace) == ("message", "trace")
