"""Which question another may be a duplicate of."""

from sqlalchemy.orm import Session

from lib.errors import Unacceptable
from lib.principal import ContentId, TenantId
from lib.sql import select_rows
from questions_api.model import Question

_CHAIN = 50
"""Steps from a duplicate to its original that are followed at most."""


class UnknownOriginal(Unacceptable):
    code = "unknown-original"
    detail = "The question named as the original is none that you may see."


class DuplicateOfItself(Unacceptable):
    code = "duplicate-of-itself"
    detail = "A question is no duplicate of itself."


class DuplicateCircle(Unacceptable):
    code = "duplicate-circle"
    detail = "The question named as the original is itself a duplicate of this one."


class OriginalIsDuplicate(Unacceptable):
    """Holds the original at the end of the chain; it is named only to those who may see it."""

    code = "original-is-duplicate"
    detail = "The question named as the original is itself a duplicate; name its original."

    def __init__(self, original: ContentId, detail: str | None = None) -> None:
        super().__init__(detail)
        self.original = original


def check_original(session: Session, tenant_id: TenantId, question_id: ContentId, original_id: ContentId) -> None:
    """Whether the question may become a duplicate of the other. The caller holds both rows.

    Nobody becomes a duplicate of a duplicate, and whoever adds to a chain holds the row it ends in: so no circle
    can come about, however many are at it.
    """
    if original_id == question_id:
        raise DuplicateOfItself
    step = _next_in_chain(session, tenant_id, original_id, is_live=True)
    followed = 0
    while step is not None and step != question_id:
        beyond = _next_in_chain(session, tenant_id, step)
        followed += 1
        if beyond is None or followed == _CHAIN:
            raise OriginalIsDuplicate(step)
        step = beyond
    if step is not None:
        raise DuplicateCircle


def _next_in_chain(
    session: Session, tenant_id: TenantId, question_id: ContentId, *, is_live: bool = False
) -> ContentId | None:
    found = select_rows(tenant_id, Question.duplicate_of).where(Question.id == question_id)
    row = session.execute(found.where(Question.deleted_at.is_(None)) if is_live else found).first()
    if row is None and is_live:
        raise UnknownOriginal
    return None if row is None else row.duplicate_of
