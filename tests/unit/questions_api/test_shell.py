"""The HTML around the front end: nothing inline, nothing unescaped, framed by its own site only."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lib.principal import ClientKey, TenantId
from lib.tenancy import Installation, InstallationState
from questions_api.frontend.shell import VIEWS, failure_page, frame_policy, shell

INSTALLATION = Installation(
    tenant_id=TenantId(1),
    client_key=ClientKey("acme"),
    base_url="https://acme.atlassian.net/wiki",
    display_url=None,
    oauth_client_id=None,
    state=InstallationState.ACTIVE,
    permission_epoch=0,
    secret_version=1,
    key_salt=b"s" * 32,
)
CDN = "https://connect-cdn.atl-paas.net"
HOSTILE = "\"><script>alert(1)</script>'&"


class Page(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(view: str = "questions", **data: str) -> Page:
    return Page(
        shell(
            view,
            data=data,
            script="/ui/assets/main-1a2b.js",
            styles=("/ui/assets/reset-1a.css", "/ui/assets/main-2b.css"),
            connect_script=f"{CDN}/all.js",
        )
    )


def policy(installation: Installation = INSTALLATION) -> dict[str, list[str]]:
    parts = (part.split() for part in frame_policy(installation, CDN).split("; "))
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_loads_two_scripts_and_the_styles_in_order(view: str) -> None:
    shown = page(view)

    assert [script["src"] for script in shown.of("script")] == [f"{CDN}/all.js", "/ui/assets/main-1a2b.js"]
    assert shown.of("script")[1]["type"] == "module"
    assert [link["href"] for link in shown.of("link")] == ["/ui/assets/reset-1a.css", "/ui/assets/main-2b.css"]
    assert {attributes.get("id"): attributes.get("data-view") for attributes in shown.of("div")}["root"] == view
    assert shown.of("html") == [{"lang": "en"}]


def test_the_page_holds_nothing_inline() -> None:
    shown = page(**{"space-key": "ENG"})

    assert all("src" in script for script in shown.of("script"))
    assert shown.of("style") == []
    assert [
        name for _, attributes in shown.elements for name in attributes if name.startswith("on") or name == "style"
    ] == []
    assert shown.text == "QuestionsQuestions needs JavaScript."


def test_data_comes_back_as_it_was_given_and_adds_no_element() -> None:
    shown = page(**{"space-key": HOSTILE, "content-id": "5"})
    (root,) = [attributes for attributes in shown.of("div") if attributes.get("id") == "root"]

    assert root == {"id": "root", "data-view": "questions", "data-space-key": HOSTILE, "data-content-id": "5"}
    assert len(shown.of("script")) == 2


def test_only_the_own_site_may_frame_the_page() -> None:
    assert policy()["frame-ancestors"] == ["https://acme.atlassian.net"]
    moved = replace(INSTALLATION, display_url="https://questions.example.org/wiki")
    assert policy(moved)["frame-ancestors"] == ["https://acme.atlassian.net", "https://questions.example.org"]
    local = replace(INSTALLATION, base_url="http://127.0.0.1:8090/wiki")
    assert policy(local)["frame-ancestors"] == ["http://127.0.0.1:8090"]


def test_the_policy_names_every_source_and_allows_nothing_inline() -> None:
    sources = policy()

    assert sources["default-src"] == sources["base-uri"] == sources["object-src"] == ["'none'"]
    assert sources["script-src"] == sources["style-src"] == ["'self'", CDN]
    assert sources["connect-src"] == sources["font-src"] == ["'self'"]
    words = [word for values in sources.values() for word in values]
    assert not {"*", "'unsafe-inline'", "'unsafe-eval'", "https:", "http:"} & set(words)
    assert not any("nonce" in word for word in words)


def test_a_failure_page_says_what_happened_escaped() -> None:
    shown = Page(failure_page(HOSTILE, HOSTILE, "4bf92f3577b34da6a3ce929d0e0e4736"))

    assert shown.of("script") == []
    assert shown.text == f"Questions{HOSTILE}{HOSTILE}Reference 4bf92f3577b34da6a3ce929d0e0e4736"
