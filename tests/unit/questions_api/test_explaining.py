"""Why somebody may or may not: each rule in its cell, and what follows from the grid."""

from dataclasses import replace
from itertools import product

import pytest

from lib.grants import SPACE_INVISIBLE, TYPES_NOT_LISTED, Grant, Grants
from questions_api.spaces.explaining import CELLS, RIGHTS, Rule, Standing, consequences, explain

ALL = Grant(view=True, add=True, delete=True)
EVERYTHING = Standing(
    grants=Grants(ALL, ALL, ALL),
    is_enabled=True,
    is_archived=False,
    is_licensed=True,
    is_listed=True,
    has_roles=False,
)
MAY = ("ask", "answer", "vote", "takeVoteBack", "addTags", "removeTags", "moderate")


def rules(standing: Standing) -> set[Rule]:
    return {explanation.rule for explanation in explain(standing).values()}


def without(kind: str, right: str) -> Standing:
    grant = replace(getattr(EVERYTHING.grants, kind), **{right: False})
    return replace(EVERYTHING, grants=replace(EVERYTHING.grants, **{kind: grant}))


@pytest.mark.parametrize(("kind", "right"), CELLS)
def test_a_missing_grant_is_told_in_its_own_cell(kind: str, right: str) -> None:
    found = explain(without(kind, right))
    assert {cell: explanation.rule for cell, explanation in found.items()} == {
        cell: Rule.NOT_GRANTED if cell == (kind, right) else Rule.GRANTED for cell in CELLS
    }
    assert f"{kind.capitalize()}: {right.capitalize()}" in found[kind, right].detail


@pytest.mark.parametrize(
    ("standing", "rule"),
    [
        (EVERYTHING, Rule.GRANTED),
        (replace(EVERYTHING, grants=Grants(reason=SPACE_INVISIBLE)), Rule.SPACE_INVISIBLE),
        (replace(EVERYTHING, grants=Grants(reason=SPACE_INVISIBLE), is_enabled=False), Rule.SPACE_INVISIBLE),
        (replace(EVERYTHING, is_enabled=False), Rule.SPACE_DISABLED),
        (replace(EVERYTHING, grants=Grants(reason=TYPES_NOT_LISTED), is_listed=False), Rule.TYPES_NOT_LISTED),
        (
            replace(EVERYTHING, grants=Grants(reason=TYPES_NOT_LISTED), is_listed=False, has_roles=True),
            Rule.ROLE_MODE,
        ),
        (replace(EVERYTHING, grants=Grants(reason=TYPES_NOT_LISTED)), Rule.NOT_GRANTED),
    ],
)
def test_what_decides_the_whole_grid_decides_every_cell(standing: Standing, rule: Rule) -> None:
    assert rules(standing) == {rule}
    assert {found.allowed for found in explain(standing).values()} == {rule is Rule.GRANTED}
    assert all(found.detail.endswith(".") for found in explain(standing).values())


@pytest.mark.parametrize(
    ("standing", "rule"),
    [
        (replace(EVERYTHING, is_archived=True), Rule.ARCHIVED),
        (replace(EVERYTHING, is_licensed=False), Rule.UNLICENSED),
        (replace(EVERYTHING, is_archived=True, is_licensed=False), Rule.ARCHIVED),
    ],
)
def test_what_only_stops_writing_leaves_the_right_to_view(standing: Standing, rule: Rule) -> None:
    found = explain(standing)
    assert {right: {found[kind, right].rule for kind in ("questions", "votes", "tags")} for right in RIGHTS} == {
        "view": {Rule.GRANTED},
        "add": {rule},
        "delete": {rule},
    }
    assert not any(consequences(standing)[name] for name in MAY)  # type: ignore[literal-required]


def test_a_probe_explains_questions_and_leaves_votes_and_tags_unlisted() -> None:
    probed = replace(EVERYTHING, grants=Grants(Grant(view=True), is_probed=True), is_listed=False)
    found = explain(probed)
    assert [found["questions", right].rule for right in RIGHTS] == [Rule.GRANTED, Rule.NOT_GRANTED, Rule.NOT_GRANTED]
    assert {found[kind, right].rule for kind, right in product(("votes", "tags"), RIGHTS)} == {Rule.TYPES_NOT_LISTED}


@pytest.mark.parametrize(
    ("cell", "lost"),
    [
        (("questions", "view"), set(MAY)),
        (("questions", "add"), {"ask"}),
        (("questions", "delete"), {"moderate"}),
        (("votes", "view"), set()),
        (("votes", "add"), {"vote"}),
        (("votes", "delete"), {"takeVoteBack"}),
        (("tags", "view"), set()),
        (("tags", "add"), {"addTags"}),
        (("tags", "delete"), {"removeTags"}),
    ],
)
def test_what_follows_from_a_missing_grant(cell: tuple[str, str], lost: set[str]) -> None:
    found = consequences(without(*cell))
    assert {name for name in MAY if not found[name]} == lost  # type: ignore[literal-required]


@pytest.mark.parametrize("administers", [True, False])
def test_administering_the_space_follows_from_confluence_alone(administers: bool) -> None:
    standing = replace(EVERYTHING, grants=Grants(administers_space=administers), is_enabled=False, is_licensed=False)
    assert consequences(standing)["administerSpace"] is administers
