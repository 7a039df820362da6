"""Requests to the API inside the test's own process: the real routes and rules, without a socket between."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import azure.functions as func

from lib.services import Services
from lib.web import Resource
from tests.tokens import context_token

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Reached:
    """Status, lower-case headers and parsed JSON (or text) of one answer."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Edge:
    """The routes over these services. `install` puts the services where the edge looks for them."""

    services: Services
    resources: Sequence[Resource]
    now: Callable[[], datetime]
    client_key: str
    secret: str

    def request(
        self, account: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Reached:
        """A call of `account` to `path` under /api/v1, with a good token."""
        token = context_token(self.now(), client_key=self.client_key, secret=self.secret, account_id=account)
        given = {"Authorization": f"JWT {token}", **(headers or {})}
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            given["Content-Type"] = "application/json"
        resource, values = self._route(path.partition("?")[0])
        request = func.HttpRequest(
            method, f"https://cq.example.com/api/v1{path}", headers=given, route_params=values, body=data
        )
        answer = resource.respond(request, None)
        return Reached(
            answer.status_code,
            {name.lower(): value for name, value in answer.headers.items()},
            _parsed(answer.get_body()),
        )

    def _route(self, path: str) -> tuple[Resource, dict[str, str]]:
        """The most literal route that fits, as the platform chooses it."""
        parts = path.strip("/").split("/")
        found = [
            (sum(part.startswith("{") for part in pattern), resource, pattern)
            for resource in self.resources
            if _fits(pattern := resource.route.removeprefix("api/v1/").split("/"), parts)
        ]
        assert found, f"no route for {path}"
        _, resource, pattern = min(found, key=lambda one: one[0])
        values = {
            _PARAMETER.fullmatch(name).group(1): unquote(part)  # type: ignore[union-attr]
            for name, part in zip(pattern, parts, strict=True)
            if name.startswith("{")
        }
        return resource, values


def _fits(pattern: list[str], parts: list[str]) -> bool:
    return len(pattern) == len(parts) and all(
        name.startswith("{") or name == part for name, part in zip(pattern, parts, strict=True)
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
