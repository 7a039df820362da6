"""Control of spaces: creating, archiving, copying and removing them, their grids."""

import re

from local.confluence.control_calls import Action, ControlRefused, Json, account_of, actor_of, space_of, text_of
from local.confluence.granting import Change, change_grants, find_subject
from local.confluence.people import (
    ARCHIVED,
    CURRENT,
    EVERYONE,
    GLOBAL,
    PERSONAL,
    Site,
    Space,
    find_group,
    find_space_by_key,
    list_people,
)
from local.confluence.simulator import Simulator
from local.confluence.spaces import NewSpace, copy_space, create_space, remove_space, set_status

# https://support.atlassian.com/confluence-cloud/docs/create-a-space/: keys of personal spaces begin with a tilde.
KEYS = {GLOBAL: re.compile(r"[A-Za-z0-9]{1,255}"), PERSONAL: re.compile(r"~[A-Za-z0-9_]{1,254}")}


def _shown(space: Space) -> Json:
    return {
        "spaceId": str(space.id),
        "key": space.key,
        "name": space.name,
        "type": space.type,
        "status": space.status,
        "homepageId": str(space.homepage_id),
    }


def _free_key(sim: Simulator, site: Site, body: Json, kind: str) -> str:
    key = text_of(body, "key")
    if kind not in KEYS:
        raise ControlRefused(400, f"type must be one of {', '.join(KEYS)}")
    if KEYS[kind].fullmatch(key) is None:
        raise ControlRefused(400, f"key does not suit a {kind} space")
    if find_space_by_key(sim.storage, site, key) is not None:
        raise ControlRefused(409, "the key is taken")
    return key


def create(sim: Simulator, site: Site, _path: Json, body: Json) -> Json:
    """`participants` names a group, everyone by default; the administrator is the site's, unless one is named."""
    kind = body.get("type", GLOBAL)
    group = find_group(sim.storage, site, str(body.get("participants", EVERYONE)))
    if group is None:
        raise ControlRefused(404, "no such group on this site")
    new = NewSpace(
        key=_free_key(sim, site, body, kind),
        name=text_of(body, "name"),
        type=kind,
        description=str(body.get("description", "")),
        participants=group.id,
        administrator=account_of(sim, site, body, "administrator") or _administrator(sim, site),
    )
    return _shown(create_space(sim, site, new))


def _administrator(sim: Simulator, site: Site) -> str:
    return next(person.account_id for person in list_people(sim.storage, site) if person.administers)


def _put(status: str) -> Action:
    def action(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
        space = space_of(sim, site, path["space_id"])
        return _shown(set_status(sim, site, space, status, actor_id=actor_of(sim, site, body, space)))

    return action


def copy(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """`copies` has the ids of the copies by those of the originals."""
    source = space_of(sim, site, path["space_id"])
    key, name = _free_key(sim, site, body, source.type), text_of(body, "name")
    space, copies = copy_space(sim, site, source, key=key, name=name, actor_id=actor_of(sim, site, body, source))
    return {**_shown(space), "copies": {str(old): str(new) for old, new in copies.items()}}


def remove(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    space = space_of(sim, site, path["space_id"])
    remove_space(sim, site, space, actor_id=actor_of(sim, site, body, space))
    return {"removed": str(space.id)}


def set_grants(sim: Simulator, site: Site, path: Json, body: Json) -> Json:
    """`subject` is {type: user|group|anonymous, identifier}; groups go by id or name."""
    space = space_of(sim, site, path["space_id"])
    named = body.get("subject", {})
    subject = find_subject(sim, site, str(named.get("type")), str(named.get("identifier", "")))
    if subject is None:
        raise ControlRefused(404, "no such subject on this site")
    changes = [
        (subject, Change(str(one["operation"]), str(one["targetType"]), bool(one["access"])))
        for one in body.get("operations", [])
    ]
    return {"changed": change_grants(sim, site, space, changes, actor_id=space.author_id)}


ACTIONS: tuple[tuple[str, str, Action], ...] = (
    ("POST", "/spaces", create),
    ("POST", "/spaces/{space_id:int}/archive", _put(ARCHIVED)),
    ("POST", "/spaces/{space_id:int}/unarchive", _put(CURRENT)),
    ("POST", "/spaces/{space_id:int}/copy", copy),
    ("DELETE", "/spaces/{space_id:int}", remove),
    ("PUT", "/spaces/{space_id:int}/grants", set_grants),
)
