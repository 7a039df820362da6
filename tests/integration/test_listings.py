"""Lists by keyset: the same rows as a sorted list would give, whose they are, and how the databases read them."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Select, event
from sqlalchemy.dialects import mssql
from sqlalchemy.orm import Session

from lib.engine import engine_for
from lib.errors import NotFound
from lib.principal import AccountId, ContentId, SpaceId
from lib.sql import Database, insert_row, update_rows
from lib.tenancy import account_ref
from questions_api.answers.acceptance import accept_only
from questions_api.answers.listings import AnswerRow, list_answers, read_answer
from questions_api.model import Question, QuestionState
from questions_api.posts import find_answer, remove_post
from questions_api.questions import listings
from questions_api.questions.listings import (
    ListFilter,
    Order,
    StateFilter,
    list_questions,
    pinned_questions,
    position,
)
from questions_api.questions.rows import QuestionRow, read_question
from questions_api.tags.model import QuestionTag, Tag, TagExpert, TagSynonym
from questions_api.tags.reading import tags_of
from questions_api.votes.casting import Post, Value, cast_vote
from questions_api.watches.model import Watch, WatchKind
from tests.factories import ENG, HR, MKT, NOW, Site, answered, asked, install_sites, migrate, rows_of, services_on
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]
IN_ENG = ListFilter(space_id=ENG)
FILTERS = (None, *StateFilter)
SHOWN = {
    None: set(QuestionState),
    StateFilter.OPEN: set(QuestionState) - {QuestionState.CLOSED},
    StateFilter.ANSWERED: {QuestionState.ANSWERED, QuestionState.ACCEPTED},
    StateFilter.UNANSWERED: {QuestionState.UNANSWERED},
    StateFilter.UNRESOLVED: {QuestionState.UNANSWERED, QuestionState.ANSWERED},
    StateFilter.ACCEPTED: {QuestionState.ACCEPTED},
    StateFilter.CLOSED: {QuestionState.CLOSED},
}


def page(
    database: Database,
    site: Site,
    order: Order = Order.NEWEST,
    wanted: ListFilter = IN_ENG,
    *,
    viewer: str = ALICE,
    hidden: frozenset[SpaceId] = frozenset(),
    after: tuple[int, ...] | None = None,
    limit: int = 100,
) -> list[QuestionRow]:
    read = partial(
        list_questions,
        principal=site.principal(viewer),
        wanted=wanted,
        order=order,
        hidden=hidden,
        after=after,
        limit=limit,
    )
    return database.read(read, tenant_id=site.tenant_id)


def ids(rows: list[QuestionRow]) -> list[ContentId]:
    return [row.item.id for row in rows]


def walk(
    database: Database,
    site: Site,
    order: Order,
    wanted: ListFilter = IN_ENG,
    *,
    limit: int,
    viewer: str = ALICE,
    hidden: frozenset[SpaceId] = frozenset(),
    between: Callable[[int], object] = int,
) -> list[ContentId]:
    """All ids, page by page; `between` is called after each page with its number."""
    seen: list[ContentId] = []
    after: tuple[int, ...] | None = None
    for number in range(200):
        rows = page(database, site, order, wanted, viewer=viewer, hidden=hidden, after=after, limit=limit)
        seen += ids(rows)
        if len(rows) < limit:
            return seen
        after = position(order, rows[-1])
        between(number)
    raise AssertionError("the list does not end")


def change(database: Database, site: Site, question_id: ContentId, **values: object) -> None:
    statement = update_rows(site.tenant_id, Question).where(Question.id == question_id).values(**values)
    database.write(partial(Session.execute, statement=statement))


def scatter(database: Database, site: Site, count: int, seed: int) -> None:
    """Questions whose times and scores repeat often, in every state, by several people, some deleted, some on pages."""
    rng = random.Random(seed)
    for _ in range(count):
        question = asked(
            database,
            site,
            author=rng.choice((ALICE, BOB)),
            space_id=rng.choice((ENG, ENG, ENG, HR)),
            page_id=rng.choice((None, None, 900)),
            created_at=NOW - timedelta(milliseconds=rng.randrange(8)),
            tags=tuple(tag for tag in ("ci", "vpn") if rng.random() < 0.4),
        )
        score = rng.randrange(-2, 3)
        change(
            database,
            site,
            question.item.id,
            score=score,
            up=max(score, 0),
            down=max(-score, 0),
            hot=rng.randrange(4),
            active_at=NOW + timedelta(milliseconds=rng.randrange(4)),
            state=rng.choice(tuple(QuestionState)),
            deleted_at=NOW if rng.random() < 0.1 else None,
        )


def sort_key(order: Order) -> Callable[[Question], Any]:
    keys = {Order.NEWEST: "created_at", Order.ACTIVE: "active_at", Order.VOTES: "score", Order.HOT: "hot"}
    return lambda row: (getattr(row, keys[order]), row.id)


def sorted_ids(
    database: Database, site: Site, order: Order, wanted: ListFilter = IN_ENG, hidden: frozenset[SpaceId] = frozenset()
) -> list[ContentId]:
    """What the list must hold, by the plain meaning of its filter."""
    tagged = {
        (row.question_id, slug)
        for row in rows_of(database, site, QuestionTag)
        for slug in {tag.slug for tag in rows_of(database, site, Tag) if tag.tag_id == row.tag_id}
    }

    def author(row: Question) -> bool:
        read = partial(read_question, principal=site.principal(ALICE), question_id=row.id)
        return database.read(read).row.author_id == wanted.author_id

    shown = [
        row
        for row in rows_of(database, site, Question)
        if row.deleted_at is None
        and (row.space_id == wanted.space_id if wanted.space_id else row.space_id not in hidden)
        and row.state in SHOWN[wanted.state]
        and (wanted.tag is None or (row.id, wanted.tag) in tagged)
        and (wanted.container_id is None or (row.container_kind, row.container_id) == ("page", wanted.container_id))
        and (wanted.author_id is None or author(row))
        and (wanted.asked_from is None or row.created_at >= wanted.asked_from)
        and (wanted.asked_before is None or row.created_at < wanted.asked_before)
    ]
    return [row.id for row in sorted(shown, key=sort_key(order), reverse=True)]


@pytest.mark.parametrize("seed", range(2))
def test_pages_together_are_the_sorted_list(database: Database, sites: Sites, seed: int) -> None:
    acme, globex = sites
    scatter(database, acme, 40, seed)
    scatter(database, globex, 10, seed)

    for order, state, limit in product(Order, FILTERS, (3, 100)):
        wanted = ListFilter(space_id=ENG, state=state)
        assert walk(database, acme, order, wanted, limit=limit) == sorted_ids(database, acme, order, wanted)
        wanted, hidden = ListFilter(state=state), frozenset({HR})
        expected = sorted_ids(database, acme, order, wanted, hidden)
        assert walk(database, acme, order, wanted, hidden=hidden, limit=limit) == expected


@pytest.mark.parametrize("is_rare", [True, False])
def test_filters_together_mean_what_each_of_them_means(
    database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch, *, is_rare: bool
) -> None:
    """A tag is read from its own questions or found along the order, and nobody can tell which."""
    acme, _ = sites
    monkeypatch.setattr(listings, "RARE_TAG", 2000 if is_rare else 0)
    scatter(database, acme, 40, seed=3)
    moment = NOW - timedelta(milliseconds=4)
    filters = [
        ListFilter(space_id=ENG, tag="ci"),
        ListFilter(tag="vpn", state=StateFilter.UNRESOLVED),
        ListFilter(author_id=AccountId(BOB)),
        ListFilter(space_id=ENG, author_id=AccountId(ALICE), tag="ci"),
        ListFilter(space_id=ENG, container_id=900, state=StateFilter.OPEN),
        ListFilter(space_id=ENG, asked_from=moment, asked_before=moment + timedelta(milliseconds=3)),
        ListFilter(space_id=ENG, tag="nobody-uses-it"),
    ]
    for order, wanted in product(Order, filters):
        assert walk(database, acme, order, wanted, limit=4) == sorted_ids(database, acme, order, wanted), wanted


def test_a_synonym_stands_for_its_tag(database: Database, sites: Sites) -> None:
    from questions_api.tags.model import TagSynonym

    acme, _ = sites
    question = asked(database, acme, tags=("ci",))
    (tag,) = rows_of(database, acme, Tag)
    row = insert_row(acme.tenant_id, TagSynonym, slug="builds", tag_id=tag.tag_id)
    database.write(partial(Session.execute, statement=row))

    assert ids(page(database, acme, wanted=ListFilter(space_id=ENG, tag="builds"))) == [question.item.id]


def test_what_a_person_watches_and_could_answer(database: Database, sites: Sites) -> None:
    acme, globex = sites
    mine = asked(database, acme, author=ALICE, tags=("ci",))
    ci, vpn = asked(database, acme, author=BOB, tags=("ci",)), asked(database, acme, author=BOB, tags=("vpn",))
    muted = asked(database, acme, author=BOB, tags=("sso",))
    asked(database, globex, author=MALLORY, tags=("ci",))
    tags = {tag.slug: tag.tag_id for tag in rows_of(database, acme, Tag)}

    def prepare(session: Session) -> None:
        alice = account_ref(session, acme.tenant_id, AccountId(ALICE), now=NOW)
        session.execute(insert_row(acme.tenant_id, TagExpert, tag_id=tags["ci"], account_ref=alice, created_at=NOW))
        for kind, target, is_muted in (
            (WatchKind.TAG, tags["vpn"], False),
            (WatchKind.TAG, tags["sso"], True),
            (WatchKind.QUESTION, vpn.item.id, False),
            (WatchKind.QUESTION, muted.item.id, True),
        ):
            row = {"target_kind": kind, "target_id": target, "account_ref": alice, "is_muted": is_muted}
            session.execute(insert_row(acme.tenant_id, Watch, **row, is_automatic=False, created_at=NOW))

    database.write(prepare)

    assert set(ids(page(database, acme, wanted=ListFilter(is_answerable=True)))) == {ci.item.id, vpn.item.id}
    assert set(ids(page(database, acme, wanted=ListFilter(is_watching=True)))) == {mine.item.id, vpn.item.id}
    assert page(database, acme, wanted=ListFilter(is_answerable=True), viewer=DAVE) == []
    assert page(database, globex, wanted=ListFilter(is_watching=True), viewer=ALICE) == []


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("rare", [0, listings.RARE_TAG])
def test_a_list_by_tags_holds_the_same_wherever_it_is_read_from(
    database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch, order: Order, rare: int
) -> None:
    acme, _ = sites
    both = asked(database, acme, author=BOB, tags=("ci", "vpn"))
    ci, other = asked(database, acme, author=BOB, tags=("ci",)), asked(database, acme, author=BOB, tags=("sso",))
    (tag_id,) = [tag.tag_id for tag in rows_of(database, acme, Tag) if tag.slug == "ci"]

    def prepare(session: Session) -> None:
        alice = account_ref(session, acme.tenant_id, AccountId(ALICE), now=NOW)
        session.execute(insert_row(acme.tenant_id, TagExpert, tag_id=tag_id, account_ref=alice, created_at=NOW))
        session.execute(insert_row(acme.tenant_id, TagSynonym, tag_id=tag_id, slug="pipelines"))

    database.write(prepare)
    monkeypatch.setattr(listings, "RARE_TAG", rare)

    for wanted in (ListFilter(is_answerable=True), ListFilter(tag="ci"), ListFilter(tag="pipelines")):
        assert set(walk(database, acme, order, wanted, limit=1)) == {both.item.id, ci.item.id}
    assert ids(page(database, acme, order, ListFilter(tag="sso"))) == [other.item.id]
    assert page(database, acme, order, ListFilter(tag="nothing")) == []


def test_pinned_questions_are_those_of_the_space(database: Database, sites: Sites) -> None:
    acme, globex = sites
    first, second, elsewhere = asked(database, acme), asked(database, acme), asked(database, acme, space_id=HR)
    for minutes, head in enumerate((first, second, elsewhere)):
        change(database, acme, head.item.id, pinned_at=NOW + timedelta(minutes=minutes))

    pinned = database.read(partial(pinned_questions, principal=acme.principal(BOB), space_id=ENG))

    assert ids(pinned) == [second.item.id, first.item.id]
    assert database.read(partial(pinned_questions, principal=globex.principal(MALLORY), space_id=ENG)) == []


def test_a_page_starts_after_its_cursor_also_where_that_row_is_gone(database: Database, sites: Sites) -> None:
    acme, _ = sites
    heads = [asked(database, acme, created_at=NOW - timedelta(minutes=age)) for age in range(5)]
    found = [head.item.id for head in heads]
    after = position(Order.NEWEST, page(database, acme, limit=2)[-1])

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=found[1], now=NOW))

    assert ids(page(database, acme, after=after)) == found[2:]


def test_questions_asked_between_pages_shift_nothing(database: Database, sites: Sites) -> None:
    acme, _ = sites
    for age in range(12):
        asked(database, acme, created_at=NOW - timedelta(hours=2, seconds=age // 2))
    expected = sorted_ids(database, acme, Order.NEWEST)

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

    assert ids(page(database, acme, wanted=IN_ENG)) == [eng.item.id]
    assert ids(page(database, acme, wanted=ListFilter(space_id=HR))) == [hr.item.id]


def test_unanswered_forgets_a_question_with_its_first_answer(database: Database, sites: Sites) -> None:
    acme, _ = sites
    unanswered = replace(IN_ENG, state=StateFilter.UNANSWERED)
    question = asked(database, acme)
    assert ids(page(database, acme, wanted=unanswered)) == [question.item.id]

    answer_id = answered(database, acme, question)
    assert page(database, acme, wanted=unanswered) == []

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=answer_id, now=NOW))
    assert ids(page(database, acme, wanted=unanswered)) == [question.item.id]


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
    assert database.read(read).row.my_vote == -1


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
    accept = partial(accept_only, principal=acme.principal(ALICE), question=question, answer_id=chosen, now=NOW)
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

    for order, state in product(Order, FILTERS):
        assert page(database, globex, order, ListFilter(space_id=ENG, state=state), viewer=MALLORY) == []
        foreign = ids(page(database, globex, order, ListFilter(state=state), viewer=MALLORY))
        assert question.item.id not in foreign
    assert page(database, globex, wanted=ListFilter(tag="vpn"), viewer=MALLORY) == []
    assert page(database, globex, wanted=ListFilter(author_id=AccountId(ALICE)), viewer=MALLORY) == []
    assert ids(page(database, globex, wanted=ListFilter(space_id=MKT), viewer=MALLORY)) == [theirs.item.id]
    assert answers(database, globex, question.item.id, MALLORY) == []
    tags = database.read(partial(tags_of, tenant_id=globex.tenant_id, ids=[question.item.id]))
    assert tags == {question.item.id: []}
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

SHAPES = [
    listings._Shape(order, driver, states, frozenset(conditions), is_after, 26)
    for order, driver, states, conditions, is_after in product(
        Order,
        listings._Driver,
        (listings._STATES[None], listings._STATES[StateFilter.UNANSWERED]),
        ({"space"}, {"hidden", "tag", "mine", "by_others", "author", "from", "before"}),
        (False, True),
    )
]
STATEMENTS: list[Select[Any]] = [listings._statement(shape) for shape in SHAPES]


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
    assert sql.count("ORDER BY") - 1 == sql.count("TOP ")


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.driver is listings._Driver.ORDER])
def test_the_states_of_a_list_are_literals(shape: listings._Shape) -> None:
    sql = on_sql_server(listings._statement(shape))

    for state in shape.states:
        assert f"state = '{state}'" in sql
    assert "deleted_at IS NULL" in sql


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Site]]:
    """A database as the migrations leave it: between two indexes that fit alike, SQLite takes the one made last."""
    url = f"sqlite:///{tmp_path_factory.mktemp('listings') / 'migrated.db'}"
    migrate(url)
    engine = engine_for(url)
    database = Database(engine)
    acme, _ = install_sites(services_on(database))
    scatter(database, acme, 10, seed=7)
    yield database, acme
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


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("state", FILTERS)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("space_id", [ENG, None])
def test_sqlite_walks_the_index_of_the_list_and_no_table(
    migrated: tuple[Database, Site],
    order: Order,
    state: StateFilter | None,
    space_id: SpaceId | None,
    *,
    is_first: bool,
) -> None:
    database, acme = migrated
    read = partial(
        list_questions,
        principal=acme.principal(ALICE),
        wanted=ListFilter(space_id=space_id, state=state),
        order=order,
        after=None if is_first else (1, 1),
        limit=26,
    )

    (steps,) = plans(database, read)

    scope = "tenant_id=? AND space_id=? AND state=?" if space_id else "tenant_id=? AND state=?"
    index = f"ix_question_{'space' if space_id else 'site'}_{order}"
    ranges = re.findall(rf"SEARCH question USING INDEX {index} \(({re.escape(scope)}[^)]*)\)", steps)
    assert len(ranges) == len(SHOWN[state]) * (1 if is_first else 2), steps
    tables = re.findall(r"^SCAN (?!top|merged|anon|\(|CONSTANT)(\w+)", steps, re.MULTILINE)
    assert [table for table in tables if not table.startswith("anon")] == [], steps


def test_a_rare_tags_questions_are_found_by_its_links(migrated: tuple[Database, Site]) -> None:
    database, acme = migrated
    read = partial(
        list_questions,
        principal=acme.principal(ALICE),
        wanted=ListFilter(tag="ci"),
        order=Order.VOTES,
        after=None,
        limit=5,
    )

    _, steps = plans(database, read)

    assert "SEARCH question_tag" in steps
    assert "SCAN question" not in steps


@pytest.mark.parametrize("order", Order)
def test_questions_under_a_few_rare_tags_are_found_by_their_links(
    migrated: tuple[Database, Site], order: Order
) -> None:
    database, acme = migrated
    read = partial(
        list_questions,
        principal=acme.principal(ALICE),
        wanted=ListFilter(is_answerable=True),
        order=order,
        after=None,
        limit=5,
    )

    _, steps = plans(database, read)

    assert "SEARCH question_tag" in steps
    assert "SEARCH question USING INDEX sqlite_autoindex_question_1 (tenant_id=? AND id=?)" in steps
    assert "SCAN question" not in steps


def test_heads_are_found_by_key_in_every_table(migrated: tuple[Database, Site]) -> None:
    """No table of people is walked to find the author of one post."""
    database, acme = migrated
    question = asked(database, acme)
    answer_id = answered(database, acme, question)

    (steps,) = plans(database, partial(find_answer, tenant_id=acme.tenant_id, answer_id=answer_id))

    assert [step for step in steps.splitlines() if not step.startswith("SEARCH")] == []
