"""Fixtures for all tests: a strict log, a real database, and services around it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import text

import lib.audit
import lib.idempotency
import lib.log
import lib.outbox
import lib.spaces
import lifecycle.installing
import notify.model
import questions_api.following.model
import questions_api.importing.model
import questions_api.model
import questions_api.moderation.model
import questions_api.people.model
import questions_api.tags.model
import questions_api.votes.model
import questions_api.watches.model
from lib.engine import engine_for
from lib.services import Services
from lib.sql import Database, Row
from local.seed import wait_until_installed
from local.stack import Ports, Stack, running
from tests import tsql
from tests.factories import Site, install_sites, services_on
from tests.leaks import leaks

TABLES = (
    lib.audit,
    lib.idempotency,
    lib.outbox,
    lib.spaces,
    lifecycle.installing,
    notify.model,
    questions_api.following.model,
    questions_api.importing.model,
    questions_api.model,
    questions_api.moderation.model,
    questions_api.people.model,
    questions_api.tags.model,
    questions_api.votes.model,
    questions_api.watches.model,
)
"""Importing a module puts its tables into the metadata."""


# Machines here share their cores, so no example has a deadline; CI tries the same examples each time.
settings.register_profile("shared", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "shared")


@pytest.fixture(autouse=True)
def strict_log() -> Iterator[None]:
    """A log field that is not on the allow-list is an error in tests."""
    lib.log.configure(strict=True)
    yield
    lib.log.configure(strict=False)


def _urls() -> list[str]:
    named = os.environ.get("TEST_DATABASE_URL")
    return ["sqlite", named] if named else ["sqlite"]


@pytest.fixture(params=_urls(), ids=lambda url: url.partition(":")[0].partition("+")[0])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty schema on SQLite, and on the server that TEST_DATABASE_URL names as well."""
    url = f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else request.param
    engine = engine_for(url)
    if request.param != "sqlite":
        Row.metadata.drop_all(engine)
    Row.metadata.create_all(engine)
    not_for_sql_server = tsql.watch(engine)
    yield Database(engine)
    assert not not_for_sql_server, not_for_sql_server[:3]
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            names = ", ".join(f'"{table}"' for table in Row.metadata.tables)
            connection.execute(text(f"DROP TABLE {names} CASCADE"))
    engine.dispose()


@pytest.fixture
def services(database: Database) -> Services:
    """Services on that database: real ones, but for queues that only remember."""
    return services_on(database)


@pytest.fixture
def sites(services: Services) -> tuple[Site, Site]:
    """Acme (Alice, Bob, Carol, Dave) and Globex (Mallory), installed."""
    return install_sites(services)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole local stack, both sites installed. At its end, nothing it wrote may hold a secret or a name."""
    # The tests of all files act as the same few people, far faster than people do.
    made = Stack(tmp_path_factory.mktemp("stack"), Ports.free(), {"RATE_LIMIT_FACTOR": "1000"}, logs_to_files=True)
    with running(made):
        wait_until_installed(made.site_one)
        wait_until_installed(made.site_two)
        yield made
    assert leaks(made, made.data / "app.log") == []
