"""What an installed descriptor says: pages, web items, custom content types, scopes and webhooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema

SCHEMA_FILE = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "specs"
    / "connect"
    / "confluence-connect-descriptor.derived-strict.schema.json"
)

# Each higher scope contains the ones before it; the rest stand alone.
SCOPE_LADDER = ("READ", "WRITE", "DELETE")
KNOWN_SCOPES = frozenset({*SCOPE_LADDER, "NONE", "SPACE_ADMIN", "ADMIN", "ACT_AS_USER", "ACCESS_EMAIL_ADDRESSES"})


class DescriptorRefused(Exception):
    """The descriptor cannot be installed; the text says why."""


@dataclass(frozen=True, slots=True)
class Module:
    """Something with a page of the app behind it; `kind` is the descriptor's list it came from."""

    key: str
    name: str
    url: str
    kind: str


@dataclass(frozen=True, slots=True)
class WebItem:
    key: str
    name: str
    location: str
    page_key: str


@dataclass(frozen=True, slots=True)
class CustomType:
    key: str
    name: str
    containers: frozenset[str]
    children: frozenset[str]
    permissions: tuple[str, ...]
    view_module: str
    list_module: str
    body_type: str


@dataclass(frozen=True, slots=True)
class App:
    """The parts of a descriptor the simulator acts on."""

    key: str
    name: str
    base_url: str
    scopes: frozenset[str]
    lifecycle: Mapping[str, str]
    modules: Mapping[str, Module]
    web_items: tuple[WebItem, ...]
    types: Mapping[str, CustomType]
    webhooks: Mapping[str, str]

    @property
    def origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


def effective_scopes(declared: list[str]) -> frozenset[str]:
    """Declared scopes in capitals, together with those they contain."""
    scopes = {scope.upper() for scope in declared}
    for index in range(len(SCOPE_LADDER) - 1, 0, -1):
        if scopes & set(SCOPE_LADDER[index:]):
            scopes.update(SCOPE_LADDER[:index])
    if "ADMIN" in scopes:
        scopes.add("SPACE_ADMIN")
    return frozenset(scopes)


def check_descriptor(document: object, app_url: str) -> None:
    """Raises DescriptorRefused with every problem found.

    The strict schema wants https; a loopback base URL is shown to it as https, because local stacks have no
    certificate.
    """
    if not isinstance(document, dict):
        raise DescriptorRefused("the descriptor is not a JSON object")
    problems = []
    if document.get("baseUrl") != app_url:
        problems.append(f"baseUrl must be {app_url}")
    if document.get("authentication") != {"type": "jwt"}:
        problems.append("authentication must be jwt")
    unknown = {str(scope).upper() for scope in document.get("scopes", [])} - KNOWN_SCOPES
    problems.extend(f"unknown scope {scope}" for scope in sorted(unknown))
    if SCHEMA_FILE.exists():
        shown = dict(document)
        if str(shown.get("baseUrl", "")).startswith("http://127.0.0.1"):
            shown["baseUrl"] = "https://app.example.com"
        validator = jsonschema.Draft7Validator(json.loads(SCHEMA_FILE.read_text("utf-8")))
        problems.extend(f"{error.json_path}: {error.message}" for error in validator.iter_errors(shown))
    if problems:
        raise DescriptorRefused("; ".join(problems))


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name", {}).get("value", entry["key"]))


def _custom_type(app_key: str, entry: Mapping[str, Any]) -> CustomType:
    shown, api = entry.get("uiSupport", {}), entry.get("apiSupport", {})
    return CustomType(
        key=f"ac:{app_key}:{entry['key']}",
        name=_name(entry),
        containers=frozenset(api.get("supportedContainerTypes", [])),
        children=frozenset(api.get("supportedChildTypes", [])),
        permissions=tuple(api.get("supportedSpacePermissions", [])),
        view_module=shown.get("contentViewComponent", {}).get("moduleKey", ""),
        list_module=shown.get("listViewComponent", {}).get("moduleKey", ""),
        body_type=str(api.get("bodyType", "storage")).lower(),
    )


def _pages(modules: Mapping[str, Any]) -> dict[str, Module]:
    found = {}
    for kind in ("generalPages", "adminPages", "dialogs", "webItems", "spaceToolsTabs"):
        for entry in modules.get(kind, []):
            if "url" in entry and (kind != "webItems" or entry.get("context", "addon") == "addon"):
                found[entry["key"]] = Module(entry["key"], _name(entry), entry["url"], kind)
    for kind in ("configurePage", "postInstallPage"):
        if entry := modules.get(kind):
            found[entry["key"]] = Module(entry["key"], _name(entry), entry["url"], "adminPages")
    return found


def _web_items(modules: Mapping[str, Any], pages: Mapping[str, Module]) -> tuple[WebItem, ...]:
    """A web item that repeats the address of a page opens that page; any other opens under its own key."""
    items = []
    for entry in modules.get("webItems", []):
        twins = [page.key for page in pages.values() if page.url == entry.get("url") and page.kind != "webItems"]
        page_key = twins[0] if twins else entry["key"]
        items.append(WebItem(entry["key"], _name(entry), entry["location"], page_key))
    return tuple(items)


def read_app(document: Mapping[str, Any]) -> App:
    """Reads a descriptor that check_descriptor accepted."""
    modules = document.get("modules", {})
    pages = _pages(modules)
    types = [_custom_type(document["key"], entry) for entry in modules.get("customContent", [])]
    return App(
        key=document["key"],
        name=document.get("name", document["key"]),
        base_url=document["baseUrl"],
        scopes=effective_scopes(list(document.get("scopes", []))),
        lifecycle=document.get("lifecycle", {}),
        modules=pages,
        web_items=_web_items(modules, pages),
        types={custom.key: custom for custom in types},
        webhooks={entry["event"]: entry["url"] for entry in modules.get("webhooks", [])},
    )
