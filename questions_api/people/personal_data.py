"""Everything we hold about a person, for that person: every row that names their reference, by table and column.

Driven by the tables themselves, so that one added later is not forgotten. What a row tells of other people is
left out: their references, and secrets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, or_
from sqlalchemy.orm import Mapper, Session

from lib.principal import AccountId, TenantId
from lib.sql import Row, TenantRow, select_rows
from questions_api.people.profiles import find_account
from questions_api.wire import time_view

MOST_ROWS = 10_000
"""Rows given of one table."""

_REFERENCE = "_ref"
"""How the name of every column ends that refers to a person."""

Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class HeldRows:
    """The rows of one table about the person. References read as the person's account id, or None for others."""

    table: str
    columns: tuple[str, ...]
    rows: list[list[Value]]
    is_complete: bool


def tables_about_people() -> Iterator[Mapper[Any]]:
    """Every table of an installation with a column that refers to a person, in the order of their names."""
    mappers = [mapper for mapper in Row.registry.mappers if issubclass(mapper.class_, TenantRow)]
    for mapper in sorted(mappers, key=_name):
        if any(_is_reference(key) for key in mapper.columns.keys()):  # noqa: SIM118 - not a dictionary
            yield mapper


def _name(mapper: Mapper[Any]) -> str:
    return str(mapper.class_.__tablename__)


def _is_reference(column: str) -> bool:
    return column.endswith(_REFERENCE)


def personal_data(session: Session, tenant_id: TenantId, account_id: AccountId) -> list[HeldRows]:
    """The rows about the person in each table, at most `MOST_ROWS` of each; no tables for a person unknown to us."""
    account_ref = find_account(session, tenant_id, account_id)
    if account_ref is None:
        return []
    return [_rows(session, tenant_id, mapper, account_ref, account_id) for mapper in tables_about_people()]


def _rows(
    session: Session, tenant_id: TenantId, mapper: Mapper[Any], account_ref: int, account_id: AccountId
) -> HeldRows:
    # Sealed records are no business of anybody's, and the installation is the one the answer is about.
    columns = [
        column for column in mapper.columns if not isinstance(column.type, LargeBinary) and column.key != "tenant_id"
    ]
    attributes = [getattr(mapper.class_, column.key) for column in columns]
    about = or_(*(one == account_ref for one in attributes if _is_reference(one.key)))
    statement = select_rows(tenant_id, *attributes).where(about).limit(MOST_ROWS + 1)
    found = session.execute(statement).all()
    rows = [
        [
            _value(column.key, isinstance(column.type, BigInteger), value, account_ref, account_id)
            for column, value in zip(columns, row, strict=True)
        ]
        for row in found[:MOST_ROWS]
    ]
    return HeldRows(_name(mapper), tuple(column.key for column in columns), rows, len(found) <= MOST_ROWS)


def _value(column: str, is_id: bool, value: Any, account_ref: int, account_id: AccountId) -> Value:
    if value is None:
        return None
    if _is_reference(column):
        return account_id if value == account_ref else None
    if isinstance(value, datetime):
        return time_view(value)
    if isinstance(value, bool | str):
        return value
    return str(value) if is_id else int(value)
