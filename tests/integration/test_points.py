"""Points against rows: what votes, acceptances and removals earn and take away, whatever comes in between."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from lib.errors import NotFound, Unavailable
from lib.events import EventKind
from lib.principal import ContentId
from lib.queues import TALLY_QUEUE
from lib.services import Services
from lib.sql import Database, select_rows, update_rows
from lib.tenancy import AccountRow, InstallationRow, InstallationState
from questions_api.answers.acceptance import accept_only
from questions_api.following import forgetting
from questions_api.model import Answer, PostKind, Question
from questions_api.people.model import ANY_TAG, EVER, Contribution, Standing
from questions_api.people.points import day_of
from questions_api.people.tallying import on_tally, tally, tally_due
from questions_api.posts import find_answer, find_question, register_answer, register_question, remove_post
from questions_api.tags.model import QuestionTag, Tag, TagUse
from questions_api.tags.tagging import add_tags, borne_tags, remove_tags
from questions_api.votes.casting import Value, cast_vote
from questions_api.votes.model import Vote
from tests.factories import ANSWER_TYPE, ENG, HR, NOW, Site, answered, asked, content, events_of, rows_of
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]
Key = tuple[int, int, int, int]
TODAY = day_of(NOW)


def write(database: Database, site: Site, use_case: Callable[..., object], *args: Any, **values: Any) -> None:
    database.write(lambda session: use_case(session, *args, **values), tenant_id=site.tenant_id)


def vote_question(database: Database, site: Site, account: str, question_id: ContentId, value: Value = 1) -> None:
    post = database.read(partial(find_question, tenant_id=site.tenant_id, question_id=question_id)).post
    write(database, site, cast_vote, site.principal(account), post, value, now=NOW)


def vote_answer(database: Database, site: Site, account: str, answer_id: ContentId, value: Value = 1) -> None:
    post = database.read(partial(find_answer, tenant_id=site.tenant_id, answer_id=answer_id)).post
    write(database, site, cast_vote, site.principal(account), post, value, now=NOW)


def accept(database: Database, site: Site, account: str, question_id: ContentId, answer_id: ContentId | None) -> None:
    head = database.read(partial(find_question, tenant_id=site.tenant_id, question_id=question_id))
    write(database, site, accept_only, site.principal(account), head, answer_id, now=NOW)


def remove(database: Database, site: Site, content_id: ContentId) -> None:
    write(database, site, remove_post, site.tenant_id, content_id, now=NOW)


def standings(database: Database, site: Site) -> dict[Key, int]:
    return {
        (row.space_id, row.tag_id, row.day, row.account_ref): row.points for row in rows_of(database, site, Standing)
    }


def ever(database: Database, site: Site) -> dict[str, int]:
    """Points for ever, by account id."""
    names = {row.account_ref: row.atlassian_account_id for row in rows_of(database, site, AccountRow)}
    found: Counter[str] = Counter()
    for (_, tag_id, day, account_ref), points in standings(database, site).items():
        if tag_id == ANY_TAG and day == EVER:
            found[str(names[account_ref])] += points
    return dict(found)


def from_facts(database: Database, site: Site) -> dict[Key, int]:
    """All standings worked out anew, from posts, votes and tags alone."""
    questions = {row.id: row for row in rows_of(database, site, Question) if row.deleted_at is None}
    answers = [
        row for row in rows_of(database, site, Answer) if row.deleted_at is None and row.question_id in questions
    ]
    posts = {(PostKind.QUESTION.value, row.id): (row.author_ref, row.id) for row in questions.values()}
    posts |= {(PostKind.ANSWER.value, row.id): (row.author_ref, row.question_id) for row in answers}
    earned = []
    for vote in rows_of(database, site, Vote):
        post = posts.get((vote.subject_kind, vote.subject_id))
        if post is not None and vote.value == 1:
            earned.append((*post, day_of(vote.created_at), 10))
    for row in answers:
        if row.accepted_at is not None:
            asker = questions[row.question_id].author_ref
            if not (row.author_ref == asker == row.accepted_by_ref):
                earned.append((row.author_ref, row.question_id, day_of(row.accepted_at), 15))
    tags = rows_of(database, site, QuestionTag)
    found: Counter[Key] = Counter()
    for account_ref, question_id, day, points in earned:
        borne = [row.tag_id for row in tags if row.question_id == question_id]
        for tag_id in (ANY_TAG, *borne):
            for of_day in (day, EVER):
                found[questions[question_id].space_id, tag_id, of_day, account_ref] += points
    return dict(found)


def test_votes_and_acceptance_earn_after_the_tally(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE, tags=("vpn",))
    answer_id = answered(database, acme, question, author=BOB)
    for voter in (BOB, CAROL):
        vote_question(database, acme, voter, question.item.id)
    vote_answer(database, acme, CAROL, answer_id)
    vote_answer(database, acme, DAVE, answer_id, -1)
    accept(database, acme, ALICE, question.item.id, answer_id)
    assert standings(database, acme) == {}

    tally_due(services)

    assert ever(database, acme) == {ALICE: 20, BOB: 25}
    (tag,) = rows_of(database, acme, Tag)
    refs = {row.atlassian_account_id: row.account_ref for row in rows_of(database, acme, AccountRow)}
    assert standings(database, acme) == {
        (ENG, tag_id, day, refs[account]): points
        for tag_id in (ANY_TAG, tag.tag_id)
        for day in (EVER, TODAY)
        for account, points in ((ALICE, 20), (BOB, 25))
    }
    assert events_of(database, acme, EventKind.TALLY_DUE) == []


def test_the_asker_who_accepts_their_own_answer_earns_nothing(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE)
    answer_id = answered(database, acme, question, author=ALICE)
    accept(database, acme, ALICE, question.item.id, answer_id)
    tally_due(services)
    assert ever(database, acme) == {}

    accept(database, acme, ALICE, question.item.id, None)
    accept(database, acme, CAROL, question.item.id, answer_id)
    tally_due(services)

    assert ever(database, acme) == {ALICE: 15}


def test_what_is_taken_back_is_taken_away_again(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE, tags=("vpn", "dns"))
    answer_id = answered(database, acme, question, author=BOB)
    vote_question(database, acme, BOB, question.item.id)
    accept(database, acme, ALICE, question.item.id, answer_id)
    tally_due(services)
    assert ever(database, acme) == {ALICE: 10, BOB: 15}

    vote_question(database, acme, BOB, question.item.id, 0)
    accept(database, acme, ALICE, question.item.id, None)
    tally_due(services)

    assert standings(database, acme) == {}
    assert rows_of(database, acme, Contribution) == []


def test_a_removed_question_takes_all_points_along_and_brings_them_back(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    item = content(author=ALICE)
    write(database, acme, register_question, acme.tenant_id, item, tags=("vpn",), now=NOW)
    head = database.read(partial(find_question, tenant_id=acme.tenant_id, question_id=item.id))
    answer_id = answered(database, acme, head, author=BOB)
    vote_question(database, acme, CAROL, item.id)
    vote_answer(database, acme, CAROL, answer_id)
    tally_due(services)
    before = standings(database, acme)
    assert ever(database, acme) == {ALICE: 10, BOB: 10}

    remove(database, acme, answer_id)
    tally_due(services)
    assert ever(database, acme) == {ALICE: 10}

    remove(database, acme, item.id)
    tally_due(services)
    assert standings(database, acme) == {}

    answer = content(type_key=ANSWER_TYPE, author=BOB, question_id=item.id)
    write(database, acme, register_question, acme.tenant_id, item, now=NOW)
    write(database, acme, register_answer, acme.tenant_id, item.id, replace(answer, id=answer_id), now=NOW)
    tally_due(services)
    assert standings(database, acme) == before


def test_points_move_with_their_question_and_follow_its_tags(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    item = content(author=ALICE)
    write(database, acme, register_question, acme.tenant_id, item, tags=("vpn",), now=NOW)
    vote_question(database, acme, BOB, item.id)
    tally_due(services)
    borne = database.read(partial(borne_tags, tenant_id=acme.tenant_id, question_id=item.id))

    moved = replace(item, space_id=HR, container_id=int(HR))
    write(database, acme, register_question, acme.tenant_id, moved, now=NOW)
    write(database, acme, remove_tags, acme.tenant_id, item.id, borne, now=NOW)
    tally_due(services)

    assert {(space_id, tag_id) for space_id, tag_id, _, _ in standings(database, acme)} == {(HR, ANY_TAG)}
    assert set(standings(database, acme).values()) == {10}


def test_a_day_is_that_of_the_vote(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE)
    for voter, days_ago in ((BOB, 3), (CAROL, 0)):
        moment = NOW - timedelta(days=days_ago)
        write(database, acme, cast_vote, acme.principal(voter), question.post, 1, now=moment)

    tally_due(services)

    by_day = {day: points for (_, _, day, _), points in standings(database, acme).items()}
    assert by_day == {TODAY - 3: 10, TODAY: 10, EVER: 20}


def test_tallying_again_changes_nothing(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE, tags=("vpn",))
    vote_question(database, acme, BOB, question.item.id)
    tally_due(services)
    before = standings(database, acme)

    again = database.write(lambda session: tally(session, acme.tenant_id, [question.item.id]))

    assert again == 0
    assert standings(database, acme) == before


def test_a_lost_wake_is_found_by_the_sweep(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE)
    # Written past `services.write`, so nobody was woken.
    vote_question(database, acme, BOB, question.item.id)
    assert services.queues.sent == []  # type: ignore[attr-defined]

    on_tally(services)

    assert ever(database, acme) == {ALICE: 10}


def test_more_than_one_run_holds_asks_for_another(
    services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("questions_api.people.tallying._BATCH", 1)
    monkeypatch.setattr("questions_api.people.tallying._MAX_BATCHES", 2)
    acme, database = sites[0], services.database
    for _ in range(3):
        vote_question(database, acme, BOB, asked(database, acme, author=ALICE).item.id)
    woken: list[str] = []

    class Waking:
        def wake(self, queue: str, _: str | None) -> None:
            woken.append(queue)

    waking: Any = Waking()
    assert tally_due(replace(services, waker=waking)) == 2
    assert woken == [TALLY_QUEUE]
    assert tally_due(replace(services, waker=waking)) == 1
    assert ever(database, acme) == {ALICE: 30}


def test_a_site_that_is_being_purged_gets_no_new_rows(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    vote_question(database, acme, BOB, asked(database, acme).item.id)
    database.write(
        lambda session: session.execute(
            update(InstallationRow)
            .where(InstallationRow.tenant_id == acme.tenant_id)
            .values(state=InstallationState.PURGING)
        )
    )

    tally_due(services)

    assert standings(database, acme) == {}
    assert events_of(database, acme, EventKind.TALLY_DUE) == []


def test_an_absent_database_puts_the_tally_off(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    class Away:
        def write(self, _: object) -> None:
            raise Unavailable

    away: Any = Away()
    on_tally(replace(services, database=away))

    assert "tally_put_off" in caplog.text


def test_mallorys_site_has_points_of_its_own(services: Services, sites: Sites) -> None:
    (acme, globex), database = sites, services.database
    ours = asked(database, acme, author=ALICE)
    vote_question(database, acme, BOB, ours.item.id)
    theirs = asked(database, globex, author=MALLORY)
    vote_question(database, globex, BOB, theirs.item.id)
    with pytest.raises(NotFound):
        vote_question(database, globex, MALLORY, ours.item.id)

    tally_due(services)

    assert ever(database, acme) == {ALICE: 10}
    assert ever(database, globex) == {MALLORY: 10}
    assert database.write(lambda session: tally(session, globex.tenant_id, [ours.item.id])) == 0


def test_a_space_that_comes_back_half_forgotten_has_the_points_of_what_is_left(
    services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_BATCH", 2)
    (acme, globex), database = sites, services.database
    questions = [asked(database, acme, author=ALICE, tags=("vpn",)) for _ in range(5)]
    for number, question in enumerate(questions):
        answer_id = answered(database, acme, question, author=BOB)
        accept(database, acme, ALICE, question.item.id, answer_id)
        moment = NOW - timedelta(days=number)
        write(database, acme, cast_vote, acme.principal(CAROL), question.post, 1, now=moment)
    for site, space_id in ((acme, HR), (globex, ENG)):
        vote_question(database, site, CAROL, asked(database, site, author=ALICE, space_id=space_id).item.id)
    tally_due(services)
    others = standings(database, globex)
    turns = iter([True, True, False])

    assert not forgetting._forget(services, acme.tenant_id, ENG, has_time=partial(next, turns))

    assert len(rows_of(database, acme, Question)) == 2
    assert ever(database, acme) == {ALICE: 20, BOB: 15}
    assert standings(database, acme) == from_facts(database, acme)
    assert {(row.space_id, row.use_count) for row in rows_of(database, acme, TagUse)} == {(ENG, 1)}

    assert forgetting._forget(services, acme.tenant_id, ENG, has_time=lambda: True)

    assert ever(database, acme) == {ALICE: 10}
    assert {space_id for space_id, *_ in standings(database, acme)} == {HR}
    assert standings(database, globex) == others


def test_tallies_while_a_space_is_forgotten_leave_no_points_behind(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    items = [content(author=ALICE) for _ in range(6)]
    for item in items:
        write(database, acme, register_question, acme.tenant_id, item, tags=("vpn",), now=NOW)
        vote_question(database, acme, BOB, item.id)
    tally_due(services)
    for item in items[:3]:
        vote_question(database, acme, CAROL, item.id)
    for item in items[3:]:
        moved = replace(item, space_id=HR, container_id=int(HR))
        write(database, acme, register_question, acme.tenant_id, moved, now=NOW)

    def forget() -> object:
        forget_some = partial(forgetting._forget_some, tenant_id=acme.tenant_id, space_id=ENG, after_id=0, now=NOW)
        return database.write(forget_some, tenant_id=acme.tenant_id)

    works: list[Callable[[], object]] = [forget, lambda: tally_due(services), lambda: tally_due(services)]
    succeeded(at_once(works))
    tally_due(services)

    assert ever(database, acme) == {ALICE: 30}
    assert standings(database, acme) == from_facts(database, acme)


def test_many_tallies_at_once_count_everything_once(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    questions = [asked(database, acme, author=ALICE, tags=("vpn",)).item.id for _ in range(4)]

    def vote_and_tally(account: str, question_id: ContentId) -> Callable[[], int]:
        def work() -> int:
            vote_question(database, acme, account, question_id)
            return tally_due(services)

        return work

    works = [vote_and_tally(f"557058:voter-{number}", question) for number, question in enumerate(questions * 3)]
    succeeded(at_once(works))
    tally_due(services)

    assert ever(database, acme) == {ALICE: 120}
    assert standings(database, acme) == from_facts(database, acme)


@dataclass
class World:
    """Two sites in which anything may happen, with the posts there are to do it to."""

    services: Services
    sites: Sites
    questions: list[tuple[Site, Any]]
    answers: list[tuple[Site, ContentId, Any]]

    def act(self, action: str, one: int, two: int) -> None:
        database, people = self.services.database, (ALICE, BOB, CAROL)
        account, other = people[one % 3], people[two % 3]
        if action == "ask" or not self.questions:
            site = self.sites[one % 2]
            item = content(author=account, space_id=(ENG, HR)[two % 2])
            tags = (("vpn",), ("vpn", "dns"), ())[two % 3]
            write(database, site, register_question, site.tenant_id, item, tags=tags, now=NOW)
            self.questions.append((site, item))
            return
        site, item = self.questions[one % len(self.questions)]
        try:
            match action:
                case "answer":
                    answer = content(type_key=ANSWER_TYPE, author=other, question_id=item.id)
                    write(database, site, register_answer, site.tenant_id, item.id, answer, now=NOW)
                    self.answers.append((site, item.id, answer))
                case "tally":
                    tally_due(self.services)
                case "tag":
                    add = partial(add_tags, created_at=item.created_at, now=NOW)
                    write(database, site, add, site.tenant_id, item.id, (("vpn", "mail")[two % 2],))
                case "untag":
                    borne = database.read(partial(borne_tags, tenant_id=site.tenant_id, question_id=item.id))
                    write(database, site, remove_tags, site.tenant_id, item.id, set(sorted(borne)[:1]), now=NOW)
                case "move":
                    space_id = (ENG, HR)[two % 2]
                    moved = replace(item, space_id=space_id, container_id=int(space_id))
                    write(database, site, register_question, site.tenant_id, moved, may_revive=False, now=NOW)
                case "remove":
                    remove(database, site, item.id)
                case "return":
                    write(database, site, register_question, site.tenant_id, item, now=NOW)
                case "vote":
                    at = NOW - timedelta(days=two)
                    post = database.read(partial(find_question, tenant_id=site.tenant_id, question_id=item.id)).post
                    value = (-1, 0, 1, 1)[two % 4]
                    write(database, site, cast_vote, site.principal(account), post, value, now=at)
                case _:
                    self._act_on_answer(action, account, one, two)
        except NotFound:
            return

    def _act_on_answer(self, action: str, account: str, one: int, two: int) -> None:
        if not self.answers:
            return
        database = self.services.database
        site, question_id, answer = self.answers[one % len(self.answers)]
        match action:
            case "accept":
                accept(database, site, account, question_id, answer.id if two % 3 else None)
            case "vote answer":
                vote_answer(database, site, account, answer.id, (-1, 0, 1, 1)[two % 4])
            case "remove answer":
                remove(database, site, answer.id)
            case _:
                write(database, site, register_answer, site.tenant_id, question_id, answer, now=NOW)


ACTIONS = (
    *("ask", "answer", "tally", "tag", "untag", "move", "remove", "return", "vote", "vote"),
    *("accept", "vote answer", "vote answer", "remove answer", "return answer"),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 11), st.integers(0, 11)), max_size=30))
def test_whatever_happens_standings_are_what_the_facts_say(
    services: Services, sites: Sites, steps: list[tuple[str, int, int]]
) -> None:
    world = World(services, sites, [], [])
    for action, one, two in (("ask", 0, 0), ("ask", 1, 1), ("answer", 0, 1), ("answer", 1, 2), *steps):
        world.act(action, one, two)

    tally_due(services)

    for site in sites:
        assert standings(services.database, site) == from_facts(services.database, site)


def test_a_former_users_points_stay_with_the_reference(services: Services, sites: Sites) -> None:
    acme, database = sites[0], services.database
    question = asked(database, acme, author=ALICE)
    vote_question(database, acme, BOB, question.item.id)
    write(
        database,
        acme,
        lambda session: session.execute(
            update_rows(acme.tenant_id, AccountRow)
            .where(AccountRow.atlassian_account_id == ALICE)
            .values(atlassian_account_id=None)
        ),
    )

    tally_due(services)

    assert ever(database, acme) == {"None": 10}
    assert database.read(lambda session: session.scalar(select_rows(acme.tenant_id, Standing.points).limit(1))) == 10
