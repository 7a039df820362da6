"""Changing a space's permission grid, with the webhook that follows."""

from collections.abc import Sequence
from dataclasses import dataclass

from local.confluence.payloads import space_payload
from local.confluence.people import Site, Space, find_person, list_groups
from local.confluence.simulator import Simulator

USER, GROUP, ANONYMOUS = "user", "group", "anonymous"


@dataclass(frozen=True, slots=True)
class Subject:
    """`id` is an account id, a group id, or empty for anonymous visitors."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Change:
    operation: str
    target: str
    access: bool


def find_subject(sim: Simulator, site: Site, kind: str, identifier: str) -> Subject | None:
    """Groups may be named by id or by name; `anonymous` is a subject of its own."""
    if ANONYMOUS in {kind, identifier}:
        return Subject(ANONYMOUS, "")
    if kind == USER:
        return None if find_person(sim.storage, site, identifier) is None else Subject(USER, identifier)
    if kind == GROUP:
        found = [group for group in list_groups(sim.storage, site) if identifier in {group.id, group.name}]
        return Subject(GROUP, found[0].id) if found else None
    return None


def rights_of_subject(sim: Simulator, space: Space, subject: Subject) -> set[tuple[str, str]]:
    rows = sim.storage.rows(
        "SELECT operation, target_type FROM grants WHERE space_id = ? AND subject_type = ? AND subject_id = ?",
        space.id,
        subject.type,
        subject.id,
    )
    return {(row["operation"], row["target_type"]) for row in rows}


def subjects_of(sim: Simulator, space: Space) -> list[Subject]:
    rows = sim.storage.rows(
        "SELECT subject_type, subject_id, MIN(id) AS first FROM grants WHERE space_id = ?"
        " GROUP BY subject_type, subject_id ORDER BY first",
        space.id,
    )
    return [Subject(row["subject_type"], row["subject_id"]) for row in rows]


def _apply(sim: Simulator, space: Space, subject: Subject, change: Change) -> int:
    key = (space.id, subject.type, subject.id, change.operation, change.target)
    if change.access:
        return sim.storage.run(
            "INSERT OR IGNORE INTO grants (space_id, subject_type, subject_id, operation, target_type)"
            " VALUES (?, ?, ?, ?, ?)",
            *key,
        )
    return sim.storage.run(
        "DELETE FROM grants WHERE space_id = ? AND subject_type = ? AND subject_id = ? AND operation = ?"
        " AND target_type = ?",
        *key,
    )


def change_grants(
    sim: Simulator, site: Site, space: Space, changes: Sequence[tuple[Subject, Change]], *, actor_id: str | None
) -> int:
    """Applies all changes together, announces them once, and returns how many took effect."""
    with sim.storage.transaction():
        changed = sum(_apply(sim, space, subject, change) for subject, change in changes)
    if changed:
        payload = space_payload(sim.storage, site, space, actor_id)
        sim.senders[site.key].send("space_permissions_updated", payload)
    return changed
