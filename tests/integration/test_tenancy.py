"""What a process believes of an installation, for how long, and what it forgets."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from lib.crypto import StaticKeyring
from lib.errors import Unavailable
from lib.principal import AccountId, ClientKey, TenantId
from lib.services import Services
from lib.sql import Database, select_rows
from lib.tenancy import (
    BELIEVED_S,
    AccountRow,
    InstallationRow,
    InstallationSecretRow,
    InstallationState,
    Tenants,
    account_ref,
    raise_permission_epoch,
    store_secret,
)
from tests.factories import NOW, Site, only_row, rows_of
from tests.fakes import Clock
from tests.races import at_once, succeeded
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, GLOBEX_KEY, GLOBEX_SECRET

Sites = tuple[Site, Site]
ACME = ClientKey(ACME_KEY)
NEW_SECRET = "a-rotated-shared-secret-of-forty-charact"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tenants(services: Services, clock: Clock) -> Tenants:
    """Another process's view of the same database."""
    return replace(services.tenants, clock=clock)


def set_state(database: Database, site: Site, state: InstallationState) -> None:
    change = update(InstallationRow).where(InstallationRow.tenant_id == site.tenant_id).values(state=state)
    database.write(partial(Session.execute, statement=change))


def rotate(services: Services, site: Site, secret: str = NEW_SECRET) -> None:
    def work(session: Session) -> None:
        row = session.get(InstallationRow, site.tenant_id)
        assert row is not None
        store_secret(session, services.keyring, row, secret, now=NOW)

    services.database.write(work)


def test_an_installation_is_found_by_its_client_key_and_by_its_id(tenants: Tenants, sites: Sites) -> None:
    acme, globex = sites

    assert tenants.by_client_key(ACME) == acme.installation
    assert tenants.by_client_key(ClientKey(GLOBEX_KEY)) == globex.installation
    assert tenants.by_id(acme.tenant_id) == acme.installation
    assert tenants.by_client_key(ClientKey("nobody")) is None
    assert tenants.by_id(TenantId(1)) is None


@pytest.mark.parametrize("by", ["client key", "id"])
def test_what_was_read_is_believed_for_five_seconds(
    database: Database, tenants: Tenants, sites: Sites, clock: Clock, by: str
) -> None:
    acme, _ = sites

    def state() -> InstallationState:
        found = tenants.by_client_key(ACME) if by == "client key" else tenants.by_id(acme.tenant_id)
        assert found is not None
        return found.state

    assert state() is InstallationState.ACTIVE
    set_state(database, acme, InstallationState.DISABLED)

    clock.pass_(BELIEVED_S - 0.01)
    assert state() is InstallationState.ACTIVE
    clock.pass_(0.01)
    assert state() is InstallationState.DISABLED


def test_that_there_is_none_is_believed_for_five_seconds_too(
    database: Database, tenants: Tenants, sites: Sites, clock: Clock
) -> None:
    acme, _ = sites
    renamed = update(InstallationRow).where(InstallationRow.tenant_id == acme.tenant_id).values(client_key="later")
    assert tenants.by_client_key(ClientKey("later")) is None
    database.write(partial(Session.execute, statement=renamed))

    clock.pass_(BELIEVED_S - 0.01)
    assert tenants.by_client_key(ClientKey("later")) is None
    clock.pass_(0.01)
    assert tenants.by_client_key(ClientKey("later")) is not None


def test_fresh_reads_again_and_is_believed_from_then(
    database: Database, tenants: Tenants, sites: Sites, clock: Clock
) -> None:
    acme, _ = sites
    tenants.by_client_key(ACME)
    set_state(database, acme, InstallationState.DISABLED)

    clock.pass_(1)
    fresh = tenants.by_client_key(ACME, fresh=True)

    assert fresh is not None
    assert fresh.state is InstallationState.DISABLED
    assert tenants.by_client_key(ACME) == fresh


def test_forgetting_reads_again_at_once(database: Database, tenants: Tenants, sites: Sites) -> None:
    acme, _ = sites
    tenants.by_client_key(ACME)
    tenants.by_id(acme.tenant_id)
    set_state(database, acme, InstallationState.UNINSTALLED)

    tenants.forget(ACME)

    for found in (tenants.by_client_key(ACME), tenants.by_id(acme.tenant_id)):
        assert found is not None
        assert not found.is_active


def test_forgetting_what_was_only_known_by_id_works_too(database: Database, tenants: Tenants, sites: Sites) -> None:
    acme, _ = sites
    tenants.by_id(acme.tenant_id)
    set_state(database, acme, InstallationState.UNINSTALLED)

    tenants.forget(ACME)

    found = tenants.by_id(acme.tenant_id)
    assert found is not None
    assert not found.is_active


def test_every_installation_has_its_own_secret(tenants: Tenants, sites: Sites) -> None:
    acme, globex = sites

    assert tenants.secret(acme.installation) == ACME_SECRET.encode()
    assert tenants.secret(globex.installation) == GLOBEX_SECRET.encode()


def test_a_stored_secret_is_sealed_for_its_own_place(database: Database, services: Services, sites: Sites) -> None:
    acme, globex = sites
    record = only_row(database, acme, InstallationSecretRow).record
    assert ACME_SECRET.encode() not in record

    def steal(session: Session) -> None:
        row = session.scalar(select_rows(globex.tenant_id, InstallationSecretRow))
        assert row is not None
        row.record = record

    database.write(steal)

    with pytest.raises(Unavailable):
        services.tenants.secret(globex.installation)


def test_a_secret_whose_key_is_gone_makes_us_unavailable_and_is_told_once_a_call(
    tenants: Tenants, sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    acme, _ = sites
    bereft = replace(tenants, keyring=lambda: StaticKeyring({2: b"2" * 32}))

    for told in (1, 2):
        with pytest.raises(Unavailable):
            bereft.secret(acme.installation)
        errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len(errors) == told
        assert all("shared_secret_unreadable" in error and str(acme.tenant_id) not in error for error in errors)

    assert tenants.secret(acme.installation) == ACME_SECRET.encode()


def test_after_a_rotation_the_earlier_version_has_no_secret(services: Services, tenants: Tenants, sites: Sites) -> None:
    acme, _ = sites
    rotate(services, acme)

    assert tenants.secret(acme.installation) is None
    found = tenants.by_client_key(ACME)
    assert found is not None
    assert found.secret_version == acme.installation.secret_version + 1
    assert tenants.secret(found) == NEW_SECRET.encode()


def test_a_known_secret_is_dropped_when_a_newer_one_is_read(services: Services, tenants: Tenants, sites: Sites) -> None:
    acme, _ = sites
    assert tenants.secret(acme.installation) == ACME_SECRET.encode()
    rotate(services, acme)
    found = tenants.by_client_key(ACME)
    assert found is not None

    assert tenants.secret(found) == NEW_SECRET.encode()

    assert tenants.secret(acme.installation) is None


def test_rotation_leaves_one_record(database: Database, services: Services, sites: Sites) -> None:
    acme, globex = sites
    before = only_row(database, globex, InstallationSecretRow).record

    rotate(services, acme)
    rotate(services, acme, "another-shared-secret-of-forty-character")

    assert len(rows_of(database, acme, InstallationSecretRow)) == 1
    assert only_row(database, globex, InstallationSecretRow).record == before


def test_the_permission_epoch_rises_for_one_installation(database: Database, tenants: Tenants, sites: Sites) -> None:
    acme, globex = sites

    for _ in range(2):
        database.write(partial(raise_permission_epoch, tenant_id=acme.tenant_id))

    mine, theirs = tenants.by_id(acme.tenant_id), tenants.by_id(globex.tenant_id)
    assert mine is not None
    assert theirs is not None
    assert mine.permission_epoch == acme.installation.permission_epoch + 2
    assert theirs.permission_epoch == globex.installation.permission_epoch


def test_epochs_raised_at_once_are_all_counted(database: Database, tenants: Tenants, sites: Sites) -> None:
    acme, _ = sites
    raise_it = partial(database.write, partial(raise_permission_epoch, tenant_id=acme.tenant_id))

    succeeded(at_once([raise_it] * 10))

    found = tenants.by_id(acme.tenant_id)
    assert found is not None
    assert found.permission_epoch == acme.installation.permission_epoch + 10


def test_a_person_has_one_reference_per_installation(database: Database, sites: Sites) -> None:
    acme, globex = sites

    def ref(site: Site, account: str) -> int:
        work = partial(account_ref, tenant_id=site.tenant_id, account_id=AccountId(account), now=NOW)
        return database.write(work, tenant_id=site.tenant_id)

    assert ref(acme, ALICE) == ref(acme, ALICE)
    assert len({ref(acme, ALICE), ref(acme, BOB), ref(globex, ALICE)}) == 3


def test_a_person_met_at_once_by_many_has_one_reference(database: Database, sites: Sites) -> None:
    acme, _ = sites
    work = partial(account_ref, tenant_id=acme.tenant_id, account_id=AccountId(BOB), now=NOW)

    refs = succeeded(at_once([partial(database.write, work)] * 12))

    assert len(set(refs)) == 1
    assert only_row(database, acme, AccountRow).account_ref == refs[0]


def test_an_installation_shows_neither_salt_nor_secret(sites: Sites) -> None:
    acme, _ = sites
    assert "key_salt" not in repr(acme.installation)
    assert ACME_SECRET not in repr(acme.installation)
