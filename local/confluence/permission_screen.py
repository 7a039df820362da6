"""Space settings → Permissions: the grid of rights per subject, with the app's types as groups of their own."""

from collections.abc import Mapping

from local.confluence.granting import (
    ANONYMOUS,
    GROUP,
    USER,
    Change,
    Subject,
    change_grants,
    find_subject,
    rights_of_subject,
    subjects_of,
)
from local.confluence.page_parts import Page, Visitor, avatar, esc, missing, plain
from local.confluence.people import APP_GROUP, Space, find_person, find_space_by_key, list_groups, list_people

SPACE_COLUMNS = (
    ("View", "read", "space"),
    ("Add pages", "create", "page"),
    ("Comment", "create", "comment"),
    ("Administer", "administer", "space"),
)
WORDS = {"read": "View", "create": "Add", "delete": "Delete"}
SEPARATOR = "|"

type Group = tuple[str, list[tuple[str, str, str]]]


def _groups(visitor: Visitor) -> list[Group]:
    """Rows of each card: a name and its boxes as (word, operation, target)."""
    groups: list[Group] = [("Space", list(SPACE_COLUMNS))]
    app = visitor.sight.app
    groups.extend(
        (custom.name, [(WORDS[one], one, custom.key) for one in custom.permissions])
        for custom in (app.types.values() if app is not None else ())
        if custom.permissions
    )
    return groups


def _subject_name(visitor: Visitor, subject: Subject) -> tuple[str, str]:
    """Name and kind, in words."""
    if subject.type == ANONYMOUS:
        return "Anonymous visitors", "people who are not signed in"
    if subject.type == GROUP:
        names = {group.id: group.name for group in list_groups(visitor.sim.storage, visitor.site)}
        name = names.get(subject.id, subject.id)
        return name, "the accounts of apps" if name == APP_GROUP else "group"
    person = find_person(visitor.sim.storage, visitor.site, subject.id)
    return ("Former user" if person is None else person.name), "person"


def _boxes(subject: Subject, group: Group, held: set[tuple[str, str]]) -> str:
    name, columns = group
    boxes = "".join(
        f'<label class="box"><input type="checkbox" name="grant" value="{esc(SEPARATOR.join(value))}"'
        f"{' checked' if (operation, target) in held else ''}> {esc(word)}</label>"
        for word, operation, target in columns
        for value in [(subject.type, subject.id, operation, target)]
    )
    return f'<fieldset class="rights"><legend>{esc(name)}</legend><div class="boxes">{boxes}</div></fieldset>'


def _card(visitor: Visitor, space: Space, subject: Subject, groups: list[Group]) -> str:
    name, kind = _subject_name(visitor, subject)
    held = rights_of_subject(visitor.sim, space, subject)
    person = find_person(visitor.sim.storage, visitor.site, subject.id) if subject.type == USER else None
    mark = f'<span class="avatar avatar-small avatar-group" aria-hidden="true">{esc(name[0].upper())}</span>'
    picture = mark if person is None else avatar(person)
    sections = "".join(_boxes(subject, group, held) for group in groups)
    value = f"{subject.type}{SEPARATOR}{subject.id}"
    return (
        f'<section class="subject" aria-label="{esc(name)}"><h2>{picture}<span>{esc(name)}<small>{esc(kind)}</small>'
        f'</span></h2><input type="hidden" name="subject" value="{esc(value)}">{sections}</section>'
    )


def _addable(visitor: Visitor, present: list[Subject]) -> str:
    subjects = [Subject(GROUP, group.id) for group in list_groups(visitor.sim.storage, visitor.site)]
    subjects += [
        Subject(USER, person.account_id)
        for person in list_people(visitor.sim.storage, visitor.site)
        if person.account_type != "app"
    ]
    subjects.append(Subject(ANONYMOUS, ""))
    values = {
        f"{subject.type}{SEPARATOR}{subject.id}": _subject_name(visitor, subject)[0]
        for subject in subjects
        if subject not in present
    }
    options = "".join(f'<option value="{esc(value)}">{esc(name)}</option>' for value, name in values.items())
    return (
        '<form method="get" class="adder"><label for="add">Give rights to somebody else</label>'
        f'<select id="add" name="add">{options}</select><button type="submit">Show</button></form>'
    )


def show_permissions(visitor: Visitor, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    space = find_space_by_key(visitor.sim.storage, visitor.site, path["key"])
    if space is None or not visitor.sight.may_view_space(space.id):
        return missing()
    if not visitor.sight.may_administer_space(space.id):
        sentence = f"Only administrators of {space.name} may see and change its permissions."
        return plain("Only for space administrators", sentence, 403)
    subjects = subjects_of(visitor.sim, space)
    kind, _, identifier = query.get("add", "").partition(SEPARATOR)
    added = find_subject(visitor.sim, visitor.site, kind, identifier) if kind else None
    if added is not None and added not in subjects:
        subjects.append(added)
    groups = _groups(visitor)
    cards = "".join(_card(visitor, space, subject, groups) for subject in subjects)
    saved = '<p class="hint good" role="status">Permissions are saved.</p>' if "saved" in query else ""
    content = f"""
<h1>Permissions</h1>
<p class="lead">Who may do what in {esc(space.name)}. Nothing counts without “View” in the row “Space”.</p>{saved}
<form method="post" action="/wiki/host/permissions" class="grid-form">
  <input type="hidden" name="space" value="{esc(space.key)}">
  <div class="subjects">{cards}</div>
  <p class="save-bar"><button type="submit" class="primary">Save permissions</button></p>
</form>
{_addable(visitor, subjects)}"""
    return Page("Permissions", content, space, f"/wiki/spaces/{space.key}/permissions")


def save_permissions(visitor: Visitor, form: list[tuple[str, str]]) -> Space | None:
    """Stores the boxes of the subjects the form showed; None when the visitor may not do this."""
    values = dict(form)
    space = find_space_by_key(visitor.sim.storage, visitor.site, values.get("space", ""))
    if space is None or not visitor.sight.may_administer_space(space.id):
        return None
    granted = {value for name, value in form if name == "grant"}
    changes = []
    for value in [value for name, value in form if name == "subject"]:
        kind, _, identifier = value.partition(SEPARATOR)
        subject = find_subject(visitor.sim, visitor.site, kind, identifier)
        if subject is None:
            continue
        for _, columns in _groups(visitor):
            for _, operation, target in columns:
                box = SEPARATOR.join((subject.type, subject.id, operation, target))
                changes.append((subject, Change(operation, target, box in granted)))
    change_grants(visitor.sim, visitor.site, space, changes, actor_id=visitor.sight.account_id)
    return space
