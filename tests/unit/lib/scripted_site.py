"""A Confluence site and its authorisation server behind the one door, answering what a test has written down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from lib.config import read_settings
from lib.confluence import Caller, Confluence
from lib.outbound import Answer, Door, OutboundError
from lib.points import PointsBook
from lib.principal import AccountId, ClientKey, TenantId
from lib.tenancy import Installation, InstallationState, Tenants
from tests.factories import ENVIRONMENT, QUESTION_TYPE
from tests.fakes import Clock
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB

BASE = "https://acme.atlassian.net/wiki"
OAUTH = "https://oauth-2-authorization-server.services.atlassian.com"
STARTED_S = 1_795_000_000.0

INSTALLATION = Installation(
    tenant_id=TenantId(1),
    client_key=ClientKey(ACME_KEY),
    base_url=BASE,
    display_url="https://elsewhere.example.org",
    oauth_client_id="client-of-acme",
    state=InstallationState.ACTIVE,
    permission_epoch=0,
    restriction_epoch=0,
    is_licensed=True,
    secret_version=1,
    key_salt=b"s" * 32,
)
AS_ALICE = Caller(INSTALLATION, AccountId(ALICE))
AS_BOB = Caller(INSTALLATION, AccountId(BOB))
AS_APP = Caller(INSTALLATION, None)
OPERATIONS = {"operations": [{"operation": "read", "targetType": QUESTION_TYPE}]}
ITEM = {
    "id": "70001",
    "type": QUESTION_TYPE,
    "status": "current",
    "spaceId": "65537",
    "title": "A secret title",
    "authorId": ALICE,
    "createdAt": "2026-11-24T10:00:00.123Z",
}


@dataclass(frozen=True)
class Sent:
    """One request as it passed the door."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def document(self) -> object:
        return json.loads(self.body or b"null")

    @property
    def target(self) -> str:
        """The address below the site's base."""
        return self.url.removeprefix(BASE)


@dataclass(slots=True, repr=False)
class ScriptedSite:
    """A door behind which a site and its authorisation server stand; tokens are numbered as they are issued."""

    answer: tuple[int, object] = (200, OPERATIONS)
    first_answers: list[tuple[int, object, dict[str, str]]] = field(default_factory=list)
    """Answered one after the other, before `answer`."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    token_answer: tuple[int, object] | None = None
    lifetime_s: int = 900
    broken: str | None = None
    sent: list[Sent] = field(default_factory=list)
    issued: int = 0

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        **_limits: object,
    ) -> Answer:
        self.sent.append(Sent(method, url, dict(headers or {}), body))
        if self.broken is not None:
            raise OutboundError(self.broken)
        if url.endswith("/oauth2/token"):
            return self._token()
        if self.first_answers:
            status, content, headers = self.first_answers.pop(0)
            return Answer(status, headers, _bytes(content), 1)
        status, content = self.answer
        return Answer(status, self.answer_headers, _bytes(content), 1)

    def _token(self) -> Answer:
        self.issued += 1
        token = {"access_token": f"user-token-{self.issued}", "expires_in": self.lifetime_s, "token_type": "Bearer"}
        status, content = self.token_answer or (200, token)
        return Answer(status, self.answer_headers, _bytes(content), 1)

    @property
    def calls(self) -> list[Sent]:
        """What reached the site itself."""
        return [sent for sent in self.sent if not sent.url.endswith("/oauth2/token")]

    @property
    def reads(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.method == "GET"]


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


@dataclass(frozen=True, slots=True)
class Secrets:
    """The tenants' secrets as far as the client asks for them."""

    known: bytes | None = ACME_SECRET.encode()

    def secret(self, _: Installation) -> bytes | None:
        return self.known


def over(site: ScriptedSite, clock: Clock, secrets: Secrets | None = None) -> Confluence:
    settings = read_settings(ENVIRONMENT)
    known = cast("Tenants", secrets or Secrets())
    return Confluence(settings, known, cast("Door", site), clock, clock.pass_, PointsBook(clock))
