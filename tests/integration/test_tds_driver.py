"""What Microsoft's own ODBC driver and SQLAlchemy do with tokens, error numbers and broken sockets."""

import ctypes
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, files
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa
import sqlalchemy.orm

from lib.engine import engine_for, token_attribute
from lib.errors import Unavailable
from lib.sql import Database
from lib.sql_errors import error_number, is_transient
from tests.tds import Affected, Drop, Rows, SqlError, TdsServer

SQL_COPT_SS_ACCESS_TOKEN = 1256
LONG_TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9." + "aB3-_" * 500 + ".c2ln"

pyodbc = pytest.importorskip("pyodbc", reason="libodbc is not on this machine", exc_type=ImportError)
pyodbc.pooling = False


def find_driver() -> Path | None:
    """The driver's shared object out of its wheel, if one of the builds in it loads here."""
    try:
        packed = files("mssql-python-odbc") or []
    except PackageNotFoundError:
        return None
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    builds = [Path(str(file.locate())) for file in packed if file.name.startswith("libmsodbcsql")]
    for build in sorted(builds):
        if machine in build.parts and loads(build):
            return build
    return None


def loads(library: Path) -> bool:
    try:
        ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


DRIVER = find_driver()
if DRIVER is None:
    pytest.skip("Microsoft's ODBC driver does not load on this machine", allow_module_level=True)


@pytest.fixture
def server() -> Iterator[TdsServer]:
    with TdsServer() as server:
        yield server


@pytest.fixture
def engine(server: TdsServer) -> Iterator[sa.Engine]:
    engine = engine_on(server, numbered_tokens())
    yield engine
    engine.dispose()


def numbered_tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"token-{next(numbers)}"


def engine_on(server: TdsServer, token: Callable[[], str]) -> sa.Engine:
    """The only place where these tests make an engine."""
    url = f"mssql+pyodbc://?odbc_connect={quote_plus(connection_string(server))}"
    return engine_for(url, access_token=token)


def connection_string(server: TdsServer, extra: str = "") -> str:
    return f"DRIVER={{{DRIVER}}};SERVER=tcp:127.0.0.1,{server.port};DATABASE=questions;Encrypt=no;{extra}"


def connect(server: TdsServer, token: str = "token", extra: str = "") -> Any:
    attributes = {SQL_COPT_SS_ACCESS_TOKEN: token_attribute(token)}
    return pyodbc.connect(connection_string(server, extra), attrs_before=attributes, timeout=5)


def test_the_server_sees_exactly_the_token_that_was_packed(server: TdsServer) -> None:
    connect(server, LONG_TOKEN).close()

    assert [login.access_token for login in server.logins] == [LONG_TOKEN]
    assert server.logins[0].database == "questions"
    assert server.logins[0].user == ""


def test_a_token_beside_a_user_name_is_refused_by_the_driver_itself(server: TdsServer) -> None:
    with pytest.raises(pyodbc.Error) as refused:
        connect(server, extra="UID=carol;PWD=x;")

    assert refused.value.args[0] == "FA005"
    assert server.logins == []


def test_each_connection_brings_its_own_token_even_in_one_process(server: TdsServer) -> None:
    for token in ("first", "second", "third"):
        connect(server, token).close()

    assert [login.access_token for login in server.logins] == ["first", "second", "third"]


def test_the_engine_asks_for_a_token_per_new_connection_and_not_per_checkout(
    server: TdsServer, engine: sa.Engine
) -> None:
    for _ in range(3):
        with engine.begin() as connection:
            assert connection.scalar(sa.text("SELECT 1")) == 1
    with engine.connect() as first, engine.connect() as second:
        assert first.scalar(sa.text("SELECT 1")) == second.scalar(sa.text("SELECT 1")) == 1

    assert [login.access_token for login in server.logins] == ["token-1", "token-2"]


def test_a_url_that_names_host_and_database_needs_no_user_either(server: TdsServer) -> None:
    url = f"mssql+pyodbc://127.0.0.1:{server.port}/questions?driver={quote_plus(str(DRIVER))}&Encrypt=no"
    engine = engine_for(url, access_token=lambda: LONG_TOKEN)

    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    engine.dispose()

    assert [login.access_token for login in server.logins] == [LONG_TOKEN]


def test_the_engine_limits_what_a_request_waits_for(server: TdsServer, engine: sa.Engine) -> None:
    waits: list[object] = []

    @sa.event.listens_for(engine, "do_connect")
    def look(_: Any, __: Any, ___: Any, options: dict[str, Any]) -> None:
        waits.append(options["timeout"])

    with engine.connect() as connection:
        assert connection.connection.driver_connection is not None
        waits.append(connection.connection.driver_connection.timeout)

    assert waits == [5, 30]


def test_a_user_in_the_url_has_the_same_limits_and_brings_no_token(server: TdsServer) -> None:
    url = f"mssql+pyodbc://carol:x@127.0.0.1:{server.port}/questions?driver={quote_plus(str(DRIVER))}&Encrypt=no"
    engine = engine_for(url)

    with engine.connect() as connection:
        assert connection.connection.driver_connection is not None
        assert connection.connection.driver_connection.timeout == 30
    engine.dispose()

    assert [(login.user, login.access_token) for login in server.logins] == [("carol", None)]


def test_an_identity_that_is_away_is_unavailable_and_asked_once(server: TdsServer) -> None:
    asked: list[int] = []

    def away() -> str:
        asked.append(1)
        raise Unavailable

    engine = engine_on(server, away)
    with pytest.raises(Unavailable):
        Database(engine).read(lambda session: session.scalar(sa.text("SELECT 1")))
    engine.dispose()

    assert (len(asked), server.logins) == (1, [])


def test_rows_text_and_counts_arrive_as_they_were_scripted(server: TdsServer, engine: sa.Engine) -> None:
    server.when("FROM question", Rows(((7, "Größe 📐", None),), columns=("id", "title", "closed")))
    server.when("UPDATE question", Affected(3))

    find = sa.text("SELECT id, title, closed FROM question WHERE id = :id")
    with engine.begin() as connection:
        # Rows are read before the next statement: the driver refuses a second one while some wait.
        found = connection.execute(find, {"id": 7}).one()
        changed = connection.execute(sa.text("UPDATE question SET score = :score"), {"score": 2}).rowcount

    assert found == (7, "Größe 📐", None)
    assert changed == 3
    assert "UPDATE question SET score = @P1" in server.statements


# Severities are those of Microsoft's table of transient faults. From 20 on the driver gives up the
# SQLSTATE 42000 of the others: one more reason to look at the number and at nothing else.
@pytest.mark.parametrize(
    ("number", "severity", "sqlstate", "kind"),
    [
        (40613, 17, "42000", "ProgrammingError"),
        (40197, 17, "42000", "ProgrammingError"),
        (49918, 16, "42000", "ProgrammingError"),
        (10928, 16, "42000", "ProgrammingError"),
        (40501, 20, "HY000", "Error"),
        (4060, 11, "42000", "ProgrammingError"),
        (1205, 13, "40001", "Error"),
        (1222, 16, "42000", "ProgrammingError"),
        (2627, 14, "23000", "IntegrityError"),
        (2601, 14, "23000", "IntegrityError"),
        (547, 16, "23000", "IntegrityError"),
    ],
)
def test_an_error_of_a_statement_keeps_its_number(
    server: TdsServer, number: int, severity: int, sqlstate: str, kind: str
) -> None:
    connection = connect(server)
    server.at_batch(1, SqlError(number, severity=severity))

    with pytest.raises(pyodbc.Error) as failed:
        connection.execute("SELECT 1")

    assert type(failed.value).__name__ == kind
    assert failed.value.args[0] == sqlstate
    assert f"({number}) (SQLExecDirectW)" in failed.value.args[1]
    connection.close()


@pytest.mark.parametrize(
    ("number", "severity", "sqlstate", "kind"),
    [
        (40613, 17, "42000", "ProgrammingError"),
        (4060, 11, "42000", "ProgrammingError"),
        (40197, 17, "42000", "ProgrammingError"),
        (49918, 16, "42000", "ProgrammingError"),
        (18456, 14, "28000", "InterfaceError"),
    ],
)
def test_an_error_at_login_keeps_its_number(
    server: TdsServer, number: int, severity: int, sqlstate: str, kind: str
) -> None:
    server.at_login(SqlError(number, severity=severity))

    with pytest.raises(pyodbc.Error) as failed:
        connect(server)

    assert type(failed.value).__name__ == kind
    assert failed.value.args[0] == sqlstate
    assert f"({number}) (SQLDriverConnect)" in failed.value.args[1]
    assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("number", "severity", "transient"),
    [
        (40613, 17, True),
        (40197, 17, True),
        (40501, 20, True),
        (10928, 20, True),
        (49918, 16, True),
        (1205, 13, True),
        (2627, 14, False),
        (547, 16, False),
        (208, 16, False),
    ],
)
def test_what_passes_by_itself_is_known_by_its_number_alone(
    server: TdsServer, engine: sa.Engine, number: int, severity: int, *, transient: bool
) -> None:
    server.when("FROM question", SqlError(number, severity=severity))
    connection = engine.connect()

    with pytest.raises(sa.exc.DBAPIError) as failed:
        connection.execute(sa.text("SELECT id FROM question"))
    connection.invalidate()
    connection.close()

    assert error_number(failed.value) == number
    assert is_transient(failed.value) is transient


def test_a_wrong_token_is_not_tried_again(server: TdsServer, engine: sa.Engine) -> None:
    server.at_login(SqlError(18456, severity=14))

    with pytest.raises(sa.exc.DBAPIError) as failed, engine.connect():
        pass

    assert error_number(failed.value) == 18456
    assert not is_transient(failed.value)


def test_an_error_that_ends_the_connection_is_followed_by_a_broken_rollback(
    server: TdsServer, engine: sa.Engine
) -> None:
    server.when("FROM question", SqlError(40501, severity=20))
    connection = engine.connect()

    with pytest.raises(sa.exc.DBAPIError) as first:
        connection.execute(sa.text("SELECT id FROM question"))
    with pytest.raises(sa.exc.OperationalError) as second:
        connection.rollback()
    connection.close()

    assert (error_number(first.value), first.value.connection_invalidated) == (40501, False)
    # Which of the two it is depends on whether the server's reset has arrived by then.
    assert error_number(second.value) in {104, 10054}
    assert is_transient(second.value)
    assert second.value.connection_invalidated


def test_the_call_that_lost_its_socket_is_told_by_the_drivers_function_alone(
    server: TdsServer, engine: sa.Engine
) -> None:
    """State and number are the same everywhere; after a lost commit nobody knows whether it happened."""
    server.at_login(Drop())
    with pytest.raises(sa.exc.DBAPIError) as at_login, engine.connect():
        pass
    server.when("UPDATE question", Drop())
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as in_statement:
        connection.execute(sa.text("UPDATE question SET score = 1"))
    server.at_commit(Drop())
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE question SET score = 1"))
        with pytest.raises(sa.exc.DBAPIError) as at_commit:
            connection.commit()

    failures = [failed.value for failed in (at_login, in_statement, at_commit)]
    assert [str(failure.orig).rpartition("(SQL")[2][:-3] for failure in failures] == [
        "DriverConnect",
        "ExecDirectW",
        "EndTran",
    ]
    assert [error_number(failure) for failure in failures] == [10054] * 3
    assert [failure.statement is None for failure in failures] == [True, False, True]
    assert is_transient(at_login.value)


def test_a_commit_that_the_server_refuses_keeps_its_number(server: TdsServer, engine: sa.Engine) -> None:
    server.at_commit(SqlError(40197, severity=17))

    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE question SET score = 1"))
        with pytest.raises(sa.exc.DBAPIError) as failed:
            connection.commit()

    assert error_number(failed.value) == 40197


def test_a_refused_login_is_tried_again_with_a_new_token(server: TdsServer, engine: sa.Engine) -> None:
    server.at_login(SqlError(40613, severity=17))

    with pytest.raises(sa.exc.DBAPIError), engine.connect():
        pass
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1

    assert [login.access_token for login in server.logins] == ["token-1", "token-2"]


def test_a_paused_database_is_not_taken_for_a_broken_connection(server: TdsServer, engine: sa.Engine) -> None:
    server.when("FROM question", SqlError(40613, severity=17))

    with engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError) as failed:
        connection.execute(sa.text("SELECT id FROM question"))

    assert not failed.value.connection_invalidated
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    assert len(server.logins) == 1


def test_a_socket_lost_in_a_statement_is_08s01_and_the_next_connection_has_a_new_token(
    server: TdsServer, engine: sa.Engine
) -> None:
    server.when("FROM question", Drop())

    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as failed:
        connection.execute(sa.text("SELECT id FROM question"))

    assert failed.value.connection_invalidated
    assert failed.value.orig is not None
    assert failed.value.orig.args[0] == "08S01"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    assert [login.access_token for login in server.logins] == ["token-1", "token-2"]


def test_a_socket_lost_at_login_is_08s01(server: TdsServer) -> None:
    server.at_login(Drop())

    with pytest.raises(pyodbc.OperationalError) as failed:
        connect(server)

    assert failed.value.args[0] == "08S01"


def test_a_connection_that_died_in_the_pool_is_replaced_before_use(server: TdsServer, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    server.drop_all()

    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1

    assert [login.access_token for login in server.logins] == ["token-1", "token-2"]


def test_only_the_batch_that_was_named_fails(server: TdsServer) -> None:
    connection = connect(server)
    server.at_batch(3, SqlError(1205, severity=13))

    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(connection.execute("SELECT 1").fetchval())
        except pyodbc.Error as failed:
            outcomes.append(failed.args[0])

    assert outcomes == [1, 1, "40001", 1]
    connection.close()


def test_work_whose_commit_was_lost_is_not_run_again(server: TdsServer, engine: sa.Engine) -> None:
    server.at_commit(Drop())
    waits: list[float] = []

    with pytest.raises(Unavailable):
        Database(engine, sleep=waits.append).write(
            lambda session: session.execute(sa.text("UPDATE question SET score = 1"))
        )

    assert [text for text in server.statements if "UPDATE question" in text] == ["UPDATE question SET score = 1"]
    assert waits == []


def test_work_whose_statement_met_a_passing_fault_is_run_again_whole(server: TdsServer, engine: sa.Engine) -> None:
    server.when("UPDATE answer", SqlError(40501, severity=20), SqlError(1205, severity=13))
    waits: list[float] = []

    def work(session: sa.orm.Session) -> None:
        session.execute(sa.text("UPDATE question SET score = 1"))
        session.execute(sa.text("UPDATE answer SET score = 1"))

    Database(engine, sleep=waits.append).write(work)

    sent = [text.split()[1] for text in server.statements if text.startswith("UPDATE")]
    assert sent == ["question", "answer"] * 3
    assert len(waits) == 2
