"""Two tags that become one: what moves, what is refused, and what happens at the same time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert

from lib.audit import AuditRow
from lib.errors import Conflict, NotFound, Unacceptable
from lib.events import EventKind, Subject
from lib.outbox import APPENDED, OutboxRow
from lib.principal import AccountId
from lib.sql import Database
from questions_api.model import Question
from questions_api.posts import guard_question, register_question, remove_post
from questions_api.tags.curating import add_synonym, name_expert
from questions_api.tags.merging import AlreadyMerged, IsSynonym, Merged, SameTag, merge_tags
from questions_api.tags.model import QuestionTag, Tag, TagUse
from questions_api.tags.space_tags import SpaceTags, read_space_tags, replace_space_tags
from questions_api.watches.model import Watch
from questions_api.watches.moving import move_tag_watches
from tests.factories import ENG, HR, NOW, Site, asked, content, events_of, rows_of
from tests.integration.tag_calls import (
    borne,
    counts,
    do,
    experts,
    head_of,
    merge,
    snapshot,
    synonyms,
    uses,
    watch,
    watchers,
)
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE

Sites = tuple[Site, Site]


def test_a_merge_moves_everything_and_leaves_a_synonym(database: Database, sites: Sites) -> None:
    acme, _ = sites
    only, both, hr = (
        asked(database, acme, space_id=space_id, tags=tags)
        for space_id, tags in ((ENG, ("tunnel",)), (ENG, ("tunnel", "vpn")), (HR, ("tunnel", "payroll")))
    )
    below = asked(database, acme, page_id=900, tags=("tunnel",))
    removed = asked(database, acme, tags=("tunnel",))
    do(database, acme, add_synonym, "tunnel", "pipe")
    for account, slug in ((ALICE, "tunnel"), (BOB, "tunnel"), (BOB, "vpn")):
        do(database, acme, name_expert, slug, AccountId(account))
    do(database, acme, replace_space_tags, HR, SpaceTags(featured=("tunnel",), required=("tunnel",)))
    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=removed.item.id, now=NOW))
    told = {event.id for event in events_of(database, acme)}
    before = head_of(database, acme, "vpn")

    merged = merge(database, acme, "tunnel", "vpn")

    assert (merged.tag.slug, merged.tag.tag_id, merged.question_count) == ("vpn", before.tag_id, 5)
    assert merged.tag.version == before.version + 1
    assert borne(database, acme) == {
        (hr.item.id, "payroll"),
        *((question.item.id, "vpn") for question in (only, both, hr, below, removed)),
    }
    assert uses(database, acme) == {"vpn": 5, "payroll": 1}
    assert counts(database, acme) == {("vpn", ENG): 2, ("vpn", HR): 1, ("payroll", HR): 1}
    assert experts(database, acme) == {(ALICE, "vpn"), (BOB, "vpn")}
    assert synonyms(database, acme) == {"tunnel": "vpn", "pipe": "vpn"}
    assert database.read(partial(read_space_tags, tenant_id=acme.tenant_id, space_id=HR)) == SpaceTags(
        ("vpn",), ("vpn",), version=1
    )
    assert all(row.last_used_at == NOW for row in rows_of(database, acme, TagUse))
    tallied = [event.about for event in events_of(database, acme) if event.id not in told]
    expected = {Subject(question.item.id, question.item.space_id) for question in (only, both, hr, below)}
    assert len(tallied) == 4
    assert set(tallied) == expected
    (row,) = [row for row in rows_of(database, acme, AuditRow) if row.action == "tag.merged"]
    assert row.target_id == before.tag_id
    assert "vpn" not in f"{row.before}{row.after}"


@pytest.mark.parametrize(
    ("held", "other", "left"),
    [
        (None, False, False),
        (None, True, True),
        (False, None, False),
        (True, None, True),
        (False, False, False),
        (False, True, False),
        (True, False, False),
        (True, True, True),
        (None, None, None),
    ],
)
def test_of_two_watches_one_is_left_and_muted_only_if_both_were(
    database: Database, sites: Sites, held: bool | None, other: bool | None, left: bool | None
) -> None:
    acme, _ = sites
    asked(database, acme, tags=("source", "target"))
    watch(database, acme, DAVE, "target")
    for slug, is_muted in (("target", held), ("source", other)):
        if is_muted is not None:
            watch(database, acme, BOB, slug, is_muted=is_muted)

    merge(database, acme, "source", "target")

    assert watchers(database, acme, "target") == {DAVE: False} | ({} if left is None else {BOB: left})
    assert len(rows_of(database, acme, Watch)) == len(watchers(database, acme, "target")) + 1


def test_merging_into_itself_a_synonym_or_in_a_circle_says_what_is_wrong(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b", "c"))
    do(database, acme, add_synonym, "a", "alpha")
    merge(database, acme, "b", "c")
    before = snapshot(database, acme)

    refusals: list[tuple[str, str, type[Exception]]] = [
        ("a", "a", SameTag),
        ("a", "alpha", AlreadyMerged),
        ("alpha", "a", AlreadyMerged),
        ("alpha", "c", IsSynonym),
        ("c", "b", AlreadyMerged),
        ("b", "c", AlreadyMerged),
        ("b", "a", IsSynonym),
        ("a", "unknown", Unacceptable),
        ("unknown", "a", NotFound),
    ]
    for slug, into, problem in refusals:
        with pytest.raises(problem):
            merge(database, acme, slug, into)

    assert snapshot(database, acme) == before
    with pytest.raises(AlreadyMerged) as refused:
        merge(database, acme, "c", "b")
    assert refused.value.current == {"slug": "c"}


def test_a_circle_of_three_ends_as_one_tag(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("a", "b", "c"))
    merge(database, acme, "a", "b")
    merge(database, acme, "b", "c")

    with pytest.raises(AlreadyMerged):
        merge(database, acme, "c", "a")

    assert borne(database, acme) == {(question.item.id, "c")}
    assert synonyms(database, acme) == {"a": "c", "b": "c"}


def test_merging_into_a_synonym_merges_into_its_tag(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    do(database, acme, add_synonym, "b", "bee")

    assert merge(database, acme, "a", "bee").tag.slug == "b"


def test_of_two_merges_that_cross_one_is_done(database: Database, sites: Sites) -> None:
    acme, _ = sites
    for number in range(5):
        asked(database, acme, tags=(f"a-{number}", f"b-{number}"))
        pair = (f"a-{number}", f"b-{number}")

        outcomes = at_once([partial(merge, database, acme, *pair), partial(merge, database, acme, *pair[::-1])])

        assert {type(outcome) for outcome in outcomes} == {Merged, AlreadyMerged}
        (left,) = {outcome.tag.slug for outcome in outcomes if isinstance(outcome, Merged)}
        assert uses(database, acme)[left] == 1
        assert {slug for slug in uses(database, acme) if slug in pair} == {left}


def test_questions_asked_while_their_tag_is_merged_bear_what_it_has_become(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    works: list[Callable[[], Any]] = [partial(asked, database, acme, tags=("a",)) for _ in range(8)]
    works.insert(4, partial(merge, database, acme, "a", "b"))

    succeeded(at_once(works))

    assert uses(database, acme) == {"b": 9}
    assert counts(database, acme) == {("b", ENG): 9}
    assert len(borne(database, acme)) == 9


def test_questions_that_move_while_their_tag_is_merged_are_counted_where_they_are(
    database: Database, sites: Sites
) -> None:
    acme, _ = sites
    items = [content() for _ in range(8)]
    register = partial(register_question, tenant_id=acme.tenant_id, now=NOW)
    for item in items:
        database.write(partial(register, content=item, tags=("a",)))
    asked(database, acme, tags=("b",))
    works: list[Callable[[], Any]] = [
        partial(database.write, partial(register, content=replace(item, space_id=HR, container_id=int(HR))))
        for item in items[:6]
    ]
    works.insert(3, partial(merge, database, acme, "a", "b"))

    succeeded(at_once(works))

    assert counts(database, acme) == {("b", ENG): 3, ("b", HR): 6}


def test_a_merge_takes_as_many_statements_for_a_hundred_questions_as_for_one(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("one", "target"))
    for _ in range(100):
        asked(database, acme, tags=("hundred",))
    statements: list[str] = []

    def note(_: Connection, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    merge(database, acme, "one", "target")
    first = len(statements)
    merge(database, acme, "hundred", "target")
    event.remove(database.engine, "before_cursor_execute", note)

    assert first < len(statements) <= 2 * first
    assert uses(database, acme) == {"target": 101}


def test_the_events_of_a_merge_are_like_any_other(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    asked(database, acme, tags=("a",))
    told = {event.id for event in events_of(database, acme)}
    appended: list[set[EventKind]] = []

    def work(session: Any) -> None:
        session.info["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        merge_tags(session, acme.principal(CAROL), "a", "b", move_watches=move_tag_watches, now=NOW)
        appended.append(session.info[APPENDED])

    database.write(work, tenant_id=acme.tenant_id)

    made = [event for event in events_of(database, acme) if event.id not in told]
    assert appended == [{EventKind.TALLY_DUE}]
    assert {(event.kind, event.created_at, event.attempts) for event in made} == {(EventKind.TALLY_DUE, NOW, 0)}
    assert {event.traceparent for event in made} == {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    assert len({event.id for event in made}) == 2
    assert min(event.id for event in made) >> 21 == int(NOW.timestamp() * 1000)


def test_a_tag_whose_numbers_are_taken_is_merged_at_the_next_try(database: Database, sites: Sites) -> None:
    """What the numbers collide with is a key error, and the whole transaction runs again."""
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    tries = 0

    def work(session: Any) -> None:
        nonlocal tries
        tries += 1
        merge_tags(session, acme.principal(CAROL), "a", "b", move_watches=move_tag_watches, now=NOW)
        if tries == 1:
            row = session.query(OutboxRow).execution_options(across_tenants=True).first()
            values = {name: getattr(row, name) for name in ("id", "tenant_id", "kind", "payload", "created_at")}
            session.execute(insert(OutboxRow).values(**values, available_at=NOW, attempts=0))

    database.write(work, tenant_id=acme.tenant_id)

    assert tries == 2
    assert uses(database, acme) == {"b": 1}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_counts_are_those_of_the_questions_whatever_was_done(database: Database, sites: Sites, data: Any) -> None:
    acme, _ = sites
    slugs = [f"tag{number}" for number in range(5)]
    items = []
    register = partial(register_question, tenant_id=acme.tenant_id, now=NOW)
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["ask", "ask", "merge", "remove", "return", "move", "guard"])):
            case "ask":
                space_id, page_id = data.draw(st.sampled_from([(ENG, None), (HR, None), (ENG, 900)]))
                tags = data.draw(st.lists(st.sampled_from(slugs), min_size=1, max_size=3, unique=True))
                items.append(content(space_id=space_id, page_id=page_id))
                database.write(partial(register, content=items[-1], tags=tuple(tags)))
            case "merge":
                try:
                    merge(database, acme, *data.draw(st.permutations(slugs))[:2])
                except (Conflict, NotFound, Unacceptable):
                    continue
            case _ if not items:
                continue
            case "remove":
                gone = data.draw(st.sampled_from(items)).id
                database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=gone, now=NOW))
            case "return":
                database.write(partial(register, content=data.draw(st.sampled_from(items))))
            case "move":
                item = data.draw(st.sampled_from(items))
                database.write(partial(register, content=replace(item, container_kind="space", space_id=HR)))
            case _:
                guarded = data.draw(st.sampled_from(items)).id
                database.write(partial(guard_question, tenant_id=acme.tenant_id, question_id=guarded, now=NOW))
    check_counts(database, acme)


def check_counts(database: Database, site: Site) -> None:
    """What is counted is what a count of the rows gives."""
    questions = {row.id: row for row in rows_of(database, site, Question)}
    slugs = {tag.tag_id: tag.slug for tag in rows_of(database, site, Tag)}
    links = rows_of(database, site, QuestionTag)
    expected: dict[tuple[str, int], int] = {}
    for link in links:
        question = questions[link.question_id]
        if question.container_kind == "space" and not question.is_guarded and question.deleted_at is None:
            key = (slugs[link.tag_id], question.space_id)
            expected[key] = expected.get(key, 0) + 1
    assert {key: count for key, count in counts(database, site).items() if count} == expected
    borne_by = [slugs[link.tag_id] for link in links]
    assert uses(database, site) == {slug: borne_by.count(slug) for slug in slugs.values()}
