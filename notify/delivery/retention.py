"""What is kept of deliveries, and for how long: thirty days, then gone, with their attempts and their events.

Small transactions, so that a night's work never holds up a day's; a run cut short goes on the next night.
"""

from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lib.outbox import OutboxRow
from lib.principal import TenantId
from lib.services import Services
from lib.sql import across_tenants, delete_rows, rows_changed
from notify.model import Attempt, Delivery

KEPT = timedelta(days=30)
_BATCH = 1000


def forget_old(services: Services) -> int:
    """Deletes what ended more than thirty days ago; the number of deliveries and events deleted."""
    before = services.now() - KEPT
    forgotten = 0
    for work in (partial(_delete_deliveries, before=before), partial(_delete_events, before=before)):
        deleted = _BATCH
        while deleted == _BATCH:
            deleted = services.database.write(work)
            forgotten += deleted
    return forgotten


def _delete_deliveries(session: Session, before: datetime) -> int:
    # The timer looks at every installation's rows: none of them has anybody to look after it by itself.
    statement = select(Delivery.tenant_id, Delivery.id).where(Delivery.finished_at < before).limit(_BATCH)
    rows = session.execute(across_tenants(statement)).all()
    for tenant_id, of_tenant in groupby(sorted(rows, key=lambda row: row.tenant_id), key=lambda row: row.tenant_id):
        ids = [row.id for row in of_tenant]
        session.execute(delete_rows(TenantId(tenant_id), Attempt).where(Attempt.delivery_id.in_(ids)))
        session.execute(delete_rows(TenantId(tenant_id), Delivery).where(Delivery.id.in_(ids)))
    return len(rows)


def _delete_events(session: Session, before: datetime) -> int:
    ids = session.scalars(select(OutboxRow.id).where(OutboxRow.done_at < before).limit(_BATCH)).all()
    gone = delete(OutboxRow).where(OutboxRow.id.in_(ids)).execution_options(synchronize_session=False)
    return rows_changed(session.execute(gone)) if ids else 0
