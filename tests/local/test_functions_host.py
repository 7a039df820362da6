"""The host as a process: the real worker library, the real queue service, plain HTTP."""

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from local.functions_host.engine import Engine
from local.functions_host.host_json import Hsts, HttpSettings
from local.functions_host.http_front import MAX_BODY_BYTES, HttpFront, Throttle
from local.functions_host.invoking import Invoker
from local.functions_host.outputs import Outputs
from local.functions_host.routes import RouteTable
from local.ports import free_port
from tests.local.processes import (
    ROOT,
    SAMPLE_APP,
    Server,
    connection_string,
    eventually,
    functions_host,
    queue_service,
    raw_queue,
    text_queue,
)


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with queue_service(tmp_path_factory.mktemp("queues")) as server:
        yield server


@pytest.fixture(scope="module")
def host(queues: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with functions_host(tmp_path_factory.mktemp("host"), queues.port) as server:
        yield server


def _request(
    server: Server, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Got(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def _raw(server: Server, request: bytes) -> Got:
    """For what http.client refuses to send: repeated headers and the like."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        got = Got(response.status, response.getheaders(), response.read())
        response.close()
        return got


def _next_report(queues: Server, text: str, name: str = "sample-out") -> dict[str, Any]:
    """The first report about the message `text`; reports about others stay in their queue."""
    client = text_queue(queues.port, name)

    def read() -> dict[str, Any] | None:
        try:
            found = list(client.receive_messages(max_messages=32, visibility_timeout=1))
        except ResourceNotFoundError:
            return None
        for message in found:
            report: dict[str, Any] = json.loads(message.content)
            if report.get("text") == text:
                client.delete_message(message)
                return report
        return None

    return eventually(read)


def test_sync_and_async_functions_answer(host: Server) -> None:
    for path in ("/ping", "/ping-async", "/PING/"):
        got = _request(host, "GET", path)
        assert (got.status, got.body, got.header("content-type")) == (200, b"pong", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/items/5", {"by": "id", "id": "5"}),
        ("/Items/5/Part%20A", {"by": "id", "id": "5", "part": "Part A"}),
        ("/items/bob", {"by": "name", "name": "bob"}),
        ("/items/latest", {"by": "literal"}),
    ],
)
def test_routes(host: Server, path: str, expected: dict[str, str]) -> None:
    assert _request(host, "GET", path).json() == expected


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/ping", 404),
        ("HEAD", "/ping", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/items/bob/x", 404),
        ("GET", "/fail", 500),
        ("GET", "/nothing", 500),
        ("GET", "/leave", 500),
        ("POST", "/enqueue-nowhere", 500),
        ("GET", "/admin/nowhere", 404),
    ],
)
def test_errors_have_empty_bodies(host: Server, method: str, path: str, status: int) -> None:
    got = _request(host, method, path)
    assert (got.status, got.body, got.header("content-length")) == (status, b"", "0")
    assert _request(host, "GET", "/ping").status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/echo/a%2Fb/c%20d%7E~?b=1&a=%7e+x%20y&a=2&empty=&flag",
        "/echo/x?z=1&y=%2B&x=caf%C3%A9",
        "/echo/%E2%82%AC?jwt=a.b-c_d",
        "/echo",
    ],
)
def test_the_url_is_the_raw_target(host: Server, target: str) -> None:
    assert _request(host, "GET", target).json()["url"] == f"{host.url}{target}"


def test_query_and_header_rules(host: Server) -> None:
    got = _raw(
        host,
        b"GET /echo/?b=1&a=%7e+x&A=2&empty=&flag&b=&c=%C3%A9 HTTP/1.1\r\nHost: example.test\r\n"
        b"X-Twice: one\r\nx-tWICE: two\r\nX-Empty:\r\nConnection: close\r\n\r\n",
    ).json()
    assert got["query"] == {"b": "1", "a": "~ x,2", "c": "é"}
    assert got["headers"]["x-twice"] == "one,two"
    assert got["headers"]["x-empty"] == ""
    assert got["url"].startswith("http://example.test/echo/?b=1&a=%7e+x&A=2")
    assert got["params"] == {}


def test_bodies(host: Server) -> None:
    assert _request(host, "POST", "/echo/x", b"\x00\xff body").json()["body"] == "\x00ÿ body"
    chunked = b"POST /echo/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlost\r\n0\r\n\r\n"
    # Without HTTP streaming the real host hands over no chunked body.
    assert _raw(host, chunked).json()["body"] == ""


def test_half_a_body_runs_nothing(host: Server, queues: Server) -> None:
    with socket.create_connection(("127.0.0.1", host.port), timeout=10) as connection:
        connection.sendall(b"POST /enqueue HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf a message")
    assert _request(host, "POST", "/enqueue", b"whole").status == 202
    _next_report(queues, "whole")
    # Reading reports hides the others for a second.
    time.sleep(1.2)
    reports = text_queue(queues.port, "sample-out").peek_messages(32)
    assert not [message for message in reports if "half a message" in message.content]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("//echo/x", 404),
        ("/echo/x?a=b?c&d=/e", 200),
        ("/echo/%00", 200),
        ("/echo/../ping", 200),
        ("/a/../admin/x", 404),
    ],
)
def test_unusual_targets(host: Server, target: str, status: int) -> None:
    assert _request(host, "GET", target).status == status


def test_body_limit(host: Server) -> None:
    head = f"POST /echo/x HTTP/1.1\r\nHost: h\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode()
    got = _raw(host, head)
    assert (got.status, got.body) == (413, b"")


def test_trace_parent_is_passed_or_created(host: Server) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert _request(host, "GET", "/echo/", headers={"traceparent": given}).json()["traceParent"] == given
    created = {_request(host, "GET", "/echo/", headers={"traceparent": bad}).json()["traceParent"] for bad in ("", "x")}
    assert len(created) == 2
    assert all(len(value) == 55 and value.startswith("00-") for value in created)


def test_settings_reach_the_app(host: Server) -> None:
    got = _request(host, "GET", "/echo/").json()
    assert (got["greeting"], got["folder"]) == ("hello", str(SAMPLE_APP))


def test_custom_headers_yield_to_the_function(host: Server) -> None:
    got = _request(host, "GET", "/cookies")
    assert got.status == 201
    assert [value for name, value in got.headers if name == "set-cookie"] == [
        "a=1; HttpOnly; Path=/",
        "b=2; SameSite=None; Secure",
    ]
    assert (got.header("cache-control"), got.header("x-content-type-options")) == ("max-age=5", "nosniff")
    missing = _request(host, "GET", "/nowhere")
    assert (missing.header("cache-control"), missing.header("x-content-type-options")) == ("no-store", "nosniff")
    assert missing.header("strict-transport-security") is None
    assert missing.header("server") is None


@pytest.mark.parametrize(
    ("scheme", "name", "expected"),
    [
        ("https", b"app.example.test", "max-age=60"),
        ("https", b"app.example.test:8443", "max-age=60"),
        ("https", b"localhost:7071", None),
        ("https", b"127.0.0.1:7071", None),
        ("http", b"app.example.test", None),
    ],
)
def test_hsts_is_for_https_names_only(scheme: str, name: bytes, expected: str | None) -> None:
    settings = HttpSettings("", None, None, (), Hsts(60, include_subdomains=False, preload=False))
    invoker = Invoker(Engine((), object), Outputs({}, base64_text=True))
    front = HttpFront(settings, RouteTable([]), {}, invoker, Throttle(settings), lambda *_: None)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"scheme": scheme, "method": "GET", "raw_path": b"/x", "query_string": b"", "headers": [(b"host", name)]}
    asyncio.run(front(scope, receive, send))

    headers = dict(sent[0]["headers"])
    assert headers.get(b"strict-transport-security") == (expected and expected.encode())


def test_queue_output_reaches_the_trigger_and_its_output(host: Server, queues: Server) -> None:
    assert _request(host, "POST", "/enqueue", "grüß 1".encode()).status == 202

    report = _next_report(queues, "grÃ¼Ã\x9f 1")

    assert report["dequeueCount"] == 1
    assert report["hasReceipt"] is True
    assert report["insertedAt"].endswith("+00:00")
    assert report["expiresAt"] > report["insertedAt"]


def test_several_messages_from_one_output(host: Server, queues: Server) -> None:
    assert _request(host, "POST", "/enqueue-many", b'["one", "two"]').status == 202
    contents = [message.content for message in text_queue(queues.port, "sample-many").peek_messages(5)]
    assert contents == ["one", "two"]


def test_the_sdk_may_send_to_the_trigger(host: Server, queues: Server) -> None:
    client = text_queue(queues.port, "sample-dead-poison")
    client.create_queue()
    client.send_message("rest in peace")
    buried = text_queue(queues.port, "sample-buried")
    assert eventually(lambda: _peek(buried)) == ["rest in peace"]


def _peek(client: Any) -> list[str] | None:
    try:
        return [message.content for message in client.peek_messages(5)] or None
    except ResourceNotFoundError:
        return None


def test_failing_message_is_poisoned_after_three_tries(host: Server, queues: Server) -> None:
    assert _request(host, "POST", "/enqueue", b"fail 3 times").status == 202
    poison = text_queue(queues.port, "sample-in-poison")
    assert eventually(lambda: _peek(poison)) == ["fail 3 times"]
    assert raw_queue(queues.port, "sample-in").peek_messages(5) == []
    assert host.log.read_text("utf-8").count("Executed forward: failed") >= 3


def test_admin_lists_states_and_fires(host: Server, queues: Server) -> None:
    assert _request(host, "GET", "/admin/host/ping").status == 200
    assert _request(host, "GET", "/admin/host/status").json()["state"] == "Running"
    listed = {function["name"]: function for function in _request(host, "GET", "/admin/functions").json()}
    assert {"ping_sync", "ping_async", "forward", "bury", "tick", "enqueue"} <= set(listed)
    assert listed["forward"]["config"]["bindings"][0]["queueName"] == "%SAMPLE_IN_QUEUE%"

    fired = _request(host, "POST", "/admin/functions/Forward", b'{"input": "by hand"}')
    assert (fired.status, fired.body) == (202, b"")
    assert _next_report(queues, "by hand")["dequeueCount"] == 1
    assert _request(host, "POST", "/admin/functions/tick", b"{}").status == 202
    ticks = text_queue(queues.port, "sample-ticks")
    assert json.loads(eventually(lambda: _peek(ticks))[0]) == {"isPastDue": False, "status": {}}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("nobody", b"{}", 404), ("ping_sync", b"{}", 400), ("forward", b"{", 400), ("forward", b"[]", 400)],
)
def test_firing_refuses(host: Server, name: str, body: bytes, status: int) -> None:
    assert _request(host, "POST", f"/admin/functions/{name}", body).status == status


def test_landing_page(host: Server) -> None:
    got = _request(host, "GET", "/")
    assert (got.status, got.header("content-type")) == (200, "text/html; charset=utf-8")


def test_throttles_from_overrides(queues: Server, tmp_path: Path) -> None:
    limits = {
        "AzureFunctionsJobHost__extensions__http__maxOutstandingRequests": "3",
        "AzureFunctionsJobHost__extensions__http__maxConcurrentRequests": "1",
    }
    with functions_host(tmp_path, queues.port, settings=limits) as server:
        results: list[tuple[int, float]] = []

        def call() -> None:
            started = time.monotonic()
            results.append((_request(server, "GET", "/slow?s=0.4").status, time.monotonic() - started))

        threads = [threading.Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        after = _request(server, "GET", "/ping").status

    assert sorted(status for status, _ in results) == [200, 200, 200, 429, 429, 429]
    # One at a time: the third waited for two others.
    assert max(took_s for status, took_s in results if status == 200) >= 1.2
    assert after == 200


def test_keys_are_asked_when_wanted(queues: Server, tmp_path: Path) -> None:
    with functions_host(tmp_path, queues.port, "--host-key", "k3y") as server:
        key = {"x-functions-key": "k3y"}
        answers = [
            _request(server, "GET", "/keyed"),
            _request(server, "GET", "/keyed?code=wrong"),
            _request(server, "GET", "/keyed?code=k3y", headers={"x-functions-key": "wrong"}),
            _request(server, "GET", "/keyed?code=k3y"),
            _request(server, "GET", "/keyed", headers=key),
            _request(server, "GET", "/ping"),
            _request(server, "GET", "/admin/functions"),
            _request(server, "GET", "/admin/functions", headers=key),
        ]
    assert [got.status for got in answers] == [401, 401, 401, 200, 200, 200, 401, 200]
    assert answers[0].body == b""


def test_drain_stops_polling_and_keeps_http(tmp_path: Path) -> None:
    with queue_service(tmp_path) as queues, functions_host(tmp_path, queues.port) as server:
        assert _request(server, "GET", "/admin/host/drain/status").json()["state"] == "Disabled"
        assert _request(server, "POST", "/admin/host/drain").status == 202
        assert _request(server, "POST", "/enqueue", b"stays").status == 202
        time.sleep(1)
        assert [m.content for m in text_queue(queues.port, "sample-in").peek_messages()] == ["stays"]
        assert _request(server, "GET", "/admin/host/drain/status").json()["state"] == "Completed"
        assert _request(server, "GET", "/ping").status == 200
        assert server.stop() == 0


def test_sigterm_lets_work_in_flight_finish(tmp_path: Path) -> None:
    with queue_service(tmp_path) as queues, functions_host(tmp_path, queues.port) as server:
        assert _request(server, "POST", "/enqueue", b"sleep 1.5").status == 202
        got: list[Got] = []
        caller = threading.Thread(target=lambda: got.append(_request(server, "GET", "/slow?s=1.5")))
        caller.start()
        time.sleep(0.7)
        assert raw_queue(queues.port, "sample-in").peek_messages() == [], "the message is not in flight yet"
        started = time.monotonic()

        code = server.stop()

        took_s = time.monotonic() - started
        caller.join(10)
        assert code == 0
        assert 0.3 < took_s < 8
        assert [(answer.status, answer.body) for answer in got] == [(200, b"late")]
        assert raw_queue(queues.port, "sample-in").get_queue_properties().approximate_message_count == 0
        assert _next_report(queues, "sleep 1.5")["dequeueCount"] == 1
        with pytest.raises(ConnectionRefusedError):
            _request(server, "GET", "/ping")


def test_work_that_outlasts_the_drain_is_cut_with_an_error_code(tmp_path: Path) -> None:
    with (
        queue_service(tmp_path) as queues,
        functions_host(tmp_path, queues.port, "--drain-seconds", "0.5") as server,
    ):
        assert _request(server, "POST", "/admin/functions/forward", b'{"input": "sleep 30"}').status == 202
        time.sleep(0.3)
        started = time.monotonic()
        assert server.stop() == 1
        assert time.monotonic() - started < 5


@pytest.mark.faults
def test_a_killed_host_leaves_its_message_for_the_next(tmp_path: Path) -> None:
    with queue_service(tmp_path) as queues:
        with functions_host(tmp_path, queues.port) as server:
            assert _request(server, "POST", "/enqueue", b"sleep 5").status == 202
            time.sleep(0.7)
            server.kill()
        assert raw_queue(queues.port, "sample-in").get_queue_properties().approximate_message_count == 1


def test_timer_runs_on_its_schedule_and_past_due_after_a_stop(tmp_path: Path) -> None:
    with queue_service(tmp_path) as queues:
        ticks = text_queue(queues.port, "sample-ticks")
        with functions_host(tmp_path, queues.port, settings={"SAMPLE_SCHEDULE": "*/1 * * * * *"}) as server:
            assert json.loads(eventually(lambda: _peek(ticks))[0]) == {"isPastDue": False, "status": {}}
            assert server.stop() == 0
        status = tmp_path / "timers" / "tick.json"
        assert not status.exists(), "a schedule below a minute is not monitored"
        status.parent.mkdir()
        status.write_text(
            json.dumps(
                {
                    "Last": "2026-01-01T00:00:00+00:00",
                    "Next": "2026-01-01T01:00:00+00:00",
                    "LastUpdated": "2026-01-01T00:00:00+00:00",
                }
            ),
            "utf-8",
        )
        ticks.clear_messages()
        with functions_host(tmp_path, queues.port, settings={"SAMPLE_SCHEDULE": "0 0 * * * *"}):
            tick = json.loads(eventually(lambda: _peek(ticks))[0])
            # The status follows the run, so the message may be seen first.
            assert eventually(lambda: "2026-01-01T00" not in json.loads(status.read_text("utf-8"))["Last"] or None)
    assert tick["isPastDue"] is True
    assert tick["status"]["Next"] == "2026-01-01T01:00:00+00:00"


def test_disabled_functions_are_absent(queues: Server, tmp_path: Path) -> None:
    settings = {"AzureWebJobs.ping_sync.Disabled": "true", "AzureWebJobs_forward_Disabled": "true"}
    with functions_host(tmp_path, queues.port, settings=settings) as server:
        assert _request(server, "GET", "/ping").status == 404
        assert _request(server, "GET", "/ping-async").status == 200
        names = {function["name"] for function in _request(server, "GET", "/admin/functions").json()}
    assert "ping_sync" not in names
    assert "forward" not in names


_HEADER = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("source", "settings", "said"),
    [
        ("raise RuntimeError('broken at import')\n", {}, "RuntimeError: broken at import"),
        (
            _HEADER + "@app.route(route='{x:odd}')\ndef one(req: func.HttpRequest) -> func.HttpResponse: ...\n",
            {},
            "'odd' in 'api/{x:odd}' is not known",
        ),
        (
            _HEADER
            + "@app.queue_trigger(arg_name='m', queue_name='%MISSING%', connection='AzureWebJobsStorage')\n"
            + "def one(m: func.QueueMessage) -> None: ...\n",
            {"AzureWebJobsStorage": connection_string(1)},
            "names the setting MISSING",
        ),
    ],
)
def test_an_app_that_cannot_start_says_why(tmp_path: Path, source: str, settings: dict[str, str], said: str) -> None:
    (tmp_path / "function_app.py").write_text(source, "utf-8")
    finished = subprocess.run(
        [sys.executable, "-m", "local.functions_host", "--port", str(free_port()), "--app", str(tmp_path)],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 1
    assert said in finished.stderr
