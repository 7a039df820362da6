"""Questions that have to do with each other: duplicates, linked and related ones, and what may be shown of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import batched
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.errors import Conflict, Unacceptable
from lib.grants import Item
from lib.principal import ContentId, Principal, TenantId
from lib.sql import delete_rows, insert_row, rows_changed, run_bound, select_bound, select_rows
from lib.tenancy import account_ref
from lib.web import Call
from questions_api.model import Question, QuestionLink
from questions_api.posts import QuestionHead, lock_question
from questions_api.questions.reading import Page, detail_of
from questions_api.questions.rows import QuestionRow, question_row, questions_select
from questions_api.questions.schemas import QuestionDetail, QuestionView
from questions_api.seeing import viewable_spaces, visible_items
from questions_api.tags.model import QuestionTag
from questions_api.tags.reading import tags_of
from questions_api.tags.tagging import borne_tags

MAX_LINKS = 50
"""Questions linked with one question; also how many duplicates are shown of it."""

MAX_RELATED = 5
_CANDIDATES = 25
"""Questions looked at for a page of related ones, because the viewer may not see all of them."""

_IDS = 1000
"""Ids named in one statement: SQL Server takes 2,100 parameters."""


class LinkToItself(Unacceptable):
    code = "link-to-itself"
    detail = "A question is not linked with itself."


class TooManyLinks(Conflict):
    code = "too-many-links"
    detail = f"The question is linked with {MAX_LINKS} others already."


def link_questions(
    session: Session, principal: Principal, question: QuestionHead, other_id: ContentId, *, now: datetime
) -> None:
    """Says that the two have to do with each other. Saying it again changes nothing."""
    question_id, tenant_id = question.item.id, principal.tenant_id
    if question_id == other_id:
        raise LinkToItself
    first, second = sorted((question_id, other_id))
    for each in (first, second):
        lock_question(session, tenant_id, each)
    linked = _linked_ids(session, tenant_id, question_id)
    if other_id in linked:
        return
    if MAX_LINKS in {len(linked), len(_linked_ids(session, tenant_id, other_id))}:
        raise TooManyLinks
    actor_ref = account_ref(session, tenant_id, principal.account_id, now=now)
    row = {"from_id": first, "to_id": second, "created_by_ref": actor_ref, "created_at": now}
    session.execute(insert_row(tenant_id, QuestionLink, **row))
    _audit_of_moderator(session, principal, "question.linked", question, other_id, now=now)


def unlink_questions(
    session: Session, principal: Principal, question: QuestionHead, other_id: ContentId, *, now: datetime
) -> None:
    """Takes that back. Where nobody had said it, nothing changes."""
    first, second = sorted((question.item.id, other_id))
    removed = session.execute(
        delete_rows(principal.tenant_id, QuestionLink).where(
            QuestionLink.from_id == first, QuestionLink.to_id == second
        )
    )
    if rows_changed(removed) == 1:
        _audit_of_moderator(session, principal, "question.unlinked", question, other_id, now=now)


def _audit_of_moderator(
    session: Session, principal: Principal, action: str, question: QuestionHead, other_id: ContentId, *, now: datetime
) -> None:
    if question.author_id != principal.account_id:
        target = ("question", question.item.id)
        append_audit(session, principal, action, target, after={"other_id": str(other_id)}, now=now)


# Two statements in place of one with OR: each is a seek in an index of its own.
_LINKED_BY_FIRST = select_bound(
    QuestionLink, QuestionLink.from_id.label("id"), QuestionLink.to_id.label("other_id")
).where(QuestionLink.from_id.in_(bindparam("ids", expanding=True)))
_LINKED_BY_SECOND = select_bound(
    QuestionLink, QuestionLink.to_id.label("id"), QuestionLink.from_id.label("other_id")
).where(QuestionLink.to_id.in_(bindparam("ids", expanding=True)))


def links_of(session: Session, tenant_id: TenantId, ids: Iterable[ContentId]) -> dict[ContentId, set[ContentId]]:
    """The questions that each of these is linked with, whoever may see them; removed ones among them."""
    linked: dict[ContentId, set[ContentId]] = {question_id: set() for question_id in ids}
    for some in batched(linked, _IDS, strict=False):
        for statement in (_LINKED_BY_FIRST, _LINKED_BY_SECOND):
            for row in run_bound(session, statement, {"tenant_id": tenant_id, "ids": some}):
                linked[row.id].add(row.other_id)
    return linked


def _linked_ids(session: Session, tenant_id: TenantId, question_id: ContentId) -> set[ContentId]:
    return links_of(session, tenant_id, (question_id,))[question_id]


_BY_IDS = (
    questions_select()
    .where(Question.id.in_(bindparam("ids", expanding=True)))
    .order_by(Question.created_at.desc(), Question.id.desc())
)
_DUPLICATES = (
    questions_select()
    .where(Question.duplicate_of == bindparam("id"), Question.duplicate_of.is_not(None))
    .order_by(Question.created_at.desc(), Question.id.desc())
    .limit(MAX_LINKS)
)


@dataclass(frozen=True, slots=True)
class Linked:
    """What a question is linked with, the newest first, whoever may see it."""

    original: QuestionRow | None
    duplicates: list[QuestionRow]
    linked: list[QuestionRow]
    tags: dict[ContentId, list[str]]

    @property
    def rows(self) -> list[QuestionRow]:
        return [*([] if self.original is None else [self.original]), *self.duplicates, *self.linked]


def linked_questions(session: Session, principal: Principal, question_id: ContentId) -> Linked:
    tenant_id = principal.tenant_id
    original_id = session.scalar(select_rows(tenant_id, Question.duplicate_of).where(Question.id == question_id))
    values = {"tenant_id": tenant_id, "viewer": principal.account_id, "id": question_id}
    duplicates = [question_row(row) for row in run_bound(session, _DUPLICATES, values)]
    linked_ids = _linked_ids(session, tenant_id, question_id)
    wanted = linked_ids | (set() if original_id is None else {original_id})
    found = _rows(session, principal, wanted)
    return Linked(
        original=next((row for row in found if row.item.id == original_id), None),
        duplicates=duplicates,
        linked=[row for row in found if row.item.id in linked_ids],
        tags=tags_of(session, tenant_id, [row.item.id for row in (*found, *duplicates)]),
    )


def _rows(session: Session, principal: Principal, ids: Iterable[ContentId]) -> list[QuestionRow]:
    values = {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "ids": sorted(ids)}
    return [question_row(row) for row in run_bound(session, _BY_IDS, values)] if values["ids"] else []


# One statement for each tag (five at most): a range of the key, read from its end.
_NEWEST_UNDER = (
    select_bound(QuestionTag, QuestionTag.question_id, QuestionTag.question_created_at)
    .where(QuestionTag.tag_id == bindparam("tag_id"), QuestionTag.question_id != bindparam("id"))
    .order_by(QuestionTag.question_created_at.desc(), QuestionTag.question_id.desc())
    .limit(_CANDIDATES)
)


def questions_under_same_tags(
    session: Session, principal: Principal, question_id: ContentId
) -> tuple[list[QuestionRow], dict[ContentId, list[str]]]:
    """The newest questions that share a tag with this one, with their tags."""
    tenant_id = principal.tenant_id
    newest: dict[ContentId, datetime] = {}
    values: dict[str, Any] = {"tenant_id": tenant_id, "id": question_id}
    for tag_id in sorted(borne_tags(session, tenant_id, question_id)):
        found = run_bound(session, _NEWEST_UNDER, {**values, "tag_id": tag_id})
        newest |= {row.question_id: row.question_created_at for row in found}
    ids = sorted(newest, key=lambda each: (newest[each], each), reverse=True)[:_CANDIDATES]
    rows = _rows(session, principal, ids)
    return rows, tags_of(session, tenant_id, [row.item.id for row in rows])


def related_page(call: Call, question_id: ContentId) -> Page:
    """At most five questions under the same tags that the viewer may see, and see the tags of."""
    work = partial(questions_under_same_tags, principal=call.principal, question_id=question_id)
    rows, tags = call.read(work)
    page = visible_page(call, rows, tags)
    page.rows = [row for row in page.rows if page.grants[row.item.space_id].tags.view][:MAX_RELATED]
    return page


def visible_page(call: Call, rows: list[QuestionRow], tags: dict[ContentId, list[str]]) -> Page:
    """Those of the rows that the viewer may see."""
    spaces = viewable_spaces(call, (row.item.space_id for row in rows))
    visible = visible_items(call, (row.item for row in rows))
    return Page([row for row in rows if row.item.id in visible], tags=tags, grants=spaces)


_ITEMS = select_bound(Question, Question.id, Question.space_id, Question.container_kind, Question.needs_check).where(
    Question.id.in_(bindparam("ids", expanding=True)), Question.deleted_at.is_(None)
)


def visible_among(call: Call, ids: set[ContentId]) -> set[ContentId]:
    """Those of the ids that are questions the viewer may see."""
    if not ids:
        return set()

    def read(session: Session) -> list[Item]:
        return [
            Item(row.id, row.space_id, row.container_kind, row.needs_check)
            for some in batched(sorted(ids), _IDS, strict=False)
            for row in run_bound(session, _ITEMS, {"tenant_id": call.tenant_id, "ids": some})
        ]

    return visible_items(call, call.read(read))


def hide_originals(call: Call, views: Iterable[QuestionView]) -> None:
    """Takes out of the views which question they duplicate, where the viewer may not see that one."""
    duplicates = [(view, ContentId(int(view["duplicateOf"]))) for view in views if view["duplicateOf"] is not None]
    visible = visible_among(call, {original for _, original in duplicates})
    for view, original in duplicates:
        if original not in visible:
            view["duplicateOf"] = None


def hide_original_of(call: Call, conflict: Conflict) -> None:
    """The same for what a conflict says stands now."""
    original = conflict.current.get("duplicateOf")
    if isinstance(original, str) and not visible_among(call, {ContentId(int(original))}):
        conflict.current["duplicateOf"] = None


def shown_detail(call: Call, question_id: ContentId) -> QuestionDetail:
    """The question as its page shows it to the viewer."""
    detail = detail_of(call, question_id)
    hide_originals(call, (detail,))
    return detail
