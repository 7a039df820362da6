"""The only module that knows the worker library azure-functions-runtime: start, metadata, invoke.

`native_invocation` is an internal seam of that library, pinned to one exact version. Seven facts are relied on
and held by a contract test: the thread pool's start, the attribute-bag namespace that stands in for protobuf,
the init request, the metadata answer, the native invocation's arguments and result, the Datum shapes, and
that trigger metadata is typed json.
"""

import json
import logging
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SUPPORTED_BINDINGS = frozenset({"httpTrigger", "http", "queueTrigger", "queue", "timerTrigger"})

log = logging.getLogger("local.functions_host")


class IndexingFailed(Exception):
    """The worker refused the app; carries its message and stack trace."""

    def __init__(self, message: str, stack_trace: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.stack_trace = stack_trace


@dataclass(frozen=True, slots=True)
class Binding:
    """`properties` are the binding's JSON as the worker reports it to the host."""

    type: str
    name: str
    is_output: bool
    properties: Mapping[str, Any]

    def text(self, key: str, default: str = "") -> str:
        value = self.properties.get(key)
        return default if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    id: str
    trigger: Binding
    outputs: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class HttpCall:
    """`headers` have lower-case names; `url` is absolute and holds the raw request target."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Trace:
    parent: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """`messages` are what queue outputs got, by binding name, in order; `error` is set when the function failed."""

    http: HttpAnswer | None = None
    messages: tuple[tuple[str, str | bytes], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """One app per process: the worker library keeps its registry in module globals."""

    functions: tuple[Function, ...]
    _datum: type = field(repr=False)

    @staticmethod
    async def start(app_dir: Path) -> "Engine":
        """Imports function_app.py and indexes it; raises IndexingFailed with the worker's words."""
        # First, so that this app's modules win over another function_app.py in the current folder.
        sys.path.insert(0, str(app_dir))
        # Not at the top: the library reads the environment on import, and the settings are loaded before this.
        import azure_functions_runtime as worker
        from azure_functions_runtime.bindings.datumdef import Datum

        # One INFO line per invocation would drown the app's own log.
        logging.getLogger("azure.functions").setLevel(logging.WARNING)
        worker.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
        request = SimpleNamespace(
            request=SimpleNamespace(worker_init_request=init),
            properties={"host": "127.0.0.1", "protos": _protobuf_stand_in()},
        )
        started = await worker.worker_init_request(request)
        if started.result.status != 1:
            raise IndexingFailed(started.result.exception.message, started.result.exception.stack_trace)
        metadata = (await worker.functions_metadata_request(request)).function_metadata_results
        if metadata is None:
            raise IndexingFailed(f"No function_app.py in {app_dir}.")
        return Engine(tuple(_function(entry) for entry in metadata), Datum)

    @staticmethod
    def stop() -> None:
        """Returns once the functions running in the thread pool have returned."""
        import azure_functions_runtime as worker

        worker.stop_threadpool_executor()

    async def invoke_http(self, function: Function, call: HttpCall, trace: Trace) -> Result:
        datum = self._datum
        value = {
            "method": datum(call.method, "string"),
            "url": datum(call.url, "string"),
            "headers": {name: datum(text, "string") for name, text in call.headers.items()},
            "query": {name: datum(text, "string") for name, text in call.query.items()},
            "params": {name: datum(text, "string") for name, text in call.params.items()},
            "body": datum(call.body, "bytes"),
        }
        return await self._invoke(function, datum(value, "http"), {}, trace)

    async def invoke_queue(
        self, function: Function, body: str | bytes, metadata: Mapping[str, Any], trace: Trace
    ) -> Result:
        """`metadata` values must be serialisable as JSON: the worker's converters have no integer kind."""
        typed = {name: self._datum(json.dumps(value), "json") for name, value in metadata.items()}
        return await self._invoke(
            function, self._datum(body, "string" if isinstance(body, str) else "bytes"), typed, trace
        )

    async def invoke_timer(self, function: Function, timer: Mapping[str, Any], trace: Trace) -> Result:
        return await self._invoke(function, self._datum(json.dumps(timer), "json"), {}, trace)

    async def _invoke(self, function: Function, value: Any, metadata: Mapping[str, Any], trace: Trace) -> Result:
        from azure_functions_runtime.native_invocation import invocation_request_native

        try:
            ok, returned, outputs, error, _ = await invocation_request_native(
                str(uuid.uuid4()),
                function.id,
                [(function.trigger.name, value)],
                metadata,
                trace.parent,
                trace.state,
            )
        except SystemExit as exit_request:
            # The cloud restarts a worker that exits; the message or request it ran counts as failed.
            ok, returned, outputs, error = False, None, [], repr(exit_request)
        if not ok:
            return Result(error=error or "unknown error")
        return _result(function, [("$return", returned), *outputs])


def _result(function: Function, outputs: Sequence[tuple[str, Any]]) -> Result:
    http_names = {binding.name for binding in function.outputs if binding.type == "http"}
    http: HttpAnswer | None = None
    messages: list[tuple[str, str | bytes]] = []
    for name, datum in outputs:
        if datum is None or datum.type is None:
            continue
        if datum.type == "http":
            http = _http_answer(datum.value)
        elif name in http_names:
            http = HttpAnswer(200, (("content-type", "text/plain; charset=utf-8"),), (), str(datum.value).encode())
        else:
            messages.extend((name, message) for message in _messages(datum))
    return Result(http, tuple(messages))


def _http_answer(value: Mapping[str, Any]) -> HttpAnswer:
    jars: Sequence[SimpleCookie] = value.get("cookies") or ()
    return HttpAnswer(
        status=int(value["status_code"].value),
        headers=tuple((name, datum.value) for name, datum in value["headers"].items()),
        cookies=tuple(morsel.OutputString() for jar in jars for morsel in jar.values()),
        body=value["body"].value,
    )


def _messages(datum: Any) -> list[str | bytes]:
    """A string or bytes is one message; JSON is one {id, body}, or a list mixing strings and such objects."""
    if datum.type in {"string", "bytes"}:
        return [datum.value]
    value = json.loads(datum.value) if datum.type == "json" else datum.value
    return [_message_text(item) for item in (value if isinstance(value, list) else [value])]


def _message_text(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and item.keys() == {"id", "body"}:
        return str(item["body"])
    return json.dumps(item)


def _function(metadata: Any) -> Function:
    bindings = [_binding(json.loads(text)) for text in metadata.raw_bindings]
    unknown = sorted({binding.type for binding in bindings} - SUPPORTED_BINDINGS)
    if unknown:
        raise IndexingFailed(f"{metadata.name}: the local host does not serve the bindings {', '.join(unknown)}.")
    trigger = next((binding for binding in bindings if binding.type.endswith("Trigger")), None)
    if trigger is None:
        raise IndexingFailed(f"{metadata.name}: a function needs a trigger.")
    if metadata.retry_options is not None:
        log.warning("%s: its retry policy is not applied by the local host", metadata.name)
    outputs = tuple(binding for binding in bindings if binding.is_output)
    return Function(metadata.name, metadata.function_id, trigger, outputs)


def _binding(properties: Mapping[str, Any]) -> Binding:
    is_output = str(properties.get("direction", "")).upper() == "OUT"
    return Binding(str(properties["type"]), str(properties["name"]), is_output, properties)


def _protobuf_stand_in() -> SimpleNamespace:
    """Plays the protobuf module: bags that keep their keyword arguments, and the few constants that are read."""
    names = (
        "RpcFunctionMetadata",
        "RpcRetryOptions",
        "WorkerMetadata",
        "WorkerInitResponse",
        "FunctionMetadataResponse",
        "FunctionLoadResponse",
        "RpcException",
    )
    namespace = SimpleNamespace(**dict.fromkeys(names, SimpleNamespace))
    namespace.BindingInfo = type("BindingInfo", (SimpleNamespace,), {"inout": 2, "out": 1, "undefined": 0})
    namespace.StatusResult = type("StatusResult", (SimpleNamespace,), {"Failure": 0, "Success": 1})
    return namespace
