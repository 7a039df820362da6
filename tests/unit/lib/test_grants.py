"""What Confluence's answer grants, cell by cell, and for how long it is believed."""

from dataclasses import replace
from itertools import product
from typing import cast

import pytest

from lib.confluence import Confluence
from lib.errors import Unavailable
from lib.grants import (
    DENY_BELIEVED_S,
    READ_BELIEVED_S,
    SPACE_INVISIBLE,
    TYPES_NOT_LISTED,
    WRITE_BELIEVED_S,
    Grant,
    GrantBook,
    Grants,
    Item,
    read_grants,
)
from lib.principal import AccountId, ClientKey, ContentId, SpaceId, TenantId
from lib.tenancy import Installation, InstallationState
from tests.factories import ANSWER_TYPE, ENG, HR, content
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


@pytest.fixture
def book(confluence: FakeConfluence, clock: Clock) -> GrantBook:
    return GrantBook(cast("Confluence", confluence), clock)


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
