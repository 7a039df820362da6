"""Rights on a site that lists none of ours for its spaces: asked on a question, and never wider than its answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import cast

import pytest

from lib.confluence import Confluence
from lib.errors import NotFound
from lib.grants import Grant, GrantBook, Grants
from lib.principal import AccountId, ContentId, SpaceId
from lib.services import Services
from lib.spaces import SiteSettings, change_site_settings
from lib.sql import Database, update_rows
from questions_api.model import Question
from questions_api.posts import QuestionHead
from questions_api.seeing import see_question
from questions_api.spaces.probing import probe_of
from questions_api.spaces.routes import read_grants
from questions_api.spaces.schemas import GrantsQuery
from tests.factories import ENG, HR, NOW, Site, asked, beside, content
from tests.fakes import FakeConfluence
from tests.integration.space_calls import call
from tests.tokens import BOB, DAVE, GLOBEX_KEY, MALLORY

Sites = tuple[Site, Site]


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence(lists_app_types=False)
    for space_id in (ENG, HR):
        site.allow(BOB, space_id, questions="va", votes="va")
    site.allow(DAVE, ENG, questions="va", votes="va")
    site.allow(MALLORY, ENG, questions="va", votes="va")
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    for site in sites:
        wanted = SiteSettings(probes_rights=True)
        services.database.write(partial(change_site_settings, tenant_id=site.tenant_id, wanted=wanted, now=NOW))
    built = beside(services, confluence)
    return replace(
        built, grants=GrantBook(cast("Confluence", confluence), services.spaces, probe=probe_of(services.database))
    )


def known(
    shared: Services, site: Site, confluence: FakeConfluence, *readers: str, space_id: SpaceId = ENG
) -> QuestionHead:
    """A question of Alice's that Confluence shows to these readers."""
    question = asked(shared.database, site, space_id=space_id)
    confluence.put(replace(content(space_id=space_id), id=question.item.id), *readers)
    return question


def test_questions_are_decided_on_a_question_and_the_rest_is_denied(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    acme, _ = sites
    question = known(shared, acme, confluence, BOB)

    found = shared.grants.of(acme.installation, AccountId(BOB), ENG)
    assert found == Grants(Grant(view=True, add=True), is_probed=True)
    assert see_question(call(shared, BOB, questionId=question.item.id)).head == question
    view = cast("dict[str, dict[str, dict[str, str]]]", read_grants(call(shared, BOB, spaceId=ENG), GrantsQuery()))
    assert {cell: explanation["rule"] for cell, explanation in view["explanations"].items()} == {
        "questions.view": "granted-by-confluence",
        "questions.add": "granted-by-confluence",
        "questions.delete": "not-granted",
        **{f"{kind}.{right}": "types-not-listed" for kind in ("votes", "tags") for right in ("view", "add", "delete")},
    }


def test_dave_is_shown_nothing_by_a_probe_he_may_not_see(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    question = known(shared, sites[0], confluence, BOB, space_id=HR)
    with pytest.raises(NotFound):
        see_question(call(shared, DAVE, questionId=question.item.id))


def test_a_probe_that_has_left_the_space_proves_nothing(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    """Dave may see it where it is now; that says nothing of HR, where we still believe it to be."""
    question = known(shared, sites[0], confluence, BOB, space_id=HR)
    confluence.allow(DAVE, HR)
    confluence.put(replace(content(space_id=ENG), id=question.item.id), DAVE)
    with pytest.raises(NotFound):
        see_question(call(shared, DAVE, questionId=question.item.id))


def test_mallory_is_not_probed_with_another_sites_question(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    acme, globex = sites
    question = known(shared, acme, confluence, BOB, MALLORY)
    assert not shared.grants.of(globex.installation, AccountId(MALLORY), ENG).questions.view
    with pytest.raises(NotFound):
        see_question(call(shared, MALLORY, client_key=GLOBEX_KEY, questionId=question.item.id))


def test_a_space_that_is_switched_off_stays_off_on_such_a_site(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    acme, _ = sites
    question = known(shared, acme, confluence, BOB)
    off = replace(shared.spaces.of(acme.tenant_id, ENG), is_enabled=False)
    shared.spaces._spaces[acme.tenant_id, ENG] = (shared.spaces.clock(), off)
    with pytest.raises(NotFound):
        see_question(call(shared, BOB, questionId=question.item.id))


def guard(database: Database, site: Site, question_id: ContentId) -> None:
    database.write(
        lambda session: session.execute(
            update_rows(site.tenant_id, Question).where(Question.id == question_id).values(is_guarded=True)
        ),
        tenant_id=site.tenant_id,
    )


def delete(database: Database, site: Site, question_id: ContentId) -> None:
    database.write(
        lambda session: session.execute(
            update_rows(site.tenant_id, Question).where(Question.id == question_id).values(deleted_at=NOW)
        ),
        tenant_id=site.tenant_id,
    )


@pytest.mark.parametrize("spoil", [guard, delete])
def test_only_a_live_question_of_the_space_itself_is_a_probe(
    database: Database, sites: Sites, spoil: Callable[[Database, Site, ContentId], None]
) -> None:
    acme, globex = sites
    probe = probe_of(database)
    assert probe(acme.tenant_id, ENG) is None
    asked(database, acme, page_id=7)
    asked(database, acme, space_id=HR)
    asked(database, globex, author=MALLORY)
    assert probe(acme.tenant_id, ENG) is None
    older = asked(database, acme, created_at=NOW - timedelta(days=2))
    newer = asked(database, acme, created_at=NOW - timedelta(days=1))
    assert probe(acme.tenant_id, ENG) == newer.item.id
    spoil(database, acme, newer.item.id)
    assert probe(acme.tenant_id, ENG) == older.item.id


def test_without_an_administrators_choice_nothing_is_probed(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    acme, _ = sites
    known(shared, acme, confluence, BOB)
    wanted = SiteSettings(probes_rights=False, version=1)
    shared.database.write(partial(change_site_settings, tenant_id=acme.tenant_id, wanted=wanted, now=NOW))
    shared.spaces.forget(acme.tenant_id)

    assert shared.grants.of(acme.installation, AccountId(BOB), ENG) == Grants(reason="types-not-listed")
