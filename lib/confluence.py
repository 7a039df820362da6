"""The only Confluence client: a few reads, as a person or as the app.

A person's calls carry an impersonation token and so are answered by Confluence's own permissions (Atlassian,
"User impersonation for Connect apps"); the app's calls are signed with the tenant's secret. Only the stored
base URL of the installation is ever called. What a person may not see answers None, as does what is missing.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

from lib.config import Settings
from lib.connect_jwt import sign_app_request, sign_impersonation
from lib.errors import Unavailable
from lib.log import Log
from lib.outbound import Answer, Door, OutboundError
from lib.principal import AccountId, ContentId, SpaceId
from lib.tenancy import Installation, Tenants

ContentKind = Literal["question", "answer", "vote", "tag"]
ContainerKind = Literal["space", "page", "blogpost", "content"]

_TIMEOUT_S = 5.0
_MAX_BYTES = 2_000_000
_MAX_IDS = 250
"""Values of `id` in one list request (Confluence REST v2)."""
_TOKEN_MARGIN_S = 30
_TOKENS_HELD = 20_000

log = Log("lib.confluence")


@dataclass(frozen=True, slots=True)
class Content:
    """A custom content item as Confluence answered it. The title is for sending on, never for storing."""

    id: ContentId
    type: str
    status: str
    space_id: SpaceId
    container_kind: ContainerKind
    container_id: int
    author_id: AccountId
    created_at: datetime
    title: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf Confluence is asked. `account_id` None is the app itself."""

    installation: Installation
    account_id: AccountId | None


class AccessLostError(Exception):
    """Confluence gives this person no token: deactivated, removed, or without the product."""


def content_type(app_key: str, kind: ContentKind) -> str:
    """The permanent name of one of our custom content types."""
    return f"ac:{app_key}:cq-{kind}"


@dataclass(slots=True)
class Confluence:
    """Reads from every installation's Confluence. Shared by all threads of a process."""

    settings: Settings
    tenants: Tenants
    door: Door
    clock: Callable[[], float] = time.time
    _tokens: dict[tuple[int, int, AccountId], tuple[float, str]] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def type_of(self, kind: ContentKind) -> str:
        return content_type(self.settings.connect_app_key, kind)

    def content(self, caller: Caller, content_id: ContentId) -> Content | None:
        """One item, or None where the caller may not see it."""
        answer = self._get(caller, f"/api/v2/custom-content/{content_id}")
        return None if answer is None else _content(answer)

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        """Those of the items that the caller may see, in one request for each 250."""
        wanted = list(dict.fromkeys(ids))
        found: dict[ContentId, Content] = {}
        for start in range(0, len(wanted), _MAX_IDS):
            batch = wanted[start : start + _MAX_IDS]
            query = [("type", self.type_of(kind)), ("limit", str(_MAX_IDS)), *(("id", str(item)) for item in batch)]
            answer = self._get(caller, f"/api/v2/custom-content?{urlencode(query)}")
            for item in _items(answer or {}, "results"):
                content = _content(item)
                if content.type == self.type_of(kind):
                    found[content.id] = content
        return found

    def space_operations(self, caller: Caller, space_id: SpaceId) -> frozenset[tuple[str, str]] | None:
        """(operation, target type) pairs the caller may do in the space; None where it may not see the space."""
        answer = self._get(caller, f"/api/v2/spaces/{space_id}/operations")
        if answer is None:
            return None
        return frozenset(
            (str(item.get("operation")), str(item.get("targetType"))) for item in _items(answer, "operations")
        )

    def space_kind(self, caller: Caller, space_id: SpaceId) -> str | None:
        """`global`, `personal`, …; None where the caller may not see the space."""
        answer = self._get(caller, f"/api/v2/spaces/{space_id}")
        return None if answer is None else str(answer.get("type"))

    def is_administrator(self, caller: Caller) -> bool:
        """Whether the person administers this Confluence."""
        answer = self._get(caller, "/rest/api/user/current?expand=operations")
        return any(
            item.get("operation") == "administer" and item.get("targetType") == "application"
            for item in _items(answer or {}, "operations")
        )

    def question_address(self, installation: Installation, question_id: ContentId) -> str:
        """Where people open the question; names neither space nor title."""
        return f"{installation.base_url}/pages/viewpage.action?pageId={question_id}"

    def _get(self, caller: Caller, target: str) -> Any:
        try:
            authorization = self._authorization(caller, target)
        except AccessLostError:
            return None
        answer = self._send("GET", caller.installation.base_url + target, {"Authorization": authorization})
        if answer.status in {403, 404}:
            return None
        if answer.status == 401 and caller.account_id is not None:
            # The token was good when it was issued: rights or the installation have changed since.
            self._drop_token(caller)
            return None
        if answer.status != 200:
            raise _unavailable(answer)
        return _parsed(answer)

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        try:
            return self.door.request(
                method,
                url,
                headers={"Accept": "application/json", **headers},
                body=body,
                deadline_s=_TIMEOUT_S,
                max_bytes=_MAX_BYTES,
                reuse=True,
            )
        except OutboundError as error:
            log.warning("confluence_unreachable", reason=error.reason)
            raise Unavailable("Confluence is not answering; try again shortly.") from error

    def _authorization(self, caller: Caller, target: str) -> str:
        secret = self.tenants.secret(caller.installation)
        if secret is None:
            raise Unavailable
        now = datetime.fromtimestamp(self.clock(), UTC)
        if caller.account_id is None:
            token = sign_app_request(
                secret,
                app_key=self.settings.connect_app_key,
                method="GET",
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
        answer = self._send(
            "POST",
            f"{self.settings.atlassian_oauth_url}/oauth2/token",
            {"Content-Type": "application/x-www-form-urlencoded"},
            form.encode(),
        )
        if answer.status in {400, 401, 403}:
            raise AccessLostError
        if answer.status != 200:
            raise _unavailable(answer)
        issued = _parsed(answer)
        try:
            token, lifetime_s = str(issued["access_token"]), float(issued["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise _unavailable(answer) from None
        with self._lock:
            if len(self._tokens) >= _TOKENS_HELD:
                self._tokens.clear()
            self._tokens[key] = (self.clock() + lifetime_s - _TOKEN_MARGIN_S, token)
        return token

    def _drop_token(self, caller: Caller) -> None:
        if caller.account_id is not None:
            installation = caller.installation
            self._tokens.pop((installation.tenant_id, installation.secret_version, caller.account_id), None)


def _unavailable(answer: Answer) -> Unavailable:
    log.warning("confluence_refused", http_status=answer.status)
    wait = answer.headers.get("retry-after", "")
    return Unavailable(
        "Confluence is not answering; try again shortly.",
        retry_after_s=min(int(wait), 60) if wait.isascii() and wait.isdigit() else 5,
    )


def _parsed(answer: Answer) -> dict[str, Any]:
    try:
        parsed = json.loads(answer.body)
    except ValueError as error:
        raise Unavailable from error
    if not isinstance(parsed, dict):
        raise Unavailable
    return parsed


def _items(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects listed under the name; absent or null is an empty list (an anonymous answer has no operations)."""
    listed = answer.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise Unavailable("Confluence answered in a form this app does not know.")
    return listed


_CONTAINERS: tuple[tuple[str, ContainerKind], ...] = (
    ("customContentId", "content"),
    ("pageId", "page"),
    ("blogPostId", "blogpost"),
)


def _content(item: dict[str, Any]) -> Content:
    try:
        space_id = SpaceId(int(item["spaceId"]))
        kind, container_id = next(
            ((kind, int(item[name])) for name, kind in _CONTAINERS if item.get(name)), ("space", int(space_id))
        )
        return Content(
            id=ContentId(int(item["id"])),
            type=str(item["type"]),
            status=str(item["status"]),
            space_id=space_id,
            container_kind=kind,
            container_id=container_id,
            author_id=AccountId(str(item["authorId"])),
            created_at=datetime.fromisoformat(str(item["createdAt"])),
            title=str(item.get("title", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("Confluence answered in a form this app does not know.") from error
