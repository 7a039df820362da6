"""Which URLs and addresses may be called at all: pure rules, used when an endpoint is stored and before each send."""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MAX_URL_LENGTH = 2048

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_PARTS = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A last label that starts with a letter excludes every spelling of an IPv4 address (1.2.3.4, 0x7f.1, 2130706433).
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")
_LOCAL_AUTHORITY = re.compile(r"(?P<host>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
# RFC 3986: pchar, "/" and, in a query, "?"; anything else would be re-encoded on its way out.
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)


class OutboundError(Exception):
    """A call that gave no usable answer; `reason` is one of the constant codes, and nothing else is carried.

    refused-address: the URL or an address behind its name is not one we call. dns: the name has no
    address. connect: no address accepted a connection. tls: no trusted TLS 1.2+ session with that name.
    timeout: the deadline passed. too-large: more bytes than allowed. redirect: any 3xx.
    protocol: the answer was not whole, well-formed HTTP.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class UrlRefused(ValueError):
    """A URL we do not call; `reason` is a constant code, and the URL itself is never held."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """An accepted URL, unchanged. Path and query may be the secret, so `repr` shows neither."""

    url: str = field(repr=False)
    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    query: str = field(repr=False)
    is_local: bool
    """The origin is one of the exact local origins: http and private addresses are allowed for it."""


def parse_public_url(
    url: str, *, allowed_hosts: tuple[str, ...], local_origins: frozenset[str] = frozenset()
) -> PublicUrl:
    """`url` in its parts, or `UrlRefused`: a URL is accepted as it stands or refused, never cleaned.

    `allowed_hosts` holds dot-led suffixes (at least one more label is required) and exact hosts.
    `local_origins` holds exact origins that are exempt from https, the port rule and the host list.
    """
    target = parse_any_url(url, local_origins=local_origins)
    if not target.is_local and not _is_listed(target.host, allowed_hosts):
        raise UrlRefused("host-not-listed")
    return target


def parse_any_url(url: str, *, local_origins: frozenset[str]) -> PublicUrl:
    """As `parse_public_url`, without a host list: for the door itself, whose callers hold the lists."""
    if len(url) > MAX_URL_LENGTH:
        raise UrlRefused("too-long")
    if not _VISIBLE.fullmatch(url) or "\\" in url or "#" in url:
        raise UrlRefused("characters")
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise UrlRefused("scheme")
    path, query = parts["path"] or "", parts["query"] or ""
    if not path and parts["query"] is not None:
        raise UrlRefused("path")
    _check_path_and_query(path, query)
    is_local = f"{parts['scheme']}://{parts['authority']}" in local_origins
    host, port = (_local_host if is_local else _public_host)(parts["scheme"], parts["authority"])
    return PublicUrl(url, parts["scheme"], host, port, path, query, is_local)


def _check_path_and_query(path: str, query: str) -> None:
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        raise UrlRefused("characters")
    if _ENCODED_CONTROL.search(path) or _ENCODED_CONTROL.search(query):
        raise UrlRefused("characters")
    if _DOT_SEGMENT.search(path):
        raise UrlRefused("path")


def _public_host(scheme: str, authority: str) -> tuple[str, int]:
    if scheme != "https":
        raise UrlRefused("scheme")
    if "@" in authority or "%" in authority:
        raise UrlRefused("authority")
    host = authority.removesuffix(":443")
    if ":" in host:
        raise UrlRefused("port")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise UrlRefused("host")
    return host, 443


def _local_host(scheme: str, authority: str) -> tuple[str, int]:
    parts = _LOCAL_AUTHORITY.fullmatch(authority)
    if parts is None:
        raise UrlRefused("authority")
    port = int(parts["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65_536:
        raise UrlRefused("port")
    return parts["host"], port


def _is_listed(host: str, allowed_hosts: tuple[str, ...]) -> bool:
    return any(
        host.endswith(entry) and len(host) > len(entry) if entry.startswith(".") else host == entry
        for entry in allowed_hosts
    )


# An explicit table: `ipaddress.is_global` calls several of these public (NAT64, 6to4, site-local,
# multicast, the compatible range), and 168.63.129.16, Azure's wire server, looks public to any of them.
REFUSED_NETWORKS: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this-network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-nat"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "azure-wire-server"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4-relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/96", "v4-compatible"),
    ("::ffff:0:0:0/96", "v4-translated"),
    ("64:ff9b::/96", "nat64"),
    ("64:ff9b:1::/48", "nat64"),
    ("100::/64", "discard"),
    ("2001::/23", "protocol"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment-routing"),
    ("fc00::/7", "unique-local"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
_NETWORKS = tuple((ip_network(text), name) for text, name in REFUSED_NETWORKS)
_GLOBAL_UNICAST = ip_network("2000::/3")


def refused_class(address: str) -> str | None:
    """The class for which an address is refused, or None for a public one; not an address → "malformed"."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return "malformed"
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return "scoped"
        # A mapped address reaches the IPv4 host inside it, so that is what counts.
        parsed = parsed.ipv4_mapped or parsed
    for network, name in _NETWORKS:
        if parsed.version == network.version and parsed in network:
            return name
    if parsed.version == 6 and parsed not in _GLOBAL_UNICAST:
        return "unassigned"
    return None
