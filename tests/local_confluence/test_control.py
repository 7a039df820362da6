"""The control interface: tokens, addresses, outages, the request log, and who may use it."""

from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests

from local.confluence.tokens import query_hash
from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import APP_KEY, FakeApp
from tests.local_confluence.people import ALICE, ENG, MALLORY, AppIdentity, Browser, Control, Json, identity_of


def test_state(process: Process, app: FakeApp, control: Control) -> None:
    state = control.send("GET", "/state")

    assert (state["site"], state["state"], state["installed"]) == ("acme", "enabled", True)
    assert state["clientKey"] == identity_of(app, process.acme).told["clientKey"]
    assert state["baseUrl"] == f"{process.acme}/wiki"
    assert "sharedSecret" not in state
    pages = [one["count"] for one in state["counts"] if one["type"] == "page"]
    assert pages == [4]


@pytest.mark.parametrize("account", [ALICE, None])
def test_context_tokens_prove_tenant_and_person_and_no_address(
    identity: AppIdentity, control: Control, account: str | None
) -> None:
    token = control.send("POST", "/token", {"accountId": account, "kind": "context"})["token"]
    claims = jwt.decode(token, identity.secret, algorithms=["HS256"])

    assert claims["qsh"] == "context-qsh"
    assert claims.get("sub") == account
    assert claims["iss"] == identity.told["clientKey"]
    assert claims["exp"] - claims["iat"] == 180


def test_iframe_addresses_are_signed_over_everything(app: FakeApp, identity: AppIdentity, control: Control) -> None:
    params = {"space.id": ENG, "space.key": "A B&C"}
    made = control.send("POST", "/iframe-url", {"accountId": ALICE, "moduleKey": "questions", "params": params})["url"]
    query = parse_qs(urlsplit(made).query, keep_blank_values=True)
    claims = jwt.decode(query["jwt"][0], identity.secret, algorithms=["HS256"])

    assert made.startswith(f"{app.url}/ui/questions?spaceId=65537&spaceKey=A%20B%26C&")
    assert claims["qsh"] == query_hash("GET", made)
    assert claims["sub"] == ALICE
    assert query["xdm_e"] == [identity.origin]
    assert query["cp"] == ["/wiki"]
    assert query["lic"] == ["active"]
    assert {"xdm_c", "xdm_deprecated_addon_key_do_not_use", "cv"} <= set(query)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/token", {"accountId": MALLORY}, 404),
        ("/token", {"accountId": ALICE, "kind": "other"}, 400),
        ("/iframe-url", {"accountId": ALICE, "moduleKey": "nothing"}, 404),
        ("/outage", {"webhooks": "sometimes"}, 400),
    ],
)
def test_senseless_calls_are_refused(process: Process, path: str, body: Json, status: int) -> None:
    assert requests.post(f"{process.acme}/_sim{path}", json=body, timeout=5).status_code == status


def test_pages_of_other_origins_are_kept_out(process: Process, app: FakeApp) -> None:
    url = f"{process.acme}/_sim/outage"

    assert requests.post(url, json={"rest": True}, headers={"Origin": app.url}, timeout=5).status_code == 403
    assert requests.post(url, data='{"rest": true}', timeout=5).status_code == 415
    assert Control(process.acme).send("GET", "/state")["outage"]["rest"] is False


def test_outages(process: Process, identity: AppIdentity, control: Control) -> None:
    alice = Browser(process.acme, ALICE)
    control.send("POST", "/outage", {"rest": True, "oauth": True})
    try:
        answer = alice.get("/wiki/api/v2/spaces")
        assert (answer.status_code, answer.json()["errors"][0]["status"]) == (503, 503)
        assert identity.exchange(identity.assertion(ALICE)).status_code == 503
        assert Browser(process.globex, MALLORY).get("/wiki/api/v2/spaces").status_code == 200
    finally:
        control.send("POST", "/outage", {"rest": False, "oauth": False})
    assert alice.get("/wiki/api/v2/spaces").status_code == 200
    assert identity.exchange(identity.assertion(ALICE)).status_code == 200


def test_the_request_log_names_the_caller_and_no_token(identity: AppIdentity, control: Control) -> None:
    target = f"/wiki/api/v2/spaces/{ENG}/operations"
    bearer = identity.bearer(ALICE)
    own = identity.token("GET", target)
    requests.get(identity.origin + target, headers={"Authorization": f"Bearer {bearer}"}, timeout=5)
    identity.send("GET", target, own)
    identity.send("GET", target, own + "x")
    logged = control.send("GET", "/requests")["requests"]

    assert [(one["who"], one["status"]) for one in logged[-3:]] == [
        (f"impersonated:{ALICE}", 200),
        ("app", 200),
        ("refused", 401),
    ]
    assert logged[-1]["path"] == target
    assert bearer not in str(logged)
    assert own not in str(logged)
    assert len(logged) <= 500


def test_a_module_address_of_the_app_needs_its_key(process: Process) -> None:
    alice = Browser(process.acme, ALICE)

    assert alice.get(f"/wiki/plugins/servlet/ac/{APP_KEY}/questions?space.key=ENG").status_code == 200
    assert alice.get(f"/wiki/plugins/servlet/ac/{APP_KEY}/nothing").status_code == 404
    assert alice.get("/wiki/plugins/servlet/ac/another-app/questions").status_code == 404
    assert alice.get(f"/wiki/plugins/servlet/ac/{APP_KEY}/admin").status_code == 403
