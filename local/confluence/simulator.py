"""The running simulator: its sites, storage, switches and the log of REST calls."""

import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from local.confluence.installation import enabled_app
from local.confluence.people import Site
from local.confluence.permissions import Sight
from local.confluence.points import Quota
from local.confluence.storage import Storage
from local.confluence.tokens import InstallKey
from local.confluence.webhooks import WebhookSender

LOGGED_REQUESTS = 500


@dataclass(frozen=True, slots=True)
class Settings:
    app_url: str
    chat_url: str
    connect_js: Path


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One REST call: `who` names the kind of credential and the account, never the credential itself."""

    method: str
    path: str
    query: str
    who: str
    status: int


@dataclass(slots=True)
class Outage:
    """What a site refuses to do for the moment; lost at restart by intent."""

    rest: bool = False
    oauth: bool = False


@dataclass(frozen=True, slots=True)
class Simulator:
    storage: Storage
    settings: Settings
    sites: tuple[Site, ...]
    install_key: InstallKey
    senders: dict[str, WebhookSender]
    cursor_key: bytes
    quotas: dict[str, Quota]
    outages: dict[str, Outage] = field(default_factory=dict)
    requests: dict[str, deque[LoggedRequest]] = field(default_factory=dict)
    lifecycle_lock: threading.Lock = field(default_factory=threading.Lock)

    def outage(self, site: Site) -> Outage:
        return self.outages.setdefault(site.key, Outage())

    def log(self, site: Site, request: LoggedRequest) -> None:
        self.requests.setdefault(site.key, deque(maxlen=LOGGED_REQUESTS)).append(request)

    def site_at(self, port: int) -> Site | None:
        matches = [site for site in self.sites if site.origin.endswith(f":{port}")]
        return matches[0] if matches else None

    def other_site(self, site: Site) -> Site:
        return next(other for other in self.sites if other.key != site.key)

    def sight(self, site: Site, account_id: str | None) -> Sight:
        return Sight(self.storage, site, account_id, enabled_app(self.storage, site))
