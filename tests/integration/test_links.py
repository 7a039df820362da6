"""What a question is linked with: said once, read both ways, and shown to those only who may see it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.errors import Forbidden, NotFound
from lib.services import Services
from lib.sql import Database
from questions_api.model import Question, QuestionLink
from questions_api.posts import QuestionHead, remove_post
from questions_api.questions import links as links_module
from questions_api.questions import routes
from questions_api.questions.links import (
    _BY_IDS,
    _DUPLICATES,
    _ITEMS,
    _LINKED_BY_FIRST,
    _LINKED_BY_SECOND,
    _NEWEST_UNDER,
    MAX_LINKS,
    MAX_RELATED,
    LinkToItself,
    TooManyLinks,
    link_questions,
    links_of,
    visible_among,
)
from questions_api.questions.schemas import ChangeBody
from tests.factories import ENG, HR, NOW, Site, asked, content, only_row, rows_of
from tests.fakes import FakeConfluence
from tests.integration.calling import Sites, call_as, confluence, handled, shared
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

__all__ = ("confluence", "shared")


def link(shared: Services, account: str, one: QuestionHead, other: QuestionHead) -> Any:
    return handled(routes.link, call_as(shared, account, questionId=one.item.id, otherId=other.item.id))


def unlink(shared: Services, account: str, one: QuestionHead, other: QuestionHead) -> int:
    call = call_as(shared, account, questionId=one.item.id, otherId=other.item.id)
    return int(handled(routes.unlink, call).status)


def links(shared: Services, account: str, question: QuestionHead) -> tuple[str | None, list[str], list[str]]:
    shown = handled(routes.read_links, call_as(shared, account, questionId=question.item.id))
    original = None if shown["duplicateOf"] is None else shown["duplicateOf"]["id"]
    return original, [view["id"] for view in shown["duplicates"]], [view["id"] for view in shown["linked"]]


def related(shared: Services, account: str, question: QuestionHead) -> list[str]:
    shown = handled(routes.read_related, call_as(shared, account, questionId=question.item.id))
    assert shown["next"] is None
    return [view["id"] for view in shown["items"]]


def close_as_duplicate(shared: Services, question: QuestionHead, original: QuestionHead) -> None:
    body = ChangeBody.model_validate(
        {"state": "closed", "closeReason": "duplicate", "duplicateOf": str(original.item.id)}, strict=False
    )
    handled(routes.change, call_as(shared, CAROL, questionId=question.item.id), body)


def ids(*questions: QuestionHead) -> list[str]:
    return [str(question.item.id) for question in questions]


def aged(shared: Services, site: Site, minutes: int, **facts: Any) -> QuestionHead:
    return asked(shared.database, site, created_at=NOW - timedelta(minutes=minutes), **facts)


def test_a_relation_is_kept_once_and_read_both_ways(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    one, other = asked(shared.database, acme), asked(shared.database, acme, author=BOB)

    shown = link(shared, BOB, other, one)
    link(shared, ALICE, one, other)

    row = only_row(shared.database, acme, QuestionLink)
    assert (row.from_id, row.to_id) == (one.item.id, other.item.id)
    assert [view["id"] for view in shown["linked"]] == ids(one)
    assert links(shared, DAVE, one) == (None, [], ids(other))
    assert links(shared, DAVE, other) == (None, [], ids(one))
    assert rows_of(shared.database, acme, AuditRow) == []

    assert [unlink(shared, ALICE, one, other) for _ in range(2)] == [204, 204]
    assert rows_of(shared.database, acme, QuestionLink) == []


def test_only_the_asker_or_a_moderator_relates_and_the_moderator_is_audited(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    one, other = asked(shared.database, acme), asked(shared.database, acme, author=BOB)
    with pytest.raises(Forbidden):
        link(shared, BOB, one, other)
    link(shared, CAROL, one, other)
    with pytest.raises(Forbidden):
        unlink(shared, DAVE, one, other)
    unlink(shared, CAROL, one, other)
    unlink(shared, CAROL, one, other)

    assert sorted(row.action for row in rows_of(shared.database, acme, AuditRow)) == [
        "question.linked",
        "question.unlinked",
    ]


def test_relating_at_once_from_both_sides_is_relating_once(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    one, other = asked(shared.database, acme), asked(shared.database, acme)
    works = [partial(link, shared, ALICE, *pair) for pair in ((one, other), (other, one)) * 3]

    succeeded(at_once(works))

    assert len(rows_of(shared.database, acme, QuestionLink)) == 1


def test_a_question_has_no_relation_to_itself_and_fifty_to_others(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    with pytest.raises(LinkToItself):
        link(shared, ALICE, question, question)
    for _ in range(MAX_LINKS):
        other = asked(shared.database, acme)
        work = partial(link_questions, principal=acme.principal(ALICE), question=question, other_id=other.item.id)
        shared.database.write(partial(work, now=NOW), tenant_id=acme.tenant_id)
    fresh = asked(shared.database, acme)
    for pair in ((question, fresh), (fresh, question)):
        with pytest.raises(TooManyLinks):
            link(shared, ALICE, *pair)
    assert len(links(shared, ALICE, question)[2]) == MAX_LINKS


def test_duplicates_and_their_original_are_read_from_both_ends(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    original = aged(shared, acme, 30)
    older, newer = aged(shared, acme, 20), aged(shared, acme, 10)
    for duplicate in (older, newer):
        close_as_duplicate(shared, duplicate, original)

    assert links(shared, DAVE, original) == (None, ids(newer, older), [])
    assert links(shared, DAVE, older) == (str(original.item.id), [], [])


def test_what_the_viewer_may_not_see_is_in_no_list(shared: Services, sites: Sites, confluence: FakeConfluence) -> None:
    acme, _ = sites
    question = asked(shared.database, acme)
    hidden, hidden_duplicate, hidden_original = (asked(shared.database, acme, space_id=HR) for _ in range(3))
    restricted, removed = asked(shared.database, acme, page_id=900), asked(shared.database, acme)
    confluence.put(replace(content(page_id=900), id=restricted.item.id), CAROL)
    for other in (hidden, restricted, removed):
        link(shared, CAROL, question, other)
    close_as_duplicate(shared, hidden_duplicate, question)
    close_as_duplicate(shared, question, hidden_original)
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=removed.item.id, now=NOW))

    assert links(shared, DAVE, question) == (None, [], [])
    original, duplicates, relations = links(shared, CAROL, question)
    assert (original, duplicates) == (str(hidden_original.item.id), ids(hidden_duplicate))
    assert sorted(relations) == sorted(ids(hidden, restricted))


def test_one_cannot_relate_to_what_one_may_not_see_and_can_let_go_of_it(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, globex = sites
    mine = asked(shared.database, acme, author=DAVE)
    hidden, foreign = asked(shared.database, acme, space_id=HR), asked(shared.database, globex, author=MALLORY)
    for other in (hidden, foreign):
        with pytest.raises(NotFound):
            link(shared, DAVE, mine, other)
    link(shared, CAROL, mine, hidden)
    assert unlink(shared, DAVE, mine, foreign) == 204
    assert unlink(shared, DAVE, mine, hidden) == 204
    assert rows_of(shared.database, acme, QuestionLink) == []


def test_dave_and_mallory_read_and_relate_nothing_they_may_not_see(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    hidden, open_one = asked(shared.database, acme, space_id=HR), asked(shared.database, acme)
    link(shared, ALICE, hidden, open_one)
    for account, question in ((DAVE, hidden), (MALLORY, hidden), (MALLORY, open_one)):
        for read in (links, related):
            with pytest.raises(NotFound):
                read(shared, account, question)
        for write in (link, unlink):
            with pytest.raises(NotFound):
                write(shared, account, question, open_one)
    assert len(rows_of(shared.database, acme, QuestionLink)) == 1


def test_related_are_the_five_newest_under_the_same_tags(shared: Services, sites: Sites) -> None:
    acme, globex = sites
    question = aged(shared, acme, 1, tags=("vpn", "sso"))
    both = aged(shared, acme, 3, tags=("vpn", "sso"))
    others = [aged(shared, acme, 10 + n, tags=("vpn" if n % 2 else "sso",)) for n in range(MAX_RELATED + 2)]
    aged(shared, acme, 2, tags=("wifi",))
    aged(shared, acme, 2)
    aged(shared, globex, 2, author=MALLORY, tags=("vpn",))

    assert related(shared, DAVE, question) == ids(both, *others)[:MAX_RELATED]
    assert related(shared, DAVE, aged(shared, acme, 5)) == []


def test_related_ones_one_may_not_see_give_way_to_those_one_may(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question, seen = aged(shared, acme, 1, tags=("vpn",)), aged(shared, acme, 9, tags=("vpn",))
    for minutes in range(2, 8):
        aged(shared, acme, minutes, space_id=HR, tags=("vpn",))
    restricted = aged(shared, acme, 8, page_id=900, tags=("vpn",))
    confluence.put(replace(content(page_id=900), id=restricted.item.id), CAROL)
    removed = aged(shared, acme, 8, tags=("vpn",))
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=removed.item.id, now=NOW))

    assert related(shared, DAVE, question) == ids(seen)
    confluence.allow(BOB, HR, questions="v")
    assert related(shared, BOB, question) == ids(seen)


def test_who_may_not_see_tags_is_told_nothing_by_what_is_related(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme, _ = sites
    question = aged(shared, acme, 1, tags=("vpn",))
    aged(shared, acme, 2, tags=("vpn",))
    confluence.allow(DAVE, ENG, questions="v")
    assert related(shared, DAVE, question) == []


def test_links_of_many_questions_are_those_of_each(
    shared: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, globex = sites
    one, two, three, four = (asked(shared.database, acme) for _ in range(4))
    for pair in ((two, one), (two, three), (one, four)):
        link(shared, ALICE, *pair)
    monkeypatch.setattr(links_module, "_IDS", 2)
    heads = [one, two, three, four]
    wanted = [head.item.id for head in heads]

    found = shared.database.read(partial(links_of, tenant_id=acme.tenant_id, ids=wanted))
    assert [found[head.item.id] for head in heads] == [
        {two.item.id, four.item.id},
        {one.item.id, three.item.id},
        {two.item.id},
        {one.item.id},
    ]
    foreign = shared.database.read(partial(links_of, tenant_id=globex.tenant_id, ids=wanted))
    assert foreign == {question_id: set() for question_id in wanted}
    assert visible_among(call_as(shared, DAVE), set(wanted)) == set(wanted)
    assert visible_among(call_as(shared, MALLORY), set(wanted)) == set()


def test_relations_raise_no_version(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    link(shared, ALICE, asked(shared.database, acme), asked(shared.database, acme))
    assert {row.version for row in rows_of(shared.database, acme, Question)} == {1}


def test_no_statement_about_links_walks_through_the_installation(database: Database) -> None:
    """Each table is entered by more of a key than the installation."""
    if database.engine.dialect.name != "sqlite":
        pytest.skip("plans are read in SQLite's words")
    statements = (_BY_IDS, _DUPLICATES, _ITEMS, _LINKED_BY_FIRST, _LINKED_BY_SECOND, _NEWEST_UNDER)
    values: dict[str, Any] = {"tenant_id": 1, "viewer": ALICE, "id": 5, "tag_id": 3, "ids": [1, 2]}
    for statement in statements:
        bound = statement.params(values)
        text = str(bound.compile(database.engine, compile_kwargs={"literal_binds": True}))
        with database.engine.connect() as connection:
            plan = [row[3] for row in connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {text}").fetchall()]
        assert any("SEARCH" in step for step in plan)
        assert [step for step in plan if step.startswith("SCAN") or step.endswith("(tenant_id=?)")] == []
