"""Control of people and groups: leaving the company, joining a team."""

from local.confluence.control_calls import Action, ControlRefused, Json, flag_of, text_of
from local.confluence.groups import create_group, join, leave, remove_group
from local.confluence.payloads import person_payload
from local.confluence.people import (
    APP_GROUP,
    EVERYONE,
    Group,
    Site,
    find_group,
    find_person,
    members_of,
    set_active,
)
from local.confluence.simulator import Simulator


def set_person(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    if "active" not in body:
        raise ControlRefused(400, "active must be true or false")
    active = flag_of(body, "active", default=True)
    set_active(sim.storage, site, path["account_id"], active=active)
    person = find_person(sim.storage, site, path["account_id"])
    if person is None:
        raise ControlRefused(404, "no such account on this site")
    event = "user_reactivated" if active else "user_deactivated"
    sim.senders[site.key].send(event, person_payload(person))
    return {"accountId": person.account_id, "active": person.active}


def _group(sim: Simulator, site: Site, path: Json) -> Group:
    found = find_group(sim.storage, site, path["name"])
    if found is None:
        raise ControlRefused(404, "no such group on this site")
    return found


def _shown(sim: Simulator, group: Group) -> Json:
    return {"groupId": group.id, "name": group.name, "members": members_of(sim.storage, group)}


def add_group(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    name = text_of(body, "name")
    if find_group(sim.storage, site, name) is not None:
        raise ControlRefused(409, "the name is taken")
    return _shown(sim, create_group(sim, site, name))


def drop_group(sim: Simulator, site: Site, path: Json, _body: Json) -> Json:
    group = _group(sim, site, path)
    if group.name in {EVERYONE, APP_GROUP}:
        raise ControlRefused(409, "the site cannot do without this group")
    remove_group(sim, site, group)
    return {"removed": group.id}


def add_member(sim: Simulator, site: Site, path: Json, _body: Json) -> Json:
    group = _group(sim, site, path)
    if find_person(sim.storage, site, path["account_id"]) is None:
        raise ControlRefused(404, "no such account on this site")
    join(sim, group, path["account_id"])
    return _shown(sim, group)


def drop_member(sim: Simulator, site: Site, path: Json, _body: Json) -> Json:
    group = _group(sim, site, path)
    leave(sim, group, path["account_id"])
    return _shown(sim, group)


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("PUT", "/people/{account_id}", set_person),
    ("POST", "/groups", add_group),
    ("DELETE", "/groups/{name}", drop_group),
    ("PUT", "/groups/{name}/members/{account_id}", add_member),
    ("DELETE", "/groups/{name}/members/{account_id}", drop_member),
)
