"""Sites, people, groups and spaces: who and what exists before any permission is asked."""

import sqlite3
from dataclasses import dataclass

from local.confluence.storage import Storage

EVERYONE = "everyone"
APP_GROUP = "atlassian-addons"
GLOBAL, PERSONAL = "global", "personal"
CURRENT, ARCHIVED = "current", "archived"
PRE_ROLES, ROLES_TRANSITION, ROLES = ROLE_MODES = ("PRE_ROLES", "ROLES_TRANSITION", "ROLES")


@dataclass(frozen=True, slots=True)
class Site:
    """One Confluence site; `origin` is where its people reach it."""

    key: str
    name: str
    origin: str

    @property
    def base_url(self) -> str:
        return f"{self.origin}/wiki"


@dataclass(frozen=True, slots=True)
class Person:
    account_id: str
    name: str
    account_type: str
    active: bool
    administers: bool


@dataclass(frozen=True, slots=True)
class Space:
    id: int
    key: str
    name: str
    type: str
    status: str
    author_id: str
    created_at: str
    homepage_id: int
    description: str

    @property
    def is_archived(self) -> bool:
        return self.status == ARCHIVED


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Switches:
    """What a site does in its own way."""

    lists_app_types: bool
    role_mode: str
    licensed: bool


def _person(row: sqlite3.Row) -> Person:
    return Person(
        account_id=row["account_id"],
        name=row["name"],
        account_type=row["account_type"],
        active=bool(row["active"]),
        administers=bool(row["administers"]),
    )


def _space(row: sqlite3.Row) -> Space:
    return Space(
        id=row["id"],
        key=row["key"],
        name=row["name"],
        type=row["type"],
        status=row["status"],
        author_id=row["author_id"],
        created_at=row["created_at"],
        homepage_id=row["homepage_id"],
        description=row["description"],
    )


def find_person(storage: Storage, site: Site, account_id: str) -> Person | None:
    row = storage.row("SELECT * FROM people WHERE site = ? AND account_id = ?", site.key, account_id)
    return None if row is None else _person(row)


def list_people(storage: Storage, site: Site) -> list[Person]:
    """Every account of the site, people first in the order of the cast, the app's account last."""
    rows = storage.rows("SELECT * FROM people WHERE site = ? ORDER BY account_type = 'app', position", site.key)
    return [_person(row) for row in rows]


def find_space(storage: Storage, site: Site, space_id: int) -> Space | None:
    row = storage.row("SELECT * FROM spaces WHERE site = ? AND id = ?", site.key, space_id)
    return None if row is None else _space(row)


def find_space_by_key(storage: Storage, site: Site, key: str) -> Space | None:
    row = storage.row("SELECT * FROM spaces WHERE site = ? AND key = ?", site.key, key)
    return None if row is None else _space(row)


def list_spaces(storage: Storage, site: Site) -> list[Space]:
    return [_space(row) for row in storage.rows("SELECT * FROM spaces WHERE site = ? ORDER BY id", site.key)]


def list_groups(storage: Storage, site: Site) -> list[Group]:
    rows = storage.rows("SELECT id, name FROM groups WHERE site = ? ORDER BY rowid", site.key)
    return [Group(row["id"], row["name"]) for row in rows]


def find_group(storage: Storage, site: Site, name: str) -> Group | None:
    row = storage.row("SELECT id, name FROM groups WHERE site = ? AND name = ?", site.key, name)
    return None if row is None else Group(row["id"], row["name"])


def members_of(storage: Storage, group: Group) -> list[str]:
    rows = storage.rows("SELECT account_id FROM members WHERE group_id = ? ORDER BY account_id", group.id)
    return [row["account_id"] for row in rows]


def group_ids_of(storage: Storage, account_id: str) -> list[str]:
    rows = storage.rows("SELECT group_id FROM members WHERE account_id = ?", account_id)
    return [row["group_id"] for row in rows]


def set_active(storage: Storage, site: Site, account_id: str, *, active: bool) -> bool:
    """Returns whether the site has such an account."""
    sql = "UPDATE people SET active = ? WHERE site = ? AND account_id = ?"
    return storage.run(sql, int(active), site.key, account_id) == 1


def switches_of(storage: Storage, site: Site) -> Switches:
    row = storage.row("SELECT * FROM sites WHERE key = ?", site.key)
    if row is None:
        raise LookupError(site.key)
    return Switches(bool(row["lists_app_types"]), row["role_mode"], bool(row["licensed"]))


def set_switches(storage: Storage, site: Site, switches: Switches) -> None:
    storage.run(
        "UPDATE sites SET lists_app_types = ?, role_mode = ?, licensed = ? WHERE key = ?",
        int(switches.lists_app_types),
        switches.role_mode,
        int(switches.licensed),
        site.key,
    )
