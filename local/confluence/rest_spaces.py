"""REST v2 for spaces and people: what they are, what the caller may do there, and how the site knows rights."""

import operator
from typing import Any

from local.confluence import shapes
from local.confluence.calls import (
    Answer,
    Endpoint,
    Visit,
    both_directions,
    check_fields,
    invalid,
    limit_of,
    listing,
    not_found,
    window_of,
)
from local.confluence.people import (
    ARCHIVED,
    CURRENT,
    Space,
    find_person,
    find_space,
    list_spaces,
    switches_of,
)
from local.confluence.refusals import Refused

SPACE_SORTS = both_directions("id", "key", "name")
SPACE_TYPES = ("global", "collaboration", "knowledge_base", "personal")
MAX_PEOPLE = 250


def _space(visit: Visit) -> Space:
    found = find_space(visit.sim.storage, visit.site, visit.call.number("id"))
    if found is None or not visit.sight.may_view_space(found.id):
        raise not_found("The space")
    return found


def _place(space: Space, sort: str) -> tuple[Any, int]:
    """Where the space stands in the order; its id decides between equals."""
    values = {"id": space.id, "key": space.key, "name": space.name}
    return values[sort.removeprefix("-")], space.id


def _wanted(visit: Visit) -> list[Space]:
    call = visit.call
    ids, keys = call.many_ids("ids"), call.many("keys")
    kind, status = call.choice("type", SPACE_TYPES), call.choice("status", (CURRENT, ARCHIVED))
    return [
        space
        for space in list_spaces(visit.sim.storage, visit.site)
        if visit.sight.may_view_space(space.id)
        and (not ids or space.id in ids)
        and (not keys or space.key in keys)
        and kind in {None, space.type}
        and status in {None, space.status}
    ]


def list_all(visit: Visit) -> Answer:
    window, limit = window_of(visit, SPACE_SORTS), limit_of(visit.call)
    down = window.sort.startswith("-")
    spaces = sorted(_wanted(visit), key=lambda space: _place(space, window.sort), reverse=down)
    if window.after is not None:
        # The space at the mark may be gone by now, so its place counts and not the space itself.
        beyond = operator.lt if down else operator.gt
        spaces = [space for space in spaces if beyond(_place(space, window.sort), window.after)]
    mark = _place(spaces[limit - 1], window.sort) if len(spaces) > limit else None
    return listing(visit, [shapes.space(space) for space in spaces[:limit]], mark)


def read(visit: Visit) -> Answer:
    return Answer(200, shapes.with_base(shapes.space(_space(visit)), visit.site))


def operations(visit: Visit) -> Answer:
    """What the caller may do in the space; a site may leave the app's own types out of this list."""
    space = _space(visit)
    rights = visit.sight.rights_in(space.id)
    if not switches_of(visit.sim.storage, visit.site).lists_app_types:
        rights = [right for right in rights if not right[1].startswith("ac:")]
    return Answer(200, shapes.operations(rights))


def permissions(visit: Visit) -> Answer:
    """Assignments of the space. Anonymous access has no principal in this API and is left out."""
    space = _space(visit)
    window, limit = window_of(visit, ["id"]), limit_of(visit.call)
    after = 0 if window.after is None else window.after[1]
    rows = visit.sim.storage.rows(
        "SELECT * FROM grants WHERE space_id = ? AND id > ? AND subject_type != 'anonymous' ORDER BY id",
        space.id,
        after,
    )
    if not switches_of(visit.sim.storage, visit.site).lists_app_types:
        rows = [row for row in rows if not row["target_type"].startswith("ac:")]
    assignments = [
        {
            "id": str(row["id"]),
            "principal": {"type": row["subject_type"], "id": row["subject_id"]},
            "operation": {"key": row["operation"], "targetType": row["target_type"]},
        }
        for row in rows[:limit]
    ]
    last = rows[limit - 1]["id"] if len(rows) > limit else None
    return listing(visit, assignments, None if last is None else (last, last))


def read_people(visit: Visit) -> Answer:
    document = visit.call.json()
    check_fields(document, ("accountIds",), ("accountIds",))
    account_ids = document["accountIds"]
    if not isinstance(account_ids, list) or not 1 <= len(account_ids) <= MAX_PEOPLE:
        raise invalid(f"accountIds must be a list of 1 to {MAX_PEOPLE} account ids")
    if not all(isinstance(account_id, str) for account_id in account_ids):
        raise invalid("accountIds must hold texts")
    if visit.caller.account_id is None:
        raise Refused(404, "NOT_FOUND", "Anonymous visitors may not look people up.")
    found = [find_person(visit.sim.storage, visit.site, account_id) for account_id in dict.fromkeys(account_ids)]
    return listing(visit, [shapes.v2_user(person) for person in found if person is not None], None)


def role_mode(visit: Visit) -> Answer:
    """For everybody who may use the site, which anonymous visitors may not."""
    if visit.caller.account_id is None:
        raise not_found("The role mode")
    return Answer(200, {"mode": switches_of(visit.sim.storage, visit.site).role_mode})


SPACE_LIST = frozenset({"ids", "keys", "type", "status", "sort", "cursor", "limit"})
ENDPOINTS = (
    Endpoint("GET", "/spaces", "READ", list_all, SPACE_LIST),
    Endpoint("GET", "/spaces/{id}", "READ", read),
    Endpoint("GET", "/spaces/{id}/operations", "READ", operations),
    Endpoint("GET", "/spaces/{id}/permissions", "READ", permissions, frozenset({"cursor", "limit"})),
    Endpoint("GET", "/space-role-mode", "READ", role_mode),
    Endpoint("POST", "/users-bulk", "READ", read_people),
)
