"""The host's own endpoints under /admin: state, ping, list and fire functions, drain.

Rule: https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.functions_host.engine import Function
from local.functions_host.http_front import Reply
from local.functions_host.invoking import Invoker


@dataclass(slots=True)
class AdminApi:
    """`drain` stops polling and timers, and lets HTTP go on, as the platform does before it takes a host down."""

    functions: Mapping[str, Function]
    invoker: Invoker
    drain: Callable[[], None]
    base_url: str
    _is_draining: bool = False
    _started_at: float = field(default_factory=time.monotonic)

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        """None when there is nothing of the host's at that path and method."""
        if found := re.fullmatch(r"/admin/functions/([^/]+)", path, re.IGNORECASE):
            return self._function(method, found[1], body)
        match method, path.lower().rstrip("/"):
            case (("GET" | "POST"), "/admin/host/ping"):
                return Reply(200)
            case "GET", "/admin/host/status":
                return _json(200, self._status())
            case "GET", "/admin/functions":
                return _json(200, [self._describe(function) for function in self.functions.values()])
            case "POST", "/admin/host/drain":
                self._is_draining = True
                self.drain()
                return Reply(202)
            case "GET", "/admin/host/drain/status":
                return _json(200, {"state": self._drain_state(), "outstandingInvocations": self.invoker.in_flight})
        return None

    def _function(self, method: str, name: str, body: bytes) -> Reply | None:
        function = next((known for known in self.functions.values() if known.name.lower() == name.lower()), None)
        if function is None:
            return None
        if method == "GET":
            return _json(200, self._describe(function))
        if method != "POST":
            return None
        if function.trigger.type == "httpTrigger":
            return _json(400, {"message": "An HTTP function is called by its own route."})
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return _json(400, {"message": "The body must be a JSON object with the field input."})
        if not isinstance(request, dict):
            return _json(400, {"message": "The body must be a JSON object with the field input."})
        given = request.get("input", "")
        self.invoker.fire(function, given if isinstance(given, str) else json.dumps(given))
        return Reply(202)

    def _status(self) -> dict[str, Any]:
        return {
            "id": f"local-{os.getpid()}",
            "state": "Running",
            "version": "4.0.0-local",
            "processUptime": int((time.monotonic() - self._started_at) * 1000),
            "functions": len(self.functions),
            "errors": [],
        }

    def _drain_state(self) -> str:
        if not self._is_draining:
            return "Disabled"
        return "InProgress" if self.invoker.in_flight else "Completed"

    def _describe(self, function: Function) -> dict[str, Any]:
        bindings = [function.trigger.properties, *(output.properties for output in function.outputs)]
        return {
            "name": function.name,
            "language": "python",
            "href": f"{self.base_url}/admin/functions/{function.name}",
            "isDisabled": False,
            "config": {"name": function.name, "bindings": bindings},
        }


def _json(status: int, value: Any) -> Reply:
    return Reply(status, (("content-type", "application/json; charset=utf-8"),), json.dumps(value).encode())
