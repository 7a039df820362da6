"""Who moderates a space: the users and groups to whom Confluence gives Questions: Delete there."""

from dataclasses import dataclass

from lib.grants import TYPES_NOT_LISTED
from lib.principal import SpaceId
from lib.web import Call
from questions_api.policy import check_may_view
from questions_api.seeing import grants_in
from questions_api.spaces.standing import is_ours

NOT_SHOWN = "not-shown"
"""Confluence does not show the caller who holds which rights in the space."""


@dataclass(frozen=True, slots=True)
class Moderators:
    """`reason` says why nobody can be named, when nobody can."""

    principals: tuple[tuple[str, str], ...]
    reason: str | None


def moderators_of(call: Call, space_id: SpaceId) -> Moderators:
    """For whoever may view questions in the space, as far as Confluence shows it to them."""
    check_may_view(grants_in(call, space_id))
    assigned = call.services.grants.assignments(call.installation, call.account_id, space_id)
    if assigned is None:
        return Moderators((), NOT_SHOWN)
    if not any(is_ours(call, assignment) for assignment in assigned):
        return Moderators((), TYPES_NOT_LISTED)
    right = ("delete", call.services.confluence.type_of("question"))
    held = dict.fromkeys(
        (assignment.principal_type, assignment.principal_id)
        for assignment in assigned
        if (assignment.operation, assignment.target) == right
    )
    return Moderators(tuple(held), None)
