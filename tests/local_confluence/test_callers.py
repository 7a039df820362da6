"""Credentials: what each kind needs, and that a wrong one is never rescued by another."""

import time
from typing import Any

import jwt
import pytest
import requests

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import APP_KEY, FakeApp
from tests.local_confluence.people import ALICE, BOB, CAROL, ENG, AppIdentity, Browser, Control, identity_of, question

SPACES = "/wiki/api/v2/spaces"
CONTENT = "/wiki/api/v2/custom-content"


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Numbers in the tables are seconds from now."""
    return {name: int(time.time()) + value if isinstance(value, int) else value for name, value in claims.items()}


def test_the_app_reads_with_its_own_token(identity: AppIdentity) -> None:
    answer = identity.send("GET", f"{SPACES}?limit=1")

    assert answer.status_code == 200
    assert len(answer.json()["results"]) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "another-app"},
        {"exp": -60},
        {"exp": None},
        {"iat": None},
        {"iat": 3600},
        {"qsh": "0" * 64},
        {"qsh": "context-qsh"},
        {"qsh": None},
        {"aud": ["another-tenant"]},
    ],
)
def test_a_token_with_one_wrong_claim_is_refused(identity: AppIdentity, claims: dict[str, Any]) -> None:
    good = jwt.decode(identity.token("GET", SPACES), options={"verify_signature": False})
    made = {name: value for name, value in {**good, **from_now(claims)}.items() if value is not None}
    answer = identity.send("GET", SPACES, jwt.encode(made, identity.secret, algorithm="HS256"))

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "JWT"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_not_a_token_is_refused(identity: AppIdentity, token: str) -> None:
    answer = requests.get(identity.origin + SPACES, headers={"Authorization": f"JWT {token}"}, timeout=5)

    assert answer.status_code == 401


def test_the_signature_counts(identity: AppIdentity) -> None:
    claims = jwt.decode(identity.token("GET", SPACES), options={"verify_signature": False})

    for secret, algorithm in (("another secret that is long enough to use", "HS256"), (identity.secret, "HS512")):
        with_short_key = secret if algorithm == "HS256" else secret * 2
        forged = jwt.encode(claims, with_short_key, algorithm=algorithm)
        assert identity.send("GET", SPACES, forged).status_code == 401


def test_a_token_is_bound_to_method_path_and_query(identity: AppIdentity) -> None:
    token = identity.token("GET", f"{SPACES}?limit=1")

    assert identity.send("GET", f"{SPACES}?limit=1", token).status_code == 200
    assert identity.send("GET", f"{SPACES}?limit=2", token).status_code == 401
    assert identity.send("GET", f"{SPACES}/{ENG}", token).status_code == 401
    assert identity.send("POST", f"{SPACES}?limit=1", token).status_code in {401, 404}


def test_a_token_of_one_site_is_worth_nothing_on_the_other(process: Process, app: FakeApp) -> None:
    token = identity_of(app, process.acme).token("GET", SPACES)
    answer = requests.get(process.globex + SPACES, headers={"Authorization": f"JWT {token}"}, timeout=5)

    assert answer.status_code == 401


def test_a_get_with_a_body_is_refused(identity: AppIdentity) -> None:
    assert identity.send("GET", SPACES, data="{}").status_code == 403
    assert identity.send_as(ALICE, "GET", SPACES, data="{}").status_code == 403


def test_a_bad_token_is_not_rescued_by_a_cookie(process: Process) -> None:
    for value in ("JWT x.y.z", "Bearer nonsense", "Basic eDp5", "Bearer "):
        headers = {"Authorization": value, "Cookie": f"cq_user={CAROL}"}
        assert requests.get(process.acme + SPACES, headers=headers, timeout=5).status_code == 401


def test_browser_writes_need_the_xsrf_header(process: Process) -> None:
    headers = {"Cookie": f"cq_user={ALICE}", "Content-Type": "application/json"}
    answer = requests.post(process.acme + CONTENT, json=question(), headers=headers, timeout=5)

    assert answer.status_code == 403


def test_anonymous_visitors_cannot_write(process: Process) -> None:
    assert Browser(process.acme, "").create().status_code == 401


def test_impersonation_acts_as_the_person(identity: AppIdentity) -> None:
    made = identity.send_as(BOB, "POST", CONTENT, json=question())

    assert made.status_code == 201
    assert made.json()["authorId"] == BOB
    current = identity.send_as(BOB, "GET", "/wiki/rest/api/user/current").json()
    assert current["accountId"] == BOB


def test_the_token_answer(identity: AppIdentity) -> None:
    answer = identity.exchange(identity.assertion(ALICE), scope="READ WRITE")

    assert answer.status_code == 200
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
    assert answer.json()["scope"] == "READ WRITE"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": "urn:atlassian:connect:useraccountid:nobody"}, 400),
        ({"sub": ALICE}, 400),
        ({"tnt": "http://127.0.0.1:1/wiki"}, 400),
        ({"aud": "https://oauth-2-authorization-server.services.atlassian.com"}, 401),
        ({"iss": "urn:atlassian:connect:clientid:nobody"}, 401),
        ({"iss": "community-questions"}, 401),
        ({"exp": 3600}, 400),
        ({"exp": -60}, 401),
        ({"iat": -600, "exp": 30}, 400),
        ({"iat": -30, "exp": 60}, 400),
    ],
)
def test_a_wrong_assertion_is_refused(identity: AppIdentity, claims: dict[str, Any], status: int) -> None:
    answer = identity.exchange(identity.assertion(ALICE, **from_now(claims)))

    assert answer.status_code == status
    assert answer.json()["error"] in {"invalid_grant", "invalid_client"}


def test_the_assertion_must_be_signed_with_this_tenant_s_secret(
    process: Process, app: FakeApp, identity: AppIdentity
) -> None:
    other = identity_of(app, process.globex)

    assert identity.exchange(identity.assertion(ALICE, secret=other.secret)).status_code == 401


@pytest.mark.parametrize("fields", [{"grant_type": "password"}, {"assertion": "x"}, {"scope": "ADMIN"}])
def test_a_wrong_form_is_refused(identity: AppIdentity, fields: dict[str, str]) -> None:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": identity.assertion(ALICE)}
    url = f"{identity.origin}/_atlassian/oauth/oauth2/token"

    assert requests.post(url, data={**form, **fields}, timeout=5).status_code == 400
    assert requests.post(url, json={**form}, timeout=5).status_code == 400


def test_an_inactive_account_gets_no_token_and_loses_the_one_it_had(identity: AppIdentity, control: Control) -> None:
    headers = {"Authorization": f"Bearer {identity.bearer(BOB)}"}
    control.send("PUT", f"/people/{BOB}", {"active": False})
    try:
        assert identity.exchange(identity.assertion(BOB)).status_code == 400
        assert requests.get(identity.origin + SPACES, headers=headers, timeout=5).status_code == 401
    finally:
        control.send("PUT", f"/people/{BOB}", {"active": True})
    assert requests.get(identity.origin + SPACES, headers=headers, timeout=5).status_code == 200


def test_the_app_itself_cannot_be_impersonated(identity: AppIdentity, control: Control) -> None:
    app_account = control.send("GET", "/state")["appAccountId"]

    assert identity.exchange(identity.assertion(app_account)).status_code == 400


def test_a_narrow_token_is_held_to_its_scopes(identity: AppIdentity) -> None:
    headers = {"Authorization": f"Bearer {identity.bearer(ALICE, scope='READ')}"}

    assert requests.get(identity.origin + SPACES, headers=headers, timeout=5).status_code == 200
    answer = requests.post(identity.origin + CONTENT, json=question(), headers=headers, timeout=5)
    assert answer.status_code == 403


def test_scopes_of_the_descriptor_bind_app_impersonation_and_frame(
    process: Process, app: FakeApp, control: Control
) -> None:
    app.changes = {"scopes": ["READ", "ACT_AS_USER"]}
    try:
        control.send("POST", "/install")
        reduced = identity_of(app, process.acme)
        frame = Browser(process.acme, ALICE, as_page=True)
        assert reduced.send("POST", CONTENT, json=question()).status_code == 403
        assert reduced.send_as(ALICE, "POST", CONTENT, json=question()).status_code == 403
        assert frame.create().status_code == 403
        assert frame.get(SPACES).status_code == 200
        assert Browser(process.acme, ALICE).create().status_code == 201
        app.changes = {"scopes": ["DELETE"]}
        control.send("POST", "/install")
        again = identity_of(app, process.acme)
        assert again.send("POST", CONTENT, json=question()).status_code == 201
        assert again.exchange(again.assertion(ALICE)).json()["error"] == "unauthorized_client"
    finally:
        app.changes = {}
        control.send("POST", "/install")


def test_a_page_call_of_an_unknown_app_is_refused(process: Process) -> None:
    headers = {"Cookie": f"cq_user={ALICE}", "AP-Client-Key": f"not-{APP_KEY}"}

    assert requests.get(process.acme + SPACES, headers=headers, timeout=5).status_code == 403


def test_only_the_exact_origin_is_served(process: Process) -> None:
    port = process.ports[0]
    for host, status in (("attacker.example.com", 421), (f"127.0.0.1:{process.ports[1]}", 421)):
        answer = requests.get(f"{process.acme}/", headers={"Host": host}, timeout=5)
        assert answer.status_code == status
    moved = requests.get(
        f"{process.acme}/wiki", headers={"Host": f"localhost:{port}"}, timeout=5, allow_redirects=False
    )
    assert (moved.status_code, moved.headers["Location"]) == (307, f"{process.acme}/wiki")
