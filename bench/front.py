"""The local stack with the app in this process: requests are answered one at a time, at a time that the bench sets.

Confluence is the full simulator, with the people, rights and points it has; webhooks are dropped, and what they and
the queues would set off runs only when it is called.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.measuring import DATA, ROOT
from bench.site import fresh_folder
from lib.services import services
from local.confluence.cast import ALICE, BOB, CAROL, DAVE
from local.functions_host.engine import Engine, HttpCall, Trace
from local.functions_host.routes import Match, RouteTable, compile_route
from local.person import Answered, Person, send
from local.seed import wait_until_installed
from local.stack import Ports, Stack, running

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(slots=True)
class Front:
    """The app as its callers see it. `now_s` is what its caches take for the time: they age only when it moves."""

    stack: Stack
    engine: Engine
    runner: asyncio.Runner
    alice: Person
    bob: Person
    carol: Person
    dave: Person
    now_s: float = field(default_factory=time.monotonic)
    _routes: RouteTable = field(init=False)

    def __post_init__(self) -> None:
        http = [one for one in self.engine.functions if one.trigger.type == "httpTrigger"]
        self._routes = RouteTable([compile_route(one.name, one.trigger.text("route"), _METHODS) for one in http])
        shared = services()
        for cache in (shared.tenants, shared.spaces, shared.grants):
            cache.clock = lambda: self.now_s

    def send(self, person: Person | None, method: str, path: str, body: object = None) -> Answered:
        """One request, as the page of that person sends it; without a person, as anybody."""
        headers = {"host": "127.0.0.1"}
        if person is not None:
            headers["authorization"] = f"JWT {person.token()}"
        data = b""
        if body is not None:
            data, headers["content-type"] = json.dumps(body).encode(), "application/json"
        return self._exchange(method, path, headers, data)

    def function_of(self, method: str, path: str) -> str:
        """The name of the function that answers it."""
        return self._match(method, path).function

    def _match(self, method: str, path: str) -> Match:
        match = self._routes.match(method, path.partition("?")[0])
        if match is None:
            raise RuntimeError(f"no function for {path}")
        return match

    def _exchange(self, method: str, path: str, headers: dict[str, str], data: bytes) -> Answered:
        match = self._match(method, path)
        function = next(one for one in self.engine.functions if one.name == match.function)
        call = HttpCall(method, f"http://127.0.0.1{path}", headers, {}, match.params, data)
        result = self.runner.run(self.engine.invoke_http(function, call, Trace()))
        if result.http is None:
            raise RuntimeError(f"{method} {path}: {result.error}")
        return Answered(result.http.status, dict(result.http.headers), _parsed(result.http.body))

    def do(self, person: Person, method: str, path: str, body: object = None) -> Any:
        """The body of a request to our API that must succeed."""
        answer = self.send(person, method, f"/api/v1{path}", body)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def points(self) -> int:
        """What the app's calls have cost on the first site in this hour."""
        return int(send("GET", f"{self.stack.site_one}/_sim/points").body["used"])


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


@contextmanager
def opened(name: str) -> Iterator[Front]:
    """The stack with the app installed; then the app's own process ends and this one answers in its place."""
    fresh_folder(name)
    stack = Stack(DATA / name, Ports.free(), {"RATE_LIMIT_FACTOR": "1000"}, logs_to_files=True)
    with running(stack), asyncio.Runner() as runner:
        wait_until_installed(stack.site_one)
        wait_until_installed(stack.site_two)
        stack.stop_one("app")
        send("POST", f"{stack.site_one}/_sim/outage", body={"webhooks": "drop"})
        os.environ.update(stack.settings())
        engine = runner.run(Engine.start(ROOT))
        alice, bob, carol, dave = (
            Person(account, stack.site_one, stack.app_url) for account in (ALICE, BOB, CAROL, DAVE)
        )
        try:
            yield Front(stack, engine, runner, alice, bob, carol, dave)
        finally:
            engine.stop()
            services().database.engine.dispose()
