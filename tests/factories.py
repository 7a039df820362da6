"""Builders: installed sites, content as Confluence answers it, posts in the database."""

from argparse import Namespace
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session

from lib.config import read_settings
from lib.confluence import Confluence, Content
from lib.events import Event, EventKind
from lib.grants import GrantBook
from lib.outbox import due_events
from lib.principal import AccountId, ClientKey, ContentId, Principal, SpaceId, TenantId
from lib.services import Services, build
from lib.sql import Database, TenantRow, new_id, select_rows
from lib.tenancy import Installation, InstallationRow, InstallationState, store_secret, view
from questions_api.posts import QuestionHead, find_question, register_answer, register_question
from tests.fakes import FakeConfluence, RememberedQueues
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, CAROL, DAVE, GLOBEX_KEY, GLOBEX_SECRET, MALLORY

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ENG, HR, MKT = SpaceId(65537), SpaceId(65538), SpaceId(75001)
QUESTION_TYPE = "ac:community-questions:cq-question"
ANSWER_TYPE = "ac:community-questions:cq-answer"

_ids = count(1_000_001)

ENVIRONMENT = {
    "APP_BASE_URL": "https://cq.example.com",
    "CONNECT_APP_KEY": "community-questions",
    "DATABASE_URL": "sqlite:///never-opened.db",
    "ENCRYPTION_KEYS": "v1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


@dataclass(frozen=True, slots=True)
class Site:
    """An installation and the people of the cast who work there."""

    installation: Installation
    people: tuple[AccountId, ...]

    @property
    def tenant_id(self) -> TenantId:
        return self.installation.tenant_id

    def principal(self, account_id: str) -> Principal:
        return Principal(self.tenant_id, AccountId(account_id))


def services_on(database: Database) -> Services:
    """The app's services on this database, at `NOW`, with queues that remember and no neighbour to call."""
    queues = RememberedQueues()
    built = build(read_settings(ENVIRONMENT))
    tenants = replace(built.tenants, database=database)
    confluence = replace(built.confluence, tenants=tenants)
    spaces = replace(built.spaces, database=database)
    return replace(
        built,
        database=database,
        tenants=tenants,
        confluence=confluence,
        spaces=spaces,
        grants=replace(built.grants, confluence=confluence, spaces=spaces),
        queues=queues,
        waker=replace(built.waker, queues=lambda: queues),
        now=lambda: NOW,
    )


def beside(services: Services, confluence: FakeConfluence) -> Services:
    """The services, with this Confluence as their neighbour."""
    neighbour = cast("Confluence", confluence)
    return replace(services, confluence=neighbour, grants=GrantBook(neighbour, services.spaces))


def install_sites(services: Services) -> tuple[Site, Site]:
    acme = _install(services, ACME_KEY, ACME_SECRET, "https://acme.atlassian.net/wiki")
    globex = _install(services, GLOBEX_KEY, GLOBEX_SECRET, "https://globex.atlassian.net/wiki")
    people = tuple(AccountId(account) for account in (ALICE, BOB, CAROL, DAVE))
    return Site(acme, people), Site(globex, (AccountId(MALLORY),))


def _install(services: Services, client_key: str, secret: str, base_url: str) -> Installation:
    def work(session: Session) -> Installation:
        row = InstallationRow(
            tenant_id=new_id(NOW),
            client_key=ClientKey(client_key),
            base_url=base_url,
            oauth_client_id=f"client-of-{client_key}",
            state=InstallationState.ACTIVE,
            permission_epoch=0,
            restriction_epoch=0,
            is_licensed=True,
            secret_version=0,
            key_salt=client_key.encode().ljust(32, b".")[:32],
            last_issued_at=NOW,
            installed_at=NOW,
        )
        session.add(row)
        session.flush()
        store_secret(session, services.keyring, row, secret, now=NOW)
        return view(row)

    return services.database.write(work)


def content(
    *,
    type_key: str = QUESTION_TYPE,
    author: str = ALICE,
    space_id: SpaceId = ENG,
    question_id: int | None = None,
    page_id: int | None = None,
    created_at: datetime = NOW - timedelta(hours=1),
    status: str = "current",
) -> Content:
    """A content item as Confluence answers it, with an id of its own."""
    kind, container = ("space", int(space_id))
    if question_id is not None:
        kind, container = "content", question_id
    elif page_id is not None:
        kind, container = "page", page_id
    return Content(
        id=ContentId(next(_ids)),
        type=type_key,
        status=status,
        space_id=space_id,
        container_kind=kind,  # type: ignore[arg-type]
        container_id=container,
        author_id=AccountId(author),
        created_at=created_at,
        title="A title",
    )


def asked(
    database: Database,
    site: Site,
    *,
    author: str = ALICE,
    space_id: SpaceId = ENG,
    page_id: int | None = None,
    created_at: datetime = NOW - timedelta(hours=1),
    tags: tuple[str, ...] = (),
) -> QuestionHead:
    """A registered question."""
    item = content(author=author, space_id=space_id, page_id=page_id, created_at=created_at)

    def work(session: Session) -> QuestionHead:
        register_question(session, site.tenant_id, item, tags=tags, now=NOW)
        session.flush()
        return find_question(session, site.tenant_id, item.id)

    return database.write(work, tenant_id=site.tenant_id)


def answered(database: Database, site: Site, question: QuestionHead, *, author: str = BOB) -> ContentId:
    """A registered answer; its id."""
    item = content(type_key=ANSWER_TYPE, author=author, question_id=question.item.id)
    database.write(
        lambda session: register_answer(session, site.tenant_id, question.item.id, item, now=NOW),
        tenant_id=site.tenant_id,
    )
    return item.id


def rows_of[R: TenantRow](database: Database, site: Site, table: type[R]) -> list[R]:
    """Every row of the site in the table."""
    return database.read(lambda session: list(session.scalars(select_rows(site.tenant_id, table))))


def only_row[R: TenantRow](database: Database, site: Site, table: type[R]) -> R:
    (row,) = rows_of(database, site, table)
    return row


def events_of(database: Database, site: Site, *kinds: EventKind) -> list[Event]:
    """The site's undone events of these kinds (all kinds by default), oldest first."""
    later = NOW + timedelta(days=365)
    events = database.read(lambda session: due_events(session, kinds or tuple(EventKind), now=later, limit=10_000))
    return [event for event in events if event.tenant_id == site.tenant_id]


def migrate(url: str, revision: str = "head") -> None:
    """Runs the migrations on the database, as `make migrate` does."""
    root = Path(__file__).resolve().parent.parent
    config = Config(str(root / "alembic.ini"), cmd_opts=Namespace(x=[f"url={url}"]))
    config.set_main_option("script_location", str(root / "migrations"))
    command.upgrade(config, revision)
