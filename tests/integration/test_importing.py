"""Imports: whose post it becomes, what counts, and that the same again, or a webhook in between, changes nothing."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
from pydantic import ValidationError

from lib.audit import AuditRow
from lib.authentication import Request, authenticate_context
from lib.confluence import Confluence, Content
from lib.crypto import StaticKeyring
from lib.errors import Forbidden, Invalid, NotFound, Unacceptable, Unavailable
from lib.events import CHAT_KINDS, EventKind
from lib.grants import GrantBook, Item
from lib.principal import AccountId, ContentId, TenantId
from lib.services import Services
from lib.spaces import SpaceSettings, change_space_settings
from lib.sql import Database, delete_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow
from lib.web import Call, Reply
from questions_api.importing import schemas
from questions_api.importing.model import ImportedRow
from questions_api.importing.routes import find_known, take_answer, take_question
from questions_api.importing.sources import hashes_of
from questions_api.importing.voters import ImportedVote, sort_votes
from questions_api.model import Answer, Question, hot_at_first
from questions_api.posts import register_answer, register_question, remove_post
from questions_api.tags.model import QuestionTag, TagUse
from questions_api.votes.model import Vote
from questions_api.watches.model import Watch
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    HR,
    NOW,
    Site,
    answered,
    asked,
    beside,
    content,
    events_of,
    only_row,
    rows_of,
)
from tests.fakes import Clock, FakeConfluence
from tests.races import at_once, succeeded
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
    context_token,
)

Sites = tuple[Site, Site]
SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}
ASKED = NOW - timedelta(days=2000)
ANSWERED = ASKED + timedelta(days=1)
ACTIVE = ASKED + timedelta(days=30)


@pytest.fixture
def confluence() -> FakeConfluence:
    """Carol administers Confluence and may see all; Dave may not see HR; Mallory administers the other site."""
    site = FakeConfluence(administrators={AccountId(CAROL), AccountId(MALLORY)})
    for account in (ALICE, BOB, CAROL):
        for space_id in (ENG, HR):
            site.allow(account, space_id, questions="va", votes="va", tags="va", administers=account == CAROL)
    site.allow(DAVE, ENG, questions="va", votes="va", tags="v")
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def call(shared: Services, account: str = CAROL, client_key: str = ACME_KEY) -> Call:
    token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
    request = Request("POST", "/api/v1/imports/questions", {"authorization": f"JWT {token}"}, {}, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))


def put(confluence: FakeConfluence, item: Content) -> Content:
    confluence.put(item, ALICE, BOB, CAROL)
    return item


def question_body(item: Content, **given: Any) -> schemas.ImportedQuestion:
    values = {
        "source": "dc:1",
        "contentId": str(item.id),
        "author": {"accountId": ALICE},
        "createdAt": ASKED.isoformat(),
        **given,
    }
    return schemas.ImportedQuestion.model_validate_json(json.dumps(values))


def answer_body(item: Content, question_id: ContentId, **given: Any) -> schemas.ImportedAnswer:
    values = {
        "source": "dc:answer:1",
        "contentId": str(item.id),
        "questionId": str(question_id),
        "author": {"accountId": BOB},
        "createdAt": ANSWERED.isoformat(),
        **given,
    }
    return schemas.ImportedAnswer.model_validate_json(json.dumps(values))


def told(reply: object) -> tuple[int, dict[str, Any]]:
    assert isinstance(reply, Reply)
    return reply.status, cast("dict[str, Any]", reply.body)


def author_of(database: Database, site: Site, author_ref: int) -> AccountRow:
    (found,) = [row for row in rows_of(database, site, AccountRow) if row.account_ref == author_ref]
    return found


def carols(confluence: FakeConfluence, **given: Any) -> Content:
    return put(confluence, content(author=CAROL, **given))


def vote(account: str, value: int = 1) -> dict[str, Any]:
    return {"accountId": account, "value": value}


def test_a_question_gets_its_author_times_tags_and_votes(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    item = carols(confluence)
    body = question_body(
        item, activeAt=ACTIVE.isoformat(), tags=["VPN", "wifi"], bounty=50, votes=[vote(BOB), vote(DAVE)]
    )

    status, view = told(take_question(call(shared), body))

    assert (status, view) == (
        201,
        {"contentId": str(item.id), "votes": 2, "droppedVotes": [], "isAccepted": False},
    )
    row = only_row(database, acme, Question)
    assert (row.id, row.space_id, row.created_at, row.active_at, row.bounty) == (item.id, ENG, ASKED, ACTIVE, 50)
    assert (row.score, row.up, row.down, row.watch_count, row.state) == (2, 2, 0, 0, "unanswered")
    assert row.hot == hot_at_first(ASKED) + 2 * 12 * 60 * 60 * 1000
    assert author_of(database, acme, row.author_ref).atlassian_account_id == ALICE
    assert {tag.question_created_at for tag in rows_of(database, acme, QuestionTag)} == {ASKED}
    assert [use.use_count for use in rows_of(database, acme, TagUse)] == [1, 1]
    assert {cast_vote.created_at for cast_vote in rows_of(database, acme, Vote)} == {ASKED}
    assert rows_of(database, acme, Watch) == []
    assert events_of(database, acme, *CHAT_KINDS) == []
    assert events_of(database, acme, EventKind.TALLY_DUE) != []
    assert [entry.action for entry in rows_of(database, acme, AuditRow)] == ["question.imported"]


def test_the_old_systems_ids_are_kept_as_hashes_only(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    body = question_body(carols(confluence), source="dc:secret-4711", author={"former": "old-user-key"})

    take_question(call(shared), body)

    hashes = {row.source_hash for row in rows_of(database, acme, ImportedRow)}
    former = author_of(database, acme, only_row(database, acme, Question).author_ref)
    assert former.atlassian_account_id is None
    for stored in (*hashes, former.former_key or ""):
        assert "4711" not in stored
        assert "old-user" not in stored
    entry = only_row(database, acme, AuditRow)
    assert "4711" not in (entry.after or "")


def test_a_former_users_posts_share_one_reference(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme = sites[0]
    for number, former in enumerate(("anna", "anna", "otto")):
        body = question_body(carols(confluence), source=f"dc:{number}", author={"former": former})
        assert told(take_question(call(shared), body))[0] == 201

    refs = [row.author_ref for row in sorted(rows_of(shared.database, acme, Question), key=lambda row: row.id)]
    assert refs[0] == refs[1] != refs[2]


@pytest.mark.parametrize("again", ["same source", "same content"])
def test_the_same_again_changes_nothing(shared: Services, sites: Sites, confluence: FakeConfluence, again: str) -> None:
    acme, database = sites[0], shared.database
    first = carols(confluence)
    take_question(call(shared), question_body(first, votes=[vote(BOB)]))
    events = len(events_of(database, acme))
    item = carols(confluence) if again == "same source" else first
    source = "dc:1" if again == "same source" else "dc:other"

    body = question_body(item, source=source, author={"accountId": BOB}, votes=[vote(DAVE)])
    status, view = told(take_question(call(shared), body))

    assert (status, view["contentId"], view["votes"], view["droppedVotes"]) == (200, str(first.id), 0, [])
    row = only_row(database, acme, Question)
    assert (row.id, row.score) == (first.id, 1)
    assert len(events_of(database, acme)) == events


def test_the_same_again_needs_nothing_of_confluence_but_the_importers_right(
    shared: Services, confluence: FakeConfluence
) -> None:
    item = carols(confluence)
    body = question_body(item, votes=[vote(BOB)])
    take_question(call(shared), body)
    confluence.put(item)
    confluence.shut_out(BOB, ENG)

    status, view = told(take_question(call(shared), body))

    assert (status, view["contentId"], view["droppedVotes"]) == (200, str(item.id), [])


def test_two_equal_imports_at_once_are_one(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, body = sites[0], question_body(carols(confluence), votes=[vote(BOB), vote(DAVE)])

    replies = succeeded(at_once([partial(take_question, call(shared), body) for _ in range(4)]))

    assert sorted(told(reply)[0] for reply in replies) == [200, 200, 200, 201]
    row = only_row(shared.database, acme, Question)
    assert (row.score, row.up) == (2, 2)
    assert len(rows_of(shared.database, acme, Vote)) == 2


def test_what_a_webhook_registered_first_is_put_right(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    item = carols(confluence, created_at=NOW - timedelta(seconds=1))
    register = partial(register_question, tenant_id=acme.tenant_id, content=item, tags=("early",), now=NOW)
    database.write(register, tenant_id=acme.tenant_id)
    assert only_row(database, acme, Question).watch_count == 1

    status, _ = told(take_question(call(shared), question_body(item, tags=["vpn"], votes=[vote(BOB)])))

    row = only_row(database, acme, Question)
    assert status == 201
    assert (row.created_at, row.active_at, row.watch_count, row.version) == (ASKED, ASKED, 0, 2)
    assert row.hot == hot_at_first(ASKED) + 12 * 60 * 60 * 1000
    assert author_of(database, acme, row.author_ref).atlassian_account_id == ALICE
    assert {tag.question_created_at for tag in rows_of(database, acme, QuestionTag)} == {ASKED}
    assert rows_of(database, acme, Watch) == []


def test_a_webhook_that_comes_later_changes_nothing(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, database = sites[0], shared.database
    item = carols(confluence)
    take_question(call(shared), question_body(item))
    reply = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=item.id))
    take_answer(call(shared), answer_body(reply, item.id))

    work = partial(register_question, tenant_id=acme.tenant_id, content=item, may_revive=False, now=NOW)
    assert database.write(work) is False
    later = partial(
        register_answer, tenant_id=acme.tenant_id, question_id=item.id, content=reply, may_revive=False, now=NOW
    )
    assert database.write(later) is False

    row, answer = only_row(database, acme, Question), only_row(database, acme, Answer)
    assert (row.created_at, row.active_at) == (ASKED, ANSWERED)
    assert author_of(database, acme, row.author_ref).atlassian_account_id == ALICE
    assert author_of(database, acme, answer.author_ref).atlassian_account_id == BOB
    assert events_of(database, acme, *CHAT_KINDS) == []


def imported_question(shared: Services, confluence: FakeConfluence, **given: Any) -> Content:
    item = carols(confluence)
    take_question(call(shared), question_body(item, source=f"dc:{item.id}", **given))
    return item


def test_an_answer_is_accepted_counted_and_dated_as_it_was(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    question = imported_question(shared, confluence)
    item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.id))
    accepted_at = ANSWERED + timedelta(hours=1)
    body = answer_body(
        item,
        question.id,
        isAccepted=True,
        acceptedAt=accepted_at.isoformat(),
        votes=[vote(ALICE), vote(BOB), vote(DAVE, -1)],
    )

    status, view = told(take_answer(call(shared), body))

    assert (status, view["votes"], view["isAccepted"]) == (201, 1, True)
    assert view["droppedVotes"] == [{"reason": "downvotes-off", "count": 1}, {"reason": "own-post", "count": 1}]
    answer, row = only_row(database, acme, Answer), only_row(database, acme, Question)
    assert (answer.question_id, answer.created_at, answer.accepted_at) == (question.id, ANSWERED, accepted_at)
    assert (answer.accepted_by_ref, answer.score, answer.up) == (None, 1, 1)
    assert (row.answer_count, row.accepted_count, row.state, row.active_at) == (1, 1, "accepted", ANSWERED)
    assert rows_of(database, acme, Watch) == []
    assert events_of(database, acme, *CHAT_KINDS) == []


def test_an_answer_that_a_webhook_registered_first_is_put_right(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    question = imported_question(shared, confluence)
    item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.id))
    early = partial(register_answer, tenant_id=acme.tenant_id, question_id=question.id, content=item, now=NOW)
    database.write(early)
    assert only_row(database, acme, Question).active_at == NOW

    take_answer(call(shared), answer_body(item, question.id, isAccepted=True))

    answer, row = only_row(database, acme, Answer), only_row(database, acme, Question)
    assert author_of(database, acme, answer.author_ref).atlassian_account_id == BOB
    assert (answer.created_at, answer.accepted_at) == (ANSWERED, ANSWERED)
    assert (row.answer_count, row.accepted_count, row.active_at, row.watch_count) == (1, 1, ANSWERED, 0)
    assert rows_of(database, acme, Watch) == []


def test_the_importers_own_question_stays_watched(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, database = sites[0], shared.database
    question = asked(database, acme, author=CAROL)
    item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.item.id))
    early = partial(register_answer, tenant_id=acme.tenant_id, question_id=question.item.id, content=item, now=NOW)
    database.write(early)

    take_answer(call(shared), answer_body(item, question.item.id))

    assert only_row(database, acme, Question).watch_count == 1
    assert only_row(database, acme, Watch).is_automatic


@pytest.mark.parametrize("several", [False, True])
def test_a_second_acceptance_needs_a_space_that_takes_several(
    shared: Services, sites: Sites, confluence: FakeConfluence, several: bool
) -> None:
    acme, database = sites[0], shared.database
    change = partial(
        change_space_settings,
        tenant_id=acme.tenant_id,
        space_id=ENG,
        wanted=SpaceSettings(several_accepted=several),
        now=NOW,
    )
    database.write(change)
    question = imported_question(shared, confluence)
    accepted = []
    for number in range(2):
        item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.id))
        body = answer_body(item, question.id, source=f"a:{number}", isAccepted=True)
        accepted.append(told(take_answer(call(shared), body))[1]["isAccepted"])

    assert accepted == [True, several]
    assert only_row(database, acme, Question).accepted_count == (2 if several else 1)


def test_a_closed_question_comes_closed(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme = sites[0]
    imported_question(shared, confluence, activeAt=ACTIVE.isoformat(), closed={"reason": "outdated"})

    row = only_row(shared.database, acme, Question)
    assert (row.state, row.close_reason, row.closed_at) == ("closed", "outdated", ACTIVE)


def test_votes_that_could_not_be_cast_now_are_dropped_by_reason(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    confluence.allow(DAVE, ENG, questions="v", votes="v", tags="v")
    votes = [vote(ALICE), vote(BOB), vote(BOB, -1), vote(DAVE), vote("557058:unknown"), vote(CAROL, -1)]

    _, view = told(take_question(call(shared), question_body(carols(confluence), votes=votes)))

    assert view["votes"] == 1
    assert view["droppedVotes"] == [
        {"reason": "downvotes-off", "count": 1},
        {"reason": "not-granted", "count": 2},
        {"reason": "own-post", "count": 1},
        {"reason": "repeated", "count": 1},
    ]
    row = only_row(database, acme, Question)
    assert (row.score, row.up, row.down) == (1, 1, 0)
    assert author_of(database, acme, only_row(database, acme, Vote).account_ref).atlassian_account_id == BOB


def test_a_vote_cast_here_stands_against_the_imported_one(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, database = sites[0], shared.database
    item = carols(confluence)
    take_question(call(shared), question_body(item, votes=[vote(BOB)]))
    # Forgotten as an import, as after another administrator's clean-up, and sent again.
    database.write(lambda session: session.execute(delete_rows(acme.tenant_id, ImportedRow)))

    _, view = told(take_question(call(shared), question_body(item, votes=[vote(BOB), vote(DAVE)])))

    assert (view["votes"], view["droppedVotes"]) == (1, [{"reason": "voted-here", "count": 1}])
    row = only_row(database, acme, Question)
    assert (row.score, row.up) == (2, 2)
    assert row.hot == hot_at_first(ASKED) + 2 * 12 * 60 * 60 * 1000


def test_voters_who_may_not_see_the_page_do_not_count(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    item = content(author=CAROL, page_id=900)
    confluence.put(item, CAROL, BOB)

    _, view = told(take_question(call(shared), question_body(item, votes=[vote(BOB), vote(DAVE)])))

    assert (view["votes"], view["droppedVotes"]) == (1, [{"reason": "not-granted", "count": 1}])
    assert only_row(shared.database, acme, Question).score == 1


def test_a_voters_right_that_was_taken_away_is_believed_for_a_minute_at_most(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, clock = sites[0], Clock()
    held = replace(shared, grants=GrantBook(cast("Confluence", confluence), shared.spaces, clock))
    assert held.grants.of(acme.installation, AccountId(BOB), ENG).votes.add
    confluence.allow(BOB, ENG, questions="v")
    item = Item(ContentId(7), ENG, "space", is_guarded=False)
    sort = partial(sort_votes, held, acme.installation, item, None, [ImportedVote(AccountId(BOB), 1)])

    clock.pass_(59)
    assert sort().dropped == {}
    clock.pass_(2)
    assert sort().dropped == {"not-granted": 1}


def test_asking_about_too_many_voters_gives_up_and_gets_further_next_time(shared: Services, sites: Sites) -> None:
    acme = sites[0]
    clock = Clock()

    class SlowBook:
        """Grants that take three seconds to ask for, and none to remember."""

        def __init__(self) -> None:
            self.known: set[AccountId] = set()

        def of(self, *given: Any, **how: Any) -> Any:
            if given[1] not in self.known:
                clock.pass_(3)
                self.known.add(given[1])
            return shared.grants.of(*given, **how)

        def visible(self, *given: Any) -> Any:
            return shared.grants.visible(*given)

    slow = replace(shared, grants=cast("Any", SlowBook()))
    item = Item(ContentId(7), ENG, "space", is_guarded=False)
    votes = [ImportedVote(AccountId(f"557058:{number}"), 1) for number in range(6)]
    sort = partial(sort_votes, slow, acme.installation, item, None, votes, clock=clock)

    with pytest.raises(Unavailable):
        sort()
    assert sort().dropped == {"not-granted": 6}


def test_known_names_what_is_there_and_nothing_else(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme = sites[0]
    items = [carols(confluence) for _ in range(2)]
    for number, item in enumerate(items):
        take_question(call(shared), question_body(item, source=f"dc:{number}"))
    remove = partial(remove_post, tenant_id=acme.tenant_id, content_id=items[1].id, now=NOW)
    shared.database.write(remove)
    body = schemas.KnownBody(sources=("dc:0", "dc:1", "dc:2"))

    assert find_known(call(shared), body) == {"items": [{"source": "dc:0", "contentId": str(items[0].id)}]}
    assert find_known(call(shared, MALLORY, GLOBEX_KEY), body) == {"items": []}


def test_what_was_removed_since_can_be_imported_anew(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    first, second = carols(confluence), carols(confluence)
    take_question(call(shared), question_body(first))
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=first.id, now=NOW))

    assert told(take_question(call(shared), question_body(second)))[0] == 201
    known = find_known(call(shared), schemas.KnownBody(sources=("dc:1",)))
    assert known == {"items": [{"source": "dc:1", "contentId": str(second.id)}]}


def test_a_source_is_recognised_after_the_keys_were_changed() -> None:
    old, new = {3: b"a" * 32}, {3: b"a" * 32, 4: b"b" * 32}
    tenant_id = TenantId(5)
    before = hashes_of(StaticKeyring(old), tenant_id, "post", "dc:1")
    after = hashes_of(StaticKeyring(new), tenant_id, "post", "dc:1")

    assert len(after) == 2
    assert before[0] == after[1] != after[0]
    assert all(len(one) <= 64 for one in after)
    assert hashes_of(StaticKeyring(new), TenantId(6), "post", "dc:1") != after
    assert hashes_of(StaticKeyring(new), tenant_id, "person", "dc:1") != after


@pytest.mark.parametrize("account", [ALICE, BOB, DAVE])
def test_only_confluence_administrators_import(
    shared: Services, sites: Sites, confluence: FakeConfluence, account: str
) -> None:
    acme = sites[0]
    item = content(author=account)
    confluence.put(item, account)
    reply = content(type_key=ANSWER_TYPE, author=account, question_id=asked(shared.database, acme).item.id)
    confluence.put(reply, account)

    with pytest.raises(Forbidden):
        take_question(call(shared, account), question_body(item))
    with pytest.raises(Forbidden):
        take_answer(call(shared, account), answer_body(reply, ContentId(reply.container_id)))
    with pytest.raises(Forbidden):
        find_known(call(shared, account), schemas.KnownBody(sources=("dc:1",)))
    assert rows_of(shared.database, acme, ImportedRow) == []
    assert len(rows_of(shared.database, acme, Question)) == 1


def test_an_administrator_who_may_not_see_a_space_imports_nothing_into_it(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    confluence.administrators.add(AccountId(DAVE))
    question = asked(shared.database, acme, space_id=HR)
    hidden = content(author=DAVE, space_id=HR)
    confluence.put(hidden, DAVE)
    reply = content(type_key=ANSWER_TYPE, author=DAVE, space_id=HR, question_id=question.item.id)
    confluence.put(reply, DAVE)

    with pytest.raises(NotFound):
        take_question(call(shared, DAVE), question_body(hidden))
    with pytest.raises(NotFound):
        take_answer(call(shared, DAVE), answer_body(reply, question.item.id))
    assert only_row(shared.database, acme, Question).answer_count == 0


def test_mallory_imports_nothing_of_or_into_another_site(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, globex = sites
    item = carols(confluence)
    take_question(call(shared), question_body(item))
    mallory = call(shared, MALLORY, GLOBEX_KEY)
    own_answer = content(type_key=ANSWER_TYPE, author=MALLORY, question_id=item.id)
    confluence.put(own_answer, MALLORY)

    with pytest.raises(NotFound):
        take_question(mallory, question_body(item))
    with pytest.raises(NotFound):
        take_answer(mallory, answer_body(own_answer, item.id))
    assert rows_of(shared.database, globex, Question) == []
    assert only_row(shared.database, acme, Question).answer_count == 0


def test_content_must_be_the_importers_of_our_type_and_in_its_place(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    question, other = asked(shared.database, acme), asked(shared.database, acme)
    bobs = put(confluence, content(author=BOB))
    reply = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.item.id))
    draft = put(confluence, content(author=CAROL, status="draft"))
    cases = (
        ("not-your-content", partial(take_question, call(shared), question_body(bobs))),
        ("not-our-content", partial(take_question, call(shared), question_body(reply))),
        ("content-not-current", partial(take_question, call(shared), question_body(draft))),
        ("wrong-container", partial(take_answer, call(shared), answer_body(reply, other.item.id))),
    )
    for code, work in cases:
        with pytest.raises(Unacceptable) as refused:
            work()
        assert refused.value.code == code
    with pytest.raises(NotFound):
        take_question(call(shared), question_body(replace(bobs, id=ContentId(42))))
    assert rows_of(shared.database, acme, ImportedRow) == []


def at(moment: datetime) -> str:
    return moment.isoformat()


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ({"createdAt": at(NOW + timedelta(seconds=1))}, {"/createdAt"}),
        ({"createdAt": "1999-12-31T23:59:59Z"}, {"/createdAt"}),
        ({"activeAt": at(ASKED - timedelta(days=1))}, {"/activeAt"}),
        ({"createdAt": at(NOW + timedelta(days=1)), "activeAt": at(NOW + timedelta(1))}, {"/createdAt", "/activeAt"}),
        ({"closed": {"reason": "duplicate"}}, {"/closed/reason"}),
    ],
)
def test_impossible_times_and_closings_are_refused(
    shared: Services, confluence: FakeConfluence, given: dict[str, Any], places: set[str]
) -> None:
    with pytest.raises(Unacceptable) as refused:
        take_question(call(shared), question_body(carols(confluence), **given))
    assert {fault.where for fault in refused.value.faults} == places


def test_an_acceptance_that_is_none_has_no_time(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    question = asked(shared.database, sites[0])
    item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.item.id))
    body = answer_body(item, question.item.id, acceptedAt=at(ANSWERED))

    with pytest.raises(Unacceptable):
        take_answer(call(shared), body)


@pytest.mark.parametrize("author", [{}, {"accountId": ALICE, "former": "x"}, {"former": ""}, {"accountId": "a b"}])
def test_an_author_is_a_person_or_a_former_user(confluence: FakeConfluence, author: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        question_body(carols(confluence), author=author)


def test_tags_that_cannot_be_are_named(shared: Services, confluence: FakeConfluence) -> None:
    with pytest.raises(Invalid) as refused:
        take_question(call(shared), question_body(carols(confluence), tags=["a\u202eb"]))
    assert [fault.where for fault in refused.value.faults] == ["/tags/0"]


def test_answers_of_others_stay_as_they_are(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, database = sites[0], shared.database
    question = asked(database, acme)
    there = answered(database, acme, question, author=DAVE)
    item = put(confluence, content(type_key=ANSWER_TYPE, author=CAROL, question_id=question.item.id))

    take_answer(call(shared), answer_body(item, question.item.id))

    rows = {row.id: row for row in rows_of(database, acme, Answer)}
    assert author_of(database, acme, rows[there].author_ref).atlassian_account_id == DAVE
    row = only_row(database, acme, Question)
    # The old answer makes the question no less active than it is.
    assert (row.answer_count, row.active_at) == (2, NOW)
