"""Spaces come and go: creating, archiving, copying and removing them, with the webhooks that follow."""

from dataclasses import dataclass, replace

from local.confluence.cast import ADMINISTRATOR, FULL, PARTICIPANT, add_grants
from local.confluence.content import Body, Draft, Item, Window, add_item, list_items, restrict, restricted_to
from local.confluence.granting import GROUP, USER
from local.confluence.payloads import content_payload, page_payload, space_payload
from local.confluence.people import APP_GROUP, CURRENT, Site, Space, find_group
from local.confluence.simulator import Simulator
from local.confluence.storage import Value, timestamp

EMPTY = Body("storage", "")


@dataclass(frozen=True, slots=True)
class NewSpace:
    """`participants` is the id of a group, `administrator` an account id."""

    key: str
    name: str
    type: str
    description: str
    participants: str
    administrator: str


def _announce(sim: Simulator, site: Site, event: str, space: Space, actor_id: str) -> None:
    sim.senders[site.key].send(event, space_payload(sim.storage, site, space, actor_id))


def _add_space(sim: Simulator, site: Site, space: Space) -> None:
    sim.storage.run(
        "INSERT INTO spaces (id, site, key, name, type, status, author_id, created_at, homepage_id, description)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        space.id,
        site.key,
        space.key,
        space.name,
        space.type,
        space.status,
        space.author_id,
        space.created_at,
        space.homepage_id,
        space.description,
    )


def create_space(sim: Simulator, site: Site, new: NewSpace) -> Space:
    """A space with its home page and the grid every space of the cast has."""
    storage = sim.storage
    with storage.transaction():
        space_id = storage.next_content_id()
        home = add_item(
            storage,
            site,
            Draft("page", "page", f"{new.name} home", space_id, "space", space_id, EMPTY),
            new.administrator,
        )
        space = Space(
            id=space_id,
            key=new.key,
            name=new.name,
            type=new.type,
            status=CURRENT,
            author_id=new.administrator,
            created_at=home.created_at,
            homepage_id=home.id,
            description=new.description,
        )
        _add_space(sim, site, space)
        add_grants(storage, space_id, (GROUP, new.participants), PARTICIPANT)
        apps = find_group(storage, site, APP_GROUP)
        if apps is not None:
            add_grants(storage, space_id, (GROUP, apps.id), FULL)
        add_grants(storage, space_id, (USER, new.administrator), ADMINISTRATOR)
    _announce(sim, site, "space_created", space, new.administrator)
    sim.senders[site.key].send("page_created", page_payload(storage, site, home, new.administrator))
    return space


def set_status(sim: Simulator, site: Site, space: Space, status: str, *, actor_id: str) -> Space:
    """Archives a space or brings it back; what is as wished already is not announced.

    The grid stays as it is: that an archived space takes no writes is nowhere to be seen in its operations.
    """
    if space.status == status:
        return space
    changed = replace(space, status=status)
    sim.storage.run("UPDATE spaces SET status = ? WHERE site = ? AND id = ?", status, site.key, space.id)
    _announce(sim, site, "space_updated", changed, actor_id)
    return changed


def _inside(sim: Simulator, site: Site, kind: str, container_id: int) -> list[Item]:
    where: list[tuple[str, list[Value]]] = [
        ("container_kind", [kind]),
        ("container_id", [container_id]),
        ("kind", ["page", "custom"]),
    ]
    return list_items(sim.storage, site, Window("id", None), conditions=where)


def _copy_inside(sim: Simulator, site: Site, old: tuple[str, int], new: tuple[str, int, int]) -> list[tuple[int, Item]]:
    """Copies what the container `old` holds into `new` (kind, id, space id); pairs of old id and copy, outer first."""
    copies: list[tuple[int, Item]] = []
    for item in _inside(sim, site, *old):
        container_kind, container_id, space_id = new
        draft = Draft(item.kind, item.type, item.title, space_id, container_kind, container_id, item.body)
        made = add_item(sim.storage, site, draft, item.author_id)
        restrict(sim.storage, made, restricted_to(sim.storage, item))
        copies.append((item.id, made))
        copies.extend(_copy_inside(sim, site, (item.kind, item.id), (item.kind, made.id, space_id)))
    return copies


def copy_space(
    sim: Simulator, site: Site, source: Space, *, key: str, name: str, actor_id: str
) -> tuple[Space, dict[int, int]]:
    """A new space with copies of the current pages and custom content, their authors and restrictions, and the grid.

    Comments and earlier versions stay behind. Returns the copies' ids by those of their originals.
    """
    storage = sim.storage
    with storage.transaction():
        space_id = storage.next_content_id()
        copies = _copy_inside(sim, site, ("space", source.id), ("space", space_id, space_id))
        ids = {old: made.id for old, made in copies}
        space = replace(
            source,
            id=space_id,
            key=key,
            name=name,
            status=CURRENT,
            author_id=actor_id,
            created_at=timestamp(),
            homepage_id=ids.get(source.homepage_id, 0),
        )
        _add_space(sim, site, space)
        storage.run(
            "INSERT INTO grants (space_id, subject_type, subject_id, operation, target_type)"
            " SELECT ?, subject_type, subject_id, operation, target_type FROM grants WHERE space_id = ? ORDER BY id",
            space_id,
            source.id,
        )
    _announce(sim, site, "space_created", space, actor_id)
    for _, made in copies:
        if made.kind == "page":
            sim.senders[site.key].send("page_created", page_payload(storage, site, made, actor_id))
        else:
            sim.senders[site.key].send("content_created", content_payload(storage, site, made, actor_id))
    return space, ids


def remove_space(sim: Simulator, site: Site, space: Space, *, actor_id: str) -> None:
    """Removes the space and all it holds; only the space itself is announced."""
    storage = sim.storage
    contents = "(SELECT id FROM content WHERE space_id = ?)"
    with storage.transaction():
        storage.run(f"DELETE FROM versions WHERE content_id IN {contents}", space.id)  # noqa: S608 constant
        storage.run(f"DELETE FROM restrictions WHERE content_id IN {contents}", space.id)  # noqa: S608 constant
        storage.run("DELETE FROM content WHERE space_id = ?", space.id)
        storage.run("DELETE FROM grants WHERE space_id = ?", space.id)
        storage.run("DELETE FROM spaces WHERE site = ? AND id = ?", site.key, space.id)
    _announce(sim, site, "space_removed", space, actor_id)
