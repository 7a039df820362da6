"""Calls as the HTTP edge makes them, for handlers that are tried against a Confluence in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from lib.authentication import Request, authenticate_context
from lib.principal import SpaceId
from lib.services import Services
from lib.spaces import SpaceSettings, change_space_settings
from lib.telemetry import trace_of
from lib.web import Call, Nothing
from tests.factories import ENG, HR, NOW, Site, beside
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

Sites = tuple[Site, Site]
_SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}


def call_as(shared: Services, account: str, *, if_match: str | None = None, **path_values: int) -> Call:
    """A call by that person; Mallory calls from her own site."""
    client_key = GLOBEX_KEY if account == MALLORY else ACME_KEY
    token = context_token(NOW, client_key=client_key, secret=_SECRETS[client_key], account_id=account)
    headers = {"authorization": f"JWT {token}"} | ({} if if_match is None else {"if-match": if_match})
    values = {name: str(value) for name, value in path_values.items()}
    request = Request("GET", "/api/v1/questions", headers, values, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))


def handled(handler: Callable[[Call, Any], object], call: Call, taken: object = None) -> Any:
    """What the route's handler answers; by default it takes nothing."""
    return handler(call, Nothing() if taken is None else taken)


def cast_confluence() -> FakeConfluence:
    """Alice and Bob write in both spaces, Carol moderates them, Dave may not see HR; Mallory has spaces of the same
    ids on her own site.
    """
    site = FakeConfluence()
    for space_id in (ENG, HR):
        for account in (ALICE, BOB):
            site.allow(account, space_id, questions="va", votes="va", tags="vad")
        site.allow(CAROL, space_id, questions="vad", votes="vad", tags="vad")
    site.allow(DAVE, ENG, questions="va", votes="va", tags="vad")
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return site


@pytest.fixture
def confluence() -> FakeConfluence:
    return cast_confluence()


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def choose(shared: Services, site: Site, space_id: SpaceId = ENG, **choices: object) -> None:
    """Changes the space's settings as its administrator would."""
    settings = SpaceSettings(**choices)  # type: ignore[arg-type]
    shared.database.write(
        lambda session: change_space_settings(session, site.tenant_id, space_id, settings, now=NOW),
        tenant_id=site.tenant_id,
    )
    shared.spaces.forget(site.tenant_id)
