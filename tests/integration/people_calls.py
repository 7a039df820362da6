"""The stage for people, points and flags: the cast beside a fake Confluence, and what they do before a test looks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lib.principal import ContentId
from lib.services import Services
from lib.spaces import SiteSettings, change_site_settings
from lib.sql import Database
from lib.web import Nothing
from questions_api.answers.acceptance import accept_only
from questions_api.people.tallying import tally_due
from questions_api.posts import find_answer, find_question
from questions_api.votes.casting import Post, Value, cast_vote
from tests.factories import NOW, Site, beside
from tests.integration.tag_calls import Stage, cast_of

NOTHING: Any = Nothing()
"""What operations without body and parameters are given."""


@pytest.fixture
def stage(services: Services, sites: tuple[Site, Site]) -> Stage:
    confluence = cast_of()
    return Stage(beside(services, confluence), confluence, *sites)


def write(database: Database, site: Site, use_case: Callable[..., object], *args: Any, **values: Any) -> None:
    database.write(lambda session: use_case(session, *args, **values), tenant_id=site.tenant_id)


def question_post(database: Database, site: Site, question_id: ContentId) -> Post:
    return database.read(partial(find_question, tenant_id=site.tenant_id, question_id=question_id)).post


def answer_post(database: Database, site: Site, answer_id: ContentId) -> Post:
    return database.read(partial(find_answer, tenant_id=site.tenant_id, answer_id=answer_id)).post


def vote(database: Database, site: Site, account: str, post: Post, value: Value = 1, **at: Any) -> None:
    write(database, site, cast_vote, site.principal(account), post, value, **({"now": NOW} | at))


def accept(database: Database, site: Site, account: str, question_id: ContentId, answer_id: ContentId | None) -> None:
    head = database.read(partial(find_question, tenant_id=site.tenant_id, question_id=question_id))
    write(database, site, accept_only, site.principal(account), head, answer_id, now=NOW)


def earn(stage: Stage, site: Site, post: Post, votes: int, **at: Any) -> None:
    """Votes for the post by that many strangers, tallied."""
    for number in range(votes):
        vote(stage.database, site, f"557058:voter-{number}", post, **at)
    tally_due(stage.services)


def choose_for_site(stage: Stage, site: Site, **choices: Any) -> None:
    wanted = SiteSettings(**choices)
    write(stage.database, site, change_site_settings, site.tenant_id, wanted, now=NOW)
    stage.services.spaces.forget(site.tenant_id)
