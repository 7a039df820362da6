"""Routes of the front end: the signed shell, its immutable files and the icons that Confluence shows."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from lib.authentication import authenticate_request
from lib.errors import Failure, NotFound, Unauthenticated, Unavailable
from lib.telemetry import Trace
from lib.tenancy import note_licence
from lib.web import Call, Nothing, Reply, Resource, Signed
from questions_api.frontend import assets, shell

blueprint = func.Blueprint()

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOR_A_DAY = {"Cache-Control": "public, max-age=86400"}
_LICENCES = {"active": True, "none": False}
"""What Confluence says of the site's licence in each signed address (`lic`)."""

_CONTEXT = {"spaceId": "space-id", "spaceKey": "space-key", "contentId": "content-id"}
"""Context parameters of our module URLs, and the data attributes the front end reads them from."""


def _failure_page(failure: Failure, trace: Trace) -> bytes:
    if isinstance(failure, Unauthenticated):
        return shell.failure_page("Please reload the page", "The link to this page has expired.", trace.trace_id)
    if isinstance(failure, Unavailable):
        return shell.failure_page("Questions is not available right now", failure.explanation, trace.trace_id)
    return shell.failure_page("This page cannot be shown", failure.explanation, trace.trace_id)


view = Resource(blueprint, "ui_view", "ui/{view}", authenticate_request, _failure_page)
asset = Resource(blueprint, "ui_asset", "ui/assets/{name}", None)
icon = Resource(blueprint, "ui_icon", "ui/icons/{name}", None)


def _note_licence(call: Call, parameters: Mapping[str, str]) -> None:
    """Remembers a licence that has come or gone. The page does not wait for it: the next one says it again."""
    said = _LICENCES.get(parameters.get("lic", ""))
    if said is None or said == call.installation.is_licensed:
        return
    with suppress(Unavailable):
        call.write(partial(note_licence, tenant_id=call.tenant_id, is_licensed=said))
        call.services.tenants.forget(call.installation.client_key)


@view.operation("GET", takes=Signed)
def show_view(call: Call, _: Signed) -> Reply:
    """The shell of one view, for the site and person that the signed address names."""
    name = call.request.path_values.get("view", "")
    if name not in shell.VIEWS:
        raise NotFound
    settings = call.services.settings
    parameters = dict(parse_qsl(urlsplit(call.request.target).query))
    _note_licence(call, parameters)
    data = {attribute: parameters[given] for given, attribute in _CONTEXT.items() if given in parameters}
    entry = assets.entry()
    page = shell.shell(
        name,
        data={"app-key": settings.connect_app_key, **data},
        script=entry.script,
        styles=entry.styles,
        connect_script=settings.connect_script_url,
    )
    policy = shell.frame_policy(call.installation, settings.connect_script_origin)
    return Reply(page, headers={"Content-Security-Policy": policy}, media_type="text/html")


def _reply(file: assets.File, caching: dict[str, str]) -> Reply:
    return Reply(file.content, headers=caching, media_type=file.media_type)


@asset.operation("GET")
def send_asset(call: Call, _: Nothing) -> Reply:
    """A file of the build."""
    return _reply(assets.asset(call.request.path_values.get("name", "")), _IMMUTABLE)


@icon.operation("GET")
def send_icon(call: Call, _: Nothing) -> Reply:
    """An icon named in the descriptor."""
    return _reply(assets.icon(call.request.path_values.get("name", "")), _FOR_A_DAY)
