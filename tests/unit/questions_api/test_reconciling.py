"""Reconciling without a database: positions, counts, and whom a reader asks for what."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.confluence import Caller, Content, ContentKind
from lib.principal import AccountId, ClientKey, ContentId, SpaceId, TenantId
from lib.tenancy import Installation, InstallationState
from questions_api.following.asking import Reader, Shown, in_turn
from questions_api.following.missing import Unlisted, truly_missing
from questions_api.following.passes import EVERY, Counts, Position, position_from
from tests.factories import content
from tests.fakes import FakeConfluence
from tests.tokens import ALICE, BOB, CAROL

INSTALLATION = Installation(
    tenant_id=TenantId(1),
    client_key=ClientKey("client"),
    base_url="https://acme.atlassian.net/wiki",
    display_url=None,
    oauth_client_id=None,
    state=InstallationState.ACTIVE,
    permission_epoch=0,
    restriction_epoch=0,
    is_licensed=True,
    secret_version=1,
    key_salt=b"salt",
)


@dataclass(slots=True)
class Asked(FakeConfluence):
    """Remembers who was asked for what."""

    asked: list[tuple[AccountId | None, list[ContentId]]] = field(default_factory=list)

    def contents(self, caller: Caller, kind: ContentKind, ids: list[ContentId]) -> dict[ContentId, Content]:  # type: ignore[override]
        self.asked.append((caller.account_id, list(ids)))
        # The decorator makes the class anew for its slots, so `super` would not find it.
        return FakeConfluence.contents(self, caller, kind, ids)


@pytest.fixture
def confluence() -> Asked:
    return Asked()


def reader(confluence: FakeConfluence) -> Reader:
    return Reader(confluence, INSTALLATION)  # type: ignore[arg-type]


def put(confluence: FakeConfluence, *readers: str | None) -> ContentId:
    item = content()
    confluence.put(item, *readers)
    return item.id


@given(after_id=st.integers(0, 2**63 - 1), link=st.none() | st.text(st.characters(codec="ascii"), min_size=1))
def test_a_position_is_read_back_as_it_was_stored(after_id: int, link: str | None) -> None:
    text = Position(after_id, link).to_text()
    assert text is not None
    assert position_from(text) == Position(after_id, link)


def test_no_position_is_the_beginning_and_a_link_too_long_to_keep_is_none() -> None:
    assert position_from(None) == Position(0, None)
    assert Position(7, "x" * 1998).to_text() == "7 " + "x" * 1998
    assert Position(7, "x" * 1999).to_text() is None


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(11, 22, 33, 44, 55)


def test_what_is_recent_is_looked_at_hourly_and_everything_weekly() -> None:
    hours = {kind.value: int(every.total_seconds()) // 3600 for kind, every in EVERY.items()}
    assert hours == {"recent-questions": 1, "recent-answers": 1, "all-questions": 168, "all-answers": 168}


def test_the_app_is_asked_first_and_people_in_turn_for_the_rest(confluence: Asked) -> None:
    first, second, third = put(confluence, None, ALICE), put(confluence, BOB), put(confluence, CAROL)
    nobodys, unknown = put(confluence), ContentId(4711)
    witnesses = {
        first: in_turn(AccountId(ALICE)),
        second: in_turn(AccountId(ALICE), AccountId(BOB)),
        third: in_turn(AccountId(ALICE), AccountId(BOB), AccountId(CAROL)),
        nobodys: in_turn(AccountId(ALICE)),
    }
    one = reader(confluence)

    found = one.shown("question", [first, second, third, nobodys, unknown], witnesses)

    assert set(found.contents) == {first, second, third}
    assert found.hidden == {second, third}
    assert confluence.asked == [
        (None, [first, second, third, nobodys, unknown]),
        (ALICE, [second, third, nobodys]),
        (BOB, [second, third]),
        (CAROL, [third]),
    ]
    assert one.points == 4 + 3


def test_points_are_requests_of_250_and_the_objects_they_bring(confluence: Asked) -> None:
    one = reader(confluence)
    ids = [put(confluence, None) for _ in range(251)]

    one.contents(None, "question", [*ids, ids[0]])
    assert one.points == 2 + 251
    one.page("question", sort="id", link=None)
    assert one.points == 2 + 251 + 1 + 250
    one.contents(AccountId(ALICE), "question", [])
    assert one.points == 2 + 251 + 1 + 250


def test_spaces_cost_the_same(confluence: Asked) -> None:
    one = reader(confluence)
    for space_id in map(SpaceId, range(1, 11)):
        confluence.allow(None, space_id)
    confluence.allow(ALICE, SpaceId(400))

    assert len(one.spaces(None, map(SpaceId, range(1, 252)))) == 10
    assert one.points == 2 + 10
    assert list(one.spaces(AccountId(ALICE), [SpaceId(400), SpaceId(400), SpaceId(1)])) == [SpaceId(400)]
    assert one.points == 2 + 10 + 1 + 1


def test_what_was_not_shown_is_missing_where_somebody_who_might_have_been_was_asked() -> None:
    witnessed, alone, unknown = (
        Unlisted(ContentId(number), ContentId(number), SpaceId(space), people)
        for number, space, people in ((1, 8, (AccountId(ALICE),)), (2, 7, ()), (3, 8, ()))
    )
    assert truly_missing([witnessed, alone, unknown], {SpaceId(7): "shown"}) == [witnessed, alone]


def test_nobody_is_asked_twice_and_former_users_are_not_asked() -> None:
    assert in_turn(None, AccountId(ALICE), AccountId(BOB), AccountId(ALICE), None) == (ALICE, BOB)
    assert in_turn(None) == ()


def test_an_item_of_another_kind_is_not_shown(confluence: Asked) -> None:
    item = replace(content(), type=confluence.type_of("answer"))
    confluence.put(item, None)
    assert reader(confluence).shown("question", [item.id], {}) == Shown({}, frozenset())
