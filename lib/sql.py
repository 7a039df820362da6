"""The database: table base, transactions, and statements that cannot forget the installation.

`Database.read` and `Database.write` own the transaction: they commit when the work returns and undo it when
it raises. Work may run more than once (see `_TRIES`), so it must have no effect outside its session.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, override

from sqlalchemy import (
    NVARCHAR,
    VARCHAR,
    BigInteger,
    Connection,
    CursorResult,
    DateTime,
    Delete,
    Dialect,
    Engine,
    Executable,
    Index,
    Insert,
    Label,
    MetaData,
    Result,
    Select,
    String,
    TextClause,
    Unicode,
    Update,
    bindparam,
    delete,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Mapped, ORMExecuteState, Session, UOWTransaction, mapped_column
from sqlalchemy.sql.util import find_tables
from sqlalchemy.types import TypeDecorator, TypeEngine

from lib.errors import Unavailable
from lib.principal import TenantId
from lib.sql_errors import is_transient, retry_delay_s

_TRIES = 4
"""Times a whole transaction is tried. Besides passing faults this settles races: a duplicate key means that
somebody else wrote the same fact first, and the second run sees that fact."""

RETRY_WITHIN_S = 5.0
"""No further try begins this long after the first began: a caller is waiting."""

_STATEMENT_TIMED_OUT = "HYT00"
"""ODBC's state for a statement given up after the time that `lib.engine` allows (ODBC, appendix A)."""

_TENANT_OPTION = "tenant_id"
_ACROSS_OPTION = "across_tenants"
_FROM_PARAMETERS = "from-parameters"
_CONDITION = "condition"


class Instant(TypeDecorator[datetime]):
    """A moment in UTC with millisecond precision; refuses naive values.

    Milliseconds, because cursors compare stored values for equality and the databases differ below that.
    """

    impl = DateTime
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "mssql":
            return dialect.type_descriptor(DateTime())
        from sqlalchemy.dialects.mssql import DATETIME2

        return dialect.type_descriptor(DATETIME2(3))  # type: ignore[no-untyped-call]

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment must carry its time zone")
        return value.astimezone(UTC).replace(tzinfo=None, microsecond=value.microsecond // 1000 * 1000)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def code_type(length: int) -> TypeEngine[str]:
    """An identifier or code in ASCII: compared byte by byte on every database."""
    return String(length).with_variant(VARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")


def slug_type(length: int) -> TypeEngine[str]:
    """A normalised text: what it is equal to was decided when it was made, so the databases compare its characters.

    Their own rules would tell some slugs apart by nothing, and order them by languages.
    """
    return (
        Unicode(length)
        .with_variant(NVARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")
        .with_variant(Unicode(length, collation="C"), "postgresql")
    )


def default_number(value: int) -> TextClause:
    """The default, in the database, of a column that a later schema adds: rows of an earlier one keep their meaning."""
    return text(str(value))


class Row(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def partial_index(name: str, condition: str, *columns: Any, unique: bool = False) -> Index:
    """An index that holds only the rows which meet `condition`, in SQL that every database reads alike.

    `postgresql_where` and its kin would import each dialect at every start of the app, for 40 ms and 4 MB.
    """
    return Index(name, *columns, unique=unique, info={_CONDITION: condition})


def tell_conditions(metadata: MetaData, dialect_name: str) -> None:
    """Gives the conditions of partial indexes to the dialect that is about to create them."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if _CONDITION in index.info:
                index.dialect_options[dialect_name]["where"] = text(index.info[_CONDITION])


def _before_create(metadata: MetaData, connection: Connection, **_: Any) -> None:
    tell_conditions(metadata, connection.dialect.name)


event.listen(Row.metadata, "before_create", _before_create)


class TenantRow(Row):
    """Base of every table that belongs to an installation; `tenant_id` leads its keys."""

    __abstract__ = True

    tenant_id: Mapped[TenantId] = mapped_column(BigInteger, primary_key=True, autoincrement=False, sort_order=-1)


class UnscopedStatementError(Exception):
    """A statement on tenant data that was not made by one of the helpers below: a defect, never user input."""


def select_rows(tenant_id: TenantId, *entities: Any, only: Any = None) -> Select[Any]:
    """SELECT of tables or columns, limited to one installation's rows of every tenant table among them.

    With `only`, that table alone is limited and leads the FROM; the others must be joined to it by
    `tenant_id` (an outer join limited in WHERE would be none).
    """
    statement = select(*entities)
    if only is not None:
        statement = statement.select_from(only)
    for table in _tenant_tables(*entities) if only is None else [only]:
        statement = statement.where(table.tenant_id == tenant_id)
    return statement.execution_options(**{_TENANT_OPTION: tenant_id})


def select_bound(leading: type[TenantRow], *entities: Any) -> Select[Any]:
    """A SELECT to be built once and run with a `tenant_id` value: limited on `leading`, which leads the FROM.

    Whatever else it names must be joined by `tenant_id`. The session checks the bound value at each run.
    """
    return (
        select(*entities)
        .select_from(leading)
        .where(leading.tenant_id == bindparam("tenant_id"))
        .execution_options(**{_TENANT_OPTION: _FROM_PARAMETERS})
    )


_OF_TENANT = "of_tenant"
"""In an UPDATE, a parameter named like a column would be taken for a value to set."""


def insert_bound(table: type[TenantRow]) -> Insert:
    """An INSERT to be built once; the values it is run with name every column, `tenant_id` among them."""
    return insert(table).execution_options(**{_TENANT_OPTION: _FROM_PARAMETERS})


def update_bound(table: type[TenantRow]) -> Update:
    """An UPDATE to be built once and run with an `of_tenant` value."""
    return (
        update(table)
        .where(table.tenant_id == bindparam(_OF_TENANT))
        .execution_options(**{_TENANT_OPTION: _FROM_PARAMETERS})
    )


def delete_bound(table: type[TenantRow]) -> Delete:
    """A DELETE to be built once and run with an `of_tenant` value."""
    return (
        delete(table)
        .where(table.tenant_id == bindparam(_OF_TENANT))
        .execution_options(**{_TENANT_OPTION: _FROM_PARAMETERS})
    )


def run_bound(
    session: Session, statement: Select[Any] | Insert | Update | Delete, values: dict[str, Any]
) -> CursorResult[Any]:
    """Runs a statement of the `…_bound` helpers in the session's transaction, past the mapper: columns only, and at a
    third of the price or less (docs/performance.md).

    The session's own check does not see it, so the same is checked here.
    """
    if statement.get_execution_options().get(_TENANT_OPTION) != _FROM_PARAMETERS:
        raise UnscopedStatementError(str(statement))
    _check_same_tenant(session, values.get(_OF_TENANT, values.get("tenant_id")))
    return session.connection().execute(statement, values)


def insert_row(tenant_id: TenantId, table: type[TenantRow], /, **values: Any) -> Insert:
    return insert(table).values(tenant_id=tenant_id, **values).execution_options(**{_TENANT_OPTION: tenant_id})


def update_rows(tenant_id: TenantId, table: type[TenantRow]) -> Update:
    return (
        update(table)
        .where(table.tenant_id == tenant_id)
        .execution_options(**{_TENANT_OPTION: tenant_id, "synchronize_session": False})
    )


def delete_rows(tenant_id: TenantId, table: type[TenantRow]) -> Delete:
    return (
        delete(table)
        .where(table.tenant_id == tenant_id)
        .execution_options(**{_TENANT_OPTION: tenant_id, "synchronize_session": False})
    )


def rows_changed(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE touched."""
    return result.rowcount if isinstance(result, CursorResult) else -1


def across_tenants[S: Executable](statement: S) -> S:
    """Marks the few statements of timers that look at every installation's rows; each use says why."""
    return statement.execution_options(**{_ACROSS_OPTION: True})


def _tenant_tables(*entities: Any) -> list[Any]:
    """The tenant tables (or aliases of them) that the entities name, each once.

    An entity that names no table by itself, such as a function, is refused: it would go unlimited.
    """
    found: dict[Any, None] = {}
    for entity in entities:
        column = entity.element if isinstance(entity, Label) else entity
        # A label holds the bare column, which names its table in an annotation; an attribute has it as parent.
        source = getattr(column, "_annotations", {}).get("parententity")
        if source is None:
            inspected: Any = inspect(column, raiseerr=False)
            source = getattr(inspected, "parent", inspected)
        mapper = getattr(source, "mapper", None)
        if mapper is None:
            raise UnscopedStatementError("select_rows takes tables, their columns and labels of them")
        if issubclass(mapper.class_, TenantRow):
            found[source.entity] = None
    return list(found)


def _names_tenant_table(statement: Any) -> bool:
    named = find_tables(
        statement, check_columns=True, include_aliases=True, include_joins=True, include_selects=True, include_crud=True
    )
    owned = {mapper.local_table for mapper in Row.registry.mappers if issubclass(mapper.class_, TenantRow)}
    return not owned.isdisjoint(named)


def _require_tenant(state: ORMExecuteState) -> None:
    options = state.execution_options
    if _ACROSS_OPTION in options:
        return
    if _TENANT_OPTION not in options:
        if _names_tenant_table(state.statement):
            raise UnscopedStatementError(str(state.statement))
        return
    named = options[_TENANT_OPTION]
    if named == _FROM_PARAMETERS:
        parameters = state.parameters
        named = parameters.get("tenant_id") if isinstance(parameters, dict) else None
    _check_same_tenant(state.session, named)


def _check_same_tenant(session: Session, named: Any) -> None:
    bound = session.info.get(_TENANT_OPTION)
    if named is None or (bound is not None and bound != named):
        raise UnscopedStatementError("the statement names another installation than its session")


def _require_tenant_on_flush(session: Session, _: UOWTransaction, __: Any) -> None:
    bound = session.info.get(_TENANT_OPTION)
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, TenantRow) and bound is not None and row.tenant_id != bound:
            raise UnscopedStatementError(f"a row of {type(row).__name__} belongs to another installation")


class TenantSession(Session):
    """A session that refuses statements which do not name their installation."""


event.listen(TenantSession, "do_orm_execute", _require_tenant)
event.listen(TenantSession, "before_flush", _require_tenant_on_flush)


def new_id(now: datetime) -> int:
    """A time-ordered 63-bit id made by the app: 42 bits of milliseconds, 21 random ones.

    Two equal ids end in a key error, and the transaction is tried again with a new one.
    """
    return int(now.timestamp() * 1000) << 21 | random.SystemRandom().getrandbits(21)


@dataclass(slots=True)
class Database:
    """Transactions on one engine. Shared by all threads of a process."""

    engine: Engine
    sleep: Callable[[float], None] = time.sleep
    retry_within_s: float = RETRY_WITHIN_S
    clock: Callable[[], float] = time.monotonic
    _sessions: dict[bool, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # SQLite takes its write lock at BEGIN for a transaction that will write; taken later, the lock could
        # be refused to a transaction that has already read. Other databases ignore the option.
        self._sessions = {
            False: self.engine,
            True: self.engine.execution_options(sqlite_begin="IMMEDIATE"),
        }

    def read[T](self, work: Callable[[Session], T], *, tenant_id: TenantId | None = None) -> T:
        """What `work` returns, from a transaction that is rolled back. `Unavailable` when the database is away."""
        return self._run(work, tenant_id, is_write=False)

    def write[T](self, work: Callable[[Session], T], *, tenant_id: TenantId | None = None) -> T:
        """What `work` returns, committed. `Unavailable` when the database is away: then nothing was written, unless
        it went away while it committed.
        """
        return self._run(work, tenant_id, is_write=True)

    @contextmanager
    def session(self, *, tenant_id: TenantId | None = None, is_write: bool) -> Iterator[Session]:
        with TenantSession(self._sessions[is_write], expire_on_commit=False, autoflush=False) as session:
            session.info[_TENANT_OPTION] = tenant_id
            yield session

    def _run[T](self, work: Callable[[Session], T], tenant_id: TenantId | None, *, is_write: bool) -> T:
        started = self.clock()
        for attempt in range(1, _TRIES + 1):
            is_last = attempt == _TRIES
            try:
                return self._run_once(work, tenant_id, is_write=is_write)
            except (RaceLostError, IntegrityError) as error:
                if is_last and isinstance(error, IntegrityError):
                    raise
                failure: Exception = error
                pause_s, retry_after_s = 0.0, 1
            except (DBAPIError, PoolTimeoutError) as error:
                if _has_timed_out(error):
                    raise Unavailable from error
                if not is_transient(error):
                    raise
                failure = error
                pause_s, retry_after_s = retry_delay_s(error, attempt, random.random()), 5  # noqa: S311 - jitter
            if is_last or self.clock() + pause_s - started >= self.retry_within_s:
                raise Unavailable(retry_after_s=retry_after_s) from failure
            if pause_s:
                self.sleep(pause_s)
        raise AssertionError("unreachable")

    def _run_once[T](self, work: Callable[[Session], T], tenant_id: TenantId | None, *, is_write: bool) -> T:
        with self.session(tenant_id=tenant_id, is_write=is_write) as session:
            result = work(session)
            if is_write:
                session.flush()
                _commit(session)
            return result


def _has_timed_out(error: Exception) -> bool:
    """Whether a statement took all the time it is allowed. It is not run again: it would take as long."""
    origin = getattr(error, "orig", None)
    is_statement = getattr(error, "statement", None) is not None
    return is_statement and origin is not None and origin.args[:1] == (_STATEMENT_TIMED_OUT,)


def _commit(session: Session) -> None:
    """Commits once. When the answer is lost nobody knows whether it happened, so running the work again is not ours
    to decide: the caller gets `Unavailable` and repeats a use case that is idempotent.
    """
    try:
        session.commit()
    except DBAPIError as error:
        raise Unavailable from error


class RaceLostError(Exception):
    """Another transaction changed a row between our reading and our writing it; running again settles it."""


def lost_race() -> NoReturn:
    raise RaceLostError
