"""A tiny app behind the simulator: it publishes a descriptor and remembers what it is told."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

APP_KEY = "community-questions"
QUESTION, ANSWER, VOTE, TAG = (f"ac:{APP_KEY}:{key}" for key in ("cq-question", "cq-answer", "cq-vote", "cq-tag"))
EVENTS = (
    "content_created",
    "content_updated",
    "content_trashed",
    "content_restored",
    "content_removed",
    "content_permissions_updated",
    "space_permissions_updated",
    "space_created",
    "space_updated",
    "space_removed",
    "page_created",
    "page_moved",
    "page_trashed",
    "page_restored",
    "page_removed",
    "group_created",
    "group_removed",
    "user_deactivated",
    "user_reactivated",
)
"""Comments are left out, as by an app that does not care for them."""
SPACE_QUERY = "?spaceId={space.id}&spaceKey={space.key}"
ICON = {"url": "/ui/assets/icon.svg", "width": 48, "height": 48}

PAGE = """<!doctype html><html><head>
<script src="{site}/atlassian-connect/all.js" data-options="sizeToParent:false;hideFooter:true"></script>
<script src="/ui/page.js"></script></head>
<body><div class="ac-content"><div id="root">starting</div></div></body></html>"""

SCRIPT = """
(async () => {
  const out = {};
  const refused = (promise) => promise.then(() => 'allowed', (problem) => problem.err || String(problem));
  try {
    out.token = await AP.context.getToken();
    out.user = await AP.user.getCurrentUser();
    out.context = await AP.context.getContext();
    const answer = await AP.request('/api/v2/spaces');
    out.spaces = JSON.parse(answer.body).results.map((space) => space.key);
    const made = await AP.request({
      url: '/api/v2/custom-content', type: 'POST', contentType: 'application/json',
      data: JSON.stringify({type: 'ac:community-questions:cq-question', spaceId: '65537', title: 'From the frame',
        body: {representation: 'storage', value: '<p>Hello</p>'}})});
    out.created = made.xhr.status;
    out.missing = await refused(AP.request('/api/v2/spaces/65538000'));
    out.absolute = await refused(AP.request('https://example.com/api/v2/spaces'));
    out.climbing = await refused(AP.request('/../_sim/state'));
    await AP.history.pushState('page=2');
    out.state = await AP.history.getState();
    AP.flag.create({title: 'A flag', body: 'from the app', type: 'success'});
    AP.theming.initializeTheming();
    document.getElementById('root').textContent = 'ready ' + JSON.stringify(out);
  } catch (problem) {
    document.getElementById('root').textContent = 'failed ' + JSON.stringify(problem) + String(problem);
  }
})();
"""


def _custom_type(key: str, name: str, api: dict[str, Any]) -> dict[str, Any]:
    view = {"moduleKey": "question"}
    shown = {"contentViewComponent": view, "icons": {"item": ICON}}
    if key == "cq-question":
        shown["listViewComponent"] = {"moduleKey": "questions"}
    return {"key": key, "name": {"value": name}, "uiSupport": shown, "apiSupport": api}


def subscriptions(*events: str) -> list[dict[str, Any]]:
    return [{"event": event, "url": f"/connect/webhooks/{event}"} for event in events]


def descriptor(app_url: str) -> dict[str, Any]:
    rights = ["read", "create", "delete"]
    question = {
        "supportedContainerTypes": ["space", "page", "blogpost"],
        "supportedChildTypes": ["comment", ANSWER],
        "supportedSpacePermissions": rights,
    }
    answer = {"supportedContainerTypes": [QUESTION], "supportedChildTypes": ["comment"]}
    marker = {"supportedContainerTypes": ["space"], "supportedSpacePermissions": rights}
    return {
        "key": APP_KEY,
        "name": "Community Questions",
        "description": "Questions and answers.",
        "vendor": {"name": "Example", "url": "https://example.com"},
        "baseUrl": app_url,
        "authentication": {"type": "jwt"},
        "apiVersion": 1,
        "apiMigrations": {"gdpr": True, "signed-install": True, "context-qsh": True},
        "scopes": ["READ", "WRITE", "DELETE", "ACT_AS_USER"],
        "lifecycle": {
            event: f"/connect/lifecycle/{event}" for event in ("installed", "enabled", "disabled", "uninstalled")
        },
        "modules": {
            "generalPages": [
                {"key": "questions", "name": {"value": "Questions"}, "url": f"/ui/questions{SPACE_QUERY}"},
                {
                    "key": "question",
                    "name": {"value": "Question"},
                    "url": "/ui/question?contentId={content.id}&spaceId={space.id}",
                    "location": "none",
                },
                {"key": "ask", "name": {"value": "Ask"}, "url": f"/ui/ask{SPACE_QUERY}", "location": "none"},
            ],
            "adminPages": [{"key": "admin", "name": {"value": "Community Questions"}, "url": "/ui/admin"}],
            "webItems": [
                {
                    "key": "questions-link",
                    "name": {"value": "Questions"},
                    "location": "system.space.sidebar/main-links",
                    "url": f"/ui/questions{SPACE_QUERY}",
                    "context": "addon",
                }
            ],
            "customContent": [
                _custom_type("cq-question", "Questions", question),
                _custom_type("cq-answer", "Answers", answer),
                _custom_type("cq-vote", "Votes", marker),
                _custom_type("cq-tag", "Tags", marker),
            ],
            "webhooks": subscriptions(*EVENTS),
        },
    }


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    target: str
    authorization: str
    body: dict[str, Any]

    @property
    def token(self) -> str:
        return self.authorization.removeprefix("JWT ")


@dataclass(slots=True)
class FakeApp:
    """`answers` overrides the status of a path; `changes` are laid over the published descriptor.

    While `is_open` is not set, webhooks wait for their answer.
    """

    port: int
    site_url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    is_open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[Received]:
        return [one for one in self.received if one.target.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1, timeout_s: float = 10) -> list[Received]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if len(found := self.of(path)) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{path} came {len(self.of(path))} times, not {count}")

    def told(self, *events: str) -> list[tuple[str, dict[str, Any]]]:
        """Webhooks in the order they came, of the named events or of all."""
        prefix = "/connect/webhooks/"
        every = [(one.target.removeprefix(prefix), one.body) for one in self.received if one.target.startswith(prefix)]
        return [(event, body) for event, body in every if not events or event in events]

    def forget(self) -> None:
        self.received.clear()

    def forget_webhooks(self) -> None:
        """Keeps what was told at install: other tests of the module need the secret."""
        self.received[:] = [one for one in self.received if not one.target.startswith("/connect/webhooks/")]


def serve(app: FakeApp) -> ThreadingHTTPServer:
    """Starts the app in a thread; the caller shuts the server down."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: bytes = b"", media_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in app.answers:
                self._answer(app.answers[path])
            elif path == "/atlassian-connect.json":
                document = {**descriptor(app.url), **app.changes}
                self._answer(200, json.dumps(document).encode(), "application/json")
            elif path == "/ui/page.js":
                self._answer(200, SCRIPT.encode(), "text/javascript")
            elif path.startswith("/ui/"):
                app.received.append(Received("GET", self.path, "", {}))
                self._answer(200, PAGE.replace("{site}", app.site_url).encode(), "text/html")
            else:
                self._answer(404)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            app.received.append(Received("POST", self.path, self.headers.get("Authorization", ""), body))
            if self.path.startswith("/connect/webhooks/"):
                app.is_open.wait(5)
            self._answer(app.answers.get(self.path, 204))

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", app.port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
