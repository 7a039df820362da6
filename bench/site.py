"""A site to measure on: the app's own host and database, an installation put there directly, a Confluence stand-in.

The stand-in grants everybody everything. It answers only what the app asks when its caches are cold, so what is
measured is the app; the full simulator takes part in `bench.events` and behind `bench.front`.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import override

import jwt
from sqlalchemy.orm import Session

from bench.measuring import DATA, SERVER_CPU, pin
from lib.config import read_settings
from lib.confluence import Content
from lib.principal import AccountId, ClientKey, ContentId, Principal, SpaceId, TenantId
from lib.services import Services, build
from lib.sql import Database, new_id
from lib.tenancy import Installation, InstallationRow, InstallationState, store_secret, view
from local.stack import Ports, Stack
from questions_api.posts import register_question

CLIENT_KEY = ClientKey("bench-client-key")
SECRET = "bench-secret-of-forty-characters-or-more-00"
SPACE = SpaceId(65537)
QUESTION_TYPE = "ac:community-questions:cq-question"
ASKER, READER = "557058:asker-0000", "557058:reader-0000"
CHAT_FUNCTIONS = ("notify_relay", "notify_sweep", "notify_deliver", "notify_poison", "notify_retention")
OTHER_FUNCTIONS = (
    *("follow_changes", "follow_sweep", "forget_spaces", "purge_expired", "reconcile_sweep"),
    *("recount_nightly", "recount_rest", "tally_points", "tally_sweep"),
)
"""Queue and timer functions."""

_FIRST_ID = 1_000_001


class _StandIn(BaseHTTPRequestHandler):
    """Grants everything to everybody."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({"access_token": "bench", "expires_in": 900, "token_type": "Bearer"})

    def do_GET(self) -> None:
        if "/custom-content/" in self.path:
            self._answer(self._question(self.path.partition("?")[0].rpartition("/")[2]))
            return
        types = ("cq-question", "cq-vote", "cq-tag")
        everything = [
            {"operation": operation, "targetType": f"ac:community-questions:{name}"}
            for operation in ("read", "create", "delete")
            for name in types
        ]
        self._answer({"operations": everything, "type": "global"})

    @staticmethod
    def _question(content_id: str) -> dict[str, object]:
        place = {"id": content_id, "spaceId": str(SPACE), "type": QUESTION_TYPE, "status": "current"}
        return {**place, "authorId": ASKER, "createdAt": "2026-01-05T09:00:00.000Z", "title": "-"}

    def _answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a line for each request would be part of what is measured."""


@contextmanager
def stand_in() -> Iterator[str]:
    """The stand-in's origin, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _StandIn)
    threading.Thread(target=server.serve_forever, name="stand-in", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True, slots=True)
class MeasuredSite:
    """An installed site. `services` are the bench's own, on the same database and keys as the host's."""

    stack: Stack
    services: Services
    installation: Installation
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def tenant_id(self) -> TenantId:
        return self.installation.tenant_id

    @property
    def pid(self) -> int:
        return self.stack.pid("app")

    def principal(self, account_id: str) -> Principal:
        return Principal(self.tenant_id, AccountId(account_id))

    def request(self, method: str, path: str, account_id: str = READER, body: object = None) -> str:
        """A request to our API as it goes over the wire."""
        token = self.tokens.setdefault(account_id, context_token(account_id))
        return wire(method, f"/api/v1{path}", token, body)


def context_token(account_id: str) -> str:
    """A context token as the product signs it, good for nearly an hour."""
    now = int(time.time())
    claims = {"iss": CLIENT_KEY, "sub": account_id, "iat": now, "exp": now + 3500, "qsh": "context-qsh"}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def wire(method: str, path: str, token: str, body: object = None) -> str:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: JWT {token}\r\n"
    if body is None:
        return f"{head}\r\n"
    text = json.dumps(body)
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"


def install(services: Services, base_url: str) -> Installation:
    now = datetime.now(UTC)

    def work(session: Session) -> Installation:
        row = InstallationRow(
            tenant_id=new_id(now),
            client_key=CLIENT_KEY,
            base_url=base_url,
            oauth_client_id="bench-client",
            state=InstallationState.ACTIVE,
            permission_epoch=0,
            secret_version=0,
            key_salt=os.urandom(32),
            last_issued_at=now,
            installed_at=now,
        )
        session.add(row)
        session.flush()
        store_secret(session, services.keyring, row, SECRET, now=now)
        return view(row)

    return services.database.write(work)


def ask(database: Database, tenant_id: TenantId, count: int) -> list[ContentId]:
    """Registers questions, two tags on each; their ids, the oldest first."""
    now = datetime.now(UTC)
    ids = [ContentId(_FIRST_ID + number) for number in range(count)]

    def work(session: Session) -> None:
        for number, question_id in enumerate(ids):
            created_at = now - timedelta(minutes=count - number)
            content = Content(
                question_id, QUESTION_TYPE, "current", SPACE, "space", int(SPACE), AccountId(ASKER), created_at, "-"
            )
            register_question(session, tenant_id, content, tags=("howto", f"tag-{number % 7}"), now=now)
            session.flush()

    database.write(work, tenant_id=tenant_id)
    return ids


def fresh_folder(name: str) -> None:
    shutil.rmtree(DATA / name, ignore_errors=True)
    (DATA / name).mkdir(parents=True)


@contextmanager
def prepared(
    name: str, extra: Mapping[str, str] | None = None, reached: tuple[str, ...] = ()
) -> Iterator[MeasuredSite]:
    """An installed site in a database just made; nothing of the app runs yet. It may call the origins in `reached`."""
    fresh_folder(name)
    with stand_in() as origin:
        stack = Stack(
            DATA / name,
            Ports.free(),
            {
                "ATLASSIAN_OAUTH_URL": f"{origin}/oauth",
                "ATLASSIAN_ALLOWED_HOSTS": origin,
                "OUTBOUND_LOCAL_ORIGINS": ",".join((origin, *reached)),
                # A few people ask here for what thousands would.
                "RATE_LIMIT_FACTOR": "1000",
                **(extra or {}),
            },
            logs_to_files=True,
        )
        stack.migrate()
        services = build(read_settings(stack.settings()))
        try:
            yield MeasuredSite(stack, services, install(services, f"{origin}/wiki"))
        finally:
            stack.stop()
            services.database.engine.dispose()


def only_http() -> dict[str, str]:
    """Settings that switch queue and timer functions off: in the cloud they run in processes of their own."""
    return _without(*CHAT_FUNCTIONS, *OTHER_FUNCTIONS)


def only_chat() -> dict[str, str]:
    """The same for those that have nothing to do with chat."""
    return _without(*OTHER_FUNCTIONS)


def _without(*functions: str) -> dict[str, str]:
    return {f"AzureWebJobs.{name}.Disabled": "1" for name in functions}


def start_app(site: MeasuredSite) -> None:
    """Queue service and Functions host up, the host on its core."""
    for name in ("queues", "app"):
        site.stack.start_one(name)
    for name in ("queues", "app"):
        site.stack.wait_for(name)
    pin(site.pid, SERVER_CPU)


def stop_process(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
