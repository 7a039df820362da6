"""One call of the control interface as its actions see it: what was meant, or a refusal with one sentence."""

from collections.abc import Callable
from typing import Any

from local.confluence.content import Item, find_item
from local.confluence.people import Site, Space, find_person, find_space
from local.confluence.simulator import Simulator

type Json = dict[str, Any]
type Action = Callable[[Simulator, Site, Json, Json], Json]


class ControlRefused(Exception):
    """A control call that makes no sense; becomes a 4xx answer with one sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def account_of(sim: Simulator, site: Site, body: Json, name: str = "accountId") -> str | None:
    """An account id of the site, or None where none is named."""
    account_id = body.get(name)
    if account_id is not None and find_person(sim.storage, site, str(account_id)) is None:
        raise ControlRefused(404, "no such account on this site")
    return account_id


def actor_of(sim: Simulator, site: Site, body: Json, space: Space) -> str:
    """Who does it: the named account, or else the one that made the space."""
    return account_of(sim, site, body) or space.author_id


def text_of(body: Json, name: str, most: int = 255) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise ControlRefused(400, f"{name} must be a text of 1 to {most} characters")
    return value


def flag_of(body: Json, name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise ControlRefused(400, f"{name} must be true or false")
    return value


def space_of(sim: Simulator, site: Site, space_id: Any) -> Space:
    space = find_space(sim.storage, site, int(space_id))
    if space is None:
        raise ControlRefused(404, "no such space on this site")
    return space


def open_space_of(sim: Simulator, site: Site, space_id: Any) -> Space:
    """A space whose content may be changed."""
    space = space_of(sim, site, space_id)
    if space.is_archived:
        raise ControlRefused(409, "the space is archived")
    return space


def page_of(sim: Simulator, site: Site, page_id: Any, status: str) -> Item:
    page = find_item(sim.storage, site, int(page_id))
    if page is None or page.kind != "page":
        raise ControlRefused(404, "no such page on this site")
    if page.status != status:
        raise ControlRefused(409, f"the page is {page.status}")
    return page
