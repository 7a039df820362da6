"""Is the process alive, can it work, and whom to tell about a vulnerability."""

import threading
import time
from datetime import timedelta

import azure.functions as func
from sqlalchemy import text

from lib.errors import NotFound, Unavailable
from lib.log import Log
from lib.services import Services
from lib.web import Call, Nothing, Reply, Resource

blueprint = func.Blueprint()

alive = Resource(blueprint, "healthz", "healthz", None)
ready = Resource(blueprint, "readyz", "readyz", None)
security = Resource(blueprint, "security_txt", ".well-known/security.txt", None)

_VERDICT_S = 5.0
"""How long a verdict is believed: probes come often, and each asks the database."""

_SECURITY_TXT_LIFE = timedelta(days=180)

log = Log("lib.health")
_lock = threading.Lock()
_verdict: tuple[float, bool] = (0.0, False)


@alive.operation("GET")
def is_alive(_: Call, __: Nothing) -> Reply:
    """The process answers; nothing else is touched."""
    return Reply({"status": "ok"})


@ready.operation("GET")
def is_ready(call: Call, _: Nothing) -> Reply:
    """The database answers too."""
    if not _is_ready(call.services):
        raise Unavailable("The database is not answering.")
    return Reply({"status": "ok"})


def _is_ready(services: Services) -> bool:
    global _verdict  # noqa: PLW0603 - one verdict for all threads of the process
    if not _lock.acquire(blocking=False):
        # Somebody is asking, maybe for seconds: probes must not fill the worker's threads with waiting.
        return _verdict[1]
    try:
        checked_at, verdict = _verdict
        if checked_at and time.monotonic() - checked_at < _VERDICT_S:
            return verdict
        try:
            services.read(lambda session: session.execute(text("SELECT 1")))
            verdict = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"
            log.warning("not_ready", error_type=type(error).__name__)
            verdict = False
        _verdict = (time.monotonic(), verdict)
        return verdict
    finally:
        _lock.release()


@security.operation("GET")
def tell_security(call: Call, _: Nothing) -> Reply:
    """Where to report a vulnerability (RFC 9116); nothing where the operator has set no contact."""
    contact = call.services.settings.security_contact
    if contact is None:
        raise NotFound
    expires = (call.now + _SECURITY_TXT_LIFE).strftime("%Y-%m-%dT00:00:00Z")
    canonical = f"{call.services.settings.app_base_url}/.well-known/security.txt"
    body = f"Contact: {contact}\nExpires: {expires}\nCanonical: {canonical}\n"
    return Reply(body.encode(), headers={"Cache-Control": "public, max-age=86400"}, media_type="text/plain")
