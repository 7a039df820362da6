"""Watches: chosen, automatic and muted; counted exactly, listed to their owner only, and whom they tell."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.errors import Invalid, NotFound
from lib.services import Services
from lib.spaces import SpaceStatus, set_space_status
from lib.sql import Database, insert_row, update_rows
from lib.tenancy import AccountRow
from questions_api.model import Question
from questions_api.posts import QuestionHead, register_answer, remove_post
from questions_api.tags.curating import add_synonym
from questions_api.tags.model import Tag
from questions_api.watches import routes, schemas
from questions_api.watches.model import Watch, WatchKind
from questions_api.watches.telling import watchers_of
from questions_api.watches.watching import Target, my_watch, remove_watch, set_watch
from tests.factories import ANSWER_TYPE, ENG, HR, NOW, Site, answered, asked, beside, content, rows_of
from tests.integration.tag_calls import NOTHING, Stage, answer, cast_of, head_of
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]
PEOPLE = (ALICE, BOB, CAROL, DAVE)


@pytest.fixture
def stage(services: Services, sites: Sites) -> Stage:
    confluence = cast_of()
    return Stage(beside(services, confluence), confluence, *sites)


def on(question: QuestionHead) -> Target:
    return Target(WatchKind.QUESTION, question.item.id)


def set_(database: Database, site: Site, account: str, target: Target, *, is_muted: bool = False) -> None:
    work = partial(set_watch, principal=site.principal(account), target=target, is_muted=is_muted, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def end(database: Database, site: Site, account: str, target: Target) -> None:
    database.write(partial(remove_watch, principal=site.principal(account), target=target), tenant_id=site.tenant_id)


def state(database: Database, site: Site, account: str, target: Target) -> bool | None:
    return database.read(partial(my_watch, principal=site.principal(account), target=target))


def watch_count(database: Database, site: Site, question: QuestionHead) -> int:
    (row,) = [row for row in rows_of(database, site, Question) if row.id == question.item.id]
    return row.watch_count


def tag_numbered(database: Database, site: Site, tag_id: int) -> None:
    tag = insert_row(site.tenant_id, Tag, tag_id=tag_id, slug=f"tag-{tag_id}", use_count=0, version=1)
    database.write(lambda session: session.execute(tag))


def unmuted(database: Database, site: Site, question: QuestionHead) -> int:
    mine = [row for row in rows_of(database, site, Watch) if row.target_id == question.item.id]
    return sum(not row.is_muted for row in mine)


# One person, one target.


@pytest.mark.parametrize(("held", "wanted"), list(product((None, False, True), repeat=2)))
def test_a_watch_goes_from_what_is_held_to_what_is_wanted(
    database: Database, sites: Sites, held: bool | None, wanted: bool | None
) -> None:
    acme, _ = sites
    target = on(question := asked(database, acme))

    for step in (held, wanted, wanted):
        if step is None:
            end(database, acme, BOB, target)
        else:
            set_(database, acme, BOB, target, is_muted=step)

    assert state(database, acme, BOB, target) is wanted
    # Alice watches what she has asked.
    assert watch_count(database, acme, question) == unmuted(database, acme, question) == 1 + (wanted is False)


@pytest.mark.parametrize("kind", [WatchKind.SPACE, WatchKind.TAG])
def test_watches_on_spaces_and_tags_are_kept_apart_from_questions(
    database: Database, sites: Sites, kind: WatchKind
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    target = Target(kind, question.item.id)
    if kind is WatchKind.TAG:
        tag_numbered(database, acme, question.item.id)

    set_(database, acme, BOB, target)
    assert (state(database, acme, BOB, target), state(database, acme, BOB, on(question))) == (False, None)
    set_(database, acme, BOB, target, is_muted=True)
    assert state(database, acme, BOB, target) is True
    end(database, acme, BOB, target)

    assert state(database, acme, BOB, target) is None
    assert watch_count(database, acme, question) == 1


def test_who_asks_or_answers_watches_without_having_chosen(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answered(database, acme, question)
    answered(database, acme, question)

    assert [row.is_automatic for row in rows_of(database, acme, Watch)] == [True, True]
    assert watch_count(database, acme, question) == 2


@pytest.mark.parametrize("is_muted", [True, False])
def test_an_automatic_watch_never_overrides_a_choice(database: Database, sites: Sites, is_muted: bool) -> None:
    acme, _ = sites
    question = asked(database, acme)
    set_(database, acme, BOB, on(question), is_muted=is_muted)

    answered(database, acme, question, author=BOB)

    assert state(database, acme, BOB, on(question)) is is_muted
    (mine,) = [row for row in rows_of(database, acme, Watch) if not row.is_automatic]
    assert (mine.is_muted, watch_count(database, acme, question)) == (is_muted, 1 + (not is_muted))


def test_a_deleted_watch_comes_back_with_a_new_answer_and_a_muted_one_stays(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    answered(database, acme, question, author=BOB)
    answered(database, acme, question, author=DAVE)
    end(database, acme, BOB, on(question))
    set_(database, acme, DAVE, on(question), is_muted=True)

    for account in (BOB, DAVE):
        answered(database, acme, question, author=account)

    assert state(database, acme, BOB, on(question)) is False
    assert state(database, acme, DAVE, on(question)) is True
    assert watch_count(database, acme, question) == unmuted(database, acme, question) == 2


def test_an_answer_registered_again_makes_no_watch_anew(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    item = content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id)
    register = partial(register_answer, tenant_id=acme.tenant_id, question_id=question.item.id, content=item, now=NOW)
    database.write(register)
    end(database, acme, BOB, on(question))

    database.write(register)

    assert state(database, acme, BOB, on(question)) is None


def test_a_question_that_is_gone_is_not_watched(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme)
    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=question.item.id, now=NOW))

    for site, account, target in (
        (acme, BOB, on(question)),
        (acme, BOB, Target(WatchKind.QUESTION, 404)),
        (globex, MALLORY, on(question)),
    ):
        with pytest.raises(NotFound):
            set_(database, site, account, target)
        with pytest.raises(NotFound):
            end(database, site, account, target)

    assert len(rows_of(database, acme, Watch)) == 1
    assert rows_of(database, globex, Watch) == []


# Many at once.


def voters(count: int) -> list[str]:
    return [f"557058:00000000-0000-4000-8000-{number:012d}" for number in range(count)]


def test_many_people_who_watch_mute_and_stop_at_once_are_counted_exactly(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    works: list[Callable[[], Any]] = []
    for position, account in enumerate(voters(30)):
        works += [partial(set_, database, acme, account, on(question), is_muted=position % 3 == 0)] * 2
        works.append(partial(answered, database, acme, question, author=account))

    succeeded(at_once(works))

    assert watch_count(database, acme, question) == unmuted(database, acme, question) == 1 + 20


def test_one_person_who_changes_their_mind_at_once_is_counted_once(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    step: list[Callable[[], Any]] = [
        partial(set_, database, acme, BOB, on(question)),
        partial(set_, database, acme, BOB, on(question), is_muted=True),
        partial(end, database, acme, BOB, on(question)),
        partial(answered, database, acme, question, author=BOB),
    ]

    succeeded(at_once(step * 5))

    assert watch_count(database, acme, question) == unmuted(database, acme, question)
    assert len(rows_of(database, acme, Watch)) <= 2


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["watch", "mute", "end", "answer"])), max_size=20)
)
def test_any_sequence_of_watches_keeps_count_and_rows_equal(
    database: Database, sites: Sites, steps: list[tuple[str, str]]
) -> None:
    acme, _ = sites
    question = asked(database, acme)
    expected: dict[str, bool | None] = dict.fromkeys(PEOPLE) | {ALICE: False}

    for account, step in steps:
        if step == "answer":
            answered(database, acme, question, author=account)
            expected[account] = False if expected[account] is None else expected[account]
        elif step == "end":
            end(database, acme, account, on(question))
            expected[account] = None
        else:
            set_(database, acme, account, on(question), is_muted=step == "mute")
            expected[account] = step == "mute"

    assert {account: state(database, acme, account, on(question)) for account in PEOPLE} == expected
    assert watch_count(database, acme, question) == list(expected.values()).count(False)


# Whom they tell.


def told(database: Database, site: Site, question: QuestionHead, actor: str | None = None) -> set[str | None]:
    people = {row.account_ref: row.atlassian_account_id for row in rows_of(database, site, AccountRow)}
    actor_ref = next((ref for ref, account in people.items() if account == actor), None) if actor else None
    work = partial(watchers_of, tenant_id=site.tenant_id, question=question.item, actor_ref=actor_ref)
    found = database.read(work, tenant_id=site.tenant_id)
    assert len(found) == len(set(found))
    return {people[ref] for ref in found}


def around(database: Database, site: Site, question: QuestionHead) -> dict[str, Target]:
    """The question, its space and its two tags."""
    tags = {slug: Target(WatchKind.TAG, head_of(database, site, slug).tag_id) for slug in ("vpn", "mail")}
    return {"question": on(question), "space": Target(WatchKind.SPACE, question.item.space_id), **tags}


def test_everybody_who_watches_question_space_or_tag_is_told_once(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("vpn", "mail"))
    targets = around(database, acme, question)
    for account, names in ((BOB, ("question", "space", "vpn", "mail")), (CAROL, ("space",)), (DAVE, ("mail",))):
        for name in names:
            set_(database, acme, account, targets[name])

    assert told(database, acme, question) == {ALICE, BOB, CAROL, DAVE}
    assert told(database, acme, question, actor=BOB) == {ALICE, CAROL, DAVE}


@pytest.mark.parametrize(
    ("watched", "muted", "is_told"),
    [
        ((), (), False),
        ((), ("question",), False),
        (("space", "vpn"), ("question",), False),
        (("space",), ("vpn",), False),
        (("vpn",), ("mail",), False),
        (("vpn",), ("space",), False),
        (("question",), ("space", "vpn", "mail"), True),
        (("vpn", "mail"), (), True),
        (("space",), (), True),
    ],
)
def test_a_watch_on_the_question_decides_and_else_whatever_is_muted(
    database: Database, sites: Sites, watched: tuple[str, ...], muted: tuple[str, ...], is_told: bool
) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("vpn", "mail"))
    targets = around(database, acme, question)
    for name in watched:
        set_(database, acme, BOB, targets[name])
    for name in muted:
        set_(database, acme, BOB, targets[name], is_muted=True)

    assert (BOB in told(database, acme, question)) == is_told
    assert told(database, acme, question) - {BOB} == {ALICE}


def test_watches_on_other_things_and_other_sites_tell_nobody(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme, tags=("vpn",))
    other = asked(database, acme, space_id=HR, tags=("mail",))
    theirs = asked(database, globex, author=MALLORY, tags=("vpn",))
    set_(database, acme, BOB, on(other))
    set_(database, acme, CAROL, Target(WatchKind.SPACE, HR))
    set_(database, acme, DAVE, Target(WatchKind.TAG, head_of(database, acme, "mail").tag_id))
    # Ids of different kinds may be equal, and those of two sites.
    tag_numbered(database, acme, question.item.id)
    set_(database, acme, DAVE, Target(WatchKind.TAG, question.item.id))
    set_(database, globex, MALLORY, Target(WatchKind.SPACE, ENG))
    tag_numbered(database, globex, vpn := head_of(database, acme, "vpn").tag_id)
    set_(database, globex, MALLORY, Target(WatchKind.TAG, vpn))

    assert told(database, acme, question) == {ALICE}
    assert told(database, globex, theirs) == {MALLORY}
    assert told(database, acme, other) == {ALICE, BOB, CAROL, DAVE}


def test_former_users_are_not_told(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme)
    set_(database, acme, BOB, on(question))

    def forget(session: Any) -> None:
        bob = update_rows(acme.tenant_id, AccountRow).where(AccountRow.atlassian_account_id == BOB)
        session.execute(bob.values(atlassian_account_id=None))

    database.write(forget)

    assert told(database, acme, question) == {ALICE}


# Who may, over HTTP handlers.


def put(handler: Callable[..., object], call: Any, *, muted: bool = False) -> object:
    return answer(handler(call, schemas.WatchBody(muted=muted)))["watch"]


PAIRS: list[tuple[str, Callable[..., object], Callable[..., object]]] = [
    ("question", routes.watch_question, routes.unwatch_question),
    ("space", routes.watch_space, routes.unwatch_space),
    ("tag", routes.watch_tag, routes.unwatch_tag),
]


@pytest.mark.parametrize(("watch", "unwatch"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_who_may_not_see_it_neither_watches_nor_mutes_it(
    stage: Stage, watch: Callable[..., object], unwatch: Callable[..., object]
) -> None:
    question = asked(stage.database, stage.acme, space_id=HR, tags=("payroll",))
    path = {"questionId": question.item.id, "spaceId": HR, "slug": "payroll"}
    held = len(rows_of(stage.database, stage.acme, Watch))

    for account in (DAVE, MALLORY):
        for muted in (False, True):
            with pytest.raises(NotFound):
                put(watch, stage.call(account, **path), muted=muted)
        with pytest.raises(NotFound):
            unwatch(stage.call(account, **path), NOTHING)

    assert len(rows_of(stage.database, stage.acme, Watch)) == held
    assert rows_of(stage.database, stage.globex, Watch) == []
    assert put(watch, stage.call(BOB, **path)) == "watching"
    assert put(watch, stage.call(BOB, **path), muted=True) == "muted"
    assert answer(unwatch(stage.call(BOB, **path), NOTHING)) == {"watch": None}
    assert len(rows_of(stage.database, stage.acme, Watch)) == held


def test_a_question_on_a_restricted_page_is_watched_by_its_readers_only(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, page_id=900, tags=("page-only",))
    stage.confluence.put(replace(content(page_id=900), id=question.item.id), ALICE, BOB)
    path = {"questionId": question.item.id, "slug": "page-only"}

    for handler in (routes.watch_question, routes.watch_tag):
        with pytest.raises(NotFound):
            put(handler, stage.call(DAVE, **path))
        assert put(handler, stage.call(BOB, **path)) == "watching"


def test_a_tag_is_watched_by_a_synonym_too(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    work = partial(add_synonym, principal=stage.acme.principal(CAROL), slug="vpn", synonym="tunnel", now=NOW)
    stage.database.write(work)

    put(routes.watch_tag, stage.call(BOB, slug="Tunnel"))

    target = Target(WatchKind.TAG, head_of(stage.database, stage.acme, "vpn").tag_id)
    assert state(stage.database, stage.acme, BOB, target) is False


def test_a_watch_on_an_archived_space_can_be_ended(stage: Stage) -> None:
    asked(stage.database, stage.acme)
    put(routes.watch_space, stage.call(BOB, spaceId=ENG))
    archive = partial(
        set_space_status, tenant_id=stage.acme.tenant_id, space_id=ENG, status=SpaceStatus.ARCHIVED, now=NOW
    )
    stage.database.write(archive)
    stage.services.spaces.forget(stage.acme.tenant_id)

    assert answer(routes.unwatch_space(stage.call(BOB, spaceId=ENG), NOTHING)) == {"watch": None}


def mine(stage: Stage, account: str, **query: object) -> dict[str, Any]:
    return answer(routes.list_my_watches(stage.call(account), schemas.WatchesQuery.model_validate(query)))


def targets(stage: Stage, account: str, **query: object) -> list[tuple[str, str, str, bool]]:
    return [
        (item["kind"], item["target"], item["watch"], item["isAutomatic"])
        for item in mine(stage, account, **query)["items"]
    ]


def test_the_list_holds_ones_own_watches_of_every_kind(stage: Stage) -> None:
    question = asked(stage.database, stage.acme, author=BOB, tags=("vpn",))
    put(routes.watch_space, stage.call(BOB, spaceId=HR), muted=True)
    put(routes.watch_tag, stage.call(BOB, slug="vpn"))
    put(routes.watch_tag, stage.call(ALICE, slug="vpn"))

    assert sorted(targets(stage, BOB)) == [
        ("question", str(question.item.id), "watching", True),
        ("space", str(HR), "muted", False),
        ("tag", "vpn", "watching", False),
    ]
    assert targets(stage, BOB, kind="space") == [("space", str(HR), "muted", False)]
    assert targets(stage, ALICE) == [("tag", "vpn", "watching", False)]
    assert targets(stage, DAVE) == targets(stage, MALLORY) == []


def test_what_has_become_invisible_is_left_out_and_comes_back(stage: Stage) -> None:
    gone, hidden, below, shown = (
        asked(stage.database, stage.acme, space_id=space_id, page_id=page_id, tags=tags)
        for space_id, page_id, tags in (
            (ENG, None, ("vpn",)),
            (HR, None, ("payroll",)),
            (ENG, 900, ("page-only",)),
            (ENG, None, ("vpn",)),
        )
    )
    item = replace(content(page_id=900), id=below.item.id)
    stage.confluence.put(item, BOB)
    for question in (gone, hidden, below, shown):
        put(routes.watch_question, stage.call(BOB, questionId=question.item.id))
    put(routes.watch_space, stage.call(BOB, spaceId=HR))
    for slug in ("payroll", "page-only", "vpn"):
        put(routes.watch_tag, stage.call(BOB, slug=slug))
    whole = targets(stage, BOB)
    assert len(whole) == 8

    stage.database.write(partial(remove_post, tenant_id=stage.acme.tenant_id, content_id=gone.item.id, now=NOW))
    stage.confluence.shut_out(BOB, HR)
    stage.confluence.put(item)
    later = Stage(beside(stage.services, stage.confluence), stage.confluence, stage.acme, stage.globex)

    assert {target for _, target, *_ in targets(later, BOB)} == {str(shown.item.id), "vpn"}


@pytest.mark.parametrize("kind", [None, "question"])
def test_pages_of_watches_join_without_gap_or_repeat(stage: Stage, kind: str | None) -> None:
    questions = [asked(stage.database, stage.acme, space_id=(ENG, HR)[number % 2]) for number in range(12)]
    for question in questions:
        set_(stage.database, stage.acme, DAVE, on(question))
    for space_id in range(1, 4):
        set_(stage.database, stage.acme, DAVE, Target(WatchKind.SPACE, space_id))
    # The same id may stand for two kinds of target, watched in the same moment.
    set_(stage.database, stage.acme, DAVE, Target(WatchKind.SPACE, questions[0].item.id))
    expected = [("question", str(question.item.id)) for question in questions[::2]]

    found: list[tuple[str, str]] = []
    cursor: str | None = None
    for _ in range(20):
        page = mine(stage, DAVE, kind=kind, cursor=cursor, limit=2)
        found += [(item["kind"], item["target"]) for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert sorted(found) == sorted(expected)
    assert cursor is None


def test_a_cursor_of_watches_is_good_for_its_own_list_only(stage: Stage) -> None:
    for _ in range(4):
        asked(stage.database, stage.acme, author=BOB)
    cursor = mine(stage, BOB, limit=2)["next"]

    assert len(mine(stage, BOB, cursor=cursor)["items"]) == 2
    with pytest.raises(Invalid):
        mine(stage, BOB, kind="question", cursor=cursor)
    with pytest.raises(Invalid):
        mine(stage, MALLORY, cursor=cursor)


def test_a_tag_that_was_merged_away_meanwhile_is_not_watched(database: Database, sites: Sites) -> None:
    acme, globex = sites
    asked(database, acme, tags=("ci",))
    (tag,) = rows_of(database, acme, Tag)
    for site, target_id in ((acme, tag.tag_id + 1), (globex, tag.tag_id)):
        work = partial(
            set_watch, principal=site.principal(ALICE), target=Target(WatchKind.TAG, target_id), is_muted=False, now=NOW
        )
        with pytest.raises(NotFound):
            database.write(work, tenant_id=site.tenant_id)
        assert [row for row in rows_of(database, site, Watch) if row.target_kind == WatchKind.TAG] == []
