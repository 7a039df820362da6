"""Who makes a REST call: a browser, the app's page in it, the app itself, or the app for a person."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

import jwt

from local.confluence.installation import Installation, enabled_installation
from local.confluence.people import Site, find_person
from local.confluence.refusals import Refused
from local.confluence.storage import Storage
from local.confluence.tokens import query_hash, unverified_claim, verify_hs256

USER_COOKIE = "cq_user"
COOKIE_SEPARATOR = "~"
APP_HEADER = "ap-client-key"
NO_CHECK = "no-check"

BROWSER, PAGE, APP, IMPERSONATED = "browser", "page", "app", "impersonated"


@dataclass(frozen=True, slots=True)
class Caller:
    """`scopes` None means that no app is involved and the account's own rights are the only limit."""

    kind: str
    account_id: str | None
    scopes: frozenset[str] | None

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.account_id or 'anonymous'}"


def anonymous_mark(site: Site) -> str:
    return f"anonymous.{site.key}"


def cookie_values(headers: Mapping[str, str]) -> list[str]:
    """The user cookie as a list: cookies are shared between ports, so each site keeps its own entry in it."""
    try:
        cookie = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return []
    return cookie[USER_COOKIE].value.split(COOKIE_SEPARATOR) if USER_COOKIE in cookie else []


def cookie_account(storage: Storage, site: Site, headers: Mapping[str, str]) -> str | None:
    for value in cookie_values(headers):
        person = find_person(storage, site, value)
        if person is not None and person.account_type != "app":
            return person.account_id
    return None


def _unauthorized(detail: str) -> Refused:
    return Refused(401, "UNAUTHORIZED", detail)


def _app_caller(storage: Storage, site: Site, token: str, method: str, target: str) -> Caller:
    installation = enabled_installation(storage, site)
    if installation is None:
        raise _unauthorized("The app is not installed here.")
    try:
        if unverified_claim(token, "iss") != installation.app.key:
            raise _unauthorized("The issuer is not an app installed here.")
        claims = verify_hs256(token, installation.shared_secret)
    except jwt.InvalidTokenError as error:
        raise _unauthorized(f"The token is not valid: {type(error).__name__}.") from error
    audience = claims.get("aud")
    if audience is not None and installation.client_key not in (
        [audience] if isinstance(audience, str) else [*_texts(audience)]
    ):
        raise _unauthorized("The token is meant for another site.")
    if claims.get("qsh") != query_hash(method, target, "/wiki"):
        raise _unauthorized("The query hash does not fit the request.")
    return Caller(APP, installation.app_account_id, installation.app.scopes)


def _texts(value: object) -> list[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue_access_token(storage: Storage, site: Site, account_id: str, scopes: frozenset[str], lifetime_s: int) -> str:
    """A bearer token for one person; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    now = int(time.time())
    with storage.transaction():
        storage.run("DELETE FROM access_tokens WHERE expires_at < ?", now)
        storage.run(
            "INSERT INTO access_tokens VALUES (?, ?, ?, ?, ?)",
            _token_hash(token),
            site.key,
            account_id,
            " ".join(sorted(scopes)),
            now + lifetime_s,
        )
    return token


def _impersonated(storage: Storage, site: Site, token: str) -> Caller:
    row = storage.row(
        "SELECT * FROM access_tokens WHERE hash = ? AND site = ? AND expires_at > ?",
        _token_hash(token),
        site.key,
        int(time.time()),
    )
    installation = enabled_installation(storage, site)
    if row is None or installation is None:
        raise _unauthorized("The access token is unknown or has expired.")
    person = find_person(storage, site, row["account_id"])
    if person is None or not person.active:
        raise _unauthorized("The account is not active.")
    return Caller(IMPERSONATED, person.account_id, frozenset(row["scopes"].split()) & installation.app.scopes)


def _browser(storage: Storage, site: Site, method: str, headers: Mapping[str, str]) -> Caller:
    account_id = cookie_account(storage, site, headers)
    if method != "GET" and headers.get("x-atlassian-token") != NO_CHECK:
        raise Refused(403, "XSRF_CHECK_FAILED", "XSRF check failed: X-Atlassian-Token: no-check is missing.")
    app_key = headers.get(APP_HEADER)
    if app_key is None:
        return Caller(BROWSER, account_id, None)
    installation: Installation | None = enabled_installation(storage, site)
    if installation is None or installation.app.key != app_key:
        raise Refused(403, "FORBIDDEN", "The app is not installed here.")
    return Caller(PAGE, account_id, installation.app.scopes)


def identify(storage: Storage, site: Site, method: str, target: str, headers: Mapping[str, str]) -> Caller:
    """The caller behind the credentials of a request; exactly one kind of credential counts.

    Raises Refused: 401 for a credential that does not hold, 403 for a browser write without the XSRF header.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return _browser(storage, site, method, headers)
    scheme, _, token = authorization.partition(" ")
    if scheme == "JWT":
        return _app_caller(storage, site, token.strip(), method, target)
    if scheme == "Bearer":
        return _impersonated(storage, site, token.strip())
    raise _unauthorized("Use JWT or Bearer.")


def require_scope(caller: Caller, scope: str) -> None:
    if caller.scopes is not None and scope not in caller.scopes:
        raise Refused(403, "FORBIDDEN", f"The app does not have the scope {scope}.")
