"""The engine for `DATABASE_URL`: SQLite locally, Azure SQL with a managed-identity token, PostgreSQL in tests."""

import struct
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from lib.errors import Unavailable
from lib.log import Log

log = Log("lib.engine")

POOL_SIZE = 16
"""One connection per worker thread (PYTHON_THREADPOOL_THREAD_COUNT), so that a thread never waits for another."""

_RECYCLE_S = 1500
"""Below the 30 minutes after which Azure's gateway drops an idle connection."""

_TOKEN_SCOPE = "https://database.windows.net/.default"  # noqa: S105 - a scope's name
_ACCESS_TOKEN_ATTRIBUTE = 1256
"""SQL_COPT_SS_ACCESS_TOKEN of the Microsoft ODBC driver."""

_LOGIN_TIMEOUT_S = 5
"""A request waits for this, and tries again within `Database.retry_within_s`."""

_STATEMENT_TIMEOUT_S = 30
"""After this the driver gives up a statement of ours, whatever the server is doing."""

_SQLITE_BUSY_S = 5.0
_IN_LINE = "in-line"


def engine_for(
    database_url: str, *, client_id: str | None = None, access_token: Callable[[], str] | None = None
) -> Engine:
    """An engine that connects at first use; nothing is dialled here.

    `access_token` gives a token for each new connection to SQL Server without credentials in its URL;
    by default it asks the managed identity `client_id`.
    """
    url = make_url(database_url)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(database_url)
    if backend == "mssql":
        by_token = (access_token or identity_token(client_id)) if url.username is None else None
        return _sql_server(database_url, by_token)
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_S,
        hide_parameters=True,
    )


def _sqlite(database_url: str) -> Engine:
    engine = create_engine(
        database_url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": _SQLITE_BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver's own implicit BEGIN is switched off: `begin` below decides which kind of lock is taken.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    # SQLite lets one write at a time and has the others sleep and ask again, up to 100 ms apart: 32 writers then
    # wait for 400 ms at worst, in line for a lock of ours for 40. Other processes meet SQLite's own lock as before.
    line = threading.Lock()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        if mode != "DEFERRED" and _IN_LINE not in connection.info:
            connection.info[_IN_LINE] = line.acquire(timeout=_SQLITE_BUSY_S)
        connection.exec_driver_sql(f"BEGIN {mode}")

    @event.listens_for(engine, "checkin")
    def checkin(_: Any, record: ConnectionPoolEntry) -> None:
        if record.info.pop(_IN_LINE, False):
            line.release()

    return engine


def _sql_server(database_url: str, access_token: Callable[[], str] | None) -> Engine:
    """With credentials in the URL there is no `access_token`."""
    engine = create_engine(
        database_url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_S,
        hide_parameters=True,
        connect_args={"timeout": _LOGIN_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def limit_statements(connection: Any, _: Any) -> None:
        connection.timeout = _STATEMENT_TIMEOUT_S

    if access_token is not None:
        _sign_in_by_token(engine, access_token)
    return engine


def _sign_in_by_token(engine: Engine, access_token: Callable[[], str]) -> None:
    @event.listens_for(engine, "do_connect")
    def add_token(_: Any, __: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        # The driver manager's own pool would hand out a connection that was opened with an older token.
        import pyodbc

        pyodbc.pooling = False
        # SQLAlchemy adds Trusted_Connection when a URL names no user; with a token the driver refuses it.
        arguments[0] = arguments[0].replace(";Trusted_Connection=Yes", "").replace("Trusted_Connection=Yes", "")
        options["attrs_before"] = {_ACCESS_TOKEN_ATTRIBUTE: token_attribute(access_token())}


def token_attribute(token: str) -> bytes:
    """The token as the driver wants it: 4-byte little-endian length, then UTF-16-LE."""
    encoded = token.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded


def identity_token(client_id: str | None) -> Callable[[], str]:
    """Tokens of the managed identity; the credential is made once and caches them.

    `Unavailable` while the identity endpoint is away or refuses.
    """
    credential: Any = None

    def token() -> str:
        nonlocal credential
        from azure.core.exceptions import AzureError
        from azure.identity import ManagedIdentityCredential

        if credential is None:
            credential = ManagedIdentityCredential(client_id=client_id)
        try:
            issued: str = credential.get_token(_TOKEN_SCOPE).token
        except AzureError as error:
            log.warning("identity_unavailable", error_type=type(error).__name__)
            raise Unavailable from None
        return issued

    return token
