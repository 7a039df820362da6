"""Every way a token can be wrong ends in the same 401, and none of them changes anything."""

import base64
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from local.confluence.cast import ALICE, MALLORY
from local.person import Answered, send
from local.stack import Stack
from tests import tokens
from tests.api.conftest import ENG, Cast, title

NOW = datetime.now(UTC)
OTHER_SECRET = "another-secret-of-more-than-thirty-two-characters"


def secret_of(stack: Stack, site: str) -> tuple[str, str]:
    """Client key and shared secret, as the site itself holds them."""
    with closing(sqlite3.connect(stack.data / "confluence.db")) as confluence:
        row = confluence.execute("SELECT client_key, shared_secret FROM installations WHERE site = ?", (site,))
        client_key, secret = row.fetchone()
    return str(client_key), str(secret)


def call(stack: Stack, token: str | None, *, scheme: str = "JWT", target: str = "/api/v1/me") -> Answered:
    headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
    return send("GET", stack.app_url + target, headers=headers)


def test_a_good_token_is_good(stack: Stack) -> None:
    key, secret = secret_of(stack, "acme")
    token = tokens.context_token(datetime.now(UTC), client_key=key, secret=secret, account_id=ALICE)
    assert call(stack, token).status == 200


def bad_tokens(stack: Stack) -> dict[str, str | None]:
    key, secret = secret_of(stack, "acme")
    other_key, _ = secret_of(stack, "globex")
    now = datetime.now(UTC)
    good = tokens.context_token(now, client_key=key, secret=secret, account_id=ALICE)
    head, claims, mac = good.split(".")
    none_header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return {
        "none": None,
        "forged": tokens.context_token(now, client_key=key, secret=OTHER_SECRET, account_id=ALICE),
        "unknown installation": tokens.context_token(now, client_key="nobody", secret=secret, account_id=ALICE),
        "another installation's secret": tokens.context_token(
            now, client_key=other_key, secret=secret, account_id=ALICE
        ),
        "expired": tokens.context_token(now - timedelta(hours=1), client_key=key, secret=secret, account_id=ALICE),
        "bound to a request": tokens.request_token(
            "GET", "/api/v1/me", now, client_key=key, secret=secret, account_id=ALICE
        ),
        "without algorithm": f"{none_header}.{claims}.",
        "truncated": f"{head}.{claims}",
        "altered": f"{head}.{claims}.{'A' * len(mac)}",
        "oversized": f"{head}.{'A' * 9000}.{mac}",
        "not a token": "a.b.c",
    }


def test_every_bad_token_gets_the_same_answer(stack: Stack) -> None:
    answers = {name: call(stack, token) for name, token in bad_tokens(stack).items()}
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert {answer.headers["www-authenticate"] for answer in answers.values()} == {"JWT"}
    assert len({str({**answer.body, "traceId": ""}) for answer in answers.values()}) == 1


def test_the_token_belongs_into_the_header_once_and_with_its_scheme(stack: Stack, cast: Cast) -> None:
    token = cast.alice.token()
    assert call(stack, token).status == 200
    assert call(stack, token, scheme="Bearer").status == 401
    assert call(stack, None, target=f"/api/v1/me?jwt={token}").status == 401
    assert call(stack, token, target=f"/api/v1/me?jwt={token}").status == 401


@pytest.mark.parametrize("path", ["/connect/webhooks/content_created", "/connect/lifecycle/enabled", "/ui/questions"])
def test_a_page_token_opens_no_route_of_the_product(stack: Stack, cast: Cast, path: str) -> None:
    headers = {"Authorization": f"JWT {cast.alice.token()}"}
    method = "GET" if path.startswith("/ui") else "POST"
    answer = send(method, stack.app_url + path, headers=headers, body=None if method == "GET" else {})
    assert answer.status == 401


@pytest.mark.parametrize("event", ["installed", "uninstalled"])
def test_a_shared_secret_never_installs(stack: Stack, event: str) -> None:
    key, secret = secret_of(stack, "acme")
    path = f"/connect/lifecycle/{event}"
    token = tokens.request_token("POST", path, datetime.now(UTC), client_key=key, secret=secret)
    answer = send("POST", stack.app_url + path, headers={"Authorization": f"JWT {token}"}, body={"clientKey": key})
    assert answer.status == 401


def test_a_frame_address_is_good_for_its_own_parameters_only(stack: Stack, cast: Cast) -> None:
    made = send(
        "POST",
        f"{stack.site_one}/_sim/iframe-url",
        body={"accountId": cast.alice.account_id, "moduleKey": "questions", "params": {}},
    )
    url = str(made.body["url"])
    assert send("GET", url).status == 200
    assert send("GET", url.replace("/ui/questions", "/ui/admin")).status == 401
    assert send("GET", f"{url}&spaceId={ENG}").status == 401


def test_a_webhook_of_one_site_says_nothing_about_another(stack: Stack, cast: Cast) -> None:
    question = cast.alice.ask(ENG, title("Still here"))
    key, secret = secret_of(stack, "globex")
    path = "/connect/webhooks/content_removed"
    token = tokens.request_token("POST", path, datetime.now(UTC), client_key=key, secret=secret)
    body = {"content": {"id": question, "type": "ac:community-questions:cq-question"}, "userAccountId": MALLORY}
    assert send("POST", stack.app_url + path, headers={"Authorization": f"JWT {token}"}, body=body).status == 204
    assert cast.alice.api("GET", f"/questions/{question}").status == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"content":{"type":"ac:community-questions:cq-question"}}'])
def test_a_malformed_webhook_is_a_bad_request(stack: Stack, body: bytes) -> None:
    key, secret = secret_of(stack, "acme")
    path = "/connect/webhooks/content_created"
    token = tokens.request_token("POST", path, datetime.now(UTC), client_key=key, secret=secret)
    assert send("POST", stack.app_url + path, headers={"Authorization": f"JWT {token}"}, body=body).status == 400
