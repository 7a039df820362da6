"""REST v2 for spaces, pages and people: what they are and what the caller may do there."""

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
from local.confluence.people import Space, find_person, find_space, list_spaces, lists_app_types
from local.confluence.refusals import Refused
from local.confluence.rest_content import visible_item
from local.confluence.storage import Value

SPACE_SORTS = both_directions("id", "key", "name")
PAGE_REPRESENTATIONS = ("storage", "atlas_doc_format")
MAX_PEOPLE = 250


def _space(visit: Visit) -> Space:
    found = find_space(visit.sim.storage, visit.site, visit.call.number("id"))
    if found is None or not visit.sight.may_view_space(found.id):
        raise not_found("The space")
    return found


def _sort_value(space: Space, sort: str) -> Value:
    values: dict[str, Value] = {"id": space.id, "key": space.key, "name": space.name}
    return values[sort.removeprefix("-")]


def list_all(visit: Visit) -> Answer:
    call = visit.call
    ids, keys = call.many_ids("ids"), call.many("keys")
    window, limit = window_of(visit, SPACE_SORTS), limit_of(call)
    kinds = call.choice("type", ("global", "collaboration", "knowledge_base", "personal"))
    status = call.choice("status", ("current", "archived"))
    spaces = [space for space in list_spaces(visit.sim.storage, visit.site) if visit.sight.may_view_space(space.id)]
    if ids:
        spaces = [space for space in spaces if space.id in ids]
    if keys:
        spaces = [space for space in spaces if space.key in keys]
    if kinds not in {None, "global"} or status == "archived":
        spaces = []

    def place(space: Space) -> tuple[Value, int]:
        return _sort_value(space, window.sort), space.id

    down = window.sort.startswith("-")
    spaces.sort(key=lambda space: (str(place(space)[0]), space.id) if window.sort != "id" else ("", space.id))
    if down:
        spaces.reverse()
    if window.after is not None:
        marks = [place(space) for space in spaces]
        spaces = spaces[marks.index(window.after) + 1 :] if window.after in marks else []
    mark = place(spaces[limit - 1]) if len(spaces) > limit else None
    return listing(visit, [shapes.space(space) for space in spaces[:limit]], mark)


def read(visit: Visit) -> Answer:
    return Answer(200, shapes.with_base(shapes.space(_space(visit)), visit.site))


def operations(visit: Visit) -> Answer:
    """What the caller may do in the space; a site may leave the app's own types out of this list."""
    space = _space(visit)
    rights = visit.sight.rights_in(space.id)
    if not lists_app_types(visit.sim.storage, visit.site):
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
    if not lists_app_types(visit.sim.storage, visit.site):
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


def read_page(visit: Visit) -> Answer:
    page = visible_item(visit, visit.call.number("id"), "page", "The page")
    representation = visit.call.choice("body-format", PAGE_REPRESENTATIONS)
    return Answer(200, shapes.with_base(shapes.page(page, representation), visit.site))


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


def page_operations(visit: Visit) -> Answer:
    page = visible_item(visit, visit.call.number("id"), "page", "The page")
    rights = [("read", "page")]
    if visit.sight.may_update(page):
        rights.append(("update", "page"))
    return Answer(200, shapes.operations(rights))


SPACE_LIST = frozenset({"ids", "keys", "type", "status", "sort", "cursor", "limit"})
ENDPOINTS = (
    Endpoint("GET", "/spaces", "READ", list_all, SPACE_LIST),
    Endpoint("GET", "/spaces/{id}", "READ", read),
    Endpoint("GET", "/spaces/{id}/operations", "READ", operations),
    Endpoint("GET", "/spaces/{id}/permissions", "READ", permissions, frozenset({"cursor", "limit"})),
    Endpoint("GET", "/pages/{id}", "READ", read_page, frozenset({"body-format", "include-version"})),
    Endpoint("GET", "/pages/{id}/operations", "READ", page_operations),
    Endpoint("POST", "/users-bulk", "READ", read_people),
)
