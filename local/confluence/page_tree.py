"""Pages come, move, go to the trash and come back, as people do it in the product, with the webhooks that follow."""

from local.confluence.content import Draft, Item, add_item, find_item, move_contents, purge_item, trash_item
from local.confluence.payloads import page_payload
from local.confluence.people import Site
from local.confluence.simulator import Simulator


def _announce(sim: Simulator, site: Site, event: str, page: Item, actor_id: str) -> None:
    sim.senders[site.key].send(event, page_payload(sim.storage, site, page, actor_id))


def _again(sim: Simulator, site: Site, page: Item) -> Item:
    return find_item(sim.storage, site, page.id) or page


def create_page(sim: Simulator, site: Site, draft: Draft, *, actor_id: str) -> Item:
    page = add_item(sim.storage, site, draft, actor_id)
    _announce(sim, site, "page_created", page, actor_id)
    return page


def move_page(sim: Simulator, site: Site, page: Item, *, space_id: int, place: tuple[str, int], actor_id: str) -> Item:
    """Puts the page elsewhere; what is below it goes along into the space, without a webhook of its own.

    `place` is kind and id of the new container: the space, or a page in it.
    """
    with sim.storage.transaction():
        move_contents(sim.storage, page.id, space_id)
        sim.storage.run("UPDATE content SET container_kind = ?, container_id = ? WHERE id = ?", *place, page.id)
    moved = _again(sim, site, page)
    _announce(sim, site, "page_moved", moved, actor_id)
    return moved


def trash_page(sim: Simulator, site: Site, page: Item, *, actor_id: str) -> Item:
    """Pages below, those in the trash as well, move up to where it was.

    Custom content and comments stay in it and keep their own status.
    """
    with sim.storage.transaction():
        sim.storage.run(
            "UPDATE content SET container_kind = ?, container_id = ?"
            " WHERE kind = 'page' AND container_kind = 'page' AND container_id = ?",
            page.container_kind,
            page.container_id,
            page.id,
        )
        trash_item(sim.storage, page)
    trashed = _again(sim, site, page)
    _announce(sim, site, "page_trashed", trashed, actor_id)
    return trashed


def restore_page(sim: Simulator, site: Site, page: Item, *, actor_id: str) -> Item:
    """Back to where it was, or to where that place's own pages have moved up to."""
    sim.storage.run("UPDATE content SET status = 'current' WHERE id = ?", page.id)
    restored = _again(sim, site, page)
    _announce(sim, site, "page_restored", restored, actor_id)
    return restored


def purge_page(sim: Simulator, site: Site, page: Item, *, actor_id: str) -> None:
    """Removes the page for good, with all it holds; only the page itself is announced."""
    purge_item(sim.storage, page)
    _announce(sim, site, "page_removed", page, actor_id)
