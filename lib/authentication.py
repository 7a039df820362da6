"""Who calls: a verified token and the installation it belongs to, for the two kinds signed with a shared secret.

An unknown installation costs the same work as a known one and gets the same answer (chat-and-security E3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lib.connect_jwt import (
    DUMMY_SECRET,
    TokenKind,
    TokenRefused,
    VerifiedClaims,
    peek_issuer,
    token_from,
    verify_shared,
)
from lib.services import Services
from lib.tenancy import Installation, InstallationState

_ACTIVE = (InstallationState.ACTIVE,)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it arrived. `target` is the raw path and query, `headers` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    path_values: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """The proof a request brought. `installation` is None for install tokens: it may not exist yet."""

    claims: VerifiedClaims
    installation: Installation | None


def authenticate_context(services: Services, request: Request) -> Identity:
    """A token from our own page inside Confluence: header only, with the fixed hash."""
    return _authenticate(services, request, TokenKind.CONTEXT)


def authenticate_request(services: Services, request: Request) -> Identity:
    """A token bound to this very request: frames and webhooks."""
    return _authenticate(services, request, TokenKind.REQUEST)


def authenticate_notice(services: Services, request: Request) -> Identity:
    """Like `authenticate_request`, for `enabled` and `disabled`: a disabled installation may be enabled again."""
    states = (InstallationState.ACTIVE, InstallationState.DISABLED)
    return _authenticate(services, request, TokenKind.REQUEST, states)


def _authenticate(
    services: Services, request: Request, kind: TokenKind, states: tuple[InstallationState, ...] = _ACTIVE
) -> Identity:
    token = token_from(request.headers, request.target, query_allowed=kind is TokenKind.REQUEST)
    issuer = peek_issuer(token)
    installation = services.tenants.by_client_key(issuer)
    try:
        return _verified(services, request, kind, token, _in_state(installation, states))
    except TokenRefused as refused:
        if refused.reason != "signature":
            raise
        # The secret may have been rotated by another instance within the seconds we believe our copy.
        fresh = services.tenants.by_client_key(issuer, fresh=True)
        if fresh == installation:
            raise
        return _verified(services, request, kind, token, _in_state(fresh, states))


def _in_state(installation: Installation | None, states: tuple[InstallationState, ...]) -> Installation | None:
    return installation if installation is not None and installation.state in states else None


def _verified(
    services: Services, request: Request, kind: TokenKind, token: str, installation: Installation | None
) -> Identity:
    secret = services.tenants.secret(installation) if installation is not None else None
    claims = verify_shared(
        token,
        kind=kind,
        secret=secret or DUMMY_SECRET,
        method=request.method,
        raw_target=request.target,
        now=request.received_at,
    )
    if secret is None:
        raise TokenRefused("issuer")
    return Identity(claims, installation)
