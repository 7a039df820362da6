"""The canonical form of a request and its hash, which binds a Connect token to one method, path and query.

Everything works on the raw request target, still percent-encoded: a decoded or re-serialised target loses
the order, the `+` and the empty values that the signer hashed. The rules are Atlassian's "Understanding JWT
for Connect apps"; the request body is never part of the hash.
"""

import hashlib
import re
from urllib.parse import quote, unquote_plus

JWT_PARAMETER = "jwt"
"""The query parameter that carries a token; case-sensitive, and the only one left out of the hash."""

_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


def query_hash(method: str, raw_target: str, base_path: str = "") -> str:
    """The qsh claim of a request: lower-case hex SHA-256 of its canonical form."""
    canonical = canonical_request(method, raw_target, base_path)
    # A lone surrogate cannot come from a signer, but it must end in a refusal, not in an encoding error.
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def canonical_request(method: str, raw_target: str, base_path: str = "") -> str:
    """`METHOD&path&query`. `raw_target` is path?query or an absolute URL, whose host plays no role.

    `base_path` is the path part of the address the target is relative to ("" for this app, "/wiki" for
    a Confluence site) and is removed as whole segments only.
    """
    path, query = _split(raw_target)
    return f"{method.upper()}&{_canonical_path(path, base_path)}&{_canonical_query(_decoded(query))}"


def query_parameters(raw_target: str) -> list[tuple[str, str]]:
    """The decoded query parameters in order of appearance; a name without `=` has an empty value.

    The token is looked for in the same list that the hash is computed from, so that no spelling of a
    parameter counts for one and not for the other.
    """
    return _decoded(_split(raw_target)[1])


def _split(raw_target: str) -> tuple[str, str]:
    target, _, _fragment = raw_target.partition("#")
    if origin := _ORIGIN.match(target):
        target = target[origin.end() :]
    path, _, query = target.partition("?")
    return path, query


def _decoded(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def _canonical_path(path: str, base_path: str) -> str:
    if base_path and (path == base_path or path.startswith(base_path + "/")):
        path = path[len(base_path) :]
    if path != "/":
        path = path.removesuffix("/")
    path = path.replace("&", "%26")
    return path if path.startswith("/") else "/" + path


def _canonical_query(parameters: list[tuple[str, str]]) -> str:
    values_by_name: dict[str, list[str]] = {}
    for name, value in parameters:
        if name != JWT_PARAMETER:
            values_by_name.setdefault(_encoded(name), []).append(value)
    return "&".join(
        f"{name}={','.join(_encoded(value) for value in sorted(values))}"
        for name, values in sorted(values_by_name.items())
    )


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
