"""Calls of the cast against services beside a fake Confluence: what handlers are given, without the wire."""

from typing import Any

from lib.authentication import Request, authenticate_context
from lib.services import Services
from lib.telemetry import trace_of
from lib.web import Call, Nothing
from tests.factories import NOW
from tests.tokens import ACME_KEY, ACME_SECRET, GLOBEX_KEY, GLOBEX_SECRET, context_token

NOTHING: Any = Nothing()
"""What operations without body and parameters are given; their type names no shape that could be made."""

SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}


def call(shared: Services, account: str, *, client_key: str = ACME_KEY, **path_values: int) -> Call:
    """A request of the account with these ids in its path."""
    token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
    values = {name: str(value) for name, value in path_values.items()}
    headers = {"authorization": f"JWT {token}"}
    request = Request("GET", "/api/v1/spaces", headers, values, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))
