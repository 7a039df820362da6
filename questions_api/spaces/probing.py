"""Which question a person's rights in a space are asked on, where Confluence does not list them for the space."""

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from lib.grants import Probe
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import Database, run_bound, select_bound
from questions_api.model import Question

_CONSIDERED = 10
"""Questions looked at: one below a page, or restricted, says less of the space than one that is neither."""

_SOME = (
    select_bound(Question, Question.id, Question.container_kind, Question.needs_check)
    .where(Question.space_id == bindparam("space_id"), Question.deleted_at.is_(None))
    # In the order of an index, so that the price does not grow with the space.
    .order_by(Question.state, Question.created_at.desc(), Question.id.desc())
    .limit(_CONSIDERED)
)


def some_question(session: Session, tenant_id: TenantId, space_id: SpaceId) -> ContentId | None:
    """A live question that is in the space itself and not restricted; None where none is soon found."""
    rows = run_bound(session, _SOME, {"tenant_id": tenant_id, "space_id": space_id}).all()
    return next((row.id for row in rows if row.container_kind == "space" and not row.needs_check), None)


def probe_of(database: Database) -> Probe:
    """What `GrantBook` asks when it needs a question of a space."""
    return lambda tenant_id, space_id: database.read(
        lambda session: some_question(session, tenant_id, space_id), tenant_id=tenant_id
    )
