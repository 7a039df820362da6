"""Settings, read once from the environment; the only module that looks at it.

Every name, its meaning and its local value stand in docs/settings.md. `read_settings` reports all
problems at once, so that an operator mends them in one go.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from lib.errors import Fault

_APP_KEY = re.compile(r"[a-zA-Z0-9._-]{1,64}")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_HOST_SUFFIX = re.compile(r"\.[a-z0-9-]+(\.[a-z0-9-]+)+")
_UNRESOLVED = "@Microsoft.KeyVault("

DEFAULT_INSTALL_KEYS_URL = "https://connect-install-keys.atlassian.com"
DEFAULT_OAUTH_URL = "https://oauth-2-authorization-server.services.atlassian.com"
DEFAULT_CONNECT_SCRIPT_URL = "https://connect-cdn.atl-paas.net/all.js"
DEFAULT_ATLASSIAN_HOSTS = ".atlassian.net,.jira.com"
DEFAULT_TEAMS_HOSTS = ".environment.api.powerplatform.com,.logic.azure.com"
MAX_FACTOR = 1000


class SettingsInvalid(Exception):
    """The environment does not describe a runnable app; `faults` names every setting and its problem."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.where}: {fault.detail}" for fault in faults))


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Where the Storage queues are: a connection string (emulator) or a service address with an identity."""

    connection_string: str | None = field(repr=False)
    service_uri: str | None
    client_id: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app is told from outside. Secret values never appear in `repr`."""

    app_base_url: str
    connect_app_key: str
    connect_install_keys_url: str
    atlassian_oauth_url: str
    connect_script_url: str
    atlassian_allowed_hosts: tuple[str, ...]
    """Dot-led host suffixes (https only) and exact origins (local stack only)."""
    database_url: str = field(repr=False)
    azure_client_id: str | None
    key_vault_url: str | None
    encryption_keys: tuple[tuple[int, bytes], ...] = field(repr=False)
    """(version, 32 bytes), newest last; empty when a vault holds them."""
    teams_hosts: tuple[str, ...]
    outbound_local_origins: frozenset[str]
    """Exact origins exempt from the https and public-address rules; always empty in Azure."""
    telemetry_connection_string: str | None = field(repr=False)
    queues: QueueSettings
    security_contact: str | None
    """`mailto:` or https address for security.txt."""
    rate_limit_factor: float
    """What the figures of `lib.limits` are multiplied with."""
    is_azure: bool

    @property
    def connect_script_origin(self) -> str:
        parts = urlsplit(self.connect_script_url)
        return f"{parts.scheme}://{parts.netloc}"


class _Reader:
    """Takes settings one by one and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[Fault] = []

    def fault(self, name: str, detail: str) -> None:
        self.faults.append(Fault(name, detail))

    def optional(self, name: str) -> str | None:
        value = self._environment.get(name, "").strip()
        if value.startswith(_UNRESOLVED):
            self.fault(name, "is an unresolved Key Vault reference; check the identity and the secret's address")
            return None
        return value or None

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None and not any(fault.where == name for fault in self.faults):
            self.fault(name, "is missing")
        return value or ""

    def base_url(self, name: str, default: str | None = None, *, path_allowed: bool = True) -> str:
        value = (self.optional(name) or default) if default else self.required(name)
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            self.fault(name, "is not an address")
            return value
        is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
        if parts.scheme != "https" and not is_local:
            self.fault(name, "must be an https address")
        elif not parts.hostname or parts.query or parts.fragment or parts.username:
            self.fault(name, "must be a plain address without query, fragment or user")
        elif value.endswith("/") or (not path_allowed and parts.path):
            self.fault(name, "must have no trailing slash" if path_allowed else "must have no path")
        return value

    def names(self, name: str, default: str, *patterns: re.Pattern[str]) -> tuple[str, ...]:
        text = self.optional(name)
        values = tuple(part.strip() for part in (default if text is None else text).split(",") if part.strip())
        for value in values:
            if not any(pattern.fullmatch(value) for pattern in patterns):
                self.fault(name, f"has an entry that is neither a host suffix nor an origin: {value!r}")
        return values

    def contact(self, name: str) -> str | None:
        value = self.optional(name)
        if value and not re.fullmatch(r"(mailto:[^\s@]+@[^\s@]+|https://\S+)", value):
            self.fault(name, "must be a mailto: or https: address")
        return value

    def factor(self, name: str, text: str | None) -> float:
        try:
            value = float(text or "1")
        except ValueError:
            value = 0.0
        # Written so that "nan" fails too.
        if not 0 < value <= MAX_FACTOR:
            self.fault(name, f"must be a number above 0 and up to {MAX_FACTOR}")
            return 1.0
        return value

    def encryption_keys(self, name: str) -> tuple[tuple[int, bytes], ...]:
        keys: dict[int, bytes] = {}
        for part in (self.optional(name) or "").split(","):
            if not part.strip():
                continue
            version, _, encoded = part.strip().partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                key = b""
            if not re.fullmatch(r"v[1-9][0-9]{0,8}", version) or len(key) != 32:
                self.fault(name, "must read v<number>:<base64 of 32 bytes>, separated by commas")
            elif int(version[1:]) in keys:
                self.fault(name, f"names {version} twice")
            else:
                keys[int(version[1:])] = key
        return tuple(keys.items())


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; raises `SettingsInvalid` naming every problem."""
    read = _Reader(environment)
    is_azure = bool(environment.get("WEBSITE_INSTANCE_ID") or environment.get("WEBSITE_SITE_NAME"))
    settings = Settings(
        app_base_url=read.base_url("APP_BASE_URL", path_allowed=False),
        connect_app_key=read.required("CONNECT_APP_KEY"),
        connect_install_keys_url=read.base_url("CONNECT_INSTALL_KEYS_URL", DEFAULT_INSTALL_KEYS_URL),
        atlassian_oauth_url=read.base_url("ATLASSIAN_OAUTH_URL", DEFAULT_OAUTH_URL),
        connect_script_url=read.base_url("CONNECT_SCRIPT_URL", DEFAULT_CONNECT_SCRIPT_URL),
        atlassian_allowed_hosts=read.names("ATLASSIAN_ALLOWED_HOSTS", DEFAULT_ATLASSIAN_HOSTS, _HOST_SUFFIX, _ORIGIN),
        database_url=read.required("DATABASE_URL"),
        azure_client_id=read.optional("AZURE_CLIENT_ID"),
        key_vault_url=read.optional("KEY_VAULT_URL"),
        encryption_keys=read.encryption_keys("ENCRYPTION_KEYS"),
        teams_hosts=read.names("DESTINATION_HOSTS_TEAMS", DEFAULT_TEAMS_HOSTS, _HOST_SUFFIX),
        outbound_local_origins=frozenset(read.names("OUTBOUND_LOCAL_ORIGINS", "", _ORIGIN)),
        telemetry_connection_string=read.optional("APPLICATIONINSIGHTS_CONNECTION_STRING"),
        queues=QueueSettings(
            connection_string=read.optional("AzureWebJobsStorage"),
            service_uri=read.optional("AzureWebJobsStorage__queueServiceUri"),
            client_id=read.optional("AzureWebJobsStorage__clientId"),
        ),
        security_contact=read.contact("SECURITY_CONTACT"),
        rate_limit_factor=read.factor("RATE_LIMIT_FACTOR", read.optional("RATE_LIMIT_FACTOR")),
        is_azure=is_azure,
    )
    _check_together(settings, read)
    if read.faults:
        raise SettingsInvalid(tuple(read.faults))
    return settings


def _check_together(settings: Settings, read: _Reader) -> None:
    if settings.connect_app_key and not _APP_KEY.fullmatch(settings.connect_app_key):
        read.fault("CONNECT_APP_KEY", "must be 1 to 64 letters, digits, dots, dashes or underscores")
    if settings.key_vault_url and settings.encryption_keys:
        read.fault("ENCRYPTION_KEYS", "must be absent when KEY_VAULT_URL is set: keys have one source")
    if not settings.key_vault_url and not settings.encryption_keys:
        read.fault("ENCRYPTION_KEYS", "is missing, and there is no KEY_VAULT_URL either")
    if not settings.queues.connection_string and not settings.queues.service_uri:
        read.fault("AzureWebJobsStorage", "is missing, and there is no AzureWebJobsStorage__queueServiceUri either")
    if settings.is_azure:
        _check_azure(settings, read)


def _check_azure(settings: Settings, read: _Reader) -> None:
    if settings.outbound_local_origins:
        read.fault("OUTBOUND_LOCAL_ORIGINS", "must be absent in Azure")
    if not settings.app_base_url.startswith("https://"):
        read.fault("APP_BASE_URL", "must be https in Azure")
    if any(not host.startswith(".") for host in settings.atlassian_allowed_hosts):
        read.fault("ATLASSIAN_ALLOWED_HOSTS", "must hold host suffixes only in Azure")


@cache
def settings() -> Settings:
    """The process's settings; read at first use, because importing the app must need no environment."""
    return read_settings(os.environ)
