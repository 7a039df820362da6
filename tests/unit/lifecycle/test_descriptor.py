import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lib.config import Settings, read_settings
from lifecycle.descriptor import descriptor

SCHEMA = Path(__file__).parents[4] / "shared/specs/connect/confluence-connect-descriptor.derived-strict.schema.json"


def settings_with(**changes: str) -> Settings:
    return read_settings(
        {
            "APP_BASE_URL": "https://cq.example.com",
            "CONNECT_APP_KEY": "community-questions",
            "DATABASE_URL": "sqlite://",
            "ENCRYPTION_KEYS": "v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        }
        | changes
    )


def built(**changes: str) -> dict[str, Any]:
    """The descriptor as a reader of the JSON sees it."""
    value: dict[str, Any] = json.loads(json.dumps(descriptor(settings_with(**changes))))
    return value


def test_it_satisfies_the_strict_schema() -> None:
    if not SCHEMA.exists():
        pytest.skip("the descriptor schema is not on this machine")

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema)

    assert [error.message for error in validator.iter_errors(built())] == []
    assert list(validator.iter_errors(built() | {"unknown": True}))


def test_scopes_and_migrations_are_pinned() -> None:
    value = built()

    assert value["scopes"] == ["READ", "WRITE", "DELETE", "ACT_AS_USER"]
    assert value["apiMigrations"] == {"gdpr": True, "signed-install": True, "context-qsh": True}
    assert value["authentication"] == {"type": "jwt"}
    assert value["enableLicensing"] is True


def test_the_envelope_follows_the_settings() -> None:
    value = built(APP_BASE_URL="http://127.0.0.1:7071", CONNECT_APP_KEY="example.cq")

    assert value["key"] == "example.cq"
    assert value["baseUrl"] == "http://127.0.0.1:7071"
    assert value["links"] == {"self": "http://127.0.0.1:7071/atlassian-connect.json"}
    assert value["lifecycle"] == {
        "installed": "/connect/lifecycle/installed",
        "enabled": "/connect/lifecycle/enabled",
        "disabled": "/connect/lifecycle/disabled",
        "uninstalled": "/connect/lifecycle/uninstalled",
    }


def test_module_keys_are_permanent() -> None:
    modules = built()["modules"]

    assert {kind: [module.get("key") for module in modules[kind]] for kind in modules if kind != "webhooks"} == {
        "generalPages": ["questions", "question", "ask"],
        "adminPages": ["admin"],
        "customContent": ["cq-question", "cq-answer", "cq-vote", "cq-tag"],
    }


def test_pages_are_reached_with_the_parameters_they_read() -> None:
    modules = built()["modules"]
    pages = {page["key"]: page["url"] for page in modules["generalPages"] + modules["adminPages"]}

    assert pages == {
        "questions": "/ui/questions?spaceId={space.id}&spaceKey={space.key}",
        "question": "/ui/question?contentId={content.id}&spaceId={space.id}",
        "ask": "/ui/ask?spaceId={space.id}&spaceKey={space.key}",
        "admin": "/ui/admin",
    }
    assert {page["location"] for page in modules["generalPages"]} == {"none"}


def test_the_space_sidebar_has_one_link_to_the_list() -> None:
    modules = built()["modules"]
    (listed,) = [module for module in modules["customContent"] if "listViewComponent" in module["uiSupport"]]

    assert listed["name"] == {"value": "Questions"}
    assert listed["uiSupport"]["listViewComponent"] == {"moduleKey": "questions"}
    assert "webItems" not in modules


def test_content_types_form_the_permission_grid() -> None:
    types = {module["key"]: module for module in built()["modules"]["customContent"]}
    support = {key: module["apiSupport"] for key, module in types.items()}

    assert {key: value.get("supportedSpacePermissions") for key, value in support.items()} == {
        "cq-question": ["read", "create", "delete"],
        "cq-answer": None,
        "cq-vote": ["read", "create", "delete"],
        "cq-tag": ["read", "create", "delete"],
    }
    assert {key: value["supportedContainerTypes"] for key, value in support.items()} == {
        "cq-question": ["space", "page", "blogpost"],
        "cq-answer": ["ac:community-questions:cq-question"],
        "cq-vote": ["space"],
        "cq-tag": ["space"],
    }
    assert {key: value.get("supportedChildTypes") for key, value in support.items()} == {
        "cq-question": ["comment", "ac:community-questions:cq-answer"],
        "cq-answer": ["comment"],
        "cq-vote": None,
        "cq-tag": None,
    }
    assert {key: module["name"]["value"] for key, module in types.items()} == {
        "cq-question": "Questions",
        "cq-answer": "Answers",
        "cq-vote": "Votes",
        "cq-tag": "Tags",
    }


def test_views_of_content_are_pages_of_the_app() -> None:
    modules = built()["modules"]
    pages = {page["key"] for page in modules["generalPages"]}

    for module in modules["customContent"]:
        views = {name: view["moduleKey"] for name, view in module["uiSupport"].items() if "moduleKey" in view}
        assert views["contentViewComponent"] == "question"
        assert set(views.values()) <= pages
    assert modules["customContent"][0]["uiSupport"]["listViewComponent"] == {"moduleKey": "questions"}


WEBHOOKS = {
    "content_created": "a question or answer may have been written past us",
    "content_updated": "it may have moved, or become current",
    "content_trashed": "nobody sees it any more",
    "content_restored": "whoever saw it sees it again",
    "content_removed": "it will not come back",
    "content_permissions_updated": "fewer, or more, people see a page or an item",
    "space_permissions_updated": "the grid of a space has changed",
    "space_updated": "the space may have been archived, or brought back",
    "space_removed": "all its questions are gone",
    "page_moved": "its questions may be in another space, and under other restrictions",
    "page_trashed": "its questions went with it",
    "page_restored": "its questions came back with it",
    "page_removed": "its questions will not come back",
    "page_archived": "its questions may be archived with it",
    "blog_moved": "as page_moved",
    "blog_trashed": "as page_trashed",
    "blog_restored": "as page_restored",
    "blog_removed": "as page_removed",
    "user_deactivated": "the person sees nothing any more",
    "user_reactivated": "the person sees again what they saw",
    "user_removed": "the person sees nothing any more",
    "group_removed": "what its members saw through it, they see no more",
}
"""Each costs a request whenever it happens on a site, so each has to change what we keep or what somebody sees."""


def test_webhooks_are_pinned() -> None:
    assert built()["modules"]["webhooks"] == [
        {"event": event, "url": f"/connect/webhooks/{event}"} for event in WEBHOOKS
    ]


def test_addresses_are_relative_and_free_of_what_libraries_hash_differently() -> None:
    text = json.dumps(built()["modules"])
    urls = re.findall(r'"url": "([^"]+)"', text)

    assert len(urls) > 15
    for url in urls:
        assert re.fullmatch(r"(/[a-z_.-]+)+(\?[a-zA-Z]+=\{[a-z.]+\}(&[a-zA-Z]+=\{[a-z.]+\})*)?", url), url


def test_each_reading_gets_its_own_copy() -> None:
    first = descriptor(settings_with())
    first["scopes"] = []

    assert built()["scopes"] != []
