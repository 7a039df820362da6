"""Storing imported votes, with the counters of their post in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lib.principal import ContentId, TenantId
from lib.sql import insert_row, select_rows, update_rows
from lib.tenancy import account_ref
from questions_api.importing.voters import ImportedVote
from questions_api.model import Answer, PostKind, Question, hot_lift
from questions_api.votes.model import Vote


def store_votes(
    session: Session,
    tenant_id: TenantId,
    kind: PostKind,
    post_id: ContentId,
    votes: Sequence[ImportedVote],
    *,
    cast_at: datetime,
    now: datetime,
) -> int:
    """Adds the votes of those who have not voted on the post here; how many were added.

    Tells nobody, and leaves the points to whoever tallies: the caller appends that event. `cast_at` stands for
    the time of each vote, which no export tells.
    """
    if not votes:
        return 0
    voters = {account_ref(session, tenant_id, vote.account_id, now=now): vote.value for vote in votes}
    held = set(
        session.scalars(
            select_rows(tenant_id, Vote.account_ref).where(
                Vote.subject_kind == kind, Vote.subject_id == post_id, Vote.account_ref.in_(voters)
            )
        )
    )
    added = {voter: value for voter, value in voters.items() if voter not in held}
    for voter, value in added.items():
        row = {"subject_kind": kind, "subject_id": post_id, "account_ref": voter, "value": value}
        session.execute(insert_row(tenant_id, Vote, **row, created_at=cast_at))
    up = sum(value > 0 for value in added.values())
    _raise_counters(session, tenant_id, kind, post_id, up=up, down=len(added) - up)
    return len(added)


def _raise_counters(
    session: Session, tenant_id: TenantId, kind: PostKind, post_id: ContentId, *, up: int, down: int
) -> None:
    table: type[Question | Answer] = Question if kind is PostKind.QUESTION else Answer
    score = table.score + (up - down)
    steps: dict[str, Any] = {"score": score, "up": table.up + up, "down": table.down + down}
    if table is Question:
        steps["hot"] = Question.hot + hot_lift(score) - hot_lift(Question.score)
    session.execute(update_rows(tenant_id, table).where(table.id == post_id).values(**steps))
