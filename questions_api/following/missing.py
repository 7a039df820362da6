"""Our posts that Confluence does not list: whom to ask for them, and what becomes of what nobody is shown.

A list as the app lacks what only people may see, so a post that is not listed is looked for by its id, as the
app and as people who have to do with it. What none of them is shown is missing, and not yet removed. In a space
that is missing itself nothing is looked for: all of it waits for the space (`questions_api.following.spaces`).
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.confluence import Content
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.spaces import SpaceRow, SpaceStatus
from lib.sql import select_rows, update_rows
from lib.tenancy import AccountRow
from questions_api.following.asking import in_turn
from questions_api.following.passes import Counts
from questions_api.model import Answer, Question
from questions_api.posts import lock_question, remove_post
from questions_api.tags.tagging import count_tags

MISSED_FOR = timedelta(hours=24)
"""How long a question stays, confirmed for each viewer, after nobody whom we ask was shown it."""

WITNESSES = 3


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A post of ours that Confluence did not list, and whom to ask for it."""

    id: ContentId
    question_id: ContentId
    space_id: SpaceId
    witnesses: tuple[AccountId, ...]


def unlisted_questions(
    session: Session,
    tenant_id: TenantId,
    listed: Iterable[ContentId],
    *,
    after_id: int,
    up_to_id: int | None,
    created_before: datetime,
    limit: int,
) -> list[Unlisted]:
    """Our questions in that range of ids which are not among the listed, by id."""
    statement = _questions(tenant_id).where(
        Question.id > after_id, Question.created_at < created_before, Question.deleted_at.is_(None)
    )
    return _with_witnesses(session, tenant_id, _within(statement, Question.id, listed, up_to_id).limit(limit))


def long_missing_questions(session: Session, tenant_id: TenantId, *, limit: int, now: datetime) -> list[Unlisted]:
    """Questions that nobody was shown a day ago, and that must be looked for once more."""
    statement = (
        _questions(tenant_id)
        .where(
            Question.missing_since.is_not(None),
            Question.missing_since < now - MISSED_FOR,
            Question.deleted_at.is_(None),
        )
        .order_by(Question.missing_since)
    )
    return _with_witnesses(session, tenant_id, statement.limit(limit))


def _questions(tenant_id: TenantId) -> Any:
    columns = (Question.id, Question.space_id, AccountRow.atlassian_account_id)
    return (
        select_rows(tenant_id, *columns, only=Question)
        .outerjoin(
            AccountRow, and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref)
        )
        .where(_is_in_a_space_that_is_there(tenant_id))
    )


def _is_in_a_space_that_is_there(tenant_id: TenantId) -> Any:
    return Question.space_id.not_in(
        select_rows(tenant_id, SpaceRow.space_id).where(SpaceRow.status == SpaceStatus.MISSING)
    )


def _with_witnesses(session: Session, tenant_id: TenantId, statement: Any) -> list[Unlisted]:
    rows = session.execute(statement).all()
    answerers = _answerers(session, tenant_id, [row.id for row in rows])
    return [
        Unlisted(
            row.id, row.id, row.space_id, in_turn(row.atlassian_account_id, *answerers.get(row.id, ()))[:WITNESSES]
        )
        for row in rows
    ]


def _within(statement: Any, post_id: Any, listed: Iterable[ContentId], up_to_id: int | None) -> Any:
    listed_ids = list(listed)
    if listed_ids:
        statement = statement.where(post_id.not_in(listed_ids))
    if up_to_id is not None:
        statement = statement.where(post_id <= up_to_id)
    return statement.order_by(post_id)


def _answerers(
    session: Session, tenant_id: TenantId, question_ids: Sequence[ContentId]
) -> dict[ContentId, list[AccountId]]:
    """Who answered. An author may have left; what those who answered are still shown is not missing."""
    found: dict[ContentId, list[AccountId]] = {}
    if not question_ids:
        return found
    rows = session.execute(
        select_rows(tenant_id, Answer.question_id, AccountRow.atlassian_account_id, only=Answer)
        .join(AccountRow, and_(AccountRow.tenant_id == Answer.tenant_id, AccountRow.account_ref == Answer.author_ref))
        .where(Answer.question_id.in_(question_ids), AccountRow.atlassian_account_id.is_not(None))
        .order_by(Answer.question_id, Answer.id.desc())
    )
    for question_id, account_id in rows:
        found.setdefault(question_id, []).append(account_id)
    return found


def unlisted_answers(
    session: Session,
    tenant_id: TenantId,
    listed: Iterable[ContentId],
    *,
    after_id: int,
    up_to_id: int | None,
    created_before: datetime,
    limit: int,
) -> list[Unlisted]:
    """The same for answers to questions that are there."""
    columns = (Answer.id, Answer.question_id, Question.space_id, AccountRow.atlassian_account_id)
    statement = (
        select_rows(tenant_id, *columns, only=Answer)
        .join(Question, and_(Question.tenant_id == Answer.tenant_id, Question.id == Answer.question_id))
        .outerjoin(
            AccountRow, and_(AccountRow.tenant_id == Answer.tenant_id, AccountRow.account_ref == Answer.author_ref)
        )
        .where(
            Answer.id > after_id,
            Answer.created_at < created_before,
            Answer.deleted_at.is_(None),
            Question.deleted_at.is_(None),
            _is_in_a_space_that_is_there(tenant_id),
        )
    )
    rows = session.execute(_within(statement, Answer.id, listed, up_to_id).limit(limit))
    return [Unlisted(row.id, row.question_id, row.space_id, in_turn(row.atlassian_account_id)) for row in rows]


def truly_missing(unseen: Sequence[Unlisted], shown_spaces: Container[SpaceId]) -> list[Unlisted]:
    """Those of the posts nobody was shown of which that says something: somebody who might have been was asked.

    Where there is nobody to ask and the app is not shown the space either, it was to be expected.
    """
    return [post for post in unseen if post.witnesses or post.space_id in shown_spaces]


def note_missing_questions(
    session: Session, tenant_id: TenantId, question_ids: Sequence[ContentId], *, started_at: datetime, now: datetime
) -> Counts:
    """Notes the questions that nobody was shown; removes those that an earlier pass found so, a day ago or more.

    While it is noted a question counts as guarded; that ends when it is seen again, and leaves no guard behind.
    """
    done = Counts(checked=len(question_ids))
    for question_id in question_ids:
        row = session.execute(
            select_rows(tenant_id, Question.missing_since).where(
                Question.id == question_id, Question.deleted_at.is_(None)
            )
        ).first()
        if row is None:
            continue
        if row.missing_since is None:
            lock_question(session, tenant_id, question_id)
            count_tags(session, tenant_id, question_id, step=-1, now=now)
            missing = update_rows(tenant_id, Question).where(Question.id == question_id)
            session.execute(missing.values(missing_since=now))
            done = replace(done, updated=done.updated + 1)
        elif row.missing_since < started_at and now - row.missing_since > MISSED_FOR:
            remove_post(session, tenant_id, question_id, now=now)
            done = replace(done, removed=done.removed + 1)
    return done


def remove_missing_answers(
    session: Session,
    tenant_id: TenantId,
    missing: Sequence[Unlisted],
    questions: Mapping[ContentId, Content],
    *,
    now: datetime,
) -> Counts:
    """Removes the answers that nobody was shown, where the app is shown their question.

    Whoever is shown a question is shown its answers, so there this is no want of rights; a list brings back
    what was removed wrongly.
    """
    removed = 0
    for answer in missing:
        question = questions.get(answer.question_id)
        if question is not None and question.status == "current":
            removed += remove_post(session, tenant_id, answer.id, now=now)
    return Counts(checked=len(missing), removed=removed)
