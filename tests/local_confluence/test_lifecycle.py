"""Install, rotation, disable, enable and uninstall, each verified with nothing but PyJWT and the published key."""

from urllib.parse import urlsplit

import jwt
import pytest
import requests

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import FakeApp, Received
from tests.local_confluence.people import Control, identity_of

INSTALLED, UNINSTALLED = "/connect/lifecycle/installed", "/connect/lifecycle/uninstalled"
# Worked out by hand from the documented rule, not by the code under test.
QSH_OF_INSTALLED = "f6b7f893d2f321fb98172ee8605f3df02c89a084a17b863c0c4ac23892a6a0c7"


def verify_install(received: Received, app: FakeApp, keys_origin: str) -> jwt.PyJWT | dict[str, object]:
    header = jwt.get_unverified_header(received.token)
    assert header["alg"] == "RS256"
    key = requests.get(f"{keys_origin}/_atlassian/install-keys/{header['kid']}", timeout=5)
    assert key.status_code == 200
    claims: dict[str, object] = jwt.decode(
        received.token,
        key.text,
        algorithms=["RS256"],
        audience=app.url,
        options={"require": ["iss", "iat", "exp", "aud", "qsh"]},
    )
    return claims


def test_a_signed_install_holds(process: Process, app: FakeApp) -> None:
    for origin in (process.acme, process.globex):
        received = [one for one in app.of(INSTALLED) if one.body["baseUrl"] == f"{origin}/wiki"][-1]
        claims = verify_install(received, app, process.acme)

        assert isinstance(claims, dict)
        assert claims["iss"] == received.body["clientKey"]
        assert claims["qsh"] == QSH_OF_INSTALLED
        assert received.body["eventType"] == "installed"
        assert received.body["productType"] == "confluence"
        assert received.body["key"] == "community-questions"
        assert len(received.body["sharedSecret"]) >= 32
        assert received.body["oauthClientId"]


def test_the_two_sites_are_two_tenants(process: Process, app: FakeApp) -> None:
    one, two = identity_of(app, process.acme).told, identity_of(app, process.globex).told

    assert one["clientKey"] != two["clientKey"]
    assert one["sharedSecret"] != two["sharedSecret"]
    assert one["oauthClientId"] != two["oauthClientId"]


def test_enabled_follows_with_the_shared_secret(process: Process, app: FakeApp) -> None:
    received = app.wait_for("/connect/lifecycle/enabled", 2)[-1]
    told = identity_of(app, received.body["baseUrl"].removesuffix("/wiki")).told
    claims = jwt.decode(received.token, told["sharedSecret"], algorithms=["HS256"])

    assert claims["iss"] == told["clientKey"]
    assert "sharedSecret" not in received.body


def test_a_key_of_another_id_is_unknown(process: Process) -> None:
    answer = requests.get(f"{process.acme}/_atlassian/install-keys/another", timeout=5)

    assert answer.status_code == 404


def test_rotation_gives_a_new_secret_to_the_same_tenant(process: Process, app: FakeApp) -> None:
    before = identity_of(app, process.acme)
    Control(process.acme).send("POST", "/install")
    after = identity_of(app, process.acme)

    assert after.told["clientKey"] == before.told["clientKey"]
    assert after.secret != before.secret
    target = "/wiki/api/v2/spaces"
    assert before.send("GET", target).status_code == 401
    assert after.send("GET", target).status_code == 200


def test_disable_and_enable(process: Process, app: FakeApp) -> None:
    control = Control(process.acme)
    try:
        assert control.send("POST", "/disable")["state"] == "disabled"
        assert app.of("/connect/lifecycle/disabled")[-1].body["eventType"] == "disabled"
        assert identity_of(app, process.acme).send("GET", "/wiki/api/v2/spaces").status_code == 401
    finally:
        assert control.send("POST", "/enable")["state"] == "enabled"
    assert identity_of(app, process.acme).send("GET", "/wiki/api/v2/spaces").status_code == 200


def test_uninstall_is_signed_by_atlassian_and_a_new_install_revives_the_tenant(process: Process, app: FakeApp) -> None:
    control = Control(process.globex)
    before = identity_of(app, process.globex)
    assert control.send("POST", "/uninstall")["installed"] is False
    claims = verify_install(app.of(UNINSTALLED)[-1], app, process.acme)
    assert isinstance(claims, dict)
    assert claims["iss"] == before.told["clientKey"]
    assert before.send("GET", "/wiki/api/v2/spaces").status_code == 401

    control.send("POST", "/install")
    after = identity_of(app, process.globex)
    assert after.told["clientKey"] == before.told["clientKey"]
    assert after.secret != before.secret


@pytest.mark.parametrize(
    "changes",
    [
        {"baseUrl": "http://127.0.0.1:1"},
        {"authentication": {"type": "none"}},
        {"scopes": ["READ", "EVERYTHING"]},
    ],
)
def test_a_descriptor_that_breaks_the_rules_is_not_installed(
    process: Process, app: FakeApp, changes: dict[str, object]
) -> None:
    app.changes = changes
    try:
        answer = requests.post(f"{process.acme}/_sim/install", timeout=15)
    finally:
        app.changes = {}

    assert answer.status_code == 502
    assert "refused" in answer.json()["detail"]


def test_an_install_the_app_refuses_changes_nothing(process: Process, app: FakeApp) -> None:
    before = identity_of(app, process.acme)
    app.answers[INSTALLED] = 500
    try:
        assert requests.post(f"{process.acme}/_sim/install", timeout=15).status_code == 502
    finally:
        app.answers.clear()

    assert before.send("GET", "/wiki/api/v2/spaces").status_code == 200
    # The app remembers a secret that never came into force; a clean install puts both sides in step again.
    Control(process.acme).send("POST", "/install")


def test_the_audience_is_the_base_url_and_paths_are_relative_to_it(process: Process, app: FakeApp) -> None:
    received = app.of(INSTALLED)[-1]
    claims = jwt.decode(received.token, options={"verify_signature": False})

    assert claims["aud"] == [app.url]
    assert urlsplit(received.target).path == INSTALLED
