"""What the browser gets: signed shells with their policy, immutable files, public documents."""

import json
from pathlib import Path

import pytest

import function_app
import lib.openapi
from local.person import send
from local.stack import Stack
from tests.api.conftest import Cast

ROOT = Path(__file__).resolve().parents[2]


def frame(cast: Cast, module: str) -> str:
    body = {"accountId": cast.alice.account_id, "moduleKey": module, "params": {}}
    return str(send("POST", f"{cast.alice.site}/_sim/iframe-url", body=body).body["url"])


@pytest.mark.parametrize("module", ["questions", "question", "ask", "admin"])
def test_a_shell_may_be_framed_by_its_own_site_only(stack: Stack, cast: Cast, module: str) -> None:
    answer = send("GET", frame(cast, module))
    policy = answer.headers["content-security-policy"]
    assert answer.status == 200
    assert policy.endswith(f"frame-ancestors {stack.site_one}")
    assert "unsafe" not in policy
    assert "nonce" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "x-frame-options" not in answer.headers
    assert "<script>" not in str(answer.body)
    assert " style=" not in str(answer.body)


def test_an_expired_frame_is_a_page_no_site_may_frame(stack: Stack) -> None:
    answer = send("GET", f"{stack.app_url}/ui/questions")
    assert answer.status == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "reload" in str(answer.body)


def test_files_of_the_build_never_go_stale(stack: Stack, cast: Cast) -> None:
    shell = str(send("GET", frame(cast, "questions")).body)
    script = shell.partition('type="module" src="')[2].partition('"')[0]
    answer = send("GET", stack.app_url + script)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")
    style = shell.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert send("GET", stack.app_url + style).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "path",
    [
        "/ui/assets/none.js",
        "/ui/assets/..%2F.vite%2Fmanifest.json",
        "/ui/assets/%2e%2e",
        "/ui/assets/main.tsx",
        "/ui/icons/..%5Cshell.py",
    ],
)
def test_nothing_else_is_served(stack: Stack, path: str) -> None:
    assert send("GET", stack.app_url + path).status == 404


@pytest.mark.parametrize("name", ["item", "list", "create"])
def test_icons_of_the_descriptor_exist(stack: Stack, name: str) -> None:
    answer = send("GET", f"{stack.app_url}/ui/icons/{name}.svg")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/me", "/atlassian-connect.json", "/nothing-here"])
def test_every_answer_carries_the_host_s_headers(stack: Stack, path: str) -> None:
    headers = send("GET", stack.app_url + path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_the_committed_openapi_document_is_the_served_one(stack: Stack) -> None:
    served = send("GET", f"{stack.app_url}/api/v1/openapi.json").body
    assert served == json.loads(lib.openapi.text(function_app.API))
    assert json.loads((ROOT / "docs" / "openapi.json").read_text()) == served, "run `make openapi`"


def test_security_txt_is_absent_without_a_contact(stack: Stack) -> None:
    assert send("GET", f"{stack.app_url}/.well-known/security.txt").status == 404
