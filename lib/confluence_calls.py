"""One call to an installation's Confluence: on whose behalf, with what proof, and what its status means.

A person's calls carry an impersonation token and so are answered by Confluence's own permissions (Atlassian,
"User impersonation for Connect apps"); the app's calls are signed with the tenant's secret. Only the stored
base URL of the installation is ever called.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from lib.config import Settings
from lib.confluence_shapes import ConfluenceRefused, parsed, words_in
from lib.connect_jwt import sign_app_request, sign_impersonation
from lib.errors import Unavailable
from lib.log import Log
from lib.outbound import Answer, Door, OutboundError
from lib.points import PointsBook
from lib.principal import AccountId
from lib.tenancy import Installation, Tenants

_READ_S = 5.0
_WRITE_S = 10.0
_MAX_BYTES = 2_000_000
_LONGEST_WAIT_S = 2
"""How long a read waits for Confluence to take calls again before it gives up."""
_TOKEN_MARGIN_S = 30
_TOKENS_HELD = 20_000
_REFUSALS = frozenset({400, 403, 404, 405, 409, 410, 413, 415, 422})
_AWAY = "Confluence is not answering; try again shortly."

log = Log("lib.confluence")


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf Confluence is asked. `account_id` None is the app itself."""

    installation: Installation
    account_id: AccountId | None


class AccessLostError(Exception):
    """Confluence gives this person no token: deactivated, removed, or without the product."""


@dataclass(slots=True)
class Calls:
    """Makes calls and pays for them. Shared by all threads of a process."""

    settings: Settings
    tenants: Tenants
    door: Door
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    points: PointsBook
    _tokens: dict[tuple[int, int, AccountId], tuple[float, str]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def read(self, caller: Caller, target: str) -> dict[str, Any] | None:
        """The answer's object; None where the caller may not see it, or it is missing.

        Asked again once when Confluence is busy and says it will not be for long.
        """
        try:
            answer = self._send(caller, "GET", target, None)
            if answer.status == 429 and (wait_s := _wait_s(answer)) is not None and wait_s <= _LONGEST_WAIT_S:
                self.sleep(wait_s)
                answer = self._send(caller, "GET", target, None)
        except AccessLostError:
            return None
        if answer.status in {403, 404}:
            return None
        if answer.status == 401 and caller.account_id is not None:
            # The token was good when it was issued: rights or the installation have changed since.
            self._drop_token(caller)
            return None
        if answer.status != 200:
            raise _unavailable(answer)
        found = parsed(answer.body)
        self.points.add(caller.installation.tenant_id, _objects_in(found))
        return found

    def write(self, caller: Caller, method: str, target: str, document: object | None = None) -> dict[str, Any]:
        """The answer's object, empty where there is none. Sent once: whether a lost one was carried out is unknown.

        Raises `ConfluenceRefused` for what Confluence does not do for this caller.
        """
        body = None if document is None else json.dumps(document).encode()
        try:
            answer = self._send(caller, method, target, body)
        except AccessLostError:
            raise ConfluenceRefused(401) from None
        if answer.status == 401 and caller.account_id is not None:
            self._drop_token(caller)
            raise ConfluenceRefused(401)
        if answer.status in _REFUSALS:
            log.warning("confluence_refused", http_status=answer.status)
            raise ConfluenceRefused(answer.status, words_in(answer.body))
        if not 200 <= answer.status < 300:
            raise _unavailable(answer)
        return parsed(answer.body) if answer.body.strip() else {}

    def _send(self, caller: Caller, method: str, target: str, body: bytes | None) -> Answer:
        headers = {"Authorization": self._authorization(caller, method, target)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if method != "GET":
            # REST v1 asks for this of writes, so that no form on another site can make them.
            headers["X-Atlassian-Token"] = "no-check"
        answer = self._request(method, caller.installation.base_url + target, headers, body)
        self.points.spend(caller.installation.tenant_id, 0, answer.headers)
        return answer

    def _request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        try:
            return self.door.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                body=body,
                deadline_s=_READ_S if method == "GET" else _WRITE_S,
                max_bytes=_MAX_BYTES,
                reuse=True,
            )
        except OutboundError as error:
            log.warning("confluence_unreachable", reason=error.reason)
            raise Unavailable(_AWAY) from error

    def _authorization(self, caller: Caller, method: str, target: str) -> str:
        secret = self.tenants.secret(caller.installation)
        if secret is None:
            raise Unavailable
        now = datetime.fromtimestamp(self.clock(), UTC)
        if caller.account_id is None:
            token = sign_app_request(
                secret,
                app_key=self.settings.connect_app_key,
                method=method,
                target_relative_to_base=target,
                audience=caller.installation.client_key,
                now=now,
            )
            return f"JWT {token}"
        return f"Bearer {self._token(caller.installation, caller.account_id, secret, now)}"

    def _token(self, installation: Installation, account_id: AccountId, secret: bytes, now: datetime) -> str:
        key = (installation.tenant_id, installation.secret_version, account_id)
        held = self._tokens.get(key)
        if held is not None and held[0] > self.clock():
            return held[1]
        answer = self._exchange(installation, account_id, secret, now)
        issued = parsed(answer.body)
        try:
            token, lifetime_s = str(issued["access_token"]), float(issued["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise _unavailable(answer) from None
        with self._lock:
            if len(self._tokens) >= _TOKENS_HELD:
                self._tokens.clear()
            self._tokens[key] = (self.clock() + lifetime_s - _TOKEN_MARGIN_S, token)
        return token

    def _exchange(self, installation: Installation, account_id: AccountId, secret: bytes, now: datetime) -> Answer:
        if installation.oauth_client_id is None:
            raise AccessLostError
        assertion = sign_impersonation(
            secret,
            oauth_client_id=installation.oauth_client_id,
            account_id=account_id,
            tenant_base_url=installation.base_url,
            audience=self.settings.atlassian_oauth_url,
            now=now,
        )
        form = urlencode(
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}, quote_via=quote
        )
        answer = self._request(
            "POST",
            f"{self.settings.atlassian_oauth_url}/oauth2/token",
            {"Content-Type": "application/x-www-form-urlencoded"},
            form.encode(),
        )
        if answer.status in {400, 401, 403}:
            raise AccessLostError
        if answer.status != 200:
            raise _unavailable(answer)
        return answer

    def _drop_token(self, caller: Caller) -> None:
        if caller.account_id is not None:
            installation = caller.installation
            self._tokens.pop((installation.tenant_id, installation.secret_version, caller.account_id), None)


def _wait_s(answer: Answer) -> int | None:
    wait = answer.headers.get("retry-after", "")
    return int(wait) if wait.isascii() and wait.isdigit() and len(wait) <= 9 else None


def _unavailable(answer: Answer) -> Unavailable:
    log.warning("confluence_refused", http_status=answer.status)
    wait_s = _wait_s(answer)
    return Unavailable(_AWAY, retry_after_s=5 if wait_s is None else min(wait_s, 60))


def _objects_in(answer: dict[str, Any]) -> int:
    """Objects a read returned, as Atlassian counts them; an answer that is no list is one request."""
    results = answer.get("results")
    return len(results) if isinstance(results, list) else 0
