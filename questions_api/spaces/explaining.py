"""Why somebody may or may not do things in a space: one rule and one sentence for each cell of the grid (pure)."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import TypedDict

from lib.grants import SPACE_INVISIBLE, TYPES_NOT_LISTED, Grants


class Rule(StrEnum):
    """What decided a cell. The value is shown to callers and stable."""

    GRANTED = "granted-by-confluence"
    NOT_GRANTED = "not-granted"
    SPACE_INVISIBLE = "space-invisible"
    TYPES_NOT_LISTED = "types-not-listed"
    ROLE_MODE = "role-mode"
    SPACE_DISABLED = "space-disabled"
    UNLICENSED = "unlicensed"
    ARCHIVED = "archived"


KINDS = ("questions", "votes", "tags")
RIGHTS = ("view", "add", "delete")
CELLS = tuple(product(KINDS, RIGHTS))

_DETAILS = {
    Rule.SPACE_INVISIBLE: "Confluence does not show this space to the person; give View in the space's permissions.",
    Rule.TYPES_NOT_LISTED: (
        "Confluence does not list this app's permissions for the space, so nothing can be proved and nothing is given."
    ),
    Rule.ROLE_MODE: (
        "This site assigns rights by roles and does not list this app's permissions; an administrator gives them in"
        " the role that the person has in this space."
    ),
    Rule.SPACE_DISABLED: "Community Questions is switched off in this space, in its settings.",
    Rule.UNLICENSED: "This site has no valid licence for Community Questions, so everything can only be read.",
    Rule.ARCHIVED: "The space is archived in Confluence, so its questions can only be read.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a person in a space."""

    grants: Grants
    """As Confluence answered, whatever our own settings say."""
    is_enabled: bool
    is_archived: bool
    is_licensed: bool
    is_listed: bool
    """The space's permissions are known to list this app's types, for whomever."""
    has_roles: bool
    """The site assigns rights by roles alone."""


@dataclass(frozen=True, slots=True)
class Explanation:
    allowed: bool
    rule: Rule
    detail: str


def explain(standing: Standing) -> dict[tuple[str, str], Explanation]:
    """What decided each of the nine cells."""
    return {(kind, right): _explain(standing, kind, right) for kind, right in CELLS}


def _explain(standing: Standing, kind: str, right: str) -> Explanation:
    rule = _rule(standing, kind, right)
    cell = f"{kind.capitalize()}: {right.capitalize()}"
    match rule:
        case Rule.GRANTED:
            detail = f"Confluence grants {cell} in this space's permissions."
        case Rule.NOT_GRANTED:
            detail = f"Confluence does not grant {cell}; a space administrator can, in the space's permissions."
        case _:
            detail = _DETAILS[rule]
    return Explanation(rule is Rule.GRANTED, rule, detail)


def _rule(standing: Standing, kind: str, right: str) -> Rule:
    grants = standing.grants
    if grants.reason == SPACE_INVISIBLE:
        return Rule.SPACE_INVISIBLE
    if not standing.is_enabled:
        return Rule.SPACE_DISABLED
    # A probe answers for questions alone; of votes and tags such a site says nothing.
    if grants.reason == TYPES_NOT_LISTED or (grants.is_probed and kind != "questions"):
        if standing.is_listed:
            return Rule.NOT_GRANTED
        return Rule.ROLE_MODE if standing.has_roles else Rule.TYPES_NOT_LISTED
    if not getattr(getattr(grants, kind), right):
        return Rule.NOT_GRANTED
    if right != "view" and standing.is_archived:
        return Rule.ARCHIVED
    if right != "view" and not standing.is_licensed:
        return Rule.UNLICENSED
    return Rule.GRANTED


class SpaceMay(TypedDict):
    ask: bool
    answer: bool
    vote: bool
    takeVoteBack: bool
    addTags: bool
    removeTags: bool
    moderate: bool
    administerSpace: bool


def consequences(standing: Standing) -> SpaceMay:
    """What a person with this standing can do, as far as the space decides it; a question may still be closed."""
    allowed = {cell: explanation.allowed for cell, explanation in explain(standing).items()}
    views = allowed["questions", "view"]
    is_writable = standing.is_licensed and not standing.is_archived
    return {
        "ask": views and allowed["questions", "add"],
        "answer": views and is_writable,
        "vote": views and allowed["votes", "add"],
        "takeVoteBack": views and allowed["votes", "delete"],
        "addTags": views and allowed["tags", "add"],
        "removeTags": views and allowed["tags", "delete"],
        "moderate": views and allowed["questions", "delete"],
        "administerSpace": standing.grants.administers_space,
    }
