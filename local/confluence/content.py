"""Pages, custom content and comments: rows, versions and states."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from local.confluence.people import Site
from local.confluence.storage import Storage, Value, timestamp

SORT_COLUMNS = {"id": "id", "created-date": "created_at", "modified-date": "modified_at", "title": "title"}


@dataclass(frozen=True, slots=True)
class Body:
    representation: str
    value: str


@dataclass(frozen=True, slots=True)
class Item:
    """`kind` is page, custom or comment; `container_kind` is space, page, blogpost, custom or comment."""

    id: int
    kind: str
    type: str
    status: str
    title: str
    space_id: int
    container_kind: str
    container_id: int
    author_id: str
    created_at: str
    modified_at: str
    modifier_id: str
    version: int
    message: str
    body: Body


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    created_at: str
    author_id: str
    message: str
    title: str
    body: Body


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asks to be stored."""

    kind: str
    type: str
    title: str
    space_id: int
    container_kind: str
    container_id: int
    body: Body


@dataclass(frozen=True, slots=True)
class Window:
    """One page of a keyset listing: the sort key, the last row already given, and how many rows at most."""

    sort: str
    after: tuple[Value, int] | None


def _item(row: sqlite3.Row) -> Item:
    return Item(
        id=row["id"],
        kind=row["kind"],
        type=row["type"],
        status=row["status"],
        title=row["title"],
        space_id=row["space_id"],
        container_kind=row["container_kind"],
        container_id=row["container_id"],
        author_id=row["author_id"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        modifier_id=row["modifier_id"],
        version=row["version"],
        message=row["message"],
        body=Body(row["representation"], row["body"]),
    )


def find_item(storage: Storage, site: Site, item_id: int) -> Item | None:
    row = storage.row("SELECT * FROM content WHERE site = ? AND id = ?", site.key, item_id)
    return None if row is None else _item(row)


def _keep_version(storage: Storage, item_id: int) -> None:
    storage.run(
        "INSERT INTO versions SELECT id, version, modified_at, modifier_id, message, title, representation, body"
        " FROM content WHERE id = ?",
        item_id,
    )


def add_item(storage: Storage, site: Site, draft: Draft, author_id: str) -> Item:
    now = timestamp()
    with storage.transaction():
        item_id = storage.next_content_id()
        storage.run(
            "INSERT INTO content (id, site, kind, type, status, title, space_id, container_kind, container_id,"
            " author_id, created_at, modified_at, modifier_id, version, message, representation, body)"
            " VALUES (?, ?, ?, ?, 'current', ?, ?, ?, ?, ?, ?, ?, ?, 1, '', ?, ?)",
            item_id,
            site.key,
            draft.kind,
            draft.type,
            draft.title,
            draft.space_id,
            draft.container_kind,
            draft.container_id,
            author_id,
            now,
            now,
            author_id,
            draft.body.representation,
            draft.body.value,
        )
        _keep_version(storage, item_id)
        row = storage.row("SELECT * FROM content WHERE id = ?", item_id)
    if row is None:
        raise LookupError(item_id)
    return _item(row)


def change_item(storage: Storage, item: Item, draft: Draft, *, modifier_id: str, version: int, message: str) -> bool:
    """Writes the next version unless somebody else wrote it first; returns whether it was written."""
    with storage.transaction():
        changed = storage.run(
            "UPDATE content SET status = 'current', title = ?, space_id = ?, container_kind = ?, container_id = ?,"
            " modified_at = ?, modifier_id = ?, version = ?, message = ?, representation = ?, body = ?"
            " WHERE id = ? AND version = ?",
            draft.title,
            draft.space_id,
            draft.container_kind,
            draft.container_id,
            timestamp(),
            modifier_id,
            version,
            message,
            draft.body.representation,
            draft.body.value,
            item.id,
            version - 1,
        )
        if changed:
            _keep_version(storage, item.id)
            move_contents(storage, item.id, draft.space_id)
    return changed == 1


def move_contents(storage: Storage, item_id: int, space_id: int) -> None:
    """Puts an item and everything below it into the space, whatever its status."""
    storage.run(
        "WITH RECURSIVE inside(id, kind) AS (SELECT id, kind FROM content WHERE id = ? UNION ALL"
        " SELECT c.id, c.kind FROM content c JOIN inside i ON c.container_id = i.id AND c.container_kind = i.kind)"
        " UPDATE content SET space_id = ? WHERE id IN (SELECT id FROM inside)",
        item_id,
        space_id,
    )


def trash_item(storage: Storage, item: Item) -> None:
    storage.run("UPDATE content SET status = 'trashed' WHERE id = ?", item.id)


def purge_item(storage: Storage, item: Item) -> None:
    """Removes the item for good, together with everything inside it."""
    with storage.transaction():
        kinds = "('custom', 'comment', 'page')"
        inside = storage.rows(
            f"SELECT * FROM content WHERE container_id = ? AND container_kind IN {kinds}",  # noqa: S608 constant
            item.id,
        )
        for row in inside:
            purge_item(storage, _item(row))
        storage.run("DELETE FROM versions WHERE content_id = ?", item.id)
        storage.run("DELETE FROM restrictions WHERE content_id = ?", item.id)
        storage.run("DELETE FROM content WHERE id = ?", item.id)


def find_version(storage: Storage, item: Item, number: int) -> Version | None:
    row = storage.row("SELECT * FROM versions WHERE content_id = ? AND number = ?", item.id, number)
    if row is None:
        return None
    body = Body(row["representation"], row["body"])
    return Version(row["number"], row["created_at"], row["author_id"], row["message"], row["title"], body)


def restrict(storage: Storage, item: Item, account_ids: Sequence[str]) -> None:
    """Only these accounts may see the item from now on; none lifts the restriction."""
    with storage.transaction():
        storage.run("DELETE FROM restrictions WHERE content_id = ?", item.id)
        for account_id in dict.fromkeys(account_ids):
            storage.run("INSERT INTO restrictions VALUES (?, ?)", item.id, account_id)


def restricted_to(storage: Storage, item: Item) -> list[str]:
    rows = storage.rows("SELECT account_id FROM restrictions WHERE content_id = ? ORDER BY rowid", item.id)
    return [row["account_id"] for row in rows]


def sort_value(item: Item, sort: str) -> Value:
    values: dict[str, Value] = {
        "id": item.id,
        "created_at": item.created_at,
        "modified_at": item.modified_at,
        "title": item.title,
    }
    return values[SORT_COLUMNS[sort.removeprefix("-")]]


def list_items(
    storage: Storage, site: Site, window: Window, *, conditions: Sequence[tuple[str, Sequence[Value]]]
) -> list[Item]:
    """Current items in keyset order after the window's mark.

    `conditions` are pairs of a column name of ours and the values it may have.
    """
    column = SORT_COLUMNS[window.sort.removeprefix("-")]
    down = window.sort.startswith("-")
    clauses, values = ["site = ?", "status = 'current'"], [site.key]
    arguments: list[Value] = [*values]
    for name, allowed in conditions:
        clauses.append(f"{name} IN ({', '.join('?' * len(allowed))})")
        arguments.extend(allowed)
    if window.after is not None:
        clauses.append(f"({column}, id) {'<' if down else '>'} (?, ?)")
        arguments.extend(window.after)
    order = "DESC" if down else "ASC"
    sql = f"SELECT * FROM content WHERE {' AND '.join(clauses)} ORDER BY {column} {order}, id {order}"  # noqa: S608 columns come from the table above
    return [_item(row) for row in storage.rows(sql, *arguments)]
