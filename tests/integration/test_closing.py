"""Closing, reopening, locking, pinning and tagging: all of a request or nothing, one moderator after the other."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.audit import AuditRow
from lib.errors import Conflict, Failure, Forbidden, Invalid, NotFound, PreconditionFailed, Unacceptable
from lib.principal import AccountId, ContentId
from lib.services import Services
from lib.spaces import SpaceRow, SpaceSettings
from lib.sql import Database, update_rows
from questions_api.answers.acceptance import accept_only
from questions_api.model import Answer, Question, QuestionState
from questions_api.policy import SpaceArchived
from questions_api.posts import QuestionHead, remove_post
from questions_api.questions import routes
from questions_api.questions.closing import MAX_PINS, Changes, ClosedOtherwise, TooManyPins, change_question
from questions_api.questions.duplicates import (
    DuplicateCircle,
    DuplicateOfItself,
    OriginalIsDuplicate,
    UnknownOriginal,
)
from questions_api.questions.moving import ChangedMeanwhile
from questions_api.questions.schemas import ChangeBody, ListQuery, QuestionDetail
from questions_api.tags.model import TagUse
from questions_api.votes.casting import cast_vote
from questions_api.votes.model import Vote
from questions_api.watches.model import Watch
from tests.factories import ENG, HR, NOW, Site, answered, asked, beside, content, rows_of
from tests.fakes import FakeConfluence
from tests.integration.calling import Sites, call_as, cast_confluence, choose, confluence, handled, shared
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

DUPLICATE = {"state": "closed", "closeReason": "duplicate"}
OUTDATED = {"state": "closed", "closeReason": "outdated"}


def change(
    shared: Services, account: str, question: QuestionHead, *, if_match: str | None = None, **body: Any
) -> QuestionDetail:
    call = call_as(shared, account, if_match=if_match, questionId=question.item.id)
    detail: QuestionDetail = handled(routes.change, call, ChangeBody.model_validate_json(json.dumps(body)))
    return detail


def duplicate_of(original: QuestionHead) -> dict[str, str]:
    return {**DUPLICATE, "duplicateOf": str(original.item.id)}


def row_of(database: Database, site: Site, question: QuestionHead) -> Question:
    (row,) = [row for row in rows_of(database, site, Question) if row.id == question.item.id]
    return row


def audited(database: Database, site: Site) -> list[tuple[str, int, object, object]]:
    rows = rows_of(database, site, AuditRow)
    return sorted(
        (row.action, row.target_id, json.loads(row.before or "null"), json.loads(row.after or "null")) for row in rows
    )


def actions(database: Database, site: Site) -> list[str]:
    return [action for action, *_ in audited(database, site)]


def test_a_question_is_closed_with_its_reason_and_reopened_as_it_was(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    answered(shared.database, acme, question)

    closed = change(shared, CAROL, question, **OUTDATED)
    assert (closed["state"], closed["closeReason"], closed["duplicateOf"]) == ("closed", "outdated", None)
    assert (closed["closedAt"], closed["version"]) == ("2026-11-25T12:00:00.000Z", 2)
    assert not closed["may"]["answer"]
    row = row_of(shared.database, acme, question)
    assert row.closed_by_ref is not None

    reopened = change(shared, CAROL, question, state="open")
    assert (reopened["state"], reopened["closeReason"], reopened["closedAt"]) == ("answered", None, None)
    assert reopened["version"] == 3
    row = row_of(shared.database, acme, question)
    assert (row.closed_at, row.closed_by_ref, row.close_reason, row.duplicate_of) == (None, None, None, None)
    none = {"close_reason": None, "duplicate_of": None}
    outdated = {"state": "closed", "close_reason": "outdated", "duplicate_of": None}
    assert audited(shared.database, acme) == [
        ("question.closed", question.item.id, {"state": "answered", **none}, outdated),
        ("question.reopened", question.item.id, outdated, {"state": "open", **none}),
    ]


@pytest.mark.parametrize(
    ("answers", "accepts", "state"), [(0, False, "unanswered"), (1, False, "answered"), (1, True, "accepted")]
)
def test_a_reopened_question_is_in_the_state_its_answers_give(
    shared: Services, sites: Sites, answers: int, state: str, *, accepts: bool
) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    ids = [answered(shared.database, acme, question) for _ in range(answers)]
    change(shared, CAROL, question, **OUTDATED)
    if accepts:
        accept = partial(accept_only, principal=acme.principal(ALICE), question=question, answer_id=ids[0], now=NOW)
        shared.database.write(accept, tenant_id=acme.tenant_id)

    assert change(shared, CAROL, question, state="open")["state"] == state


def test_what_stands_already_changes_nothing(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, tags=("vpn",))
    standing: tuple[dict[str, Any], ...] = (
        {"state": "open"},
        {"isLocked": False},
        {"isPinned": False},
        {"tags": ["VPN"]},
    )
    for body in standing:
        assert change(shared, CAROL, question, **body)["version"] == 1
    change(shared, CAROL, question, **OUTDATED, isLocked=True, isPinned=True)
    again = change(shared, CAROL, question, **OUTDATED, isLocked=True, isPinned=True)
    assert again["version"] == 2
    assert actions(shared.database, acme) == ["question.closed", "question.locked", "question.pinned"]


def test_closing_for_another_reason_tells_what_stands(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question, original = asked(shared.database, acme), asked(shared.database, acme)
    change(shared, CAROL, question, **duplicate_of(original), isLocked=True)

    with pytest.raises(ClosedOtherwise) as refused:
        change(shared, CAROL, question, **OUTDATED, isPinned=True)

    assert refused.value.current == {
        "state": "closed",
        "closeReason": "duplicate",
        "duplicateOf": str(original.item.id),
        "isLocked": True,
        "isPinned": False,
        "version": 2,
    }
    assert row_of(shared.database, acme, question).pinned_at is None


def test_a_conflict_does_not_tell_of_an_original_one_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question, original = asked(shared.database, acme), asked(shared.database, acme, space_id=HR)
    change(shared, CAROL, question, **duplicate_of(original))
    confluence.allow(DAVE, ENG, questions="vad")

    with pytest.raises(ClosedOtherwise) as refused:
        change(shared, DAVE, question, **OUTDATED)

    assert (refused.value.current["closeReason"], refused.value.current["duplicateOf"]) == ("duplicate", None)


def test_a_change_based_on_another_version_is_refused_with_what_stands(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    change(shared, CAROL, question, if_match='"1.abc"', isLocked=True)

    stale: tuple[dict[str, Any], ...] = ({"isLocked": False}, OUTDATED, {"tags": ["vpn"]}, {"isLocked": True})
    for body in stale:
        with pytest.raises(PreconditionFailed) as refused:
            change(shared, CAROL, question, if_match='"1.abc"', **body)
        assert (refused.value.current["version"], refused.value.current["isLocked"]) == (2, True)

    assert change(shared, CAROL, question, if_match='"2.abc"', isLocked=False)["isLocked"] is False
    assert change(shared, CAROL, question, if_match="*", isLocked=True)["version"] == 4


def test_votes_leave_the_version_and_acceptance_raises_it(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    vote = partial(cast_vote, principal=acme.principal(BOB), post=question.post, value=1, now=NOW)
    shared.database.write(vote, tenant_id=acme.tenant_id)
    assert change(shared, CAROL, question, if_match='"1.abc"', isPinned=True)["version"] == 2


def test_two_moderators_at_once_close_once(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    bodies: list[dict[str, str]] = [OUTDATED, {"state": "closed", "closeReason": "off-topic"}] * 3

    outcomes = at_once([partial(change, shared, CAROL, question, **body) for body in bodies])

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [type(one) for one in refused] == [ClosedOtherwise] * 3
    row = row_of(shared.database, acme, question)
    assert {one.current["closeReason"] for one in refused if isinstance(one, Conflict)} == {row.close_reason}
    assert (row.version, actions(shared.database, acme)) == (2, ["question.closed"])


def test_of_changes_based_on_one_version_only_the_first_is_made(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    bodies: list[dict[str, Any]] = [OUTDATED, {"isLocked": True}, {"isPinned": True}, {"tags": ["vpn"]}]

    outcomes = at_once([partial(change, shared, CAROL, question, if_match='"1.x"', **body) for body in bodies])

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["PreconditionFailed"] * 3 + ["dict"]
    assert row_of(shared.database, acme, question).version == 2


def test_a_space_has_five_pins_whoever_pins_at_once(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    questions = [asked(shared.database, acme) for _ in range(MAX_PINS + 3)]
    elsewhere = asked(shared.database, acme, space_id=HR)

    outcomes = at_once([partial(change, shared, CAROL, question, isPinned=True) for question in questions])

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["TooManyPins"] * 3 + ["dict"] * MAX_PINS
    pinned = [row for row in rows_of(shared.database, acme, Question) if row.pinned_at is not None]
    assert len(pinned) == MAX_PINS
    change(shared, CAROL, elsewhere, isPinned=True)
    (first,) = [question for question in questions if question.item.id == pinned[0].id]
    (left, *_) = [question for question in questions if question.item.id not in {row.id for row in pinned}]
    change(shared, CAROL, first, isPinned=True)
    change(shared, CAROL, first, isPinned=False)
    change(shared, CAROL, left, isPinned=True)
    with pytest.raises(TooManyPins):
        change(shared, CAROL, first, isPinned=True)


def test_a_removed_question_frees_its_pin(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    questions = [asked(shared.database, acme) for _ in range(MAX_PINS + 1)]
    for question in questions[:-1]:
        change(shared, CAROL, question, isPinned=True)
    remove = partial(remove_post, tenant_id=acme.tenant_id, content_id=questions[0].item.id, now=NOW)
    shared.database.write(remove, tenant_id=acme.tenant_id)

    assert change(shared, CAROL, questions[-1], isPinned=True)["isPinned"]
    with pytest.raises(NotFound):
        change(shared, CAROL, questions[0], isPinned=False)


def test_a_duplicate_names_its_original_and_coming_back_costs_nothing(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    duplicate, original = asked(shared.database, acme, tags=("vpn",)), asked(shared.database, acme, author=BOB)
    answered(shared.database, acme, duplicate)
    vote = partial(cast_vote, principal=acme.principal(CAROL), post=duplicate.post, value=1, now=NOW)
    shared.database.write(vote, tenant_id=acme.tenant_id)

    def everything() -> list[tuple[object, ...]]:
        row = row_of(shared.database, acme, duplicate)
        counts = (row.score, row.up, row.hot, row.answer_count, row.watch_count, row.state, row.active_at)
        watches = sorted((row.target_id, row.account_ref) for row in rows_of(shared.database, acme, Watch))
        votes = sorted((row.subject_id, row.account_ref, row.value) for row in rows_of(shared.database, acme, Vote))
        answers = sorted((row.id, row.question_id) for row in rows_of(shared.database, acme, Answer))
        return [counts, tuple(watches), tuple(votes), tuple(answers)]

    before = everything()
    closed = change(shared, CAROL, duplicate, **duplicate_of(original))
    assert (closed["duplicateOf"], closed["answerCount"], closed["score"]) == (str(original.item.id), 1, 1)
    assert everything()[1:] == before[1:]

    change(shared, CAROL, duplicate, state="open")
    assert everything() == before


def test_an_original_in_another_space_is_fine_for_who_may_see_it(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    duplicate, original = asked(shared.database, acme), asked(shared.database, acme, space_id=HR)
    assert change(shared, CAROL, duplicate, **duplicate_of(original))["duplicateOf"] == str(original.item.id)
    shown = handled(routes.read_question, call_as(shared, DAVE, questionId=duplicate.item.id))
    assert (shown["closeReason"], shown["duplicateOf"]) == ("duplicate", None)
    listed = handled(routes.list_questions, call_as(shared, DAVE), ListQuery())
    assert [(item["id"], item["duplicateOf"]) for item in listed["items"]] == [(str(duplicate.item.id), None)]


def test_an_original_one_may_not_see_does_not_exist(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, globex = sites
    question = asked(shared.database, acme)
    hidden = asked(shared.database, acme, space_id=HR)
    restricted = asked(shared.database, acme, page_id=900)
    confluence.put(replace(content(page_id=900), id=restricted.item.id), ALICE)
    foreign = asked(shared.database, globex, author=MALLORY)
    removed = asked(shared.database, acme)
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=removed.item.id, now=NOW))
    confluence.allow(DAVE, ENG, questions="vad")

    said = set()
    missing = {**DUPLICATE, "duplicateOf": "4242424242"}
    for body in (missing, *map(duplicate_of, (hidden, restricted, foreign, removed))):
        with pytest.raises(UnknownOriginal) as refused:
            change(shared, DAVE, question, **body)
        said.add(str(refused.value))

    assert len(said) == 1
    assert row_of(shared.database, acme, question).state == QuestionState.UNANSWERED


def test_no_question_is_its_own_duplicate_however_long_the_way(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    a, b, c, d = (asked(shared.database, acme) for _ in range(4))
    with pytest.raises(DuplicateOfItself):
        change(shared, CAROL, a, **duplicate_of(a))
    change(shared, CAROL, a, **duplicate_of(b))
    with pytest.raises(DuplicateCircle):
        change(shared, CAROL, b, **duplicate_of(a))
    change(shared, CAROL, b, **duplicate_of(c))
    change(shared, CAROL, c, **duplicate_of(d))
    with pytest.raises(DuplicateCircle):
        change(shared, CAROL, d, **duplicate_of(a))
    assert row_of(shared.database, acme, d).state == QuestionState.UNANSWERED


def test_a_duplicate_of_a_duplicate_is_sent_to_the_original(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question, middle, original = (asked(shared.database, acme) for _ in range(3))
    change(shared, CAROL, middle, **duplicate_of(original))

    with pytest.raises(OriginalIsDuplicate) as refused:
        change(shared, CAROL, question, **duplicate_of(middle))

    assert str(original.item.id) in refused.value.explanation
    change(shared, CAROL, question, **duplicate_of(original))


def test_the_original_of_a_duplicate_is_named_to_those_only_who_may_see_it(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question, middle = asked(shared.database, acme), asked(shared.database, acme)
    original = asked(shared.database, acme, space_id=HR)
    change(shared, CAROL, middle, **duplicate_of(original))
    confluence.allow(DAVE, ENG, questions="vad")

    with pytest.raises(OriginalIsDuplicate) as refused:
        change(shared, DAVE, question, **duplicate_of(middle))

    assert str(original.item.id) not in refused.value.explanation


@pytest.mark.parametrize("attempt", range(3))
def test_crossing_duplicates_never_make_a_circle(shared: Services, sites: Sites, attempt: int) -> None:
    del attempt
    acme, _ = sites
    ring = [asked(shared.database, acme) for _ in range(4)]
    crossing = [(ring[0], ring[1]), (ring[1], ring[0])]
    around = [(ring[n], ring[(n + 1) % 4]) for n in range(4)]
    works = [partial(change, shared, CAROL, one, **duplicate_of(other)) for one, other in crossing + around]

    outcomes = at_once(works)

    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert all(isinstance(failure, Unacceptable | ClosedOtherwise) for failure in failures), failures
    leads = {row.id: row.duplicate_of for row in rows_of(shared.database, acme, Question)}
    for start in leads:
        seen: set[ContentId] = set()
        step: ContentId | None = start
        while step is not None:
            assert step not in seen
            seen.add(step)
            step = leads[step]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=12))
def test_whatever_is_closed_and_reopened_no_chain_ends_in_itself(
    shared: Services, sites: Sites, steps: list[tuple[int, int, bool]]
) -> None:
    acme, _ = sites
    questions = [asked(shared.database, acme) for _ in range(5)]
    for one, other, reopens in steps:
        body = {"state": "open"} if reopens else duplicate_of(questions[other])
        try:
            change(shared, CAROL, questions[one], **body)
        except (Unacceptable, ClosedOtherwise):
            continue
    leads = {row.id: row.duplicate_of for row in rows_of(shared.database, acme, Question)}
    for start in leads.values():
        step = start
        for _ in leads:
            step = None if step is None else leads[step]
        assert step is None


def test_tags_become_exactly_those_named(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, tags=("vpn", "sso"))

    changed = change(shared, ALICE, question, tags=["SSO", "Release Notes"])

    assert (changed["tags"], changed["version"]) == (["release-notes", "sso"], 2)
    uses = sorted(row.use_count for row in rows_of(shared.database, acme, TagUse))
    assert uses == [0, 1, 1]
    assert actions(shared.database, acme) == ["question.tagged"]
    assert change(shared, ALICE, question, tags=[])["tags"] == []


def test_all_of_a_full_questions_tags_are_replaced_at_once(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, tags=("a", "b", "c", "d", "e"))
    assert change(shared, ALICE, question, tags=["f", "g", "h", "i", "j"])["tags"] == ["f", "g", "h", "i", "j"]


@pytest.mark.parametrize(
    ("rights", "tags", "is_allowed"),
    [
        ("va", ["vpn", "new-one"], True),
        ("va", [], False),
        ("va", ["new-one"], False),
        ("vd", [], True),
        ("vd", ["vpn", "new-one"], False),
        ("v", ["vpn"], True),
        ("ad", [], False),
        ("ad", ["vpn"], False),
    ],
)
def test_each_right_allows_its_half_of_an_edit(
    shared: Services, sites: Sites, confluence: FakeConfluence, rights: str, tags: list[str], *, is_allowed: bool
) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, tags=("vpn",))
    confluence.allow(BOB, ENG, questions="va", tags=rights)
    if is_allowed:
        assert change(shared, BOB, question, tags=tags)["tags"] == sorted(tags)
        return
    with pytest.raises(Forbidden):
        change(shared, BOB, question, tags=tags)
    assert actions(shared.database, acme) == []


def test_tags_are_as_many_as_the_space_wants(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    choose(shared, acme, min_tags=1, max_tags=2)
    question = asked(shared.database, acme, tags=("vpn",))
    for tags in ([], ["a", "b", "c"]):
        with pytest.raises(Invalid):
            change(shared, CAROL, question, tags=tags, isLocked=True)
    row = row_of(shared.database, acme, question)
    assert (row.version, row.locked_at, actions(shared.database, acme)) == (1, None, [])


@pytest.mark.parametrize("body", [OUTDATED, {"state": "open"}, {"isLocked": True}, {"isPinned": True}])
def test_only_moderators_do_what_moderators_do(shared: Services, sites: Sites, body: dict[str, Any]) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    for account in (ALICE, BOB):
        with pytest.raises(Forbidden):
            change(shared, account, question, **body)
    assert row_of(shared.database, acme, question).version == 1


@pytest.mark.parametrize("body", [OUTDATED, {"state": "open"}, {"isLocked": True}, {"isPinned": True}, {"tags": []}])
def test_dave_and_mallory_change_nothing_they_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence, body: dict[str, Any]
) -> None:
    acme, _ = sites
    hidden, open_one = asked(shared.database, acme, space_id=HR, tags=("vpn",)), asked(shared.database, acme)
    confluence.allow(DAVE, ENG, questions="vad", tags="vad")
    refused: list[Callable[[], object]] = [
        partial(change, shared, DAVE, hidden, **body),
        partial(change, shared, MALLORY, open_one, **body),
        partial(change, shared, MALLORY, hidden, **body),
    ]
    for one in refused:
        with pytest.raises(NotFound):
            one()
    assert {row.version for row in rows_of(shared.database, acme, Question)} == {1}
    assert actions(shared.database, acme) == []


def test_nothing_changes_in_an_archived_space_or_one_that_is_switched_off(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    archive = update_rows(acme.tenant_id, SpaceRow).values(status="archived")
    shared.database.write(lambda session: session.execute(archive), tenant_id=acme.tenant_id)
    shared.spaces.forget(acme.tenant_id)
    with pytest.raises(SpaceArchived):
        change(shared, CAROL, question, isLocked=True)
    choose(shared, acme, is_enabled=False)
    with pytest.raises(NotFound):
        change(shared, CAROL, question, isLocked=True)


def test_while_confluence_is_away_nothing_is_changed(services: Services, sites: Sites) -> None:
    acme, _ = sites
    away = cast_confluence()
    away.is_away = True
    question = asked(services.database, acme)
    with pytest.raises(Failure, match="Confluence is not answering"):
        change(beside(services, away), CAROL, question, isLocked=True)
    assert row_of(services.database, acme, question).version == 1


def test_many_changes_at_once_leave_one_consistent_row(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    bodies: list[dict[str, Any]] = [{"isLocked": True}, {"isPinned": True}, {"tags": ["a", "b"]}, {"isLocked": True}]

    succeeded(at_once([partial(change, shared, CAROL, question, **body) for body in bodies]))

    row = row_of(shared.database, acme, question)
    assert (row.version, row.locked_at, row.pinned_at) == (4, NOW, NOW)
    assert actions(shared.database, acme) == ["question.locked", "question.pinned", "question.tagged"]


def test_a_question_that_has_left_the_space_meanwhile_is_not_changed_by_the_rights_there(
    shared: Services, sites: Sites
) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, space_id=HR)
    work = partial(
        change_question,
        principal=acme.principal(CAROL),
        question_id=question.item.id,
        wanted=Changes(is_locked=True),
        space_id=ENG,
        grants=shared.grants.of(acme.installation, AccountId(CAROL), ENG),
        settings=SpaceSettings(),
        expected=None,
        now=NOW,
    )
    with pytest.raises(ChangedMeanwhile) as refused:
        shared.database.write(work, tenant_id=acme.tenant_id)

    # Not where it is now: that may be none of the caller's business.
    assert refused.value.current == {"version": 1}
    assert not row_of(shared.database, acme, question).locked_at
    shared.database.write(partial(work, space_id=HR), tenant_id=acme.tenant_id)
    assert row_of(shared.database, acme, question).locked_at == NOW
