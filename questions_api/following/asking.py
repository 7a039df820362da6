"""Reading posts again: as the app, and as people for what the app is not shown; with a count of what it costs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lib.confluence import Caller, Confluence, Content, ContentKind, ContentPage, SpaceFacts
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.tenancy import AccountRow, Installation

_IN_ONE_REQUEST = 250

Witnesses = Mapping[ContentId, Sequence[AccountId]]
"""The people who are asked for an item that the app is not shown, in this order."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found of the items that were asked for."""

    contents: dict[ContentId, Content]
    hidden: frozenset[ContentId]
    """Those of them that only people are shown, and not the app: not everybody may see them."""


@dataclass(slots=True)
class Reader:
    """Reads one site for one run. `points` is what that has cost so far: one a request and one an object."""

    confluence: Confluence
    installation: Installation
    points: int = 0

    def page(self, kind: ContentKind, *, sort: str, link: str | None) -> ContentPage:
        """One page of the list of all items the app is shown."""
        self.points += 1
        found = self.confluence.contents_page(Caller(self.installation, None), kind, link=link, sort=sort)
        self.points += len(found.items)
        return found

    def contents(
        self, account_id: AccountId | None, kind: ContentKind, ids: Iterable[ContentId]
    ) -> dict[ContentId, Content]:
        """Those of the items that the person, or the app, is shown."""
        wanted = list(dict.fromkeys(ids))
        self.points += -(-len(wanted) // _IN_ONE_REQUEST)
        found = self.confluence.contents(Caller(self.installation, account_id), kind, wanted)
        self.points += len(found)
        return found

    def spaces(self, account_id: AccountId | None, ids: Iterable[SpaceId]) -> dict[SpaceId, SpaceFacts]:
        """Those of the spaces that the person, or the app, is shown."""
        wanted = list(dict.fromkeys(ids))
        self.points += -(-len(wanted) // _IN_ONE_REQUEST)
        found = self.confluence.spaces(Caller(self.installation, account_id), wanted)
        self.points += len(found)
        return found

    def shown(self, kind: ContentKind, ids: Iterable[ContentId], witnesses: Witnesses) -> Shown:
        """Those of the items that the app or one of their witnesses is shown; one request a person and turn."""
        wanted = list(dict.fromkeys(ids))
        by_app = self.contents(None, kind, wanted)
        found = dict(by_app)
        turns = max((len(people) for people in witnesses.values()), default=0)
        for turn in range(turns):
            unseen: dict[AccountId, list[ContentId]] = defaultdict(list)
            for content_id in wanted:
                people = witnesses.get(content_id, ())
                if content_id not in found and turn < len(people):
                    unseen[people[turn]].append(content_id)
            for account_id, missing in unseen.items():
                found |= self.contents(account_id, kind, missing)
        return Shown(found, frozenset(found.keys() - by_app.keys()))


def account_of(services: Services, tenant_id: TenantId, ref: int | None) -> AccountId | None:
    """The person behind the reference; None for a former user, and for nobody."""
    if ref is None:
        return None
    statement = select_rows(tenant_id, AccountRow.atlassian_account_id).where(AccountRow.account_ref == ref)
    found: AccountId | None = services.read(lambda session: session.scalar(statement), tenant_id=tenant_id)
    return found


def in_turn(*people: AccountId | None) -> tuple[AccountId, ...]:
    """The people to ask, each once."""
    return tuple(dict.fromkeys(person for person in people if person is not None))
