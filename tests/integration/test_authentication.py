"""Who is believed to call: tokens on the routes they were made for, and secrets that change underneath."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from lib.authentication import Identity, Request, authenticate_context, authenticate_notice, authenticate_request
from lib.connect_jwt import TokenRefused
from lib.errors import Unauthenticated
from lib.services import Services
from lib.sql import delete_rows
from lib.tenancy import InstallationRow, InstallationSecretRow, InstallationState, Tenants, store_secret
from tests.factories import NOW, Site
from tests.fakes import Clock
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
    context_token,
    install_token,
    request_token,
)

Sites = tuple[Site, Site]
Authenticate = Callable[[Services, Request], Identity]
API = "/api/v1/me"
FRAME = "/ui/questions?spaceId=65537&spaceKey=ENG"
NEW_SECRET = "a-rotated-shared-secret-of-forty-charact"


def request(token: str | None, target: str = API, method: str = "GET") -> Request:
    headers = {} if token is None else {"authorization": f"JWT {token}"}
    return Request(method, target, headers, {}, b"", NOW)


def framed(token: str, target: str = FRAME) -> Request:
    """The token where Confluence puts it for a frame: in the query."""
    return Request("GET", f"{target}&jwt={token}", {}, {}, b"", NOW)


def reason(authenticate: Authenticate, services: Services, given: Request) -> str:
    with pytest.raises(TokenRefused) as refused:
        authenticate(services, given)
    return refused.value.reason


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def elsewhere(services: Services, clock: Clock) -> Services:
    """Another process on the same database, with its own memory."""
    return replace(services, tenants=Tenants(services.database, lambda: services.keyring, clock))


def set_state(services: Services, site: Site, state: InstallationState) -> None:
    change = update(InstallationRow).where(InstallationRow.tenant_id == site.tenant_id).values(state=state)
    services.database.write(partial(Session.execute, statement=change))


def rotate(services: Services, site: Site, secret: str = NEW_SECRET) -> None:
    def work(session: Session) -> None:
        row = session.get(InstallationRow, site.tenant_id)
        assert row is not None
        store_secret(session, services.keyring, row, secret, now=NOW)

    services.database.write(work)


def test_a_context_token_names_the_installation_and_the_account(services: Services, sites: Sites) -> None:
    acme, globex = sites
    mine = authenticate_context(services, request(context_token(NOW)))
    token = context_token(NOW, client_key=GLOBEX_KEY, secret=GLOBEX_SECRET, account_id=MALLORY)
    hers = authenticate_context(services, request(token))

    assert (mine.installation, mine.claims.account_id) == (acme.installation, ALICE)
    assert (hers.installation, hers.claims.account_id) == (globex.installation, MALLORY)


def test_a_visitor_without_an_account_is_nobody(services: Services, sites: Sites) -> None:
    del sites
    identity = authenticate_context(services, request(context_token(NOW, account_id=None)))
    assert identity.claims.account_id is None


def test_a_frame_brings_its_token_in_the_query(services: Services, sites: Sites) -> None:
    acme, _ = sites
    identity = authenticate_request(services, framed(request_token("GET", FRAME, NOW)))
    assert identity.installation == acme.installation


def test_each_kind_of_token_is_good_for_its_own_routes_only(services: Services, sites: Sites) -> None:
    del sites
    context, bound = context_token(NOW), request_token("GET", API, NOW)
    installing = install_token("GET", API, NOW)

    assert reason(authenticate_request, services, request(context)) == "query-hash"
    assert reason(authenticate_notice, services, request(context)) == "query-hash"
    assert reason(authenticate_context, services, request(bound)) == "query-hash"
    assert reason(authenticate_context, services, request(installing)) == "algorithm"
    assert reason(authenticate_request, services, request(installing)) == "algorithm"
    assert reason(authenticate_context, services, framed(context, f"{API}?a=1")) == "token-in-query"


def test_a_bound_token_is_good_for_its_own_request_only(services: Services, sites: Sites) -> None:
    del sites
    token = request_token("GET", FRAME, NOW)

    assert reason(authenticate_request, services, framed(token, FRAME.replace("65537", "65538"))) == "query-hash"
    assert reason(authenticate_request, services, request(token, FRAME, "POST")) == "query-hash"


def test_without_a_token_nobody_is_anybody(services: Services, sites: Sites) -> None:
    del sites
    for authenticate in (authenticate_context, authenticate_request, authenticate_notice):
        assert reason(authenticate, services, request(None)) == "missing"


def test_mallory_cannot_sign_for_another_site(services: Services, sites: Sites) -> None:
    del sites
    forged = context_token(NOW, client_key=ACME_KEY, secret=GLOBEX_SECRET, account_id=MALLORY)
    assert reason(authenticate_context, services, request(forged)) == "signature"


def test_an_unknown_site_is_refused_like_a_known_one(services: Services, sites: Sites) -> None:
    del sites
    unknown = context_token(NOW, client_key="nobody-at-all", secret=ACME_SECRET)
    forged = context_token(NOW, client_key=ACME_KEY, secret=GLOBEX_SECRET)

    refusals = []
    for token in (unknown, forged):
        with pytest.raises(Unauthenticated) as refused:
            authenticate_context(services, request(token))
        refusals.append((type(refused.value), refused.value.explanation, str(refused.value)))

    assert refusals[0] == refusals[1]


def test_an_expired_token_is_refused(services: Services, sites: Sites) -> None:
    del sites
    old = context_token(NOW - timedelta(minutes=10))
    assert reason(authenticate_context, services, request(old)) == "expired"


def test_a_secret_rotated_elsewhere_is_read_again_at_once(
    services: Services, elsewhere: Services, sites: Sites
) -> None:
    acme, _ = sites
    assert authenticate_context(elsewhere, request(context_token(NOW))).installation == acme.installation

    rotate(services, acme)

    fresh = authenticate_context(elsewhere, request(context_token(NOW, secret=NEW_SECRET)))
    assert fresh.installation is not None
    assert fresh.installation.secret_version == acme.installation.secret_version + 1
    assert reason(authenticate_context, elsewhere, request(context_token(NOW))) == "signature"


def test_an_earlier_secret_is_believed_elsewhere_for_five_seconds_at_most(
    services: Services, elsewhere: Services, sites: Sites, clock: Clock
) -> None:
    acme, _ = sites
    authenticate_context(elsewhere, request(context_token(NOW)))
    rotate(services, acme)

    clock.pass_(5)

    assert reason(authenticate_context, elsewhere, request(context_token(NOW))) == "signature"


def test_a_site_that_was_just_installed_is_known_at_its_first_call(
    services: Services, elsewhere: Services, sites: Sites
) -> None:
    acme, _ = sites
    renamed = update(InstallationRow).where(InstallationRow.tenant_id == acme.tenant_id)
    services.database.write(partial(Session.execute, statement=renamed.values(client_key="not-yet")))
    assert reason(authenticate_context, elsewhere, request(context_token(NOW))) == "signature"

    services.database.write(partial(Session.execute, statement=renamed.values(client_key=ACME_KEY)))

    assert authenticate_context(elsewhere, request(context_token(NOW))).claims.account_id == ALICE


@pytest.mark.parametrize("state", [state for state in InstallationState if state is not InstallationState.ACTIVE])
def test_only_an_active_installation_is_served(services: Services, sites: Sites, state: InstallationState) -> None:
    acme, _ = sites
    set_state(services, acme, state)

    assert reason(authenticate_context, services, request(context_token(NOW))) == "signature"
    assert reason(authenticate_request, services, framed(request_token("GET", FRAME, NOW))) == "signature"


@pytest.mark.parametrize("state", InstallationState)
def test_a_notice_is_taken_from_the_disabled_too(services: Services, sites: Sites, state: InstallationState) -> None:
    acme, _ = sites
    set_state(services, acme, state)
    target = "/connect/lifecycle/enabled"
    given = request(request_token("POST", target, NOW, account_id=None), target, "POST")

    if state in {InstallationState.ACTIVE, InstallationState.DISABLED}:
        identity = authenticate_notice(services, given)
        assert identity.installation is not None
        assert identity.installation.tenant_id == acme.tenant_id
        return
    assert reason(authenticate_notice, services, given) == "signature"


def test_an_installation_whose_secret_is_gone_is_refused(services: Services, sites: Sites) -> None:
    acme, _ = sites
    services.database.write(partial(Session.execute, statement=delete_rows(acme.tenant_id, InstallationSecretRow)))
    assert reason(authenticate_context, services, request(context_token(NOW))) == "signature"


def test_an_installation_that_is_gone_is_refused(services: Services, elsewhere: Services, sites: Sites) -> None:
    acme, _ = sites
    services.database.write(partial(Session.execute, statement=delete_rows(acme.tenant_id, InstallationSecretRow)))
    gone = delete(InstallationRow).where(InstallationRow.tenant_id == acme.tenant_id)
    services.database.write(partial(Session.execute, statement=gone))

    assert reason(authenticate_context, elsewhere, request(context_token(NOW))) == "signature"
