"""Whom a question's watches tell when something happens to it."""

from typing import Any

from sqlalchemy import union
from sqlalchemy.orm import Session, aliased

from lib.grants import Item
from lib.principal import TenantId
from lib.sql import select_rows
from lib.tenancy import AccountRow
from questions_api.tags.model import QuestionTag
from questions_api.watches.model import Watch, WatchKind


def watchers_of(session: Session, tenant_id: TenantId, question: Item, *, actor_ref: int | None = None) -> list[int]:
    """The references of those to be told, each once, without whoever did it and without former users.

    A person's watch on the question itself decides. Without one, they are told where they watch its space or
    one of its tags and have muted none of these. Whether they may still see the question is for the caller to
    find out, for each of them.
    """
    own, muted = aliased(Watch), aliased(Watch)
    decided = select_rows(tenant_id, own.account_ref).where(*_on(own, WatchKind.QUESTION, question.id))
    tags = select_rows(tenant_id, QuestionTag.tag_id).where(QuestionTag.question_id == question.id)
    # Space and tags apart: in one condition a database may read all watches of the installation instead.
    around = (_on(Watch, WatchKind.SPACE, question.space_id), _in(Watch, WatchKind.TAG, tags))
    refused = [
        select_rows(tenant_id, muted.account_ref).where(*conditions, muted.is_muted)
        for conditions in (_on(muted, WatchKind.SPACE, question.space_id), _in(muted, WatchKind.TAG, tags))
    ]
    told = [
        select_rows(tenant_id, Watch.account_ref).where(*_on(Watch, WatchKind.QUESTION, question.id), ~Watch.is_muted)
    ]
    told += [
        select_rows(tenant_id, Watch.account_ref)
        .where(*conditions, ~Watch.is_muted)
        .where(*(Watch.account_ref.not_in(others) for others in (decided, *refused)))
        for conditions in around
    ]
    watchers = union(*told).subquery("watchers")
    people = (
        select_rows(tenant_id, AccountRow.account_ref)
        .join(watchers, watchers.c.account_ref == AccountRow.account_ref)
        .where(AccountRow.atlassian_account_id.is_not(None))
    )
    if actor_ref is not None:
        people = people.where(AccountRow.account_ref != actor_ref)
    return list(session.scalars(people.order_by(AccountRow.account_ref)))


def _on(watch: Any, kind: WatchKind, target_id: int) -> tuple[Any, Any]:
    return watch.target_kind == kind, watch.target_id == target_id


def _in(watch: Any, kind: WatchKind, targets: Any) -> tuple[Any, Any]:
    return watch.target_kind == kind, watch.target_id.in_(targets)
