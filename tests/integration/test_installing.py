"""Installing, rotating, disabling, leaving and coming back: what each callback leaves in the rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from lib.authentication import Request, authenticate_context
from lib.connect_jwt import TokenRefused, VerifiedClaims, verify_install
from lib.errors import Unavailable
from lib.principal import AccountId, ClientKey
from lib.services import Services
from lib.sql import Database
from lib.tenancy import Installation, InstallationRow, InstallationSecretRow, InstallationState, Tenants
from lifecycle.installing import GRACE, InstallTokenRow, LifecycleRefused, install, set_enabled, uninstall
from lifecycle.payloads import LifecycleEvent, parse_installed, parse_notice
from questions_api.model import Question
from tests.factories import NOW, Site, asked, only_row, rows_of
from tests.races import at_once, succeeded
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    APP_BASE_URL,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    context_token,
    install_token,
    public_pem,
)

TARGET = "/connect/lifecycle/installed"
NEW_KEY = "initech-0000-client-key"
SECRET = "initech-shared-secret-of-forty-character"
ROTATED = "rotated-shared-secret-of-forty-character"
Sites = tuple[Site, Site]


@dataclass(frozen=True)
class App:
    """The lifecycle use cases as their routes call them, at a time of the test's choice."""

    services: Services

    @property
    def database(self) -> Database:
        return self.services.database

    def claims(self, client_key: str, *, seconds: int = 0, number: int = 0) -> VerifiedClaims:
        """A verified install token; tokens of the same second differ by `number`."""
        issued = NOW + timedelta(seconds=seconds)
        target = f"{TARGET}?number={number}"
        return verify_install(
            install_token("POST", target, issued, client_key=client_key),
            public_key_pem=public_pem(),
            method="POST",
            raw_target=target,
            audiences=(APP_BASE_URL,),
            now=issued,
        )

    def installed(
        self,
        client_key: str = NEW_KEY,
        secret: str = SECRET,
        *,
        seconds: int = 0,
        number: int = 0,
        claims: VerifiedClaims | None = None,
        **changes: object,
    ) -> None:
        body = json.dumps(
            {
                "key": "community-questions",
                "eventType": "installed",
                "productType": "confluence",
                "clientKey": client_key,
                "sharedSecret": secret,
                "baseUrl": "https://initech.atlassian.net/wiki",
                "oauthClientId": "client-of-initech",
            }
            | changes
        ).encode()
        hosts = self.services.settings.atlassian_allowed_hosts
        parsed = parse_installed(body, app_key="community-questions", allowed_hosts=hosts)
        self.database.write(
            partial(
                install,
                keyring=self.services.keyring,
                claims=claims or self.claims(client_key, seconds=seconds, number=number),
                installed=parsed,
                body=body,
                now=NOW + timedelta(seconds=seconds),
            )
        )
        self.services.tenants.forget(ClientKey(client_key))

    def uninstalled(
        self, client_key: str = NEW_KEY, *, seconds: int = 10, claims: VerifiedClaims | None = None
    ) -> None:
        members = {"key": "community-questions", "eventType": "uninstalled", "clientKey": client_key}
        body = json.dumps(members).encode()
        notice = parse_notice(body, event=LifecycleEvent.UNINSTALLED, app_key="community-questions")
        self.database.write(
            partial(
                uninstall,
                claims=claims or self.claims(client_key, seconds=seconds),
                notice=notice,
                body=body,
                now=NOW + timedelta(seconds=seconds),
            )
        )
        self.services.tenants.forget(ClientKey(client_key))

    def row(self, client_key: str = NEW_KEY) -> InstallationRow:
        statement = select(InstallationRow).where(InstallationRow.client_key == client_key)
        found = self.database.read(lambda session: session.scalar(statement))
        assert found is not None
        return found

    def count(self) -> int:
        statement = select(func.count()).select_from(InstallationRow)
        return self.database.read(lambda session: session.scalar(statement)) or 0

    def secret(self, client_key: str = NEW_KEY) -> str | None:
        """The secret as a process reads it that has just started."""
        fresh = Tenants(self.database, lambda: self.services.keyring)
        installation = fresh.by_client_key(ClientKey(client_key))
        held = fresh.secret(installation) if installation else None
        return None if held is None else held.decode()

    def site(self, client_key: str = NEW_KEY) -> Site:
        found = self.services.tenants.by_client_key(ClientKey(client_key), fresh=True)
        assert found is not None
        return Site(found, ())

    def accepts(self, client_key: str, secret: str) -> bool:
        """Whether the JSON API takes a token signed with the secret."""
        token = context_token(NOW, client_key=client_key, secret=secret)
        request = Request("GET", "/api/v1/me", {"authorization": f"JWT {token}"}, {}, b"", NOW)
        try:
            return authenticate_context(self.services, request).claims.account_id == AccountId(ALICE)
        except TokenRefused:
            return False

    def set_state(self, state: InstallationState, client_key: str = NEW_KEY) -> None:
        change = update(InstallationRow).where(InstallationRow.client_key == client_key).values(state=state)
        self.database.write(partial(Session.execute, statement=change))
        self.services.tenants.forget(ClientKey(client_key))


@pytest.fixture
def app(services: Services) -> App:
    return App(services)


def test_the_first_install_makes_an_installation(app: App) -> None:
    app.installed(displayUrl="https://questions.example.org", installationId="ari:cloud:ecosystem::installation/1")

    row = app.row()
    assert (row.state, row.base_url) == (InstallationState.ACTIVE, "https://initech.atlassian.net/wiki")
    assert (row.display_url, row.oauth_client_id) == ("https://questions.example.org", "client-of-initech")
    assert row.installation_ari == "ari:cloud:ecosystem::installation/1"
    assert (row.last_issued_at, row.installed_at, row.secret_version) == (NOW, NOW, 1)
    assert (row.uninstalled_at, row.purge_after) == (None, None)
    assert len(row.key_salt) == 32
    assert app.secret() == SECRET
    assert app.accepts(NEW_KEY, SECRET)


def test_two_sites_share_no_salt(app: App) -> None:
    app.installed()
    app.installed("other-client-key", baseUrl="https://other.atlassian.net/wiki")

    assert app.row().key_salt != app.row("other-client-key").key_salt


def test_the_same_call_twice_is_one_call(app: App) -> None:
    claims = app.claims(NEW_KEY)
    app.installed(claims=claims)
    before = app.row()

    app.installed(claims=claims)

    after = app.row()
    assert (after.secret_version, after.permission_epoch) == (before.secret_version, before.permission_epoch)
    assert app.count() == 1


def test_a_token_is_not_good_for_another_body(app: App) -> None:
    claims = app.claims(NEW_KEY)
    app.installed(claims=claims)

    with pytest.raises(LifecycleRefused) as refused:
        app.installed(secret=ROTATED, claims=claims)

    assert refused.value.reason == "token-reused"
    assert app.secret() == SECRET


def test_a_token_of_one_site_installs_no_other(app: App, sites: Sites) -> None:
    del sites
    with pytest.raises(LifecycleRefused) as refused:
        app.installed(ACME_KEY, ROTATED, claims=app.claims(GLOBEX_KEY))

    assert refused.value.reason == "issuer-mismatch"
    assert app.secret(ACME_KEY) == ACME_SECRET
    assert app.secret(GLOBEX_KEY) == GLOBEX_SECRET


@pytest.mark.parametrize("call", ["installed", "uninstalled"])
def test_a_token_issued_before_the_last_one_is_refused(app: App, call: str) -> None:
    app.installed(seconds=60)

    late = partial(app.installed, secret=ROTATED) if call == "installed" else app.uninstalled
    with pytest.raises(LifecycleRefused) as refused:
        late(seconds=59)

    assert refused.value.reason == "older-than-last"
    assert app.secret() == SECRET
    assert app.row().state == InstallationState.ACTIVE


def test_a_token_of_the_same_second_is_taken(app: App) -> None:
    app.installed()
    app.installed(secret=ROTATED, number=1)

    assert app.secret() == ROTATED


def test_a_refused_call_is_not_remembered(app: App) -> None:
    app.installed(seconds=60)
    claims = app.claims(NEW_KEY, seconds=59)
    with pytest.raises(LifecycleRefused):
        app.installed(claims=claims)

    kept = app.database.read(lambda session: session.scalar(select(func.count()).select_from(InstallTokenRow)))
    assert kept == 1


def test_remembered_tokens_go_when_they_have_expired(app: App) -> None:
    app.installed()
    app.installed(seconds=3600)

    kept = app.database.read(lambda session: list(session.scalars(select(InstallTokenRow.expires_at))))
    assert len(kept) == 1
    assert kept[0] > NOW + timedelta(seconds=3600)


def test_a_rotation_ends_the_earlier_secret_at_once(app: App) -> None:
    app.installed()
    assert app.accepts(NEW_KEY, SECRET)
    before = app.row()

    app.installed(secret=ROTATED, seconds=60)

    assert not app.accepts(NEW_KEY, SECRET)
    assert app.accepts(NEW_KEY, ROTATED)
    after = app.row()
    assert (after.tenant_id, after.key_salt) == (before.tenant_id, before.key_salt)
    assert after.secret_version == before.secret_version + 1
    assert after.permission_epoch > before.permission_epoch
    record = only_row(app.database, app.site(), InstallationSecretRow).record
    assert SECRET.encode() not in record
    assert ROTATED.encode() not in record


def test_an_update_follows_a_rename_and_keeps_what_it_does_not_name(app: App) -> None:
    app.installed(installationId="ari:cloud:ecosystem::installation/1", displayUrl="https://old.example.org")

    app.installed(baseUrl="https://renamed.atlassian.net/wiki", seconds=60)

    row = app.row()
    assert row.base_url == "https://renamed.atlassian.net/wiki"
    assert row.installation_ari == "ari:cloud:ecosystem::installation/1"
    assert row.display_url is None
    assert row.installed_at == NOW


def test_leaving_destroys_the_secret_and_keeps_the_rows_for_a_while(app: App) -> None:
    app.installed()
    site = app.site()
    question = asked(app.database, site)
    before = app.row()

    app.uninstalled(seconds=10)

    row = app.row()
    left_at = NOW + timedelta(seconds=10)
    assert (row.state, row.uninstalled_at, row.purge_after) == (InstallationState.UNINSTALLED, left_at, left_at + GRACE)
    assert row.permission_epoch > before.permission_epoch
    assert row.secret_version > before.secret_version
    assert rows_of(app.database, site, InstallationSecretRow) == []
    assert app.secret() is None
    assert not app.accepts(NEW_KEY, SECRET)
    assert only_row(app.database, site, Question).id == question.item.id


def test_leaving_twice_or_unknown_is_nothing(app: App) -> None:
    app.uninstalled("nobody")
    app.installed()
    claims = app.claims(NEW_KEY, seconds=10)
    app.uninstalled(claims=claims)
    first = app.row()

    app.uninstalled(claims=claims, seconds=20)

    again = app.row()
    assert (again.uninstalled_at, again.secret_version) == (first.uninstalled_at, first.secret_version)
    assert app.count() == 1


def test_a_site_that_comes_back_finds_its_rows(app: App) -> None:
    app.installed()
    asked(app.database, app.site())
    before = app.row()
    app.uninstalled(seconds=10)

    app.installed(secret=ROTATED, seconds=86_400)

    row = app.row()
    assert (row.tenant_id, row.key_salt, row.state) == (before.tenant_id, before.key_salt, InstallationState.ACTIVE)
    assert (row.uninstalled_at, row.purge_after) == (None, None)
    assert row.secret_version > before.secret_version + 1
    assert not app.accepts(NEW_KEY, SECRET)
    assert app.secret() == ROTATED
    assert len(rows_of(app.database, app.site(), Question)) == 1


def test_the_token_that_installed_does_not_bring_a_site_back(app: App) -> None:
    claims = app.claims(NEW_KEY)
    app.installed(claims=claims)
    app.uninstalled(seconds=10)

    with pytest.raises(LifecycleRefused):
        app.installed(claims=claims)

    assert app.row().state == InstallationState.UNINSTALLED


def test_a_site_being_purged_is_asked_to_come_later(app: App) -> None:
    app.installed()
    app.set_state(InstallationState.PURGING)

    with pytest.raises(Unavailable) as later:
        app.installed(secret=ROTATED, seconds=60)

    assert later.value.retry_after_s == 60
    assert app.row().state == InstallationState.PURGING
    app.uninstalled(seconds=70)
    assert app.row().state == InstallationState.PURGING


def test_another_client_key_with_the_same_address_changes_nothing_of_the_first(app: App, sites: Sites) -> None:
    """The address is part of an unsigned body: it must not let one installation act on another."""
    del sites
    app.installed()
    before = app.row()

    app.installed("restored-client-key", ROTATED, seconds=60)

    after = app.row()
    assert (after.state, after.permission_epoch) == (InstallationState.ACTIVE, before.permission_epoch)
    assert app.accepts(NEW_KEY, SECRET)
    assert app.row("restored-client-key").tenant_id != after.tenant_id
    assert {app.row(key).state for key in (ACME_KEY, GLOBEX_KEY)} == {InstallationState.ACTIVE}


@pytest.mark.parametrize(
    ("before", "is_enabled", "after"),
    [
        (InstallationState.ACTIVE, False, InstallationState.DISABLED),
        (InstallationState.ACTIVE, True, InstallationState.ACTIVE),
        (InstallationState.DISABLED, True, InstallationState.ACTIVE),
        (InstallationState.DISABLED, False, InstallationState.DISABLED),
        (InstallationState.UNINSTALLED, True, InstallationState.UNINSTALLED),
        (InstallationState.UNINSTALLED, False, InstallationState.UNINSTALLED),
        (InstallationState.PURGING, True, InstallationState.PURGING),
    ],
)
def test_enabling_and_disabling(
    app: App, sites: Sites, before: InstallationState, is_enabled: bool, after: InstallationState
) -> None:
    acme, _ = sites
    app.set_state(before, ACME_KEY)
    epoch = app.row(ACME_KEY).permission_epoch

    app.database.write(partial(set_enabled, tenant_id=acme.tenant_id, is_enabled=is_enabled))

    row = app.row(ACME_KEY)
    assert row.state == after
    is_live = before in {InstallationState.ACTIVE, InstallationState.DISABLED}
    assert row.permission_epoch == epoch + is_live
    assert app.row(GLOBEX_KEY).state == InstallationState.ACTIVE
    assert app.accepts(ACME_KEY, ACME_SECRET) is (after is InstallationState.ACTIVE)


def test_mallory_cannot_switch_off_another_site(app: App, sites: Sites) -> None:
    _, globex = sites
    app.database.write(partial(set_enabled, tenant_id=globex.tenant_id, is_enabled=False))

    assert app.row(ACME_KEY).state == InstallationState.ACTIVE
    with pytest.raises(LifecycleRefused):
        app.uninstalled(ACME_KEY, claims=app.claims(GLOBEX_KEY, seconds=10))
    assert app.row(ACME_KEY).state == InstallationState.ACTIVE


def test_one_call_arriving_many_times_at_once_is_one_call(app: App) -> None:
    claims = app.claims(NEW_KEY)

    succeeded(at_once([partial(app.installed, claims=claims)] * 6))

    assert (app.count(), app.row().secret_version) == (1, 1)


def secret_of(number: int) -> str:
    return f"shared-secret-number-{number}".ljust(40, ".")


@pytest.mark.parametrize("is_new", [True, False])
def test_rotations_at_once_never_share_a_version(app: App, is_new: bool) -> None:
    """Processes cache the secret by its version: two secrets under one would lock a site out."""
    if not is_new:
        app.installed(seconds=-5)
    before = 0 if is_new else 1
    works: list[Callable[[], None]] = [
        partial(app.installed, secret=secret_of(number), number=number) for number in range(6)
    ]

    succeeded(at_once(works))

    assert app.row().secret_version == before + 6
    assert app.secret() in {secret_of(number) for number in range(6)}
    assert len(rows_of(app.database, app.site(), InstallationSecretRow)) == 1


def test_installing_and_leaving_at_once_ends_in_one_of_the_two(app: App) -> None:
    app.installed(seconds=-5)
    works: list[Callable[[], None]] = [
        partial(app.installed, secret=ROTATED, number=1),
        partial(app.uninstalled, claims=app.claims(NEW_KEY, number=2)),
    ] * 2

    succeeded(at_once(works))

    is_active = app.row().state == InstallationState.ACTIVE
    assert app.secret() == (ROTATED if is_active else None)
    assert len(rows_of(app.database, app.site(), InstallationSecretRow)) == int(is_active)


def test_without_an_oauth_client_the_app_is_installed_all_the_same(app: App) -> None:
    app.installed(oauthClientId=None)

    installation: Installation = app.site().installation
    assert installation.oauth_client_id is None
    assert replace(installation, oauth_client_id="x").is_active
