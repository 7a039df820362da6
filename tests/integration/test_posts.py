"""Registering, removing and reviving posts: one row and one event whatever path a post arrives by."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.errors import Failure, Forbidden, Invalid, NotFound
from lib.events import ChangedContent, EventKind, Subject
from lib.outbox import append_event
from lib.principal import AccountId, ContentId
from lib.services import Services
from lib.sql import Database, update_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow
from questions_api.answers.acceptance import accept_only
from questions_api.following.following import follow_changes
from questions_api.model import Answer, Question, QuestionState
from questions_api.posts import (
    ContentNotCurrent,
    NotOurContent,
    NotYourContent,
    QuestionHead,
    WrongContainer,
    check_registrable,
    find_answer,
    find_question,
    guard_question,
    register_answer,
    register_question,
    remove_post,
)
from questions_api.questions import routes
from questions_api.questions.schemas import AskBody
from questions_api.tags.model import QuestionTag, Tag, TagUse
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    HR,
    NOW,
    QUESTION_TYPE,
    Site,
    answered,
    asked,
    beside,
    content,
    events_of,
    only_row,
    rows_of,
)
from tests.fakes import FakeConfluence
from tests.integration.calling import call_as, choose, confluence, handled, shared
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

Sites = tuple[Site, Site]


def register(database: Database, site: Site, item: Content, *tags: str) -> bool:
    work = partial(register_question, tenant_id=site.tenant_id, content=item, tags=tags, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def register_reply(database: Database, site: Site, question_id: ContentId, item: Content) -> bool:
    work = partial(register_answer, tenant_id=site.tenant_id, question_id=question_id, content=item, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def remove(database: Database, site: Site, content_id: ContentId) -> bool:
    work = partial(remove_post, tenant_id=site.tenant_id, content_id=content_id, now=NOW)
    return database.write(work, tenant_id=site.tenant_id)


def accept(database: Database, site: Site, question: QuestionHead, answer_id: ContentId | None) -> None:
    principal = site.principal(ALICE)
    work = partial(accept_only, principal=principal, question=question, answer_id=answer_id, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def counted(database: Database, site: Site) -> tuple[int, int]:
    row = only_row(database, site, Question)
    return row.answer_count, row.accepted_count


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, None),
        ({"type": ANSWER_TYPE}, NotOurContent),
        ({"type": "ac:another-app:cq-question"}, NotOurContent),
        ({"author_id": AccountId(BOB)}, NotYourContent),
        ({"status": "draft"}, ContentNotCurrent),
        ({"status": "trashed"}, ContentNotCurrent),
        ({"status": "archived"}, ContentNotCurrent),
        # What is not ours is said first: about a stranger's content nothing else is told.
        ({"type": ANSWER_TYPE, "author_id": AccountId(BOB), "status": "draft"}, NotOurContent),
    ],
)
def test_only_current_content_of_the_right_type_by_the_caller_is_registered(
    changes: dict[str, object], refusal: type[Failure] | None
) -> None:
    item = replace(content(author=ALICE), **changes)  # type: ignore[arg-type]
    check = partial(check_registrable, item, type_key=QUESTION_TYPE, author=AccountId(ALICE))
    if refusal is None:
        check()
        return
    with pytest.raises(refusal):
        check()


def test_a_question_is_what_confluence_answered(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content(author=ALICE, page_id=900_100)

    assert register(database, acme, item)

    row = only_row(database, acme, Question)
    assert (row.id, row.space_id, row.container_kind, row.container_id) == (item.id, ENG, "page", 900_100)
    assert (row.created_at, row.active_at, row.state) == (item.created_at, item.created_at, QuestionState.UNANSWERED)
    assert (row.score, row.up, row.down, row.answer_count, row.accepted_count) == (0, 0, 0, 0, 0)
    (event,) = events_of(database, acme)
    assert (event.kind, event.about) == (EventKind.QUESTION_ASKED, Subject(item.id, ENG))


def test_registering_again_makes_nothing_new(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()

    assert [register(database, acme, item) for _ in range(3)] == [True, False, False]

    assert len(rows_of(database, acme, Question)) == 1
    assert len(events_of(database, acme)) == 1


def test_registering_again_follows_a_move(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content(space_id=ENG)
    register(database, acme, item)

    register(database, acme, replace(item, space_id=HR, container_kind="page", container_id=7))

    row = only_row(database, acme, Question)
    assert (row.space_id, row.container_kind, row.container_id) == (HR, "page", 7)


def test_tags_are_put_on_once_and_shared(database: Database, sites: Sites) -> None:
    acme, _ = sites
    first, second = content(), content()

    register(database, acme, first, "sso", "vpn")
    register(database, acme, first, "vpn", "sso")
    register(database, acme, second, "vpn", "wifi")

    uses = {row.slug: row.use_count for row in rows_of(database, acme, Tag)}
    assert uses == {"sso": 1, "vpn": 2, "wifi": 1}
    assert len(rows_of(database, acme, QuestionTag)) == 4


def test_two_sites_have_tags_of_their_own(database: Database, sites: Sites) -> None:
    acme, globex = sites
    register(database, acme, content(), "vpn")
    register(database, globex, content(author=MALLORY), "vpn")

    assert only_row(database, acme, Tag).use_count == only_row(database, globex, Tag).use_count == 1
    assert only_row(database, acme, Tag).tag_id != only_row(database, globex, Tag).tag_id


def test_a_new_tag_in_two_questions_at_once_is_one_tag(database: Database, sites: Sites) -> None:
    acme, _ = sites
    works = [partial(register, database, acme, content(), "fresh") for _ in range(6)]

    succeeded(at_once(works))

    assert only_row(database, acme, Tag).use_count == 6


def test_a_question_found_by_every_path_at_once_is_one_question(
    services: Services, database: Database, sites: Sites
) -> None:
    acme, _ = sites
    item = content(author=ALICE)
    confluence = FakeConfluence()
    confluence.put(item, None)
    shared = beside(services, confluence)
    created = ChangedContent(item.id, "created")
    for _ in range(3):
        shared.write(
            lambda session: append_event(session, acme.tenant_id, EventKind.CONTENT_CHANGED, created, now=NOW),
            trace=trace_of(None),
        )
    by_api: list[Callable[[], object]] = [partial(register, database, acme, item, "vpn") for _ in range(5)]
    by_webhook: list[Callable[[], object]] = [partial(follow_changes, shared) for _ in range(3)]

    succeeded(at_once(by_api + by_webhook))
    follow_changes(shared)

    assert len(rows_of(database, acme, Question)) == 1
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1
    assert only_row(database, acme, Tag).use_count == 1


def test_an_answer_found_by_every_path_at_once_counts_once(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    works = [partial(register_reply, database, acme, question.item.id, item) for _ in range(8)]

    outcomes = succeeded(at_once(works))

    assert sorted(outcomes) == [False] * 7 + [True]
    assert counted(database, acme) == (1, 0)
    assert len(events_of(database, acme, EventKind.QUESTION_ANSWERED)) == 1


def test_many_answers_at_once_are_all_counted(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    works = [partial(answered, database, acme, question) for _ in range(12)]

    succeeded(at_once(works))

    assert counted(database, acme) == (12, 0)
    assert len(rows_of(database, acme, Answer)) == 12


def test_an_answer_raises_its_question(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)

    answer_id = answered(database, acme, question)

    row = only_row(database, acme, Question)
    assert (row.answer_count, row.active_at) == (1, NOW)
    (event,) = events_of(database, acme, EventKind.QUESTION_ANSWERED)
    assert event.about == Subject(question.item.id, ENG, answer_id)


def test_an_answer_of_another_question_is_refused(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question, other = asked(database, acme), asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    register_reply(database, acme, question.item.id, item)

    with pytest.raises(WrongContainer):
        register_reply(database, acme, other.item.id, item)

    assert only_row(database, acme, Answer).question_id == question.item.id


def test_removing_hides_a_question_and_removing_twice_is_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    assert [remove(database, acme, question.item.id) for _ in range(2)] == [True, False]

    with pytest.raises(NotFound):
        database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=question.item.id))
    with pytest.raises(NotFound):
        database.read(partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))


def test_a_question_that_comes_back_brings_its_answers_and_tells_nobody(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()
    register(database, acme, item, "vpn")
    question = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=item.id))
    answer_id = answered(database, acme, question)
    remove(database, acme, item.id)

    assert register(database, acme, item) is False

    found = database.read(partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))
    assert found.question.item.id == item.id
    assert counted(database, acme) == (1, 0)
    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == 1


def test_an_answer_leaves_and_comes_back_with_the_counters(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    register_reply(database, acme, question.item.id, item)

    assert [remove(database, acme, item.id) for _ in range(2)] == [True, False]
    assert counted(database, acme) == (0, 0)

    assert register_reply(database, acme, question.item.id, item) is False
    assert counted(database, acme) == (1, 0)
    assert len(events_of(database, acme, EventKind.QUESTION_ANSWERED)) == 1


def test_the_accepted_answer_leaves_and_comes_back_with_the_counters(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    register_reply(database, acme, question.item.id, item)
    accept(database, acme, question, item.id)

    remove(database, acme, item.id)
    assert counted(database, acme) == (0, 0)

    register_reply(database, acme, question.item.id, item)
    assert counted(database, acme) == (1, 1)


def test_another_answer_accepted_meanwhile_stays_the_only_one(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    register_reply(database, acme, question.item.id, item)
    other = answered(database, acme, question, author=CAROL)
    accept(database, acme, question, item.id)
    remove(database, acme, item.id)
    accept(database, acme, question, other)

    register_reply(database, acme, question.item.id, item)

    assert counted(database, acme) == (2, 1)
    assert {row.id for row in rows_of(database, acme, Answer) if row.accepted_at} == {other}


@pytest.mark.parametrize("attempt", range(5))
def test_accepting_and_removing_at_once_keeps_the_counters_true(database: Database, sites: Sites, attempt: int) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answers = [answered(database, acme, question) for _ in range(3)]
    works: list[Callable[[], object]] = [partial(accept, database, acme, question, answer) for answer in answers]
    works += [partial(remove, database, acme, answer) for answer in answers[:2]]

    outcomes = at_once(works)

    assert [
        failure for failure in outcomes if isinstance(failure, Exception) and not isinstance(failure, NotFound)
    ] == []
    kept = [row for row in rows_of(database, acme, Answer) if row.deleted_at is None]
    assert counted(database, acme) == (1, len([row for row in kept if row.accepted_at]))


def test_a_guard_is_raised_and_never_lowered_by_registering(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()
    register(database, acme, item)
    guard = partial(guard_question, tenant_id=acme.tenant_id, question_id=item.id, now=NOW)
    database.write(guard, tenant_id=acme.tenant_id)

    register(database, acme, item)

    head = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=item.id))
    assert head.item.is_guarded
    assert head.item.needs_confirmation


def test_mallory_finds_changes_and_removes_nothing_of_another_site(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    for content_id in (question.item.id, answer_id):
        assert remove(database, globex, content_id) is False
    with pytest.raises(NotFound):
        database.read(partial(find_question, tenant_id=globex.tenant_id, question_id=question.item.id))
    with pytest.raises(NotFound):
        database.read(partial(find_answer, tenant_id=globex.tenant_id, answer_id=answer_id))
    guard = partial(guard_question, tenant_id=globex.tenant_id, question_id=question.item.id, now=NOW)
    database.write(guard, tenant_id=globex.tenant_id)

    row = only_row(database, acme, Question)
    assert (row.deleted_at, row.is_guarded, row.answer_count) == (None, False, 1)
    assert only_row(database, acme, Answer).deleted_at is None


def test_mallory_cannot_answer_a_question_of_another_site(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=MALLORY, question_id=question.item.id)

    with pytest.raises(NotFound):
        register_reply(database, globex, question.item.id, item)

    assert rows_of(database, globex, Answer) == rows_of(database, acme, Answer) == []
    assert rows_of(database, globex, AccountRow) == []
    assert events_of(database, globex) == []


def test_an_id_registered_on_two_sites_is_two_questions(database: Database, sites: Sites) -> None:
    acme, globex = sites
    item = content(created_at=NOW - timedelta(days=1))
    register(database, acme, item)

    assert register(database, globex, replace(item, author_id=AccountId(MALLORY)))

    remove(database, globex, item.id)
    assert only_row(database, acme, Question).deleted_at is None
    assert only_row(database, globex, Question).deleted_at == NOW


def test_a_head_names_the_asker_of_its_own_site(database: Database, sites: Sites) -> None:
    """References of people are looked up within the installation, also where two sites hold the same one."""
    acme, globex = sites
    question = asked(database, acme, author=ALICE)
    answer_id = answered(database, acme, question, author=BOB)
    for row in rows_of(database, acme, AccountRow):
        twin = AccountRow(
            tenant_id=globex.tenant_id,
            account_ref=row.account_ref,
            atlassian_account_id=f"other:{row.account_ref}",
            first_seen_at=NOW,
        )
        database.write(partial(Session.add, instance=twin), tenant_id=globex.tenant_id)

    found = database.read(partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))

    assert (found.author_id, found.question.author_id) == (BOB, ALICE)


def ask(shared: Services, account: str, item: Content, *tags: str) -> Any:
    body = AskBody.model_validate_json(json.dumps({"contentId": str(item.id), "tags": tags}))
    return handled(routes.ask, call_as(shared, account), body)


def require(shared: Services, site: Site, slug: str) -> None:
    """Makes the tag one of those the space requires."""
    (tag_id,) = [row.tag_id for row in rows_of(shared.database, site, Tag) if row.slug == slug]
    required = update_rows(site.tenant_id, TagUse).where(TagUse.tag_id == tag_id).values(is_required=True)
    shared.database.write(lambda session: session.execute(required), tenant_id=site.tenant_id)


def test_asking_takes_as_many_tags_as_the_space_wants(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    register(shared.database, acme, content(), "howto")
    require(shared, acme, "howto")
    choose(shared, acme, min_tags=2, max_tags=3)
    item = content(author=ALICE)
    confluence.put(item, ALICE)
    for tags in ((), ("howto",), ("a", "b"), ("howto", "a", "b", "c")):
        with pytest.raises(Invalid) as refused:
            ask(shared, ALICE, item, *tags)
        assert {fault.where for fault in refused.value.faults} == {"/tags"}
    assert len(rows_of(shared.database, acme, Question)) == 1
    assert [row.slug for row in rows_of(shared.database, acme, Tag)] == ["howto"]

    reply = ask(shared, ALICE, item, "HowTo", "a")
    assert (reply.status, reply.body["tags"]) == (201, ["a", "howto"])
    assert ask(shared, ALICE, item).status == 200


def test_who_may_not_add_tags_is_asked_for_none(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    choose(shared, acme, min_tags=1)
    confluence.allow(BOB, ENG, questions="va", tags="v")
    item = content(author=BOB)
    confluence.put(item, BOB)

    with pytest.raises(Forbidden):
        ask(shared, BOB, item, "vpn")
    assert ask(shared, BOB, item).status == 201


def test_nobody_asks_where_the_community_is_switched_off(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    choose(shared, acme, is_enabled=False)
    item = content(author=ALICE)
    confluence.put(item, ALICE)
    with pytest.raises(NotFound):
        ask(shared, ALICE, item)
    assert rows_of(shared.database, acme, Question) == []


def test_dave_and_mallory_ask_nowhere_they_may_not_look(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, globex = sites
    for account, space_id in ((DAVE, HR), (MALLORY, HR)):
        item = content(author=account, space_id=space_id)
        confluence.put(item, account)
        with pytest.raises(NotFound):
            ask(shared, account, item)
    assert rows_of(shared.database, acme, Question) == rows_of(shared.database, globex, Question) == []
