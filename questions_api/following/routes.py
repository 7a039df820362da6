"""HTTP routes of reconciling under /api/v1."""

from functools import partial

from lib.errors import Forbidden
from lib.web import Call, Nothing, Resource
from questions_api.blueprint import blueprint
from questions_api.following import schemas
from questions_api.following.passes import read_passes
from questions_api.seeing import check_administrator

reconcile_passes = Resource(blueprint, "api_reconcile", "api/v1/reconcile")

RESOURCES = (reconcile_passes,)


@reconcile_passes.operation("GET", returns=schemas.PassPage, failures=(Forbidden,))
def show_passes(call: Call, _: Nothing) -> schemas.PassPage:
    """How far the comparison with Confluence has come, and what it repaired; for Confluence administrators."""
    check_administrator(call)
    rows = call.read(partial(read_passes, tenant_id=call.tenant_id))
    return {"items": [schemas.pass_view(row) for row in rows], "next": None}
