"""The host put together: from an indexed app to routes, pollers and timers, and from SIGTERM to a clean end."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.functions_host.admin import AdminApi
from local.functions_host.engine import Engine, Function
from local.functions_host.host_json import (
    HostConfigurationError,
    HostSettings,
    QueueEndpoint,
    is_disabled,
    queue_endpoint,
    resolve,
)
from local.functions_host.http_front import HttpFront, Throttle
from local.functions_host.invoking import Invoker
from local.functions_host.outputs import Outputs
from local.functions_host.queue_client import Queue, QueueAccount, is_queue_name
from local.functions_host.queue_poller import QueuePoller
from local.functions_host.routes import RouteTable, compile_route
from local.functions_host.schedules import parse_schedule
from local.functions_host.timers import TimerLoop

log = logging.getLogger("local.functions_host")


Trigger = QueuePoller | TimerLoop


@dataclass(frozen=True, slots=True)
class Host:
    engine: Engine
    front: HttpFront
    invoker: Invoker
    pollers: Sequence[QueuePoller]
    timers: Sequence[TimerLoop]
    accounts: Sequence[QueueAccount]

    def start_triggers(self) -> list[asyncio.Task[None]]:
        triggers: list[Trigger] = [*self.pollers, *self.timers]
        return [asyncio.create_task(trigger.run()) for trigger in triggers]

    def stop_triggers(self) -> None:
        _stop([*self.pollers, *self.timers])

    async def drained(self, triggers: Sequence[asyncio.Task[None]]) -> None:
        """Returns when no poll, message, timer run or hand-fired function is under way."""
        self.stop_triggers()
        if triggers:
            await asyncio.wait(triggers)
        for poller in self.pollers:
            await poller.drained()
        await self.invoker.drained()

    def close(self) -> None:
        for account in self.accounts:
            account.close()
        self.engine.stop()


def build(
    engine: Engine,
    settings: HostSettings,
    environ: Mapping[str, str],
    *,
    status_dir: Path,
    base_url: str,
    host_key: str | None = None,
) -> Host:
    """Raises HostConfigurationError or RouteError when a binding cannot be served."""
    functions = {function.name: function for function in engine.functions if not is_disabled(function.name, environ)}
    accounts: dict[QueueEndpoint, QueueAccount] = {}
    outputs = Outputs(_output_queues(functions, environ, accounts), base64_text=settings.queues.base64)
    invoker = Invoker(engine, outputs)
    pollers = [
        QueuePoller(function, _queue(function, environ, accounts), settings.queues, invoke=invoker.queue)
        for function in _triggered_by(functions, "queueTrigger")
    ]
    timers = [
        TimerLoop(
            function,
            parse_schedule(resolve(function.trigger.text("schedule"), environ)),
            invoke=invoker.timer,
            status_dir=status_dir,
        )
        for function in _triggered_by(functions, "timerTrigger")
    ]

    def wake(queue: str) -> None:
        for poller in pollers:
            if poller.queue_name == queue:
                poller.wake()

    outputs.wake = wake
    admin = AdminApi(functions, invoker, lambda: _stop([*pollers, *timers]), base_url)
    front = HttpFront(
        settings.http,
        _routes(functions, settings.http.route_prefix, environ),
        functions,
        invoker,
        Throttle(settings.http),
        admin.answer,
        host_key,
    )
    return Host(engine, front, invoker, pollers, timers, list(accounts.values()))


def _stop(triggers: Sequence[Trigger]) -> None:
    for trigger in triggers:
        trigger.stop()


def _triggered_by(functions: Mapping[str, Function], trigger: str) -> list[Function]:
    return [function for function in functions.values() if function.trigger.type == trigger]


def _routes(functions: Mapping[str, Function], prefix: str, environ: Mapping[str, str]) -> RouteTable:
    routes = []
    for function in _triggered_by(functions, "httpTrigger"):
        template = resolve(function.trigger.text("route", function.name), environ).strip("/")
        methods = function.trigger.properties.get("methods") or ()
        full = f"{prefix}/{template}" if prefix else template
        routes.append(compile_route(function.name, full, [str(method) for method in methods]))
        log.info("%s: %s /%s", function.name, ",".join(sorted(routes[-1].methods)), full)
    return RouteTable(routes)


def _queue(function: Function, environ: Mapping[str, str], accounts: dict[QueueEndpoint, QueueAccount]) -> Queue:
    queue = _bound_queue(function.name, function.trigger.properties, environ, accounts)
    log.info("%s: queue %s", function.name, queue.name)
    return queue


def _output_queues(
    functions: Mapping[str, Function], environ: Mapping[str, str], accounts: dict[QueueEndpoint, QueueAccount]
) -> dict[tuple[str, str], Queue]:
    return {
        (function.name, binding.name): _bound_queue(function.name, binding.properties, environ, accounts)
        for function in functions.values()
        for binding in function.outputs
        if binding.type == "queue"
    }


def _bound_queue(
    function: str,
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    accounts: dict[QueueEndpoint, QueueAccount],
) -> Queue:
    name = resolve(str(properties.get("queueName", "")), environ).lower()
    if not is_queue_name(name):
        raise HostConfigurationError(f"{function}: {name!r} is not a queue name the local host can bind.")
    endpoint = queue_endpoint(str(properties.get("connection") or ""), environ)
    if endpoint not in accounts:
        accounts[endpoint] = QueueAccount(endpoint)
    return Queue(accounts[endpoint], name)
