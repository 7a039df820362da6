"""A person at the keyboard, for seeding, tests and bench: writes content in Confluence, calls our API from the page."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from local.confluence.callers import NO_CHECK, USER_COOKIE

APP_KEY = "community-questions"
QUESTION_TYPE = f"ac:{APP_KEY}:cq-question"
ANSWER_TYPE = f"ac:{APP_KEY}:cq-answer"
_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Answered:
    """Status, lower-case headers and parsed JSON (or text) of one answer."""

    status: int
    headers: dict[str, str]
    body: Any


def send(method: str, url: str, *, headers: dict[str, str] | None = None, body: object = None) -> Answered:
    """One request; an error status is an answer like any other."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data=data, method=method, headers={**given, **(headers or {})})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - loopback only
            return _answered(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return _answered(error.code, error.headers, error.read())


def _answered(status: int, headers: Any, body: bytes) -> Answered:
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        parsed = body.decode(errors="replace")
    return Answered(status, {name.lower(): value for name, value in headers.items()}, parsed)


@dataclass(frozen=True, slots=True)
class Person:
    """An account of a site, with the site open in a browser."""

    account_id: str
    site: str
    app: str

    def token(self) -> str:
        """A context token, as `AP.context.getToken` gives it to our page."""
        answer = send("POST", f"{self.site}/_sim/token", body={"accountId": self.account_id, "kind": "context"})
        if answer.status != 200:
            raise RuntimeError(f"no token: {answer.status} {answer.body}")
        return str(answer.body["token"])

    def api(self, method: str, path: str, body: object = None) -> Answered:
        """A call of our page to our API, under /api/v1."""
        headers = {"Authorization": f"JWT {self.token()}"}
        return send(method, f"{self.app}/api/v1{path}", headers=headers, body=body)

    def confluence(self, method: str, path: str, body: object = None) -> Answered:
        """A call to the site's REST interface, under /wiki."""
        headers = {"Cookie": f"{USER_COOKIE}={self.account_id}", "X-Atlassian-Token": NO_CHECK}
        return send(method, f"{self.site}/wiki{path}", headers=headers, body=body)

    def create(self, type_key: str, title: str, text: str, **container: str) -> str:
        """Creates custom content as this person; its id."""
        body = {
            "type": type_key,
            "status": "current",
            "title": title,
            "body": {"representation": "storage", "value": text},
            **container,
        }
        answer = self.confluence("POST", "/api/v2/custom-content", body)
        if answer.status not in {200, 201}:
            raise RuntimeError(f"not created: {answer.status} {answer.body}")
        return str(answer.body["id"])

    def ask(self, space_id: str, title: str, text: str = "<p>?</p>", tags: tuple[str, ...] = ()) -> str:
        """Asks a question the way our page does: content first, registration second; its id."""
        content_id = self.create(QUESTION_TYPE, title, text, spaceId=space_id)
        self._registered(self.api("POST", "/questions", {"contentId": content_id, "tags": list(tags)}))
        return content_id

    def answer(self, question_id: str, text: str = "<p>!</p>") -> str:
        content_id = self.create(ANSWER_TYPE, "Answer", text, customContentId=question_id)
        self._registered(self.api("POST", f"/questions/{question_id}/answers", {"contentId": content_id}))
        return content_id

    def vote(self, kind: str, post_id: str, value: int = 1) -> Answered:
        return self.api("PUT", f"/{kind}s/{post_id}/vote", {"value": value})

    def accept(self, question_id: str, answer_id: str | None) -> Answered:
        return self.api("PUT", f"/questions/{question_id}/accepted", {"answerId": answer_id})

    @staticmethod
    def _registered(answer: Answered) -> None:
        if answer.status not in {200, 201}:
            raise RuntimeError(f"not registered: {answer.status} {answer.body}")
