"""What Confluence's answer grants, cell by cell, and for how long it is believed."""

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, cast

import pytest

from lib.confluence import Assignment, Caller, Confluence, ConfluenceRefused, Place
from lib.errors import Unavailable
from lib.grants import (
    DENY_BELIEVED_S,
    GUESSES,
    GUESSES_WITHIN_S,
    READ_BELIEVED_S,
    SAVING_READ_BELIEVED_S,
    SPACE_INVISIBLE,
    TYPES_NOT_LISTED,
    WRITE_BELIEVED_S,
    Grant,
    GrantBook,
    Grants,
    Item,
    read_grants,
    read_probe,
)
from lib.principal import AccountId, ClientKey, ContentId, SpaceId, TenantId
from lib.problems import RateLimited
from lib.spaces import SiteSettings, Space, Spaces, SpaceSettings, SpaceStatus
from lib.tenancy import Installation, InstallationState
from tests.factories import ANSWER_TYPE, ENG, HR, QUESTION_TYPE, content
from tests.fakes import Clock, FakeConfluence
from tests.tokens import ACME_KEY, ALICE, BOB, CAROL, DAVE, GLOBEX_KEY, MALLORY

TYPES = {kind: f"ac:community-questions:cq-{kind}" for kind in ("question", "vote", "tag")}
OPERATIONS = {"view": "read", "add": "create", "delete": "delete"}
CELLS = list(product(TYPES, OPERATIONS))
ALICE_ID, BOB_ID, DAVE_ID = AccountId(ALICE), AccountId(BOB), AccountId(DAVE)


def installation(tenant_id: int = 1, client_key: str = ACME_KEY, epoch: int = 0) -> Installation:
    return Installation(
        tenant_id=TenantId(tenant_id),
        client_key=ClientKey(client_key),
        base_url="https://acme.atlassian.net/wiki",
        display_url=None,
        oauth_client_id="client",
        state=InstallationState.ACTIVE,
        permission_epoch=epoch,
        restriction_epoch=0,
        is_licensed=True,
        secret_version=1,
        key_salt=b"s" * 32,
    )


ACME = installation()


def cells(grants: Grants) -> dict[tuple[str, str], bool]:
    by_kind = {"question": grants.questions, "vote": grants.votes, "tag": grants.tags}
    return {(kind, right): getattr(by_kind[kind], right) for kind, right in CELLS}


@pytest.mark.parametrize("cell", CELLS)
def test_each_operation_grants_its_own_cell_only(cell: tuple[str, str]) -> None:
    kind, right = cell
    grants = read_grants(frozenset({(OPERATIONS[right], TYPES[kind]), ("read", "space")}), TYPES)

    assert cells(grants) == {other: other == cell for other in CELLS}
    assert grants.reason is None


@pytest.mark.parametrize("missing", CELLS)
def test_each_missing_operation_takes_its_own_cell_only(missing: tuple[str, str]) -> None:
    all_but_one = frozenset((OPERATIONS[right], TYPES[kind]) for kind, right in CELLS if (kind, right) != missing)
    assert cells(read_grants(all_but_one, TYPES)) == {cell: cell != missing for cell in CELLS}


def test_a_space_one_cannot_see_grants_nothing_and_says_why() -> None:
    assert read_grants(None, TYPES) == Grants(reason=SPACE_INVISIBLE)


@pytest.mark.parametrize(
    "operations",
    [
        frozenset(),
        frozenset({("read", "space"), ("create", "page"), ("delete", "comment")}),
        frozenset({("read", ANSWER_TYPE)}),
        frozenset({("read", "ac:another-app:cq-question"), ("create", "ac:another-app:cq-vote")}),
    ],
)
def test_a_site_that_does_not_list_our_types_grants_nothing(operations: frozenset[tuple[str, str]]) -> None:
    assert read_grants(operations, TYPES) == Grants(reason=TYPES_NOT_LISTED)


@pytest.mark.parametrize(
    "operation",
    [
        ("READ", TYPES["question"]),
        ("read", TYPES["question"].upper()),
        ("write", TYPES["question"]),
        ("read ", TYPES["tag"]),
    ],
)
def test_what_only_looks_like_an_operation_grants_nothing(operation: tuple[str, str]) -> None:
    assert not any(cells(read_grants(frozenset({operation}), TYPES)).values())


def test_a_space_administrator_holds_no_grants_by_that() -> None:
    only_administers = read_grants(frozenset({("administer", "space")}), TYPES)
    assert only_administers == Grants(administers_space=True, reason=TYPES_NOT_LISTED)
    both = read_grants(frozenset({("administer", "space"), ("read", TYPES["tag"])}), TYPES)
    assert both == Grants(tags=Grant(view=True), administers_space=True)
    assert not read_grants(frozenset({("administer", "application"), ("read", TYPES["tag"])}), TYPES).administers_space


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for account in (ALICE, BOB):
        site.allow(account, ENG, questions="va", votes="v")
        site.allow(account, HR, questions="v")
    site.allow(DAVE, ENG, questions="va", votes="v")
    return site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass(slots=True)
class KnownSpaces:
    """Spaces of which we know nothing but the epochs that a test raises."""

    epochs: dict[tuple[TenantId, SpaceId], int] = field(default_factory=dict)
    probes_rights: bool = False
    unknown: set[SpaceId] = field(default_factory=set)

    def of(self, tenant_id: TenantId, space_id: SpaceId) -> Space:
        epoch, is_known = self.epochs.get((tenant_id, space_id), 0), space_id not in self.unknown
        return Space(SpaceStatus.CURRENT, epoch, SpaceSettings(), is_enabled=True, is_known=is_known)

    def site(self, tenant_id: TenantId) -> SiteSettings:
        del tenant_id
        return SiteSettings(probes_rights=self.probes_rights)


@pytest.fixture
def spaces() -> KnownSpaces:
    return KnownSpaces()


@pytest.fixture
def book(confluence: FakeConfluence, spaces: KnownSpaces, clock: Clock) -> GrantBook:
    return GrantBook(cast("Confluence", confluence), cast("Spaces", spaces), clock)


def test_grants_are_those_of_the_account_in_the_space(book: GrantBook) -> None:
    assert book.of(ACME, ALICE_ID, ENG) == Grants(Grant(view=True, add=True), Grant(view=True))
    assert book.of(ACME, ALICE_ID, HR) == Grants(Grant(view=True))
    assert book.of(ACME, DAVE_ID, HR) == Grants(reason=SPACE_INVISIBLE)
    assert book.of(ACME, AccountId(CAROL), ENG) == Grants(reason=SPACE_INVISIBLE)


@pytest.mark.parametrize(("for_write", "believed_s"), [(True, WRITE_BELIEVED_S), (False, READ_BELIEVED_S)])
def test_an_allow_is_believed_for_its_time(
    book: GrantBook, confluence: FakeConfluence, clock: Clock, for_write: bool, believed_s: float
) -> None:
    assert book.of(ACME, ALICE_ID, ENG, for_write=for_write).questions.add
    confluence.shut_out(ALICE, ENG)

    clock.pass_(believed_s - 0.01)
    assert book.of(ACME, ALICE_ID, ENG, for_write=for_write).questions.add
    clock.pass_(0.01)
    assert book.of(ACME, ALICE_ID, ENG, for_write=for_write) == Grants(reason=SPACE_INVISIBLE)


@pytest.mark.parametrize("for_write", [True, False])
def test_a_deny_is_believed_for_thirty_seconds(
    book: GrantBook, confluence: FakeConfluence, clock: Clock, for_write: bool
) -> None:
    assert not book.of(ACME, DAVE_ID, HR, for_write=for_write).questions.view
    confluence.allow(DAVE, HR, questions="v")

    clock.pass_(DENY_BELIEVED_S - 0.01)
    assert not book.of(ACME, DAVE_ID, HR, for_write=for_write).questions.view
    clock.pass_(0.01)
    assert book.of(ACME, DAVE_ID, HR, for_write=for_write).questions.view


def test_what_a_read_believes_is_too_old_for_a_write_and_a_write_refreshes_both(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    book.of(ACME, ALICE_ID, ENG)
    confluence.allow(ALICE, ENG, questions="v")
    clock.pass_(WRITE_BELIEVED_S)

    assert book.of(ACME, ALICE_ID, ENG).questions.add
    assert not book.of(ACME, ALICE_ID, ENG, for_write=True).questions.add
    assert not book.of(ACME, ALICE_ID, ENG).questions.add


def test_a_raised_epoch_ends_every_belief_at_once(book: GrantBook, confluence: FakeConfluence) -> None:
    confluence.administrators.add(ALICE_ID)
    item = content(page_id=7)
    confluence.put(item, ALICE)
    seen = Item(item.id, ENG, "page", is_guarded=False)
    assert book.of(ACME, ALICE_ID, ENG).questions.view
    assert book.is_administrator(ACME, ALICE_ID)
    assert book.visible(ACME, ALICE_ID, [seen]) == {item.id}
    confluence.shut_out(ALICE, ENG)
    confluence.administrators.clear()
    confluence.put(item)

    raised = replace(ACME, permission_epoch=1)

    assert not book.of(raised, ALICE_ID, ENG).questions.view
    assert not book.is_administrator(raised, ALICE_ID)
    assert book.visible(raised, ALICE_ID, [seen]) == set()


def test_a_raised_epoch_of_a_space_ends_what_is_believed_there(
    book: GrantBook, confluence: FakeConfluence, spaces: KnownSpaces
) -> None:
    assert book.of(ACME, ALICE_ID, ENG).questions.view
    assert book.of(ACME, ALICE_ID, HR).questions.view
    assert book.assignments(ACME, ALICE_ID, ENG) == ()
    confluence.shut_out(ALICE, ENG)
    confluence.shut_out(ALICE, HR)

    spaces.epochs[ACME.tenant_id, ENG] = 1

    assert not book.of(ACME, ALICE_ID, ENG).questions.view
    assert book.assignments(ACME, ALICE_ID, ENG) is None
    assert book.of(ACME, ALICE_ID, HR).questions.view


def test_raised_restrictions_end_what_was_confirmed_and_nothing_else(
    book: GrantBook, confluence: FakeConfluence
) -> None:
    item = content(page_id=7)
    confluence.put(item, ALICE)
    seen = Item(item.id, ENG, "page", is_guarded=False)
    assert book.visible(ACME, ALICE_ID, [seen]) == {item.id}
    assert book.of(ACME, ALICE_ID, ENG).questions.view
    confluence.put(item)
    confluence.shut_out(ALICE, ENG)

    raised = replace(ACME, restriction_epoch=1)

    assert book.visible(raised, ALICE_ID, [seen]) == set()
    assert book.of(raised, ALICE_ID, ENG).questions.view


def save_points(confluence: FakeConfluence, tenant_id: TenantId) -> None:
    confluence.points.spend(tenant_id, 0, {"x-ratelimit-nearlimit": "true"})
    assert confluence.points.is_saving(tenant_id)


def test_while_points_are_short_reads_believe_for_longer_and_writes_do_not(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    assert book.of(ACME, ALICE_ID, ENG).questions.view
    save_points(confluence, ACME.tenant_id)
    confluence.shut_out(ALICE, ENG)

    clock.pass_(SAVING_READ_BELIEVED_S - 0.01)
    assert book.of(ACME, ALICE_ID, ENG).questions.view
    assert not book.of(ACME, ALICE_ID, ENG, for_write=True).questions.view

    assert book.of(ACME, BOB_ID, ENG).questions.view
    confluence.shut_out(BOB, ENG)
    clock.pass_(SAVING_READ_BELIEVED_S + 0.01)
    assert not book.of(ACME, BOB_ID, ENG).questions.view


def test_while_points_are_short_a_deny_and_a_confirmation_last_no_longer(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    item = content(page_id=7)
    confluence.put(item, ALICE)
    save_points(confluence, ACME.tenant_id)
    assert not book.of(ACME, DAVE_ID, HR).questions.view
    assert book.visible(ACME, ALICE_ID, [Item(item.id, ENG, "page", is_guarded=False)]) == {item.id}
    confluence.allow(DAVE, HR, questions="v")
    confluence.put(item)

    clock.pass_(WRITE_BELIEVED_S)
    assert book.of(ACME, DAVE_ID, HR).questions.view
    assert book.visible(ACME, ALICE_ID, [Item(item.id, ENG, "page", is_guarded=False)]) == set()


def test_one_site_that_is_short_of_points_costs_the_other_nothing(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    globex = installation(2, GLOBEX_KEY)
    assert book.of(globex, ALICE_ID, ENG).questions.view
    save_points(confluence, ACME.tenant_id)
    confluence.shut_out(ALICE, ENG)
    clock.pass_(READ_BELIEVED_S)
    assert not book.of(globex, ALICE_ID, ENG).questions.view


def test_beliefs_are_not_shared_between_accounts_spaces_or_sites(book: GrantBook, confluence: FakeConfluence) -> None:
    """Mallory's site may know the same account and space ids; what was learnt on one is not used on the other."""
    globex = installation(2, GLOBEX_KEY)
    book.of(ACME, ALICE_ID, ENG)
    confluence.shut_out(ALICE, ENG)

    assert book.of(ACME, ALICE_ID, ENG).questions.view
    assert not book.of(globex, ALICE_ID, ENG).questions.view
    assert not book.of(globex, AccountId(MALLORY), ENG).questions.view
    assert not book.of(ACME, DAVE_ID, HR).questions.view


@pytest.mark.parametrize("for_write", [True, False])
def test_a_confluence_that_is_away_grants_nothing(
    book: GrantBook, confluence: FakeConfluence, clock: Clock, for_write: bool
) -> None:
    assert book.of(ACME, ALICE_ID, ENG, for_write=for_write).questions.view
    confluence.is_away = True
    assert book.of(ACME, ALICE_ID, ENG, for_write=for_write).questions.view

    clock.pass_(READ_BELIEVED_S)
    with pytest.raises(Unavailable):
        book.of(ACME, ALICE_ID, ENG, for_write=for_write)
    with pytest.raises(Unavailable):
        book.of(ACME, BOB_ID, ENG, for_write=for_write)
    confluence.is_away = False
    assert book.of(ACME, BOB_ID, ENG, for_write=for_write).questions.view


def test_an_administrator_is_believed_for_a_minute_and_a_refusal_for_half(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    assert not book.is_administrator(ACME, AccountId(CAROL))
    confluence.administrators.add(AccountId(CAROL))
    clock.pass_(DENY_BELIEVED_S - 0.01)
    assert not book.is_administrator(ACME, AccountId(CAROL))
    clock.pass_(0.01)
    assert book.is_administrator(ACME, AccountId(CAROL))

    confluence.administrators.clear()
    clock.pass_(WRITE_BELIEVED_S - 0.01)
    assert book.is_administrator(ACME, AccountId(CAROL))
    clock.pass_(0.01)
    assert not book.is_administrator(ACME, AccountId(CAROL))
    confluence.is_away = True
    clock.pass_(DENY_BELIEVED_S)
    with pytest.raises(Unavailable):
        book.is_administrator(ACME, AccountId(CAROL))


def in_space(content_id: int, *, is_guarded: bool = False, space_id: SpaceId = ENG) -> Item:
    return Item(ContentId(content_id), space_id, "space", is_guarded)


def test_items_of_the_space_itself_need_no_confirmation(book: GrantBook, confluence: FakeConfluence) -> None:
    confluence.is_away = True
    assert book.visible(ACME, ALICE_ID, [in_space(1), in_space(2)]) == {1, 2}
    assert book.visible(ACME, ALICE_ID, []) == set()


@pytest.mark.parametrize("kind", ["page", "blogpost", "content"])
def test_items_below_a_page_are_confirmed_as_the_viewer(book: GrantBook, confluence: FakeConfluence, kind: str) -> None:
    shown, hidden = content(page_id=7), content(page_id=7)
    confluence.put(shown, ALICE, BOB)
    confluence.put(hidden, BOB)
    items = [Item(item.id, ENG, kind, is_guarded=False) for item in (shown, hidden)]  # type: ignore[arg-type]

    assert book.visible(ACME, ALICE_ID, [*items, in_space(1)]) == {shown.id, 1}
    assert book.visible(ACME, BOB_ID, items) == {shown.id, hidden.id}
    assert book.visible(ACME, DAVE_ID, items) == set()


def test_a_guarded_item_of_the_space_is_confirmed_too(book: GrantBook, confluence: FakeConfluence) -> None:
    item = content()
    confluence.put(item, BOB)
    guarded = Item(item.id, ENG, "space", is_guarded=True)

    assert book.visible(ACME, ALICE_ID, [guarded]) == set()
    assert book.visible(ACME, BOB_ID, [guarded]) == {item.id}


def test_an_item_of_another_type_is_no_question(book: GrantBook, confluence: FakeConfluence) -> None:
    answer = content(type_key=ANSWER_TYPE, page_id=7)
    confluence.put(answer, ALICE)
    assert book.visible(ACME, ALICE_ID, [Item(answer.id, ENG, "page", is_guarded=False)]) == set()


def test_a_confirmed_item_is_believed_for_a_minute_and_a_hidden_one_for_half(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    shown, hidden = content(page_id=7), content(page_id=7)
    confluence.put(shown, ALICE)
    items = [Item(item.id, ENG, "page", is_guarded=False) for item in (shown, hidden)]
    assert book.visible(ACME, ALICE_ID, items) == {shown.id}
    confluence.put(shown)
    confluence.put(hidden, ALICE)

    clock.pass_(DENY_BELIEVED_S - 0.01)
    assert book.visible(ACME, ALICE_ID, items) == {shown.id}
    clock.pass_(0.01)
    assert book.visible(ACME, ALICE_ID, items) == {shown.id, hidden.id}
    clock.pass_(WRITE_BELIEVED_S - DENY_BELIEVED_S - 0.01)
    assert book.visible(ACME, ALICE_ID, items) == {shown.id, hidden.id}
    clock.pass_(0.01)
    assert book.visible(ACME, ALICE_ID, items) == {hidden.id}


def test_an_item_that_cannot_be_confirmed_is_not_shown(book: GrantBook, confluence: FakeConfluence) -> None:
    item = content(page_id=7)
    confluence.put(item, ALICE)
    confluence.is_away = True
    with pytest.raises(Unavailable):
        book.visible(ACME, ALICE_ID, [Item(item.id, ENG, "page", is_guarded=False)])


def test_confirmations_are_not_shared_between_sites(book: GrantBook, confluence: FakeConfluence) -> None:
    item = content(page_id=7)
    confluence.put(item, ALICE)
    below_page = [Item(item.id, ENG, "page", is_guarded=False)]
    book.visible(ACME, ALICE_ID, below_page)
    confluence.put(item)

    assert book.visible(ACME, ALICE_ID, below_page) == {item.id}
    assert book.visible(installation(2, GLOBEX_KEY), ALICE_ID, below_page) == set()


@pytest.mark.parametrize(
    "item",
    [
        Item(ContentId(1), ENG, "page", is_guarded=False),
        Item(ContentId(1), ENG, "space", is_guarded=True),
    ],
)
def test_a_question_that_was_moved_is_not_shown_where_it_was(
    book: GrantBook, confluence: FakeConfluence, item: Item
) -> None:
    """Alice may see it in HR, but it is ENG's rights that were looked at."""
    confluence.put(replace(content(space_id=HR, page_id=7), id=item.id), ALICE)
    assert book.visible(ACME, ALICE_ID, [item]) == set()


def test_a_trashed_question_is_not_shown(book: GrantBook, confluence: FakeConfluence) -> None:
    item = content(page_id=7, status="trashed")
    confluence.put(item, ALICE)
    assert book.visible(ACME, ALICE_ID, [Item(item.id, ENG, "page", is_guarded=False)]) == set()


PROBED = content(author=BOB)
ALL_ON_QUESTION = frozenset((operation, QUESTION_TYPE) for operation in OPERATIONS.values())


@pytest.mark.parametrize(
    ("changes", "operations", "granted"),
    [
        ({}, ALL_ON_QUESTION, Grant(view=True, add=True, delete=True)),
        ({}, frozenset({("read", QUESTION_TYPE)}), Grant(view=True)),
        ({}, frozenset({("read", QUESTION_TYPE), ("create", "comment"), ("delete", "comment")}), Grant(view=True)),
        ({}, ALL_ON_QUESTION - {("read", QUESTION_TYPE)}, Grant()),
        ({}, frozenset(), Grant()),
        ({}, None, Grant()),
        ({"space_id": HR}, ALL_ON_QUESTION, Grant()),
        ({"type": ANSWER_TYPE}, ALL_ON_QUESTION, Grant()),
        ({"status": "trashed"}, ALL_ON_QUESTION, Grant()),
        ({"author_id": ALICE_ID}, ALL_ON_QUESTION, Grant(view=True, add=True)),
        (None, ALL_ON_QUESTION, Grant()),
    ],
)
def test_a_probe_grants_what_it_proves_and_no_more(
    changes: dict[str, Any] | None, operations: frozenset[tuple[str, str]] | None, granted: Grant
) -> None:
    probed = None if changes is None else replace(PROBED, **changes)
    found = read_probe(probed, operations, account_id=ALICE_ID, space_id=ENG, question_type=QUESTION_TYPE)
    assert found == granted


def probing(confluence: FakeConfluence, clock: Clock, probes: dict[tuple[TenantId, SpaceId], ContentId]) -> GrantBook:
    return GrantBook(
        cast("Confluence", confluence),
        cast("Spaces", KnownSpaces(probes_rights=True)),
        clock,
        lambda *where: probes.get(where),
    )


def test_a_site_that_does_not_list_our_types_is_asked_about_a_question(
    confluence: FakeConfluence, clock: Clock
) -> None:
    confluence.lists_app_types = False
    confluence.put(PROBED, ALICE)
    book = probing(confluence, clock, {(ACME.tenant_id, ENG): PROBED.id})

    assert book.of(ACME, ALICE_ID, ENG) == Grants(Grant(view=True, add=True), is_probed=True)
    assert book.of(ACME, ALICE_ID, HR) == Grants(reason=TYPES_NOT_LISTED)
    assert book.of(ACME, BOB_ID, ENG) == Grants(reason=TYPES_NOT_LISTED)
    assert book.of(ACME, AccountId(CAROL), ENG) == Grants(reason=SPACE_INVISIBLE)
    assert book.of(installation(2, GLOBEX_KEY), ALICE_ID, ENG) == Grants(reason=TYPES_NOT_LISTED)


def test_a_site_that_lists_our_types_is_not_probed(confluence: FakeConfluence, clock: Clock) -> None:
    confluence.put(PROBED, ALICE)
    book = probing(confluence, clock, {(ACME.tenant_id, ENG): PROBED.id})
    assert book.of(ACME, ALICE_ID, ENG) == Grants(Grant(view=True, add=True), Grant(view=True))


def test_a_probe_that_cannot_be_asked_about_grants_nothing(confluence: FakeConfluence, clock: Clock) -> None:
    confluence.lists_app_types = False
    confluence.is_away = True
    with pytest.raises(Unavailable):
        probing(confluence, clock, {(ACME.tenant_id, ENG): PROBED.id}).of(ACME, ALICE_ID, ENG)


def test_who_administers_a_space_is_known_on_a_probed_site_too(confluence: FakeConfluence, clock: Clock) -> None:
    confluence.lists_app_types = False
    confluence.allow(ALICE, ENG, questions="v", administers=True)
    confluence.put(PROBED, ALICE)
    book = probing(confluence, clock, {(ACME.tenant_id, ENG): PROBED.id})
    assert book.of(ACME, ALICE_ID, ENG) == Grants(Grant(view=True), administers_space=True, is_probed=True)


def test_assignments_are_those_the_account_may_see_and_remembered_for_a_minute(
    book: GrantBook, confluence: FakeConfluence, clock: Clock
) -> None:
    first, second = (Assignment("group", f"g-{number}", "delete", QUESTION_TYPE) for number in range(2))
    confluence.assign(ENG, first)
    assert book.assignments(ACME, ALICE_ID, ENG) == (first,)
    assert book.assignments(ACME, AccountId(CAROL), ENG) is None
    confluence.assign(ENG, second)

    clock.pass_(WRITE_BELIEVED_S - 0.01)
    assert book.assignments(ACME, ALICE_ID, ENG) == (first,)
    clock.pass_(0.01)
    assert book.assignments(ACME, ALICE_ID, ENG) == (first, second)


def test_the_fake_refuses_writes_as_confluence_does(confluence: FakeConfluence) -> None:
    """What other tests rely on: not one's own, not without the right, not an old version, not twice."""
    item = content(author=ALICE)
    confluence.put(item, ALICE, BOB, DAVE, storage="<p>?</p>")
    alice, bob = Caller(ACME, ALICE_ID), Caller(ACME, BOB_ID)
    written = confluence.written(alice, item.id)
    assert written is not None
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.update_content(bob, written)
    assert refused.value.status == 403

    changed = confluence.update_content(alice, written, place=Place(HR, "space", int(HR)))
    assert (changed.space_id, changed.version) == (HR, 2)
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.update_content(alice, written)
    assert refused.value.status == 409
    confluence.delete_content(alice, item.id)
    assert confluence.item(item.id).status == "trashed"
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(alice, item.id)
    assert refused.value.status == 404
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(Caller(ACME, AccountId(CAROL)), item.id)
    assert refused.value.status == 404


def test_made_up_spaces_are_asked_about_a_few_times_a_minute(
    book: GrantBook, spaces: KnownSpaces, confluence: FakeConfluence, clock: Clock
) -> None:
    made_up = [SpaceId(number) for number in range(900_001, 900_001 + GUESSES + 1)]
    spaces.unknown.update(made_up)
    for space_id in made_up[:-1]:
        assert book.of(ACME, ALICE_ID, space_id).reason == SPACE_INVISIBLE

    with pytest.raises(RateLimited) as refused:
        book.of(ACME, ALICE_ID, made_up[-1])
    assert 0 < refused.value.retry_after_s <= GUESSES_WITHIN_S
    # What is remembered is answered, and others are not held up.
    assert book.of(ACME, ALICE_ID, made_up[0]).reason == SPACE_INVISIBLE
    assert book.of(ACME, AccountId(BOB), ENG).questions.view

    clock.pass_(GUESSES_WITHIN_S)
    assert book.of(ACME, ALICE_ID, ENG).questions.view


def test_known_spaces_are_no_guesses(book: GrantBook) -> None:
    for number in range(800_001, 800_001 + 3 * GUESSES):
        assert book.of(ACME, ALICE_ID, SpaceId(number)).reason == SPACE_INVISIBLE


def test_a_full_memory_loses_the_oldest_and_not_all(book: GrantBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.grants._HELD", 20)
    for number in range(700_001, 700_026):
        book.of(ACME, ALICE_ID, SpaceId(number))

    assert 15 <= len(book._grants) <= 20
    assert SpaceId(700_025) in {key[-1] for key in book._grants}
    assert SpaceId(700_001) not in {key[-1] for key in book._grants}
