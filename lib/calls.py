"""One request that brought proof, as handlers see it: who calls, what the path names, and the database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lib.authentication import Identity, Request
from lib.confluence import Caller
from lib.connect_jwt import VerifiedClaims
from lib.errors import Forbidden, NotFound, Unauthenticated
from lib.etags import version_of
from lib.principal import AccountId, ContentId, Principal, SpaceId, TenantId
from lib.services import Services
from lib.telemetry import Trace
from lib.tenancy import Installation

MAX_PATH_TEXT = 200
_DECIMAL = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_MAX_ID = 2**63 - 1
_ACCOUNT = re.compile(r"[A-Za-z0-9:-]{1,128}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SLASH = re.compile("%2f", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """Path values that cannot be what they stand for do not exist: they are `NotFound`, like an unknown one."""

    services: Services
    request: Request
    identity: Identity | None
    """None on public addresses only."""
    trace: Trace

    @property
    def now(self) -> datetime:
        return self.request.received_at

    @property
    def claims(self) -> VerifiedClaims:
        if self.identity is None:
            raise Unauthenticated
        return self.identity.claims

    @property
    def installation(self) -> Installation:
        if self.identity is None or self.identity.installation is None:
            raise Unauthenticated
        return self.identity.installation

    @property
    def tenant_id(self) -> TenantId:
        return self.installation.tenant_id

    @property
    def account_id(self) -> AccountId:
        if self.identity is None or self.identity.claims.account_id is None:
            raise Forbidden("Sign in to Confluence to use this.")
        return self.identity.claims.account_id

    def check_signed_in(self) -> None:
        """`Forbidden` for a visitor without an account."""
        _ = self.account_id

    @property
    def principal(self) -> Principal:
        return Principal(self.tenant_id, self.account_id)

    @property
    def caller(self) -> Caller:
        return Caller(self.installation, self.account_id)

    @property
    def if_match(self) -> int | None:
        """The version that the change is conditional on; None where the caller names none."""
        return version_of(self.request.headers.get("if-match", "*"))

    def content_id(self, name: str) -> ContentId:
        return ContentId(self.path_id(name))

    def space_id(self, name: str) -> SpaceId:
        return SpaceId(self.path_id(name))

    def path_id(self, name: str) -> int:
        text = self.request.path_values.get(name, "")
        if not _DECIMAL.fullmatch(text) or int(text) > _MAX_ID:
            raise NotFound
        return int(text)

    def account_in_path(self, name: str) -> AccountId:
        text = self.request.path_values.get(name, "")
        if not _ACCOUNT.fullmatch(text):
            raise NotFound
        return AccountId(text)

    def path_text(self, name: str) -> str:
        """Text in the path, decoded: never empty, of 200 characters at most, without control characters.

        The host has decoded the value already, but for an encoded slash, which it keeps (as ASP.NET does).
        """
        text = _SLASH.sub("/", self.request.path_values.get(name, ""))
        if not text or len(text) > MAX_PATH_TEXT or _CONTROLS.search(text):
            raise NotFound
        return text

    def read[T](self, work: Callable[[Session], T]) -> T:
        return self.services.read(work, tenant_id=self.tenant_id)

    def write[T](self, work: Callable[[Session], T]) -> T:
        return self.services.write(work, trace=self.trace, tenant_id=self.tenant_id)
