"""Installing the app on a site and everything that can happen to the installation afterwards."""

import json
import logging
import secrets
import threading
import uuid
from typing import Any
from urllib.parse import urlsplit

import requests

from local.confluence.cast import group_id
from local.confluence.descriptor import App, DescriptorRefused, check_descriptor, read_app
from local.confluence.installation import DISABLED, ENABLED, UNINSTALLED, Installation, find_installation
from local.confluence.people import APP_GROUP, Site
from local.confluence.simulator import Simulator
from local.confluence.tokens import query_hash, sign_request_token

log = logging.getLogger("local.confluence.lifecycle")

TIMEOUT_S = 15
RETRY_AFTER_S = 1
ACCEPTED = frozenset({200, 204})


class LifecycleFailed(Exception):
    """The app could not be reached, is not installable, or did not accept the call."""


def fetch_descriptor(app_url: str) -> dict[str, Any]:
    """The checked descriptor document; raises LifecycleFailed."""
    try:
        answer = requests.get(f"{app_url}/atlassian-connect.json", timeout=TIMEOUT_S, allow_redirects=False)
        if answer.status_code != 200:
            raise LifecycleFailed(f"the descriptor answered {answer.status_code}")
        document: dict[str, Any] = answer.json()
        check_descriptor(document, app_url)
    except requests.RequestException as error:
        raise LifecycleFailed(f"the app cannot be reached: {type(error).__name__}") from error
    except DescriptorRefused as error:
        raise LifecycleFailed(f"the descriptor is refused: {error}") from error
    return document


def _body(site: Site, installation: Installation, event: str) -> dict[str, str]:
    body = {
        "key": installation.app.key,
        "clientKey": installation.client_key,
        "oauthClientId": installation.oauth_client_id,
        "baseUrl": site.base_url,
        "displayUrl": site.base_url,
        "displayUrlServicedeskHelpCenter": site.base_url,
        "productType": "confluence",
        "description": f"Confluence at {site.name}",
        "serverVersion": "6452",
        "pluginsVersion": "1000.0.0",
        "eventType": event,
    }
    return {**body, "sharedSecret": installation.shared_secret} if event == "installed" else body


def _announce(sim: Simulator, site: Site, installation: Installation, event: str) -> None:
    """One lifecycle call: install and uninstall are signed by Atlassian, the others by the shared secret."""
    app = installation.app
    path = app.lifecycle.get(event)
    if path is None:
        return
    url = app.base_url + path
    qsh = query_hash("POST", url, urlsplit(app.base_url).path)
    if event in {"installed", "uninstalled"}:
        token = sim.install_key.sign(issuer=installation.client_key, audience=app.base_url, qsh=qsh)
    else:
        token = sign_request_token(installation.shared_secret, issuer=installation.client_key, qsh=qsh)
    try:
        answer = requests.post(
            url,
            json=_body(site, installation, event),
            headers={"Authorization": f"JWT {token}"},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise LifecycleFailed(f"{event} cannot be delivered: {type(error).__name__}") from error
    if answer.status_code not in ACCEPTED:
        raise LifecycleFailed(f"{event} was answered with {answer.status_code}")
    log.info("%s %s accepted", site.key, event)


def _app_account(sim: Simulator, site: Site, app: App) -> str:
    """The account the app acts as; made on the first install and a member of the apps' group."""
    row = sim.storage.row("SELECT account_id FROM people WHERE site = ? AND account_type = 'app'", site.key)
    if row is not None:
        return str(row["account_id"])
    account_id = f"557058:{uuid.uuid4()}"
    sim.storage.run(
        "INSERT INTO people (account_id, site, name, account_type, position) VALUES (?, ?, ?, 'app', 1000)",
        account_id,
        site.key,
        app.name,
    )
    sim.storage.run("INSERT INTO members VALUES (?, ?)", group_id(site.key, APP_GROUP), account_id)
    return account_id


def _save(sim: Simulator, site: Site, installation: Installation) -> None:
    sim.storage.run(
        "INSERT OR REPLACE INTO installations (site, client_key, app_key, state, unconfirmed, shared_secret,"
        " oauth_client_id, app_account_id, descriptor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        site.key,
        installation.client_key,
        installation.app.key,
        installation.state,
        int(installation.unconfirmed),
        installation.shared_secret,
        installation.oauth_client_id,
        installation.app_account_id,
        installation.descriptor,
    )


def _client_key(sim: Simulator, site: Site) -> str:
    """Kept before the first install call leaves, so that an interrupted install is repeated by the same tenant."""
    sim.storage.run(
        "INSERT OR IGNORE INTO installations VALUES (?, ?, '', 'uninstalled', 1, '', '', '', '')",
        site.key,
        str(uuid.uuid4()),
    )
    row = sim.storage.row("SELECT client_key FROM installations WHERE site = ?", site.key)
    if row is None:
        raise LookupError(site.key)
    return str(row["client_key"])


def _prepare(sim: Simulator, site: Site, document: dict[str, Any]) -> Installation:
    """The installation as it will be once the app accepts; the client key of a site never changes."""
    before = find_installation(sim.storage, site)
    app = read_app(document)
    keeps_client = before is not None and before.state != UNINSTALLED
    return Installation(
        client_key=_client_key(sim, site),
        state=ENABLED,
        unconfirmed=False,
        shared_secret=secrets.token_urlsafe(48),
        oauth_client_id=before.oauth_client_id if before is not None and keeps_client else secrets.token_urlsafe(24),
        app_account_id=_app_account(sim, site, app),
        app=app,
        descriptor=json.dumps(document, sort_keys=True),
    )


def install(sim: Simulator, site: Site) -> Installation:
    """Installs, updates or rotates: always a new shared secret, in force once the app has accepted it."""
    with sim.lifecycle_lock:
        document = fetch_descriptor(sim.settings.app_url)
        with sim.storage.transaction():
            installation = _prepare(sim, site, document)
            sim.storage.run("UPDATE installations SET unconfirmed = 1 WHERE site = ?", site.key)
        _announce(sim, site, installation, "installed")
        with sim.storage.transaction():
            _save(sim, site, installation)
            sim.storage.run("DELETE FROM access_tokens WHERE site = ?", site.key)
        try:
            _announce(sim, site, installation, "enabled")
        except LifecycleFailed as error:
            log.warning("%s: %s", site.key, error)
        return installation


def change_state(sim: Simulator, site: Site, event: str) -> None:
    """`event` is enabled, disabled or uninstalled; the site's own state changes even if the app does not answer."""
    states = {"enabled": ENABLED, "disabled": DISABLED, "uninstalled": UNINSTALLED}
    with sim.lifecycle_lock:
        installation = find_installation(sim.storage, site)
        if installation is None or installation.state == UNINSTALLED:
            raise LifecycleFailed("the app is not installed")
        with sim.storage.transaction():
            sim.storage.run("UPDATE installations SET state = ? WHERE site = ?", states[event], site.key)
            sim.storage.run("DELETE FROM access_tokens WHERE site = ?", site.key)
        _announce(sim, site, installation, event)


def _wants_install(sim: Simulator, site: Site) -> bool:
    """Never installed, interrupted, or the app has published another descriptor; an uninstall is respected."""
    found = find_installation(sim.storage, site)
    if found is None or found.unconfirmed:
        return True
    if found.state == UNINSTALLED:
        return False
    document = fetch_descriptor(sim.settings.app_url)
    return json.dumps(document, sort_keys=True) != found.descriptor


def install_when_ready(sim: Simulator, stopping: threading.Event) -> None:
    """Runs in a thread at start: installs on each site, trying once a second until the app answers."""
    waiting = list(sim.sites)
    told = ""
    while waiting and not stopping.is_set():
        try:
            if _wants_install(sim, waiting[0]):
                install(sim, waiting[0])
            waiting.pop(0)
        except LifecycleFailed as error:
            if str(error) != told:
                told = str(error)
                log.warning("install on %s waits: %s", waiting[0].key, told)
            stopping.wait(RETRY_AFTER_S)
