"""The stored installation of the app on a site: its key, secret, state and descriptor."""

import json
from dataclasses import dataclass
from functools import lru_cache

from local.confluence.descriptor import App, read_app
from local.confluence.people import Site
from local.confluence.storage import Storage

ENABLED, DISABLED, UNINSTALLED = "enabled", "disabled", "uninstalled"


@dataclass(frozen=True, slots=True)
class Installation:
    """`unconfirmed` means that an install call was under way when the simulator last stopped."""

    client_key: str
    state: str
    unconfirmed: bool
    shared_secret: str
    oauth_client_id: str
    app_account_id: str
    app: App
    descriptor: str


@lru_cache(maxsize=16)
def _app(descriptor: str) -> App:
    return read_app(json.loads(descriptor))


def find_installation(storage: Storage, site: Site) -> Installation | None:
    """The installation in any state, an uninstalled one included."""
    row = storage.row("SELECT * FROM installations WHERE site = ?", site.key)
    if row is None or not row["descriptor"]:
        return None
    return Installation(
        client_key=row["client_key"],
        state=row["state"],
        unconfirmed=bool(row["unconfirmed"]),
        shared_secret=row["shared_secret"],
        oauth_client_id=row["oauth_client_id"],
        app_account_id=row["app_account_id"],
        app=_app(row["descriptor"]),
        descriptor=row["descriptor"],
    )


def enabled_installation(storage: Storage, site: Site) -> Installation | None:
    found = find_installation(storage, site)
    return found if found is not None and found.state == ENABLED else None


def enabled_app(storage: Storage, site: Site) -> App | None:
    found = enabled_installation(storage, site)
    return None if found is None else found.app
