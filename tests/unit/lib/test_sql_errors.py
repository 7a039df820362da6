"""Which database errors pass by themselves: by number, never by class."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from lib.sql_errors import TRANSIENT_NUMBERS, error_number, is_transient, retry_delay_s

CLASSES = [DBAPIError, OperationalError, ProgrammingError, InterfaceError]


class PostgresError(Exception):
    """As psycopg's errors: the state stands in an attribute."""

    def __init__(self, sqlstate: str | None) -> None:
        self.sqlstate = sqlstate
        super().__init__("a message")


def odbc(number: int, state: str = "42000", function: str = "SQLExecDirectW") -> Exception:
    """As pyodbc's errors: the state, then a text in which only the number is steady."""
    text = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]A message. ({number}) ({function})"
    return Exception(state, text)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("number", sorted(TRANSIENT_NUMBERS))
def test_numbers_that_pass_are_known_under_every_class(kind: type[DBAPIError], number: int) -> None:
    error = kind("UPDATE question", {}, odbc(number))
    assert error_number(error) == number
    assert is_transient(error)


# 32, 104 and 110 are EPIPE, ECONNRESET and ETIMEDOUT: the driver on Linux reports the socket's own number.
@pytest.mark.parametrize("number", [32, 104, 110, 10053, 10054, 10060])
def test_a_lost_socket_passes_under_either_numbering(number: int) -> None:
    assert is_transient(OperationalError("SELECT 1", {}, odbc(number, "08S01")))


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("number", [102, 207, 208, 229, 515, 547, 2601, 2627, 8152, 18456, 40615])
def test_numbers_that_stay_are_not_tried_again(kind: type[DBAPIError], number: int) -> None:
    assert not is_transient(kind("UPDATE question", {}, odbc(number)))


@pytest.mark.parametrize("state", ["08001", "08S01", "HYT00"])
def test_a_lost_connection_passes_while_connecting_only(state: str) -> None:
    origin = odbc(0, state, "SQLDriverConnect")
    assert is_transient(OperationalError(None, None, origin))
    assert not is_transient(OperationalError("UPDATE question", {}, origin))


def test_a_refused_login_does_not_pass() -> None:
    assert not is_transient(InterfaceError(None, None, odbc(18456, "28000", "SQLDriverConnect")))


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57P01", "57P03", "08006"])
def test_postgresql_states_that_pass(state: str) -> None:
    assert is_transient(OperationalError("UPDATE question", {}, PostgresError(state)))


@pytest.mark.parametrize("state", ["23505", "23503", "42P01", "22001", "57014", "53300"])
def test_postgresql_states_that_stay(state: str) -> None:
    assert not is_transient(OperationalError("UPDATE question", {}, PostgresError(state)))


def test_a_postgresql_that_refuses_connections_passes() -> None:
    assert is_transient(OperationalError(None, None, PostgresError(None)))
    assert not is_transient(OperationalError("SELECT 1", {}, PostgresError(None)))


@pytest.mark.parametrize("text", ["database is locked", "database table is locked: question"])
def test_a_locked_sqlite_passes(text: str) -> None:
    assert is_transient(OperationalError("BEGIN IMMEDIATE", {}, Exception(text)))


@pytest.mark.parametrize("text", ["no such table: question", "disk I/O error", "attempt to write a readonly database"])
def test_a_broken_sqlite_stays(text: str) -> None:
    assert not is_transient(OperationalError("SELECT 1", {}, Exception(text)))


def test_a_duplicate_key_is_not_told_by_this_module() -> None:
    assert not is_transient(IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed: vote.tenant_id")))


def test_an_exhausted_pool_passes() -> None:
    assert is_transient(PoolTimeoutError("QueuePool limit reached"))


@pytest.mark.parametrize("error", [ValueError("(40613) (SQLDriverConnect)"), KeyError("08S01"), TimeoutError()])
def test_what_did_not_come_from_the_database_stays(error: Exception) -> None:
    assert not is_transient(error)


def test_a_number_is_read_from_the_drivers_own_place_only() -> None:
    text = "Violation of constraint. The value is (40613). (2627) (SQLExecDirectW)"
    error = IntegrityError("INSERT", {}, Exception("23000", text))
    assert error_number(error) == 2627
    assert not is_transient(error)
    assert error_number(ValueError("nothing (12) here")) is None


@given(attempt=st.integers(1, 3), jitter=st.floats(0, 1), number=st.sampled_from(sorted(TRANSIENT_NUMBERS)))
def test_waits_grow_and_stay_short_enough_for_a_request(attempt: int, jitter: float, number: int) -> None:
    error = OperationalError("SELECT 1", {}, odbc(number))
    shortest, longest = (retry_delay_s(error, attempt, bound) for bound in (0.0, 1.0))

    assert 0 < shortest <= retry_delay_s(error, attempt, jitter) <= longest <= 4
    assert retry_delay_s(error, attempt + 1, jitter) == 2 * retry_delay_s(error, attempt, jitter)


def test_a_service_that_asks_for_rest_is_left_alone_for_longer() -> None:
    busy, locked = (OperationalError("SELECT 1", {}, odbc(number)) for number in (40501, 1205))
    assert retry_delay_s(busy, 1, 0.5) > 10 * retry_delay_s(locked, 1, 0.5)
