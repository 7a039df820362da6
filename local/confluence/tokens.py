"""The query hash, HS256 tokens and the RSA install key, written from the Connect documentation alone."""

import hashlib
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.confluence.storage import Storage

TOKEN_LIFETIME_S = 180
CONTEXT_QSH = "context-qsh"

type Claims = dict[str, object]


def _canonical_path(path: str, base_path: str) -> str:
    base = base_path.rstrip("/")
    if base and (path == base or path.startswith(f"{base}/")):
        path = path[len(base) :]
    if len(path) > 1 and path.endswith("/"):
        path = path[:-1]
    path = path.replace("&", "%26")
    return path if path.startswith("/") else f"/{path}"


def _canonical_query(query: str) -> str:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if part and unquote_plus(name) != "jwt":
            groups[quote(unquote_plus(name), safe="")].append(unquote_plus(value))
    return "&".join(
        f"{name}={','.join(quote(value, safe='') for value in sorted(groups[name]))}" for name in sorted(groups)
    )


def canonical_request(method: str, target: str, base_path: str = "") -> str:
    """The text whose hash is the qsh claim.

    `target` is a raw request target or absolute URL, still percent-encoded; `base_path` is the path of the
    base URL the hash is relative to (https://developer.atlassian.com/cloud/confluence/understanding-jwt/).
    """
    if "://" in target.partition("?")[0]:
        parts = urlsplit(target)
        target = f"{parts.path}?{parts.query}"
    path, _, query = target.partition("#")[0].partition("?")
    return f"{method.upper()}&{_canonical_path(path, base_path)}&{_canonical_query(query)}"


def query_hash(method: str, target: str, base_path: str = "") -> str:
    return hashlib.sha256(canonical_request(method, target, base_path).encode()).hexdigest()


def sign_request_token(
    secret: str, *, issuer: str, qsh: str, subject: str | None = None, context: Claims | None = None
) -> str:
    """An HS256 token from the site to the app; `qsh` may be the fixed hash of a context token."""
    now = int(time.time())
    claims: Claims = {"iss": issuer, "iat": now, "exp": now + TOKEN_LIFETIME_S, "qsh": qsh}
    if subject is not None:
        claims["sub"] = subject
    if context is not None:
        claims["context"] = context
    return jwt.encode(claims, secret, algorithm="HS256")


def verify_hs256(token: str, secret: str, *, audience: str | None = None) -> Claims:
    """Claims of a token whose signature, expiry and issue time hold.

    Raises jwt.InvalidTokenError. `iat` and `exp` are required; an audience is checked only where one is named.
    """
    claims: Claims = jwt.decode(
        token,
        secret,
        algorithms=["HS256"],
        audience=audience,
        leeway=5,
        options={"require": ["iss", "iat", "exp"], "verify_aud": audience is not None},
    )
    return claims


def unverified_claim(token: str, name: str) -> str:
    """A text claim before verification, good for nothing but finding the key; empty when absent.

    Raises jwt.InvalidTokenError when the token cannot be read at all.
    """
    claims = jwt.decode(token, options={"verify_signature": False})
    value = claims.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class InstallKey:
    """Atlassian's key pair behind signed installs."""

    kid: str
    private_pem: str
    public_pem: str

    def sign(self, *, issuer: str, audience: str, qsh: str) -> str:
        now = int(time.time())
        claims: Claims = {"iss": issuer, "aud": [audience], "iat": now, "exp": now + TOKEN_LIFETIME_S, "qsh": qsh}
        return jwt.encode(claims, self.private_pem, algorithm="RS256", headers={"kid": self.kid})


def load_install_key(storage: Storage) -> InstallKey:
    """The key pair of this data file, made on first use and kept."""
    with storage.transaction():
        if storage.setting("install-key-id") is None:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            storage.set_setting("install-key-id", str(uuid.uuid4()))
            storage.set_setting("install-key-private", private.decode())
            storage.set_setting("install-key-public", public.decode())
    return InstallKey(
        kid=storage.setting("install-key-id") or "",
        private_pem=storage.setting("install-key-private") or "",
        public_pem=storage.setting("install-key-public") or "",
    )
