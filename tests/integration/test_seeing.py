"""From an id to a post that the caller may see: missing, invisible and foreign ones are never told apart."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from lib.authentication import Request, authenticate_context
from lib.errors import NotFound, Unavailable
from lib.principal import ContentId, SpaceId
from lib.services import Services
from lib.spaces import SpaceSettings, SpaceStatus, change_space_settings, set_space_status
from lib.telemetry import trace_of
from lib.tenancy import note_licence
from lib.web import Call
from questions_api.policy import SpaceArchived
from questions_api.posts import QuestionHead, remove_post
from questions_api.questions.listings import ListFilter, Order
from questions_api.questions.reading import Wanted, detail_of, page_of
from questions_api.questions.routes import list_questions
from questions_api.questions.schemas import ListQuery
from questions_api.seeing import grants_in, see_answer, see_question
from questions_api.tags.model import Tag
from questions_api.watches.model import WatchKind
from questions_api.watches.watching import Target, set_watch
from tests.factories import ENG, HR, NOW, Site, answered, asked, beside, content, rows_of
from tests.fakes import FakeConfluence
from tests.tokens import ACME_KEY, ACME_SECRET, ALICE, BOB, DAVE, GLOBEX_KEY, GLOBEX_SECRET, MALLORY, context_token

Sites = tuple[Site, Site]
SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for account in (ALICE, BOB):
        for space_id in (ENG, HR):
            site.allow(account, space_id, questions="va", votes="va", tags="v")
    site.allow(DAVE, ENG, questions="va", votes="va", tags="v")
    # Mallory's own site has spaces of the same ids.
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def call(shared: Services, account: str, *, client_key: str = ACME_KEY, **path_values: ContentId) -> Call:
    token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
    values = {name: str(value) for name, value in path_values.items()}
    request = Request("GET", "/api/v1/questions", {"authorization": f"JWT {token}"}, values, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))


def below_page(shared: Services, site: Site, confluence: FakeConfluence, *readers: str, age: int = 0) -> QuestionHead:
    """A question on a page that only the readers may see."""
    question = asked(shared.database, site, page_id=900, created_at=NOW - timedelta(minutes=age))
    item = replace(content(page_id=900), id=question.item.id)
    confluence.put(item, *readers)
    return question


def refused_reads(given: Call, question_id: ContentId) -> None:
    with pytest.raises(NotFound):
        see_question(given)
    with pytest.raises(NotFound):
        see_answer(given)
    with pytest.raises(NotFound):
        detail_of(given, question_id)


def test_who_may_see_the_space_sees_its_posts(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, space_id=HR, tags=("vpn",))
    answer_id = answered(shared.database, acme, question)
    given = call(shared, BOB, questionId=question.item.id, answerId=answer_id)

    assert see_question(given).head.item == question.item
    assert see_answer(given).head.question.item == question.item
    detail = detail_of(given, question.item.id)
    assert (detail["id"], detail["tags"], detail["answerCount"]) == (str(question.item.id), ["vpn"], 1)


def test_dave_sees_nothing_of_a_space_he_may_not_see(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, space_id=HR)
    answer_id = answered(shared.database, acme, question)

    refused_reads(call(shared, DAVE, questionId=question.item.id, answerId=answer_id), question.item.id)


def test_mallory_sees_nothing_of_another_site_with_the_same_space_id(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, space_id=ENG)
    answer_id = answered(shared.database, acme, question)
    given = call(shared, MALLORY, client_key=GLOBEX_KEY, questionId=question.item.id, answerId=answer_id)

    refused_reads(given, question.item.id)


def test_missing_and_invisible_look_the_same(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, space_id=HR)
    said = []
    for question_id in (question.item.id, ContentId(1)):
        with pytest.raises(NotFound) as refused:
            see_question(call(shared, DAVE, questionId=question_id))
        said.append(str(refused.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("text", ["0", "-1", "abc", "01", "1.0", "9223372036854775808", "", "１"])
def test_what_cannot_be_an_id_does_not_exist(shared: Services, text: str) -> None:
    given = call(shared, ALICE)
    request = Request("GET", "/", {}, {"questionId": text, "answerId": text}, b"", NOW)
    odd = Call(shared, request, given.identity, given.trace)
    with pytest.raises(NotFound):
        see_question(odd)
    with pytest.raises(NotFound):
        see_answer(odd)


def test_a_question_on_a_page_is_confirmed_for_each_viewer(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = below_page(shared, acme, confluence, ALICE)
    answer_id = answered(shared.database, acme, question)

    assert see_question(call(shared, ALICE, questionId=question.item.id)).head.item == question.item
    refused_reads(call(shared, BOB, questionId=question.item.id, answerId=answer_id), question.item.id)


def test_while_confluence_is_away_nothing_is_shown(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    confluence.is_away = True
    given = call(shared, ALICE, questionId=question.item.id)

    with pytest.raises(Unavailable):
        see_question(given)
    with pytest.raises(Unavailable):
        detail_of(given, question.item.id)


def wanted(limit: int, after: tuple[int, ...] | None = None, space_id: SpaceId | None = ENG) -> Wanted:
    return Wanted(ListFilter(space_id=space_id), Order.NEWEST, limit, after)


def test_pages_hold_what_the_viewer_may_see_and_lead_to_the_end(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    readers = [(ALICE, BOB) if age % 3 else (ALICE,) for age in range(20)]
    heads = [below_page(shared, acme, confluence, *who, age=age) for age, who in enumerate(readers)]
    for viewer in (ALICE, BOB):
        expected = [head.item.id for head, who in zip(heads, readers, strict=True) if viewer in who]
        seen: list[ContentId] = []
        after: tuple[int, ...] | None = None
        for _ in range(20):
            page = page_of(call(shared, viewer), wanted(4, after))
            assert len(page.rows) <= 4
            seen += [row.item.id for row in page.rows]
            after = page.next_position
            if after is None:
                break
        assert seen == expected
        assert after is None


def test_a_page_of_hidden_questions_is_short_and_yet_has_a_successor(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    for age in range(12):
        below_page(shared, acme, confluence, ALICE, age=age)
    last = asked(shared.database, acme, created_at=NOW - timedelta(days=1))

    first = page_of(call(shared, BOB), wanted(2))

    assert first.rows == []
    assert first.next_position is not None
    after: tuple[int, ...] | None = first.next_position
    seen: list[ContentId] = []
    while after is not None:
        page = page_of(call(shared, BOB), wanted(2, after))
        seen += [row.item.id for row in page.rows]
        after = page.next_position
    assert seen == [last.item.id]


def test_tags_come_with_the_rows_that_are_shown(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    tagged, plain = asked(shared.database, acme, tags=("vpn", "sso")), asked(shared.database, acme)

    page = page_of(call(shared, ALICE), wanted(10))

    assert page.tags == {tagged.item.id: ["sso", "vpn"], plain.item.id: []}
    assert page.next_position is None


def walk(shared: Services, viewer: str, order: Order = Order.NEWEST, *, limit: int = 3) -> list[ContentId]:
    """The ids of the whole site's list, page by page."""
    seen: list[ContentId] = []
    after: tuple[int, ...] | None = None
    for _ in range(50):
        page = page_of(call(shared, viewer), Wanted(ListFilter(), order, limit, after))
        seen += [row.item.id for row in page.rows]
        after = page.next_position
        if after is None:
            return seen
    raise AssertionError("the list does not end")


def test_the_sites_list_is_the_union_of_the_spaces_the_viewer_may_see(shared: Services, sites: Sites) -> None:
    acme, globex = sites
    spaces = [HR, HR, ENG, HR, HR, HR, HR, HR, ENG, HR]
    heads = [
        asked(shared.database, acme, space_id=space_id, created_at=NOW - timedelta(minutes=age))
        for age, space_id in enumerate(spaces)
    ]
    asked(shared.database, globex, author=MALLORY, space_id=ENG)
    of_eng = [head.item.id for head in heads if head.item.space_id == ENG]

    assert walk(shared, BOB) == [head.item.id for head in heads]
    assert walk(shared, DAVE) == of_eng
    page = page_of(call(shared, DAVE), Wanted(ListFilter(), Order.NEWEST, 2))
    assert ([row.item.id for row in page.rows], set(page.grants)) == (of_eng, {ENG})


def test_an_order_by_votes_leaves_out_spaces_whose_votes_the_viewer_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    eng, hr = asked(shared.database, acme, space_id=ENG), asked(shared.database, acme, space_id=HR)
    confluence.allow(BOB, HR, questions="v", tags="v")

    assert set(walk(shared, BOB)) == {eng.item.id, hr.item.id}
    for order in (Order.VOTES, Order.HOT):
        assert walk(shared, BOB, order) == [eng.item.id]


def test_a_filter_by_tags_leaves_out_spaces_whose_tags_the_viewer_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    eng, hr = (asked(shared.database, acme, space_id=space_id, tags=("vpn",)) for space_id in (ENG, HR))
    (tag,) = rows_of(shared.database, acme, Tag)
    watch = partial(set_watch, principal=acme.principal(BOB), target=Target(WatchKind.TAG, tag.tag_id), is_muted=False)
    shared.database.write(partial(watch, now=NOW), tenant_id=acme.tenant_id)
    wanted = ({"tag": "vpn"}, {"answerable": "true"}, {"answerable": "true", "space": str(HR)})

    def listed() -> list[list[str]]:
        queries = (ListQuery.model_validate(query) for query in wanted)
        pages: list[Any] = [list_questions(call(shared, BOB), query) for query in queries]
        return [[view["id"] for view in page["items"]] for page in pages]

    everything = [str(hr.item.id), str(eng.item.id)]
    assert listed() == [everything, everything, [str(hr.item.id)]]
    confluence.allow(BOB, HR, questions="va", votes="va")
    shared = beside(shared, confluence)
    assert listed() == [[str(eng.item.id)], [str(eng.item.id)], []]


def settle(shared: Services, site: Site, **choices: bool) -> None:
    change = partial(
        change_space_settings, tenant_id=site.tenant_id, space_id=ENG, wanted=SpaceSettings(**choices), now=NOW
    )
    shared.write(change, trace=trace_of(None), tenant_id=site.tenant_id)
    shared.spaces.forget(site.tenant_id)


def test_in_a_space_where_it_is_switched_off_nothing_is_seen(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    answer_id = answered(shared.database, acme, question)
    settle(shared, acme, is_enabled=False)

    refused_reads(call(shared, ALICE, questionId=question.item.id, answerId=answer_id), question.item.id)
    assert grants_in(call(shared, ALICE), ENG).reason == "space-disabled"
    assert walk(shared, ALICE) == []


def may(given: Call, question: QuestionHead) -> set[str]:
    return {name for name, is_allowed in dict(detail_of(given, question.item.id)["may"]).items() if is_allowed}


def test_what_is_said_to_be_allowed_follows_who_has_answered(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question, other = asked(shared.database, acme), asked(shared.database, acme)
    answered(shared.database, acme, other)
    answered(shared.database, acme, question, author=ALICE)
    alice = call(shared, ALICE)
    assert may(alice, question) == {"answer", "accept", "delete"}

    answer_id = answered(shared.database, acme, question)
    assert may(alice, question) == {"answer", "accept"}
    assert may(call(shared, BOB), question) == {"answer", "vote"}

    gone = partial(remove_post, tenant_id=acme.tenant_id, content_id=answer_id, now=NOW)
    shared.database.write(gone, tenant_id=acme.tenant_id)
    assert may(alice, question) == {"answer", "accept", "delete"}


def test_on_a_site_without_a_licence_nothing_is_said_to_be_allowed(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    confluence.allow(BOB, ENG, questions="vad", votes="vad")
    settle(shared, acme, downvotes_allowed=True)
    question = asked(shared.database, acme)
    assert may(call(shared, BOB), question) == {"answer", "vote", "downvote", "accept", "moderate", "delete"}
    unlicensed = partial(note_licence, tenant_id=acme.tenant_id, is_licensed=False)
    shared.database.write(unlicensed, tenant_id=acme.tenant_id)
    shared.tenants.forget(acme.installation.client_key)

    for account in (ALICE, BOB):
        assert may(call(shared, account), question) == set()


def test_in_an_archived_space_there_is_reading_and_no_writing(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    assert may(call(shared, ALICE), question) == {"answer", "accept", "delete"}
    archive = partial(set_space_status, tenant_id=acme.tenant_id, space_id=ENG, status=SpaceStatus.ARCHIVED, now=NOW)
    assert shared.write(archive, trace=trace_of(None), tenant_id=acme.tenant_id)
    shared.spaces.forget(acme.tenant_id)
    given = call(shared, ALICE, questionId=question.item.id)

    assert see_question(given).head == question
    assert may(given, question) == set()
    with pytest.raises(SpaceArchived):
        see_question(given, for_write=True)
    foreign = call(shared, MALLORY, client_key=GLOBEX_KEY, questionId=question.item.id)
    with pytest.raises(NotFound):
        see_question(foreign, for_write=True)
