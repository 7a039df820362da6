"""An answer that Confluence restricts by itself: whoever is not shown it there finds it nowhere here either."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lib.errors import NotFound, Unavailable
from lib.principal import AccountId, ContentId
from lib.services import Services
from questions_api.answers import routes
from questions_api.answers.schemas import AcceptBody, AnswersQuery
from questions_api.exporting.routes import send_export
from questions_api.exporting.schemas import ExportQuery
from questions_api.following.guarding import guard_answers
from questions_api.moderation.flagging import flag_post
from questions_api.moderation.model import FlagReason
from questions_api.moderation.routes import flag_answer, read_flags
from questions_api.moderation.schemas import FlagBody, FlagsQuery
from questions_api.people.routes import read_person
from questions_api.posts import QuestionHead
from questions_api.questions.routes import read_question
from questions_api.votes.routes import vote_on_answer
from questions_api.votes.schemas import VoteBody
from tests.factories import ANSWER_TYPE, ENG, NOW, Site, answered, asked, content
from tests.fakes import FakeConfluence
from tests.integration.calling import call_as, confluence, handled, shared
from tests.integration.people_calls import accept, answer_post, write
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")

Sites = tuple[Site, Site]
SEERS, OTHERS = (ALICE, BOB, CAROL), (DAVE,)


class World:
    """A question with an open answer and a guarded one, which is accepted, and which Dave may not see."""

    question: QuestionHead
    shown: ContentId
    guarded: ContentId


@pytest.fixture
def world(shared: Services, confluence: FakeConfluence, sites: Sites) -> World:
    acme, _ = sites
    made, database = World(), shared.database
    made.question = asked(database, acme)
    made.shown = answered(database, acme, made.question, author=CAROL)
    made.guarded = answered(database, acme, made.question, author=BOB)
    accept(database, acme, ALICE, made.question.item.id, made.guarded)
    write(database, acme, guard_answers, acme.tenant_id, [made.guarded])
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=made.question.item.id)
    confluence.put(replace(item, id=made.guarded), *SEERS)
    confluence.allow(CAROL, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    confluence.allow(DAVE, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return made


def listed(shared: Services, world: World, account: str) -> set[str]:
    call = call_as(shared, account, questionId=world.question.item.id)
    return {item["id"] for item in handled(routes.read_answers, call, AnswersQuery())["items"]}


@pytest.mark.parametrize("account", [*SEERS, *OTHERS])
def test_the_answers_are_those_that_confluence_shows(shared: Services, world: World, account: str) -> None:
    wanted = {str(world.shown)} | ({str(world.guarded)} if account in SEERS else set())
    assert listed(shared, world, account) == wanted


@pytest.mark.parametrize("account", [*SEERS, *OTHERS])
def test_the_question_names_accepted_answers_to_those_who_see_them(
    shared: Services, world: World, account: str
) -> None:
    detail = handled(read_question, call_as(shared, account, questionId=world.question.item.id))
    assert detail["acceptedAnswerIds"] == ([str(world.guarded)] if account in SEERS else [])


def works(shared: Services, world: World, account: str) -> list[Callable[[], Any]]:
    """Everything that is done to one answer."""
    answer = call_as(shared, account, answerId=world.guarded)
    question = call_as(shared, account, questionId=world.question.item.id)
    chosen = AcceptBody.model_validate_json(f'{{"answerId": "{world.guarded}"}}')
    return [
        lambda: handled(vote_on_answer, answer, VoteBody(value=1)),
        lambda: handled(flag_answer, answer, FlagBody(reason=FlagReason.WRONG)),
        lambda: handled(routes.accept_answer, answer),
        lambda: handled(routes.unaccept_answer, answer),
        lambda: handled(routes.accept, question, chosen),
        lambda: handled(routes.delete, answer),
        lambda: handled(routes.make_comment, answer),
    ]


@pytest.mark.parametrize("account", [DAVE, MALLORY])
def test_nothing_is_done_to_an_answer_that_is_hidden(shared: Services, world: World, account: str) -> None:
    """Dave moderates the space, and is told no more than Mallory."""
    for work in works(shared, world, account):
        with pytest.raises(NotFound):
            work()


def test_who_sees_it_votes_and_flags_as_ever(shared: Services, world: World) -> None:
    vote, flag, *_ = works(shared, world, CAROL)
    assert vote()["score"] == 1
    flag()


def test_moderators_judge_what_they_may_see(shared: Services, sites: Sites, world: World) -> None:
    acme, _ = sites
    for answer_id in (world.shown, world.guarded):
        post = answer_post(shared.database, acme, answer_id)
        write(shared.database, acme, flag_post, acme.principal(ALICE), post, FlagReason.SPAM, now=NOW)

    def flagged(account: str) -> set[str]:
        found = handled(read_flags, call_as(shared, account, spaceId=ENG), FlagsQuery())
        return {item["postId"] for item in found["items"]}

    assert flagged(CAROL) == {str(world.shown), str(world.guarded)}
    assert flagged(DAVE) == {str(world.shown)}


@pytest.mark.parametrize(("account", "count"), [(CAROL, 2), (DAVE, 1)])
def test_an_export_leaves_it_out_for_whom_it_is_hidden(
    shared: Services, world: World, account: str, count: int
) -> None:
    reply: Any = send_export(call_as(shared, account), ExportQuery.model_validate({"space": str(ENG)}))
    text = reply.body.decode()
    assert text.count('"kind":"answer"') == count
    assert (str(world.guarded) in text) == (count == 2)


@pytest.mark.parametrize("account", [CAROL, DAVE])
def test_a_profile_tells_of_it_only_who_may_see_it(shared: Services, world: World, account: str) -> None:
    call = call_as(shared, account)
    request = replace(call.request, path_values={"accountId": AccountId(BOB)})
    profile = handled(read_person, replace(call, request=request))
    assert (str(world.guarded) in str(profile)) == (account == CAROL)


def test_while_confluence_is_away_nobody_is_told_anything(
    shared: Services, confluence: FakeConfluence, world: World
) -> None:
    listed(shared, world, DAVE)
    confluence.is_away = True
    assert listed(shared, world, DAVE) == {str(world.shown)}
    with pytest.raises(Unavailable):
        listed(shared, world, ALICE)
