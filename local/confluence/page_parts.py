"""The frame of every host page: header, people menu, theme switch, sidebar."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from local.confluence.descriptor import App
from local.confluence.people import Person, Site, Space, find_person, list_people
from local.confluence.permissions import Sight
from local.confluence.simulator import Simulator

THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Visitor:
    """One person looking at one host page; `path` is where they are, to come back to after a switch."""

    sim: Simulator
    site: Site
    sight: Sight
    theme: str
    path: str

    @property
    def person(self) -> Person | None:
        account_id = self.sight.account_id
        return None if account_id is None else find_person(self.sim.storage, self.site, account_id)


@dataclass(frozen=True, slots=True)
class Page:
    """`active` is the address of the sidebar link to mark; `scripts` follow the frame's own."""

    title: str
    content: str
    space: Space | None = None
    active: str = ""
    scripts: tuple[str, ...] = ()
    status: int = 200


def esc(value: object) -> str:
    return html.escape(str(value), quote=True)


def module_address(app: App, module_key: str, parameters: Mapping[str, str]) -> str:
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"/wiki/plugins/servlet/ac/{quote(app.key)}/{quote(module_key)}{query}"


def space_parameters(space: Space) -> dict[str, str]:
    return {"space.id": str(space.id), "space.key": space.key}


def avatar(person: Person | None, size: str = "small") -> str:
    if person is None:
        return f'<span class="avatar avatar-{size} avatar-nobody" aria-hidden="true">?</span>'
    initials = "".join(word[0] for word in person.name.split()[:2])
    hue = sum(person.account_id.encode()) % 5
    return f'<span class="avatar avatar-{size} avatar-{hue}" aria-hidden="true">{esc(initials)}</span>'


def _choice(visitor: Visitor, person: Person | None) -> str:
    name = "Anonymous visitor" if person is None else person.name
    notes = [] if person is None else [note for note, holds in _notes(person) if holds]
    current = (None if person is None else person.account_id) == visitor.sight.account_id
    mark = ' aria-current="true"' if current else ""
    value = "anonymous" if person is None else person.account_id
    small = f"<small>{esc(', '.join(notes))}</small>" if notes else ""
    return (
        f'<button type="submit" name="account" value="{esc(value)}"{mark}>'
        f"{avatar(person)}<span>{esc(name)}{small}</span></button>"
    )


def _notes(person: Person) -> tuple[tuple[str, bool], ...]:
    return (("administrator", person.administers), ("deactivated", not person.active))


def _people_menu(visitor: Visitor) -> str:
    people = [person for person in list_people(visitor.sim.storage, visitor.site) if person.account_type != "app"]
    person = visitor.person
    name = "Anonymous" if person is None else person.name
    choices = "".join(_choice(visitor, one) for one in [*people, None])
    return f"""
<details class="menu" id="people-menu">
  <summary aria-label="Signed in as {esc(name)}; switch person">
  {avatar(person)}<span class="menu-name">{esc(name)}</span><span class="caret" aria-hidden="true"></span></summary>
  <form method="post" action="/wiki/host/person" class="menu-list">
    <p class="menu-title">Look at {esc(visitor.site.name)} as</p>
    <input type="hidden" name="next" value="{esc(visitor.path)}">{choices}
  </form>
</details>"""


def _header(visitor: Visitor) -> str:
    site, other = visitor.site, visitor.sim.other_site(visitor.site)
    app = visitor.sight.app
    admin = ""
    if visitor.sight.administers and app is not None:
        pages = [module for module in app.modules.values() if module.kind == "adminPages"]
        admin = "".join(
            f'<a href="{esc(module_address(app, module.key, {}))}">{esc(module.name)}</a>' for module in pages
        )
    other_theme = "Light theme" if visitor.theme == "dark" else "Dark theme"
    return f"""
<header class="top">
  <a class="brand" href="/"><span class="brand-mark" aria-hidden="true">{esc(site.name[0])}</span>{esc(site.name)}</a>
  <nav class="top-links" aria-label="Site">
    <a href="/">Spaces</a>{admin}
    <a class="leaves" href="{esc(other.origin)}/">{esc(other.name)}</a>
    <a class="leaves" href="{esc(visitor.sim.settings.chat_url)}/">Chat</a>
  </nav>
  <button type="button" class="quiet" id="theme-switch" data-light="Light theme" data-dark="Dark theme">
  {other_theme}</button>
  {_people_menu(visitor)}
</header>"""


def _link(address: str, name: str, active: str) -> str:
    mark = ' aria-current="page"' if address == active else ""
    return f'<li><a href="{esc(address)}"{mark}>{esc(name)}</a></li>'


def app_links(app: App | None, space: Space) -> list[tuple[str, str]]:
    """Address and name of what the app adds to the sidebar: web items, then lists of its custom content.

    A list that a web item already opens is not shown twice.
    """
    if app is None:
        return []
    keys: dict[str, str] = {}
    for item in app.web_items:
        if item.location == "system.space.sidebar/main-links" and item.page_key in app.modules:
            keys.setdefault(item.page_key, item.name)
    for custom in app.types.values():
        if custom.list_module in app.modules:
            keys.setdefault(custom.list_module, custom.name)
    return [(module_address(app, key, space_parameters(space)), name) for key, name in keys.items()]


def _sidebar(visitor: Visitor, page: Page, space: Space) -> str:
    links = "".join(_link(*link, page.active) for link in app_links(visitor.sight.app, space))
    rows = visitor.sim.storage.rows(
        "SELECT id, title FROM content WHERE space_id = ? AND kind = 'page' AND status = 'current' ORDER BY id",
        space.id,
    )
    pages = "".join(_link(f"/wiki/pages/viewpage.action?pageId={row['id']}", row["title"], page.active) for row in rows)
    settings = ""
    if visitor.sight.may_administer_space(space.id):
        address = f"/wiki/spaces/{space.key}/permissions"
        settings = f"<h2>Space settings</h2><ul>{_link(address, 'Permissions', page.active)}</ul>"
    return f"""
<aside class="side">
  <nav aria-label="{esc(space.name)}">
    <p class="side-space"><span class="space-mark" aria-hidden="true">{esc(space.key[:2])}</span>
    <a href="/wiki/spaces/{esc(space.key)}">{esc(space.name)}</a></p>
    <ul>{links}</ul>
    <h2>Pages</h2><ul>{pages}</ul>{settings}
  </nav>
</aside>"""


def render(visitor: Visitor, page: Page) -> str:
    """The whole document. Theme attributes are those of the product, which the Connect bridge reads."""
    theme = visitor.theme
    side = "" if page.space is None else _sidebar(visitor, page, page.space)
    scripts = "".join(f'<script src="{esc(source)}"></script>' for source in page.scripts)
    shape = "with-side" if side else "without-side"
    return f"""<!doctype html>
<html lang="en" data-theme="dark:dark light:light spacing:spacing typography:typography-adg3" data-color-mode="{theme}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{esc(page.title)} – {esc(visitor.site.name)}</title>
  <link rel="stylesheet" href="/host/host.css">
  <link rel="icon" href="/host/icon.svg">
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
{_header(visitor)}
<div class="frame {shape}">{side}
<main id="content" tabindex="-1">
{page.content}
</main>
</div>
<div id="flags" role="status" aria-live="polite"></div>
<script src="/host/host.js"></script>{scripts}
</body>
</html>"""


def plain(title: str, sentence: str, status: int) -> Page:
    return Page(title, f'<div class="notice"><h1>{esc(title)}</h1><p>{esc(sentence)}</p></div>', status=status)


def missing() -> Page:
    sentence = "This page does not exist, or you may not see it. Perhaps somebody else may: switch person above."
    return plain("Nothing here for you", sentence, 404)
