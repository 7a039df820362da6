"""The pages people open: spaces, pages, the app's modules and custom content."""

import json
from collections.abc import Callable, Mapping

from local.confluence.content import Item, find_item, restricted_to
from local.confluence.descriptor import Module
from local.confluence.embedding import Whereabouts, iframe_url
from local.confluence.installation import enabled_installation
from local.confluence.page_parts import (
    Page,
    Visitor,
    avatar,
    esc,
    missing,
    module_address,
    plain,
    space_parameters,
)
from local.confluence.people import (
    Space,
    find_person,
    find_space,
    find_space_by_key,
    list_people,
    list_spaces,
    switches_of,
)

type View = Callable[[Visitor, Mapping[str, str], Mapping[str, str]], Page]

BRIDGE_SCRIPTS = ("/host/jquery.js", "/host/before-connect.js", "/host/connect-host.js", "/host/bridge.js")


def dashboard(visitor: Visitor, _path: Mapping[str, str], _query: Mapping[str, str]) -> Page:
    spaces = [
        space for space in list_spaces(visitor.sim.storage, visitor.site) if visitor.sight.may_view_space(space.id)
    ]
    cards = "".join(
        f'<li><a class="card" href="/wiki/spaces/{esc(space.key)}"><span class="space-mark" aria-hidden="true">'
        f"{esc(space.key[:2])}</span><span><strong>{esc(space.name)}</strong>"
        f"<small>{esc(_described(space))}</small></span></a></li>"
        for space in spaces
    )
    body = f'<ul class="cards">{cards}</ul>' if cards else "<p>There is no space you may see.</p>"
    state = "" if visitor.sight.app is not None else f'<p class="hint">{esc(_waiting(visitor))}</p>'
    return Page("Spaces", f"<h1>Spaces</h1>{state}{body}")


def _described(space: Space) -> str:
    return f"Archived. {space.description}" if space.is_archived else space.description


def _waiting(visitor: Visitor) -> str:
    return f"No app is installed. The site keeps asking {visitor.sim.settings.app_url} for its descriptor."


def space_home(visitor: Visitor, path: Mapping[str, str], _query: Mapping[str, str]) -> Page:
    space = find_space_by_key(visitor.sim.storage, visitor.site, path["key"])
    if space is None or not visitor.sight.may_view_space(space.id):
        return missing()
    home = find_item(visitor.sim.storage, visitor.site, space.homepage_id)
    body = "" if home is None or not visitor.sight.may_view(home) else home.body.value
    content = (
        f'<h1>{esc(space.name)}</h1><p class="lead">{esc(space.description)}</p><div class="wiki">{_wiki(body)}</div>'
    )
    return Page(space.name, content, space, f"/wiki/spaces/{space.key}")


def _wiki(body: str) -> str:
    """Bodies of pages are safe to show: they come from the cast, or from the control interface as plain paragraphs."""
    return body


def show_content(visitor: Visitor, _path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """One address for everything with an id, as in the product."""
    number = query.get("pageId", "")
    item = None
    if number.isascii() and number.isdecimal() and len(number) <= 18:
        item = find_item(visitor.sim.storage, visitor.site, int(number))
    if item is None or item.status != "current" or not visitor.sight.may_view(item):
        return missing()
    space = find_space(visitor.sim.storage, visitor.site, item.space_id)
    if space is None:
        return missing()
    if item.kind == "comment":
        return show_content(visitor, {}, {"pageId": str(item.container_id)})
    return _page(visitor, item, space) if item.kind == "page" else _custom_content(visitor, item, space)


def _page(visitor: Visitor, item: Item, space: Space) -> Page:
    author = find_person(visitor.sim.storage, visitor.site, item.author_id)
    by = "" if author is None else f"{avatar(author)} {esc(author.name)} · {esc(item.modified_at[:10])}"
    content = (
        f'<h1>{esc(item.title)}</h1><p class="byline">{by}</p><div class="wiki">{_wiki(item.body.value)}</div>'
        f"{_restrictions(visitor, item)}"
    )
    return Page(item.title, content, space, f"/wiki/pages/viewpage.action?pageId={item.id}")


def _restrictions(visitor: Visitor, item: Item) -> str:
    if not visitor.sight.may_update(item):
        return ""
    chosen = restricted_to(visitor.sim.storage, item)
    boxes = "".join(
        f'<label class="box"><input type="checkbox" name="account" value="{esc(person.account_id)}"'
        f"{' checked' if person.account_id in chosen else ''}> {esc(person.name)}</label>"
        for person in list_people(visitor.sim.storage, visitor.site)
        if person.account_type != "app"
    )
    number = "1 person" if len(chosen) == 1 else f"{len(chosen)} people"
    state = number if chosen else "everybody in this space"
    return f"""
<details class="panel"><summary>Restrictions: may be seen by {state}</summary>
<form method="post" action="/wiki/host/restriction">
  <input type="hidden" name="contentId" value="{item.id}">
  <fieldset><legend>Only these people may see the page. None chosen: everybody in the space.</legend>{boxes}</fieldset>
  <button type="submit" class="primary">Save restrictions</button>
</form></details>"""


def _custom_content(visitor: Visitor, item: Item, space: Space) -> Page:
    app = visitor.sight.app
    custom = None if app is None else app.types.get(item.type)
    module = None if app is None or custom is None else app.modules.get(custom.view_module)
    if module is None:
        return missing()
    return _embed(visitor, module, Whereabouts(space, item), title=item.title)


def show_module(visitor: Visitor, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """A general or administration page of the app; the space or content it is about comes as parameters."""
    app = visitor.sight.app
    module = app.modules.get(path["module_key"]) if app is not None and app.key == path["app_key"] else None
    if app is None or module is None:
        return missing()
    if module.kind == "adminPages" and not visitor.sight.administers:
        return plain("Only for administrators", "This page is for Confluence administrators of the site.", 403)
    place = read_whereabouts(visitor, query)
    return missing() if place is None else _embed(visitor, module, place, title=module.name)


def read_whereabouts(visitor: Visitor, query: Mapping[str, str]) -> Whereabouts | None:
    """None when a parameter names something the visitor may not see."""
    storage, site = visitor.sim.storage, visitor.site
    item = None
    item_id = query.get("content.id") or query.get("page.id")
    if item_id is not None:
        item = find_item(storage, site, int(item_id)) if item_id.isascii() and item_id.isdecimal() else None
        if item is None or item.status != "current" or not visitor.sight.may_view(item):
            return None
    space = None if item is None else find_space(storage, site, item.space_id)
    if key := query.get("space.key"):
        space = find_space_by_key(storage, site, key)
    elif (number := query.get("space.id", "")).isdecimal():
        space = find_space(storage, site, int(number))
    elif item is None:
        return Whereabouts(custom=_custom(query))
    if space is None or not visitor.sight.may_view_space(space.id):
        return None
    return Whereabouts(space, item, _custom(query))


def _custom(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if name.startswith("ac.")}


def embed_settings(visitor: Visitor, module: Module, place: Whereabouts) -> dict[str, object]:
    """What the bridge script needs to build one iframe; raises LookupError without an enabled app."""
    installation = enabled_installation(visitor.sim.storage, visitor.site)
    if installation is None:
        raise LookupError(module.key)
    account_id = visitor.sight.account_id
    target = {"addonKey": installation.app.key, "moduleKey": module.key}
    kind, context = "addonmodule", {**target, "context": place.described()}
    if place.item is not None and place.custom is None:
        kind, context = "contentview", {"contentId": str(place.item.id)}
    return {
        "appKey": installation.app.key,
        "moduleKey": module.key,
        "moduleType": module.kind,
        "url": iframe_url(
            visitor.site,
            installation,
            module,
            place,
            account_id=account_id,
            licensed=switches_of(visitor.sim.storage, visitor.site).licensed,
        ),
        "accountId": account_id,
        "context": {"confluence": place.described()},
        "variables": place.variables(),
        "location": {"target": kind, "context": context},
        "title": module.name,
    }


def _embed(visitor: Visitor, module: Module, place: Whereabouts, *, title: str) -> Page:
    settings = embed_settings(visitor, module, place)
    # The data sits in an attribute: the page's policy allows no inline script.
    content = (
        f'<h1 class="embed-title">{esc(module.name)}</h1>'
        f'<div id="app-frame" class="app-frame" data-embed="{esc(json.dumps(settings))}">'
        '<p class="loading">Loading…</p></div>'
    )
    active = ""
    if place.space is not None and place.item is None and visitor.sight.app is not None:
        active = module_address(visitor.sight.app, module.key, space_parameters(place.space))
    return Page(title, content, place.space, active, BRIDGE_SCRIPTS)
