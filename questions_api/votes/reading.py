"""The viewer's own vote as part of a statement that reads posts."""

from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import aliased

from lib.tenancy import AccountRow
from questions_api.model import Answer, PostKind, Question
from questions_api.votes.model import Vote


def my_vote(kind: PostKind, subject: Any) -> Any:
    """The viewer's vote, as a scalar: one seek by key, none where the viewer has never acted.

    The statement is run with `tenant_id` and `viewer`, an account id.
    """
    me = aliased(AccountRow)
    return (
        select(Vote.value)
        .join(me, and_(me.tenant_id == Vote.tenant_id, me.account_ref == Vote.account_ref))
        .where(
            Vote.tenant_id == bindparam("tenant_id"),
            Vote.subject_kind == kind.value,
            Vote.subject_id == subject,
            me.atlassian_account_id == bindparam("viewer"),
        )
        .correlate(Question, Answer)
        .scalar_subquery()
        .label("my_vote")
    )
