"""SharedKey signatures of Azure Storage: one implementation for the queue service and its clients.

Rule: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, queue service section.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

# The account every Storage emulator has, published by the vendor so that it protects nothing:
# https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def authorization(method: str, path: str, query: str, headers: Mapping[str, str], account: str, key: str) -> str:
    """The Authorization value. `path` and `query` are raw, as sent; `headers` have lower-case names."""
    text = string_to_sign(method, path, query, headers, account=account)
    digest = hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


def string_to_sign(method: str, path: str, query: str, headers: Mapping[str, str], *, account: str) -> str:
    lines = [method.upper()]
    lines.extend(_signed_value(name, headers) for name in SIGNED_HEADERS)
    lines.extend(f"{name}:{headers[name].strip()}" for name in _vendor_headers(headers))
    lines.append(f"/{account}{path}")
    lines.extend(f"{name}:{','.join(sorted(values))}" for name, values in _query_values(query))
    return "\n".join(lines)


def _signed_value(name: str, headers: Mapping[str, str]) -> str:
    value = headers.get(name, "")
    if name == "content-length" and value == "0":
        return ""
    # A request that carries x-ms-date leaves the Date line empty.
    if name == "date" and "x-ms-date" in headers:
        return ""
    return value


def _vendor_headers(headers: Mapping[str, str]) -> list[str]:
    # The service sorts as its culture does: hyphens do not count and an underscore precedes digits.
    names = [name for name in headers if name.startswith("x-ms-")]
    return sorted(names, key=lambda name: (name.replace("-", "").replace("_", " "), name))


def _query_values(query: str) -> list[tuple[str, list[str]]]:
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        values.setdefault(unquote(name).lower(), []).append(unquote(value))
    return sorted(values.items())
