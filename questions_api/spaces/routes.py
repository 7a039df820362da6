"""HTTP routes of the caller, of spaces and of grants under /api/v1, and of all that belongs to this capability."""

from typing import Any

from lib.errors import Forbidden, NotFound, Unacceptable
from lib.grants import Grants
from lib.principal import AccountId, SpaceId
from lib.web import Call, Limit, Nothing, Resource
from questions_api.blueprint import blueprint
from questions_api.seeing import SPACE_DISABLED, check_space_administrator
from questions_api.spaces import audit_routes, schemas, seeding, settings_routes
from questions_api.spaces.explaining import Standing
from questions_api.spaces.moderators import moderators_of
from questions_api.spaces.standing import check_may_examine, see_space, standing_of

__all__ = ("RESOURCES", "check_space_administrator")

me = Resource(blueprint, "api_me", "api/v1/me")
space = Resource(blueprint, "api_space", "api/v1/spaces/{spaceId}")
space_grants = Resource(blueprint, "api_space_grants", "api/v1/spaces/{spaceId}/grants")
space_moderators = Resource(blueprint, "api_space_moderators", "api/v1/spaces/{spaceId}/moderators")
space_seeding = Resource(blueprint, "api_space_seeding", "api/v1/spaces/{spaceId}/seeding")

RESOURCES = (
    me,
    space,
    space_grants,
    space_moderators,
    space_seeding,
    *settings_routes.RESOURCES,
    *audit_routes.RESOURCES,
)


@me.operation("GET", returns=schemas.Me)
def read_me(call: Call, _: Nothing) -> schemas.Me:
    """Who the caller is, and the names of our content types on this site."""
    type_of = call.services.confluence.type_of
    return {
        "accountId": call.account_id,
        "isAdministrator": call.services.grants.is_administrator(call.installation, call.account_id),
        "appKey": call.services.settings.connect_app_key,
        "contentTypes": {
            "question": type_of("question"),
            "answer": type_of("answer"),
            "vote": type_of("vote"),
            "tag": type_of("tag"),
        },
    }


@space.operation("GET", returns=schemas.SpaceView, failures=(NotFound,))
def read_space(call: Call, _: Nothing) -> schemas.SpaceView:
    """What members need to know of the space: its state, and the settings that shape posts."""
    space_id = call.space_id("spaceId")
    return schemas.space_view(space_id, see_space(call, space_id))


@space_grants.operation("GET", takes=schemas.GrantsQuery, returns=schemas.GrantsView, failures=(Forbidden, NotFound))
def read_grants(call: Call, query: schemas.GrantsQuery) -> schemas.GrantsView:
    """What the caller, or for administrators another person, may do in the space, and why."""
    space_id = call.space_id("spaceId")
    account_id = AccountId(query.account_id) if query.account_id else call.account_id
    check_may_examine(call, account_id, space_id)
    standing = standing_of(call, account_id, space_id)
    return schemas.grants_view(space_id, _in_force(standing), standing)


def _in_force(standing: Standing) -> Grants:
    """The grid as every other route applies it: empty where the community is switched off."""
    grants = standing.grants
    if standing.is_enabled or grants.reason is not None:
        return grants
    return Grants(administers_space=grants.administers_space, reason=SPACE_DISABLED)


@space_moderators.operation("GET", returns=schemas.ModeratorsView, failures=(NotFound,))
def list_moderators(call: Call, _: Nothing) -> schemas.ModeratorsView:
    """The users and groups that may delete any question in the space, as far as Confluence shows them."""
    return schemas.moderators_view(moderators_of(call, call.space_id("spaceId")))


@space_seeding.operation("GET", returns=schemas.SeedingView, failures=(Forbidden, NotFound))
def preview_seeding(call: Call, _: Nothing) -> schemas.SeedingView:
    """What the users and groups of the space hold of the app's rights, and what seeding would add."""
    return schemas.seeding_view(seeding.plan(call, call.space_id("spaceId")))


@space_seeding.operation(
    "POST",
    takes=schemas.SeedingBody,
    returns=schemas.SeededListView,
    failures=(Forbidden, NotFound, Unacceptable),
    limit=Limit.HEAVY,
    needs_licence=False,
)
def seed(call: Call, body: schemas.SeedingBody) -> schemas.SeededListView:
    """Grants what is missing, as the calling administrator, to those named or to everybody who may view the space."""
    space_id: SpaceId = call.space_id("spaceId")
    chosen = None if body.subjects is None else [(subject.type, subject.id) for subject in body.subjects]
    done: list[Any] = [schemas.seeded_view(one) for one in seeding.seed(call, space_id, chosen)]
    return {"items": done, "next": None}
