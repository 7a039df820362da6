"""REST v1, what is left of it for apps: people, custom content permissions, permission checks."""

from typing import Any

from local.confluence import shapes
from local.confluence.callers import BROWSER, NO_CHECK
from local.confluence.calls import Answer, Endpoint, Visit, check_fields, decimal, invalid, not_found
from local.confluence.content import Item, find_item
from local.confluence.granting import Change, Subject, change_grants, find_subject, rights_of_subject
from local.confluence.people import ROLES, Person, find_person, find_space_by_key, switches_of
from local.confluence.permissions import Sight
from local.confluence.refusals import Refused

EXPANSIONS = ("operations", "personalSpace", "isExternalCollaborator")


def _person(visit: Visit, person: Person | None, expansions: list[str]) -> Answer:
    shape = shapes.v1_user(person)
    shape["_expandable"] = {name: "" for name in ("operations", "personalSpace") if name not in expansions}
    shape["_links"] = {"base": visit.site.base_url, "context": "/wiki"}
    if "operations" in expansions:
        rights = [("use", "application")] if person is not None and person.active else []
        if person is not None and person.active and person.administers:
            rights += [("administer", "application"), ("create_space", "application")]
        shape["operations"] = shapes.operations(rights)["operations"]
    return Answer(200, shape)


def _expansions(visit: Visit) -> list[str]:
    expansions = visit.call.many("expand")
    if unknown := sorted(set(expansions) - set(EXPANSIONS)):
        raise invalid(f"cannot expand {', '.join(unknown)}")
    return expansions


def current_user(visit: Visit) -> Answer:
    account_id = visit.caller.account_id
    person = None if account_id is None else find_person(visit.sim.storage, visit.site, account_id)
    return _person(visit, person, _expansions(visit))


def user(visit: Visit) -> Answer:
    if visit.caller.account_id is None:
        raise Refused(403, "FORBIDDEN", "Anonymous visitors may not look people up.")
    account_id = visit.call.one("accountId")
    if not account_id:
        raise invalid("accountId is needed")
    person = find_person(visit.sim.storage, visit.site, account_id)
    if person is None:
        raise not_found("The user")
    return _person(visit, person, _expansions(visit))


def _subject(visit: Visit, document: Any) -> Subject:
    if not isinstance(document, dict):
        raise invalid("subject must be {type, identifier}")
    check_fields(document, ("type", "identifier"), ("type", "identifier"))
    if document["type"] not in {"user", "group"}:
        raise invalid("subject.type must be user or group")
    found = find_subject(visit.sim, visit.site, document["type"], str(document["identifier"]))
    if found is None:
        raise invalid("subject does not exist")
    return found


def _change(visit: Visit, document: Any) -> Change:
    if not isinstance(document, dict):
        raise invalid("operations must hold {key, target, access}")
    check_fields(document, ("key", "target", "access"), ("key", "target"))
    app = visit.sight.app
    custom = None if app is None else app.types.get(document["target"])
    if custom is None:
        raise invalid("target must be a type of the calling app")
    if document["key"] not in custom.permissions or not isinstance(document.get("access"), bool):
        raise invalid(f"key must be one of {', '.join(custom.permissions)} and access true or false")
    return Change(document["key"], custom.key, document["access"])


def grant_custom_content(visit: Visit) -> Answer:
    """For apps only, own types only; the caller must administer the space."""
    if visit.caller.kind == BROWSER:
        raise Refused(403, "FORBIDDEN", "Only apps may use this resource.")
    document = visit.call.json()
    check_fields(document, ("subject", "operations"), ("subject", "operations"))
    space = find_space_by_key(visit.sim.storage, visit.site, visit.call.path["key"])
    if space is None or not visit.sight.may_view_space(space.id):
        raise not_found("The space")
    if not visit.sight.may_administer_space(space.id):
        raise Refused(403, "FORBIDDEN", "The caller does not administer the space.")
    if switches_of(visit.sim.storage, visit.site).role_mode == ROLES:
        raise invalid("the site assigns rights by roles; permissions of a space can no longer be given one by one")
    subject = _subject(visit, document["subject"])
    if not isinstance(document["operations"], list) or not document["operations"]:
        raise invalid("operations must be a list of at least one operation")
    changes = [_change(visit, operation) for operation in document["operations"]]
    if ("read", "space") not in rights_of_subject(visit.sim, space, subject):
        raise invalid("'read space' permission doesn't exist for the given user or group")
    pairs = [(subject, change) for change in changes]
    change_grants(visit.sim, visit.site, space, pairs, actor_id=visit.caller.account_id)
    return Answer(200)


def _group_views(visit: Visit, group_id: str, item: Item) -> bool:
    rows = visit.sim.storage.rows("SELECT account_id FROM members WHERE group_id = ?", group_id)
    sights = [visit.sim.sight(visit.site, row["account_id"]) for row in rows]
    return bool(sights) and all(sight.may_view(item) for sight in sights)


def _allows(sight: Sight, item: Item, operation: str) -> bool:
    if operation == "read":
        return sight.may_view(item)
    return sight.may_update(item) if operation == "update" else sight.may_delete(item)


def check_permission(visit: Visit) -> Answer:
    """One's own rights are free to ask; those of others only Confluence administrators may check."""
    if visit.call.headers.get("x-atlassian-token") != NO_CHECK:
        raise Refused(403, "XSRF_CHECK_FAILED", "XSRF check failed: X-Atlassian-Token: no-check is missing.")
    document = visit.call.json()
    check_fields(document, ("subject", "operation"), ("subject", "operation"))
    operation = document["operation"]
    if operation not in {"read", "update", "delete"}:
        raise invalid("operation must be read, update or delete")
    subject = _subject(visit, document["subject"])
    if subject.id != visit.caller.account_id and not visit.sight.administers:
        raise Refused(403, "FORBIDDEN", "Only Confluence administrators may check others.")
    item = find_item(visit.sim.storage, visit.site, decimal(visit.call.path["id"], "id"))
    if item is None or item.status != "current":
        raise not_found("The content")
    if subject.type == "group":
        allowed = operation == "read" and _group_views(visit, subject.id, item)
    else:
        allowed = _allows(visit.sim.sight(visit.site, subject.id or None), item, operation)
    who = "User" if subject.type == "user" else subject.type.capitalize()
    reason = {"translation": f"{who} does not have permission to the content", "args": []}
    return Answer(200, {"hasPermission": allowed, "errors": [] if allowed else [reason], "_links": {}})


ENDPOINTS = (
    Endpoint("GET", "/user/current", "READ", current_user, frozenset({"expand"})),
    Endpoint("GET", "/user", "READ", user, frozenset({"accountId", "expand"})),
    Endpoint("POST", "/space/{key}/permission/custom-content", "WRITE", grant_custom_content),
    Endpoint("POST", "/content/{id}/permission/check", "READ", check_permission),
)
