"""One invocation from trigger to effect: run the function, then write its outputs; count what is in flight."""

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.functions_host.engine import Engine, Function, HttpCall, Result, Trace
from local.functions_host.host_json import HostConfigurationError
from local.functions_host.outputs import Outputs
from local.functions_host.queue_client import QueueFailure

log = logging.getLogger("local.functions_host")

_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Invoker:
    """An output that cannot be written fails the invocation, so whoever triggered it sees the failure."""

    def __init__(self, engine: Engine, outputs: Outputs) -> None:
        self._engine = engine
        self._outputs = outputs
        self._background: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.in_flight = 0

    async def drained(self) -> None:
        await self._idle.wait()

    async def http(self, function: Function, call: HttpCall) -> Result:
        trace = Trace(call.headers.get("traceparent", ""), call.headers.get("tracestate", ""))
        if _TRACE_PARENT.fullmatch(trace.parent) is None:
            trace = new_trace()
        return await self._run(function, lambda: self._engine.invoke_http(function, call, trace))

    async def queue(self, function: Function, body: str | bytes, metadata: Mapping[str, Any]) -> Result:
        return await self._run(function, lambda: self._engine.invoke_queue(function, body, metadata, new_trace()))

    async def timer(self, function: Function, timer: Mapping[str, Any]) -> Result:
        return await self._run(function, lambda: self._engine.invoke_timer(function, timer, new_trace()))

    def fire(self, function: Function, text: str) -> None:
        """Starts a queue or timer function by hand and returns at once; its failure is in the log only."""
        if function.trigger.type == "timerTrigger":
            work = self.timer(
                function, {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
            )
        else:
            work = self.queue(function, text, {"DequeueCount": 1, "QueueTrigger": text})
        task = asyncio.create_task(_forget(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _run(self, function: Function, start: Callable[[], Awaitable[Result]]) -> Result:
        with self._counted():
            result = await start()
            if result.error is not None:
                log.error("Executed %s: failed, %s", function.name, result.error)
                return result
            try:
                await self._outputs.write(function, result.messages)
            except (QueueFailure, OSError, HostConfigurationError) as error:
                log.error("Executed %s: its output was not written, %r", function.name, error)
                return Result(error=repr(error))
            return result

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()


async def _forget(work: Awaitable[Result]) -> None:
    await work


def new_trace() -> Trace:
    """https://www.w3.org/TR/trace-context/: version 00, random ids, sampled."""
    return Trace(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")
