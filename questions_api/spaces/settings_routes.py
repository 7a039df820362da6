"""HTTP routes of the settings of spaces and of the site."""

from functools import partial

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.spaces import read_site_settings, read_space_settings
from lib.web import Call, Nothing, Resource
from questions_api.blueprint import blueprint
from questions_api.seeing import check_administrator, check_space_administrator
from questions_api.spaces import schemas, settings

space_settings = Resource(blueprint, "api_space_settings", "api/v1/spaces/{spaceId}/settings")
site_settings = Resource(blueprint, "api_settings", "api/v1/settings")

RESOURCES = (space_settings, site_settings)


@space_settings.operation("GET", returns=schemas.SpaceSettingsView, failures=(Forbidden, NotFound))
def read_space(call: Call, _: Nothing) -> schemas.SpaceSettingsView:
    """The space's settings, for its administrators."""
    space_id = call.space_id("spaceId")
    check_space_administrator(call, space_id)
    return schemas.space_settings_view(
        call.read(partial(read_space_settings, tenant_id=call.tenant_id, space_id=space_id))
    )


@space_settings.operation(
    "PUT",
    takes=schemas.SpaceSettingsBody,
    returns=schemas.SpaceSettingsView,
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
    needs_licence=False,
)
def replace_space(call: Call, body: schemas.SpaceSettingsBody) -> schemas.SpaceSettingsView:
    """Changes the space's settings, if they are still those of `version`."""
    space_id = call.space_id("spaceId")
    check_space_administrator(call, space_id)
    if body.chat_enabled and call.services.confluence.space_kind(call.caller, space_id) == "personal":
        raise Unacceptable("Personal spaces are never carried to chat.")
    wanted = schemas.given(body)
    changed = call.write(lambda session: settings.change_space(session, call.principal, space_id, wanted, now=call.now))
    call.services.spaces.forget(call.tenant_id)
    return schemas.space_settings_view(changed)


@site_settings.operation("GET", returns=schemas.SiteSettingsView, failures=(Forbidden,))
def read_site(call: Call, _: Nothing) -> schemas.SiteSettingsView:
    """The site's settings, for Confluence administrators."""
    check_administrator(call)
    return schemas.site_settings_view(call.read(partial(read_site_settings, tenant_id=call.tenant_id)))


@site_settings.operation(
    "PUT",
    takes=schemas.SiteSettingsBody,
    returns=schemas.SiteSettingsView,
    failures=(Forbidden, Conflict),
    needs_licence=False,
)
def replace_site(call: Call, body: schemas.SiteSettingsBody) -> schemas.SiteSettingsView:
    """Changes the site's settings, if they are still those of `version`."""
    check_administrator(call)
    wanted = schemas.given(body)
    changed = call.write(lambda session: settings.change_site(session, call.principal, wanted, now=call.now))
    call.services.spaces.forget(call.tenant_id)
    call.services.tenants.forget(call.installation.client_key)
    return schemas.site_settings_view(changed)
