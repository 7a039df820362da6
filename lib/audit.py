"""The audit log: who changed what, and when; appended to in the transaction of the change, never changed.

Settings are kept with their values before and after; of everything else the log keeps ids.
"""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.principal import Principal
from lib.sql import Instant, TenantRow, code_type, insert_row, new_id
from lib.tenancy import account_ref

_MAX_VALUES = 2000


class AuditRow(TenantRow):
    """One change. `before` and `after` are JSON in ASCII."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    actor_ref: Mapped[int] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(code_type(40))
    target_kind: Mapped[str] = mapped_column(code_type(16))
    target_id: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[str | None] = mapped_column(code_type(_MAX_VALUES))
    after: Mapped[str | None] = mapped_column(code_type(_MAX_VALUES))
    created_at: Mapped[datetime] = mapped_column(Instant)


def append_audit(
    session: Session,
    principal: Principal,
    action: str,
    target: tuple[str, int],
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    """Writes down a change. `target` is its kind and id; the values are those that changed, never text or names.

    `action` reads like `settings.changed`: the capability, then what happened.
    """
    kind, target_id = target
    row = {
        "id": new_id(now),
        "actor_ref": account_ref(session, principal.tenant_id, principal.account_id, now=now),
        "action": action,
        "target_kind": kind,
        "target_id": target_id,
        "before": _values(before),
        "after": _values(after),
        "created_at": now,
    }
    session.execute(insert_row(principal.tenant_id, AuditRow, **row))


def changed_values(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """The entries in which the two differ, from each of them (pure)."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def _values(values: Mapping[str, object] | None) -> str | None:
    if values is None:
        return None
    text = json.dumps(values, default=str)
    # A list too long for the column is cut to a mark: the log must never refuse the change it reports.
    return text if len(text) <= _MAX_VALUES else json.dumps({"omitted": sorted(values)})[:_MAX_VALUES]
