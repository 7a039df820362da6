"""What administrators do to tags: renaming, synonyms, experts, merging, a space's featured and required tags."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.errors import Forbidden, Invalid, NotFound, PreconditionFailed, Unacceptable
from lib.principal import AccountId
from lib.services import Services
from lib.spaces import SettingsChanged, SpaceSettings, change_space_settings, read_space_settings
from lib.sql import Database, update_rows
from lib.tenancy import AccountRow
from questions_api.tags import routes, schemas
from questions_api.tags.curating import (
    MAX_EXPERTS,
    SlugTaken,
    TagChange,
    TooManyExperts,
    add_synonym,
    change_tag,
    name_expert,
    remove_synonym,
    unname_expert,
)
from questions_api.tags.finding import TagChanged, TagHead
from questions_api.tags.model import Tag
from questions_api.tags.space_tags import SpaceTags, read_space_tags, replace_space_tags
from tests.factories import ENG, HR, NOW, Site, asked, beside, only_row, rows_of
from tests.integration.tag_calls import (
    NOTHING,
    Stage,
    actions,
    answer,
    borne,
    cast_of,
    counts,
    do,
    experts,
    head_of,
    merge,
    rename,
    snapshot,
    synonyms,
    tag_of,
    uses,
    watch,
)
from tests.races import at_once
from tests.tokens import ALICE, BOB, CAROL, DAVE, MALLORY

Sites = tuple[Site, Site]


@pytest.fixture
def stage(services: Services, sites: Sites) -> Stage:
    confluence = cast_of()
    return Stage(beside(services, confluence), confluence, *sites)


# Renaming and describing.


def test_a_renamed_tag_is_found_by_both_slugs(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, tags=("vpn",))

    head = rename(database, acme, "vpn", "remote-access")

    assert (head.slug, head.version) == ("remote-access", 2)
    assert head_of(database, acme, "vpn") == head_of(database, acme, "remote-access") == head
    assert borne(database, acme) == {(question.item.id, "remote-access")}
    assert synonyms(database, acme) == {"vpn": "remote-access"}
    row = only_row(database, acme, AuditRow)
    assert (row.action, row.target_kind, row.target_id) == ("tag.changed", "tag", head.tag_id)
    assert row.before == '{"version": 1}'
    assert row.after == '{"version": 2, "changed": ["slug"]}'


def test_a_tag_can_be_renamed_back_and_forth(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a",))

    for old, new in pairwise(("a", "b", "a", "c", "b")):
        assert rename(database, acme, old, new).slug == new

    assert synonyms(database, acme) == {"a": "b", "c": "b"}


def test_a_slug_or_synonym_of_another_tag_is_not_given_twice(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    do(database, acme, add_synonym, "b", "bee")
    before = snapshot(database, acme)

    for taken in ("b", "bee"):
        with pytest.raises(SlugTaken) as refused:
            rename(database, acme, "a", taken)
        assert refused.value.current == {"slug": "b"}
        with pytest.raises(SlugTaken):
            do(database, acme, add_synonym, "a", taken)

    assert snapshot(database, acme) == before


def test_a_description_is_set_kept_and_taken_away(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))

    described = do(database, acme, change_tag, "vpn", TagChange(description="Way in", describes=True))
    assert (described.description, described.version) == ("Way in", 2)
    assert do(database, acme, change_tag, "vpn", TagChange("tunnel")).description == "Way in"
    same = do(database, acme, change_tag, "vpn", TagChange("tunnel", "Way in", describes=True))
    assert same.version == 3
    assert do(database, acme, change_tag, "vpn", TagChange(describes=True)).description is None
    assert do(database, acme, change_tag, "tunnel", TagChange(description="", describes=True)).version == 4


def test_two_administrators_do_not_overwrite_each_other(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    rename(database, acme, "vpn", "tunnel")
    before = snapshot(database, acme)

    with pytest.raises(TagChanged) as refused:
        do(database, acme, change_tag, "vpn", TagChange("access", version=1))
    assert refused.value.current == {"version": 2, "slug": "tunnel"}
    with pytest.raises(PreconditionFailed):
        do(database, acme, change_tag, "vpn", TagChange("access"), if_match=1)

    assert snapshot(database, acme) == before
    assert do(database, acme, change_tag, "vpn", TagChange("access", version=2), if_match=2).version == 3


def test_of_renames_based_on_one_version_one_is_done(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    works = [
        partial(do, database, acme, change_tag, "vpn", TagChange(f"access-{number}", version=1)) for number in range(6)
    ]

    outcomes = at_once(works)

    assert sum(isinstance(outcome, TagHead) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, TagChanged) for outcome in outcomes) == 5
    assert len(synonyms(database, acme)) == 1


def test_two_tags_renamed_to_one_slug_at_once_stay_two(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))

    outcomes = at_once([partial(rename, database, acme, slug, "c") for slug in ("a", "b")])

    assert {type(outcome) for outcome in outcomes} == {TagHead, SlugTaken}
    assert len(rows_of(database, acme, Tag)) == 2


# Synonyms.


def test_a_synonym_stands_for_its_tag_until_it_is_freed(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))

    do(database, acme, add_synonym, "vpn", "tunnel")
    do(database, acme, add_synonym, "tunnel", "tunnel")
    asked(database, acme, tags=("tunnel",))
    assert uses(database, acme) == {"vpn": 2}

    do(database, acme, remove_synonym, "vpn", "tunnel")
    asked(database, acme, tags=("tunnel",))
    assert uses(database, acme) == {"vpn": 2, "tunnel": 1}
    assert actions(database, acme) == ["tag.synonym-added", "tag.synonym-removed"]


def test_only_the_tags_own_synonyms_are_freed(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("a", "b"))
    do(database, acme, add_synonym, "b", "bee")

    for slug, synonym in (("a", "bee"), ("a", "a"), ("b", "b"), ("b", "unknown"), ("unknown", "bee")):
        with pytest.raises(NotFound):
            do(database, acme, remove_synonym, slug, synonym)

    assert synonyms(database, acme) == {"bee": "b"}


# Experts.


def test_experts_are_named_once_and_unnamed(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))

    for _ in range(2):
        do(database, acme, name_expert, "vpn", AccountId(BOB))
    assert experts(database, acme) == {(BOB, "vpn")}
    for account in (BOB, BOB, "5b10ac8d82e05b22cc7d4ef5"):
        do(database, acme, unname_expert, "vpn", AccountId(account))

    assert experts(database, acme) == set()
    assert actions(database, acme) == ["tag.expert-named", "tag.expert-unnamed"]
    assert all(BOB not in f"{row.before}{row.after}" for row in rows_of(database, acme, AuditRow))


def test_a_tag_has_so_many_named_experts_and_no_more(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    people = [AccountId(f"557058:00000000-0000-4000-8000-{number:012d}") for number in range(MAX_EXPERTS + 1)]
    for account in people[:-2]:
        do(database, acme, name_expert, "vpn", account)

    outcomes = at_once([partial(do, database, acme, name_expert, "vpn", account) for account in people[-2:]])

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [TooManyExperts]
    assert len(experts(database, acme)) == MAX_EXPERTS


# A space's tags.


def test_a_spaces_tags_are_replaced_whole_and_made_where_they_are_new(database: Database, sites: Sites) -> None:
    acme, _ = sites
    asked(database, acme, tags=("vpn",))
    do(database, acme, add_synonym, "vpn", "tunnel")

    first = do(database, acme, replace_space_tags, ENG, SpaceTags(("tunnel", "new-here"), ("vpn",)))
    assert first == SpaceTags(("new-here", "vpn"), ("vpn",), version=1)
    second = do(database, acme, replace_space_tags, ENG, SpaceTags(("vpn",), (), version=1))
    assert second == SpaceTags(("vpn",), (), version=2)
    assert do(database, acme, replace_space_tags, ENG, second) == SpaceTags(("vpn",), (), version=3)

    assert counts(database, acme) == {("vpn", ENG): 1, ("new-here", ENG): 0}
    assert database.read(partial(read_space_tags, tenant_id=acme.tenant_id, space_id=HR)) == SpaceTags((), ())
    vpn = head_of(database, acme, "vpn").tag_id
    noted = [row for row in rows_of(database, acme, AuditRow) if row.action == "tags.featured"]
    assert {(row.target_kind, row.target_id) for row in noted} == {("space", ENG)}
    assert len(noted) == 2
    assert f'{{"featured": ["{vpn}"], "required": []}}' in {row.after for row in noted}


@pytest.mark.parametrize("version", [0, 1])
def test_of_lists_replaced_at_once_one_stands_whole_and_the_others_are_told(
    database: Database, sites: Sites, version: int
) -> None:
    acme, _ = sites
    if version:
        change_settings(database, acme, version=0)
    lists = [SpaceTags((f"a-{number}", f"b-{number}"), (f"c-{number}",), version) for number in range(5)]

    outcomes = at_once([partial(do, database, acme, replace_space_tags, ENG, wanted) for wanted in lists])

    (stands,) = (outcome for outcome in outcomes if isinstance(outcome, SpaceTags))
    assert stands in [replace(wanted, version=version + 1) for wanted in lists]
    assert sum(isinstance(outcome, SettingsChanged) for outcome in outcomes) == 4
    assert database.read(partial(read_space_tags, tenant_id=acme.tenant_id, space_id=ENG)) == stands
    assert len([row for row in rows_of(database, acme, AuditRow) if row.action == "tags.featured"]) == 1


def change_settings(database: Database, site: Site, *, version: int) -> SpaceSettings:
    wanted = SpaceSettings(min_tags=2, several_accepted=True, version=version)
    change = partial(change_space_settings, tenant_id=site.tenant_id, space_id=ENG, wanted=wanted, now=NOW)
    return database.write(change, tenant_id=site.tenant_id)


def test_a_spaces_tags_are_one_with_its_settings_and_leave_the_rest(database: Database, sites: Sites) -> None:
    acme, _ = sites
    settings = change_settings(database, acme, version=0)

    for stale in (0, 2):
        with pytest.raises(SettingsChanged) as refused:
            do(database, acme, replace_space_tags, ENG, SpaceTags(("late",), (), stale))
        assert refused.value.current == {"version": 1}
    assert uses(database, acme) == {}
    do(database, acme, replace_space_tags, ENG, SpaceTags(("vpn",), (), 1))

    held = database.read(partial(read_space_settings, tenant_id=acme.tenant_id, space_id=ENG))
    assert held == replace(settings, version=2)
    with pytest.raises(SettingsChanged):
        change_settings(database, acme, version=1)
    assert database.read(partial(read_space_tags, tenant_id=acme.tenant_id, space_id=HR)) == SpaceTags((), ())


# Who may.

CHANGES: list[tuple[str, Callable[..., object], object]] = [
    ("change", routes.change_tag, schemas.TagBody(slug="renamed")),
    ("merge", routes.merge, schemas.MergeBody(into="b")),
    ("add", routes.add_synonym, schemas.SynonymBody(slug="other")),
    ("remove", routes.remove_synonym, NOTHING),
    ("name", routes.name_expert, NOTHING),
    ("unname", routes.unname_expert, NOTHING),
]


def prepared(stage: Stage) -> dict[str, object]:
    """A site with something for each change to change; the values of its path."""
    asked(stage.database, stage.acme, tags=("a", "b"))
    do(stage.database, stage.acme, add_synonym, "a", "alpha")
    do(stage.database, stage.acme, name_expert, "a", AccountId(ALICE))
    return {"slug": "a", "synonym": "alpha", "accountId": ALICE}


@pytest.mark.parametrize(("handler", "body"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_tags_are_changed_by_administrators_of_confluence_only(
    stage: Stage, handler: Callable[..., object], body: object
) -> None:
    path = prepared(stage)
    before = snapshot(stage.database, stage.acme)
    stage.confluence.allow(BOB, ENG, questions="vad", votes="vad", tags="vad", administers=True)

    for account in (ALICE, BOB, DAVE):
        for slug in ("a", "unknown"):
            with pytest.raises(Forbidden):
                handler(stage.call(account, **(path | {"slug": slug})), body)
    with pytest.raises(NotFound):
        handler(stage.call(MALLORY, **path), body)

    assert snapshot(stage.database, stage.acme) == before
    assert (rows_of(stage.database, stage.globex, Tag), rows_of(stage.database, stage.globex, AuditRow)) == ([], [])
    handler(stage.call(CAROL, **(path | {"accountId": BOB if handler is routes.name_expert else ALICE})), body)
    assert snapshot(stage.database, stage.acme) != before


def test_mallory_changes_her_own_tag_of_the_same_slug(stage: Stage) -> None:
    prepared(stage)
    asked(stage.database, stage.globex, author=MALLORY, tags=("a", "c"))
    before = snapshot(stage.database, stage.acme)

    merge(stage.database, stage.globex, "a", "c")
    rename(stage.database, stage.globex, "c", "b")

    assert snapshot(stage.database, stage.acme) == before
    assert uses(stage.database, stage.globex) == {"b": 1}
    assert synonyms(stage.database, stage.globex) == {"a": "b", "c": "b"}


@pytest.mark.parametrize("text", ["\u202evpn", "vpn\x00", "v\u200bpn", "x" * 200, "a/b", "new", "ALL", "  "])
def test_no_tag_is_given_a_slug_that_deceives(stage: Stage, text: str) -> None:
    prepared(stage)
    before = snapshot(stage.database, stage.acme)

    with pytest.raises(Invalid) as renamed:
        routes.change_tag(stage.call(CAROL, slug="a"), schemas.TagBody(slug=text))
    with pytest.raises(Invalid) as added:
        routes.add_synonym(stage.call(CAROL, slug="a"), schemas.SynonymBody(slug=text))
    with pytest.raises(Invalid) as featured:
        routes.replace_tags_of_space(
            stage.call(CAROL, spaceId=ENG), schemas.SpaceTagsBody(featured=("ok", text), required=(), version=0)
        )

    assert [fault.where for fault in renamed.value.faults + added.value.faults] == ["/slug", "/slug"]
    assert [fault.where for fault in featured.value.faults] == ["/featured/1"]
    assert snapshot(stage.database, stage.acme) == before


@pytest.mark.parametrize("text", ["\u202evpn", "x" * 200, "a/b", "%00", "untagged"])
def test_what_can_be_no_tag_is_not_found(stage: Stage, text: str) -> None:
    with pytest.raises(NotFound):
        tag_of(stage, CAROL, text)
    prepared(stage)
    with pytest.raises(Unacceptable) as refused:
        routes.merge(stage.call(CAROL, slug="a"), schemas.MergeBody(into=text))
    assert [fault.where for fault in refused.value.faults] == ["/into"]


def test_a_tag_is_read_with_all_that_belongs_to_it(stage: Stage) -> None:
    prepared(stage)
    watch(stage.database, stage.acme, BOB, "a", is_muted=True)
    change = partial(routes.change_tag, stage.call(CAROL, slug="a"))
    change(schemas.TagBody(description="First letter"))

    read = tag_of(stage, BOB, "Alpha")

    assert read == {
        "slug": "a",
        "description": "First letter",
        "questionCount": 1,
        "isPartial": False,
        "synonyms": ["alpha"],
        "experts": [ALICE],
        "watch": "muted",
        "version": 4,
    }
    assert tag_of(stage, ALICE, "a") == read | {"watch": None}


def test_a_former_user_is_no_expert_that_is_shown(stage: Stage) -> None:
    prepared(stage)

    def forget(session: Any) -> None:
        alice = update_rows(stage.acme.tenant_id, AccountRow).where(AccountRow.atlassian_account_id == ALICE)
        session.execute(alice.values(atlassian_account_id=None))

    stage.database.write(forget)

    assert tag_of(stage, BOB, "a")["experts"] == []


def test_a_spaces_tags_are_its_administrators_choice_and_everybodys_to_read(stage: Stage) -> None:
    asked(stage.database, stage.acme, space_id=HR, tags=("payroll",))
    body = schemas.SpaceTagsBody(featured=("payroll",), required=("payroll", "request"), version=0)
    view = {"featured": ["payroll"], "required": ["payroll", "request"], "version": 1}

    for account, problem in ((BOB, Forbidden), (DAVE, NotFound), (MALLORY, NotFound)):
        with pytest.raises(problem):
            routes.replace_tags_of_space(stage.call(account, spaceId=HR), body)
    assert rows_of(stage.database, stage.acme, AuditRow) == []
    assert answer(routes.replace_tags_of_space(stage.call(CAROL, spaceId=HR), body)) == view

    assert answer(routes.read_tags_of_space(stage.call(BOB, spaceId=HR), NOTHING)) == view
    for account in (DAVE, MALLORY):
        with pytest.raises(NotFound):
            routes.read_tags_of_space(stage.call(account, spaceId=HR), NOTHING)
    stage.confluence.allow(ALICE, HR, questions="v", tags="")
    nothing: dict[str, object] = {"featured": [], "required": [], "version": 1}
    assert answer(routes.read_tags_of_space(stage.call(ALICE, spaceId=HR), NOTHING)) == nothing
