"""Everything we hold about a person, for that person: every row that names their reference, by table and role.

Driven by the tables themselves, so that one added later is not forgotten. What a row tells of other people is
left out: their references, what they made of the person's posts, what administrators wrote, and secrets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, String, and_, or_
from sqlalchemy.orm import Mapper, Session

from lib.errors import Fault, Invalid
from lib.principal import AccountId, TenantId
from lib.sql import Row, TenantRow, select_rows
from questions_api.people.profiles import find_account
from questions_api.wire import time_view

PAGE_ROWS = 1_000
"""Rows given in one answer."""

_REFERENCE = "_ref"
"""How the name of every column ends that refers to a person."""

_BY_REFERENCE = "_by_ref"
"""How it ends where the person has done something to the row, which may be another's."""

WITHHELD = frozenset(
    {
        # What others made of the person's posts: votes are for those who may view votes, originals may be hidden.
        *("score", "up", "down", "hot", "answer_count", "accepted_count", "watch_count", "duplicate_of"),
        # What administrators wrote, and where it leads.
        *("label", "endpoint_host", "endpoint_ending", "endpoint_fingerprint"),
    }
)
"""Columns that no answer holds."""

_TIMES = {"requested_by_ref": "created_at"}
"""When a person took a role, where the column is not called like the role."""

Value = str | int | bool | None
Position = tuple[int, ...]
"""A part of the walk, and the key of the row it has come to; the part alone is its beginning."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a table that name a person in one role, and what of them is that person's to read.

    All of a row is its owner's. Of a row that names the person in another role: that role, its time, and ids.
    """

    mapper: Mapper[Any]
    role: str
    owner: str

    @property
    def table(self) -> str:
        return _name(self.mapper)

    @property
    def is_owners(self) -> bool:
        return self.role == self.owner

    @property
    def number(self) -> int:
        """The part in a cursor: the same after a table is added or leaves."""
        return _number(f"{self.table}.{self.role}")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.key for column in self.mapper.columns if self._is_shown(column))

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key within the rows of one person."""
        names = (str(column.key) for column in self.mapper.primary_key)
        return tuple(name for name in names if name not in {"tenant_id", self.role})

    def _is_shown(self, column: Any) -> bool:
        name: str = column.key
        if name == "tenant_id" or name in WITHHELD or isinstance(column.type, LargeBinary):
            return False
        if self.is_owners or name == self.role:
            return True
        stem = self.role.removesuffix(_BY_REFERENCE)
        is_id = name == "id" or name.endswith("_id") or column.primary_key
        return (is_id and not _is_reference(name)) or name == _TIMES.get(self.role, f"{stem}_at")


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Rows of one part. References read as the person's account id, or None for others."""

    table: str
    role: str
    columns: tuple[str, ...]
    rows: list[list[Value]]


@dataclass(frozen=True, slots=True)
class HeldPage:
    """`next_position` is None at the end of the walk."""

    held: list[HeldRows]
    next_position: Position | None = None


def parts_about_people() -> Iterator[Part]:
    """Every part there is: by the names of the tables, the owner's rows first."""
    mappers = [mapper for mapper in Row.registry.mappers if issubclass(mapper.class_, TenantRow)]
    for mapper in sorted(mappers, key=_name):
        roles = [column.key for column in mapper.columns if _is_reference(column.key)]
        if roles:
            owner = next((role for role in roles if not role.endswith(_BY_REFERENCE)), roles[0])
            for role in sorted(roles, key=lambda role: role != owner):
                yield Part(mapper, role, owner)


def personal_data(
    session: Session, tenant_id: TenantId, account_id: AccountId, *, after: Position | None = None
) -> HeldPage:
    """The next `PAGE_ROWS` rows about the person after that position; nothing for a person unknown to us.

    A part without rows is named once, where the walk passes it.
    """
    parts, start = _parts_from(after)
    account_ref = find_account(session, tenant_id, account_id)
    if account_ref is None:
        return HeldPage([])
    held: list[HeldRows] = []
    room = PAGE_ROWS
    for part in parts:
        found = _read(session, tenant_id, part, account_ref, start, room + 1)
        page, width = found[:room], len(part.columns)
        if page or len(found) == len(page):
            rows = [_shown(part, row[:width], account_ref, account_id) for row in page]
            held.append(HeldRows(part.table, part.role.removesuffix(_REFERENCE), part.columns, rows))
        if len(found) > len(page):
            reached = tuple(_as_number(value) for value in page[-1][width:]) if page else start
            return HeldPage(held, (part.number, *reached))
        room, start = room - len(page), ()
    return HeldPage(held)


def _parts_from(position: Position | None) -> tuple[list[Part], Position]:
    """The parts from that position on, and the key to go on after in the first of them."""
    parts = list(parts_about_people())
    if position is None:
        return parts, ()
    number, *key = position
    for index, part in enumerate(parts):
        if part.number == number and len(key) in {0, len(part.key)}:
            return parts[index:], tuple(key)
    # The cursor is ours, but of a time when the tables were others.
    raise Invalid(faults=(Fault("cursor", "is too old; begin again"),))


def _read(
    session: Session, tenant_id: TenantId, part: Part, account_ref: int, after: Position, limit: int
) -> Sequence[Any]:
    """Rows of the part in the order of their keys: the columns shown, then the key."""
    table = part.mapper.class_
    role, owner = getattr(table, part.role), getattr(table, part.owner)
    keys = [getattr(table, name) for name in part.key]
    statement = select_rows(tenant_id, *(getattr(table, name) for name in part.columns), *_labelled(keys))
    statement = statement.where(role == account_ref).order_by(*keys).limit(limit)
    if not part.is_owners:
        # The owner's rows are given whole already.
        statement = statement.where(or_(owner != account_ref, owner.is_(None)))
    if after:
        values = [_of_number(key, number) for key, number in zip(keys, after, strict=True)]
        statement = statement.where(_follows(keys, values))
    return session.execute(statement).all()


def _labelled(keys: list[Any]) -> Iterator[Any]:
    """A column that is selected twice needs a second name."""
    return (key.label(f"key_{index}") for index, key in enumerate(keys))


def _follows(keys: Sequence[Any], values: Sequence[str | int]) -> ColumnElement[bool]:
    return or_(
        *(
            and_(*(key == value for key, value in zip(keys[:at], values[:at], strict=True)), keys[at] > values[at])
            for at in range(len(keys))
        )
    )


def _name(mapper: Mapper[Any]) -> str:
    return str(mapper.class_.__tablename__)


def _is_reference(column: str) -> bool:
    return column.endswith(_REFERENCE)


def _number(text: str) -> int:
    return int.from_bytes(text.encode())


def _as_number(value: str | int) -> int:
    """A key's value in a cursor, which holds numbers; keys are ids and codes."""
    return _number(value) if isinstance(value, str) else value


def _of_number(key: Any, number: int) -> str | int:
    is_text = isinstance(key.type, String)
    return number.to_bytes((number.bit_length() + 7) // 8).decode() if is_text else number


def _shown(part: Part, values: Sequence[Any], account_ref: int, account_id: AccountId) -> list[Value]:
    columns = [part.mapper.columns[name] for name in part.columns]
    return [
        _value(column.key, isinstance(column.type, BigInteger), value, account_ref, account_id)
        for column, value in zip(columns, values, strict=True)
    ]


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
