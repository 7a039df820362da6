"""Tags on questions: five at most, counted exactly, and listed only to those who may know of them."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from lib.errors import Fault, Forbidden, Invalid, NotFound
from lib.events import EventKind
from lib.principal import AccountId, SpaceId
from lib.services import Services
from lib.spaces import SpaceRow, SpaceSettings
from lib.sql import Database, insert_row, update_rows
from questions_api.posts import QuestionHead, guard_question, register_question, remove_post
from questions_api.tags import listings, routes, schemas
from questions_api.tags.checking import check_tags
from questions_api.tags.curating import add_synonym, name_expert
from questions_api.tags.listings import TagFilter, TagOrder, TagsWanted
from questions_api.tags.model import QuestionTag, Tag, TagUse
from questions_api.tags.sight import MAX_SPACES, candidate_spaces
from questions_api.tags.slugs import MAX_TAGS
from questions_api.tags.space_tags import SpaceTags, replace_space_tags
from questions_api.tags.tagging import add_tags, borne_tags, remove_tags, tag_ids
from tests.factories import ENG, HR, NOW, Site, asked, beside, content, events_of, rows_of
from tests.integration.tag_calls import Stage, answer, borne, cast_of, counts, tag_of, uses
from tests.races import at_once, succeeded
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]
FIVE = ("a", "b", "c", "d", "e")


@pytest.fixture
def stage(services: Services, sites: Sites) -> Stage:
    confluence = cast_of()
    return Stage(beside(services, confluence), confluence, *sites)


def put_on(database: Database, site: Site, question: QuestionHead, *slugs: str) -> None:
    work = partial(
        add_tags, tenant_id=site.tenant_id, question_id=question.item.id, slugs=slugs, created_at=NOW, now=NOW
    )
    database.write(work, tenant_id=site.tenant_id)


def take_off(database: Database, site: Site, question: QuestionHead, *slugs: str) -> None:
    known = database.read(partial(tag_ids, tenant_id=site.tenant_id, slugs=slugs))
    tags = set(known.values())
    work = partial(remove_tags, tenant_id=site.tenant_id, question_id=question.item.id, tags=tags, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def synonym(database: Database, site: Site, slug: str, other: str) -> None:
    work = partial(add_synonym, principal=site.principal(CAROL), slug=slug, synonym=other, now=NOW)
    database.write(work, tenant_id=site.tenant_id)


def page(stage: Stage, account: str, **query: object) -> dict[str, Any]:
    return answer(routes.list_tags(stage.call(account), schemas.TagsQuery.model_validate(query)))


def listed(stage: Stage, account: str, **query: object) -> list[str]:
    return [item["slug"] for item in page(stage, account, **query)["items"]]


def counted(stage: Stage, account: str, **query: object) -> dict[str, int]:
    return {item["slug"]: item["questionCount"] for item in page(stage, account, **query)["items"]}


def below_page(stage: Stage, *readers: str, tags: tuple[str, ...]) -> QuestionHead:
    """A question on a page that only the readers may see."""
    question = asked(stage.database, stage.acme, page_id=900, tags=tags)
    stage.confluence.put(replace(content(page_id=900), id=question.item.id), *readers)
    return question


# Putting on and taking off.


def test_a_question_bears_five_tags_at_most_and_more_are_refused_whole(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()
    database.write(partial(register_question, tenant_id=acme.tenant_id, content=item, tags=FIVE[:3], now=NOW))
    add = partial(add_tags, tenant_id=acme.tenant_id, question_id=item.id, created_at=item.created_at, now=NOW)

    with pytest.raises(Invalid) as refused:
        database.write(partial(add, slugs=("c", "d", "e", "f")))

    assert refused.value.faults == (Fault("/tags", f"would make more than {MAX_TAGS} tags on the question"),)
    assert uses(database, acme) == dict.fromkeys(FIVE[:3], 1)
    database.write(partial(add, slugs=("c", "d", "e")))
    assert uses(database, acme) == dict.fromkeys(FIVE, 1)
    assert len(rows_of(database, acme, QuestionTag)) == MAX_TAGS


def test_a_question_that_is_registered_again_keeps_its_tags(database: Database, sites: Sites) -> None:
    """Asking again is a repeated request, and no way around the right to edit tags, its limits and the audit log."""
    acme, _ = sites
    register = partial(register_question, tenant_id=acme.tenant_id, content=content(), now=NOW)
    database.write(partial(register, tags=FIVE[:2]))

    for tags in (FIVE, FIVE[:1], ("f",), ()):
        assert not database.write(partial(register, tags=tags))

    assert uses(database, acme) == dict.fromkeys(FIVE[:2], 1)


def test_a_question_that_a_webhook_has_registered_gets_the_tags_of_who_asks(database: Database, sites: Sites) -> None:
    acme, _ = sites
    register = partial(register_question, tenant_id=acme.tenant_id, content=content(), now=NOW)
    database.write(register)

    assert not database.write(partial(register, tags=FIVE[:2]))

    assert uses(database, acme) == dict.fromkeys(FIVE[:2], 1)


def test_tags_of_other_questions_and_sites_do_not_count(database: Database, sites: Sites) -> None:
    for site in (*sites, sites[0]):
        database.write(partial(register_question, tenant_id=site.tenant_id, content=content(), tags=FIVE, now=NOW))

    assert uses(database, sites[0]) == dict.fromkeys(FIVE, 2)
    assert uses(database, sites[1]) == dict.fromkeys(FIVE, 1)


def test_synonyms_are_one_tag_on_a_question(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    synonym(database, acme, "vpn", "tunnel")

    full = asked(database, acme, tags=("vpn", "tunnel", *FIVE[:4]))

    assert borne(database, acme) >= {(full.item.id, slug) for slug in ("vpn", *FIVE[:4])}
    assert uses(database, acme) == {"vpn": 2, **dict.fromkeys(FIVE[:4], 1)}


def test_what_is_taken_off_is_not_counted_any_more(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("a", "b"))
    told = len(events_of(database, acme, EventKind.TALLY_DUE))

    take_off(database, acme, question, "b", "unknown")
    take_off(database, acme, question, "b")

    assert borne(database, acme) == {(question.item.id, "a")}
    assert uses(database, acme) == {"a": 1, "b": 0}
    assert counts(database, acme) == {("a", ENG): 1, ("b", ENG): 0}
    assert len(events_of(database, acme, EventKind.TALLY_DUE)) == told + 1


def test_a_question_that_changes_no_tag_is_not_tallied(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("a",))
    told = len(events_of(database, acme, EventKind.TALLY_DUE))

    put_on(database, acme, question, "a")
    take_off(database, acme, question, "b")

    assert len(events_of(database, acme, EventKind.TALLY_DUE)) == told


def test_counts_follow_questions_that_go_return_move_and_are_guarded(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()
    register = partial(register_question, tenant_id=acme.tenant_id, now=NOW)
    database.write(partial(register, content=item, tags=("a",)))
    asked(database, acme, tags=("a",))
    asked(database, acme, page_id=900, tags=("a",))
    assert counts(database, acme) == {("a", ENG): 2}

    database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=item.id, now=NOW))
    assert counts(database, acme) == {("a", ENG): 1}
    database.write(partial(register, content=item))
    assert counts(database, acme) == {("a", ENG): 2}
    database.write(partial(register, content=replace(item, space_id=HR, container_id=int(HR))))
    assert counts(database, acme) == {("a", ENG): 1, ("a", HR): 1}
    database.write(partial(guard_question, tenant_id=acme.tenant_id, question_id=item.id, now=NOW))
    assert counts(database, acme) == {("a", ENG): 1, ("a", HR): 0}
    assert uses(database, acme) == {"a": 3}


def test_many_questions_with_the_same_new_tags_at_once_make_each_tag_once(database: Database, sites: Sites) -> None:
    acme, _ = sites
    works = [
        partial(
            database.write,
            partial(register_question, tenant_id=acme.tenant_id, content=content(), tags=tags, now=NOW),
        )
        for tags in (FIVE, FIVE[::-1]) * 6
    ]

    succeeded(at_once(works))

    assert uses(database, acme) == dict.fromkeys(FIVE, 12)
    assert counts(database, acme) == {(slug, ENG): 12 for slug in FIVE}


def test_mallory_puts_no_tag_on_a_question_of_another_site(database: Database, sites: Sites) -> None:
    acme, globex = sites
    question = asked(database, acme, tags=("a",))

    take_off(database, globex, question, "a")

    assert borne(database, acme) == {(question.item.id, "a")}
    assert database.read(partial(borne_tags, tenant_id=globex.tenant_id, question_id=question.item.id)) == set()


# What a space asks for.


def checked(database: Database, site: Site, space_id: SpaceId, *slugs: str, least: int = 0, most: int = 5) -> list[str]:
    settings = SpaceSettings(min_tags=least, max_tags=most)
    work = partial(check_tags, tenant_id=site.tenant_id, space_id=space_id, slugs=slugs, settings=settings)
    try:
        database.read(work)
    except Invalid as refused:
        return [fault.detail for fault in refused.faults if fault.where == "/tags"]
    return []


@pytest.mark.parametrize(
    ("slugs", "least", "most", "details"),
    [
        ((), 0, 5, []),
        ((), 1, 5, ["must hold at least 1 tags"]),
        (("a",), 1, 1, []),
        (("a", "b"), 1, 1, ["must hold at most 1 tags"]),
        (("vpn", "tunnel"), 2, 5, ["must hold at least 2 tags"]),
        (("vpn", "tunnel"), 0, 1, []),
        (("never-seen", "nor-this"), 2, 2, []),
    ],
)
def test_the_number_of_tags_is_the_spaces_choice(
    database: Database, sites: Sites, slugs: tuple[str, ...], least: int, most: int, details: list[str]
) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    synonym(database, acme, "vpn", "tunnel")

    assert checked(database, acme, ENG, *slugs, least=least, most=most) == details


def test_a_question_bears_one_of_the_required_tags_of_its_own_space(database: Database, sites: Sites) -> None:
    acme, globex = sites
    wanted = SpaceTags(featured=("news",), required=("incident", "request"))
    replace_tags = partial(replace_space_tags, principal=acme.principal(CAROL), space_id=ENG, wanted=wanted, now=NOW)
    database.write(replace_tags)
    synonym(database, acme, "incident", "outage")
    missing = ["must hold one of the space's required tags"]

    assert checked(database, acme, ENG, "news") == missing
    assert checked(database, acme, ENG) == missing
    assert checked(database, acme, ENG, "never-seen", least=2) == ["must hold at least 2 tags", *missing]
    assert checked(database, acme, ENG, "incident") == checked(database, acme, ENG, "outage", "news") == []
    assert checked(database, acme, HR) == checked(database, globex, ENG) == []


# Lists.


def test_tags_are_listed_by_use_and_by_name_over_what_the_viewer_sees(stage: Stage) -> None:
    for tags in (("b", "c"), ("c",), ("a", "c")):
        asked(stage.database, stage.acme, tags=tags)
    asked(stage.database, stage.acme, space_id=HR, tags=("a", "secret-project"))
    asked(stage.database, stage.acme, space_id=HR, tags=("a",))

    assert counted(stage, BOB) == {"c": 3, "a": 3, "b": 1, "secret-project": 1}
    assert listed(stage, BOB, order="name") == ["a", "b", "c", "secret-project"]
    assert listed(stage, BOB, space=str(HR)) == ["a", "secret-project"]
    assert listed(stage, BOB, space=str(HR), prefix="Se") == ["secret-project"]


def test_dave_learns_nothing_of_tags_and_counts_of_a_space_he_may_not_see(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    for _ in range(3):
        asked(stage.database, stage.acme, space_id=HR, tags=("vpn", "secret-project"))

    assert counted(stage, DAVE) == {"vpn": 1}
    assert listed(stage, DAVE, prefix="secret") == []
    with pytest.raises(NotFound):
        listed(stage, DAVE, space=str(HR))
    with pytest.raises(NotFound):
        tag_of(stage, DAVE, "secret-project")
    assert tag_of(stage, DAVE, "vpn")["questionCount"] == 1
    assert tag_of(stage, BOB, "vpn")["questionCount"] == 4


@pytest.mark.parametrize("order", TagOrder)
def test_a_tag_that_is_out_of_use_here_is_not_listed_because_it_is_in_use_elsewhere(
    stage: Stage, order: TagOrder
) -> None:
    asked(stage.database, stage.acme, space_id=HR, tags=("layoffs",))
    take_off(stage.database, stage.acme, asked(stage.database, stage.acme, tags=("layoffs",)), "layoffs")

    assert listed(stage, DAVE, order=order) == listed(stage, BOB, order=order, space=str(ENG)) == []
    with pytest.raises(NotFound):
        tag_of(stage, DAVE, "layoffs")
    assert counted(stage, BOB, order=order) == {"layoffs": 1}


def test_counts_leave_out_what_restrictions_could_hide(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    below_page(stage, ALICE, BOB, tags=("vpn", "page-only"))
    guarded = asked(stage.database, stage.acme, tags=("vpn", "guarded-only"))
    stage.confluence.put(replace(content(), id=guarded.item.id), ALICE)
    guard = partial(guard_question, tenant_id=stage.acme.tenant_id, question_id=guarded.item.id, now=NOW)
    stage.database.write(guard)

    for account in (ALICE, BOB, DAVE):
        assert counted(stage, account) == {"vpn": 1}
        assert tag_of(stage, account, "vpn")["questionCount"] == 1
    for account, slug, is_known in (
        (BOB, "page-only", True),
        (DAVE, "page-only", False),
        (ALICE, "guarded-only", True),
        (BOB, "guarded-only", False),
    ):
        if is_known:
            assert tag_of(stage, account, slug)["questionCount"] == 0
        else:
            with pytest.raises(NotFound):
                tag_of(stage, account, slug)


def test_who_may_not_see_tags_in_a_space_sees_none_of_it(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    asked(stage.database, stage.acme, space_id=HR, tags=("vpn", "payroll"))
    stage.confluence.allow(ALICE, HR, questions="vad", votes="va", tags="")

    assert counted(stage, ALICE) == {"vpn": 1}
    assert listed(stage, ALICE, space=str(HR)) == []
    with pytest.raises(NotFound):
        tag_of(stage, ALICE, "payroll")


def test_mallory_sees_the_tags_of_her_own_site_only(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    asked(stage.database, stage.globex, author=MALLORY, tags=("theirs",))

    assert counted(stage, MALLORY) == {"theirs": 1}
    with pytest.raises(NotFound):
        tag_of(stage, MALLORY, "vpn")


def test_administrators_find_every_tag_with_the_counts_of_what_they_see(stage: Stage) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))
    asked(stage.database, stage.acme, space_id=HR, tags=("payroll",))
    stage.confluence.shut_out(CAROL, HR)

    assert counted(stage, CAROL) == {"vpn": 1, "payroll": 0}
    assert tag_of(stage, CAROL, "payroll")["questionCount"] == 0
    assert listed(stage, CAROL, space=str(ENG)) == ["vpn"]


def test_a_tag_out_of_use_is_not_listed_unless_it_is_featured(stage: Stage) -> None:
    for slug in ("old", "featured", "required"):
        take_off(stage.database, stage.acme, asked(stage.database, stage.acme, tags=(slug,)), slug)
    wanted = SpaceTags(featured=("featured",), required=("required",))
    work = partial(replace_space_tags, principal=stage.acme.principal(CAROL), space_id=ENG, wanted=wanted, now=NOW)
    stage.database.write(work)

    assert listed(stage, BOB, order="name") == ["featured", "required"]
    assert listed(stage, BOB, filter="featured") == ["featured"]
    with pytest.raises(NotFound):
        tag_of(stage, BOB, "old")


@pytest.mark.parametrize("order", ["use", "name"])
def test_pages_of_tags_join_without_gap_or_repeat(stage: Stage, order: str) -> None:
    slugs = [f"{letter}-{number}" for letter in ("a", "日本語", "𠮷野", "вики") for number in range(3)]
    for position, slug in enumerate(slugs):
        for _ in range(position % 3 + 1):
            asked(stage.database, stage.acme, tags=(slug,))
    whole = listed(stage, BOB, order=order)
    assert sorted(whole) == sorted(slugs)

    found: list[str] = []
    cursor: str | None = None
    for _ in range(len(slugs)):
        part = page(stage, BOB, order=order, limit=5, cursor=cursor)
        found += [item["slug"] for item in part["items"]]
        cursor = part["next"]
        if cursor is None:
            break

    assert found == whole


def test_a_cursor_is_good_for_its_own_list_only(stage: Stage) -> None:
    for slug in FIVE:
        asked(stage.database, stage.acme, tags=(slug,))
    cursor = page(stage, BOB, limit=2)["next"]

    for query in ({"order": "name"}, {"prefix": "a"}, {"space": str(ENG)}, {"filter": "featured"}):
        with pytest.raises(Invalid):
            listed(stage, BOB, cursor=cursor, **query)
    with pytest.raises(Invalid):
        listed(stage, MALLORY, cursor=cursor)
    assert len(listed(stage, BOB, cursor=cursor)) == 3


def test_a_prefix_finds_what_begins_with_it_and_nothing_next_to_it(stage: Stage) -> None:
    for slug in ("vpn", "vpn-access", "vpnö", "vpo", "vp", "zz", "z", "über", "c++", "c#"):
        asked(stage.database, stage.acme, tags=(slug,))

    assert listed(stage, BOB, prefix="VPN", order="name") == ["vpn", "vpn-access", "vpnö"]
    assert listed(stage, BOB, prefix="z", order="name") == ["z", "zz"]
    assert listed(stage, BOB, prefix="Ü") == ["über"]
    assert listed(stage, BOB, prefix="c+") == ["c++"]
    assert listed(stage, BOB, prefix="vpn acc") == ["vpn-access"]


@pytest.mark.parametrize("prefix", ["\u202evpn", "vpn\x00", "%", "x" * 200, "-"])
def test_what_no_tag_begins_with_is_refused_as_a_prefix(stage: Stage, prefix: str) -> None:
    with pytest.raises(Invalid) as refused:
        listed(stage, BOB, prefix=prefix)
    assert [fault.where for fault in refused.value.faults] == ["prefix"]


@pytest.mark.parametrize("order", TagOrder)
@pytest.mark.parametrize("space_count", [1, 20])
def test_a_prefix_is_one_range_of_the_index_of_slugs(
    database: Database, sites: Sites, order: TagOrder, space_count: int
) -> None:
    acme, _ = sites
    if database.engine.dialect.name != "sqlite":
        pytest.skip("reads SQLite's plan")
    asked(database, acme, tags=("tag-1", "tag-12", "tag-2"))
    ran: list[tuple[str, Any]] = []

    def note(_: Connection, __: object, statement: str, parameters: Any, *___: object) -> None:
        ran.append((statement, parameters))

    spaces = [SpaceId(int(ENG) + number) for number in range(space_count)]
    read = partial(listings.list_tags, wanted=TagsWanted(spaces, "tag-1", order), after=None, limit=10, now=NOW)
    event.listen(database.engine, "before_cursor_execute", note)
    database.read(partial(read, tenant_id=acme.tenant_id))
    event.remove(database.engine, "before_cursor_execute", note)

    plans: list[str] = []
    with database.engine.connect() as connection:
        for statement, parameters in ran:
            if statement.startswith("SELECT"):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans += [row[-1] for row in rows]
    assert any("slug>? AND slug<?" in step for step in plans), plans
    # Only what was found is looped over without a key.
    assert [step for step in plans if step.startswith("SCAN") and step != "SCAN figures"] == []
    assert not any(step.endswith("(tenant_id=?)") for step in plans), plans


def age(stage: Stage, slug: str, days: int) -> None:
    """Makes the tag one that was used last so many days ago."""
    tags = {tag.slug: tag.tag_id for tag in rows_of(stage.database, stage.acme, Tag)}
    used = NOW - timedelta(days=days)

    def work(session: Session) -> None:
        for table, column in ((TagUse, "last_used_at"), (QuestionTag, "question_created_at")):
            changed = update_rows(stage.acme.tenant_id, table)
            session.execute(changed.where(table.tag_id == tags[slug]).values({column: used}))

    stage.database.write(work)


def test_inactive_tags_are_those_not_used_for_180_days(stage: Stage) -> None:
    for slug in ("fresh", "stale", "edge"):
        asked(stage.database, stage.acme, tags=(slug,))
    below_page(stage, ALICE, tags=("page-only",))
    age(stage, "stale", 181)
    age(stage, "edge", 180)
    # In use in a space that Carol does not see.
    asked(stage.database, stage.acme, space_id=HR, tags=("elsewhere",))
    stage.confluence.shut_out(CAROL, HR)

    assert listed(stage, CAROL, filter="inactive") == ["stale"]
    assert listed(stage, CAROL, filter="inactive", space=str(ENG)) == ["stale"]
    age(stage, "page-only", 200)
    assert set(listed(stage, CAROL, filter="inactive")) == {"stale", "page-only"}


def test_tags_without_an_expert_are_listed_to_administrators(stage: Stage) -> None:
    for slug in ("known", "unknown"):
        asked(stage.database, stage.acme, tags=(slug,))
    work = partial(name_expert, principal=stage.acme.principal(CAROL), slug="known", account_id=AccountId(BOB), now=NOW)
    stage.database.write(work)

    assert listed(stage, CAROL, filter="withoutExpert") == ["unknown"]
    assert listed(stage, CAROL, filter="withoutExpert", space=str(ENG)) == ["unknown"]


@pytest.mark.parametrize("name", [one for one in TagFilter if one.is_for_administrators])
def test_lists_of_administrators_are_refused_to_others(stage: Stage, name: TagFilter) -> None:
    asked(stage.database, stage.acme, tags=("vpn",))

    for query in ({}, {"space": str(ENG)}):
        with pytest.raises(Forbidden):
            listed(stage, BOB, filter=name, **query)
    stage.confluence.allow(DAVE, ENG, questions="v", tags="v", administers=True)
    assert name is TagFilter.INACTIVE or listed(stage, DAVE, filter=name, space=str(ENG)) == ["vpn"]
    with pytest.raises(Forbidden):
        listed(stage, DAVE, filter=name)


def test_an_answer_about_a_site_of_many_spaces_says_what_it_leaves_out(stage: Stage) -> None:
    def spaces(session: Session) -> None:
        for number in range(MAX_SPACES):
            row = {"status": "current", "permission_epoch": 0, "created_at": NOW}
            session.execute(insert_row(stage.acme.tenant_id, SpaceRow, space_id=100 + number, **row))

    asked(stage.database, stage.acme, tags=("vpn",))
    assert page(stage, BOB)["isPartial"] is False
    stage.database.write(spaces)

    partial_page = page(stage, BOB)

    assert partial_page["isPartial"] is True
    assert [item["slug"] for item in partial_page["items"]] == ["vpn"]
    ranked = stage.database.read(partial(candidate_spaces, tenant_id=stage.acme.tenant_id))
    assert ranked == ([ENG], True)
