"""Tokens of the managed identity: an endpoint that is away is a neighbour that is away."""

from dataclasses import dataclass, field

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from lib.engine import identity_token
from lib.errors import Unavailable

SCOPE = "https://database.windows.net/.default"


@dataclass(frozen=True)
class Issued:
    token: str


@dataclass
class Endpoint:
    """Stands in for the credential's class; raises what it was given, once each, then issues tokens."""

    failures: list[AzureError] = field(default_factory=list)
    clients: list[str | None] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)

    def __call__(self, *, client_id: str | None) -> "Endpoint":
        self.clients.append(client_id)
        return self

    def get_token(self, scope: str) -> Issued:
        self.scopes.append(scope)
        if self.failures:
            raise self.failures.pop()
        return Issued(f"token-{len(self.scopes)}")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    made = Endpoint()
    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", made)
    return made


def test_the_credential_is_made_once(endpoint: Endpoint) -> None:
    token = identity_token("client-1")
    assert endpoint.clients == []

    assert [token(), token()] == ["token-1", "token-2"]

    assert (endpoint.clients, endpoint.scopes) == (["client-1"], [SCOPE, SCOPE])


@pytest.mark.parametrize(
    "failure", [ServiceRequestError, HttpResponseError, ClientAuthenticationError, CredentialUnavailableError]
)
def test_an_endpoint_that_is_away_makes_us_unavailable(endpoint: Endpoint, failure: type[AzureError]) -> None:
    endpoint.failures.append(failure("the endpoint said: secret detail"))
    token = identity_token(None)

    with pytest.raises(Unavailable) as refused:
        token()

    assert "secret detail" not in str(refused.value)
    assert token() == "token-2"
