"""host.json, its AzureFunctionsJobHost__ overrides, local.settings.json, %SETTING% and storage connections."""

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

_OVERRIDE_PREFIX = "azurefunctionsjobhost__"


class HostConfigurationError(Exception):
    """A setting the host cannot start with; the message names it."""


@dataclass(frozen=True, slots=True)
class Hsts:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook, section hsts."""

    max_age_s: int
    include_subdomains: bool
    preload: bool

    def header(self) -> str:
        parts = [f"max-age={self.max_age_s}"]
        parts.extend(["includeSubDomains"] if self.include_subdomains else [])
        parts.extend(["preload"] if self.preload else [])
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """None means unbounded."""

    route_prefix: str
    max_outstanding: int | None
    max_concurrent: int | None
    custom_headers: tuple[tuple[str, str], ...]
    hsts: Hsts | None


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue, section host.json."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    # The real host lowers this ceiling to two seconds in its development environment, which this one is.
    max_polling_interval_s: float = 2.0
    visibility_timeout_s: float = 0.0
    max_dequeue_count: int = 5
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostSettings:
    http: HttpSettings
    queues: QueueSettings


@dataclass(frozen=True, slots=True)
class QueueEndpoint:
    """Where queues live and the key that signs requests; `url` has no trailing slash."""

    url: str
    account: str
    key: str


def load_local_settings(app_dir: Path, environ: MutableMapping[str, str]) -> None:
    """Adds the Values of local.settings.json to the environment; what is already set stays."""
    path = app_dir / "local.settings.json"
    if not path.exists():
        return
    settings = json.loads(path.read_text("utf-8"))
    if settings.get("IsEncrypted"):
        raise HostConfigurationError(f"{path.name} is encrypted; run `func settings decrypt` first.")
    for name, value in settings.get("Values", {}).items():
        environ.setdefault(name, str(value))


def load_host_settings(app_dir: Path, environ: Mapping[str, str]) -> HostSettings:
    path = app_dir / "host.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {"version": "2.0"}
    if document.get("version") != "2.0":
        raise HostConfigurationError("host.json must say version 2.0.")
    for name, value in environ.items():
        if name.lower().startswith(_OVERRIDE_PREFIX):
            _override(document, name[len(_OVERRIDE_PREFIX) :].split("__"), value)
    return HostSettings(
        _http_settings(_section(document, "extensions", "http")),
        _queue_settings(_section(document, "extensions", "queues")),
    )


def _http_settings(section: Mapping[str, Any]) -> HttpSettings:
    headers = _section(section, "customHeaders")
    hsts = _section(section, "hsts")
    return HttpSettings(
        route_prefix=str(_get(section, "routePrefix", "api")).strip("/"),
        max_outstanding=_limit(_get(section, "maxOutstandingRequests", -1)),
        max_concurrent=_limit(_get(section, "maxConcurrentRequests", -1)),
        custom_headers=tuple((str(name), str(value)) for name, value in headers.items()),
        hsts=_hsts(hsts) if _truth(_get(hsts, "isEnabled", default=False)) else None,
    )


def _hsts(section: Mapping[str, Any]) -> Hsts:
    # ASP.NET Core's default age is 30 days.
    return Hsts(
        max_age_s=int(time_span(str(_get(section, "maxAge", "30"))).total_seconds()),
        include_subdomains=_truth(_get(section, "includeSubDomains", default=False)),
        preload=_truth(_get(section, "preload", default=False)),
    )


def _queue_settings(section: Mapping[str, Any]) -> QueueSettings:
    defaults = QueueSettings()
    batch_size = int(_get(section, "batchSize", defaults.batch_size))
    if not 1 <= batch_size <= 32:
        raise HostConfigurationError("extensions.queues.batchSize must be between 1 and 32.")
    polling_s = time_span(str(_get(section, "maxPollingInterval", "00:00:02"))).total_seconds()
    if polling_s < 0.1:
        raise HostConfigurationError("extensions.queues.maxPollingInterval must be at least 100 ms.")
    encoding = str(_get(section, "messageEncoding", "base64")).lower()
    if encoding not in {"base64", "none"}:
        raise HostConfigurationError("extensions.queues.messageEncoding must be base64 or none.")
    return QueueSettings(
        batch_size=batch_size,
        new_batch_threshold=int(_get(section, "newBatchThreshold", batch_size // 2)),
        max_polling_interval_s=polling_s,
        visibility_timeout_s=time_span(str(_get(section, "visibilityTimeout", "0"))).total_seconds(),
        max_dequeue_count=int(_get(section, "maxDequeueCount", defaults.max_dequeue_count)),
        base64=encoding == "base64",
    )


_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?")


def time_span(text: str) -> timedelta:
    """A .NET TimeSpan: `d`, `hh:mm`, `[d.]hh:mm:ss[.fffffff]`; 24 or more in the hours place means days."""
    if re.fullmatch(r"\d+", text):
        return timedelta(days=int(text))
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise HostConfigurationError(f"{text!r} is not a time span.")
    days, first, second, third, fraction = match.groups()
    if days is None and int(first) >= 24:
        return timedelta(days=int(first), hours=int(second), minutes=int(third or 0))
    return timedelta(
        days=int(days or 0),
        hours=int(first),
        minutes=int(second),
        seconds=int(third or 0) + float(f"0.{fraction or 0}"),
    )


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """Replaces each %NAME% by its setting; a missing one is a HostConfigurationError, as in the cloud."""

    def setting(match: re.Match[str]) -> str:
        value = environ.get(match[1])
        if value is None:
            raise HostConfigurationError(f"{text!r} names the setting {match[1]}, which is not set.")
        return value

    return re.sub(r"%([^%]+)%", setting, text)


def is_disabled(function: str, environ: Mapping[str, str]) -> bool:
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(_truth(environ.get(name, "")) for name in names)


def queue_endpoint(connection: str, environ: Mapping[str, str]) -> QueueEndpoint:
    """Resolves a binding's `connection`: a connection string, or the NAME__queueServiceUri family.

    Only keys can sign here: an identity-based connection is accepted for the emulator's account alone.
    """
    name = connection or "AzureWebJobsStorage"
    text = environ.get(f"AzureWebJobs{name}") or environ.get(name)
    if text:
        return _from_connection_string(name, text)
    account = environ.get(f"{name}__accountName", "")
    uri = environ.get(f"{name}__queueServiceUri") or (account and f"https://{account}.queue.core.windows.net")
    if not uri:
        raise HostConfigurationError(f"The connection {name} is not set.")
    if uri.rstrip("/").endswith(f"/{DEVELOPMENT_ACCOUNT}"):
        return QueueEndpoint(uri.rstrip("/"), DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY)
    raise HostConfigurationError(f"The connection {name} needs an identity; the local host signs with keys only.")


def _from_connection_string(name: str, text: str) -> QueueEndpoint:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    parts = {key.strip().lower(): value for key, _, value in pairs}
    if _truth(parts.get("usedevelopmentstorage", "")):
        return QueueEndpoint(f"http://127.0.0.1:10001/{DEVELOPMENT_ACCOUNT}", DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY)
    account, key = parts.get("accountname"), parts.get("accountkey")
    if not account or not key:
        raise HostConfigurationError(f"The connection {name} lacks AccountName or AccountKey.")
    scheme = parts.get("defaultendpointsprotocol", "https")
    suffix = parts.get("endpointsuffix", "core.windows.net")
    url = parts.get("queueendpoint") or f"{scheme}://{account}.queue.{suffix}"
    return QueueEndpoint(url.rstrip("/"), account, key)


def _override(document: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        known = _known(document, name)
        if not isinstance(document.get(known), dict):
            document[known] = {}
        document = document[known]
    document[_known(document, path[-1])] = value


def _known(section: Mapping[str, Any], name: str) -> str:
    return next((key for key in section if key.lower() == name.lower()), name)


def _get(section: Mapping[str, Any], name: str, default: Any) -> Any:
    return section.get(_known(section, name), default)


def _section(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        found = _get(document, name, None)
        document = found if isinstance(found, dict) else {}
    return document


def _limit(value: Any) -> int | None:
    number = int(value)
    return None if number < 0 else number


def _truth(value: Any) -> bool:
    return str(value).strip().lower() in {"true", "1"}
