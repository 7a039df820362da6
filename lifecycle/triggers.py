"""Routes that Confluence itself calls: descriptor, lifecycle and webhooks; and the purge."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial

import azure.functions as func
from sqlalchemy.exc import SQLAlchemyError

from lib.authentication import Identity, Request, authenticate_notice, authenticate_request
from lib.confluence import Caller
from lib.connect_jwt import peek_key_id, token_from, verify_install
from lib.errors import Failure, NotFound
from lib.idempotency import forget_expired_keys
from lib.log import Log
from lib.services import Services, services
from lib.tenancy import InstallationRow
from lib.web import Call, Nothing, Reply, Resource, Signed
from lifecycle import descriptor as descriptors
from lifecycle.install_keys import InstallKeys, fetch_through
from lifecycle.installing import LifecycleRefused, install, set_enabled, uninstall
from lifecycle.payloads import LifecycleEvent, parse_installed, parse_notice
from lifecycle.purging import due_for_purge, forget_expired, purge
from lifecycle.webhooks import EVENTS, Report, Stale, note_report, parse_report

blueprint = func.Blueprint()
log = Log("lifecycle")

_WEBHOOK_BYTES = 1_000_000
_PURGE_BUDGET_S = 120.0
"""Well below the host's `functionTimeout`; what is left over waits for the next run."""

_LOOKUP_S = 2.0
"""How long a webhook's answer may wait for the id of a space."""

_DONE = Reply(status=204)


@cache
def _install_keys() -> InstallKeys:
    shared = services()
    return InstallKeys(fetch_through(shared.door), shared.settings.connect_install_keys_url)


def authenticate_install(shared: Services, request: Request) -> Identity:
    """A token signed by Atlassian for this very callback; the installation may not exist yet."""
    token = token_from(request.headers, request.target, query_allowed=False)
    claims = verify_install(
        token,
        public_key_pem=_install_keys().pem(peek_key_id(token)),
        method=request.method,
        raw_target=request.target,
        audiences=(shared.settings.app_base_url,),
        now=request.received_at,
    )
    return Identity(claims, None)


descriptor = Resource(blueprint, "connect_descriptor", "atlassian-connect.json", None)
installed = Resource(blueprint, "connect_installed", "connect/lifecycle/installed", authenticate_install)
uninstalled = Resource(blueprint, "connect_uninstalled", "connect/lifecycle/uninstalled", authenticate_install)
enabled = Resource(blueprint, "connect_enabled", "connect/lifecycle/enabled", authenticate_notice)
disabled = Resource(blueprint, "connect_disabled", "connect/lifecycle/disabled", authenticate_notice)
webhooks = Resource(
    blueprint, "connect_webhook", "connect/webhooks/{event}", authenticate_request, max_body_bytes=_WEBHOOK_BYTES
)


@descriptor.operation("GET")
def send_descriptor(call: Call, _: Nothing) -> Reply:
    """The Connect descriptor."""
    return Reply(descriptors.descriptor(call.services.settings), headers={"Cache-Control": "public, max-age=300"})


@installed.operation("POST", takes=Signed)
def on_installed(call: Call, _: Signed) -> Reply:
    """Stores the site's secret and addresses before answering."""
    settings, claims, body = call.services.settings, call.claims, call.request.body
    parsed = parse_installed(body, app_key=settings.connect_app_key, allowed_hosts=settings.atlassian_allowed_hosts)
    call.services.write(
        partial(install, keyring=call.services.keyring, claims=claims, installed=parsed, body=body, now=call.now),
        trace=call.trace,
    )
    call.services.tenants.forget(parsed.client_key)
    log.info("installed", trace_id=call.trace.trace_id)
    return _DONE


@uninstalled.operation("POST", takes=Signed)
def on_uninstalled(call: Call, _: Signed) -> Reply:
    """Stops the installation and destroys its secret."""
    body = call.request.body
    notice = parse_notice(body, event=LifecycleEvent.UNINSTALLED, app_key=call.services.settings.connect_app_key)
    call.services.write(
        partial(uninstall, claims=call.claims, notice=notice, body=body, now=call.now), trace=call.trace
    )
    call.services.tenants.forget(notice.client_key)
    log.info("uninstalled", trace_id=call.trace.trace_id)
    return _DONE


def _switch(call: Call, event: LifecycleEvent) -> Reply:
    notice = parse_notice(call.request.body, event=event, app_key=call.services.settings.connect_app_key)
    if notice.client_key != call.installation.client_key:
        raise LifecycleRefused("issuer-mismatch")
    is_enabled = event is LifecycleEvent.ENABLED
    call.write(partial(set_enabled, tenant_id=call.tenant_id, is_enabled=is_enabled))
    call.services.tenants.forget(call.installation.client_key)
    return _DONE


@enabled.operation("POST", takes=Signed)
def on_enabled(call: Call, _: Signed) -> Reply:
    """The app may be used."""
    return _switch(call, LifecycleEvent.ENABLED)


@disabled.operation("POST", takes=Signed)
def on_disabled(call: Call, _: Signed) -> Reply:
    """The app may not be used until it is enabled again."""
    return _switch(call, LifecycleEvent.DISABLED)


@webhooks.operation("POST", takes=Signed)
def on_webhook(call: Call, _: Signed) -> Reply:
    """Writes down what happened and answers; the work is done from the queue."""
    event = call.request.path_values.get("event", "")
    if event not in EVENTS:
        raise NotFound
    type_of = call.services.confluence.type_of
    types = frozenset({type_of("question"), type_of("answer")})
    report = _with_space(call, parse_report(event, call.request.body, content_types=types))
    call.write(partial(note_report, tenant_id=call.tenant_id, report=report, now=call.now))
    if report.stale is not Stale.NOTHING:
        call.services.tenants.forget(call.installation.client_key)
        call.services.spaces.forget(call.tenant_id)
    return _DONE


@cache
def _lookups() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="space-lookup")


def _with_space(call: Call, report: Report) -> Report:
    """The report with the id of the space it names by key, where Confluence tells it soon enough.

    Confluence waits for the answer to its webhook and sends it once, so this must not wait as long as other
    reads do. Without the id the whole site is asked anew, which is never wrong.
    """
    if report.space_key is None or report.space_id is not None:
        return report
    asked = _lookups().submit(call.services.confluence.space_id_of, Caller(call.installation, None), report.space_key)
    try:
        return replace(report, space_id=asked.result(_LOOKUP_S))
    except (Failure, TimeoutError):
        asked.cancel()
        return report


@blueprint.function_name("purge_expired")
@blueprint.timer_trigger(arg_name="timer", schedule="0 */10 * * * *", use_monitor=True)
def purge_expired(timer: func.TimerRequest) -> None:
    """Forgets the installations whose grace is over, and what has expired: install tokens, kept answers."""
    del timer
    run_purge(services(), time.monotonic)


def run_purge(shared: Services, clock: Callable[[], float]) -> None:
    """One run within its time; an installation that cannot be purged now does not keep the others from it."""
    ends_at = clock() + _PURGE_BUDGET_S
    shared.database.write(partial(forget_expired, now=shared.now()))
    while clock() < ends_at and shared.database.write(partial(forget_expired_keys, now=shared.now())):
        pass
    for tenant_id in shared.read(partial(due_for_purge, now=shared.now())):
        if clock() >= ends_at:
            return
        tenant = shared.log_hash(tenant_id)
        try:
            counts = purge(shared.database, tenant_id, has_time=lambda: clock() < ends_at)
        except (Failure, SQLAlchemyError) as error:
            log.error("purge_failed", error=error, tenant=tenant)
            continue
        if not counts:
            # The site came back, or there was no time to begin.
            continue
        state = "finished" if InstallationRow.__tablename__ in counts else "unfinished"
        log.info("installation_purged", tenant=tenant, count=sum(counts.values()), state=state)
