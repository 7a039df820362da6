"""Groups come and go, with their webhooks, and people join and leave them, of which no webhook tells."""

import uuid

from local.confluence.granting import GROUP
from local.confluence.payloads import group_payload
from local.confluence.people import Group, Site
from local.confluence.simulator import Simulator


def create_group(sim: Simulator, site: Site, name: str) -> Group:
    """A group of that name that was there before had another id."""
    group = Group(str(uuid.uuid4()), name)
    sim.storage.run("INSERT INTO groups (id, site, name) VALUES (?, ?, ?)", group.id, site.key, name)
    sim.senders[site.key].send("group_created", group_payload(group))
    return group


def remove_group(sim: Simulator, site: Site, group: Group) -> None:
    """Its rights in every space go with it, and no space says so."""
    with sim.storage.transaction():
        sim.storage.run("DELETE FROM members WHERE group_id = ?", group.id)
        sim.storage.run("DELETE FROM grants WHERE subject_type = ? AND subject_id = ?", GROUP, group.id)
        sim.storage.run("DELETE FROM groups WHERE site = ? AND id = ?", site.key, group.id)
    sim.senders[site.key].send("group_removed", group_payload(group))


def join(sim: Simulator, group: Group, account_id: str) -> None:
    sim.storage.run("INSERT OR IGNORE INTO members VALUES (?, ?)", group.id, account_id)


def leave(sim: Simulator, group: Group, account_id: str) -> None:
    sim.storage.run("DELETE FROM members WHERE group_id = ? AND account_id = ?", group.id, account_id)
