"""The permission doctor, the moderators of a space and its summary: who may ask, and what is answered."""

from dataclasses import replace
from typing import Any

import pytest

from lib.confluence import Assignment
from lib.errors import Forbidden, NotFound, Unavailable
from lib.principal import AccountId
from lib.services import Services
from lib.spaces import SpaceStatus, note_space, set_space_status
from questions_api.spaces.routes import list_moderators, read_grants, read_space
from questions_api.spaces.schemas import GrantsQuery, GrantsView
from questions_api.spaces.settings import change_space
from tests.factories import ENG, HR, NOW, QUESTION_TYPE, Site, beside
from tests.fakes import FakeConfluence
from tests.integration.space_calls import NOTHING, call
from tests.tokens import ACME_KEY, ALICE, BOB, CAROL, DAVE, GLOBEX_KEY, MALLORY

Sites = tuple[Site, Site]


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for space_id in (ENG, HR):
        site.allow(ALICE, space_id, questions="va", votes="va", tags="v")
        site.allow(BOB, space_id, questions="vad", votes="vad", tags="vad")
        site.allow(CAROL, space_id, questions="v", administers=True)
    site.allow(DAVE, ENG, questions="va", votes="va", tags="v")
    # Mallory's own site has a space of the same id, which she administers.
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def grants(
    shared: Services,
    account: str,
    *,
    about: str | None = None,
    space_id: int = ENG,
    client_key: str = ACME_KEY,
) -> GrantsView:
    view: Any = read_grants(
        call(shared, account, client_key=client_key, spaceId=space_id), GrantsQuery.model_validate({"accountId": about})
    )
    found: GrantsView = view
    return found


def rules(view: GrantsView) -> dict[str, str]:
    return {cell: explanation["rule"] for cell, explanation in view["explanations"].items()}


def test_the_caller_is_told_what_decides_each_cell(shared: Services) -> None:
    found = grants(shared, ALICE)

    assert (found["spaceId"], found["reason"]) == ("65537", None)
    assert found["questions"] == {"view": True, "add": True, "delete": False}
    assert rules(found) == {
        "questions.view": "granted-by-confluence",
        "questions.add": "granted-by-confluence",
        "questions.delete": "not-granted",
        "votes.view": "granted-by-confluence",
        "votes.add": "granted-by-confluence",
        "votes.delete": "not-granted",
        "tags.view": "granted-by-confluence",
        "tags.add": "not-granted",
        "tags.delete": "not-granted",
    }
    assert found["may"] == {
        "ask": True,
        "answer": True,
        "vote": True,
        "takeVoteBack": False,
        "addTags": False,
        "removeTags": False,
        "moderate": False,
        "administerSpace": False,
    }


def test_dave_is_told_that_he_does_not_see_the_space(shared: Services) -> None:
    found = grants(shared, DAVE, space_id=HR)
    assert found["reason"] == "space-invisible"
    assert set(rules(found).values()) == {"space-invisible"}
    assert not any(found["may"].values())
    assert found["explanations"] == grants(shared, DAVE, space_id=4711)["explanations"]


def switch_off(shared: Services, site: Site) -> None:
    shared.database.write(
        lambda session: change_space(session, site.principal(CAROL), ENG, {"is_enabled": False, "version": 0}, now=NOW),
        tenant_id=site.tenant_id,
    )
    shared.spaces.forget(site.tenant_id)


def test_a_space_that_is_switched_off_is_told_from_one_without_rights(shared: Services, sites: Sites) -> None:
    switch_off(shared, sites[0])
    found = grants(shared, CAROL)
    assert (found["reason"], set(rules(found).values())) == ("space-disabled", {"space-disabled"})
    assert found["questions"] == {"view": False, "add": False, "delete": False}
    assert found["may"]["administerSpace"]


def test_an_archived_space_can_only_be_read(shared: Services, sites: Sites) -> None:
    acme, _ = sites

    def archive(session: Any) -> None:
        note_space(session, acme.tenant_id, ENG, now=NOW)
        session.flush()
        set_space_status(session, acme.tenant_id, ENG, SpaceStatus.ARCHIVED, now=NOW)

    shared.database.write(archive, tenant_id=acme.tenant_id)
    shared.spaces.forget(acme.tenant_id)
    found = grants(shared, BOB)
    assert rules(found)["questions.view"] == "granted-by-confluence"
    assert rules(found)["votes.add"] == "archived"
    summary: Any = read_space(call(shared, BOB, spaceId=ENG), NOTHING)
    assert summary["status"] == "archived"


def test_a_site_without_a_licence_can_only_be_read(shared: Services) -> None:
    given = call(shared, BOB, spaceId=ENG)
    assert given.identity is not None
    unlicensed = replace(given.identity, installation=replace(given.installation, is_licensed=False))
    view: Any = read_grants(replace(given, identity=unlicensed), GrantsQuery())
    assert (rules(view)["tags.view"], rules(view)["tags.delete"]) == ("granted-by-confluence", "unlicensed")


@pytest.mark.parametrize(("has_roles", "rule"), [(False, "types-not-listed"), (True, "role-mode")])
def test_a_site_that_does_not_list_our_types_is_told_from_one_that_gives_nothing(
    shared: Services, confluence: FakeConfluence, has_roles: bool, rule: str
) -> None:
    confluence.assign(ENG, Assignment("group", "g", "read", QUESTION_TYPE))
    confluence.allow(ALICE, ENG)
    assert set(rules(grants(shared, ALICE)).values()) == {"not-granted"}

    confluence.lists_app_types, confluence.has_roles = False, has_roles
    found = grants(shared, BOB)
    assert (found["reason"], set(rules(found).values())) == ("types-not-listed", {rule})


def test_an_administrator_of_the_space_may_ask_about_others(shared: Services, confluence: FakeConfluence) -> None:
    assert grants(shared, CAROL, about=ALICE) == grants(shared, ALICE)
    assert grants(shared, CAROL, about=DAVE, space_id=HR)["reason"] == "space-invisible"
    assert grants(shared, CAROL, about="557058:nobody")["reason"] == "space-invisible"
    with pytest.raises(Forbidden):
        grants(shared, ALICE, about=BOB)
    with pytest.raises(NotFound):
        grants(shared, DAVE, about=BOB, space_id=HR)
    confluence.administrators.add(AccountId(DAVE))
    with pytest.raises(NotFound):
        # A refusal is believed for half a minute.
        grants(shared, DAVE, about=BOB, space_id=HR)


def test_a_confluence_administrator_may_ask_about_others(shared: Services, confluence: FakeConfluence) -> None:
    confluence.administrators.add(AccountId(DAVE))
    assert grants(shared, DAVE, about=BOB, space_id=HR)["may"]["moderate"]


def test_everybody_may_ask_about_themselves_by_name(shared: Services) -> None:
    assert grants(shared, ALICE, about=ALICE) == grants(shared, ALICE)


def test_what_another_person_may_do_is_fresh(shared: Services, confluence: FakeConfluence) -> None:
    confluence.shut_out(ALICE, ENG)
    assert grants(shared, CAROL, about=ALICE)["reason"] == "space-invisible"


def test_mallory_learns_nothing_of_another_sites_people(shared: Services) -> None:
    """She administers the space of that id on her own site, where Alice and Bob are unknown."""
    with pytest.raises(NotFound):
        grants(shared, MALLORY, about=ALICE, space_id=HR, client_key=GLOBEX_KEY)
    with pytest.raises(NotFound):
        read_space(call(shared, MALLORY, client_key=GLOBEX_KEY, spaceId=HR), NOTHING)
    with pytest.raises(NotFound):
        list_moderators(call(shared, MALLORY, client_key=GLOBEX_KEY, spaceId=HR), NOTHING)


def test_what_was_learnt_on_one_site_answers_nothing_on_another(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    """Mallory administers the space of that id on her site, and asks about Alice: it is her site that is asked."""
    grants(shared, ALICE)
    grants(shared, MALLORY, about=BOB, client_key=GLOBEX_KEY)
    confluence.away_sites.add(sites[1].tenant_id)
    with pytest.raises(Unavailable):
        grants(shared, MALLORY, about=ALICE, client_key=GLOBEX_KEY)


def test_while_confluence_is_away_nothing_is_explained(shared: Services, confluence: FakeConfluence) -> None:
    confluence.is_away = True
    with pytest.raises(Unavailable):
        grants(shared, ALICE)


DELETE = ("delete", QUESTION_TYPE)


def moderators(shared: Services, account: str, space_id: int = ENG) -> Any:
    return list_moderators(call(shared, account, spaceId=space_id), NOTHING)


def test_moderators_are_those_who_may_delete_any_question(shared: Services, confluence: FakeConfluence) -> None:
    confluence.assign(
        ENG,
        Assignment("group", "g-mods", *DELETE),
        Assignment("user", BOB, *DELETE),
        Assignment("user", BOB, *DELETE),
        Assignment("user", ALICE, "delete", "ac:community-questions:cq-tag"),
        Assignment("user", CAROL, "delete", "page"),
        Assignment("group", "g-all", "read", QUESTION_TYPE),
    )
    assert moderators(shared, ALICE) == {
        "items": [{"type": "group", "id": "g-mods"}, {"type": "user", "id": BOB}],
        "next": None,
        "reason": None,
    }


def test_where_confluence_names_nobody_the_reason_is_told(shared: Services, confluence: FakeConfluence) -> None:
    assert moderators(shared, ALICE) == {"items": [], "next": None, "reason": "types-not-listed"}
    confluence.assign(HR, Assignment("group", "g", "read", QUESTION_TYPE))
    assert moderators(shared, ALICE, HR) == {"items": [], "next": None, "reason": None}


def test_moderators_are_told_to_those_who_may_view_questions(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    confluence.allow(BOB, HR, votes="v")
    for account in (BOB, DAVE):
        with pytest.raises(NotFound):
            moderators(shared, account, HR)
    switch_off(shared, sites[0])
    with pytest.raises(NotFound):
        moderators(shared, ALICE)


def test_a_member_is_told_what_shapes_posts_in_the_space(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    wanted = {"downvotes_allowed": True, "min_tags": 1, "max_tags": 3, "version": 0}
    shared.database.write(
        lambda session: change_space(session, acme.principal(CAROL), ENG, wanted, now=NOW), tenant_id=acme.tenant_id
    )
    assert read_space(call(shared, ALICE, spaceId=ENG), NOTHING) == {
        "spaceId": "65537",
        "status": "current",
        "isEnabled": True,
        "downvotesAllowed": True,
        "oneAnswerEach": False,
        "severalAccepted": False,
        "minTags": 1,
        "maxTags": 3,
    }
    with pytest.raises(NotFound):
        read_space(call(shared, DAVE, spaceId=HR), NOTHING)
