"""The Confluence client against the simulator, which refuses what the product refuses: as a person and as the app."""

import itertools
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from lib.config import read_settings
from lib.confluence import (
    Assignment,
    Caller,
    Confluence,
    ConfluenceRefused,
    Content,
    ContentPage,
    Place,
    SpaceFacts,
)
from lib.principal import AccountId, ContentId, SpaceId
from lib.services import Services, build
from lib.tenancy import Installation, InstallationRow, view
from local.confluence.cast import ACME, ALICE, BOB, CAROL, DAVE, QUESTION, group_id
from local.person import send
from local.stack import Stack
from tests.api.conftest import Cast

ENG, HR = SpaceId(65_537), SpaceId(65_538)
ENG_PAGE, HR_PAGE = 98_306, 98_308
IN_ENG, ON_PAGE = Place(ENG, "space", int(ENG)), Place(ENG, "page", ENG_PAGE)
TEXT = "<p>Zwei Grüße &amp; mehr</p>"
_titles = (f"Client {number}" for number in itertools.count(1))


@pytest.fixture
def services(stack: Stack) -> Iterator[Services]:
    built = build(read_settings(stack.settings()))
    yield built
    built.door.close()
    built.database.engine.dispose()


@pytest.fixture
def confluence(services: Services) -> Confluence:
    return services.confluence


@pytest.fixture
def installation(services: Services, stack: Stack) -> Installation:
    base_url = f"{stack.site_one}/wiki"
    return services.database.read(
        lambda session: view(session.scalars(select(InstallationRow).where(InstallationRow.base_url == base_url)).one())
    )


@pytest.fixture
def app(installation: Installation) -> Caller:
    return Caller(installation, None)


@pytest.fixture
def alice(installation: Installation) -> Caller:
    return Caller(installation, AccountId(ALICE))


@pytest.fixture
def bob(installation: Installation) -> Caller:
    return Caller(installation, AccountId(BOB))


@pytest.fixture
def carol(installation: Installation) -> Caller:
    return Caller(installation, AccountId(CAROL))


@pytest.fixture
def dave(installation: Installation) -> Caller:
    return Caller(installation, AccountId(DAVE))


def made(confluence: Confluence, caller: Caller, place: Place = IN_ENG) -> Content:
    return confluence.create_content(caller, "question", place, title=next(_titles), storage=TEXT)


def test_content_is_written_as_the_person(confluence: Confluence, alice: Caller, dave: Caller) -> None:
    item = made(confluence, alice)
    assert (item.author_id, item.space_id, item.status, item.version) == (ALICE, ENG, "current", 1)
    written = confluence.written(alice, item.id)
    assert written is not None
    assert (written.content, written.storage) == (item, TEXT)
    with pytest.raises(ConfluenceRefused) as refused:
        made(confluence, dave, Place(HR, "space", int(HR)))
    assert refused.value.status == 404
    assert refused.value.words


def test_the_app_writes_as_itself(confluence: Confluence, app: Caller, alice: Caller) -> None:
    item = made(confluence, app)
    assert item.author_id not in {ALICE, BOB, CAROL}
    confluence.delete_content(app, item.id)
    assert confluence.content(alice, item.id) is None


def test_a_question_is_moved_and_its_answer_goes_with_it(confluence: Confluence, alice: Caller, bob: Caller) -> None:
    item = made(confluence, alice)
    answer = confluence.create_content(bob, "answer", Place(ENG, "content", item.id), title="A", storage=TEXT)
    written = confluence.written(alice, item.id)
    assert written is not None
    moved = confluence.update_content(alice, written, place=Place(HR, "space", int(HR)))
    assert (moved.space_id, moved.version) == (HR, 2)
    held = confluence.content(bob, answer.id)
    assert held is not None
    assert (held.space_id, held.container_kind, held.container_id) == (HR, "content", item.id)
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.update_content(alice, written)
    assert refused.value.status == 409


def test_a_trashed_question_comes_back_where_it_was(
    confluence: Confluence, alice: Caller, bob: Caller, carol: Caller
) -> None:
    item = made(confluence, alice, ON_PAGE)
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(bob, item.id)
    assert refused.value.status == 403
    confluence.delete_content(carol, item.id)
    assert confluence.contents(alice, "question", [item.id]) == {}
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_content(alice, item.id)
    assert refused.value.status == 404
    trashed = confluence.written(alice, item.id)
    assert trashed is not None
    assert trashed.content.status == "trashed"

    back = confluence.update_content(alice, trashed)
    assert (back.status, back.container_kind, back.container_id) == ("current", "page", ENG_PAGE)
    assert confluence.contents(bob, "question", [item.id])[item.id].version == back.version


def test_comments_are_written_read_and_deleted(
    confluence: Confluence, alice: Caller, bob: Caller, dave: Caller
) -> None:
    item = made(confluence, alice, Place(HR, "space", int(HR)))
    comment_id = confluence.create_comment(bob, item.id, storage=TEXT)
    comment = confluence.comment(alice, comment_id)
    assert comment is not None
    assert (comment.id, comment.author_id, comment.container_id, comment.storage) == (comment_id, BOB, item.id, TEXT)
    assert confluence.comment(dave, comment_id) is None
    with pytest.raises(ConfluenceRefused):
        confluence.create_comment(dave, item.id, storage=TEXT)
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.delete_comment(alice, comment_id)
    assert refused.value.status == 404
    confluence.delete_comment(bob, comment_id)
    assert confluence.comment(alice, comment_id) is None


def test_lists_are_read_to_their_end_by_their_links(
    confluence: Confluence, app: Caller, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.confluence._MAX_IDS", 2)
    expected = [made(confluence, alice).id for _ in range(5)]
    for caller in (alice, app):
        found: list[ContentId] = []
        page = confluence.contents_page(caller, "question", sort="-created-date", space_id=ENG)
        while len(found) < 5:
            assert len(page.items) == 2
            found += [item.id for item in page.items]
            assert page.next_link is not None
            page = confluence.contents_page(caller, "question", link=page.next_link)
        assert found[:5] == expected[::-1]
    assert confluence.contents_page(alice, "vote") == ContentPage((), None)


def test_pages_and_spaces_are_those_the_person_may_see(confluence: Confluence, alice: Caller, dave: Caller) -> None:
    assert confluence.pages(alice, [ENG_PAGE, HR_PAGE, 5]) == {ENG_PAGE: ENG, HR_PAGE: HR}
    assert confluence.pages(dave, [ENG_PAGE, HR_PAGE]) == {ENG_PAGE: ENG}
    facts = {ENG: SpaceFacts("ENG", "global", "current"), HR: SpaceFacts("HR", "global", "current")}
    assert confluence.spaces(alice, [HR, ENG, SpaceId(5)]) == facts
    assert confluence.spaces(dave, [HR, ENG]) == {ENG: facts[ENG]}
    assert confluence.space_id_of(alice, "HR") == HR
    assert confluence.space_id_of(dave, "HR") is None


def test_rights_are_read_as_the_person(confluence: Confluence, alice: Caller, dave: Caller) -> None:
    item = made(confluence, alice)
    assert ("delete", QUESTION) in (confluence.item_operations(alice, item.id) or ())
    assert ("read", QUESTION) in (confluence.item_operations(dave, item.id) or ())
    assert ("delete", QUESTION) not in (confluence.item_operations(dave, item.id) or ())
    assert confluence.space_assignments(dave, HR) is None
    assigned = confluence.space_assignments(dave, ENG)
    assert assigned is not None
    assert Assignment("user", CAROL, "administer", "space") in assigned
    assert confluence.role_mode(alice) == "PRE_ROLES"


def test_rights_are_given_by_administrators_of_the_space(confluence: Confluence, alice: Caller, carol: Caller) -> None:
    team = ("group", group_id(ACME, "hr-team"))
    with pytest.raises(ConfluenceRefused) as refused:
        confluence.grant_types(alice, "HR", team, [("delete", "question", True)])
    assert refused.value.status == 403
    right = Assignment(*team, "delete", QUESTION)
    for is_given in (True, False):
        confluence.grant_types(carol, "HR", team, [("delete", "question", is_given)])
        assert (right in (confluence.space_assignments(carol, HR) or ())) is is_given


def test_used_up_points_are_told_and_waited_for_no_longer_than_a_moment(
    confluence: Confluence, alice: Caller, cast: Cast
) -> None:
    """The simulator says how much is left with every answer."""
    tenant_id = alice.installation.tenant_id
    used = confluence.points.used(tenant_id)
    confluence.contents(alice, "question", [])
    assert confluence.points.used(tenant_id) == used
    for _ in range(20):
        confluence.space_kind(alice, ENG)
    assert not confluence.points.is_saving(tenant_id)
    spent = send("GET", f"{cast.alice.site}/_sim/points").body["used"]
    try:
        send("PUT", f"{cast.alice.site}/_sim/points", body={"limit": spent + spent // 10 + 3})
        confluence.space_kind(alice, ENG)
        assert confluence.points.is_saving(tenant_id)
    finally:
        send("PUT", f"{cast.alice.site}/_sim/points", body={"limit": 65_000})
    confluence.space_kind(alice, ENG)
    assert not confluence.points.is_saving(tenant_id)
