"""Answers into comments and back: whatever fails, nothing is lost, nothing is there twice, and somebody is told."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.confluence import Caller, Comment, ConfluenceRefused, Content, ContentKind, Place
from lib.errors import Failure, Forbidden, NotFound, Unavailable
from lib.events import EventKind
from lib.principal import AccountId, ContentId
from lib.services import Services
from lib.tenancy import AccountRow
from questions_api.answers import routes
from questions_api.answers.answering import AlreadyAnswered, answer_question
from questions_api.answers.converting import HalfConverted
from questions_api.answers.schemas import AnswerBody, CommentBody
from questions_api.model import Answer, Question
from questions_api.policy import QuestionClosed, QuestionLocked
from questions_api.posts import QuestionHead, WrongContainer, register_answer
from questions_api.questions import routes as question_routes
from questions_api.questions.reading import detail_of
from questions_api.questions.schemas import ChangeBody
from questions_api.watches.model import Watch
from tests.factories import ANSWER_TYPE, HR, NOW, Site, asked, beside, content, events_of, only_row, rows_of
from tests.fakes import FakeConfluence
from tests.integration.calling import Sites, call_as, cast_confluence, choose, confluence, handled, shared
from tests.races import at_once
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

TEXT = "<p>Plant the secret phrase here</p>"
EVERYBODY = (ALICE, BOB, CAROL, DAVE)
REFUSED: Failure = ConfluenceRefused(403)
AWAY: Failure = Unavailable()


@dataclass(slots=True)
class Faulty(FakeConfluence):
    """Fails at the named calls: before it does what was asked, or (`answers_lost`) after it has."""

    failures: dict[str, Failure] = field(default_factory=dict)
    answers_lost: set[str] = field(default_factory=set)

    def _guarded[T](self, name: str, work: Callable[[], T]) -> T:
        result = work() if name not in self.failures or name in self.answers_lost else None
        if name in self.failures:
            raise self.failures[name]
        assert result is not None or name.startswith("delete")
        return result  # type: ignore[return-value]

    def create_comment(self, caller: Caller, content_id: ContentId, *, storage: str) -> int:
        made = partial(FakeConfluence.create_comment, self, caller, content_id, storage=storage)
        return self._guarded("create_comment", made)

    def delete_comment(self, caller: Caller, comment_id: int) -> None:
        self._guarded("delete_comment", partial(FakeConfluence.delete_comment, self, caller, comment_id))

    def create_content(self, caller: Caller, kind: ContentKind, place: Place, *, title: str, storage: str) -> Content:
        made = partial(FakeConfluence.create_content, self, caller, kind, place, title=title, storage=storage)
        return self._guarded("create_content", made)

    def delete_content(self, caller: Caller, content_id: ContentId) -> None:
        self._guarded("delete_content", partial(FakeConfluence.delete_content, self, caller, content_id))


@pytest.fixture
def faulty() -> Faulty:
    made, model = Faulty(), cast_confluence()
    made._operations = model._operations
    return made


def ask(shared: Services, site: Site, confluence: FakeConfluence, **facts: Any) -> QuestionHead:
    question = asked(shared.database, site, **facts)
    confluence.put(replace(content(**facts), id=question.item.id, title="How?"), *EVERYBODY)
    return question


def reply(
    shared: Services, site: Site, confluence: FakeConfluence, question: QuestionHead, author: str = BOB
) -> ContentId:
    item = content(type_key=ANSWER_TYPE, author=author, question_id=question.item.id, space_id=question.item.space_id)
    confluence.put(item, *EVERYBODY, storage=TEXT)
    work = partial(register_answer, tenant_id=site.tenant_id, question_id=question.item.id, content=item, now=NOW)
    shared.database.write(work, tenant_id=site.tenant_id)
    return item.id


def comment_on(confluence: FakeConfluence, question: QuestionHead, author: str = BOB, comment_id: int = 555) -> int:
    comment = Comment(comment_id, AccountId(author), question.item.id, NOW, TEXT)
    confluence.put_comment(comment, *EVERYBODY)
    return comment_id


def to_comment(shared: Services, account: str, answer_id: ContentId) -> int:
    reply = handled(routes.make_comment, call_as(shared, account, answerId=answer_id))
    assert reply.status == 201
    return int(reply.body["commentId"])


def to_answer(shared: Services, account: str, question: QuestionHead, comment_id: int) -> Any:
    body = CommentBody.model_validate_json(json.dumps({"commentId": str(comment_id)}))
    reply = handled(routes.make_answer, call_as(shared, account, questionId=question.item.id), body)
    assert reply.status == 201
    return reply.body


def register(shared: Services, account: str, question: QuestionHead, content_id: ContentId) -> Any:
    body = AnswerBody.model_validate_json(json.dumps({"contentId": str(content_id)}))
    return handled(routes.answer, call_as(shared, account, questionId=question.item.id), body)


def texts(confluence: FakeConfluence) -> tuple[int, int]:
    """In how many comments, and in how many answers outside the trash, the text is."""
    answers = [item for item in confluence._items.values() if item.type == ANSWER_TYPE and item.status == "current"]
    comments = [comment for comment in confluence.comments.values() if comment.storage == TEXT]
    return len(comments), len([item for item in answers if confluence._texts[item.id] == TEXT])


def live(shared: Services, site: Site) -> list[Answer]:
    return [row for row in rows_of(shared.database, site, Answer) if row.deleted_at is None]


def actions(shared: Services, site: Site) -> list[str]:
    return sorted(row.action for row in rows_of(shared.database, site, AuditRow))


def people(shared: Services, site: Site) -> dict[int, str | None]:
    return {row.account_ref: row.atlassian_account_id for row in rows_of(shared.database, site, AccountRow)}


def test_an_answer_becomes_a_comment_of_the_same_text(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    answer_id = reply(shared, acme, confluence, question)

    comment_id = to_comment(shared, BOB, answer_id)

    comment = confluence.comments[comment_id]
    assert (comment.container_id, comment.author_id, comment.storage) == (question.item.id, BOB, TEXT)
    assert confluence.item(answer_id).status == "trashed"
    assert (texts(confluence), live(shared, acme)) == ((1, 0), [])
    assert only_row(shared.database, acme, Question).answer_count == 0
    assert actions(shared, acme) == []
    with pytest.raises(NotFound):
        to_comment(shared, BOB, answer_id)


def test_a_comment_becomes_an_answer_of_its_author(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    comment_id = comment_on(confluence, question, BOB)

    answer = to_answer(shared, CAROL, question, comment_id)

    assert (answer["authorId"], answer["questionId"]) == (BOB, str(question.item.id))
    made = confluence.item(ContentId(int(answer["id"])))
    assert (made.container_kind, made.container_id, made.title) == ("content", question.item.id, "Answer: How?")
    assert (texts(confluence), confluence.comments) == ((0, 1), {})
    assert only_row(shared.database, acme, Question).answer_count == 1
    assert len(events_of(shared.database, acme, EventKind.QUESTION_ANSWERED)) == 1
    assert actions(shared, acme) == ["answer.from-comment"]


def test_there_and_back_again(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    answer_id = reply(shared, acme, confluence, question)
    for _ in range(2):
        comment_id = to_comment(shared, BOB, answer_id)
        answer_id = ContentId(int(to_answer(shared, BOB, question, comment_id)["id"]))
    assert texts(confluence) == (0, 1)
    assert [row.id for row in live(shared, acme)] == [answer_id]
    assert actions(shared, acme) == []


def test_the_credit_is_right_also_where_confluences_report_came_first(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    comment_id = comment_on(confluence, question, BOB)

    class Quick(FakeConfluence):
        def delete_comment(self, caller: Caller, comment_id: int) -> None:
            FakeConfluence.delete_comment(self, caller, comment_id)
            (item,) = [item for item in self._items.values() if item.type == ANSWER_TYPE]
            found = partial(register_answer, tenant_id=acme.tenant_id, question_id=question.item.id, content=item)
            shared.database.write(partial(found, now=NOW), tenant_id=acme.tenant_id)

    quick = Quick()
    for name in ("_operations", "_items", "_texts", "_readers", "comments"):
        setattr(quick, name, getattr(confluence, name))

    answer = to_answer(beside(shared, quick), CAROL, question, comment_id)

    assert answer["authorId"] == BOB
    names = people(shared, acme)
    watching = {names[row.account_ref] for row in rows_of(shared.database, acme, Watch)}
    assert {ALICE, BOB} <= watching
    assert only_row(shared.database, acme, Question).answer_count == 1


Step = tuple[str, Failure]


@pytest.mark.parametrize(
    ("failing", "expected", "remains"),
    [
        ([("create_comment", REFUSED)], ConfluenceRefused, (0, 1)),
        ([("create_comment", AWAY)], Unavailable, (0, 1)),
        ([("delete_content", REFUSED)], ConfluenceRefused, (0, 1)),
        ([("delete_content", AWAY)], Unavailable, (0, 1)),
        ([("delete_content", REFUSED), ("delete_comment", REFUSED)], HalfConverted, (1, 1)),
        ([("delete_content", REFUSED), ("delete_comment", AWAY)], HalfConverted, (1, 1)),
        ([("delete_content", AWAY), ("delete_comment", AWAY)], HalfConverted, (1, 1)),
    ],
)
def test_an_answer_that_cannot_become_a_comment_stays_an_answer(
    services: Services,
    sites: Sites,
    faulty: Faulty,
    failing: list[Step],
    expected: type[Failure],
    remains: tuple[int, int],
) -> None:
    acme, _ = sites
    shared = beside(services, faulty)
    question = ask(shared, acme, faulty)
    answer_id = reply(shared, acme, faulty, question)
    faulty.failures = dict(failing)

    with pytest.raises(expected) as refused:
        to_comment(shared, BOB, answer_id)

    assert texts(faulty) == remains
    assert [row.id for row in live(shared, acme)] == [answer_id]
    if isinstance(refused.value, HalfConverted):
        assert refused.value.current["answerId"] == str(answer_id)
        assert refused.value.current["commentId"] == str(next(iter(faulty.comments)))
    faulty.failures = {}
    if remains == (0, 1):
        to_comment(shared, BOB, answer_id)
        assert (texts(faulty), live(shared, acme)) == ((1, 0), [])


@pytest.mark.parametrize(
    ("failing", "expected", "remains"),
    [
        ([("create_content", REFUSED)], ConfluenceRefused, (1, 0)),
        ([("create_content", AWAY)], Unavailable, (1, 0)),
        ([("delete_comment", ConfluenceRefused(404))], ConfluenceRefused, (1, 0)),
        ([("delete_comment", AWAY)], Unavailable, (1, 0)),
        ([("delete_comment", REFUSED), ("delete_content", REFUSED)], HalfConverted, (1, 1)),
        ([("delete_comment", AWAY), ("delete_content", AWAY)], HalfConverted, (1, 1)),
    ],
)
def test_a_comment_that_cannot_become_an_answer_stays_a_comment(
    services: Services,
    sites: Sites,
    faulty: Faulty,
    failing: list[Step],
    expected: type[Failure],
    remains: tuple[int, int],
) -> None:
    acme, _ = sites
    shared = beside(services, faulty)
    question = ask(shared, acme, faulty)
    comment_id = comment_on(faulty, question)
    faulty.failures = dict(failing)

    with pytest.raises(expected) as refused:
        to_answer(shared, BOB, question, comment_id)

    assert (texts(faulty), live(shared, acme)) == (remains, [])
    if isinstance(refused.value, HalfConverted):
        assert refused.value.current["commentId"] == str(comment_id)
    faulty.failures = {}
    if remains == (1, 0):
        to_answer(shared, BOB, question, comment_id)
        assert (texts(faulty), len(live(shared, acme))) == ((0, 1), 1)


def test_a_deletion_whose_answer_was_lost_has_happened(services: Services, sites: Sites, faulty: Faulty) -> None:
    acme, _ = sites
    shared = beside(services, faulty)
    question = ask(shared, acme, faulty)
    answer_id = reply(shared, acme, faulty, question)
    faulty.failures = {"delete_content": AWAY, "delete_comment": AWAY}
    faulty.answers_lost = {"delete_content", "delete_comment"}

    comment_id = to_comment(shared, BOB, answer_id)
    assert (texts(faulty), live(shared, acme)) == ((1, 0), [])
    to_answer(shared, BOB, question, comment_id)
    assert (texts(faulty), len(live(shared, acme))) == ((0, 1), 1)


class Meeting(FakeConfluence):
    """Lets nobody delete before two have written."""

    def create_comment(self, caller: Caller, content_id: ContentId, *, storage: str) -> int:
        made = FakeConfluence.create_comment(self, caller, content_id, storage=storage)
        BARRIER.wait(30)
        return made


BARRIER = threading.Barrier(2)


def test_converting_at_once_makes_one(services: Services, sites: Sites) -> None:
    acme, _ = sites
    meeting, model = Meeting(), cast_confluence()
    meeting._operations = model._operations
    shared = beside(services, meeting)
    question = ask(shared, acme, meeting)
    answer_id = reply(shared, acme, meeting, question)

    outcomes = at_once([partial(to_comment, shared, BOB, answer_id) for _ in range(2)])

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConfluenceRefused", "int"]
    assert (texts(meeting), live(shared, acme)) == ((1, 0), [])


def test_who_converts(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    answer_id, comment_id = reply(shared, acme, confluence, question), comment_on(confluence, question)
    for account, expected in ((ALICE, Forbidden), (DAVE, Forbidden), (MALLORY, NotFound)):
        with pytest.raises(expected):
            to_comment(shared, account, answer_id)
        with pytest.raises(expected):
            to_answer(shared, account, question, comment_id)
    assert texts(confluence) == (1, 1)
    to_comment(shared, CAROL, answer_id)
    to_answer(shared, CAROL, question, comment_id)
    assert actions(shared, acme) == ["answer.from-comment", "answer.to-comment"]


def test_dave_converts_nothing_he_may_not_see(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence, space_id=HR)
    answer_id, comment_id = reply(shared, acme, confluence, question, DAVE), comment_on(confluence, question, DAVE)
    with pytest.raises(NotFound):
        to_comment(shared, DAVE, answer_id)
    with pytest.raises(NotFound):
        to_answer(shared, DAVE, question, comment_id)
    assert texts(confluence) == (1, 1)


def test_only_a_comment_on_this_very_question_becomes_its_answer(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question, other = ask(shared, acme, confluence), ask(shared, acme, confluence)
    elsewhere = comment_on(confluence, other)
    confluence.put_comment(Comment(556, AccountId(BOB), None, NOW, TEXT), *EVERYBODY)
    confluence.put_comment(Comment(557, AccountId(BOB), question.item.id, NOW, TEXT), CAROL)
    for comment_id, expected in ((elsewhere, WrongContainer), (556, WrongContainer), (557, NotFound), (9, NotFound)):
        with pytest.raises(expected):
            to_answer(shared, BOB, question, comment_id)
    assert (texts(confluence), live(shared, acme)) == ((3, 0), [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [('{"state": "closed", "closeReason": "outdated"}', QuestionClosed), ('{"isLocked": true}', QuestionLocked)],
)
def test_a_question_that_takes_no_answers_takes_none_from_comments(
    shared: Services, sites: Sites, confluence: FakeConfluence, body: str, expected: type[Failure]
) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    comment_id = comment_on(confluence, question)
    call = call_as(shared, CAROL, questionId=question.item.id)
    handled(question_routes.change, call, ChangeBody.model_validate_json(body))
    for account in (BOB, CAROL):
        with pytest.raises(expected):
            to_answer(shared, account, question, comment_id)
    assert texts(confluence) == (1, 0)


def test_where_each_person_has_one_answer_a_second_is_refused_with_the_first(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    choose(shared, acme, one_answer_each=True)
    question = ask(shared, acme, confluence)
    first = reply(shared, acme, confluence, question, BOB)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    confluence.put(item, BOB)
    comment_id = comment_on(confluence, question, BOB)

    for work in (
        partial(register, shared, BOB, question, item.id),
        partial(to_answer, shared, BOB, question, comment_id),
        partial(to_answer, shared, CAROL, question, comment_id),
    ):
        with pytest.raises(AlreadyAnswered) as refused:
            work()
        assert refused.value.current == {"answerId": str(first)}
    assert register(shared, BOB, question, first).status == 200
    may = {who: detail_of(call_as(shared, who), question.item.id)["may"]["answer"] for who in (BOB, CAROL)}
    assert may == {BOB: False, CAROL: True}
    assert [row.id for row in live(shared, acme)] == [first]
    assert texts(confluence) == (1, 1)

    to_comment(shared, BOB, first)
    assert register(shared, BOB, question, item.id).status == 201


def test_answering_at_once_where_each_has_one_leaves_one(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    # Bob is known already: else making his reference would keep the five apart by itself.
    question = asked(shared.database, acme, author=BOB)
    items = [content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id) for _ in range(5)]
    answer = partial(answer_question, tenant_id=acme.tenant_id, question_id=question.item.id, one_each=True, now=NOW)
    works = [partial(shared.database.write, partial(answer, content=item), tenant_id=acme.tenant_id) for item in items]

    outcomes = at_once(works)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyAnswered"] * 4 + ["bool"]
    assert only_row(shared.database, acme, Question).answer_count == 1


def test_where_several_are_allowed_each_counts(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = ask(shared, acme, confluence)
    for _ in range(2):
        item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
        confluence.put(item, BOB)
        assert register(shared, BOB, question, item.id).status == 201
    assert len(live(shared, acme)) == 2


def test_the_text_is_in_no_row_no_log_and_no_failure(
    services: Services, sites: Sites, faulty: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    acme, _ = sites
    shared = beside(services, faulty)
    question = ask(shared, acme, faulty)
    answer_id, comment_id = reply(shared, acme, faulty, question), comment_on(faulty, question)
    caplog.set_level(logging.DEBUG)
    faulty.failures = {"delete_content": REFUSED, "delete_comment": REFUSED}
    for work in (partial(to_comment, shared, BOB, answer_id), partial(to_answer, shared, BOB, question, comment_id)):
        with pytest.raises(HalfConverted) as refused:
            work()
        assert "secret phrase" not in repr(refused.value) + repr(refused.value.current)
    assert "secret phrase" not in caplog.text
    assert "secret phrase" not in repr(faulty.comments[comment_id])
