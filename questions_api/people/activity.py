"""What a person has asked and answered, as far as the viewer may see it: the best of it, and the newest."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, null
from sqlalchemy.orm import Session, aliased

from lib.grants import Item
from lib.principal import ContentId, SpaceId, TenantId
from lib.sql import run_bound, select_bound
from lib.web import Call
from questions_api.model import Answer, PostKind, Question
from questions_api.people.reach import Reach
from questions_api.posts import answer_item
from questions_api.seeing import visible_items

TOP = 10
RECENT = 20
_READ = 100
"""Posts read for one list: what Confluence hides of them may make the list shorter, never longer to read."""

_LOOKED_AT = 1000
"""The last questions, and answers, whose spaces are looked at."""


@dataclass(frozen=True, slots=True)
class ProfilePost:
    """One of the person's posts. `question` decides who may see it, and for an answer `item` as well."""

    kind: PostKind
    id: ContentId
    question: Item
    item: Item
    score: int
    is_accepted: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Activity:
    """The most upvoted questions and answers, and the newest of both."""

    questions: list[ProfilePost] = field(default_factory=list)
    answers: list[ProfilePost] = field(default_factory=list)
    recent: list[ProfilePost] = field(default_factory=list)


_Answered = aliased(Question)
_WHERE_ASKED = (
    select_bound(Question, Question.space_id)
    .where(Question.author_ref == bindparam("account_ref"), Question.deleted_at.is_(None))
    .order_by(Question.created_at.desc())
    .limit(_LOOKED_AT)
)
_WHERE_ANSWERED = (
    select_bound(Answer, _Answered.space_id)
    .join(_Answered, and_(_Answered.tenant_id == Answer.tenant_id, _Answered.id == Answer.question_id))
    .where(Answer.author_ref == bindparam("account_ref"), Answer.deleted_at.is_(None), _Answered.deleted_at.is_(None))
    .order_by(Answer.created_at.desc())
    .limit(_LOOKED_AT)
)


def spaces_of(session: Session, tenant_id: TenantId, account_ref: int) -> set[SpaceId]:
    """The spaces of the person's last posts. Not by DISTINCT, for which SQLite reads the whole installation."""
    values = {"tenant_id": tenant_id, "account_ref": account_ref}
    return {
        space_id
        for statement in (_WHERE_ASKED, _WHERE_ANSWERED)
        for space_id in run_bound(session, statement, values).scalars()
    }


@cache
def _posts(kind: PostKind, *, by_score: bool) -> Select[Any]:
    """The person's live posts of a kind in some spaces: the best first, or the newest."""
    item = (Question.id.label("question_id"), Question.space_id, Question.container_kind, Question.needs_check)
    if kind is PostKind.QUESTION:
        post: Any = Question
        found = select_bound(
            Question,
            Question.id,
            Question.score,
            Question.created_at,
            null().label("accepted_at"),
            Question.is_guarded.label("is_post_guarded"),
        )
    else:
        post = Answer
        found = (
            select_bound(
                Answer,
                Answer.id,
                Answer.score,
                Answer.created_at,
                Answer.accepted_at,
                Answer.is_guarded.label("is_post_guarded"),
            )
            .join(Question, and_(Question.tenant_id == Answer.tenant_id, Question.id == Answer.question_id))
            .where(Answer.deleted_at.is_(None))
        )
    first = post.score if by_score else post.created_at
    return (
        found.add_columns(*item)
        .where(
            post.author_ref == bindparam("account_ref"),
            Question.deleted_at.is_(None),
            Question.space_id.in_(bindparam("spaces", expanding=True)),
        )
        .order_by(first.desc(), post.id.desc())
        .limit(_READ)
    )


def _post(kind: PostKind, row: Row[Any]) -> ProfilePost:
    question = Item(row.question_id, row.space_id, row.container_kind, row.needs_check)
    is_answer = kind is PostKind.ANSWER
    return ProfilePost(
        kind=kind,
        id=row.id,
        question=question,
        item=answer_item(row.id, row.space_id, is_guarded=row.is_post_guarded) if is_answer else question,
        score=row.score,
        is_accepted=row.accepted_at is not None,
        created_at=row.created_at,
    )


def _read(
    session: Session,
    tenant_id: TenantId,
    account_ref: int,
    kind: PostKind,
    *,
    spaces: Iterable[SpaceId],
    by_score: bool,
) -> list[ProfilePost]:
    values = {"tenant_id": tenant_id, "account_ref": account_ref, "spaces": list(spaces)}
    if not values["spaces"]:
        return []
    return [_post(kind, row) for row in run_bound(session, _posts(kind, by_score=by_score), values)]


def activity_of(call: Call, account_ref: int, reach: Reach) -> Activity:
    """Where the viewer may not see votes, posts follow the others by their age: a rank would tell of votes."""
    with_votes = set(reach.spaces_with(votes=True))
    best: dict[PostKind, list[ProfilePost]] = {}
    newest: dict[PostKind, list[ProfilePost]] = {}
    for kind in PostKind:
        read = partial(_read, tenant_id=call.tenant_id, account_ref=account_ref, kind=kind)
        best[kind] = call.read(partial(read, spaces=with_votes, by_score=True))
        newest[kind] = call.read(partial(read, spaces=reach.spaces, by_score=False))
    everything = [post for lists in (best, newest) for posts in lists.values() for post in posts]
    visible = visible_items(
        call, {item.id: item for post in everything for item in (post.question, post.item)}.values()
    )

    def may_see(post: ProfilePost) -> bool:
        return {post.question.id, post.item.id} <= visible

    def top(kind: PostKind) -> list[ProfilePost]:
        others = [post for post in newest[kind] if post.item.space_id not in with_votes]
        return [post for post in (*best[kind], *others) if may_see(post)][:TOP]

    both = sorted(
        (post for posts in newest.values() for post in posts if may_see(post)),
        key=lambda post: (post.created_at, post.id),
        reverse=True,
    )
    return Activity(top(PostKind.QUESTION), top(PostKind.ANSWER), both[:RECENT])
