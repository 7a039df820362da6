"""Every way a token can be bad, in the order of the checks, and the tokens we sign ourselves."""

import copy
import dataclasses
import hashlib
import hmac
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.connect_jwt import (
    DUMMY_SECRET,
    TokenKind,
    TokenRefused,
    VerifiedClaims,
    check_key_id,
    peek_issuer,
    peek_key_id,
    sign_app_request,
    sign_impersonation,
    token_from,
    verify_install,
    verify_shared,
)
from lib.errors import Unauthenticated
from lib.principal import AccountId, ClientKey
from tests import tokens
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, APP_BASE_URL, KEY_ID, as_json, hs256, part, rs256

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
TARGET = "/ui/questions?spaceId=65537&spaceKey=ENG"
INSTALLED = "/connect/lifecycle/installed"
UNINSTALLED = "/connect/lifecycle/uninstalled"
REQUEST = TokenKind.REQUEST
CONTEXT = TokenKind.CONTEXT

type Claims = dict[str, object]


def claims_with(**changes: object) -> Claims:
    """Good claims of a request token for GET TARGET, changed; `...` takes a claim away."""
    claims: Claims = {
        "iss": ACME_KEY,
        "sub": ALICE,
        "iat": NOW_S,
        "exp": NOW_S + 180,
        "qsh": tokens.qsh("GET", TARGET),
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not ...}


def install_claims_with(**changes: object) -> Claims:
    good: Claims = {"sub": ..., "aud": [APP_BASE_URL], "qsh": tokens.qsh("POST", INSTALLED)}
    return claims_with(**(good | changes))


def header_with(**changes: object) -> Claims:
    return {"alg": "HS256", "typ": "JWT"} | changes


def install_header_with(**changes: object) -> Claims:
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID} | changes
    return {name: value for name, value in header.items() if value is not ...}


def verify_request(token: str, *, kind: TokenKind = REQUEST, now: datetime = NOW) -> VerifiedClaims:
    return verify_shared(token, kind=kind, secret=ACME_SECRET.encode(), method="GET", raw_target=TARGET, now=now)


def verify_installed(
    token: str, *, pem: bytes | None = None, audiences: tuple[str, ...] = (APP_BASE_URL,)
) -> VerifiedClaims:
    return verify_install(
        token,
        public_key_pem=pem or tokens.public_pem(),
        method="POST",
        raw_target=INSTALLED,
        audiences=audiences,
        now=NOW,
    )


def spelled(members: str) -> bytes:
    """Good claims with members added as raw JSON text."""
    return as_json(claims_with())[:-1] + b"," + members.encode() + b"}"


def swapped(token: str, index: int, replacement: str) -> str:
    parts = token.split(".")
    parts[index] = replacement
    return ".".join(parts)


def of_length(length: int) -> str:
    """A good token of roughly this many characters, cut or filled to it by the unused claim `context`."""
    for fill in range(length):
        token = hs256(claims_with(context="x" * fill), ACME_SECRET)
        if len(token) >= length:
            return token
    raise AssertionError


GOOD = hs256(claims_with(), ACME_SECRET)
CONTEXT_CLAIMS = claims_with(qsh="context-qsh")
GOOD_CONTEXT = hs256(CONTEXT_CLAIMS, ACME_SECRET)
GOOD_INSTALL = rs256(install_claims_with())


# --- where the token stands ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authorization", "target", "query_allowed", "expected"),
    [
        ("JWT a.b.c", TARGET, False, "a.b.c"),
        ("JWT a.b.c", TARGET, True, "a.b.c"),
        (None, f"{TARGET}&jwt=a.b.c", True, "a.b.c"),
        (None, "/ui/questions?%6Awt=a%2Eb.c", True, "a.b.c"),
        ("JWT a.b.c", f"{TARGET}&JWT=x.y.z", False, "a.b.c"),
    ],
)
def test_one_token_is_found(authorization: str | None, target: str, query_allowed: bool, expected: str) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    assert token_from(headers, target, query_allowed=query_allowed) == expected


@pytest.mark.parametrize(
    ("authorization", "target", "query_allowed", "reason"),
    [
        (None, TARGET, True, "missing"),
        (None, TARGET, False, "missing"),
        (None, f"{TARGET}&JWT=a.b.c", True, "missing"),
        (None, f"{TARGET}#&jwt=a.b.c", True, "missing"),
        (None, f"{TARGET}&jwt=a.b.c", False, "token-in-query"),
        ("JWT a.b.c", f"{TARGET}&jwt=a.b.c", True, "several-tokens"),
        ("JWT a.b.c", f"{TARGET}&jwt=a.b.c", False, "several-tokens"),
        ("JWT a.b.c", f"{TARGET}&%6Awt=", True, "several-tokens"),
        (None, f"{TARGET}&jwt=a.b.c&jwt=a.b.c", True, "several-tokens"),
        (None, f"{TARGET}&jwt=a.b.c&j%77t=a.b.c", True, "several-tokens"),
        ("Bearer a.b.c", f"{TARGET}&jwt=a.b.c", True, "several-tokens"),
        ("Bearer a.b.c", TARGET, True, "scheme"),
        ("Basic YTpi", TARGET, True, "scheme"),
        ("jwt a.b.c", TARGET, True, "scheme"),
        ("JWT", TARGET, True, "scheme"),
        ("JWT ", TARGET, True, "scheme"),
        ("JWT  a.b.c", TARGET, True, "scheme"),
        ("JWT a.b.c ", TARGET, True, "scheme"),
        ("JWT a.b.c\n", TARGET, True, "scheme"),
        ("JWT a.b.c, JWT d.e.f", TARGET, True, "scheme"),
        ("", TARGET, True, "scheme"),
    ],
)
def test_no_or_more_than_one_token_is_refused(
    authorization: str | None, target: str, query_allowed: bool, reason: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    with pytest.raises(TokenRefused) as refused:
        token_from(headers, target, query_allowed=query_allowed)

    assert refused.value.reason == reason


# --- shared-secret tokens -----------------------------------------------------------------------------

BAD_REQUEST_TOKENS: list[tuple[str, str, str]] = [
    # shape
    ("empty", "", "shape"),
    ("text", "not a token", "shape"),
    ("two parts", GOOD.rpartition(".")[0], "shape"),
    ("four parts", GOOD + ".AA", "shape"),
    ("encrypted form", "a.b.c.d.e", "shape"),
    ("no signature", GOOD.rpartition(".")[0] + ".", "shape"),
    ("no claims", swapped(GOOD, 1, ""), "shape"),
    ("padding", GOOD + "=", "shape"),
    ("plain base64", swapped(GOOD, 1, GOOD.split(".")[1] + "+/"), "shape"),
    ("blank in front", " " + GOOD, "shape"),
    ("line end", GOOD + "\n", "shape"),
    ("line end inside", GOOD[:20] + "\n" + GOOD[20:], "shape"),
    ("other digits", GOOD[:-1] + "٣", "shape"),
    ("lone surrogate", GOOD[:-1] + "\ud800", "shape"),
    ("impossible length", GOOD + "AA", "shape"),
    ("non-canonical last character", GOOD[:-1] + chr(ord(GOOD[-1]) + 1), "shape"),
    ("8 KB and more", of_length(8193), "shape"),
    ("header no JSON", swapped(GOOD, 0, part(b"{alg:HS256}")), "shape"),
    ("header a list", hs256(claims_with(), ACME_SECRET, b'["HS256"]'), "shape"),
    ("header UTF-16", hs256(claims_with(), ACME_SECRET, '{"alg":"HS256"}'.encode("utf-16")), "shape"),
    ("header names alg twice", hs256(claims_with(), ACME_SECRET, b'{"alg":"none","alg":"HS256"}'), "shape"),
    ("claims no object", hs256(b'"claims"', ACME_SECRET), "shape"),
    ("claims null", hs256(b"null", ACME_SECRET), "shape"),
    ("claims no UTF-8", hs256(b'{"iss":"\xff"}', ACME_SECRET), "shape"),
    ("claims with a byte order mark", hs256(b"\xef\xbb\xbf" + as_json(claims_with()), ACME_SECRET), "shape"),
    ("claims with more after them", hs256(as_json(claims_with()) + b"{}", ACME_SECRET), "shape"),
    ("a claim twice", hs256(spelled('"exp":9999999999'), ACME_SECRET), "shape"),
    ("a claim twice, escaped", hs256(spelled('"\\u0069ss":"other"'), ACME_SECRET), "shape"),
    ("a nested member twice", hs256(spelled('"context":{"a":1,"a":2}'), ACME_SECRET), "shape"),
    ("NaN", hs256(spelled('"nbf":NaN'), ACME_SECRET), "shape"),
    ("Infinity", hs256(spelled('"context":[Infinity]'), ACME_SECRET), "shape"),
    ("minus Infinity", hs256(spelled('"nbf":-Infinity'), ACME_SECRET), "shape"),
    ("5000 digits", hs256(spelled('"nbf":' + "9" * 5000), ACME_SECRET), "shape"),
    ("17 levels", hs256(spelled('"context":' + "[" * 16 + "]" * 16), ACME_SECRET), "shape"),
    ("3000 levels", hs256(spelled('"context":' + "[" * 2500 + "]" * 2500), ACME_SECRET), "shape"),
    ("levels after an escaped quote", hs256(spelled(r'"c":"\\\"","d":' + "[" * 99 + "]" * 99), ACME_SECRET), "shape"),
    ("levels after an escaped backslash", hs256(spelled(r'"c":"\\","d":' + "[" * 99 + "]" * 99), ACME_SECRET), "shape"),
    # header
    ("crit", hs256(claims_with(), ACME_SECRET, header_with(crit=["exp"])), "header"),
    ("zip", hs256(claims_with(), ACME_SECRET, header_with(zip="DEF")), "header"),
    ("cty", hs256(claims_with(), ACME_SECRET, header_with(cty="JWT")), "header"),
    ("jwk", hs256(claims_with(), ACME_SECRET, header_with(jwk={"kty": "oct", "k": "AA"})), "header"),
    ("jku", hs256(claims_with(), ACME_SECRET, header_with(jku="https://evil.example/keys")), "header"),
    ("x5u", hs256(claims_with(), ACME_SECRET, header_with(x5u="https://evil.example/cert")), "header"),
    ("x5c", hs256(claims_with(), ACME_SECRET, header_with(x5c=["AA"])), "header"),
    ("b64", hs256(claims_with(), ACME_SECRET, header_with(b64=False)), "header"),
    ("null counts as present", hs256(claims_with(), ACME_SECRET, header_with(jwk=None)), "header"),
    # algorithm
    ("no algorithm", hs256(claims_with(), ACME_SECRET, {"typ": "JWT"}), "algorithm"),
    ("none", hs256(claims_with(), ACME_SECRET, header_with(alg="none")), "algorithm"),
    ("None", hs256(claims_with(), ACME_SECRET, header_with(alg="None")), "algorithm"),
    ("lower case", hs256(claims_with(), ACME_SECRET, header_with(alg="hs256")), "algorithm"),
    ("HS512", jwt.encode(claims_with(), ACME_SECRET * 2, algorithm="HS512"), "algorithm"),
    ("a list", hs256(claims_with(), ACME_SECRET, header_with(alg=["HS256"])), "algorithm"),
    ("an install token", GOOD_INSTALL, "algorithm"),
    ("RS256 in name only", hs256(claims_with(), ACME_SECRET, header_with(alg="RS256")), "algorithm"),
    # signature
    ("another secret", hs256(claims_with(), tokens.GLOBEX_SECRET), "signature"),
    ("unknown installation's stand-in", hs256(claims_with(), DUMMY_SECRET.decode()), "signature"),
    ("unsigned", GOOD.rpartition(".")[0] + ".AA", "signature"),
    ("cut signature", GOOD[:-3], "signature"),
    ("another token's signature", GOOD.rpartition(".")[0] + "." + GOOD_CONTEXT.rpartition(".")[2], "signature"),
    ("claims changed", swapped(GOOD, 1, part(as_json(claims_with(sub=tokens.BOB)))), "signature"),
    ("header changed", swapped(GOOD, 0, part(b'{"typ":"JWT","alg":"HS256"}')), "signature"),
    ("kid no text", hs256(claims_with(), ACME_SECRET, header_with(kid=7)), "signature"),
    # required claims
    ("no iss", hs256(claims_with(iss=...), ACME_SECRET), "missing-claim"),
    ("no iat", hs256(claims_with(iat=...), ACME_SECRET), "missing-claim"),
    ("no exp", hs256(claims_with(exp=...), ACME_SECRET), "missing-claim"),
    ("no qsh", hs256(claims_with(qsh=...), ACME_SECRET), "missing-claim"),
    ("exp null", hs256(claims_with(exp=None), ACME_SECRET), "missing-claim"),
    # issuer and subject
    ("iss empty", hs256(claims_with(iss=""), ACME_SECRET), "issuer"),
    ("iss a number", hs256(claims_with(iss=5), ACME_SECRET), "issuer"),
    ("iss a list", hs256(claims_with(iss=[ACME_KEY]), ACME_SECRET), "issuer"),
    ("iss too long", hs256(claims_with(iss="x" * 256), ACME_SECRET), "issuer"),
    ("iss with a blank", hs256(claims_with(iss="acme key"), ACME_SECRET), "issuer"),
    ("iss with NUL", hs256(claims_with(iss="acme\0"), ACME_SECRET), "issuer"),
    ("iss a lone surrogate", hs256(claims_with(iss="\ud800"), ACME_SECRET), "issuer"),
    ("sub empty", hs256(claims_with(sub=""), ACME_SECRET), "subject"),
    ("sub null", hs256(claims_with(sub=None), ACME_SECRET), "subject"),
    ("sub a number", hs256(claims_with(sub=5), ACME_SECRET), "subject"),
    ("sub too long", hs256(claims_with(sub="x" * 129), ACME_SECRET), "subject"),
    ("sub with a slash", hs256(claims_with(sub="../admin"), ACME_SECRET), "subject"),
    ("sub with a line end", hs256(claims_with(sub=ALICE + "\n"), ACME_SECRET), "subject"),
    # times
    ("iat text", hs256(claims_with(iat=str(NOW_S)), ACME_SECRET), "claim-type"),
    ("exp text", hs256(claims_with(exp=str(NOW_S + 180)), ACME_SECRET), "claim-type"),
    ("exp true", hs256(claims_with(exp=True), ACME_SECRET), "claim-type"),
    ("exp a list", hs256(claims_with(exp=[NOW_S + 180]), ACME_SECRET), "claim-type"),
    ("nbf overflowing to infinity", hs256(spelled('"nbf":1e999'), ACME_SECRET), "claim-type"),
    ("exp beyond any date", hs256(claims_with(exp=10**300), ACME_SECRET), "claim-type"),
    ("iat negative", hs256(claims_with(iat=-1), ACME_SECRET), "claim-type"),
    ("nbf text", hs256(claims_with(nbf="0"), ACME_SECRET), "claim-type"),
    ("nbf null", hs256(claims_with(nbf=None), ACME_SECRET), "claim-type"),
    ("expired", hs256(claims_with(iat=NOW_S - 210, exp=NOW_S - 30), ACME_SECRET), "expired"),
    ("iat in the future", hs256(claims_with(iat=NOW_S + 31, exp=NOW_S + 90), ACME_SECRET), "not-yet-valid"),
    ("nbf in the future", hs256(claims_with(nbf=NOW_S + 31), ACME_SECRET), "not-yet-valid"),
    ("two hours of life", hs256(claims_with(exp=NOW_S + 7200), ACME_SECRET), "lifetime"),
    ("a second too much life", hs256(claims_with(exp=NOW_S + 3601), ACME_SECRET), "lifetime"),
    ("exp before iat", hs256(claims_with(exp=NOW_S - 1), ACME_SECRET), "lifetime"),
    ("exp with iat", hs256(claims_with(exp=NOW_S), ACME_SECRET), "lifetime"),
    # query hash
    ("another target", hs256(claims_with(qsh=tokens.qsh("GET", "/ui/ask?spaceId=65538")), ACME_SECRET), "query-hash"),
    ("another method", hs256(claims_with(qsh=tokens.qsh("POST", TARGET)), ACME_SECRET), "query-hash"),
    ("upper-case hash", hs256(claims_with(qsh=tokens.qsh("GET", TARGET).upper()), ACME_SECRET), "query-hash"),
    ("empty hash", hs256(claims_with(qsh=""), ACME_SECRET), "query-hash"),
    ("hash a list", hs256(claims_with(qsh=[tokens.qsh("GET", TARGET)]), ACME_SECRET), "query-hash"),
    ("hash not ASCII", hs256(claims_with(qsh="é"), ACME_SECRET), "query-hash"),
    ("hash a lone surrogate", hs256(claims_with(qsh="\ud800"), ACME_SECRET), "query-hash"),
    ("a context token", GOOD_CONTEXT, "query-hash"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "reason"),
    [pytest.param(token, reason, id=f"{reason}-{name}") for name, token, reason in BAD_REQUEST_TOKENS],
)
def test_a_bad_request_token_is_refused(token: str, reason: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify_request(token)

    assert refused.value.reason == reason


def test_a_good_request_token_yields_its_claims() -> None:
    verified = verify_request(GOOD)

    assert verified.kind is REQUEST
    assert verified.issuer == ACME_KEY
    assert verified.account_id == ALICE
    assert verified.issued_at == NOW
    assert verified.expires_at == NOW + timedelta(seconds=180)
    assert verified.token_hash == hashlib.sha256(GOOD.encode()).hexdigest()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(claims_with(exp=NOW_S + 3600), id="an hour of life"),
        pytest.param(claims_with(iat=NOW_S - 209, exp=NOW_S - 29), id="expired within the leeway"),
        pytest.param(claims_with(iat=NOW_S + 30, exp=NOW_S + 90), id="issued within the leeway"),
        pytest.param(claims_with(nbf=NOW_S + 30), id="starting within the leeway"),
        pytest.param(claims_with(iat=NOW_S - 0.5, exp=NOW_S + 179.5), id="fractions of a second"),
        pytest.param(claims_with(aud=["somebody"]), id="an audience is ignored on product tokens"),
        pytest.param(claims_with(jti=5, context={"user": {"accountId": ALICE}}), id="other claims"),
        pytest.param(claims_with(context={"title": "[" * 40 + '\\"{' * 40}), id="brackets inside a string"),
        pytest.param(claims_with(context=[[]] * 40), id="many brackets, few levels"),
        pytest.param(claims_with(iss="x" * 255, sub="x" * 128), id="longest names"),
    ],
)
def test_unusual_but_good_claims_are_accepted(claims: Claims) -> None:
    assert verify_request(hs256(claims, ACME_SECRET)).issuer == claims["iss"]


def test_the_longest_token_is_accepted() -> None:
    token = of_length(8190)

    assert 8190 <= len(token) <= 8192
    assert verify_request(token).issuer == ACME_KEY


def test_an_anonymous_token_names_no_account() -> None:
    assert verify_request(hs256(claims_with(sub=...), ACME_SECRET)).account_id is None


def test_judgement_follows_the_given_clock_in_any_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    long_ago = datetime(2001, 2, 3, 4, 5, 6, tzinfo=tokyo)
    token = tokens.request_token("GET", TARGET, long_ago)

    assert verify_request(token, now=long_ago).issued_at == long_ago
    with pytest.raises(TokenRefused, match="valid token"):
        verify_request(token, now=NOW)


def test_a_context_token_is_good_for_any_target_but_only_where_it_is_asked_for() -> None:
    assert verify_request(GOOD_CONTEXT, kind=CONTEXT).kind is CONTEXT

    for token in (GOOD, hs256(claims_with(qsh=...), ACME_SECRET), hs256(claims_with(qsh="CONTEXT-QSH"), ACME_SECRET)):
        with pytest.raises(TokenRefused):
            verify_request(token, kind=CONTEXT)


def test_mallorys_secret_does_not_open_acme() -> None:
    forged = hs256(claims_with(sub=tokens.MALLORY), tokens.GLOBEX_SECRET)

    assert peek_issuer(forged) == ACME_KEY
    with pytest.raises(TokenRefused) as refused:
        verify_request(forged)
    assert refused.value.reason == "signature"


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * 31])
def test_a_secret_too_short_to_trust_verifies_nothing(secret: bytes) -> None:
    token = GOOD.rpartition(".")[0]
    token += "." + part(hmac.digest(secret, token.encode(), hashlib.sha256))

    with pytest.raises(TokenRefused) as refused:
        verify_shared(token, kind=REQUEST, secret=secret, method="GET", raw_target=TARGET, now=NOW)

    assert refused.value.reason == "key-unusable"


def test_an_install_token_is_never_checked_with_a_shared_secret() -> None:
    with pytest.raises(ValueError, match="shared secret"):
        verify_request(GOOD_INSTALL, kind=TokenKind.INSTALL)


# --- install tokens -----------------------------------------------------------------------------------

PUBLIC_PEM_AS_SECRET = hs256(install_claims_with(), tokens.public_pem().decode(), install_header_with(alg="HS256"))

BAD_INSTALL_TOKENS: list[tuple[str, str, str]] = [
    ("signed with the shared secret", hs256(install_claims_with(), ACME_SECRET), "algorithm"),
    ("signed with the public key as secret", PUBLIC_PEM_AS_SECRET, "algorithm"),
    ("none", rs256(install_claims_with(), install_header_with(alg="none")), "algorithm"),
    ("RS512", rs256(install_claims_with(), install_header_with(alg="RS512")), "algorithm"),
    ("PS256", rs256(install_claims_with(), install_header_with(alg="PS256")), "algorithm"),
    ("embedded key", rs256(install_claims_with(), install_header_with(jwk={"kty": "RSA"})), "header"),
    ("key address", rs256(install_claims_with(), install_header_with(jku="https://evil.example")), "header"),
    ("no kid", rs256(install_claims_with(), install_header_with(kid=...)), "key-id"),
    ("kid empty", rs256(install_claims_with(), install_header_with(kid="")), "key-id"),
    ("kid a path", rs256(install_claims_with(), install_header_with(kid="../../secret")), "key-id"),
    ("kid a list", rs256(install_claims_with(), install_header_with(kid=[KEY_ID])), "key-id"),
    ("kid with more", rs256(install_claims_with(), install_header_with(kid=KEY_ID + "\n")), "key-id"),
    ("another key", rs256(install_claims_with(), key=tokens.other_key()), "signature"),
    ("claims changed", swapped(GOOD_INSTALL, 1, part(as_json(install_claims_with(iss="evil")))), "signature"),
    ("unsigned", GOOD_INSTALL.rpartition(".")[0] + ".AA", "signature"),
    ("MAC in place of a signature", hs256(install_claims_with(), ACME_SECRET, install_header_with()), "signature"),
    ("no exp", rs256(install_claims_with(exp=...)), "missing-claim"),
    ("no qsh", rs256(install_claims_with(qsh=...)), "missing-claim"),
    ("expired", rs256(install_claims_with(iat=NOW_S - 300, exp=NOW_S - 120)), "expired"),
    ("two hours of life", rs256(install_claims_with(exp=NOW_S + 7200)), "lifetime"),
    ("no audience", rs256(install_claims_with(aud=...)), "audience"),
    ("audience null", rs256(install_claims_with(aud=None)), "audience"),
    ("audience empty", rs256(install_claims_with(aud=[])), "audience"),
    ("another app", rs256(install_claims_with(aud="https://other.example.com")), "audience"),
    ("audience a prefix", rs256(install_claims_with(aud="https://cq.example.com.evil.example")), "audience"),
    ("audience a number", rs256(install_claims_with(aud=[5])), "audience"),
    ("audience an object", rs256(install_claims_with(aud={APP_BASE_URL: True})), "audience"),
    ("another route", rs256(install_claims_with(qsh=tokens.qsh("POST", UNINSTALLED))), "query-hash"),
    ("fixed hash", rs256(install_claims_with(qsh="context-qsh")), "query-hash"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "reason"),
    [pytest.param(token, reason, id=f"{reason}-{name}") for name, token, reason in BAD_INSTALL_TOKENS],
)
def test_a_bad_install_token_is_refused(token: str, reason: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify_installed(token)

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "audience", [APP_BASE_URL, APP_BASE_URL + "/", [APP_BASE_URL], ["https://other.example.com", APP_BASE_URL + "/"]]
)
def test_a_good_install_token_yields_its_claims(audience: object) -> None:
    verified = verify_installed(tokens.install_token("POST", INSTALLED, NOW, audience=audience))

    assert verified.kind is TokenKind.INSTALL
    assert verified.issuer == ACME_KEY
    assert verified.account_id is None
    assert verified.issued_at == NOW


def test_any_of_our_audiences_will_do_and_none_means_none() -> None:
    ours = ("https://eu.cq.example.com", APP_BASE_URL + "/")

    assert verify_installed(GOOD_INSTALL, audiences=ours).issuer == ACME_KEY
    with pytest.raises(TokenRefused):
        verify_installed(GOOD_INSTALL, audiences=())


def curve_pem() -> bytes:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )


def short_pem() -> bytes:
    return tokens.public_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 -- too short on purpose


@pytest.mark.parametrize(
    "pem", [curve_pem, short_pem, lambda: b"", lambda: b"-----BEGIN PUBLIC KEY-----", lambda: b"\xff"]
)
def test_an_unusable_install_key_verifies_nothing(pem: Callable[[], bytes]) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify_install(
            GOOD_INSTALL,
            public_key_pem=pem(),
            method="POST",
            raw_target=INSTALLED,
            audiences=(APP_BASE_URL,),
            now=NOW,
        )

    assert refused.value.reason == "key-unusable"


# --- looking before verifying -------------------------------------------------------------------------


def test_peeking_reads_the_issuer_and_the_key_id() -> None:
    assert peek_issuer(GOOD) == ACME_KEY
    assert peek_issuer(GOOD_INSTALL) == ACME_KEY
    assert peek_key_id(GOOD_INSTALL) == KEY_ID


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (hs256(claims_with(iss=...), ACME_SECRET), "issuer"),
        (hs256(claims_with(iss={"a": 1}), ACME_SECRET), "issuer"),
        (hs256(spelled('"iss":"twice"'), ACME_SECRET), "shape"),
        ("a.b.c", "shape"),
    ],
)
def test_peeking_checks_shape_and_issuer(token: str, reason: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        peek_issuer(token)

    assert refused.value.reason == reason


def test_only_an_install_token_has_a_key_id() -> None:
    with pytest.raises(TokenRefused) as refused:
        peek_key_id(hs256(claims_with(), ACME_SECRET, header_with(kid=KEY_ID)))

    assert refused.value.reason == "algorithm"


@pytest.mark.parametrize("key_id", ["", "x", KEY_ID + "x", KEY_ID.replace("-", ""), "٣" + KEY_ID[1:], None, 7])
def test_a_key_id_is_a_uuid(key_id: object) -> None:
    with pytest.raises(TokenRefused):
        check_key_id(key_id)


def test_a_key_id_in_upper_case_is_a_uuid_too() -> None:
    assert check_key_id(KEY_ID.upper()) == KEY_ID.upper()


# --- what a refusal and a proof look like -------------------------------------------------------------


def test_all_refusals_look_the_same_from_outside() -> None:
    refusals = [TokenRefused("signature"), TokenRefused("expired")]

    assert {(refusal.code, refusal.detail, str(refusal)) for refusal in refusals} == {
        (Unauthenticated.code, Unauthenticated.detail, Unauthenticated.detail)
    }


def test_verified_claims_cannot_be_made_or_changed_elsewhere() -> None:
    verified = verify_request(GOOD)

    with pytest.raises(TypeError):
        VerifiedClaims(
            proof=object(),
            kind=REQUEST,
            issuer=ClientKey(ACME_KEY),
            account_id=AccountId(tokens.MALLORY),
            issued_at=NOW,
            expires_at=NOW,
            token_hash="",
        )
    with pytest.raises(TypeError):
        dataclasses.replace(verified, proof=None, account_id=AccountId(tokens.MALLORY))
    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.account_id = AccountId(tokens.MALLORY)  # type: ignore[misc]
    assert copy.copy(verified) == verified


# --- properties ---------------------------------------------------------------------------------------

TOKEN_CHARACTERS = string.ascii_letters + string.digits + "-_.=+/ "


@settings(max_examples=300)
@given(data=st.data())
def test_any_changed_character_of_a_good_token_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD) - 1))
    character = data.draw(st.sampled_from(TOKEN_CHARACTERS.replace(GOOD[place], "")))

    with pytest.raises(TokenRefused):
        verify_request(GOOD[:place] + character + GOOD[place + 1 :])


def test_every_shortened_token_is_refused() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(TokenRefused):
            verify_request(GOOD[:length])


part_texts = st.one_of(
    st.binary(max_size=40).map(part),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ).map(lambda value: part(as_json(value))),
    st.text(max_size=20),
)
any_text = st.text(st.characters(), max_size=60)
arbitrary_tokens = any_text | st.lists(part_texts, max_size=4).map(".".join)


@given(token=arbitrary_tokens)
def test_arbitrary_text_is_refused_and_nothing_else(token: str) -> None:
    for act in (peek_issuer, peek_key_id, verify_request, verify_installed):
        with pytest.raises(TokenRefused):
            act(token)


claim_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(NOW_S - 7200, NOW_S + 7200),
    st.floats(allow_nan=False, allow_infinity=False),
    any_text,
    st.lists(st.integers(), max_size=2),
)


@settings(max_examples=300)
@given(changes=st.dictionaries(st.sampled_from(["iss", "sub", "iat", "exp", "nbf", "qsh", "aud", "jti"]), claim_values))
def test_signed_claims_of_any_type_are_judged_and_never_crash(changes: Claims) -> None:
    for token, verify in (
        (hs256(claims_with(**changes), ACME_SECRET), verify_request),
        (rs256(install_claims_with(**changes)), verify_installed),
    ):
        try:
            verified = verify(token)
        except TokenRefused:
            continue
        lifetime = verified.expires_at - verified.issued_at
        assert timedelta(0) < lifetime <= timedelta(hours=1)
        assert NOW - timedelta(hours=1, seconds=30) <= verified.issued_at <= NOW + timedelta(seconds=30)


@given(
    authorization=st.none() | any_text | st.just("JWT a.b.c"),
    target=any_text | st.just("/ui?jwt=a.b.c"),
    allowed=st.booleans(),
)
def test_any_request_has_one_token_or_is_refused(authorization: str | None, target: str, allowed: bool) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    try:
        token = token_from(headers, target, query_allowed=allowed)
    except TokenRefused:
        return
    assert authorization == f"JWT {token}" or (authorization is None and allowed)


# --- tokens we sign -----------------------------------------------------------------------------------


def unpacked(token: str) -> Claims:
    """The claims of a token whose MAC is right, checked by hand."""
    signed, _, _ = token.rpartition(".")
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    assert token == f"{signed}.{part(hmac.digest(ACME_SECRET.encode(), signed.encode(), hashlib.sha256))}"
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    return claims


def test_a_call_as_the_app_is_bound_to_its_target() -> None:
    token = sign_app_request(
        ACME_SECRET.encode(),
        app_key="community-questions",
        method="post",
        target_relative_to_base="/api/v2/custom-content?body-format=storage",
        audience=ClientKey(ACME_KEY),
        now=NOW + timedelta(milliseconds=700),
    )

    assert unpacked(token) == {
        "iss": "community-questions",
        "iat": NOW_S,
        "exp": NOW_S + 180,
        "qsh": "16672477fa89d1caf5e9f3d780596bbd6c07b164e4fe81db383a8848a21260f7",
        "aud": [ACME_KEY],
    }


def test_a_call_as_the_app_may_name_no_audience() -> None:
    token = sign_app_request(
        ACME_SECRET.encode(),
        app_key="community-questions",
        method="GET",
        target_relative_to_base="/rest/api/user/current",
        audience=None,
        now=NOW,
    )

    assert "aud" not in unpacked(token)


def test_an_impersonation_names_site_and_person_for_a_minute() -> None:
    token = sign_impersonation(
        ACME_SECRET.encode(),
        oauth_client_id="b2F1dGgtY2xpZW50",
        account_id=AccountId(ALICE),
        tenant_base_url="https://acme.atlassian.net/wiki",
        audience="https://oauth-2-authorization-server.services.atlassian.com",
        now=NOW,
    )

    assert unpacked(token) == {
        "iss": "urn:atlassian:connect:clientid:b2F1dGgtY2xpZW50",
        "sub": f"urn:atlassian:connect:useraccountid:{ALICE}",
        "tnt": "https://acme.atlassian.net/wiki",
        "aud": "https://oauth-2-authorization-server.services.atlassian.com",
        "iat": NOW_S,
        "exp": NOW_S + 60,
    }


def test_our_own_tokens_do_not_open_our_own_doors() -> None:
    token = sign_app_request(
        ACME_SECRET.encode(),
        app_key=ACME_KEY,
        method="GET",
        target_relative_to_base="/api/v2/spaces",
        audience=None,
        now=NOW,
    )

    for kind in (REQUEST, CONTEXT):
        with pytest.raises(TokenRefused):
            verify_request(token, kind=kind)
