"""Settings of a space: defaults, changes on a known version, and who loses a race."""

from functools import partial

import pytest

from lib.principal import SpaceId
from lib.spaces import SettingsChanged, SpaceSettings, change_space_settings, read_space_settings
from lib.sql import Database
from tests.factories import ENG, HR, NOW, Site
from tests.races import at_once

Sites = tuple[Site, Site]


def read(database: Database, site: Site, space_id: SpaceId = ENG) -> SpaceSettings:
    return database.read(partial(read_space_settings, tenant_id=site.tenant_id, space_id=space_id))


def change(database: Database, site: Site, *, chat: bool, version: int) -> SpaceSettings:
    work = partial(
        change_space_settings, tenant_id=site.tenant_id, space_id=ENG, chat_enabled=chat, version=version, now=NOW
    )
    return database.write(work, tenant_id=site.tenant_id)


def test_a_space_nobody_touched_has_the_defaults(database: Database, sites: Sites) -> None:
    acme, _ = sites
    assert read(database, acme) == SpaceSettings(chat_enabled=False, version=0)


def test_each_change_raises_the_version(database: Database, sites: Sites) -> None:
    acme, _ = sites

    assert change(database, acme, chat=True, version=0) == SpaceSettings(chat_enabled=True, version=1)
    assert change(database, acme, chat=False, version=1) == SpaceSettings(chat_enabled=False, version=2)

    assert read(database, acme) == SpaceSettings(chat_enabled=False, version=2)
    assert read(database, acme, HR) == SpaceSettings()


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_change_of_other_settings_than_the_present_is_refused(database: Database, sites: Sites, version: int) -> None:
    acme, _ = sites
    change(database, acme, chat=True, version=0)

    with pytest.raises(SettingsChanged):
        change(database, acme, chat=False, version=version)

    assert read(database, acme) == SpaceSettings(chat_enabled=True, version=1)


def test_a_version_that_never_was_is_refused(database: Database, sites: Sites) -> None:
    acme, _ = sites
    with pytest.raises(SettingsChanged):
        change(database, acme, chat=True, version=3)
    assert read(database, acme) == SpaceSettings()


@pytest.mark.parametrize("version", [0, 1])
def test_of_many_changes_at_once_one_counts(database: Database, sites: Sites, version: int) -> None:
    acme, _ = sites
    if version:
        change(database, acme, chat=False, version=0)

    outcomes = at_once([partial(change, database, acme, chat=True, version=version)] * 6)

    assert [outcome for outcome in outcomes if isinstance(outcome, SpaceSettings)] == [
        SpaceSettings(chat_enabled=True, version=version + 1)
    ]
    assert sum(isinstance(outcome, SettingsChanged) for outcome in outcomes) == 5


def test_mallory_changes_the_same_space_id_on_her_own_site_only(database: Database, sites: Sites) -> None:
    acme, globex = sites
    change(database, acme, chat=True, version=0)

    assert read(database, globex) == SpaceSettings()
    with pytest.raises(SettingsChanged):
        change(database, globex, chat=False, version=1)
    change(database, globex, chat=False, version=0)

    assert read(database, acme) == SpaceSettings(chat_enabled=True, version=1)
