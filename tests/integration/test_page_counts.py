"""Questions of pages: what is counted, for whom, and how little is asked for it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import cast

import pytest
from sqlalchemy import Connection, event

from lib.authentication import Request, authenticate_context
from lib.confluence import Caller, Confluence, Content, ContentKind
from lib.errors import Invalid, NotFound, Unavailable
from lib.principal import AccountId, ContentId, SpaceId
from lib.services import Services
from lib.telemetry import trace_of
from lib.web import Call
from questions_api.pages import counting, routes, schemas
from questions_api.pages.routes import list_page_questions, read_counts
from questions_api.pages.viewing import PageBook
from questions_api.posts import guard_question, remove_post
from questions_api.questions.schemas import QuestionPage
from tests.factories import ENG, HR, NOW, Site, answered, asked, beside, content
from tests.fakes import Clock, FakeConfluence
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, DAVE, GLOBEX_KEY, GLOBEX_SECRET, MALLORY, context_token

Sites = tuple[Site, Site]
SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}
PAGE, OTHER, SECRET, HR_PAGE = 901, 902, 903, 904


@dataclass(slots=True)
class CountedPages:
    """Passes on which pages were asked about."""

    confluence: FakeConfluence
    asked: list[list[int]] = field(default_factory=list)

    def pages(self, caller: Caller, ids: list[int]) -> dict[int, SpaceId]:
        self.asked.append(list(ids))
        return self.confluence.pages(caller, ids)


@dataclass(slots=True)
class CountedItems(FakeConfluence):
    """Remembers how many questions each request was about."""

    requests: list[int] = field(default_factory=list)

    def contents(self, caller: Caller, kind: ContentKind, ids: Iterable[ContentId]) -> dict[ContentId, Content]:
        wanted = list(ids)
        self.requests.append(len(wanted))
        # Without arguments `super` does not know the class that slots have made anew.
        return FakeConfluence.contents(self, caller, kind, wanted)


@pytest.fixture
def confluence() -> CountedItems:
    site = CountedItems()
    for account in (ALICE, BOB):
        for space_id in (ENG, HR):
            site.allow(account, space_id, questions="va", votes="va", tags="v")
    site.allow(DAVE, ENG, questions="va", votes="va", tags="v")
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    site.put_page(PAGE, ENG, ALICE, BOB, DAVE)
    site.put_page(OTHER, ENG, ALICE, BOB, DAVE)
    site.put_page(SECRET, ENG, ALICE)
    site.put_page(HR_PAGE, HR, ALICE, BOB)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Services:
    del sites
    monkeypatch.setattr(routes, "_BOOK", PageBook())
    return beside(services, confluence)


def call(shared: Services, account: str = ALICE, client_key: str = ACME_KEY, page_id: int = PAGE) -> Call:
    token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
    values = {"pageId": str(page_id)}
    request = Request("GET", "/api/v1/pages/counts", {"authorization": f"JWT {token}"}, values, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))


def counts(given: Call, *page_ids: int) -> dict[int, tuple[int, int]]:
    query = schemas.CountsQuery(ids=",".join(map(str, page_ids)))
    answer = cast("schemas.PageCounts", read_counts(given, query))
    return {int(item["pageId"]): (item["questions"], item["unanswered"]) for item in answer["items"]}


def is_partial(given: Call, *page_ids: int) -> bool:
    query = schemas.CountsQuery(ids=",".join(map(str, page_ids)))
    return cast("schemas.PageCounts", read_counts(given, query))["isPartial"]


def listed(given: Call, *, limit: int = 25) -> list[str]:
    """All of the page's questions, part by part."""
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(50):
        query = schemas.PageQuestionsQuery(limit=limit, cursor=cursor)
        part = cast("QuestionPage", list_page_questions(given, query))
        ids += [item["id"] for item in part["items"]]
        cursor = part["next"]
        if cursor is None:
            return ids
    raise AssertionError("the list does not end")


def on_page(shared: Services, site: Site, confluence: FakeConfluence, page_id: int, *readers: str) -> ContentId:
    """A question asked from the page; Confluence shows it to the readers."""
    question = asked(shared.database, site, page_id=page_id)
    item = content(page_id=page_id)
    object.__setattr__(item, "id", question.item.id)
    confluence.put(item, *readers)
    return question.item.id


def test_counts_hold_what_was_asked_from_each_page(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, globex = sites
    everybody = (ALICE, BOB, DAVE)
    for _ in range(3):
        on_page(shared, acme, confluence, PAGE, *everybody)
    head = asked(shared.database, acme, page_id=PAGE)
    answered(shared.database, acme, head)
    confluence.put(replace(content(page_id=PAGE), id=head.item.id), *everybody)
    gone = on_page(shared, acme, confluence, PAGE, *everybody)
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=gone, now=NOW))
    asked(shared.database, acme)
    asked(shared.database, globex, page_id=PAGE, author=MALLORY)

    assert counts(call(shared), PAGE, OTHER, 999) == {PAGE: (4, 3), OTHER: (0, 0)}


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_restricted_question_on_a_page_is_counted_for_its_readers_only(
    shared: Services, sites: Sites, confluence: FakeConfluence, is_reported: bool
) -> None:
    acme = sites[0]
    on_page(shared, acme, confluence, PAGE, ALICE, BOB)
    restricted = on_page(shared, acme, confluence, PAGE, ALICE)
    if is_reported:
        guard = partial(guard_question, tenant_id=acme.tenant_id, question_id=restricted, now=NOW)
        shared.database.write(guard, tenant_id=acme.tenant_id)

    assert counts(call(shared, BOB), PAGE) == {PAGE: (1, 1)}
    assert counts(call(shared, ALICE), PAGE) == {PAGE: (2, 2)}


def test_a_question_that_confluence_has_moved_is_not_counted_until_that_was_followed(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    moved = on_page(shared, sites[0], confluence, PAGE, ALICE)
    confluence.put(replace(content(page_id=HR_PAGE, space_id=HR), id=moved), ALICE)

    assert counts(call(shared), PAGE) == {PAGE: (0, 0)}


def test_what_was_confirmed_is_not_asked_for_again(shared: Services, sites: Sites, confluence: CountedItems) -> None:
    for readers in ((ALICE, BOB), (ALICE,)):
        on_page(shared, sites[0], confluence, PAGE, *readers)

    for _ in range(2):
        assert counts(call(shared, BOB), PAGE, OTHER) == {PAGE: (1, 1), OTHER: (0, 0)}
    assert confluence.requests == [2]


def test_the_newest_are_counted_and_more_is_said(
    shared: Services, sites: Sites, confluence: FakeConfluence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_COUNTED", 3)
    oldest = asked(shared.database, sites[0], page_id=PAGE, created_at=NOW - timedelta(days=9))
    confluence.put(replace(content(page_id=PAGE), id=oldest.item.id), ALICE)
    for page_id in (OTHER, PAGE):
        on_page(shared, sites[0], confluence, page_id, ALICE)

    assert (counts(call(shared), PAGE, OTHER), is_partial(call(shared), PAGE, OTHER)) == (
        {PAGE: (2, 2), OTHER: (1, 1)},
        False,
    )
    on_page(shared, sites[0], confluence, OTHER, ALICE)
    assert (counts(call(shared), PAGE, OTHER), is_partial(call(shared), PAGE, OTHER)) == (
        {PAGE: (1, 1), OTHER: (2, 2)},
        True,
    )
    assert not is_partial(call(shared), PAGE)


def test_a_page_that_has_moved_is_not_counted_under_rights_of_its_old_space(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    question = asked(shared.database, sites[0], page_id=PAGE, space_id=HR)
    confluence.put(replace(content(page_id=PAGE, space_id=HR), id=question.item.id), ALICE, DAVE)

    for account in (DAVE, ALICE):
        assert counts(call(shared, account), PAGE) == {PAGE: (0, 0)}


def test_dave_counts_nothing_on_pages_and_in_spaces_he_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    on_page(shared, acme, confluence, SECRET, ALICE)
    question = asked(shared.database, acme, page_id=HR_PAGE, space_id=HR)
    confluence.put(replace(content(page_id=HR_PAGE, space_id=HR), id=question.item.id), ALICE, DAVE)
    # Confluence shows him the page and its question, but he has no right to view questions there.
    confluence.put_page(HR_PAGE, HR, ALICE, BOB, DAVE)

    assert counts(call(shared, DAVE), SECRET, HR_PAGE, PAGE) == {PAGE: (0, 0)}
    assert counts(call(shared, ALICE), SECRET, HR_PAGE) == {SECRET: (1, 1), HR_PAGE: (1, 1)}
    for page_id in (SECRET, HR_PAGE, 999):
        with pytest.raises(NotFound):
            listed(call(shared, DAVE, page_id=page_id))


def test_mallory_counts_and_lists_nothing_of_another_site(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    on_page(shared, acme, confluence, PAGE, ALICE, MALLORY)
    mallory = call(shared, MALLORY, GLOBEX_KEY)

    assert counts(mallory, PAGE) == {}
    confluence.put_page(PAGE, ENG, ALICE, MALLORY)
    # Her site has a page of the same id now.
    routes._BOOK._seen.clear()
    assert counts(mallory, PAGE) == {PAGE: (0, 0)}
    assert listed(mallory) == []


def test_counting_takes_one_statement_once_the_space_is_known(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    on_page(shared, acme, confluence, PAGE, ALICE)
    given = call(shared)
    counts(given, PAGE)
    statements: list[str] = []

    def note(_: Connection, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(shared.database.engine, "before_cursor_execute", note)
    try:
        counts(given, PAGE, OTHER, SECRET, *range(1000, 1247))
    finally:
        event.remove(shared.database.engine, "before_cursor_execute", note)
    assert len([one for one in statements if one.lstrip().startswith("SELECT")]) == 1


def test_what_is_known_of_pages_is_asked_again_after_a_minute_only(sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    clock, counted = Clock(), CountedPages(confluence)
    book = PageBook(clock=clock)
    look = partial(book.spaces_of, cast("Confluence", counted), acme.installation)

    assert look(AccountId(ALICE), [PAGE, SECRET, PAGE]) == {PAGE: ENG, SECRET: ENG}
    assert look(AccountId(ALICE), [SECRET, OTHER]) == {SECRET: ENG, OTHER: ENG}
    assert look(AccountId(DAVE), [SECRET]) == {}
    assert counted.asked == [[PAGE, SECRET], [OTHER], [SECRET]]
    clock.pass_(59)
    confluence.put_page(SECRET, ENG)
    assert look(AccountId(ALICE), [SECRET]) == {SECRET: ENG}
    clock.pass_(1)
    assert look(AccountId(ALICE), [SECRET]) == {}


def test_nothing_is_believed_when_confluence_is_away(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    on_page(shared, sites[0], confluence, PAGE, ALICE)
    confluence.is_away = True

    with pytest.raises(Unavailable):
        counts(call(shared), PAGE)
    confluence.is_away = False
    assert counts(call(shared), PAGE) == {PAGE: (1, 1)}


def test_a_pages_questions_come_newest_first_each_once(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    ids = [on_page(shared, acme, confluence, PAGE, ALICE, BOB) for _ in range(7)]
    hidden = on_page(shared, acme, confluence, PAGE, ALICE)
    on_page(shared, acme, confluence, OTHER, ALICE, BOB)
    asked(shared.database, acme)

    assert listed(call(shared, BOB), limit=3) == [str(one) for one in reversed(ids)]
    assert listed(call(shared, ALICE)) == [str(hidden), *(str(one) for one in reversed(ids))]


def test_a_cursor_of_another_page_is_refused(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    for _ in range(2):
        on_page(shared, sites[0], confluence, PAGE, ALICE)
    first = cast("QuestionPage", list_page_questions(call(shared), schemas.PageQuestionsQuery(limit=1, cursor=None)))

    with pytest.raises(Invalid):
        list_page_questions(call(shared, page_id=OTHER), schemas.PageQuestionsQuery(limit=1, cursor=first["next"]))


@pytest.mark.parametrize("ids", [",".join(str(one) for one in range(1, 252)), "9" * 19])
def test_too_many_pages_and_ids_too_large_are_refused(ids: str) -> None:
    with pytest.raises(Invalid):
        schemas.page_ids(schemas.CountsQuery(ids=ids))
