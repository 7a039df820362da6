"""Atlassian's own services around the sites: install keys and the user-impersonation token endpoint."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import jwt
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.confluence.callers import issue_access_token
from local.confluence.installation import Installation, enabled_installation
from local.confluence.people import Site, find_person
from local.confluence.simulator import Simulator
from local.confluence.tokens import Claims, unverified_claim, verify_hs256

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_PREFIX = "urn:atlassian:connect:clientid:"
ACCOUNT_PREFIX = "urn:atlassian:connect:useraccountid:"
ACCESS_TOKEN_LIFETIME_S = 900
MAX_ASSERTION_LIFETIME_S = 60
GRANTABLE = frozenset({"READ", "WRITE", "DELETE", "SPACE_ADMIN", "ADMIN", "ACT_AS_USER"})


class GrantRefused(Exception):
    """An OAuth error of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Grant:
    token: str
    scopes: frozenset[str]


def oauth_base(site: Site) -> str:
    """The audience of assertions sent to this origin."""
    return f"{site.origin}/_atlassian/oauth"


def _installation_of(sim: Simulator, issuer: str) -> tuple[Site, Installation]:
    client_id = issuer.removeprefix(CLIENT_PREFIX)
    for site in sim.sites:
        installation = enabled_installation(sim.storage, site)
        if (
            installation is not None
            and issuer == CLIENT_PREFIX + client_id == CLIENT_PREFIX + installation.oauth_client_id
        ):
            return site, installation
    raise GrantRefused("invalid_client", "the issuer is not an installed app", 401)


def _verified(assertion: str, installation: Installation, audience: str) -> Claims:
    try:
        claims = verify_hs256(assertion, installation.shared_secret, audience=audience)
    except jwt.InvalidTokenError as error:
        raise GrantRefused("invalid_client", f"the assertion is not valid: {type(error).__name__}", 401) from error
    issued, expires = claims["iat"], claims["exp"]
    if (
        not isinstance(issued, int)
        or not isinstance(expires, int)
        or not 0 < expires - issued <= MAX_ASSERTION_LIFETIME_S
    ):
        raise GrantRefused("invalid_grant", "the assertion may live for at most 60 seconds")
    if issued < time.time() - MAX_ASSERTION_LIFETIME_S:
        raise GrantRefused("invalid_grant", "the assertion is too old")
    return claims


def _scopes(wanted: str | None, installation: Installation) -> frozenset[str]:
    granted = installation.app.scopes & GRANTABLE
    if "ACT_AS_USER" not in granted:
        raise GrantRefused("unauthorized_client", "the app does not have the scope ACT_AS_USER")
    if not wanted:
        return granted
    chosen = frozenset(wanted.split())
    if not chosen <= granted:
        raise GrantRefused("invalid_scope", f"not granted: {' '.join(sorted(chosen - granted))}")
    return chosen


def grant(sim: Simulator, called: Site, form: Mapping[str, str]) -> Grant:
    """Exchanges an assertion for a person's access token, or raises GrantRefused."""
    if form.get("grant_type") != GRANT_TYPE:
        raise GrantRefused("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
    assertion = form.get("assertion", "")
    try:
        issuer = unverified_claim(assertion, "iss")
    except jwt.InvalidTokenError as error:
        raise GrantRefused("invalid_request", "assertion is not a token") from error
    site, installation = _installation_of(sim, issuer)
    if sim.outage(site).oauth or sim.outage(called).oauth:
        raise GrantRefused("temporarily_unavailable", "the service is not available", 503)
    claims = _verified(assertion, installation, oauth_base(called))
    if claims.get("tnt") != site.base_url:
        raise GrantRefused("invalid_grant", f"tnt must be {site.base_url}")
    subject = str(claims.get("sub", ""))
    person = find_person(sim.storage, site, subject.removeprefix(ACCOUNT_PREFIX))
    if not subject.startswith(ACCOUNT_PREFIX) or person is None or not person.active or person.account_type == "app":
        raise GrantRefused("invalid_grant", "the account is unknown or not active")
    scopes = _scopes(form.get("scope"), installation)
    token = issue_access_token(sim.storage, site, person.account_id, scopes, ACCESS_TOKEN_LIFETIME_S)
    return Grant(token, scopes)


def _read_form(request: Request, body: bytes) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise GrantRefused("invalid_request", "the body must be form-encoded")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise GrantRefused("invalid_request", "the body is not a form") from error
    if len({name for name, _ in pairs}) != len(pairs):
        raise GrantRefused("invalid_request", "a field is given more than once")
    return dict(pairs)


def routes(sim: Simulator) -> list[Route]:
    async def token(request: Request) -> Response:
        headers = {"Cache-Control": "no-store"}
        try:
            form = _read_form(request, await request.body())
            granted = await run_in_threadpool(grant, sim, request.scope["site"], form)
        except GrantRefused as refusal:
            problem = {"error": refusal.error, "error_description": refusal.description}
            return JSONResponse(problem, refusal.status, headers)
        body = {
            "access_token": granted.token,
            "expires_in": ACCESS_TOKEN_LIFETIME_S,
            "token_type": "Bearer",
            "scope": " ".join(sorted(granted.scopes)),
        }
        return JSONResponse(body, 200, headers)

    async def install_key(request: Request) -> Response:
        if request.path_params["kid"] != sim.install_key.kid:
            return PlainTextResponse("not found", 404)
        return PlainTextResponse(sim.install_key.public_pem, media_type="application/x-pem-file")

    return [
        Route("/_atlassian/oauth/oauth2/token", token, methods=["POST"]),
        Route("/_atlassian/install-keys/{kid}", install_key, methods=["GET"]),
    ]
