"""Lists by keyset: the same rows as a sorted list would give, whose they are, and how the databases read them."""

import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select, event
from sqlalchemy.dialects import mssql
from sqlalchemy.orm import Session

from lib.engine import engine_for
from lib.errors import NotFound
from lib.principal import ContentId, SpaceId
from lib.sql import Database, update_rows
from questions_api import listings
from questions_api.acceptance import accept_answer
from questions_api.listings import (
    AnswerRow,
    Order,
    QuestionRow,
    list_answers,
    list_questions,
    position,
    read_answer,
    read_question,
    tags_of,
)
from questions_api.model import Question, QuestionTag
from questions_api.posts import find_answer, remove_post
from questions_api.votes import Post, Value, cast_vote
from tests.factories import ENG, HR, MKT, NOW, Site, answered, asked, install_sites, migrate, rows_of, services_on
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]
LISTS = list(product(Order, (False, True)))


def page(
    database: Database,
    site: Site,
    order: Order = Order.NEWEST,
    *,
    viewer: str = ALICE,
    space_id: SpaceId = ENG,
    only_unanswered: bool = False,
    after: tuple[int, ...] | None = None,
    limit: int = 100,
) -> list[QuestionRow]:
    read = partial(
        list_questions,
        principal=site.principal(viewer),
        space_id=space_id,
        order=order,
        only_unanswered=only_unanswered,
        after=after,
        limit=limit,
    )
    return database.read(read, tenant_id=site.tenant_id)


def walk(
    database: Database,
    site: Site,
    order: Order,
    *,
    limit: int,
    only_unanswered: bool = False,
    between: Callable[[int], object] = int,
) -> list[ContentId]:
    """All ids, page by page; `between` is called after each page with its number."""
    seen: list[ContentId] = []
    after: tuple[int, ...] | None = None
    for number in range(200):
        rows = page(database, site, order, only_unanswered=only_unanswered, after=after, limit=limit)
        seen += [row.item.id for row in rows]
        if len(rows) < limit:
            return seen
        after = position(order, rows[-1])
        between(number)
    raise AssertionError("the list does not end")


def scatter(database: Database, site: Site, count: int, seed: int) -> None:
    """Questions whose times and scores repeat often, some deleted, some answered, some in another space."""
    rng = random.Random(seed)
    for _ in range(count):
        created_at = NOW - timedelta(milliseconds=rng.randrange(8))
        question = asked(database, site, space_id=rng.choice((ENG, ENG, ENG, HR)), created_at=created_at)
        score = rng.randrange(-2, 3)
        answers = rng.randrange(2)
        change = (
            update_rows(site.tenant_id, Question)
            .where(Question.id == question.item.id)
            .values(
                score=score,
                up=max(score, 0),
                down=max(-score, 0),
                answer_count=answers,
                deleted_at=NOW if rng.random() < 0.1 else None,
            )
        )
        database.write(partial(Session.execute, statement=change))


def sorted_ids(database: Database, site: Site, order: Order, *, only_unanswered: bool) -> list[ContentId]:
    def key(row: Question) -> tuple[datetime | int, int]:
        return (row.score if order is Order.VOTES else row.created_at, row.id)

    shown = [
        row
        for row in rows_of(database, site, Question)
        if row.space_id == ENG and row.deleted_at is None and not (only_unanswered and row.answer_count)
    ]
    return [row.id for row in sorted(shown, key=key, reverse=True)]


@pytest.mark.parametrize("seed", range(3))
def test_pages_together_are_the_sorted_list(database: Database, sites: Sites, seed: int) -> None:
    acme, globex = sites
    scatter(database, acme, 40, seed)
    scatter(database, globex, 10, seed)

    for (order, only_unanswered), limit in product(LISTS, (1, 3, 7, 100)):
        expected = sorted_ids(database, acme, order, only_unanswered=only_unanswered)
        assert walk(database, acme, order, limit=limit, only_unanswered=only_unanswered) == expected


def test_a_page_starts_after_its_cursor_also_where_that_row_is_gone(database: Database, sites: Sites) -> None:
    acme, _ = sites
    heads = [asked(database, acme, created_at=NOW - timedelta(minutes=age)) for age in range(5)]
    ids = [head.item.id for head in heads]
    after = position(Order.NEWEST, page(database, acme, limit=2)[-1])

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=ids[1], now=NOW))

    assert [row.item.id for row in page(database, acme, after=after)] == ids[2:]


def test_questions_asked_between_pages_shift_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites
    for age in range(12):
        asked(database, acme, created_at=NOW - timedelta(hours=2, seconds=age // 2))
    expected = sorted_ids(database, acme, Order.NEWEST, only_unanswered=False)

    seen = walk(
        database,
        acme,
        Order.NEWEST,
        limit=3,
        between=lambda number: asked(database, acme, created_at=NOW + timedelta(seconds=number)),
    )

    assert seen == expected


def test_lists_of_a_space_hold_nothing_of_another(database: Database, sites: Sites) -> None:
    acme, _ = sites
    eng, hr = asked(database, acme, space_id=ENG), asked(database, acme, space_id=HR)

    assert [row.item.id for row in page(database, acme, space_id=ENG)] == [eng.item.id]
    assert [row.item.id for row in page(database, acme, space_id=HR)] == [hr.item.id]


def test_unanswered_forgets_a_question_with_its_first_answer(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    assert [row.item.id for row in page(database, acme, only_unanswered=True)] == [question.item.id]

    answer_id = answered(database, acme, question)
    assert page(database, acme, only_unanswered=True) == []

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=answer_id, now=NOW))
    assert [row.item.id for row in page(database, acme, only_unanswered=True)] == [question.item.id]


def vote(database: Database, site: Site, account: str, post: Post, value: Value) -> None:
    work = partial(cast_vote, principal=site.principal(account), post=post, value=value, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def test_my_vote_is_mine_alone(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    vote(database, acme, BOB, question.post, 1)
    vote(database, acme, CAROL, question.post, -1)

    by_viewer = {viewer: page(database, acme, viewer=viewer)[0] for viewer in (BOB, CAROL, DAVE)}

    assert {viewer: row.my_vote for viewer, row in by_viewer.items()} == {BOB: 1, CAROL: -1, DAVE: 0}
    assert {row.score for row in by_viewer.values()} == {0}
    read = partial(read_question, principal=acme.principal(CAROL), question_id=question.item.id)
    assert database.read(read).my_vote == -1


def test_a_vote_on_an_answer_is_not_a_vote_on_its_question(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    answer = database.read(partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))
    vote(database, acme, CAROL, answer.post, 1)

    (row,) = page(database, acme, viewer=CAROL)
    (reply,) = answers(database, acme, question.item.id, CAROL)

    assert (row.my_vote, row.score) == (0, 0)
    assert (reply.my_vote, reply.score) == (1, 1)


def answers(database: Database, site: Site, question_id: ContentId, viewer: str = ALICE) -> list[AnswerRow]:
    return database.read(partial(list_answers, principal=site.principal(viewer), question_id=question_id))


def test_answers_say_who_wrote_and_who_accepted_them(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question, other = asked(database, acme), asked(database, acme)
    chosen, plain = answered(database, acme, question), answered(database, acme, question, author=CAROL)
    answered(database, acme, other)
    accept = partial(accept_answer, principal=acme.principal(ALICE), question=question, answer_id=chosen, now=NOW)
    database.write(accept)

    by_id = {row.id: row for row in answers(database, acme, question.item.id)}

    assert set(by_id) == {chosen, plain}
    assert (by_id[chosen].author_id, by_id[chosen].accepted_by_id, by_id[chosen].accepted_at) == (BOB, ALICE, NOW)
    assert (by_id[plain].author_id, by_id[plain].accepted_by_id, by_id[plain].accepted_at) == (CAROL, None, None)
    read = partial(read_answer, principal=acme.principal(ALICE), answer_id=plain)
    assert database.read(read) == by_id[plain]


def test_deleted_posts_are_not_read(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answer_id = answered(database, acme, question)
    for content_id in (answer_id, question.item.id):
        database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=content_id, now=NOW))

    assert page(database, acme) == []
    assert answers(database, acme, question.item.id) == []
    with pytest.raises(NotFound):
        database.read(partial(read_answer, principal=acme.principal(ALICE), answer_id=answer_id))
    with pytest.raises(NotFound):
        database.read(partial(read_question, principal=acme.principal(ALICE), question_id=question.item.id))


def test_tags_come_in_order_and_for_every_question(database: Database, sites: Sites) -> None:
    acme, _ = sites
    tagged, plain = asked(database, acme, tags=("wifi", "sso")), asked(database, acme)

    tags = database.read(partial(tags_of, tenant_id=acme.tenant_id, ids=[tagged.item.id, plain.item.id]))

    assert tags == {tagged.item.id: ["sso", "wifi"], plain.item.id: []}
    assert len(rows_of(database, acme, QuestionTag)) == 2


def test_mallory_reads_nothing_of_another_site(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme, tags=("vpn",))
    answer_id = answered(database, acme, question)
    theirs = asked(database, globex, author=MALLORY, space_id=MKT)

    for order, only_unanswered in LISTS:
        options = {"viewer": MALLORY, "only_unanswered": only_unanswered}
        assert page(database, globex, order, space_id=ENG, **options) == []  # type: ignore[arg-type]
    assert [row.item.id for row in page(database, globex, viewer=MALLORY, space_id=MKT)] == [theirs.item.id]
    assert answers(database, globex, question.item.id, MALLORY) == []
    foreign = database.read(partial(tags_of, tenant_id=globex.tenant_id, ids=[question.item.id]))
    assert foreign == {question.item.id: []}
    with pytest.raises(NotFound):
        database.read(partial(read_question, principal=globex.principal(MALLORY), question_id=question.item.id))
    with pytest.raises(NotFound):
        database.read(partial(read_answer, principal=globex.principal(MALLORY), answer_id=answer_id))


def test_positions_survive_the_milliseconds_the_database_keeps(database: Database, sites: Sites) -> None:
    acme, _ = sites
    first = asked(database, acme, created_at=NOW.replace(microsecond=123_999))
    second = asked(database, acme, created_at=NOW.replace(microsecond=123_001))

    (newest,) = page(database, acme, limit=1)
    rest = page(database, acme, after=position(Order.NEWEST, newest))

    assert [newest.item.id, *(row.item.id for row in rest)] == [second.item.id, first.item.id]


# How the databases read them.

STATEMENTS: list[Select[Any]] = [
    *listings._LISTS.values(),
    listings._ONE,
    listings._TAGS,
    listings._ANSWERS,
]


def on_sql_server(statement: object) -> str:
    """The statement as SQL Server 2022 and Azure SQL get it: the dialect learns the version when it connects."""
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    dialect.server_version_info = (16, 0)  # type: ignore[assignment]
    dialect._supports_offset_fetch = True
    return str(statement.compile(dialect=dialect))  # type: ignore[attr-defined]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_sql_server_gets_no_construct_it_does_not_know(statement: Select[Any]) -> None:
    sql = on_sql_server(statement)

    assert "LIMIT" not in sql
    assert "ROW_NUMBER" not in sql
    assert "NULLS" not in sql
    assert re.search(r"\([\w.]+, [\w.]+\) [<>=]", sql) is None
    assert re.search(r"SELECT EXISTS", sql) is None


@pytest.mark.parametrize(("order", "part"), listings._PARTS)
def test_unanswered_is_asked_for_by_a_literal(order: Order, part: listings._Part) -> None:
    sql = on_sql_server(listings._LISTS[order, part, True])

    assert "answer_count = 0" in sql
    assert "FETCH FIRST" in sql


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[Database]:
    """A database as the migrations leave it: between two indexes that fit alike, SQLite takes the one made last."""
    url = f"sqlite:///{tmp_path / 'migrated.db'}"
    migrate(url)
    engine = engine_for(url)
    yield Database(engine)
    engine.dispose()


def plans(database: Database, work: Callable[[Session], object]) -> list[str]:
    """How SQLite runs each SELECT of the work, one text a statement."""
    found: list[str] = []

    def explain(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            driver = connection.connection.driver_connection
            assert driver is not None
            rows = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.append("\n".join(row[3] for row in rows))

    event.listen(database.engine, "before_cursor_execute", explain)
    try:
        database.read(work)
    finally:
        event.remove(database.engine, "before_cursor_execute", explain)
    return found


@pytest.mark.parametrize(
    ("order", "only_unanswered", "index"),
    [
        (Order.NEWEST, False, "ix_question_newest"),
        (Order.VOTES, False, "ix_question_votes"),
        (Order.NEWEST, True, "ix_question_unanswered"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_sqlite_walks_the_index_of_the_list_and_sorts_nothing(
    migrated: Database, order: Order, only_unanswered: bool, is_first: bool, index: str
) -> None:
    acme, _ = install_sites(services_on(migrated))
    scatter(migrated, acme, 30, seed=7)
    read = partial(
        list_questions,
        principal=acme.principal(ALICE),
        space_id=ENG,
        order=order,
        only_unanswered=only_unanswered,
        after=None if is_first else (1, 1),
        limit=26,
    )

    found = plans(migrated, read)

    assert len(found) == (2 if order is Order.VOTES and not is_first else 1)
    for steps in found:
        assert f"INDEX {index} (tenant_id=? AND space_id=?" in steps
        assert "TEMP B-TREE" not in steps
        assert re.search(r"^SCAN", steps, re.MULTILINE) is None


def test_most_votes_seeks_its_place_among_equal_scores_and_reads_on_below_only_when_short(migrated: Database) -> None:
    acme, _ = install_sites(services_on(migrated))
    questions = [asked(migrated, acme) for _ in range(6)]
    vote(migrated, acme, BOB, questions[0].post, -1)

    def read(after: tuple[int, ...], session: Session) -> None:
        rows = list_questions(
            session, acme.principal(ALICE), ENG, Order.VOTES, only_unanswered=False, after=after, limit=3
        )
        tags_of(session, acme.tenant_id, [row.item.id for row in rows])

    tied, _ = plans(migrated, partial(read, (0, questions[5].item.id)))
    last_tied, below, _ = plans(migrated, partial(read, (0, questions[3].item.id)))

    assert tied == last_tied
    assert "space_id=? AND score=? AND id<?" in tied
    assert "space_id=? AND score<?" in below


def test_heads_are_found_by_key_in_every_table(migrated: Database) -> None:
    """No table of people is walked to find the author of one post."""
    acme, _ = install_sites(services_on(migrated))
    question = asked(migrated, acme)
    answer_id = answered(migrated, acme, question)

    (steps,) = plans(migrated, partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))

    assert [step for step in steps.splitlines() if not step.startswith("SEARCH")] == []
