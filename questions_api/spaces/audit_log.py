"""Reading the audit log, newest first, and making a table of it for a spreadsheet."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.audit import AuditRow
from lib.principal import AccountId, TenantId
from lib.sql import select_rows
from lib.tenancy import AccountRow

COLUMNS = ("time", "action", "actor", "targetKind", "targetId", "before", "after")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
_ID_BITS = 21
"""Random bits below the milliseconds of an id (`lib.sql.new_id`)."""
_MAX_ID = 2**63 - 1
_IDS = re.compile(r"tags|.*(Id|Ids|Ref)")
"""Names of values that are ids: too large for many a reader of JSON, unlike counts, settings and versions."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`start` is included and `end` is not; `below` is the id after which the page begins."""

    action: str | None = None
    actor: AccountId | None = None
    start: datetime | None = None
    end: datetime | None = None
    below: int | None = None
    limit: int = 25


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `actor` is None for a former user; for the values see `values_view`."""

    id: int
    at: datetime
    action: str
    actor: AccountId | None
    target_kind: str
    target_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    entries: list[Entry]
    next_below: int | None


def read_audit(session: Session, tenant_id: TenantId, wanted: Wanted) -> EntryPage:
    statement = (
        select_rows(
            tenant_id,
            AuditRow.id,
            AuditRow.created_at,
            AuditRow.action,
            AccountRow.atlassian_account_id.label("actor"),
            AuditRow.target_kind,
            AuditRow.target_id,
            AuditRow.before,
            AuditRow.after,
            only=AuditRow,
        )
        .outerjoin(
            AccountRow, and_(AccountRow.tenant_id == AuditRow.tenant_id, AccountRow.account_ref == AuditRow.actor_ref)
        )
        .order_by(AuditRow.id.desc())
        .limit(wanted.limit + 1)
    )
    conditions = (
        (wanted.action, AuditRow.action == wanted.action),
        (wanted.actor, AccountRow.atlassian_account_id == wanted.actor),
        (wanted.below, AuditRow.id < (wanted.below or 0)),
        (wanted.start, AuditRow.id >= _first_id(wanted.start)),
        (wanted.end, AuditRow.id < _first_id(wanted.end)),
    )
    for value, condition in conditions:
        if value is not None:
            statement = statement.where(condition)
    rows = session.execute(statement).all()
    entries = [
        Entry(
            id=row.id,
            at=row.created_at,
            action=row.action,
            actor=row.actor,
            target_kind=row.target_kind,
            target_id=row.target_id,
            before=_values(row.before),
            after=_values(row.after),
        )
        for row in rows[: wanted.limit]
    ]
    return EntryPage(entries, entries[-1].id if len(rows) > wanted.limit else None)


def _first_id(moment: datetime | None) -> int:
    """The smallest id of that millisecond: ids begin with the time, so the key of the table finds a period."""
    return 0 if moment is None else min(max(int(moment.timestamp() * 1000), 0) << _ID_BITS, _MAX_ID)


def _values(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        # What was too long even for the list of what was left out.
        return {"omitted": []}
    return values_view(found)


def values_view(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the rest of the API has such: names in camelCase, ids as text (pure)."""
    return {to_camel(name): _value_view(to_camel(name), value) for name, value in values.items()}


def _value_view(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return values_view(value)
    if isinstance(value, list):
        return [_value_view(name, member) for member in value]
    if name == "omitted" and isinstance(value, str):
        return to_camel(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and _IDS.fullmatch(name) else value


def table_of(entries: Iterable[Entry]) -> bytes:
    """The entries as CSV (RFC 4180) in UTF-8, with a heading (pure)."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        values = (None if held is None else json.dumps(held) for held in (entry.before, entry.after))
        at = entry.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        cells = (at, entry.action, entry.actor, entry.target_kind, str(entry.target_id), *values)
        writer.writerow([_harmless(cell or "") for cell in cells])
    return made.getvalue().encode()


def _harmless(cell: str) -> str:
    """A spreadsheet takes a cell that begins like this for a formula and runs it; an apostrophe makes it text."""
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
