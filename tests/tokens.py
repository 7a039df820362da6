"""Tokens for tests, signed by hand, so that what verifies them is never judged by its own code."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from urllib.parse import parse_qsl, quote, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ACME_KEY = "acme-0000-client-key"
ACME_SECRET = "acme-shared-secret-of-forty-characters-0"
GLOBEX_KEY = "globex-0000-client-key"
GLOBEX_SECRET = "globex-shared-secret-of-forty-characters"

ALICE = "557058:a11ce000-0000-4000-8000-000000000001"
BOB = "557058:b0b00000-0000-4000-8000-000000000002"
CAROL = "557058:ca401000-0000-4000-8000-000000000003"
DAVE = "557058:da4e0000-0000-4000-8000-000000000004"
MALLORY = "557058:3a110400-0000-4000-8000-000000000005"

KEY_ID = "7d3f9b1c-8a52-4c6e-9d01-5e8b2f4a6c70"
APP_BASE_URL = "https://cq.example.com"


def part(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def hs256(claims: Mapping[str, object] | bytes, secret: str, header: Mapping[str, object] | bytes = b"") -> str:
    """A token signed HS256, whatever its header says; bytes are taken as they are."""
    signed = _signed_part(claims, header or {"alg": "HS256", "typ": "JWT"})
    mac = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{part(mac)}"


def rs256(
    claims: Mapping[str, object] | bytes,
    header: Mapping[str, object] | bytes = b"",
    key: rsa.RSAPrivateKey | None = None,
) -> str:
    """A token signed RS256 with the install key, whatever its header says."""
    signed = _signed_part(claims, header or {"alg": "RS256", "typ": "JWT", "kid": KEY_ID})
    signature = (key or install_key()).sign(signed.encode(), padding.PKCS1v15(), SHA256())
    return f"{signed}.{part(signature)}"


def _signed_part(claims: Mapping[str, object] | bytes, header: Mapping[str, object] | bytes) -> str:
    first, second = (value if isinstance(value, bytes) else as_json(value) for value in (header, claims))
    return f"{part(first)}.{part(second)}"


def request_token(
    method: str,
    target: str,
    now: datetime,
    *,
    client_key: str = ACME_KEY,
    secret: str = ACME_SECRET,
    account_id: str | None = ALICE,
) -> str:
    """What the product signs for a frame, a webhook or an enabled/disabled callback."""
    return hs256(_claims(client_key, account_id, qsh(method, target), now), secret)


def context_token(
    now: datetime, *, client_key: str = ACME_KEY, secret: str = ACME_SECRET, account_id: str | None = ALICE
) -> str:
    """What `AP.context.getToken` gives the page for calls to our JSON API."""
    return hs256(_claims(client_key, account_id, "context-qsh", now), secret)


def install_token(
    method: str, target: str, now: datetime, *, client_key: str = ACME_KEY, audience: object = APP_BASE_URL
) -> str:
    """What Atlassian signs for installed and uninstalled."""
    return rs256(_claims(client_key, None, qsh(method, target), now) | {"aud": audience})


def _claims(client_key: str, account_id: str | None, query_hash: str, now: datetime) -> dict[str, object]:
    issued_at = int(now.timestamp())
    claims: dict[str, object] = {"iss": client_key, "iat": issued_at, "exp": issued_at + 180, "qsh": query_hash}
    return claims if account_id is None else claims | {"sub": account_id}


def qsh(method: str, target: str) -> str:
    """The query hash of a plain target (ASCII path, no percent-escape in it), written apart from lib.qsh."""
    url = urlsplit(target)
    groups: dict[str, list[str]] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name != "jwt":
            groups.setdefault(quote(name, safe="-._~"), []).append(value)
    query = [
        name + "=" + ",".join(quote(value, safe="-._~") for value in sorted(groups[name])) for name in sorted(groups)
    ]
    path = url.path.rstrip("/") or "/"
    return hashlib.sha256("&".join([method.upper(), path, "&".join(query)]).encode()).hexdigest()


@cache
def install_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other_key() -> rsa.RSAPrivateKey:
    """A good key that is not the one Atlassian signs with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey | None = None) -> bytes:
    public = (key or install_key()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
