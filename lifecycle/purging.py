"""Forgetting an installation whose grace is over: every row with its tenant id, then the row itself.

Rows go in small transactions, so that a large tenant neither locks a table nor fills the log; a run that is
cut short goes on where it stopped, because what is gone is gone. Rows of no installation that expire go too.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from lib.principal import TenantId
from lib.sql import Database, Row, across_tenants, rows_changed
from lib.tenancy import InstallationRow, InstallationState

_BATCH = 2000
_KEPT = InstallationRow.__tablename__


def purge_list() -> list[Table]:
    """Every table that holds an installation's rows, those that refer to others first."""
    return [
        table for table in reversed(Row.metadata.sorted_tables) if "tenant_id" in table.columns and table.name != _KEPT
    ]


def forget_expired(session: Session, *, now: datetime) -> int:
    """Deletes what has expired among the rows that belong to no installation (install tokens); how many."""
    expiring = [
        table
        for table in Row.metadata.sorted_tables
        if "expires_at" in table.columns and "tenant_id" not in table.columns
    ]
    return sum(rows_changed(session.execute(delete(table).where(table.c.expires_at < now))) for table in expiring)


def due_for_purge(session: Session, *, now: datetime) -> list[TenantId]:
    statement = (
        select(InstallationRow.tenant_id)
        .where(
            InstallationRow.state.in_((InstallationState.UNINSTALLED, InstallationState.PURGING)),
            InstallationRow.purge_after <= now,
        )
        .order_by(InstallationRow.purge_after)
    )
    return [TenantId(tenant_id) for tenant_id in session.scalars(statement)]


def _delete_some(session: Session, table: Table, tenant_id: TenantId) -> int:
    keys = list(table.primary_key.columns)
    # A tenant's purge is the one place that walks tables by metadata instead of through the scoped helpers,
    # so that a table added later is purged without anyone remembering to.
    chosen = across_tenants(select(*keys).where(table.c.tenant_id == tenant_id).limit(_BATCH))
    found: list[dict[str, Any]] = [
        {f"key_{column.name}": value for column, value in zip(keys, row, strict=True)}
        for row in session.execute(chosen)
    ]
    if found:
        conditions = [column == bindparam(f"key_{column.name}", type_=column.type) for column in keys]
        session.connection().execute(delete(table).where(*conditions), found)
    return len(found)


def _claim(session: Session, tenant_id: TenantId) -> bool:
    """From here on the site cannot come back to these rows: installing waits until they are gone."""
    changed = session.execute(
        update(InstallationRow)
        .where(
            InstallationRow.tenant_id == tenant_id,
            InstallationRow.state.in_((InstallationState.UNINSTALLED, InstallationState.PURGING)),
        )
        .values(state=InstallationState.PURGING)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(changed) == 1


def _always() -> bool:
    return True


def purge(database: Database, tenant_id: TenantId, *, has_time: Callable[[], bool] = _always) -> dict[str, int]:
    """Deletes all rows of the installation; the number deleted from each table. Nothing where it came back.

    `has_time` is asked before each batch; once it says no, the rest is left to the next run. Only a purge that
    came to its end counts the installation itself.
    """
    counts: dict[str, int] = {}
    if not database.write(partial(_claim, tenant_id=tenant_id)):
        return counts
    for table in purge_list():
        deleted = _BATCH
        while deleted == _BATCH:
            if not has_time():
                return counts
            deleted = database.write(partial(_delete_some, table=table, tenant_id=tenant_id))
            counts[table.name] = counts.get(table.name, 0) + deleted
    last = delete(InstallationRow).where(InstallationRow.tenant_id == tenant_id)
    database.write(lambda session: session.execute(last.execution_options(synchronize_session=False)))
    counts[_KEPT] = 1
    return counts
