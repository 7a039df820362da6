"""Telling whoever counts points that all questions of a tag have changed, in one statement."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String, and_, cast, func, insert, literal
from sqlalchemy.orm import Session

from lib.events import EventKind, Subject, to_payload
from lib.outbox import APPENDED, OutboxRow
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import new_id, rows_changed, select_rows
from questions_api.model import Question
from questions_api.tags.model import QuestionTag

_QUESTION, _SPACE = ContentId(8_888_888_888_888_888_881), SpaceId(8_888_888_888_888_888_882)


def _payload() -> Any:
    """The payload of an event about a question, as SQL: what `to_payload` writes, with columns for the two ids."""
    whole = to_payload(Subject(_QUESTION, _SPACE))
    before, _, rest = whole.partition(str(_QUESTION))
    between, _, end = rest.partition(str(_SPACE))
    texts = [literal(part, String) for part in (before, between, end)]
    return texts[0] + cast(Question.id, String(20)) + texts[1] + cast(Question.space_id, String(20)) + texts[2]


def tally_questions(session: Session, tenant_id: TenantId, tag_id: int, *, now: datetime) -> int:
    """Appends `TALLY_DUE` for each live question that bears the tag; how many there were.

    The events are numbered on from one fresh id. Should one of the numbers be taken, the transaction starts over.
    """
    number = literal(new_id(now), BigInteger) + func.row_number().over(order_by=QuestionTag.question_id)
    values: dict[str, Any] = {
        "id": number,
        "tenant_id": literal(tenant_id, BigInteger),
        "kind": literal(str(EventKind.TALLY_DUE), OutboxRow.kind.type),
        "payload": _payload(),
        "traceparent": literal(session.info.get("traceparent"), OutboxRow.traceparent.type),
        "created_at": literal(now, OutboxRow.created_at.type),
        "available_at": literal(now, OutboxRow.available_at.type),
        "attempts": literal(0, OutboxRow.attempts.type),
    }
    questions = (
        select_rows(tenant_id, QuestionTag.question_id)
        .join(Question, and_(Question.tenant_id == QuestionTag.tenant_id, Question.id == QuestionTag.question_id))
        .where(QuestionTag.tag_id == tag_id, Question.deleted_at.is_(None))
        .with_only_columns(*values.values(), maintain_column_froms=True)
    )
    appended = session.execute(
        insert(OutboxRow)
        .from_select(list(values), questions, include_defaults=False)
        .execution_options(**questions.get_execution_options())
    )
    session.info.setdefault(APPENDED, set()).add(EventKind.TALLY_DUE)
    return rows_changed(appended)
