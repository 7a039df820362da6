"""Forgetting an installation: every table by metadata, one tenant at a time, and again where it stopped."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Table, func, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lib.errors import Unavailable
from lib.idempotency import IdempotencyRow
from lib.principal import TenantId
from lib.services import Services
from lib.sql import Database, Instant, Row, across_tenants, insert_row, select_rows
from lib.tenancy import InstallationRow, InstallationState
from lifecycle import purging
from lifecycle.installing import InstallTokenRow
from lifecycle.purging import due_for_purge, forget_expired, purge, purge_list
from lifecycle.triggers import _PURGE_BUDGET_S, purge_expired, run_purge
from notify.model import ScopeKind
from tests.factories import NOW, Site
from tests.fakes import Clock

Sites = tuple[Site, Site]
TENANT_TABLES = [table for table in Row.metadata.sorted_tables if "tenant_id" in table.columns]
_CHOSEN: dict[str, object] = {"scope_kind": ScopeKind.SPACE, "value": 1, "score": 0, "up": 0, "down": 0}
"""Values that a check constraint wants."""


def value_for(table: Table, name: str, number: int) -> object:
    column = table.columns[name]
    if name in _CHOSEN:
        return _CHOSEN[name]
    kind = column.type
    if isinstance(kind, Instant):
        return NOW
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, BigInteger | Integer | SmallInteger):
        return number
    if isinstance(kind, LargeBinary):
        return b"r"
    # Unique texts differ by row; all of them fit the shortest column.
    return str(number)[-4:]


def _rows_of(table: Table, rows: int) -> int:
    """A site has one row of some tables, such as its settings."""
    return 1 if [column.name for column in table.primary_key.columns] == ["tenant_id"] else rows


def fill(database: Database, site: Site, rows: int = 3) -> None:
    """`rows` rows of the site in every table with a tenant id, made from the metadata alone."""

    def work(session: Session) -> None:
        for table in TENANT_TABLES:
            if table.name in {"installation", "installation_secret"}:
                continue
            for number in range(1, _rows_of(table, rows) + 1):
                values = {column.name: value_for(table, column.name, number) for column in table.columns}
                if table.name == "outbox":
                    values["id"] = site.tenant_id + number
                values["tenant_id"] = site.tenant_id
                session.connection().execute(insert(table).values(values))

    database.write(work)


def counts(database: Database, site: Site) -> dict[str, int]:
    def work(session: Session) -> dict[str, int]:
        found: dict[str, int] = {}
        for table in TENANT_TABLES:
            statement = select(func.count()).select_from(table).where(table.c.tenant_id == site.tenant_id)
            found[table.name] = session.scalar(across_tenants(statement)) or 0
        return found

    return database.read(work)


def leave(database: Database, site: Site, *, purge_after: datetime = NOW) -> None:
    change = (
        update(InstallationRow)
        .where(InstallationRow.tenant_id == site.tenant_id)
        .values(state=InstallationState.UNINSTALLED, uninstalled_at=NOW, purge_after=purge_after)
    )
    database.write(partial(Session.execute, statement=change))


def come_back(database: Database, site: Site) -> None:
    change = (
        update(InstallationRow)
        .where(InstallationRow.tenant_id == site.tenant_id)
        .values(state=InstallationState.ACTIVE, uninstalled_at=None, purge_after=None)
    )
    database.write(partial(Session.execute, statement=change))


def due(database: Database, now: datetime = NOW) -> list[TenantId]:
    return database.read(partial(due_for_purge, now=now))


def test_every_table_with_a_tenant_is_on_the_list_children_first() -> None:
    listed = [table.name for table in purge_list()]

    assert sorted([*listed, "installation"]) == sorted(table.name for table in TENANT_TABLES)
    for table in purge_list():
        for key in table.foreign_keys:
            parent = key.column.table.name
            assert parent == table.name or listed.index(parent) > listed.index(table.name)


def test_only_the_list_of_install_tokens_belongs_to_no_tenant() -> None:
    """Whoever adds a table without a tenant id says here why it need not be purged: these rows expire in minutes."""
    without = {table.name for table in Row.metadata.sorted_tables if "tenant_id" not in table.columns}
    assert without == {"install_token"}


def test_one_tenant_is_emptied_and_the_other_untouched(database: Database, sites: Sites) -> None:
    acme, globex = sites
    for site in sites:
        fill(database, site)
    assert min(counts(database, acme).values()) >= 1
    before = counts(database, globex)
    leave(database, acme)

    deleted = purge(database, acme.tenant_id)

    assert set(counts(database, acme).values()) == {0}
    assert counts(database, globex) == before
    assert deleted == {table.name: _rows_of(table, 3) for table in TENANT_TABLES}
    assert set(deleted) == {table.name for table in TENANT_TABLES}


def test_more_rows_than_one_batch_go_too(database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, globex = sites
    for site in sites:
        fill(database, site, rows=7)
    monkeypatch.setattr(purging, "_BATCH", 3)
    leave(database, acme)

    deleted = purge(database, acme.tenant_id)

    assert deleted["question"] == 7
    assert set(counts(database, acme).values()) == {0}
    assert counts(database, globex)["question"] == 7


def test_a_site_that_came_back_is_not_purged(database: Database, sites: Sites) -> None:
    acme, _ = sites
    fill(database, acme)
    leave(database, acme)
    (listed,) = due(database)
    come_back(database, acme)

    assert purge(database, listed) == {}

    assert min(counts(database, acme).values()) >= 1


@pytest.mark.parametrize("state", [InstallationState.ACTIVE, InstallationState.DISABLED])
def test_a_site_that_has_not_left_is_never_purged(database: Database, sites: Sites, state: InstallationState) -> None:
    acme, _ = sites
    fill(database, acme)
    change = update(InstallationRow).values(state=state, purge_after=NOW)
    database.write(partial(Session.execute, statement=change))

    assert due(database) == []
    assert purge(database, acme.tenant_id) == {}
    assert min(counts(database, acme).values()) >= 1


def test_a_site_is_due_when_its_grace_is_over(database: Database, sites: Sites) -> None:
    acme, _ = sites
    leave(database, acme, purge_after=NOW + timedelta(days=30))

    assert due(database, NOW + timedelta(days=30, milliseconds=-1)) == []
    assert due(database, NOW + timedelta(days=30)) == [acme.tenant_id]


def test_an_interrupted_purge_goes_on_where_it_stopped(database: Database, sites: Sites) -> None:
    acme, globex = sites
    for site in sites:
        fill(database, site)
    leave(database, acme)
    calls: list[int] = []

    class Interrupted(Exception):
        pass

    class Fragile(Database):
        def write(self, work: Any, *, tenant_id: TenantId | None = None) -> Any:
            calls.append(1)
            if len(calls) > 5:
                raise Interrupted
            return Database.write(self, work, tenant_id=tenant_id)

    with pytest.raises(Interrupted):
        purge(Fragile(database.engine), acme.tenant_id)
    halfway = counts(database, acme)
    assert 0 in halfway.values()
    assert halfway["installation"] == 1
    assert due(database) == [acme.tenant_id]

    purge(database, acme.tenant_id)

    assert set(counts(database, acme).values()) == {0}
    assert min(counts(database, globex).values()) >= 1
    assert due(database) == []
    assert purge(database, acme.tenant_id) == {}


def test_a_purge_without_time_left_stops_between_batches_and_goes_on_later(
    database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, _ = sites
    fill(database, acme, rows=7)
    monkeypatch.setattr(purging, "_BATCH", 3)
    leave(database, acme)
    answers = iter([True, True, False])

    cut_short = purge(database, acme.tenant_id, has_time=lambda: next(answers))

    assert sum(cut_short.values()) == 6
    assert "installation" not in cut_short
    assert due(database) == [acme.tenant_id]
    assert purge(database, acme.tenant_id)["installation"] == 1
    assert set(counts(database, acme).values()) == {0}


# The timer's run.


class Slow(Database):
    """Every write that changes something takes half a minute."""

    def write(self, work: Any, *, tenant_id: TenantId | None = None) -> Any:
        result = Database.write(self, work, tenant_id=tenant_id)
        if result:
            self.clock.pass_(30)  # type: ignore[attr-defined]
        return result


def test_the_timer_comes_more_often_than_a_run_may_last() -> None:
    trigger = purge_expired._function.get_trigger()

    assert trigger.schedule == "0 */10 * * * *"
    assert _PURGE_BUDGET_S == 120


def test_a_run_ends_in_time_and_the_next_goes_on(services: Services, sites: Sites) -> None:
    acme, globex = sites
    for number, site in enumerate(sites):
        fill(services.database, site)
        leave(services.database, site, purge_after=NOW - timedelta(days=1 - number))
    clock = Clock()
    started = clock()
    slow = replace(services, database=Slow(services.database.engine, clock=clock))

    run_purge(slow, clock)

    assert 120 <= clock() - started <= 150
    assert due(services.database) == [acme.tenant_id, globex.tenant_id]
    for _ in range(60):
        run_purge(slow, clock)
        if not due(services.database):
            break
    assert set(counts(services.database, acme).values()) == {0}
    assert set(counts(services.database, globex).values()) == {0}


@pytest.mark.parametrize("failure", [Unavailable(), OperationalError("DELETE", {}, Exception("broken"))])
def test_an_installation_that_cannot_be_purged_does_not_stop_the_others(
    services: Services, sites: Sites, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    acme, globex = sites
    for number, site in enumerate(sites):
        fill(services.database, site)
        leave(services.database, site, purge_after=NOW - timedelta(days=1 - number))

    def fail_for_acme(database: Database, tenant_id: TenantId, **options: Any) -> dict[str, int]:
        if tenant_id == acme.tenant_id:
            raise failure
        return purge(database, tenant_id, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lifecycle.triggers.purge", fail_for_acme)
        run_purge(services, Clock())

    assert due(services.database) == [acme.tenant_id]
    assert set(counts(services.database, globex).values()) == {0}
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "purge_failed" in errors[0]
    assert services.log_hash(acme.tenant_id) in errors[0]

    run_purge(services, Clock())
    assert due(services.database) == []


def tokens(database: Database) -> set[str]:
    return set(database.read(lambda session: list(session.scalars(select(InstallTokenRow.token_hash)))))


def keep_tokens(database: Database) -> None:
    def work(session: Session) -> None:
        for name, seconds in (("old", -86_400), ("expired", -1), ("good", 1)):
            session.add(InstallTokenRow(token_hash=name, body_hash="b", expires_at=NOW + timedelta(seconds=seconds)))

    database.write(work)


def test_install_tokens_go_when_they_have_expired(database: Database) -> None:
    keep_tokens(database)

    assert database.write(partial(forget_expired, now=NOW)) == 2
    assert database.write(partial(forget_expired, now=NOW)) == 0

    assert tokens(database) == {"good"}


def test_the_timers_run_forgets_expired_install_tokens(services: Services) -> None:
    keep_tokens(services.database)

    run_purge(services, Clock())

    assert tokens(services.database) == {"good"}


def test_the_timers_run_forgets_answers_kept_for_their_day(services: Services, sites: Sites) -> None:
    for site in sites:
        for name, seconds in (("expired", 0), ("good", 1)):
            row = {
                "key_hash": name,
                "route": "r",
                "body_hash": "b",
                "locked_until": NOW,
                "expires_at": NOW + timedelta(seconds=seconds),
            }
            work = partial(Session.execute, statement=insert_row(site.tenant_id, IdempotencyRow, **row))
            services.database.write(work)

    run_purge(services, Clock())

    for site in sites:
        kept = select_rows(site.tenant_id, IdempotencyRow.key_hash)
        assert services.database.read(lambda session, kept=kept: list(session.scalars(kept))) == ["good"]  # type: ignore[misc]
