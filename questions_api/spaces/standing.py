"""What is known of a person in a space, and who may ask about whom."""

from lib.confluence import Assignment
from lib.errors import NotFound
from lib.grants import SPACE_INVISIBLE, TYPES_NOT_LISTED
from lib.principal import AccountId, SpaceId
from lib.spaces import Space, SpaceStatus
from lib.web import Call
from questions_api.seeing import check_space_administrator, space_of
from questions_api.spaces.explaining import Standing

ONLY_ROLES = "ROLES"
"""Confluence's word for a site whose spaces assign rights by roles alone."""


def check_may_examine(call: Call, account_id: AccountId, space_id: SpaceId) -> None:
    """Everybody may ask about themselves; about others, administrators of the space or of Confluence."""
    if account_id == call.account_id:
        return
    if not call.services.grants.is_administrator(call.installation, call.account_id):
        check_space_administrator(call, space_id)


def standing_of(call: Call, account_id: AccountId, space_id: SpaceId) -> Standing:
    """The person's standing, asked of Confluence as that person."""
    is_other = account_id != call.account_id
    grants = call.services.grants.of(call.installation, account_id, space_id, for_write=is_other)
    space = space_of(call, space_id)
    is_listed, has_roles = True, False
    if grants.reason == TYPES_NOT_LISTED or grants.is_probed:
        assigned = call.services.grants.assignments(call.installation, call.account_id, space_id)
        is_listed = any(is_ours(call, assignment) for assignment in assigned or ())
        has_roles = not is_listed and call.services.confluence.role_mode(call.caller) == ONLY_ROLES
    return Standing(
        grants=grants,
        is_enabled=space.is_enabled,
        is_archived=space.status is SpaceStatus.ARCHIVED,
        is_licensed=call.installation.is_licensed,
        is_listed=is_listed,
        has_roles=has_roles,
    )


def is_ours(call: Call, assignment: Assignment) -> bool:
    """Whether the right is one on this app's types."""
    type_of = call.services.confluence.type_of
    return assignment.target in {type_of("question"), type_of("vote"), type_of("tag")}


def see_space(call: Call, space_id: SpaceId) -> Space:
    """The space, for whoever sees it in Confluence; `NotFound` for everybody else."""
    grants = call.services.grants.of(call.installation, call.account_id, space_id)
    if grants.reason == SPACE_INVISIBLE:
        raise NotFound
    return space_of(call, space_id)
