"""Deleting, restoring and moving a question: Confluence does it, as the person, and our rows follow its answer."""

from datetime import datetime

from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Caller, Confluence, ConfluenceRefused, Content, Place
from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.grants import Grants
from lib.principal import AccountId, ContentId, Principal, TenantId
from lib.sql import select_rows, update_rows
from questions_api.model import Answer, Question
from questions_api.policy import check_may_moderate, check_may_view, may_moderate
from questions_api.posts import QuestionHead, lock_question, register_question, remove_post


class NotMoved(Unacceptable):
    code = "not-moved"
    detail = "Confluence left the question where it is."


class NotRestored(Unacceptable):
    code = "not-restored"
    detail = "Confluence left the question in the trash."


class ChangedMeanwhile(Conflict):
    """`current` says what Confluence shows the caller now."""

    code = "changed-meanwhile"
    detail = "Somebody else has just changed this in Confluence; read it again."


def check_may_arrange(grants: Grants, *, asker: AccountId | None, account: AccountId) -> None:
    """Moving a question, or linking it with another: its asker or a moderator."""
    check_may_view(grants)
    if asker != account and not may_moderate(grants):
        raise Forbidden("Only the asker or a moderator may do this to a question.")


def check_may_restore(grants: Grants, *, asker: AccountId | None, account: AccountId) -> None:
    """Moderators restore. To others what was removed does not exist, but for the one who asked it."""
    if not may_moderate(grants) and asker != account:
        raise NotFound
    check_may_moderate(grants)


def is_answered_by_others(session: Session, tenant_id: TenantId, question: QuestionHead) -> bool:
    """Whether anybody but the asker has answered."""
    others = select_rows(tenant_id, Answer.id).where(
        Answer.question_id == question.item.id,
        Answer.author_ref != question.author_ref,
        Answer.deleted_at.is_(None),
    )
    return session.execute(others.limit(1)).first() is not None


def _check_was_first(refused: ConfluenceRefused, confluence: Confluence, caller: Caller, content_id: ContentId) -> None:
    """Tells the slower of two what stands: Confluence refuses to change a version that is no longer the last one."""
    if refused.status != 409:
        return
    content = confluence.content(caller, content_id)
    if content is None:
        raise NotFound from refused
    current: dict[str, object] = {
        "status": content.status,
        "spaceId": str(content.space_id),
        "containerKind": content.container_kind,
        "containerId": str(content.container_id),
    }
    raise ChangedMeanwhile(current=current) from refused


def put_into_trash(confluence: Confluence, caller: Caller, content_id: ContentId) -> None:
    """Deletes a question or an answer in Confluence; `NotFound` where somebody else just has."""
    try:
        confluence.delete_content(caller, content_id)
    except ConfluenceRefused as refused:
        if refused.status == 404:
            # Where it is still there, it is the right to delete that Confluence misses.
            content = confluence.content(caller, content_id)
            if content is None or content.status != "current":
                raise NotFound from refused
        _check_was_first(refused, confluence, caller, content_id)
        raise


def remove_question(session: Session, principal: Principal, question: QuestionHead, *, now: datetime) -> None:
    """Follows a deletion that Confluence has done; that of somebody else's question is audited."""
    question_id = question.item.id
    if remove_post(session, principal.tenant_id, question_id, now=now) and question.author_id != principal.account_id:
        append_audit(session, principal, "question.removed", ("question", question_id), now=now)


def restored(confluence: Confluence, caller: Caller, question_id: ContentId) -> Content:
    """The question, out of Confluence's trash; `NotFound` where the caller may not see it there.

    `ChangedMeanwhile` where somebody else was quicker.
    """
    written = confluence.written(caller, question_id)
    if written is None or written.content.type != confluence.type_of("question"):
        raise NotFound
    if written.content.status == "current":
        return written.content
    try:
        content = confluence.update_content(caller, written)
    except ConfluenceRefused as refused:
        _check_was_first(refused, confluence, caller, question_id)
        raise
    if content.status != "current":
        raise NotRestored
    return content


def restore_question(session: Session, principal: Principal, content: Content, *, now: datetime) -> None:
    """Brings the row back as Confluence has brought the question back: with its votes, answers and watches."""
    register_question(session, principal.tenant_id, content, now=now)
    append_audit(session, principal, "question.restored", ("question", content.id), now=now)


def is_at(content: Content, place: Place) -> bool:
    here = (content.space_id, content.container_kind, content.container_id)
    return here == (place.space_id, place.container_kind, place.container_id)


def moved(confluence: Confluence, caller: Caller, question_id: ContentId, place: Place) -> Content:
    """The question at its new place, as Confluence answers it; `NotMoved` where it stayed.

    `ChangedMeanwhile` where somebody else was quicker, wherever that one has moved it.
    """
    written = confluence.written(caller, question_id)
    if written is None or written.content.status != "current":
        raise NotFound
    if is_at(written.content, place):
        return written.content
    try:
        content = confluence.update_content(caller, written, place=place)
    except ConfluenceRefused as refused:
        _check_was_first(refused, confluence, caller, question_id)
        raise
    if not is_at(content, place):
        raise NotMoved
    return content


def move_question(
    session: Session, principal: Principal, question: QuestionHead, content: Content, *, now: datetime
) -> None:
    """Follows a move that Confluence has done. A pin stays behind: it belonged to the space."""
    tenant_id, question_id = principal.tenant_id, question.item.id
    lock_question(session, tenant_id, question_id)
    columns = (Question.space_id, Question.container_kind, Question.container_id)
    held = session.execute(select_rows(tenant_id, *columns).where(Question.id == question_id)).first()
    if held is None:
        raise NotFound
    register_question(session, tenant_id, content, now=now)
    if held.space_id != content.space_id:
        unpinned = update_rows(tenant_id, Question).where(Question.id == question_id)
        session.execute(unpinned.values(pinned_at=None))
    before = {name: str(getattr(held, name)) for name in ("space_id", "container_kind", "container_id")}
    after = {name: str(getattr(content, name)) for name in before}
    if before != after:
        append_audit(
            session, principal, "question.moved", ("question", question_id), before=before, after=after, now=now
        )
