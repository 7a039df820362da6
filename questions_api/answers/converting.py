"""Making a comment of an answer and an answer of a comment; the text passes through memory and is kept nowhere.

Confluence turns neither into the other, so each is written anew and the old one is deleted, both as the person.
Where the deletion is refused, what was written is deleted again: nothing is there twice. Where nobody can say how
it ended, both are left: nothing is lost.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Caller, Comment, Confluence, Content, Place, Written
from lib.errors import Conflict, Failure, Forbidden, NotFound, Unavailable
from lib.grants import Grants
from lib.principal import AccountId, ContentId, Principal
from questions_api.answers.answering import credit_answer
from questions_api.policy import may_moderate
from questions_api.posts import AnswerHead, QuestionHead, WrongContainer, remove_post

_TITLE_LENGTH = 255


class HalfConverted(Conflict):
    """`current` names what is there twice."""

    code = "half-converted"
    detail = "Both the answer and the comment are there now; delete the one that is too many."


def check_may_convert_comment(grants: Grants, comment: Comment, *, question_id: ContentId, account: AccountId) -> None:
    """A comment on this very question, by the caller, or by anybody where the caller moderates."""
    if comment.container_id != question_id:
        raise WrongContainer("The comment does not belong to that question.")
    if comment.author_id != account and not may_moderate(grants):
        raise Forbidden("Only the author or a moderator makes an answer of a comment.")


def to_comment(confluence: Confluence, caller: Caller, answer: AnswerHead) -> int:
    """Writes the answer's text as a comment on the question and deletes the answer; the comment's id."""
    written = confluence.written(caller, answer.id)
    if written is None or not _is_current(written):
        raise NotFound
    comment_id = confluence.create_comment(caller, answer.question.item.id, storage=written.storage)
    _delete_old(
        partial(confluence.delete_content, caller, answer.id),
        is_there=lambda: _is_current(confluence.written(caller, answer.id)),
        undo=partial(confluence.delete_comment, caller, comment_id),
        doubled={"answerId": str(answer.id), "commentId": str(comment_id)},
    )
    return comment_id


def to_answer(confluence: Confluence, caller: Caller, question: QuestionHead, comment: Comment) -> Content:
    """Writes the comment's text as an answer to the question and deletes the comment; the answer as its author's."""
    asked = confluence.content(caller, question.item.id)
    if asked is None:
        raise NotFound
    content = confluence.create_content(
        caller,
        "answer",
        Place(asked.space_id, "content", question.item.id),
        title=f"Answer: {asked.title}"[:_TITLE_LENGTH],
        storage=comment.storage,
    )
    _delete_old(
        partial(confluence.delete_comment, caller, comment.id),
        is_there=lambda: confluence.comment(caller, comment.id) is not None,
        undo=partial(confluence.delete_content, caller, content.id),
        doubled={"answerId": str(content.id), "commentId": str(comment.id)},
    )
    return replace(content, author_id=comment.author_id)


def _is_current(written: Written | None) -> bool:
    return written is not None and written.content.status == "current"


def _delete_old(
    delete: Callable[[], None], *, is_there: Callable[[], bool], undo: Callable[[], None], doubled: dict[str, object]
) -> None:
    """Deletes what has been written anew; where that fails, the new one goes again and the failure is passed on.

    A refusal is certain, and somebody else may have been first. Where no answer came, what is there decides.
    """
    try:
        delete()
    except Failure as failure:
        try:
            if isinstance(failure, Unavailable) and not is_there():
                return
            undo()
        except Failure as second:
            raise HalfConverted(current=doubled) from second
        raise


def note_comment_made(
    session: Session, principal: Principal, answer: AnswerHead, comment_id: int, *, now: datetime
) -> None:
    """Takes the answer out of the question, as Confluence has; audited where it was somebody else's."""
    removed = remove_post(session, principal.tenant_id, answer.id, now=now)
    if removed and answer.author_id != principal.account_id:
        after: dict[str, object] = {"comment_id": str(comment_id)}
        append_audit(session, principal, "answer.to-comment", ("answer", answer.id), after=after, now=now)


def note_answer_made(
    session: Session, principal: Principal, question_id: ContentId, comment: Comment, content: Content, *, now: datetime
) -> None:
    """Registers the answer as that of the comment's author; audited where that is somebody else."""
    credit_answer(session, principal.tenant_id, question_id, content, now=now)
    if comment.author_id != principal.account_id:
        before: dict[str, object] = {"comment_id": str(comment.id)}
        append_audit(session, principal, "answer.from-comment", ("answer", content.id), before=before, now=now)


def remove_answer(session: Session, principal: Principal, answer: AnswerHead, *, now: datetime) -> None:
    """Follows a deletion that Confluence has done; that of somebody else's answer is audited."""
    removed = remove_post(session, principal.tenant_id, answer.id, now=now)
    if removed and answer.author_id != principal.account_id:
        append_audit(session, principal, "answer.removed", ("answer", answer.id), now=now)
