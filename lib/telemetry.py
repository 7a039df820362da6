"""Trace context, and telemetry that starts when the first answer is out.

The worker library gives synchronous functions an empty trace, so the edges take the host's `traceparent`
(W3C Trace Context) from the invocation and pass it on: into events, queue messages and log lines.
"""

import re
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from lib.config import Settings

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_AFTER_S = 2.0
_INSTRUMENTATIONS = ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3")
_LOGGER_NAME = "cq"
"""Only our own records are exported: the root logger would send the SDKs' chatter along."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Joins a request, its event, its deliveries and their log lines."""

    traceparent: str

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]


def trace_of(traceparent: str | None) -> Trace:
    """The trace a caller handed over, or a new one where it handed over none or nonsense."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found and found.group(1) != "0" * 32 and found.group(2) != "0" * 16:
        return Trace(found.group(0))
    return Trace(f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01")


_started = threading.Lock()


def start_exporting(settings: Settings) -> None:
    """Starts the Application Insights exporter once per process, in a thread of its own and a moment later.

    The distro takes a quarter of a second to import; the first answer does not wait for it. Without a
    connection string nothing is imported and log lines stay on the console.
    """
    if settings.telemetry_connection_string is None or not _started.acquire(blocking=False):
        return
    timer = threading.Timer(_AFTER_S, _configure, (settings,))
    timer.daemon = True
    timer.start()


def _configure(settings: Settings) -> None:
    from azure.monitor.opentelemetry import configure_azure_monitor

    options: dict[str, Any] = {
        "connection_string": settings.telemetry_connection_string,
        "logger_name": _LOGGER_NAME,
        # The distro's request and client instrumentations record whole URLs, and ours hold tokens.
        "instrumentation_options": {name: {"enabled": False} for name in _INSTRUMENTATIONS},
        "enable_live_metrics": False,
    }
    if settings.is_azure and settings.azure_client_id:
        from azure.identity import ManagedIdentityCredential

        options["credential"] = ManagedIdentityCredential(client_id=settings.azure_client_id)
    configure_azure_monitor(**options)
