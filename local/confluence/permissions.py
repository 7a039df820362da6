"""What one account may see and do on one site: the space grid, the app's types, restrictions, containers."""

from collections import defaultdict
from collections.abc import Mapping

from local.confluence.content import Item, find_item
from local.confluence.descriptor import App, CustomType
from local.confluence.people import Site, find_person, group_ids_of
from local.confluence.storage import Storage

type Right = tuple[str, str]

SPACE_RIGHTS: tuple[Right, ...] = (
    ("read", "space"),
    ("create", "page"),
    ("create", "comment"),
    ("administer", "space"),
)


def rights_of_app(app: App | None) -> tuple[Right, ...]:
    """The rights an installed app adds to every space's grid."""
    if app is None:
        return ()
    return tuple((operation, custom.key) for custom in app.types.values() for operation in custom.permissions)


class Sight:
    """Answers for one request; `account_id` None is an anonymous visitor, an inactive account holds nothing."""

    def __init__(self, storage: Storage, site: Site, account_id: str | None, app: App | None) -> None:
        self._storage = storage
        self._site = site
        self.account_id = account_id
        self.app = app
        self._types: Mapping[str, CustomType] = {} if app is None else app.types
        self._visible: dict[int, bool] = {}
        person = None if account_id is None else find_person(storage, site, account_id)
        self.administers = person is not None and person.active and person.administers
        self._rights = self._load(lost=account_id is not None and (person is None or not person.active))

    def _load(self, *, lost: bool) -> Mapping[int, set[Right]]:
        rights: defaultdict[int, set[Right]] = defaultdict(set)
        if lost:
            return rights
        subjects = {("anonymous", "")}
        if self.account_id is not None:
            subjects.add(("user", self.account_id))
            subjects.update(("group", group) for group in group_ids_of(self._storage, self.account_id))
        rows = self._storage.rows(
            "SELECT g.* FROM grants g JOIN spaces s ON s.id = g.space_id WHERE s.site = ?", self._site.key
        )
        for row in rows:
            if (row["subject_type"], row["subject_id"]) in subjects:
                rights[row["space_id"]].add((row["operation"], row["target_type"]))
        return rights

    def holds(self, space_id: int, operation: str, target: str) -> bool:
        """Nothing is held in a space that may not be viewed, nor a right the installed app does not declare."""
        held = self._rights.get(space_id, set())
        if ("read", "space") not in held or (operation, target) not in held:
            return False
        if not target.startswith("ac:"):
            return True
        custom = self._types.get(target)
        # Anonymous visitors are refused types with a permission list even in open spaces, as the product does.
        return custom is not None and operation in custom.permissions and self.account_id is not None

    def may_view_space(self, space_id: int) -> bool:
        return self.holds(space_id, "read", "space")

    def may_administer_space(self, space_id: int) -> bool:
        return self.holds(space_id, "administer", "space")

    def rights_in(self, space_id: int) -> list[Right]:
        rights = (*SPACE_RIGHTS, *rights_of_app(self.app))
        return [right for right in rights if self.holds(space_id, *right)]

    def may_view(self, item: Item) -> bool:
        """Whether the item and everything that contains it may be seen; its own status does not count here."""
        if item.id not in self._visible:
            self._visible[item.id] = self._views(item)
        return self._visible[item.id]

    def _views(self, item: Item) -> bool:
        if not self.may_view_space(item.space_id) or not self._unrestricted(item):
            return False
        if item.kind == "custom":
            custom = self._types.get(item.type)
            if custom is None:
                return False
            if "read" in custom.permissions and not self.holds(item.space_id, "read", item.type):
                return False
        if item.container_kind == "space":
            return True
        container = find_item(self._storage, self._site, item.container_id)
        return container is not None and container.status == "current" and self.may_view(container)

    def _unrestricted(self, item: Item) -> bool:
        rows = self._storage.rows("SELECT account_id FROM restrictions WHERE content_id = ?", item.id)
        return not rows or self.account_id in {row["account_id"] for row in rows}

    def may_create(self, custom: CustomType, space_id: int) -> bool:
        """Types without a permission list follow the space: whoever may view it may add to what they see."""
        if self.account_id is None or not self.may_view_space(space_id):
            return False
        return "create" not in custom.permissions or self.holds(space_id, "create", custom.key)

    def may_delete(self, item: Item) -> bool:
        """Authors may take back their own; otherwise the type's delete right, or space administration without one."""
        if self.account_id is None or not self.may_view(item):
            return False
        if item.author_id == self.account_id:
            return True
        custom = self._types.get(item.type)
        if custom is not None and "delete" in custom.permissions:
            return self.holds(item.space_id, "delete", item.type)
        return self.may_administer_space(item.space_id)

    def may_update(self, item: Item) -> bool:
        """Authors and those who may delete the item: the strict reading of what the product leaves open."""
        return self.may_delete(item)

    def rights_on(self, item: Item) -> list[Right]:
        """The operations of `/custom-content/{id}/operations` for this account."""
        custom = self._types.get(item.type)
        if custom is None or not self.may_view(item):
            return []
        rights = [("read", item.type)]
        if self.may_create(custom, item.space_id):
            rights.append(("create", item.type))
        if self.may_update(item):
            rights.append(("update", item.type))
        if self.may_delete(item):
            rights.append(("delete", item.type))
        if "comment" in custom.children and self.holds(item.space_id, "create", "comment"):
            rights.append(("create", "comment"))
        return rights
