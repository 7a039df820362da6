"""Parse the bodies of the four lifecycle callbacks; every problem is reported at once.

The body is not covered by the token's signature. Its client key must still be compared with the token's
issuer by the use case; the base URL becomes an outgoing target, so only hosts on the list pass. Unknown
fields are accepted, because Atlassian adds some without notice. The fields are those of Atlassian's
"Connect app descriptor: lifecycle HTTP request payload".
"""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from lib.errors import Fault, Invalid
from lib.principal import ClientKey


class LifecycleEvent(StrEnum):
    """The four callbacks; the value is both the last part of the route and the body's `eventType`."""

    INSTALLED = "installed"
    ENABLED = "enabled"
    DISABLED = "disabled"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True, slots=True)
class Installed:
    """A site handed us its secret: first install, update, rename, import or rotation alike."""

    client_key: ClientKey
    shared_secret: str = field(repr=False)
    """32 to 512 visible ASCII characters; its bytes are the signing key."""
    base_url: str
    """`https://<allowed host>` or an allowed local origin, optionally followed by `/wiki`."""
    display_url: str | None
    """For links and frame ancestors only, never called: any https host, optionally followed by `/wiki`.

    It and the ARI inform us only: an odd one counts as absent and does not keep a site from installing.
    """
    oauth_client_id: str | None
    """Without it the app cannot act as a user, and every grant is denied."""
    installation_ari: str | None


@dataclass(frozen=True, slots=True)
class LifecycleNotice:
    """A site was enabled, disabled or uninstalled. It changes no address and no secret."""

    event: LifecycleEvent
    client_key: ClientKey
    installation_ari: str | None


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# No user, port, query, escape or trailing slash can match, so no two parsers can see different hosts here;
# the last label starts with a letter, so no spelling of an IP address matches either.
_HTTPS_ADDRESS = re.compile(rf"https://((?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?)(?:/wiki)?", re.ASCII)
_ADDRESS_TEXT = re.compile(r"[!-~]{1,200}", re.ASCII)
_ADDRESS_RULE = "must be an https address of at most 200 characters, without port, user, query or path but /wiki"

_SUMMARY = "The lifecycle body is not valid."
_IDENTIFIER = re.compile(r"[!-~]{1,255}", re.ASCII)
_SECRET = re.compile(r"[!-~]{32,512}", re.ASCII)
_ARI = re.compile(r"ari:[!-~]{1,250}", re.ASCII)


def parse_installed(body: bytes, *, app_key: str, allowed_hosts: tuple[str, ...]) -> Installed:
    """The content of an `installed` body; raises `Invalid` listing every problem, without any value.

    `allowed_hosts` holds dot-led host suffixes and, for the local stack, exact origins.
    """
    read = _Reader(body)
    client_key = _check_envelope(read, LifecycleEvent.INSTALLED, app_key)
    read.expect("productType", "confluence")
    installed = Installed(
        client_key=client_key,
        shared_secret=read.text("sharedSecret", _SECRET, "must be 32 to 512 visible ASCII characters"),
        base_url=_base_url(read, allowed_hosts),
        display_url=_display_url(read, allowed_hosts),
        oauth_client_id=read.optional_text("oauthClientId", _IDENTIFIER, "must be 1 to 255 visible characters"),
        installation_ari=_installation_ari(read),
    )
    read.finish()
    return installed


def parse_notice(body: bytes, *, event: LifecycleEvent, app_key: str) -> LifecycleNotice:
    """The content of an enabled, disabled or uninstalled body; raises `Invalid` listing every problem.

    Addresses in it are ignored: a site whose address we would refuse must still be able to leave.
    """
    if event is LifecycleEvent.INSTALLED:
        raise ValueError("an installed body carries a secret and is parsed by parse_installed")
    read = _Reader(body)
    client_key = _check_envelope(read, event, app_key)
    if read.has("productType"):
        read.expect("productType", "confluence")
    notice = LifecycleNotice(event=event, client_key=client_key, installation_ari=_installation_ari(read))
    read.finish()
    return notice


class _Reader:
    """Takes members one by one and collects what is wrong with them; null counts as absent."""

    def __init__(self, body: bytes) -> None:
        self._members = _object(body)
        self._faults: list[Fault] = []

    def has(self, name: str) -> bool:
        return self._members.get(name) is not None

    def fault(self, name: str, detail: str) -> None:
        self._faults.append(Fault(f"/{name}", detail))

    def text(self, name: str, pattern: re.Pattern[str], rule: str) -> str:
        if not self.has(name):
            self.fault(name, "is missing")
            return ""
        return self.optional_text(name, pattern, rule) or ""

    def optional_text(self, name: str, pattern: re.Pattern[str], rule: str) -> str | None:
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(name, "must be a string")
        elif not pattern.fullmatch(value):
            self.fault(name, rule)
        else:
            return value
        return None

    def informative_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """The member where it fits, and nothing otherwise; it is never a fault."""
        value = self._members.get(name)
        return value if isinstance(value, str) and pattern.fullmatch(value) else None

    def expect(self, name: str, expected: str) -> None:
        if not self.has(name):
            self.fault(name, "is missing")
        elif self._members[name] != expected:
            self.fault(name, f"must be {expected}")

    def finish(self) -> None:
        if self._faults:
            raise Invalid(_SUMMARY, faults=tuple(self._faults))


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        fault = Fault("", "must be a JSON object in UTF-8 that names no member twice")
        raise Invalid(_SUMMARY, faults=(fault,)) from error
    if not isinstance(value, dict):
        raise Invalid(_SUMMARY, faults=(Fault("", "must be a JSON object"),))
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_envelope(read: _Reader, event: LifecycleEvent, app_key: str) -> ClientKey:
    read.expect("key", app_key)
    read.expect("eventType", event.value)
    return ClientKey(read.text("clientKey", _IDENTIFIER, "must be 1 to 255 visible ASCII characters"))


def _installation_ari(read: _Reader) -> str | None:
    return read.informative_text("installationId", _ARI)


def _base_url(read: _Reader, allowed_hosts: tuple[str, ...]) -> str:
    url = read.text("baseUrl", _ADDRESS_TEXT, _ADDRESS_RULE)
    if not url:
        return ""
    if _is_local(url, allowed_hosts):
        return url
    host = _https_host(url)
    if host is None:
        read.fault("baseUrl", _ADDRESS_RULE)
    elif not any(allowed.startswith(".") and host.endswith(allowed) for allowed in allowed_hosts):
        read.fault("baseUrl", "must have a host of the product")
    return url


def _display_url(read: _Reader, allowed_hosts: tuple[str, ...]) -> str | None:
    url = read.informative_text("displayUrl", _ADDRESS_TEXT)
    return url if url and (_is_local(url, allowed_hosts) or _https_host(url)) else None


def _https_host(url: str) -> str | None:
    match = _HTTPS_ADDRESS.fullmatch(url)
    return match[1] if match else None


def _is_local(url: str, allowed_hosts: tuple[str, ...]) -> bool:
    origin = url.removesuffix("/wiki")
    # A host suffix on the same list is no origin and must not be taken for one.
    return "://" in origin and origin in allowed_hosts
