"""Settings of a space and of the site: defaults, changes on a known version, who loses a race, what is written down."""

import json
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lib.audit import AuditRow
from lib.errors import Forbidden, Invalid, NotFound, Unacceptable
from lib.principal import AccountId, SpaceId
from lib.services import Services
from lib.spaces import SettingsChanged, SiteSettings, SpaceSettings, read_site_settings, read_space_settings
from lib.sql import Database
from lib.tenancy import InstallationRow
from questions_api.spaces import schemas
from questions_api.spaces.settings import change_site, change_space
from questions_api.spaces.settings_routes import read_site, read_space, replace_site, replace_space
from tests.factories import ENG, HR, NOW, Site, beside, only_row, rows_of
from tests.fakes import FakeConfluence
from tests.integration.space_calls import NOTHING, call
from tests.races import at_once
from tests.tokens import ALICE, CAROL, DAVE, GLOBEX_KEY, MALLORY

Sites = tuple[Site, Site]
SPACE_DEFAULTS = {
    "isEnabled": None,
    "chatEnabled": False,
    "downvotesAllowed": False,
    "oneAnswerEach": False,
    "severalAccepted": False,
    "minTags": 0,
    "maxTags": 5,
}
SITE_DEFAULTS = {"enabledByDefault": True, "showsContributors": True, "expertPoints": 100, "probesRights": False}


def read(database: Database, site: Site, space_id: SpaceId = ENG) -> SpaceSettings:
    return database.read(partial(read_space_settings, tenant_id=site.tenant_id, space_id=space_id))


def change(database: Database, site: Site, **wanted: object) -> SpaceSettings:
    work = partial(change_space, principal=site.principal(CAROL), space_id=ENG, wanted=wanted, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def change_for_all(database: Database, site: Site, **wanted: object) -> SiteSettings:
    work = partial(change_site, principal=site.principal(CAROL), wanted=wanted, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def test_what_nobody_touched_has_the_defaults(database: Database, sites: Sites) -> None:
    acme, _ = sites
    assert read(database, acme) == SpaceSettings()
    assert database.read(partial(read_site_settings, tenant_id=acme.tenant_id)) == SiteSettings()


def test_each_change_raises_the_version_and_leaves_the_rest(database: Database, sites: Sites) -> None:
    acme, _ = sites
    first = change(database, acme, chat_enabled=True, min_tags=2, version=0)
    assert first == SpaceSettings(chat_enabled=True, min_tags=2, version=1)
    assert change(database, acme, chat_enabled=False, version=1) == SpaceSettings(min_tags=2, version=2)

    assert read(database, acme) == SpaceSettings(min_tags=2, version=2)
    assert read(database, acme, HR) == SpaceSettings()


def test_each_change_of_the_site_raises_its_version_and_leaves_the_rest(database: Database, sites: Sites) -> None:
    acme, globex = sites
    assert change_for_all(database, acme, expert_points=7, version=0) == SiteSettings(expert_points=7, version=1)
    changed = change_for_all(database, acme, enabled_by_default=False, version=1)
    assert changed == SiteSettings(enabled_by_default=False, expert_points=7, version=2)
    assert database.read(partial(read_site_settings, tenant_id=globex.tenant_id)) == SiteSettings()


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_change_of_other_settings_than_the_present_is_refused(database: Database, sites: Sites, version: int) -> None:
    acme, _ = sites
    change(database, acme, chat_enabled=True, version=0)
    change_for_all(database, acme, expert_points=7, version=0)

    for attempt in (
        partial(change, database, acme, chat_enabled=False, version=version),
        partial(change_for_all, database, acme, expert_points=8, version=version),
    ):
        with pytest.raises(SettingsChanged) as refused:
            attempt()
        assert refused.value.current == {"version": 1}

    assert read(database, acme) == SpaceSettings(chat_enabled=True, version=1)
    assert len(rows_of(database, acme, AuditRow)) == 2


def test_a_version_that_never_was_is_refused(database: Database, sites: Sites) -> None:
    acme, _ = sites
    with pytest.raises(SettingsChanged):
        change(database, acme, chat_enabled=True, version=3)
    assert read(database, acme) == SpaceSettings()
    assert rows_of(database, acme, AuditRow) == []


@pytest.mark.parametrize("version", [0, 1])
def test_of_many_changes_at_once_one_counts(database: Database, sites: Sites, version: int) -> None:
    acme, _ = sites
    if version:
        change(database, acme, chat_enabled=False, version=0)

    outcomes = at_once([partial(change, database, acme, chat_enabled=True, version=version)] * 6)

    assert [outcome for outcome in outcomes if isinstance(outcome, SpaceSettings)] == [
        SpaceSettings(chat_enabled=True, version=version + 1)
    ]
    assert sum(isinstance(outcome, SettingsChanged) for outcome in outcomes) == 5
    assert len(rows_of(database, acme, AuditRow)) == 1


@pytest.mark.parametrize("version", [0, 1])
def test_of_many_changes_of_the_site_at_once_one_counts(database: Database, sites: Sites, version: int) -> None:
    acme, _ = sites
    if version:
        change_for_all(database, acme, expert_points=100, version=0)
    outcomes = at_once([partial(change_for_all, database, acme, expert_points=9, version=version)] * 6)
    assert sum(isinstance(outcome, SiteSettings) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, SettingsChanged) for outcome in outcomes) == 5
    assert len(rows_of(database, acme, AuditRow)) == 1


@pytest.mark.parametrize(
    ("held", "wanted", "is_good"),
    [
        ({}, {"min_tags": 5}, True),
        ({}, {"min_tags": 3, "max_tags": 3}, True),
        ({}, {"min_tags": 4, "max_tags": 3}, False),
        ({"min_tags": 4}, {"max_tags": 3}, False),
        ({"max_tags": 2}, {"min_tags": 3}, False),
    ],
)
def test_no_question_may_need_more_tags_than_it_may_have(
    database: Database, sites: Sites, held: dict[str, int], wanted: dict[str, int], is_good: bool
) -> None:
    acme, _ = sites
    before = change(database, acme, **held, version=0)
    if is_good:
        assert change(database, acme, **wanted, version=1).version == 2
        return
    with pytest.raises(Invalid) as refused:
        change(database, acme, **wanted, version=1)
    assert [fault.where for fault in refused.value.faults] == ["/minTags"]
    assert read(database, acme) == before


def test_what_changed_is_written_down_and_nothing_else(database: Database, sites: Sites) -> None:
    acme, globex = sites
    change(database, acme, is_enabled=False, chat_enabled=False, version=0)
    noted = only_row(database, acme, AuditRow)
    assert (noted.action, noted.target_kind, noted.target_id, noted.created_at) == (
        "settings.changed",
        "space",
        ENG,
        NOW,
    )
    assert (json.loads(noted.before or ""), json.loads(noted.after or "")) == (
        {"is_enabled": None},
        {"is_enabled": False},
    )

    change(database, acme, is_enabled=False, version=1)
    assert len(rows_of(database, acme, AuditRow)) == 1
    change_for_all(database, acme, shows_contributors=False, version=0)
    (site_note,) = (row for row in rows_of(database, acme, AuditRow) if row.target_kind == "site")
    assert (site_note.before, site_note.after) == ('{"shows_contributors": true}', '{"shows_contributors": false}')
    assert rows_of(database, globex, AuditRow) == []


def test_mallory_changes_the_same_space_id_on_her_own_site_only(database: Database, sites: Sites) -> None:
    acme, globex = sites
    change(database, acme, chat_enabled=True, version=0)

    assert read(database, globex) == SpaceSettings()
    with pytest.raises(SettingsChanged):
        change(database, globex, chat_enabled=False, version=1)
    change(database, globex, chat_enabled=False, version=0)

    assert read(database, acme) == SpaceSettings(chat_enabled=True, version=1)


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for space_id in (ENG, HR):
        site.allow(CAROL, space_id, questions="v", administers=True)
        site.allow(ALICE, space_id, questions="va")
    site.allow(DAVE, ENG, questions="va")
    site.allow(MALLORY, ENG, questions="vad", administers=True)
    site.administrators.add(AccountId(CAROL))
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def body(**members: object) -> schemas.SpaceSettingsBody:
    return schemas.SpaceSettingsBody.model_validate(members)


def test_every_answer_shows_the_defaults_too(shared: Services) -> None:
    given = call(shared, CAROL, spaceId=ENG)
    assert read_space(given, NOTHING) == {**SPACE_DEFAULTS, "version": 0, "defaults": SPACE_DEFAULTS}
    changed = replace_space(given, body(maxTags=3, version=0))
    assert changed == {**SPACE_DEFAULTS, "maxTags": 3, "version": 1, "defaults": SPACE_DEFAULTS}

    assert read_site(given, NOTHING) == {**SITE_DEFAULTS, "version": 0, "defaults": SITE_DEFAULTS}
    wanted = schemas.SiteSettingsBody.model_validate({"expertPoints": 5, "version": 0})
    assert replace_site(given, wanted) == {**SITE_DEFAULTS, "expertPoints": 5, "version": 1, "defaults": SITE_DEFAULTS}


def test_a_change_holds_at_once_for_the_process_that_made_it(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    assert shared.spaces.of(acme.tenant_id, ENG).is_enabled
    given = call(shared, CAROL, spaceId=ENG)
    replace_site(given, schemas.SiteSettingsBody.model_validate({"enabledByDefault": False, "version": 0}))
    assert not shared.spaces.of(acme.tenant_id, ENG).is_enabled
    replace_space(given, body(isEnabled=True, version=0))
    assert shared.spaces.of(acme.tenant_id, ENG).is_enabled


@pytest.mark.parametrize(
    "members",
    [
        {"chatEnabled": True},
        {"version": -1},
        {"version": 0, "fromTheFuture": True},
        {"version": 0, "chat_enabled": True},
        {"version": 0, "chatEnabled": "yes"},
        {"version": 0, "minTags": 6},
        {"version": 0, "maxTags": 0},
        {"version": 0, "minTags": 1.5},
        {"version": 0, "maxTags": None},
    ],
)
def test_what_is_no_setting_of_a_space_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body(**members)


@pytest.mark.parametrize(
    "members",
    [
        {"version": 0, "expertPoints": 0},
        {"version": 0, "expertPoints": 1_000_001},
        {"version": 0, "isEnabled": True},
        {"version": 0, "enabledByDefault": None},
        {},
    ],
)
def test_what_is_no_setting_of_the_site_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        schemas.SiteSettingsBody.model_validate(members)


def test_settings_are_for_administrators(shared: Services) -> None:
    for account, space_id, error in ((ALICE, ENG, Forbidden), (DAVE, HR, NotFound)):
        given = call(shared, account, spaceId=space_id)
        with pytest.raises(error):
            read_space(given, NOTHING)
        with pytest.raises(error):
            replace_space(given, body(version=0))
        with pytest.raises(Forbidden):
            read_site(given, NOTHING)
        with pytest.raises(Forbidden):
            replace_site(given, schemas.SiteSettingsBody.model_validate({"version": 0}))


def test_mallory_changes_nothing_of_another_site(shared: Services, sites: Sites) -> None:
    given = call(shared, MALLORY, client_key=GLOBEX_KEY, spaceId=HR)
    with pytest.raises(NotFound):
        replace_space(given, body(version=0))
    with pytest.raises(Forbidden):
        replace_site(given, schemas.SiteSettingsBody.model_validate({"version": 0}))
    assert rows_of(shared.database, sites[0], AuditRow) == []


def test_a_personal_space_is_never_carried_to_chat(shared: Services, confluence: FakeConfluence) -> None:
    confluence.space_kinds[ENG] = "personal"
    given = call(shared, CAROL, spaceId=ENG)
    with pytest.raises(Unacceptable):
        replace_space(given, body(chatEnabled=True, version=0))
    replace_space(given, body(chatEnabled=False, version=0))


@pytest.mark.parametrize(("wanted", "ends"), [({"probes_rights": True}, True), ({"shows_contributors": False}, False)])
def test_rights_found_by_probing_end_with_the_choice_to_probe(
    database: Database, sites: Sites, wanted: dict[str, bool], *, ends: bool
) -> None:
    acme, globex = sites

    def epochs() -> list[int]:
        def read(session: Session) -> list[int]:
            rows = [session.get(InstallationRow, site.tenant_id) for site in (acme, globex)]
            return [row.permission_epoch for row in rows if row is not None]

        return database.read(read)

    before = epochs()
    changed = change_for_all(database, acme, **wanted, version=0)
    assert epochs() == [before[0] + ends, before[1]]
    back = {name: not value for name, value in wanted.items()}
    change_for_all(database, acme, **back, version=changed.version)
    assert epochs() == [before[0] + 2 * ends, before[1]]
