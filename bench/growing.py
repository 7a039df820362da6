"""Cost of a list page as an installation grows: 1 k, 100 k and 1 M questions beside a thousand small installations.

Each size has a file (or a PostgreSQL schema) of its own, so that depth and size of the indexes differ as they
would. The files are kept in .local/bench and made anew only when the schema changes.
"""

import hashlib
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex, CreateTable

import questions_api.following.model
import questions_api.importing.model
import questions_api.moderation.model
import questions_api.people.model
import questions_api.tags.model
import questions_api.votes.model
import questions_api.watches.model
from bench.measuring import DATA, Report, is_quick, percentile
from lib.engine import engine_for
from lib.principal import AccountId, Principal, SpaceId, TenantId
from lib.sql import Database, Row
from questions_api.questions.listings import ListFilter, Order, StateFilter, list_questions, position
from questions_api.tags.reading import tags_of

TABLES = (
    questions_api.following.model,
    questions_api.importing.model,
    questions_api.moderation.model,
    questions_api.people.model,
    questions_api.tags.model,
    questions_api.votes.model,
    questions_api.watches.model,
)
"""Importing a module puts its tables into the metadata."""

GROWN, SMALL_TENANTS, SMALL = TenantId(1), 1000, 100
SPACE = SpaceId(65537)
LIMIT, PAGE = 20, 10
BUDGET = 1.1

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})",
    "postgresql": "WITH n AS (SELECT i FROM generate_series(1::bigint, {count}) AS i)",
}
_MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', '2020-01-01', '+' || (i * 7 % {count} * 60) || ' seconds')",
    "postgresql": "timestamp '2020-01-01' + (i * 7 % {count}) * interval '1 minute'",
}
_QUESTIONS = """
INSERT INTO question (tenant_id, id, space_id, container_kind, container_id, is_guarded, author_ref, state,
                      score, up, down, hot, answer_count, accepted_count, created_at, active_at)
{numbers}
SELECT {tenant}, {first} + i, 65537 + i % 3, 'space', 65537 + i % 3, {false}, i % 50 + 1,
       CASE WHEN i % 11 = 5 THEN 'closed' WHEN i % 7 = 0 THEN 'unanswered' WHEN i % 7 < 3 THEN 'answered'
            ELSE 'accepted' END,
       i * 31 % 40, i * 31 % 40, 0, (i * 7 % {count}) * 60000 + i * 31 % 40 * 43200000,
       i % 5, 0, {moment}, {moment} FROM n
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One list page: its order, and how deep it is."""

    name: str
    order: Order
    filter: ListFilter
    is_deep: bool = False
    hidden: frozenset[SpaceId] = frozenset()


_HERE = ListFilter(space_id=SPACE)
PAGES = (
    *(Page(order.value, order, _HERE) for order in Order),
    *(Page(f"{order}, page {PAGE}", order, _HERE, is_deep=True) for order in Order),
    *(Page(f"{state}, by votes", Order.VOTES, ListFilter(SPACE, state)) for state in StateFilter),
    *(Page(f"site, {order}", order, ListFilter()) for order in Order),
    Page("site, newest, a third hidden", Order.NEWEST, ListFilter(), hidden=frozenset({SPACE})),
    Page("frequent tag, newest", Order.NEWEST, ListFilter(SPACE, tag="howto")),
    Page("frequent tag, by votes", Order.VOTES, ListFilter(SPACE, tag="howto")),
    Page("rare tag, by votes", Order.VOTES, ListFilter(SPACE, tag="seldom")),
    Page("one author's, newest", Order.NEWEST, ListFilter(author_id=AccountId("557058-51"))),
    Page("questions of a page", Order.NEWEST, ListFilter(SPACE, container_id=900)),
)
"""The author and the tag that are compared have a hundred questions whatever the size: a set is read whole."""


_ACCOUNTS = """
INSERT INTO account (tenant_id, account_ref, atlassian_account_id, first_seen_at)
{numbers} SELECT {tenant}, i, '557058-' || i, {start} FROM n
"""
_TAG = """
INSERT INTO tag (tenant_id, tag_id, slug, use_count) VALUES ({tenant}, 1, 'howto', {count}), ({tenant}, 2, 'seldom', 99)
"""
_TAGGED = """
INSERT INTO question_tag (tenant_id, tag_id, question_created_at, question_id)
SELECT tenant_id, 1, created_at, id FROM question WHERE tenant_id = {tenant} AND id % 13 < 6
"""
_SELDOM = """
INSERT INTO question_tag (tenant_id, tag_id, question_created_at, question_id)
SELECT tenant_id, 2, created_at, id FROM question
WHERE tenant_id = {tenant} AND id - {first} <= 300
"""
_OF_ONE = """
UPDATE question SET author_ref = 51 WHERE tenant_id = {tenant} AND id - {first} <= 100
"""
_ON_PAGE = """
UPDATE question SET container_kind = 'page', container_id = 900
WHERE tenant_id = {tenant} AND id - {first} <= 90
"""
_ACCOUNT_COUNT = 51
_START = {"sqlite": "'2020-01-01 00:00:00.000000'", "postgresql": "timestamp '2020-01-01'"}


def _fill_tenant(connection: Connection, tenant: int, count: int) -> None:
    """In SQL alone: a million rows in seconds."""
    dialect = connection.dialect.name

    def run(statement: str, rows: int) -> None:
        filled = statement.format(
            numbers=_NUMBERS[dialect].format(count=rows),
            moment=_MOMENT[dialect].format(count=rows),
            start=_START[dialect],
            tenant=tenant,
            # As one number: PostgreSQL would multiply in 32 bits.
            first=tenant * 10_000_000,
            false="0" if dialect == "sqlite" else "false",
            count=rows,
        )
        connection.exec_driver_sql(filled.replace("%", "%%") if dialect == "postgresql" else filled)

    run(_ACCOUNTS, _ACCOUNT_COUNT)
    run(_QUESTIONS, count)
    run(_TAG, count)
    for statement in (_TAGGED, _SELDOM, _OF_ONE, _ON_PAGE):
        run(statement, count)


def _fill(engine: Engine, count: int) -> None:
    Row.metadata.create_all(engine)
    with engine.begin() as connection:
        _fill_tenant(connection, GROWN, count)
        for tenant in range(2, SMALL_TENANTS + 2):
            _fill_tenant(connection, tenant, SMALL)
        if engine.dialect.name == "postgresql":
            # Its server does so by itself after a while; SQLite never does, and so must do without.
            connection.execute(text("ANALYZE"))


def _schema_hash() -> str:
    tables = Row.metadata.sorted_tables
    shape = "".join(
        str(CreateTable(table)) + "".join(str(CreateIndex(index)) for index in table.indexes) for table in tables
    )
    shape += _QUESTIONS + _TAG + _SELDOM + _OF_ONE + _ON_PAGE + str(SMALL_TENANTS)
    return hashlib.sha256(shape.encode()).hexdigest()[:10]


def _sqlite(count: int) -> Engine:
    path = DATA / f"growth-{count}-{_schema_hash()}.db"
    if not path.exists():
        for stale in DATA.glob(f"growth-{count}-*"):
            stale.unlink()
        unfinished = Path(f"{path}.unfinished")
        unfinished.unlink(missing_ok=True)
        with closing_engine(engine_for(f"sqlite:///{unfinished}")) as engine:
            _fill(engine, count)
        unfinished.rename(path)
    return engine_for(f"sqlite:///{path}")


def _postgresql(url: str, count: int) -> Engine:
    """A schema of its own on that server; made anew each time, because the server is a throw-away one."""
    schema = f"growth_{count}"
    with closing_engine(engine_for(url)) as engine, engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    options = quote(f"-csearch_path={schema}")
    grown = engine_for(f"{url}{'&' if '?' in url else '?'}options={options}")
    _fill(grown, count)
    return grown


@contextmanager
def closing_engine(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


_VIEWER = Principal(GROWN, AccountId("557058-7"))


def _page(session: Session, page: Page, after: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """What the list route reads for one page; where the next one starts."""
    rows = list_questions(session, _VIEWER, page.filter, page.order, hidden=page.hidden, after=after, limit=LIMIT + 1)
    shown = rows[:LIMIT]
    tags_of(session, GROWN, [row.item.id for row in shown])
    return position(page.order, shown[-1]) if len(rows) > LIMIT else None


@dataclass(slots=True)
class Sample:
    """One page on one size: where it starts, and microseconds of every reading."""

    database: Database
    page: Page
    after: tuple[int, ...] | None
    wall_us: list[float]
    cpu_us: list[float]

    def take(self, readings: int) -> None:
        work = partial(_page, page=self.page, after=self.after)
        walls, started = [], time.thread_time()
        for _ in range(readings):
            at = time.perf_counter()
            self.database.read(work, tenant_id=GROWN)
            walls.append((time.perf_counter() - at) * 1e6)
        self.cpu_us.append((time.thread_time() - started) * 1e6 / readings)
        self.wall_us += walls


def _start_of(database: Database, page: Page) -> tuple[int, ...] | None:
    after: tuple[int, ...] | None = None
    for _ in range(PAGE - 1 if page.is_deep else 0):
        after = database.read(partial(_page, page=page, after=after), tenant_id=GROWN)
        assert after is not None, f"{page.name}: the list has no page {PAGE}"
    return after


def _measure(report: Report, name: str, engines: dict[int, Engine]) -> None:
    rounds, readings = (3, 20) if is_quick() else (25, 40)
    databases = {count: Database(engine) for count, engine in engines.items()}
    smallest, largest = min(engines), max(engines)
    rows, worst = [], 0.0
    for page in PAGES:
        samples = {
            count: Sample(database, page, _start_of(database, page), [], []) for count, database in databases.items()
        }
        for sample in samples.values():
            sample.take(readings)
            sample.wall_us.clear()
            sample.cpu_us.clear()
        for _ in range(rounds):
            for sample in samples.values():
                sample.take(readings)
        pairs = zip(samples[largest].cpu_us, samples[smallest].cpu_us, strict=True)
        on_client = statistics.median(large / small for large, small in pairs)
        walls = {count: statistics.median(sample.wall_us) for count, sample in samples.items()}
        # The database works inside our process on SQLite and outside it on a server, so there the clock decides.
        ratio = on_client if name == "SQLite" else walls[largest] / walls[smallest]
        worst = max(worst, ratio)
        tail = percentile(samples[largest].wall_us, 0.99)
        rows.append((page.name, *(f"{walls[count]:.0f}" for count in sorted(walls)), f"{tail:.0f}", f"{ratio:.2f}"))
    sizes = [f"{count:,} µs" for count in sorted(engines)]
    report.table((f"page of {LIMIT} on {name}", *sizes, "p99 of largest", f"{largest:,} ÷ {smallest:,}"), rows)
    report.budget(f"{largest:,} ÷ {smallest:,} ≤ {BUDGET}", f"worst {worst:.2f}", is_met=worst <= BUDGET)


def main() -> None:
    sizes = (1_000, 100_000) if is_quick() else (1_000, 100_000, 1_000_000)
    url = os.environ.get("TEST_DATABASE_URL", "")
    with Report("growing", "Cost of a list page as an installation grows") as report:
        DATA.mkdir(parents=True, exist_ok=True)
        engines = {count: _sqlite(count) for count in sizes}
        report.note(f"sizes beside {SMALL_TENANTS} installations of {SMALL} questions each")
        _measure(report, "SQLite", engines)
        if url.startswith("postgresql"):
            _measure(report, "PostgreSQL", {count: _postgresql(url, count) for count in sizes})
        else:
            report.note("PostgreSQL: not measured (TEST_DATABASE_URL names none; see tests/postgres.sh)")


if __name__ == "__main__":
    main()
