"""The Connect descriptor: what the app adds to Confluence and which rights it asks for.

Module keys and the app key are permanent: the keys of stored content are made of them
(`ac:<app key>:<module key>`). A wider list of scopes makes every administrator approve the app again.
"""

from lib.config import Settings

SCOPES = ("READ", "WRITE", "DELETE", "ACT_AS_USER")
LIFECYCLE_EVENTS = ("installed", "enabled", "disabled", "uninstalled")
WEBHOOK_EVENTS = (
    "content_created",
    "content_updated",
    "content_trashed",
    "content_restored",
    "content_removed",
    "content_permissions_updated",
    "space_permissions_updated",
    "space_updated",
    "space_removed",
    "page_moved",
    "page_trashed",
    "page_restored",
    "page_removed",
    "page_archived",
    "blog_moved",
    "blog_trashed",
    "blog_restored",
    "blog_removed",
    "user_deactivated",
    "user_reactivated",
    "user_removed",
    "group_removed",
)
"""What changes our posts, or what somebody may see of them; docs/adr/0010-following-confluence.md says why each."""

type Json = dict[str, object]

_IN_SPACE = "spaceId={space.id}&spaceKey={space.key}"
_QUESTIONS_URL = f"/ui/questions?{_IN_SPACE}"
_ALL_PERMISSIONS = ["read", "create", "delete"]


def descriptor(settings: Settings) -> Json:
    """The descriptor as JSON values; the same for every site and readable without authentication."""
    base_url = settings.app_base_url
    return {
        "key": settings.connect_app_key,
        "name": "Community Questions",
        "description": "Ask, answer, vote and accept in your Confluence spaces.",
        "vendor": {"name": "Community Questions", "url": base_url},
        "baseUrl": base_url,
        "links": {"self": f"{base_url}/atlassian-connect.json"},
        "authentication": {"type": "jwt"},
        "lifecycle": {event: f"/connect/lifecycle/{event}" for event in LIFECYCLE_EVENTS},
        "scopes": list(SCOPES),
        "apiVersion": 1,
        "apiMigrations": {"gdpr": True, "signed-install": True, "context-qsh": True},
        "enableLicensing": True,
        "modules": {
            "generalPages": _general_pages(),
            "adminPages": [_admin_page()],
            "customContent": _custom_content(settings.connect_app_key),
            "webhooks": [{"event": event, "url": f"/connect/webhooks/{event}"} for event in WEBHOOK_EVENTS],
        },
    }


def _general_pages() -> list[Json]:
    return [
        _page("questions", "Questions", _QUESTIONS_URL),
        _page("question", "Question", "/ui/question?contentId={content.id}&spaceId={space.id}"),
        _page("ask", "Ask a question", f"/ui/ask?{_IN_SPACE}"),
    ]


def _page(key: str, name: str, url: str) -> Json:
    # The pages are reached through the space's sidebar and from each other, not from the global menu.
    return {"key": key, "name": {"value": name}, "url": url, "location": "none"}


def _admin_page() -> Json:
    # The condition only hides the link: the page's own calls check who is an administrator.
    return {
        "key": "admin",
        "name": {"value": "Community Questions"},
        "url": "/ui/admin",
        "conditions": [{"condition": "user_is_admin"}],
    }


def _custom_content(app_key: str) -> list[Json]:
    question = f"ac:{app_key}:cq-question"
    answer = f"ac:{app_key}:cq-answer"
    return [
        {
            "key": "cq-question",
            "name": {"value": "Questions"},
            "uiSupport": {
                "contentViewComponent": {"moduleKey": "question"},
                # This alone puts "Questions" into the space's sidebar; a web item would be a second link.
                "listViewComponent": {"moduleKey": "questions"},
                "icons": {"item": _icon("item", 16), "list": _icon("list", 20), "create": _icon("create", 48)},
            },
            "apiSupport": {
                "bodyType": "storage",
                "supportedContainerTypes": ["space", "page", "blogpost"],
                "supportedChildTypes": ["comment", answer],
                "supportedSpacePermissions": _ALL_PERMISSIONS,
                "indexing": {"enabled": True},
            },
        },
        {
            # Without permissions of its own: who sees the question may answer, as far as the space allows.
            "key": "cq-answer",
            "name": {"value": "Answers"},
            "uiSupport": _view_only(),
            "apiSupport": {
                "bodyType": "storage",
                "supportedContainerTypes": [question],
                "supportedChildTypes": ["comment"],
                "indexing": {"enabled": True},
            },
        },
        _permission_row("cq-vote", "Votes"),
        _permission_row("cq-tag", "Tags"),
    ]


def _permission_row(key: str, name: str) -> Json:
    """A type that is never instantiated: it exists to be a row of a space's permission screen."""
    return {
        "key": key,
        "name": {"value": name},
        "uiSupport": _view_only(),
        "apiSupport": {
            "bodyType": "storage",
            "supportedContainerTypes": ["space"],
            "supportedSpacePermissions": _ALL_PERMISSIONS,
        },
    }


def _view_only() -> Json:
    return {
        "contentViewComponent": {"moduleKey": "question"},
        "icons": {"item": _icon("item", 16)},
    }


def _icon(name: str, size: int) -> Json:
    return {"url": f"/ui/icons/{name}.svg", "width": size, "height": size}
