"""Chat destinations through the API: who may, what is refused, what arrives."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.person import send
from local.stack import Stack
from tests.api.conftest import ENG, HR, MKT, Cast, title
from tests.api.waiting import eventually

EVENTS = ["asked", "answered", "voted", "accepted"]


def channel(stack: Stack) -> dict[str, Any]:
    made = send("POST", f"{stack.chat_url}/_sim/channels", body={"name": title("Channel")})
    assert made.status == 201
    return dict(made.body)


def wanted(url: str, **changes: object) -> dict[str, object]:
    scope = {"kind": "space", "spaceId": ENG}
    base = {"kind": "teams", "label": "Help", "url": url, "scope": scope, "events": EVENTS, "disclosure": "link"}
    return {**base, **changes}


def texts(stack: Stack, channel_id: str) -> list[str]:
    return [message["text"] for message in send("GET", f"{stack.chat_url}/_sim/messages?channel={channel_id}").body]


@pytest.fixture
def made(stack: Stack, cast: Cast) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A channel and an active destination for it; removed afterwards."""
    target = channel(stack)
    answer = cast.carol.api("POST", "/destinations", wanted(target["url"]))
    assert answer.status == 201, answer.body
    yield target, answer.body
    cast.carol.api("DELETE", f"/destinations/{answer.body['id']}")


def test_a_link_names_nothing(stack: Stack, cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    target, _ = made
    name = title("Salaries")
    question = cast.alice.ask(ENG, name, tags=("secret-tag",))
    eventually(lambda: texts(stack, target["id"]), "the message")
    (text,) = texts(stack, target["id"])
    assert "A question was asked" in text
    (message,) = send("GET", f"{stack.chat_url}/_sim/messages?channel={target['id']}").body
    card = str(message["card"])
    assert question in card
    assert not [word for word in (name, "Salaries", "secret-tag", "Alice", "ENG", "Engineering") if word in card]


def test_the_address_never_comes_back(cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    target, destination = made
    listed = cast.carol.api("GET", "/destinations").body["items"]
    assert destination["id"] in {item["id"] for item in listed}
    assert target["url"] not in str(listed)
    assert destination["endpoint"] == {"host": "127.0.0.1", "ending": target["url"][-4:]}


def test_only_administrators_of_this_site(cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, destination = made
    path = f"/destinations/{destination['id']}"
    calls = [("GET", path, None), ("PATCH", path, {"label": "x"}), ("POST", f"{path}/test", {}), ("DELETE", path, None)]
    for method, where, body in calls:
        assert cast.alice.api(method, where, body).status == 403
        assert cast.mallory.api(method, where, body).status == 404
    assert cast.alice.api("GET", "/destinations").status == 403
    assert destination["id"] not in {item["id"] for item in cast.mallory.api("GET", "/destinations").body["items"]}
    assert cast.carol.api("GET", path).body["label"] == "Help"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://evil.example.com/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke",
        "https://user:pass@prod-01.westeurope.logic.azure.com/",
        "https://prod-01.westeurope.logic.azure.com.evil.example/",
        "https://outlook.office.com/webhook/x@y/IncomingWebhook/z/1",
        "ftp://prod-01.westeurope.logic.azure.com/",
        "x" * 3000,
    ],
)
def test_a_hostile_address_is_refused_when_it_is_stored(cast: Cast, url: str) -> None:
    answer = cast.carol.api("POST", "/destinations", wanted(url))
    assert answer.status == 400
    assert "/url" in {problem.get("pointer") for problem in answer.body["problems"]}
    assert url not in str(answer.body)


def test_every_problem_of_a_destination_is_named(cast: Cast) -> None:
    body = {"kind": "irc", "label": "", "url": 1, "scope": {"kind": "world"}, "events": ["slept"], "disclosure": "all"}
    answer = cast.carol.api("POST", "/destinations", {**body, "more": 1})
    places = " ".join(problem["pointer"] for problem in answer.body["problems"])
    assert answer.status == 400
    assert all(f"/{name}" in places for name in (*body, "more"))


def test_the_same_address_twice_is_a_conflict(cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    target, _ = made
    assert cast.carol.api("POST", "/destinations", wanted(target["url"])).status == 409


def test_spaces_and_titles_need_their_administrator(stack: Stack, cast: Cast) -> None:
    url = channel(stack)["url"]
    foreign = cast.carol.api("POST", "/destinations", wanted(url, scope={"kind": "space", "spaceId": MKT}))
    assert foreign.status == 422
    site_titles = cast.carol.api("POST", "/destinations", wanted(url, scope={"kind": "site"}, disclosure="title"))
    assert site_titles.status in {403, 422}


def test_a_whole_site_hears_only_of_spaces_that_agreed(stack: Stack, cast: Cast) -> None:
    target, witness = channel(stack), channel(stack)
    site = wanted(target["url"], scope={"kind": "site"}, events=["asked"])
    space = wanted(witness["url"], scope={"kind": "space", "spaceId": HR}, events=["asked"])
    made = [cast.carol.api("POST", "/destinations", body).body["id"] for body in (site, space)]
    held = cast.carol.api("GET", f"/spaces/{HR}/settings").body
    try:
        off = cast.carol.api("PUT", f"/spaces/{HR}/settings", {"chatEnabled": False, "version": held["version"]}).body
        quiet = cast.alice.ask(HR, title("Quiet"))
        eventually(lambda: texts(stack, witness["id"]), "the witness's message")
        cast.carol.api("PUT", f"/spaces/{HR}/settings", {"chatEnabled": True, "version": off["version"]})
        loud = cast.alice.ask(HR, title("Loud"))
        eventually(lambda: texts(stack, target["id"]), "the message")
        messages = str(send("GET", f"{stack.chat_url}/_sim/messages?channel={target['id']}").body)
        assert loud in messages
        assert quiet not in messages
    finally:
        for destination in made:
            cast.carol.api("DELETE", f"/destinations/{destination}")


def test_disabled_is_silent_and_a_dead_workflow_disables(
    stack: Stack, cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    target, destination = made
    path = f"/destinations/{destination['id']}"
    assert cast.carol.api("PATCH", path, {"state": "disabled"}).body["state"] == "disabled"
    cast.alice.ask(ENG, title("Unheard"))
    assert cast.carol.api("PATCH", path, {"state": "active"}).body["state"] == "active"
    script = f"{stack.chat_url}/_sim/channels/{target['id']}/script"
    assert send("POST", script, body={"answers": [{"status": 404}], "repeat": True}).status == 200
    tried = cast.carol.api("POST", f"{path}/test", {})
    assert tried.body["outcome"] == "gone"
    cast.alice.ask(ENG, title("Into the void"))
    eventually(lambda: cast.carol.api("GET", path).body["state"] == "disabled", "disabling")
    assert cast.carol.api("GET", path).body["disabledReason"]
    send("DELETE", script)


def test_a_test_message_says_what_became_of_it(
    stack: Stack, cast: Cast, made: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    target, destination = made
    answer = cast.carol.api("POST", f"/destinations/{destination['id']}/test", {})
    assert (answer.body["outcome"], answer.body["httpStatus"]) == ("delivered", 202)
    assert answer.body["detail"].startswith("Handed over to Teams.")
    assert len(texts(stack, target["id"])) == 1
