"""Deleting, restoring and moving: Confluence first, as the person; refused there, nothing changes here."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.confluence import Caller, ConfluenceRefused, Content, Place, Written
from lib.errors import Forbidden, Invalid, NotFound, Unavailable
from lib.events import EventKind
from lib.principal import AccountId, ContentId, SpaceId
from lib.services import Services
from lib.spaces import SpaceStatus, set_space_status
from questions_api.answers import routes as answer_routes
from questions_api.model import Answer, Question
from questions_api.policy import HasAnswers, SpaceArchived
from questions_api.posts import QuestionHead, find_question, guard_question, register_question
from questions_api.questions import routes
from questions_api.questions.moving import ChangedMeanwhile, NotMoved, NotRestored
from questions_api.questions.schemas import ChangeBody, MoveBody
from questions_api.tags.model import TagUse
from questions_api.votes.casting import cast_vote
from tests.factories import (
    ANSWER_TYPE,
    ENG,
    HR,
    NOW,
    Site,
    answered,
    beside,
    content,
    events_of,
    only_row,
    rows_of,
)
from tests.fakes import FakeConfluence
from tests.integration.calling import Sites, call_as, cast_confluence, choose, confluence, handled, shared
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

EVERYBODY = (ALICE, BOB, CAROL, DAVE)


def ask(
    shared: Services, site: Site, confluence: FakeConfluence, *readers: str, tags: tuple[str, ...] = (), **facts: Any
) -> QuestionHead:
    """A question that is in Confluence and registered."""
    item = content(**facts)
    confluence.put(item, *(readers or EVERYBODY))

    def work(session: Any) -> QuestionHead:
        register_question(session, site.tenant_id, item, tags=tags, now=NOW)
        return find_question(session, site.tenant_id, item.id)

    return shared.database.write(work, tenant_id=site.tenant_id)


def reply(shared: Services, site: Site, confluence: FakeConfluence, question: QuestionHead, author: str) -> ContentId:
    answer_id = answered(shared.database, site, question, author=author)
    item = content(type_key=ANSWER_TYPE, author=author, question_id=question.item.id)
    confluence.put(replace(item, id=answer_id), *EVERYBODY)
    return answer_id


def delete(shared: Services, account: str, question: QuestionHead) -> int:
    return int(handled(routes.delete, call_as(shared, account, questionId=question.item.id)).status)


def restore(shared: Services, account: str, question_id: int) -> Any:
    return handled(routes.restore, call_as(shared, account, questionId=question_id))


def move(shared: Services, account: str, question: QuestionHead, **place: int) -> Any:
    body = MoveBody.model_validate_json(json.dumps({name: str(value) for name, value in place.items()}))
    return handled(routes.move, call_as(shared, account, questionId=question.item.id), body)


def actions(shared: Services, site: Site) -> list[str]:
    return sorted(row.action for row in rows_of(shared.database, site, AuditRow))


def deleted(shared: Services, site: Site) -> bool:
    return only_row(shared.database, site, Question).deleted_at is not None


def test_the_asker_deletes_while_only_they_have_answered(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    reply(shared, acme, confluence, question, ALICE)

    assert delete(shared, ALICE, question) == 204

    assert (confluence.item(question.item.id).status, deleted(shared, acme)) == ("trashed", True)
    assert actions(shared, acme) == []
    with pytest.raises(NotFound):
        delete(shared, ALICE, question)


def test_what_others_have_answered_is_for_moderators_to_delete(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    answer_id = reply(shared, acme, confluence, question, BOB)
    with pytest.raises(HasAnswers):
        delete(shared, ALICE, question)
    with pytest.raises(Forbidden):
        delete(shared, BOB, question)
    assert (confluence.item(question.item.id).status, deleted(shared, acme)) == ("current", False)

    handled(answer_routes.delete, call_as(shared, BOB, answerId=answer_id))
    assert delete(shared, ALICE, question) == 204

    other = ask(shared, acme, confluence)
    reply(shared, acme, confluence, other, BOB)
    assert delete(shared, CAROL, other) == 204
    assert actions(shared, acme) == ["question.removed"]


def test_refused_by_confluence_nothing_is_removed(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    answer_id = reply(shared, acme, confluence, question, ALICE)
    confluence.refused_writers = {AccountId(ALICE)}

    with pytest.raises(ConfluenceRefused):
        delete(shared, ALICE, question)
    with pytest.raises(ConfluenceRefused):
        handled(answer_routes.delete, call_as(shared, ALICE, answerId=answer_id))

    assert not deleted(shared, acme)
    assert only_row(shared.database, acme, Answer).deleted_at is None


def test_answers_are_deleted_by_their_author_or_a_moderator(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    first, second = (reply(shared, acme, confluence, question, BOB) for _ in range(2))
    for account in (ALICE, DAVE):
        with pytest.raises(Forbidden):
            handled(answer_routes.delete, call_as(shared, account, answerId=first))
    with pytest.raises(NotFound):
        handled(answer_routes.delete, call_as(shared, MALLORY, answerId=first))

    for account, answer_id in ((BOB, first), (CAROL, second)):
        assert handled(answer_routes.delete, call_as(shared, account, answerId=answer_id)).status == 204

    assert {confluence.item(answer_id).status for answer_id in (first, second)} == {"trashed"}
    assert only_row(shared.database, acme, Question).answer_count == 0
    assert actions(shared, acme) == ["answer.removed"]


def test_a_restored_question_has_everything_it_had(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence, tags=("vpn",))
    reply(shared, acme, confluence, question, BOB)
    vote = partial(cast_vote, principal=acme.principal(BOB), post=question.post, value=1, now=NOW)
    shared.database.write(vote, tenant_id=acme.tenant_id)
    before = handled(routes.read_question, call_as(shared, CAROL, questionId=question.item.id))
    delete(shared, CAROL, question)
    assert only_row(shared.database, acme, TagUse).use_count == 0

    restored = restore(shared, CAROL, question.item.id)

    assert {**restored, "version": before["version"]} == before
    assert restored["version"] == before["version"] + 2
    assert (confluence.item(question.item.id).status, deleted(shared, acme)) == ("current", False)
    assert only_row(shared.database, acme, TagUse).use_count == 1
    assert actions(shared, acme) == ["question.removed", "question.restored"]


def test_a_question_that_confluence_has_brought_back_already_is_only_followed(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    delete(shared, CAROL, question)
    back = replace(confluence.item(question.item.id), status="current", version=7)
    confluence.put(back, *EVERYBODY)

    assert restore(shared, CAROL, question.item.id)["id"] == str(question.item.id)
    assert confluence.item(question.item.id).version == 7


def test_who_restores(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    """A removed question is told of to nobody but moderators and the one who asked it."""
    acme, _ = sites
    question, standing = ask(shared, acme, confluence), ask(shared, acme, confluence)
    delete(shared, CAROL, question)
    for account, expected in ((ALICE, Forbidden), (BOB, NotFound), (DAVE, NotFound), (MALLORY, NotFound)):
        with pytest.raises(expected):
            restore(shared, account, question.item.id)
    for question_id in (standing.item.id, ContentId(4242)):
        with pytest.raises(NotFound):
            restore(shared, CAROL, question_id)
    assert confluence.item(question.item.id).status == "trashed"


def test_a_moderator_restores_only_what_confluence_shows_them(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence, ALICE, BOB, CAROL, page_id=900)
    delete(shared, CAROL, question)
    confluence.put(confluence.item(question.item.id), ALICE)
    with pytest.raises(NotFound):
        restore(shared, CAROL, question.item.id)
    confluence.put(confluence.item(question.item.id), CAROL)
    confluence.refused_writers = {AccountId(CAROL)}
    with pytest.raises(ConfluenceRefused):
        restore(shared, CAROL, question.item.id)
    assert deleted(shared, acme)


class Unmoved(FakeConfluence):
    """Accepts every write and leaves things as they are."""

    def update_content(self, caller: Caller, written: Written, *, place: Place | None = None) -> Content:
        del caller, place
        return written.content


def stubborn() -> Unmoved:
    """The cast's Confluence, unmoved."""
    site, model = Unmoved(), cast_confluence()
    site._operations = model._operations
    return site


class Contested(FakeConfluence):
    """Lets a rival act between the reading and the writing of an item."""

    rival: Callable[[], object] | None = None

    def _yield(self) -> None:
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()

    def update_content(self, caller: Caller, written: Written, *, place: Place | None = None) -> Content:
        self._yield()
        return super().update_content(caller, written, place=place)

    def delete_content(self, caller: Caller, content_id: ContentId) -> None:
        self._yield()
        super().delete_content(caller, content_id)


@pytest.fixture
def contested() -> Contested:
    site, model = Contested(), cast_confluence()
    site._operations = model._operations
    return site


def test_the_slower_of_two_who_move_is_told_where_the_question_is(
    services: Services, sites: Sites, contested: Contested
) -> None:
    acme, _ = sites
    shared = beside(services, contested)
    question = ask(shared, acme, contested)
    contested.put_page(900, ENG, CAROL)
    contested.rival = partial(move, shared, CAROL, question, pageId=900)

    with pytest.raises(ChangedMeanwhile) as late:
        move(shared, ALICE, question, spaceId=HR)

    assert late.value.current == {
        "status": "current",
        "spaceId": str(ENG),
        "containerKind": "page",
        "containerId": "900",
    }
    row = only_row(shared.database, acme, Question)
    assert (row.space_id, row.container_kind, row.container_id) == (ENG, "page", 900)
    assert actions(shared, acme) == ["question.moved"]
    assert move(shared, ALICE, question, spaceId=HR)["spaceId"] == str(HR)


def test_the_slower_of_two_who_restore_is_told_that_it_is_back(
    services: Services, sites: Sites, contested: Contested
) -> None:
    acme, _ = sites
    shared = beside(services, contested)
    question = ask(shared, acme, contested)
    delete(shared, ALICE, question)
    contested.rival = partial(restore, shared, CAROL, question.item.id)

    with pytest.raises(ChangedMeanwhile) as late:
        restore(shared, CAROL, question.item.id)

    assert (late.value.current["status"], late.value.current["spaceId"]) == ("current", str(ENG))
    assert not deleted(shared, acme)
    assert actions(shared, acme) == ["question.restored"]


class Hiding(FakeConfluence):
    """Hides an item from everybody and refuses to change it, as if somebody had just restricted it."""

    def update_content(self, caller: Caller, written: Written, *, place: Place | None = None) -> Content:
        del caller, place
        self._readers[written.content.id] = set()
        raise ConfluenceRefused(409)


def test_the_slower_is_told_nothing_of_what_confluence_hides_meanwhile(services: Services, sites: Sites) -> None:
    acme, _ = sites
    confluence = Hiding()
    confluence._operations = cast_confluence()._operations
    shared = beside(services, confluence)
    question = ask(shared, acme, confluence)

    with pytest.raises(NotFound):
        move(shared, ALICE, question, spaceId=HR)
    assert only_row(shared.database, acme, Question).space_id == ENG


def test_the_slower_of_two_who_delete_finds_nothing_to_delete(
    services: Services, sites: Sites, contested: Contested
) -> None:
    acme, _ = sites
    shared = beside(services, contested)
    question = ask(shared, acme, contested)
    answer_id = reply(shared, acme, contested, question, BOB)

    def delete_answer(account: str) -> object:
        return handled(answer_routes.delete, call_as(shared, account, answerId=answer_id))

    contested.rival = partial(delete_answer, BOB)
    with pytest.raises(NotFound):
        delete_answer(CAROL)
    contested.rival = partial(delete, shared, ALICE, question)
    with pytest.raises(NotFound):
        delete(shared, CAROL, question)

    assert deleted(shared, acme)
    assert actions(shared, acme) == []


class Refusing(FakeConfluence):
    """Refuses to delete, with this status."""

    status = 409

    def delete_content(self, caller: Caller, content_id: ContentId) -> None:
        del caller, content_id
        raise ConfluenceRefused(self.status)


@pytest.mark.parametrize(("status", "expected"), [(409, ChangedMeanwhile), (404, ConfluenceRefused)])
def test_what_confluence_does_not_delete_stays_and_the_caller_is_told_why(
    services: Services, sites: Sites, status: int, expected: type[Exception]
) -> None:
    acme, _ = sites
    confluence = Refusing()
    confluence._operations, confluence.status = cast_confluence()._operations, status
    shared = beside(services, confluence)
    question = ask(shared, acme, confluence)
    answer_id = reply(shared, acme, confluence, question, ALICE)

    with pytest.raises(expected):
        delete(shared, ALICE, question)
    with pytest.raises(expected):
        handled(answer_routes.delete, call_as(shared, ALICE, answerId=answer_id))

    assert not deleted(shared, acme)
    assert only_row(shared.database, acme, Answer).deleted_at is None


def test_what_confluence_leaves_where_it_is_is_said_plainly(services: Services, sites: Sites) -> None:
    acme, _ = sites
    confluence = stubborn()
    shared = beside(services, confluence)
    question = ask(shared, acme, confluence)
    with pytest.raises(NotMoved):
        move(shared, ALICE, question, spaceId=HR)
    assert only_row(shared.database, acme, Question).space_id == ENG

    delete(shared, CAROL, question)
    with pytest.raises(NotRestored):
        restore(shared, CAROL, question.item.id)
    assert deleted(shared, acme)
    assert actions(shared, acme) == ["question.removed"]


def test_a_question_moves_to_a_space_with_its_tags_and_without_its_pin(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence, tags=("vpn",))
    reply(shared, acme, confluence, question, BOB)
    pin = ChangeBody.model_validate_json('{"isPinned": true}')
    handled(routes.change, call_as(shared, CAROL, questionId=question.item.id), pin)

    moved = move(shared, ALICE, question, spaceId=HR)

    assert (moved["spaceId"], moved["containerKind"], moved["containerId"]) == (str(HR), "space", str(HR))
    assert (moved["isPinned"], moved["answerCount"], moved["tags"]) == (False, 1, ["vpn"])
    assert confluence.item(question.item.id).space_id == HR
    uses = {row.space_id: row.use_count for row in rows_of(shared.database, acme, TagUse)}
    assert uses == {ENG: 0, HR: 1}
    (audit,) = [row for row in rows_of(shared.database, acme, AuditRow) if row.action == "question.moved"]
    assert json.loads(audit.before or "")["space_id"] == str(ENG)
    assert json.loads(audit.after or "")["space_id"] == str(HR)
    assert any(event.kind is EventKind.TALLY_DUE for event in events_of(shared.database, acme))
    with pytest.raises(NotFound):
        handled(routes.read_question, call_as(shared, DAVE, questionId=question.item.id))


def test_a_question_moves_onto_a_page_and_back(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    confluence.put_page(900, ENG, ALICE, CAROL)

    moved = move(shared, CAROL, question, pageId=900)
    assert (moved["containerKind"], moved["containerId"]) == ("page", "900")
    version = confluence.item(question.item.id).version
    assert move(shared, CAROL, question, pageId=900)["version"] == moved["version"]
    assert confluence.item(question.item.id).version == version
    assert move(shared, ALICE, question, spaceId=ENG)["containerKind"] == "space"
    assert actions(shared, acme) == ["question.moved"] * 2


def test_moving_needs_rights_at_both_ends(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question, daves = ask(shared, acme, confluence), ask(shared, acme, confluence, author=DAVE)
    confluence.put_page(900, HR, CAROL)
    confluence.put_page(901, ENG, ALICE)
    refusals: list[tuple[str, QuestionHead, dict[str, int], type[Exception]]] = [
        (BOB, question, {"spaceId": HR}, Forbidden),
        (MALLORY, question, {"spaceId": ENG}, NotFound),
        (DAVE, daves, {"spaceId": HR}, NotFound),
        (DAVE, daves, {"spaceId": SpaceId(4242)}, NotFound),
        (DAVE, daves, {"pageId": 900}, NotFound),
        (DAVE, daves, {"pageId": 901}, NotFound),
        (DAVE, daves, {"pageId": 4242}, NotFound),
        (ALICE, question, {}, Invalid),
        (ALICE, question, {"spaceId": HR, "pageId": 900}, Invalid),
    ]
    for account, moving, place, expected in refusals:
        with pytest.raises(expected):
            move(shared, account, moving, **place)
    confluence.allow(ALICE, HR, questions="v")
    with pytest.raises(Forbidden):
        move(shared, ALICE, question, spaceId=HR)
    confluence.refused_writers = {AccountId(CAROL)}
    with pytest.raises(ConfluenceRefused):
        move(shared, CAROL, question, spaceId=HR)
    assert {row.space_id for row in rows_of(shared.database, acme, Question)} == {ENG}
    assert actions(shared, acme) == []


def test_nothing_moves_into_a_space_that_is_switched_off_or_archived(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    choose(shared, acme, HR, is_enabled=False)
    with pytest.raises(NotFound):
        move(shared, CAROL, question, spaceId=HR)
    assert confluence.item(question.item.id).space_id == ENG


def test_dave_cannot_delete_move_or_restore_what_he_may_not_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence, space_id=HR, author=DAVE)
    answer_id = reply(shared, acme, confluence, question, DAVE)
    with pytest.raises(NotFound):
        delete(shared, DAVE, question)
    with pytest.raises(NotFound):
        move(shared, DAVE, question, spaceId=ENG)
    with pytest.raises(NotFound):
        handled(answer_routes.delete, call_as(shared, DAVE, answerId=answer_id))
    delete(shared, CAROL, question)
    with pytest.raises(NotFound):
        restore(shared, DAVE, question.item.id)
    assert confluence.item(question.item.id).status == "trashed"


def test_while_confluence_is_away_nothing_is_removed(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    handled(routes.read_question, call_as(shared, ALICE, questionId=question.item.id))
    confluence.is_away = True
    for work in (partial(delete, shared, ALICE, question), partial(move, shared, ALICE, question, spaceId=HR)):
        with pytest.raises(Unavailable):
            work()
    assert not deleted(shared, acme)


def test_a_guarded_question_stays_guarded_wherever_it_goes(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    guard = partial(guard_question, tenant_id=acme.tenant_id, question_id=question.item.id, now=NOW)
    shared.database.write(guard, tenant_id=acme.tenant_id)
    move(shared, CAROL, question, spaceId=HR)
    assert only_row(shared.database, acme, Question).is_guarded


def test_an_archived_space_keeps_what_it_has(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    confluence.archived_spaces = {ENG}
    with pytest.raises((ConfluenceRefused, SpaceArchived)):
        delete(shared, CAROL, question)
    assert not deleted(shared, acme)


@pytest.mark.parametrize("account", [BOB, DAVE, MALLORY])
def test_that_a_space_is_archived_is_told_only_those_who_may_restore(
    shared: Services, sites: Sites, confluence: FakeConfluence, account: str
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    delete(shared, CAROL, question)
    archived = partial(set_space_status, tenant_id=acme.tenant_id, space_id=ENG, status=SpaceStatus.ARCHIVED, now=NOW)
    assert shared.database.write(archived, tenant_id=acme.tenant_id)
    shared.spaces.forget(acme.tenant_id)

    with pytest.raises(SpaceArchived):
        restore(shared, CAROL, question.item.id)
    with pytest.raises(NotFound):
        restore(shared, account, question.item.id)
    assert deleted(shared, acme)
