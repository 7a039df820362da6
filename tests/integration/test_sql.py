"""Statements that cannot forget the installation, and transactions that keep their promise."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from sqlalchemy import (
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    event,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, aliased

from lib.errors import Conflict, Unavailable
from lib.outbox import OutboxRow
from lib.principal import AccountId, TenantId
from lib.sql import (
    Database,
    UnscopedStatementError,
    across_tenants,
    delete_rows,
    insert_row,
    lost_race,
    new_id,
    rows_changed,
    run_bound,
    select_bound,
    select_rows,
    update_rows,
)
from lib.tenancy import AccountRow, InstallationRow, account_ref
from questions_api.model import Answer, Question
from questions_api.tags.model import Tag
from questions_api.votes.model import Vote
from tests.factories import NOW, Site, asked, only_row, rows_of
from tests.fakes import Clock
from tests.tokens import ALICE, BOB, MALLORY

Sites = tuple[Site, Site]
Statement = Select[Any] | Update | Delete | Insert
Another = aliased(Question)

UNSCOPED: dict[str, Statement] = {
    "select": select(Question),
    "columns": select(Question.id),
    "table": select(Question.__table__),
    "alias": select(Another.id),
    "function": select(func.max(Question.score)),
    "select-from": select(func.count()).select_from(Question),
    "join": select(InstallationRow.state).join(Question, Question.tenant_id == InstallationRow.tenant_id),
    "outer-join": select(InstallationRow.state).outerjoin(Answer, Answer.tenant_id == InstallationRow.tenant_id),
    "exists": select(InstallationRow.state).where(exists().where(Vote.tenant_id == InstallationRow.tenant_id)),
    "subquery": select(select(Question.id).subquery()),
    "cte": select(select(Question.id).cte().c.id),
    "scalar": select(select(func.count(Question.id)).scalar_subquery()),
    "where-only": select(InstallationRow.state).where(Question.score > 0),
    "guessed": select(Question.id).where(Question.tenant_id == 1),
    "update": update(Question).values(score=1),
    "update-from": update(InstallationRow).values(secret_version=select(func.max(Question.score)).scalar_subquery()),
    "delete": delete(Vote),
    "delete-in": delete(InstallationRow).where(InstallationRow.tenant_id.in_(select(Question.tenant_id))),
    "insert": insert(Tag).values(tenant_id=1, tag_id=1, slug="x", use_count=0),
}


@pytest.mark.parametrize("name", UNSCOPED)
def test_a_statement_on_tenant_data_without_its_installation_is_refused(
    database: Database, sites: Sites, name: str
) -> None:
    acme, _ = sites
    asked(database, acme)

    with pytest.raises(UnscopedStatementError):
        database.write(partial(Session.execute, statement=UNSCOPED[name]))
    with pytest.raises(UnscopedStatementError):
        database.write(partial(Session.execute, statement=UNSCOPED[name]), tenant_id=acme.tenant_id)

    assert only_row(database, acme, Question).score == 0


def test_looking_a_row_up_by_key_alone_is_refused_too(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)

    with pytest.raises(UnscopedStatementError):
        database.read(lambda session: session.get(Question, (acme.tenant_id, question.item.id)))


@pytest.mark.parametrize(
    "statement",
    [
        select(InstallationRow.tenant_id),
        select(OutboxRow.id),
        select(func.count()).select_from(InstallationRow),
        text("SELECT 1"),
    ],
)
def test_what_belongs_to_no_installation_needs_none(database: Database, sites: Sites, statement: Any) -> None:
    del sites
    database.read(partial(Session.execute, statement=statement))


def scoped(site: Site) -> dict[str, Statement]:
    tenant_id = site.tenant_id
    values = {"tag_id": 1, "slug": "x", "use_count": 0}
    return {
        "select": select_rows(tenant_id, Question.id),
        "update": update_rows(tenant_id, Question).values(is_guarded=True),
        "delete": delete_rows(tenant_id, Vote),
        "insert": insert_row(tenant_id, Tag, **values),
    }


@pytest.mark.parametrize("name", ["select", "update", "delete", "insert"])
def test_a_bound_session_refuses_another_installation(database: Database, sites: Sites, name: str) -> None:
    acme, globex = sites
    asked(database, acme)

    with pytest.raises(UnscopedStatementError):
        database.write(partial(Session.execute, statement=scoped(acme)[name]), tenant_id=globex.tenant_id)

    assert not only_row(database, acme, Question).is_guarded
    assert rows_of(database, acme, Tag) == []
    database.write(partial(Session.execute, statement=scoped(acme)[name]), tenant_id=acme.tenant_id)


def test_a_bound_session_refuses_to_flush_another_installations_row(database: Database, sites: Sites) -> None:
    acme, globex = sites
    row = Tag(tenant_id=acme.tenant_id, tag_id=1, slug="x", use_count=0)

    with pytest.raises(UnscopedStatementError):
        database.write(partial(Session.add, instance=row), tenant_id=globex.tenant_id)

    assert rows_of(database, acme, Tag) == rows_of(database, globex, Tag) == []


def test_scoped_statements_see_one_installation_only(database: Database, sites: Sites) -> None:
    acme, globex = sites
    mine, theirs = asked(database, acme), asked(database, globex, author=MALLORY)

    assert [row.id for row in rows_of(database, acme, Question)] == [mine.item.id]
    assert [row.id for row in rows_of(database, globex, Question)] == [theirs.item.id]
    guard = update_rows(acme.tenant_id, Question).values(is_guarded=True)
    assert database.write(lambda session: rows_changed(session.execute(guard))) == 1
    assert not only_row(database, globex, Question).is_guarded
    both = across_tenants(select(func.count()).select_from(Question))
    assert database.read(lambda session: session.scalar(both)) == 2


def test_every_table_among_the_entities_is_limited_labels_and_aliases_too(database: Database, sites: Sites) -> None:
    acme, globex = sites
    asked(database, acme)
    (alice,) = rows_of(database, acme, AccountRow)
    twin = insert_row(
        globex.tenant_id,
        AccountRow,
        account_ref=alice.account_ref,
        atlassian_account_id=MALLORY,
        first_seen_at=NOW,
    )
    database.write(partial(Session.execute, statement=twin))
    other = aliased(AccountRow)
    statement = select_rows(
        acme.tenant_id, Question.id.label("question"), AccountRow.account_ref.label("ref"), other.atlassian_account_id
    ).where(AccountRow.account_ref == Question.author_ref, other.account_ref == AccountRow.account_ref)

    rows = database.read(lambda session: session.execute(statement).all())

    assert [row.atlassian_account_id for row in rows] == [ALICE]


SOME_TENANT = TenantId(1)


@pytest.mark.parametrize("entity", [func.count(), func.max(Question.score), func.max(Question.score).label("most")])
def test_an_entity_that_names_no_table_by_itself_is_refused(entity: Any) -> None:
    with pytest.raises(UnscopedStatementError):
        select_rows(SOME_TENANT, entity)


BOUND = select_bound(Question, Question.id).where(Question.score >= bindparam("least"))


Run = Callable[[Session, dict[str, Any] | None], Any]


def by_session(session: Session, values: dict[str, Any] | None) -> Any:
    return session.execute(BOUND, values)


def by_connection(session: Session, values: dict[str, Any] | None) -> Any:
    return run_bound(session, BOUND, values or {})


@pytest.mark.parametrize("run", [by_session, by_connection])
def test_a_statement_built_once_reads_the_installation_it_is_given(database: Database, sites: Sites, run: Run) -> None:
    acme, globex = sites
    mine, theirs = asked(database, acme), asked(database, globex, author=MALLORY)

    def ids(site: Site) -> list[int]:
        values = {"tenant_id": site.tenant_id, "least": 0}
        return database.read(lambda session: list(run(session, values).scalars()), tenant_id=site.tenant_id)

    assert (ids(acme), ids(globex)) == ([mine.item.id], [theirs.item.id])


@pytest.mark.parametrize("run", [by_session, by_connection])
@pytest.mark.parametrize("values", [None, {}, {"least": 0}, {"least": 0, "tenant_id": None}])
def test_a_statement_built_once_refuses_to_run_without_an_installation(
    database: Database, sites: Sites, values: dict[str, Any] | None, run: Run
) -> None:
    acme, _ = sites
    for tenant_id in (None, acme.tenant_id):
        with pytest.raises(UnscopedStatementError):
            database.read(lambda session: run(session, values), tenant_id=tenant_id)


@pytest.mark.parametrize("run", [by_session, by_connection])
def test_a_statement_built_once_refuses_another_installation_than_its_session(
    database: Database, sites: Sites, run: Run
) -> None:
    acme, globex = sites
    values = {"tenant_id": acme.tenant_id, "least": 0}

    with pytest.raises(UnscopedStatementError):
        database.read(lambda session: run(session, values), tenant_id=globex.tenant_id)


@pytest.mark.parametrize("name", UNSCOPED)
def test_only_statements_made_for_it_are_run_on_the_bare_connection(
    database: Database, sites: Sites, name: str
) -> None:
    acme, _ = sites
    statement: Any = UNSCOPED[name]

    with pytest.raises(UnscopedStatementError):
        database.read(lambda session: run_bound(session, statement, {"tenant_id": acme.tenant_id}))


# Transactions.


class Broken(Exception):
    pass


def add_account(session: Session, site: Site, account: str = BOB) -> int:
    return account_ref(session, site.tenant_id, AccountId(account), now=NOW)


def test_work_that_returns_is_committed(database: Database, sites: Sites) -> None:
    acme, _ = sites

    ref = database.write(partial(add_account, site=acme))

    assert only_row(database, acme, AccountRow).account_ref == ref


@pytest.mark.parametrize("failure", [Broken, Conflict, KeyboardInterrupt])
def test_work_that_raises_leaves_nothing(database: Database, sites: Sites, failure: type[BaseException]) -> None:
    acme, _ = sites

    def work(session: Session) -> None:
        add_account(session, acme)
        raise failure

    with pytest.raises(failure):
        database.write(work)

    assert rows_of(database, acme, AccountRow) == []


def test_a_reading_transaction_writes_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites

    database.read(partial(add_account, site=acme))

    assert rows_of(database, acme, AccountRow) == []


def times(failures: int, failure: Callable[[], BaseException]) -> Callable[[Site], Callable[[Session], int]]:
    """Work that adds an account and fails the first `failures` times."""

    def of(site: Site) -> Callable[[Session], int]:
        runs: list[int] = []

        def work(session: Session) -> int:
            runs.append(1)
            add_account(session, site, f"account:{len(runs)}")
            if len(runs) <= failures:
                raise failure()
            return len(runs)

        return work

    return of


def race_lost() -> BaseException:
    try:
        lost_race()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error


def locked() -> BaseException:
    return OperationalError("UPDATE", {}, Exception("database is locked"))


def duplicate() -> BaseException:
    return IntegrityError("INSERT", {}, Exception("UNIQUE constraint failed"))


@pytest.mark.parametrize("failure", [race_lost, locked, duplicate])
def test_what_passes_by_itself_is_tried_again_from_nothing(
    database: Database, sites: Sites, failure: Callable[[], BaseException]
) -> None:
    acme, _ = sites
    waits: list[float] = []
    patient = Database(database.engine, sleep=waits.append)

    assert patient.write(times(3, failure)(acme)) == 4

    assert only_row(database, acme, AccountRow).atlassian_account_id == "account:4"
    assert all(0 < wait < 2 for wait in waits)
    assert len(waits) == (3 if failure is locked else 0)


@pytest.mark.parametrize(
    ("failure", "expected"), [(race_lost, Unavailable), (locked, Unavailable), (duplicate, IntegrityError)]
)
def test_what_does_not_pass_is_given_up_after_four_tries(
    database: Database, sites: Sites, failure: Callable[[], BaseException], expected: type[Exception]
) -> None:
    acme, _ = sites
    patient = Database(database.engine, sleep=lambda _: None)

    with pytest.raises(expected):
        patient.write(times(4, failure)(acme))

    assert rows_of(database, acme, AccountRow) == []


def refused_connection() -> BaseException:
    return OperationalError(None, None, Exception("('HYT00', '[HYT00] Login timeout expired (0) (SQLDriverConnect)')"))


@pytest.mark.parametrize("failure", [race_lost, locked, duplicate, refused_connection])
@pytest.mark.parametrize(("tried_for_s", "runs"), [(2.0, 3), (4.9, 2), (5.0, 1), (15.0, 1)])
def test_no_try_begins_five_seconds_after_the_first(
    database: Database, failure: Callable[[], BaseException], tried_for_s: float, runs: int
) -> None:
    clock = Clock()
    patient = Database(database.engine, sleep=lambda _: None, clock=clock)
    begun: list[float] = []

    def work(_: Session) -> None:
        begun.append(clock())
        clock.pass_(tried_for_s)
        raise failure()

    with pytest.raises(Unavailable):
        patient.read(work)

    assert len(begun) == runs
    assert begun[-1] - begun[0] < 5.0


def test_a_pause_that_would_end_too_late_is_not_begun(database: Database) -> None:
    clock = Clock()
    waits: list[float] = []
    patient = Database(database.engine, sleep=waits.append, clock=clock, retry_within_s=0.4)

    def busy(_: Session) -> None:
        raise OperationalError("SELECT", {}, Exception("The service is busy. (40501) (SQLExecDirectW)"))

    with pytest.raises(Unavailable):
        patient.read(busy)

    assert waits == []


def test_a_statement_that_took_all_its_time_is_not_run_again(database: Database) -> None:
    runs: list[int] = []

    def work(_: Session) -> None:
        runs.append(1)
        raise OperationalError("SELECT", {}, Exception("HYT00", "[HYT00] Query timeout expired (0) (SQLExecDirectW)"))

    with pytest.raises(Unavailable):
        database.read(work)

    assert len(runs) == 1


def test_a_defect_in_a_statement_is_not_tried_again(database: Database) -> None:
    waits: list[float] = []
    patient = Database(database.engine, sleep=waits.append)
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(Exception, match="nowhere"):
        patient.write(work)

    assert (len(runs), waits) == (1, [])


def test_a_commit_whose_answer_is_lost_is_not_run_again(database: Database, sites: Sites) -> None:
    """The engine commits and then loses the answer: the row is there once, and the caller is told to repeat."""
    acme, _ = sites
    runs: list[int] = []

    def work(session: Session) -> int:
        runs.append(1)
        return add_account(session, acme)

    def lose(connection: Any) -> None:
        connection.connection.driver_connection.commit()
        raise OperationalError(None, None, Exception("the connection was lost"))

    event.listen(database.engine, "commit", lose)
    try:
        with pytest.raises(Unavailable):
            database.write(work)
    finally:
        event.remove(database.engine, "commit", lose)

    assert len(runs) == 1
    assert len(rows_of(database, acme, AccountRow)) <= 1


# Moments and ids.


def test_moments_come_back_in_utc_with_milliseconds(database: Database, sites: Sites) -> None:
    acme, _ = sites
    moment = datetime(2026, 3, 1, 13, 30, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))

    asked(database, acme, created_at=moment)

    assert only_row(database, acme, Question).created_at == datetime(2026, 3, 1, 11, 30, 0, 123_000, tzinfo=UTC)


def test_a_moment_without_a_zone_is_refused(database: Database, sites: Sites) -> None:
    acme, _ = sites
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(Exception, match="time zone"):
        database.read(
            partial(
                Session.execute, statement=select_rows(acme.tenant_id, Question.id).where(Question.created_at < naive)
            )
        )


def test_ids_grow_with_time_and_fit_a_bigint() -> None:
    ids = [new_id(NOW + timedelta(milliseconds=step)) for step in range(50)]

    assert ids == sorted(set(ids))
    assert 0 < ids[0] < new_id(datetime(2100, 1, 1, tzinfo=UTC)) < 2**63
    assert len({new_id(NOW) for _ in range(50)}) == 50
