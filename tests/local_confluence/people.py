"""The cast and their ways of calling the simulator."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt
import requests

from local.confluence.tokens import query_hash
from tests.local_confluence.fake_app import ANSWER, APP_KEY, QUESTION, TAG, VOTE, FakeApp

ALICE = "557058:a11ce000-0000-4000-8000-000000000001"
BOB = "557058:b0b00000-0000-4000-8000-000000000002"
CAROL = "557058:ca401000-0000-4000-8000-000000000003"
DAVE = "557058:da4e0000-0000-4000-8000-000000000004"
MALLORY = "557058:3a110400-0000-4000-8000-000000000005"
ENG, HR, MKT = "65537", "65538", "75001"
ENG_PAGE, HR_PAGE = "98306", "98308"

PARTICIPANT = {
    ("read", "space"),
    ("create", "page"),
    ("create", "comment"),
    ("read", QUESTION),
    ("create", QUESTION),
    ("read", VOTE),
    ("create", VOTE),
    ("delete", VOTE),
    ("read", TAG),
    ("create", TAG),
}
ADMINISTRATOR = PARTICIPANT | {("administer", "space"), ("delete", QUESTION), ("delete", TAG)}

type Json = dict[str, Any]


def _call(method: str, url: str, headers: dict[str, str], **options: Any) -> requests.Response:
    return requests.request(method, url, headers=headers, timeout=15, allow_redirects=False, **options)


@dataclass(frozen=True, slots=True)
class Browser:
    """A person at a site; `account` empty is an anonymous visitor; `as_page` adds the header of AP.request."""

    origin: str
    account: str
    as_page: bool = False

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-Atlassian-Token": "no-check", **options.pop("headers", {})}
        if self.account:
            headers["Cookie"] = f"cq_user={self.account}"
        if self.as_page:
            headers["AP-Client-Key"] = APP_KEY
        return _call(method, f"{self.origin}{path}", headers, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Json) -> requests.Response:
        return self.send("POST", path, json=body)

    def create(self, **changes: Any) -> requests.Response:
        return self.post("/wiki/api/v2/custom-content", question(**changes))

    def created(self, **changes: Any) -> Json:
        answer = self.create(**changes)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def answered(self, item: Json) -> Json:
        answer = self.post("/wiki/api/v2/custom-content", answer_to(item))
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def commented(self, field: str, item_id: str) -> Json:
        """`field` names what the comment is on: pageId, customContentId or parentCommentId."""
        answer = self.post("/wiki/api/v2/footer-comments", comment_on(field, item_id))
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    def read(self, item_id: str) -> requests.Response:
        return self.get(f"/wiki/api/v2/custom-content/{item_id}")

    def operations(self, space_id: str) -> set[tuple[str, str]]:
        answer = self.get(f"/wiki/api/v2/spaces/{space_id}/operations")
        assert answer.status_code == 200, answer.text
        return {(one["operation"], one["targetType"]) for one in answer.json()["operations"]}


def question(**changes: Any) -> Json:
    body = {"representation": "storage", "value": "<p>How?</p>"}
    return {"type": QUESTION, "spaceId": ENG, "title": "How do I rotate keys?", "body": body, **changes}


def answer_to(item: Json, **changes: Any) -> Json:
    body = {"representation": "storage", "value": "<p>Like this.</p>"}
    return {"type": ANSWER, "customContentId": item["id"], "title": "Answer", "body": body, **changes}


def comment_on(field: str, item_id: str) -> Json:
    return {field: item_id, "body": {"representation": "storage", "value": "<p>Me too.</p>"}}


def update_of(item: Json, **changes: Any) -> Json:
    """A correct body for the next version of an item."""
    body = {"representation": "storage", "value": "<p>Changed.</p>"}
    kept = {name: item[name] for name in ("id", "type", "spaceId", "title")}
    containers: Json = {name: item[name] for name in ("pageId", "customContentId") if name in item}
    number = {"number": item["version"]["number"] + 1}
    return {**kept, **containers, "status": "current", "body": body, "version": number, **changes}


@dataclass(frozen=True, slots=True)
class Control:
    """The control interface of one site."""

    origin: str

    def send(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = _call(method, f"{self.origin}/_sim{path}", {}, json=body)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        found: Json = answer.json()
        return found

    def refused(self, method: str, path: str, body: Json | None = None) -> int:
        """The status of a call that makes no sense."""
        answer = _call(method, f"{self.origin}/_sim{path}", {}, json=body)
        assert 400 <= answer.status_code < 500, f"{answer.status_code} {answer.text}"
        assert set(answer.json()) == {"detail"}
        return answer.status_code

    def space(self, key: str, **changes: Any) -> Json:
        return self.send("POST", "/spaces", {"key": key, "name": f"The space {key}", **changes})

    def page(self, space_id: str, title: str, **changes: Any) -> Json:
        return self.send("POST", "/pages", {"spaceId": space_id, "title": title, **changes})

    def settle(self, app: FakeApp) -> None:
        """Waits until all that happened so far was told, which is in order, and lets the app forget it."""
        name = f"marker {uuid.uuid4()}"
        self.send("POST", "/groups", {"name": name})
        deadline = time.monotonic() + 10
        while name not in {body["group"]["name"] for _, body in app.told("group_created")}:
            assert time.monotonic() < deadline, "the marker was not told"
            time.sleep(0.01)
        app.forget_webhooks()

    def grant(self, space_id: str, subject: Json, operation: str, target: str, *, access: bool) -> Json:
        one = {"operation": operation, "targetType": target, "access": access}
        return self.send("PUT", f"/spaces/{space_id}/grants", {"subject": subject, "operations": [one]})


@dataclass(frozen=True, slots=True)
class AppIdentity:
    """The app as the site knows it, from what the fake app was told at install."""

    origin: str
    told: Json

    @property
    def secret(self) -> str:
        return str(self.told["sharedSecret"])

    def token(self, method: str, target: str, **claims: Any) -> str:
        now = int(time.time())
        qsh = query_hash(method, target, "/wiki")
        return jwt.encode(
            {"iss": APP_KEY, "iat": now, "exp": now + 180, "qsh": qsh, **claims}, self.secret, algorithm="HS256"
        )

    def send(self, method: str, target: str, token: str | None = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"JWT {token or self.token(method, target)}", **options.pop("headers", {})}
        return _call(method, self.origin + target, headers, **options)

    def assertion(self, account_id: str, secret: str | None = None, **claims: Any) -> str:
        now = int(time.time())
        made = {
            "iss": f"urn:atlassian:connect:clientid:{self.told['oauthClientId']}",
            "sub": f"urn:atlassian:connect:useraccountid:{account_id}",
            "tnt": self.told["baseUrl"],
            "aud": f"{self.origin}/_atlassian/oauth",
            "iat": now,
            "exp": now + 60,
            **claims,
        }
        return jwt.encode(made, secret or self.secret, algorithm="HS256")

    def exchange(self, assertion: str, **fields: str) -> requests.Response:
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        form = urlencode({"grant_type": grant, "assertion": assertion, **fields})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _call("POST", f"{self.origin}/_atlassian/oauth/oauth2/token", headers, data=form)

    def bearer(self, account_id: str, **fields: str) -> str:
        answer = self.exchange(self.assertion(account_id), **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def send_as(self, account_id: str, method: str, target: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.bearer(account_id)}"}
        return _call(method, self.origin + target, headers, **options)


def identity_of(app: FakeApp, origin: str) -> AppIdentity:
    """The newest installation of the site behind `origin`."""
    told = [one.body for one in app.of("/connect/lifecycle/installed") if one.body["baseUrl"] == f"{origin}/wiki"]
    return AppIdentity(origin, json.loads(json.dumps(told[-1])))
