"""Calls of the cast about tags and watches, against services beside a fake Confluence; and the rows they leave."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lib.audit import AuditRow
from lib.authentication import Request, authenticate_context
from lib.principal import AccountId, SpaceId
from lib.services import Services
from lib.sql import Database
from lib.telemetry import trace_of
from lib.tenancy import AccountRow
from lib.web import Call, Nothing
from questions_api.tags.curating import TagChange, change_tag
from questions_api.tags.finding import TagHead, find_tag
from questions_api.tags.merging import Merged, merge_tags
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym, TagUse
from questions_api.tags.routes import read_tag
from questions_api.watches.model import Watch, WatchKind
from questions_api.watches.moving import move_tag_watches
from questions_api.watches.watching import Target, set_watch
from tests.factories import ENG, HR, NOW, Site, rows_of
from tests.fakes import FakeConfluence
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
    context_token,
)

NOTHING: Any = Nothing()
"""For handlers that take neither body nor parameters."""

SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}


@dataclass(frozen=True, slots=True)
class Stage:
    """The two sites, and the services between them and their Confluence."""

    services: Services
    confluence: FakeConfluence
    acme: Site
    globex: Site

    @property
    def database(self) -> Database:
        return self.services.database

    def call(self, account: str, **path_values: object) -> Call:
        """A request of the account with these values in its path; Mallory's comes from her own site."""
        client_key = GLOBEX_KEY if account == MALLORY else ACME_KEY
        token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
        values = {name: str(value) for name, value in path_values.items()}
        request = Request("GET", "/api/v1/tags", {"authorization": f"JWT {token}"}, values, b"", NOW)
        return Call(self.services, request, authenticate_context(self.services, request), trace_of(None))


def cast_of() -> FakeConfluence:
    """Carol administers, Alice and Bob see ENG and HR, Dave sees ENG, Mallory administers another site."""
    site = FakeConfluence()
    for space_id in (ENG, HR):
        site.allow(CAROL, space_id, questions="vad", votes="vad", tags="vad", administers=True)
        for account in (ALICE, BOB):
            site.allow(account, space_id, questions="va", votes="va", tags="va")
    site.allow(DAVE, ENG, questions="va", votes="va", tags="va")
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    site.administrators = {AccountId(CAROL), AccountId(MALLORY)}
    return site


def head_of(database: Database, site: Site, slug: str) -> TagHead:
    return database.read(partial(find_tag, tenant_id=site.tenant_id, slug=slug), tenant_id=site.tenant_id)


def uses(database: Database, site: Site) -> dict[str, int]:
    """Slug → questions that bear the tag, removed ones included."""
    return {tag.slug: tag.use_count for tag in rows_of(database, site, Tag)}


def counts(database: Database, site: Site) -> dict[tuple[str, SpaceId], int]:
    """Slug and space → questions counted there."""
    slugs = {tag.tag_id: tag.slug for tag in rows_of(database, site, Tag)}
    return {(slugs[row.tag_id], row.space_id): row.use_count for row in rows_of(database, site, TagUse)}


def borne(database: Database, site: Site) -> set[tuple[int, str]]:
    """Question and slug of every tag on a question."""
    slugs = {tag.tag_id: tag.slug for tag in rows_of(database, site, Tag)}
    return {(row.question_id, slugs[row.tag_id]) for row in rows_of(database, site, QuestionTag)}


def synonyms(database: Database, site: Site) -> dict[str, str]:
    slugs = {tag.tag_id: tag.slug for tag in rows_of(database, site, Tag)}
    return {row.slug: slugs[row.tag_id] for row in rows_of(database, site, TagSynonym)}


def answer(found: object) -> dict[str, Any]:
    """What a handler answers as JSON."""
    assert isinstance(found, dict)
    return found


def tag_of(stage: Stage, account: str, slug: str) -> dict[str, Any]:
    """The tag as the account reads it; `NotFound` where they may not know of it."""
    return answer(read_tag(stage.call(account, slug=slug), NOTHING))


def do[T](database: Database, site: Site, work: Callable[..., T], *values: object, **named: object) -> T:
    """The use case as the site's administrator (Carol, or Mallory on hers)."""
    principal = site.principal(CAROL if AccountId(CAROL) in site.people else MALLORY)

    def run(session: object) -> T:
        return work(session, principal, *values, **named, now=NOW)

    return database.write(run, tenant_id=site.tenant_id)


def merge(database: Database, site: Site, slug: str, into: str) -> Merged:
    return do(database, site, merge_tags, slug, into, move_watches=move_tag_watches)


def rename(database: Database, site: Site, slug: str, new: str) -> TagHead:
    return do(database, site, change_tag, slug, TagChange(new))


def watch(database: Database, site: Site, account: str, slug: str, *, is_muted: bool = False) -> None:
    target = Target(WatchKind.TAG, head_of(database, site, slug).tag_id)
    work = partial(set_watch, principal=site.principal(account), target=target, is_muted=is_muted, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def watchers(database: Database, site: Site, slug: str) -> dict[str | None, bool]:
    """Who watches the tag → whether they have muted it."""
    people = {row.account_ref: row.atlassian_account_id for row in rows_of(database, site, AccountRow)}
    tag_id = head_of(database, site, slug).tag_id
    return {
        people[row.account_ref]: row.is_muted
        for row in rows_of(database, site, Watch)
        if (row.target_kind, row.target_id) == (WatchKind.TAG, tag_id)
    }


def experts(database: Database, site: Site) -> set[tuple[str | None, str]]:
    people = {row.account_ref: row.atlassian_account_id for row in rows_of(database, site, AccountRow)}
    slugs = {tag.tag_id: tag.slug for tag in rows_of(database, site, Tag)}
    return {(people[row.account_ref], slugs[row.tag_id]) for row in rows_of(database, site, TagExpert)}


def actions(database: Database, site: Site) -> list[str]:
    """Everything in the audit log, sorted: entries of one moment have no order."""
    return sorted(row.action for row in rows_of(database, site, AuditRow))


def snapshot(database: Database, site: Site) -> tuple[object, ...]:
    """Everything about the site's tags that an administrator could change."""
    return (
        uses(database, site),
        counts(database, site),
        borne(database, site),
        synonyms(database, site),
        experts(database, site),
        sorted((tag.slug, tag.description, tag.version) for tag in rows_of(database, site, Tag)),
        len(rows_of(database, site, AuditRow)),
    )
