"""The only token verifier and signer: Connect's three inbound kinds and the two tokens we send ourselves.

A route names the kind it accepts; the token never chooses how it is verified. Strict rules about shape run on
our own parse before anything is checked (RFC 8725), the signature is checked once, and only signed claims are
then judged. Every refusal looks the same from outside; its reason is for our log.

Signatures are PyJWT's work, not ours; it is imported at the first token, so that an instance that only starts
does not wait for it.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, NoReturn

from lib.errors import Unauthenticated
from lib.principal import AccountId, ClientKey
from lib.qsh import JWT_PARAMETER, query_hash, query_parameters

if TYPE_CHECKING:
    import jwt

CONTEXT_QSH = "context-qsh"
MAX_TOKEN_LENGTH = 8192
LEEWAY_S = 30
MAX_LIFETIME_S = 3600

# Stands in for the secret of an unknown installation, so that guessing client keys costs and answers the same
# as guessing secrets. It differs per process and is never written anywhere; nobody can sign with it.
DUMMY_SECRET = secrets.token_hex(32).encode()

type Refusal = Literal[
    "missing",
    "scheme",
    "several-tokens",
    "token-in-query",
    "shape",
    "header",
    "algorithm",
    "key-id",
    "unknown-key",
    "key-unusable",
    "signature",
    "missing-claim",
    "claim-type",
    "issuer",
    "subject",
    "expired",
    "not-yet-valid",
    "lifetime",
    "audience",
    "query-hash",
]


class TokenKind(Enum):
    """What a route accepts. INSTALL: RS256, lifecycle only. REQUEST and CONTEXT: HS256, with disjoint hashes."""

    INSTALL = "install"
    REQUEST = "request"
    CONTEXT = "context"


class TokenRefused(Unauthenticated):
    """No acceptable token. `reason` is a constant for logs and metrics and must not reach the caller."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__()
        self.reason: Refusal = reason


_PROOF = object()


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """A token's content after every check; only this module makes one.

    It proves the installation and the account, not any space or content named in the request: those are
    authorised one by one.
    """

    proof: InitVar[object]
    kind: TokenKind
    issuer: ClientKey
    account_id: AccountId | None
    """Absent for anonymous visitors and for the product itself."""
    issued_at: datetime
    expires_at: datetime
    token_hash: str
    """SHA-256 of the token, lower-case hex: lets a replay be recognised without keeping the token."""

    def __post_init__(self, proof: object) -> None:
        if proof is not _PROOF:
            raise TypeError("VerifiedClaims come from verify_shared or verify_install only")


_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_AUTHORIZATION = re.compile(r"JWT ([A-Za-z0-9_.-]+)", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", re.ASCII)
# A lone surrogate or a control character in an issuer would fail later, in the database driver.
_ISSUER = re.compile(r"[!-~]{1,255}", re.ASCII)
_BRACKET = re.compile(r"[\[\]{}]")
_SUBJECT = re.compile(r"[A-Za-z0-9:-]{1,128}", re.ASCII)

_MAX_DEPTH = 16
_LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second a datetime can hold
_FORBIDDEN_HEADERS = frozenset({"crit", "zip", "cty", "jwk", "jku", "x5u", "x5c", "b64"})
_ALGORITHM = {TokenKind.INSTALL: "RS256", TokenKind.REQUEST: "HS256", TokenKind.CONTEXT: "HS256"}

_REQUIRED = ("iss", "iat", "exp", "qsh")


@cache
def _codec() -> "jwt.PyJWT":
    """Times, issuer, subject and audience are judged below by an injected clock and stricter types than the
    library's; what it is asked for is the signature, and that nothing required is missing.
    """
    import jwt

    return jwt.PyJWT(
        options={
            "verify_signature": True,
            "require": list(_REQUIRED),
            "enforce_minimum_key_length": True,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": False,
            "verify_iss": False,
            "verify_sub": False,
            "verify_jti": False,
        }
    )


def token_from(headers: Mapping[str, str], raw_target: str, *, query_allowed: bool) -> str:
    """The one token of a request, unchecked; raises `TokenRefused`. Header names are lower-case.

    A second token refuses the request, wherever it stands: a bad query token must not be rescued by a good
    header. Any other use of the Authorization header, `Bearer` included, is refused too.
    """
    in_query = [value for name, value in query_parameters(raw_target) if name == JWT_PARAMETER]
    header = headers.get("authorization")
    if len(in_query) + (header is not None) > 1:
        raise TokenRefused("several-tokens")
    if header is not None:
        match = _AUTHORIZATION.fullmatch(header)
        if match is None:
            raise TokenRefused("scheme")
        return match[1]
    if not in_query:
        raise TokenRefused("missing")
    if not query_allowed:
        raise TokenRefused("token-in-query")
    return in_query[0]


def peek_issuer(token: str) -> ClientKey:
    """Who the token claims to come from: good for finding the installation's secret, proof of nothing."""
    _header, claims = _parts(token)
    return _issuer(claims)


def peek_key_id(token: str) -> str:
    """The key id of an install token, a UUID by shape; good for finding the key, proof of nothing."""
    header, _claims = _parts(token)
    _check_header(header, TokenKind.INSTALL)
    return str(header["kid"])


def check_key_id(key_id: object) -> str:
    """The key id where it is a UUID by shape, so that it is safe in an address; raises `TokenRefused`."""
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise TokenRefused("key-id")
    return key_id


def verify_shared(
    token: str, *, kind: TokenKind, secret: bytes, method: str, raw_target: str, now: datetime
) -> VerifiedClaims:
    """The claims of a REQUEST or CONTEXT token signed with the installation's secret, or `TokenRefused`."""
    if kind is TokenKind.INSTALL:
        raise ValueError("an install token is never verified with a shared secret")
    claims = _signed_claims(token, kind, secret)
    verified = _judge(token, kind, claims, now)
    expected = CONTEXT_QSH if kind is TokenKind.CONTEXT else query_hash(method, raw_target)
    _check_query_hash(claims, expected)
    return verified


def verify_install(
    token: str,
    *,
    public_key_pem: bytes,
    method: str,
    raw_target: str,
    audiences: tuple[str, ...],
    now: datetime,
) -> VerifiedClaims:
    """The claims of an installed or uninstalled callback's token, or `TokenRefused`.

    The signature covers method, path and query, not the body: only `issuer` binds the body's client key,
    and the caller must compare the two.
    """
    claims = _signed_claims(token, TokenKind.INSTALL, public_key_pem)
    verified = _judge(token, TokenKind.INSTALL, claims, now)
    _check_audience(claims, audiences)
    _check_query_hash(claims, query_hash(method, raw_target))
    return verified


def sign_app_request(
    secret: bytes,
    *,
    app_key: str,
    method: str,
    target_relative_to_base: str,
    audience: ClientKey | None,
    now: datetime,
) -> str:
    """A token for one call to Confluence as the app; the target is relative to the site's base URL."""
    issued_at = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": app_key,
        "iat": issued_at,
        "exp": issued_at + 180,
        "qsh": query_hash(method, target_relative_to_base),
    }
    if audience is not None:
        claims["aud"] = [audience]
    return _signed(claims, secret)


def sign_impersonation(
    secret: bytes,
    *,
    oauth_client_id: str,
    account_id: AccountId,
    tenant_base_url: str,
    audience: str,
    now: datetime,
) -> str:
    """The assertion exchanged for a user's access token; `audience` is the authorisation server's base."""
    issued_at = int(now.timestamp())
    claims: dict[str, object] = {
        "iss": f"urn:atlassian:connect:clientid:{oauth_client_id}",
        "sub": f"urn:atlassian:connect:useraccountid:{account_id}",
        "tnt": tenant_base_url,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + 60,
    }
    return _signed(claims, secret)


def _signed_claims(token: str, kind: TokenKind, key: bytes) -> Mapping[str, object]:
    import jwt

    header, claims = _parts(token)
    _check_header(header, kind)
    try:
        _codec().decode(token, key, algorithms=[_ALGORITHM[kind]])
    except jwt.MissingRequiredClaimError as error:
        raise TokenRefused("missing-claim") from error
    except jwt.InvalidTokenError as error:
        raise TokenRefused("signature") from error
    except jwt.InvalidKeyError as error:
        raise TokenRefused("key-unusable") from error
    return claims


def _signed(claims: dict[str, object], secret: bytes) -> str:
    return _codec().encode(claims, secret, algorithm="HS256")


@lru_cache(maxsize=512)
def _parts(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """What a token says, unchecked. Remembered, because every request needs it twice and a page repeats its token;
    no verdict is.
    """
    match = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_LENGTH else None
    if match is None:
        raise TokenRefused("shape")
    header, claims, _signature = (_base64url(part) for part in match.groups())
    return _object(header), _object(claims)


def _base64url(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise TokenRefused("shape") from error
    # Unused low bits in the last character would give one token many spellings, and so many hashes.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise TokenRefused("shape")
    return data


def _object(data: bytes) -> dict[str, object]:
    try:
        text = data.decode()
        if _is_too_deep(text):
            raise TokenRefused("shape")
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except ValueError as error:
        raise TokenRefused("shape") from error
    if not isinstance(value, dict):
        raise TokenRefused("shape")
    return value


def _is_too_deep(text: str) -> bool:
    # Two counts settle nearly every token; only one with many brackets is walked.
    if text.count("{") + text.count("[") <= _MAX_DEPTH:
        return False
    outside_strings = "".join(text.replace(r"\\", "").replace(r"\"", "").split('"')[::2])
    depth = deepest = 0
    for bracket in _BRACKET.findall(outside_strings):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > _MAX_DEPTH


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_header(header: Mapping[str, object], kind: TokenKind) -> None:
    if not _FORBIDDEN_HEADERS.isdisjoint(header):
        raise TokenRefused("header")
    if header.get("alg") != _ALGORITHM[kind]:
        raise TokenRefused("algorithm")
    if kind is TokenKind.INSTALL:
        check_key_id(header.get("kid"))
    elif not isinstance(header.get("kid", ""), str):
        raise TokenRefused("signature")


def _judge(token: str, kind: TokenKind, claims: Mapping[str, object], now: datetime) -> VerifiedClaims:
    issuer = _issuer(claims)
    account_id = _subject(claims)
    issued_s = _seconds(claims, "iat")
    expires_s = _seconds(claims, "exp")
    now_s = now.timestamp()
    if expires_s <= now_s - LEEWAY_S:
        raise TokenRefused("expired")
    starts_s = max(issued_s, _seconds(claims, "nbf")) if "nbf" in claims else issued_s
    if starts_s > now_s + LEEWAY_S:
        raise TokenRefused("not-yet-valid")
    if not 0 < expires_s - issued_s <= MAX_LIFETIME_S:
        raise TokenRefused("lifetime")
    return VerifiedClaims(
        proof=_PROOF,
        kind=kind,
        issuer=issuer,
        account_id=account_id,
        issued_at=datetime.fromtimestamp(issued_s, UTC),
        expires_at=datetime.fromtimestamp(expires_s, UTC),
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
    )


def _issuer(claims: Mapping[str, object]) -> ClientKey:
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not _ISSUER.fullmatch(issuer):
        raise TokenRefused("issuer")
    return ClientKey(issuer)


def _subject(claims: Mapping[str, object]) -> AccountId | None:
    if "sub" not in claims:
        return None
    subject = claims["sub"]
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise TokenRefused("subject")
    return AccountId(subject)


def _seconds(claims: Mapping[str, object], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_S:
        raise TokenRefused("claim-type")
    return value


def _check_audience(claims: Mapping[str, object], audiences: tuple[str, ...]) -> None:
    claimed = claims.get("aud")
    named = claimed if isinstance(claimed, list) else [claimed]
    theirs = {name.removesuffix("/") for name in named if isinstance(name, str)}
    if theirs.isdisjoint(audience.removesuffix("/") for audience in audiences):
        raise TokenRefused("audience")


def _check_query_hash(claims: Mapping[str, object], expected: str) -> None:
    claimed = claims["qsh"]
    if not isinstance(claimed, str):
        raise TokenRefused("query-hash")
    if not hmac.compare_digest(claimed.encode("utf-8", "surrogatepass"), expected.encode()):
        raise TokenRefused("query-hash")
