"""Contributors, profiles and experts: what each viewer may know of others, and nothing beyond."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from lib.errors import Forbidden, Invalid, NotFound, Unavailable
from lib.principal import AccountId, SpaceId
from lib.sql import Database, insert_row, update_rows
from lib.tenancy import AccountRow, account_ref
from questions_api.model import PostKind
from questions_api.moderation import reviewing
from questions_api.moderation.reviewing import FlagState
from questions_api.people import activity, profiles, reach, requesting
from questions_api.people.contributors import Ranking, _ranking, list_contributors
from questions_api.people.model import ANY_TAG, Standing
from questions_api.people.routes import read_contributors, read_experts, read_person
from questions_api.people.schemas import ContributorsQuery
from questions_api.people.tallying import tally_due
from questions_api.posts import guard_question, remove_post
from questions_api.tags.model import Tag, TagExpert
from tests.factories import ENG, HR, NOW, answered, asked, content, rows_of
from tests.integration.people_calls import NOTHING, accept, answer_post, choose_for_site, earn, stage, vote, write
from tests.integration.tag_calls import Stage
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("stage",)

NOBODY = "557058:00000000-0000-4000-8000-00000000dead"
EMPTY: dict[str, Any] = {
    "points": {"ever": 0, "recent": 0},
    "questions": [],
    "answers": [],
    "recent": [],
    "tags": [],
    "expertTags": [],
    "isPartial": False,
}


def top(stage: Stage, viewer: str, **query: object) -> list[tuple[str, int]]:
    answer: Any = read_contributors(stage.call(viewer), ContributorsQuery.model_validate(query))
    return [(item["accountId"], item["points"]) for item in answer["items"]]


def profile(stage: Stage, viewer: str, account: str) -> dict[str, Any]:
    answer: Any = read_person(stage.call(viewer, accountId=account), NOTHING)
    return dict(answer)


def experts(stage: Stage, viewer: str, slug: str) -> list[dict[str, Any]]:
    answer: Any = read_experts(stage.call(viewer, slug=slug), NOTHING)
    return list(answer["items"])


def name_expert(stage: Stage, account: str, slug: str) -> None:
    (tag_id,) = [tag.tag_id for tag in rows_of(stage.database, stage.acme, Tag) if tag.slug == slug]

    def add(session: Any) -> None:
        ref = account_ref(session, stage.acme.tenant_id, AccountId(account), now=NOW)
        row = {"tag_id": tag_id, "account_ref": ref, "created_at": NOW}
        session.execute(insert_row(stage.acme.tenant_id, TagExpert, **row))

    stage.database.write(add)


def test_contributors_stand_by_points_over_the_spaces_the_viewer_sees(stage: Stage) -> None:
    acme = stage.acme
    earn(stage, acme, asked(stage.database, acme, author=ALICE).post, 3)
    earn(stage, acme, asked(stage.database, acme, author=BOB).post, 1)
    earn(stage, acme, asked(stage.database, acme, author=BOB, space_id=HR).post, 4)

    assert top(stage, ALICE) == [(BOB, 50), (ALICE, 30)]
    assert top(stage, DAVE) == [(ALICE, 30), (BOB, 10)]
    assert top(stage, ALICE, space=str(HR)) == [(BOB, 40)]
    with pytest.raises(NotFound):
        top(stage, DAVE, space=str(HR))


def test_mallory_sees_the_contributors_of_her_own_site_only(stage: Stage) -> None:
    earn(stage, stage.acme, asked(stage.database, stage.acme, author=ALICE).post, 2)
    earn(stage, stage.globex, asked(stage.database, stage.globex, author=MALLORY).post, 1)

    assert top(stage, MALLORY) == top(stage, MALLORY, space=str(ENG)) == [(MALLORY, 10)]
    assert profile(stage, MALLORY, ALICE) == {"accountId": ALICE, **EMPTY}


def test_the_last_days_count_from_the_day_of_the_vote(stage: Stage) -> None:
    acme = stage.acme
    post = asked(stage.database, acme, author=ALICE).post
    for number, days in enumerate((0, 6, 7, 29, 30, 89, 90)):
        vote(stage.database, acme, f"557058:voter-{number}", post, now=NOW - timedelta(days=days))
    tally_due(stage.services)

    assert [top(stage, BOB, **query) for query in ({}, {"days": "90"}, {"days": "30"}, {"days": "7"})] == [
        [(ALICE, 70)],
        [(ALICE, 60)],
        [(ALICE, 40)],
        [(ALICE, 20)],
    ]
    assert profile(stage, BOB, ALICE)["points"] == {"ever": 70, "recent": 40}


@pytest.mark.parametrize("spaces", [(ENG,), (ENG, HR)])
@pytest.mark.parametrize("days", [None, "7"])
def test_the_pages_hold_each_person_once_with_ties(stage: Stage, spaces: tuple[SpaceId, ...], days: str | None) -> None:
    acme = stage.acme
    for number in range(7):
        for space_id in spaces:
            post = asked(stage.database, acme, author=f"557058:author-{number}", space_id=space_id).post
            earn(stage, acme, post, 1 + number // 3)
    query: dict[str, Any] = {"limit": "2"} | ({} if days is None else {"days": days})
    query |= {"space": str(ENG)} if len(spaces) == 1 else {}

    seen: list[tuple[str, int]] = []
    cursor: str | None = None
    for _ in range(5):
        given = query if cursor is None else {**query, "cursor": cursor}
        page: Any = read_contributors(stage.call(ALICE), ContributorsQuery.model_validate(given))
        seen += [(item["accountId"], item["points"]) for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert cursor is None
    assert len(seen) == len({account for account, _ in seen}) == 7
    assert [points for _, points in seen] == [n * 10 * len(spaces) for n in (3, 2, 2, 2, 1, 1, 1)]
    assert seen == top(stage, ALICE, **{key: value for key, value in query.items() if key != "limit"})


def test_a_cursor_of_another_ranking_is_refused(stage: Stage) -> None:
    for author in (ALICE, BOB):
        earn(stage, stage.acme, asked(stage.database, stage.acme, author=author).post, 1)
    page: Any = read_contributors(stage.call(CAROL), ContributorsQuery(limit=1))

    with pytest.raises(Invalid):
        top(stage, CAROL, cursor=page["next"], days="30")


def test_who_may_not_see_votes_sees_no_points(stage: Stage) -> None:
    earn(stage, stage.acme, asked(stage.database, stage.acme, author=ALICE, tags=("vpn",)).post, 12)
    stage.confluence.allow(DAVE, ENG, questions="v", tags="v")

    assert top(stage, DAVE) == top(stage, DAVE, space=str(ENG)) == []
    seen = profile(stage, DAVE, ALICE)
    assert seen["points"] == {"ever": 0, "recent": 0}
    assert (seen["tags"], seen["expertTags"]) == ([], [])
    assert "score" not in seen["questions"][0]
    assert experts(stage, DAVE, "vpn") == []


def test_tags_are_ranked_where_the_viewer_may_see_tags(stage: Stage) -> None:
    acme = stage.acme
    earn(stage, acme, asked(stage.database, acme, author=ALICE, tags=("vpn",)).post, 2)
    earn(stage, acme, asked(stage.database, acme, author=BOB, tags=("dns",)).post, 3)
    stage.confluence.allow(DAVE, ENG, questions="v", votes="v")

    assert top(stage, ALICE, tag="VPN") == [(ALICE, 20)]
    assert top(stage, ALICE, tag="unheard-of") == []
    assert top(stage, DAVE, tag="vpn") == []
    with pytest.raises(Invalid):
        top(stage, ALICE, tag="\x07")


def test_a_tag_of_restricted_questions_only_is_not_told(stage: Stage) -> None:
    acme = stage.acme
    guarded = asked(stage.database, acme, author=ALICE, tags=("layoffs",))
    on_page = asked(stage.database, acme, author=ALICE, tags=("merger",), page_id=900)
    write(stage.database, acme, guard_question, acme.tenant_id, guarded.item.id, now=NOW)
    for question in (guarded, on_page):
        earn(stage, acme, question.post, 12)

    assert top(stage, BOB, tag="layoffs") == top(stage, BOB, tag="merger") == []
    seen = profile(stage, BOB, ALICE)
    assert (seen["questions"], seen["recent"], seen["tags"], seen["expertTags"]) == ([], [], [], [])
    for slug in ("layoffs", "merger"):
        with pytest.raises(NotFound):
            experts(stage, BOB, slug)
    assert experts(stage, CAROL, "layoffs") == []


def test_former_users_are_left_out(stage: Stage) -> None:
    acme = stage.acme
    question = asked(stage.database, acme, author=ALICE, tags=("vpn",))
    name_expert(stage, ALICE, "vpn")
    earn(stage, acme, question.post, 11)
    assert (top(stage, BOB), len(experts(stage, BOB, "vpn"))) == ([(ALICE, 110)], 1)

    stage.database.write(
        lambda session: session.execute(
            update_rows(acme.tenant_id, AccountRow)
            .where(AccountRow.atlassian_account_id == ALICE)
            .values(atlassian_account_id=None)
        )
    )

    assert top(stage, BOB) == top(stage, BOB, tag="vpn") == []
    assert experts(stage, BOB, "vpn") == []
    assert profile(stage, BOB, ALICE) == {"accountId": ALICE, **EMPTY}


def test_a_site_that_shows_no_contributors_shows_no_points_anywhere(stage: Stage) -> None:
    acme = stage.acme
    question = asked(stage.database, acme, author=ALICE, tags=("vpn",))
    name_expert(stage, BOB, "vpn")
    earn(stage, acme, question.post, 11)
    choose_for_site(stage, acme, shows_contributors=False)

    with pytest.raises(Forbidden) as refused:
        top(stage, BOB)
    assert refused.value.code == "contributors-hidden"
    seen = profile(stage, BOB, ALICE)
    assert "points" not in seen
    assert (seen["tags"], seen["expertTags"], len(seen["questions"])) == ([], [], 1)
    assert experts(stage, BOB, "vpn") == [{"accountId": BOB, "isNamed": True}]
    assert "points" not in profile(stage, BOB, NOBODY)


def test_a_profile_shows_the_best_and_the_newest_of_what_is_visible(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    old = asked(database, acme, author=ALICE, created_at=NOW - timedelta(days=3), tags=("vpn",))
    new = asked(database, acme, author=ALICE, created_at=NOW - timedelta(days=1))
    hidden = asked(database, acme, author=ALICE, space_id=HR, tags=("leave",))
    other = asked(database, acme, author=BOB)
    answer_id = answered(database, acme, other, author=ALICE)
    accept(database, acme, BOB, other.item.id, answer_id)
    vote(database, acme, CAROL, answer_post(database, acme, answer_id))
    earn(stage, acme, old.post, 2)
    earn(stage, acme, hidden.post, 5)

    seen = profile(stage, DAVE, ALICE)

    assert seen["points"] == {"ever": 45, "recent": 45}
    assert [(post["id"], post["score"]) for post in seen["questions"]] == [(str(old.item.id), 2), (str(new.item.id), 0)]
    (answer,) = seen["answers"]
    assert (answer["id"], answer["questionId"], answer["score"], answer["isAccepted"]) == (
        str(answer_id),
        str(other.item.id),
        1,
        True,
    )
    assert [(post["kind"], post["id"]) for post in seen["recent"]] == [
        ("answer", str(answer_id)),
        ("question", str(new.item.id)),
        ("question", str(old.item.id)),
    ]
    assert seen["tags"] == [{"slug": "vpn", "points": 20}]
    whole = profile(stage, BOB, ALICE)
    assert whole["points"] == {"ever": 95, "recent": 95}
    assert whole["questions"][0]["id"] == str(hidden.item.id)
    assert whole["tags"] == [{"slug": "leave", "points": 50}, {"slug": "vpn", "points": 20}]


def test_a_profile_is_bounded_and_holds_no_removed_posts(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    questions = [asked(database, acme, author=ALICE) for _ in range(23)]
    answers = [answered(database, acme, question, author=ALICE) for question in questions[:13]]
    write(database, acme, remove_post, acme.tenant_id, questions[0].item.id, now=NOW)
    write(database, acme, remove_post, acme.tenant_id, answers[1], now=NOW)

    seen = profile(stage, BOB, ALICE)

    assert [len(seen[name]) for name in ("questions", "answers", "recent")] == [10, 10, 20]
    gone = {str(questions[0].item.id), str(answers[0]), str(answers[1])}
    assert gone.isdisjoint(post["id"] for name in ("questions", "answers", "recent") for post in seen[name])


def test_posts_whose_votes_are_hidden_follow_by_age_without_a_score(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    earlier = asked(database, acme, author=ALICE, space_id=HR, created_at=NOW - timedelta(days=2))
    later = asked(database, acme, author=ALICE, space_id=HR, created_at=NOW - timedelta(days=1))
    open_one = asked(database, acme, author=ALICE)
    earn(stage, acme, earlier.post, 5)
    stage.confluence.allow(BOB, HR, questions="v", tags="v")

    seen = profile(stage, BOB, ALICE)

    assert [post["id"] for post in seen["questions"]] == [str(one.item.id) for one in (open_one, later, earlier)]
    assert ["score" in post for post in seen["questions"]] == [True, False, False]
    assert seen["points"] == {"ever": 0, "recent": 0}


def test_a_question_below_a_restricted_page_shows_in_the_profile_to_its_readers_only(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE, page_id=900)
    answer_id = answered(database, acme, question, author=ALICE)
    stage.confluence.put(replace(content(page_id=900), id=question.item.id), BOB)

    shown, hidden = profile(stage, BOB, ALICE), profile(stage, DAVE, ALICE)

    assert [post["id"] for post in shown["recent"]] == [str(answer_id), str(question.item.id)]
    assert hidden == {"accountId": ALICE, **EMPTY}


@pytest.mark.parametrize("viewer", [DAVE, MALLORY])
def test_unknown_people_and_those_without_visible_activity_look_alike(stage: Stage, viewer: str) -> None:
    acme = stage.acme
    question = asked(stage.database, acme, author=ALICE, space_id=HR, tags=("vpn",))
    answered(stage.database, acme, question, author=BOB)
    name_expert(stage, BOB, "vpn")
    earn(stage, acme, question.post, 3)

    for account in (ALICE, BOB, NOBODY):
        assert profile(stage, viewer, account) == {"accountId": account, **EMPTY}
    assert NOBODY not in {row.atlassian_account_id for row in rows_of(stage.database, acme, AccountRow)}


def test_an_expert_without_posts_is_shown_the_tag_where_it_is_used(stage: Stage) -> None:
    asked(stage.database, stage.acme, author=ALICE, tags=("vpn",))
    name_expert(stage, CAROL, "vpn")

    assert profile(stage, DAVE, CAROL)["expertTags"] == ["vpn"]


def test_experts_are_those_named_and_those_with_enough_points(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    choose_for_site(stage, acme, expert_points=30)
    earn(stage, acme, asked(database, acme, author=ALICE, tags=("vpn",)).post, 3)
    earn(stage, acme, asked(database, acme, author=BOB, tags=("vpn",)).post, 2)
    earn(stage, acme, asked(database, acme, author=BOB, tags=("vpn",), space_id=HR).post, 2)
    name_expert(stage, CAROL, "vpn")

    assert experts(stage, ALICE, "VPN") == [
        {"accountId": CAROL, "isNamed": True, "points": 0},
        {"accountId": BOB, "isNamed": False, "points": 40},
        {"accountId": ALICE, "isNamed": False, "points": 30},
    ]
    # Dave does not see HR, where Bob has earned what makes him an expert.
    assert [item["accountId"] for item in experts(stage, DAVE, "vpn")] == [CAROL, ALICE]
    assert profile(stage, ALICE, BOB)["expertTags"] == ["vpn"]
    assert profile(stage, DAVE, BOB)["expertTags"] == []


def test_experts_of_a_tag_that_the_viewer_may_not_know_of_are_not_found(stage: Stage) -> None:
    asked(stage.database, stage.acme, space_id=HR, tags=("leave",))

    for viewer, slug in ((DAVE, "leave"), (MALLORY, "leave"), (ALICE, "unheard-of"), (ALICE, "\x07x")):
        with pytest.raises(NotFound):
            experts(stage, viewer, slug)


def test_more_spaces_than_can_be_asked_about_make_the_answer_partial(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "MOST_SPACES", 1)
    acme = stage.acme
    for space_id in (ENG, HR):
        earn(stage, acme, asked(stage.database, acme, author=ALICE, space_id=space_id).post, 1)

    answer: Any = read_contributors(stage.call(BOB), ContributorsQuery())
    assert (answer["items"], answer["isPartial"]) == ([{"accountId": ALICE, "points": 10}], True)
    assert profile(stage, BOB, ALICE)["isPartial"]


def test_spaces_nobody_can_answer_for_are_left_out(stage: Stage) -> None:
    acme = stage.acme
    for space_id in (ENG, HR):
        earn(stage, acme, asked(stage.database, acme, author=ALICE, space_id=space_id).post, 1)
    # ENG is remembered from before Confluence went away.
    assert top(stage, BOB, space=str(ENG)) == [(ALICE, 10)]
    stage.confluence.is_away = True

    answer: Any = read_contributors(stage.call(BOB), ContributorsQuery())
    assert (answer["items"], answer["isPartial"]) == ([{"accountId": ALICE, "points": 10}], True)
    assert stage.confluence.refusals == 1
    with pytest.raises(Unavailable):
        top(stage, CAROL)


def test_a_ranking_over_no_space_is_empty(stage: Stage) -> None:
    read = partial(list_contributors, tenant_id=stage.acme.tenant_id, ranking=Ranking((), ANY_TAG), after=None, limit=5)
    assert stage.database.read(read) == []
    assert rows_of(stage.database, stage.acme, Standing) == []


BOUNDED = {
    "one space": (_ranking(is_ever=True, is_one_space=True, is_after=True), "ix_standing_ever"),
    "a person's points": (profiles._STANDINGS, "ix_standing_account"),
    "a person's expertise": (profiles._EXPERT_ON, "ix_tag_expert_account"),
    "a tag's spaces": (profiles._USED_IN, "ix_tag_use_tag"),
    "where asked": (activity._WHERE_ASKED, "ix_question_author"),
    "where answered": (activity._WHERE_ANSWERED, "ix_answer_author"),
    "questions": (activity._posts(PostKind.QUESTION, by_score=True), "ix_question_author"),
    "answers": (activity._posts(PostKind.ANSWER, by_score=False), "ix_answer_author"),
    "requests": (requesting._MINE_AFTER, "ix_answer_request_account"),
    "open flags": (reviewing._WINDOWS[FlagState.OPEN, True], "ix_flag_open"),
}
"""Statements whose cost must not grow with the installation, and the index each is read along."""


@pytest.mark.parametrize("name", BOUNDED)
def test_reads_are_served_by_an_index(database: Database, name: str) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("the plan is told in SQLite's words")
    statement, index = BOUNDED[name]

    def explained(*given: Any) -> tuple[str, Any]:
        return f"EXPLAIN QUERY PLAN {given[2]}", given[3]

    values: dict[str, Any] = dict.fromkeys(statement.compile().params, 1)
    values |= {key: [1, 2] for key in ("spaces", "tags") if key in values} | (
        {"moment": NOW} if "moment" in values else {}
    )
    event.listen(database.engine, "before_cursor_execute", explained, retval=True)
    with database.engine.connect() as connection:
        steps = [row[3] for row in connection.execute(statement, values).cursor.fetchall()]

    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps)
