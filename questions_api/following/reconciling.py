"""Reconciling: what Confluence lists against our rows, for whatever its webhooks did not tell us.

Every hour what has changed lately, every week everything; one site at a time, for a limited number of points
and minutes. A pass that is cut short goes on where it stopped, a site that is away is left alone for a while.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from lib.errors import Failure, Unavailable
from lib.log import Log
from lib.principal import TenantId
from lib.services import Services
from lib.telemetry import trace_of
from questions_api.following.asking import Reader
from questions_api.following.model import PassKind
from questions_api.following.passes import (
    LEASE,
    LeaseLostError,
    begin_new_sites,
    begin_pass,
    claim_site,
    due_pass,
    due_sites,
    finish_pass,
    interrupt_pass,
    put_off_site,
    release_site,
)
from questions_api.following.repairing import Run
from questions_api.following.spaces import bring_up_to_date

POINTS_PER_RUN = 2_000
_BUDGET_S = 120.0
"""Together with the longest call well below the lease and the host's limit."""

_AWAY, _FAILED = timedelta(minutes=15), timedelta(hours=1)

log = Log("questions_api.reconciling")


def reconcile(
    services: Services, clock: Callable[[], float] = time.monotonic, *, points_per_run: int = POINTS_PER_RUN
) -> int:
    """Runs the passes that are due, of one site after the other, for two minutes; the count of passes finished.

    `points_per_run` is what each site may cost, and at least 600: one page of a list and what is missing from it.
    """
    ends_at = clock() + _BUDGET_S
    services.database.write(partial(begin_new_sites, now=services.now()))
    finished = 0
    for tenant_id in services.database.read(partial(due_sites, now=services.now())):
        if clock() >= ends_at:
            break
        finished += _reconcile_site(services, tenant_id, points_per_run, lambda: clock() < ends_at)
    return finished


def _reconcile_site(services: Services, tenant_id: TenantId, points: int, has_time: Callable[[], bool]) -> int:
    lease = services.now() + LEASE
    claim = partial(claim_site, tenant_id=tenant_id, now=services.now(), until=lease)
    installation = services.tenants.by_id(tenant_id)
    if installation is None or not installation.is_active:
        return 0
    if not services.database.write(claim, tenant_id=tenant_id):
        return 0
    reader = Reader(services.confluence, installation)
    tenant, put_off = services.log_hash(tenant_id), None
    run = Run(services, tenant_id, reader, lease, points, has_time, trace_of(None))
    finished = 0
    try:
        finished = sum(_run_pass(run, kind) for kind in PassKind)
    except LeaseLostError:
        log.warning("reconcile_lease_lost", tenant=tenant)
    except Unavailable as error:
        put_off = _AWAY
        log.warning("reconcile_site_away", tenant=tenant, code=error.code)
    except (Failure, SQLAlchemyError) as error:
        # One site's trouble must not keep the others from their turn.
        put_off = _FAILED
        log.error("reconcile_failed", error=error, tenant=tenant)
    if put_off is not None:
        later = partial(put_off_site, tenant_id=tenant_id, lease=lease, until=services.now() + put_off)
        services.database.write(later, tenant_id=tenant_id)
    services.database.write(partial(release_site, tenant_id=tenant_id, lease=lease), tenant_id=tenant_id)
    return finished


def _run_pass(run: Run, kind: PassKind) -> bool:
    """Goes on with the pass if it is due; whether it has come to its end."""
    services, tenant_id, lease = run.services, run.tenant_id, run.lease
    due = services.read(partial(due_pass, kind=kind, tenant_id=tenant_id, now=services.now()), tenant_id=tenant_id)
    if due is None:
        return False
    is_through = False
    if run.may_read():
        if due.is_new:
            # The spaces come first: what is in a missing one is not looked for, and one whose webhook was lost
            # would stay archived, or missing, for good.
            points = _look_at_spaces(run)
            run.write(partial(begin_pass, tenant_id=tenant_id, begun=due, points=points, lease=lease))
        is_through = run.go_on(due)
    if not is_through:
        run.write(partial(interrupt_pass, kind=kind, tenant_id=tenant_id, lease=lease, now=services.now()))
        return False
    counts = run.write(partial(finish_pass, done=due, tenant_id=tenant_id, lease=lease, now=services.now()))
    log.info("reconcile_finished", tenant=services.log_hash(tenant_id), kind=kind, **asdict(counts))
    return True


def _look_at_spaces(run: Run) -> int:
    """Follows the spaces, once a run. What it cost is counted apart: with many spaces no page would be read for it."""
    if run.has_looked_at_spaces:
        return 0
    reader = Reader(run.services.confluence, run.reader.installation)
    bring_up_to_date(run.services, reader.installation, reader)
    run.has_looked_at_spaces = True
    return reader.points
