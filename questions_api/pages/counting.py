"""How many questions were asked from each of a set of pages."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, case, func, literal_column
from sqlalchemy.orm import Session

from lib.principal import SpaceId, TenantId
from lib.sql import run_bound, select_bound
from questions_api.model import Question, QuestionState

_IS_UNANSWERED = Question.state == literal_column(f"'{QuestionState.UNANSWERED}'")
_COUNTS = (
    select_bound(
        Question,
        Question.container_id,
        Question.space_id,
        func.count().label("questions"),
        func.sum(case((_IS_UNANSWERED, 1), else_=0)).label("unanswered"),
    )
    .where(
        Question.container_id.in_(bindparam("page_ids", expanding=True)),
        Question.container_kind.in_(("page", "blogpost")),
        # Whoever sees the page need not see a question that Confluence restricts on its own.
        ~Question.is_guarded,
        Question.deleted_at.is_(None),
    )
    .group_by(Question.container_id, Question.space_id)
)


@dataclass(frozen=True, slots=True)
class PageCount:
    questions: int = 0
    unanswered: int = 0


def count_questions(
    session: Session, tenant_id: TenantId, page_ids: Iterable[int]
) -> dict[tuple[int, SpaceId], PageCount]:
    """Counts by page and space, in one statement. A pair that is not there has none.

    The space belongs to the key, because a page may just have moved and its questions not been followed yet.
    """
    wanted = sorted(set(page_ids))
    if not wanted:
        return {}
    rows = run_bound(session, _COUNTS, {"tenant_id": tenant_id, "page_ids": wanted})
    return {(row.container_id, SpaceId(row.space_id)): PageCount(row.questions, int(row.unanswered)) for row in rows}
