"""Who may do what (pure): each rule is one function over facts that somebody else has fetched.

Every write first passes the view rule of the item itself; what may not be seen is `NotFound`, never
`Forbidden`. Rules: docs/architecture.md, "Who may do what".
"""

from lib.errors import Conflict, Forbidden, NotFound
from lib.grants import Grants
from lib.principal import AccountId
from questions_api.model import QuestionState


class QuestionClosed(Conflict):
    code = "question-closed"
    detail = "The question is closed and takes no answers."


class QuestionLocked(Conflict):
    code = "question-locked"
    detail = "The question is locked and takes no answers."


class SpaceArchived(Conflict):
    code = "space-archived"
    detail = "The space is archived; its questions can be read and not changed."


class HasAnswers(Conflict):
    code = "has-answers"
    detail = "Others have answered the question, so only a moderator can delete it."


class DownvotesOff(Forbidden):
    code = "downvotes-off"
    detail = "This space takes no votes against a post."


class OwnPost(Forbidden):
    code = "own-post"
    detail = "Nobody votes on their own post."


def check_may_view(grants: Grants) -> None:
    if not grants.questions.view:
        raise NotFound


def check_may_ask(grants: Grants) -> None:
    check_may_view(grants)
    if not grants.questions.add:
        raise Forbidden("You may not ask questions in this space; a space administrator can grant it.")


def check_may_tag(grants: Grants) -> None:
    if not grants.tags.add:
        raise Forbidden("You may not add tags in this space; a space administrator can grant it.")


def check_may_untag(grants: Grants) -> None:
    if not grants.tags.delete:
        raise Forbidden("You may not remove tags in this space; a space administrator can grant it.")


def check_may_answer(grants: Grants, state: QuestionState, *, is_locked: bool) -> None:
    check_may_view(grants)
    if state is QuestionState.CLOSED:
        raise QuestionClosed
    if is_locked:
        raise QuestionLocked


def check_may_vote(
    grants: Grants, *, author: AccountId | None, voter: AccountId, value: int, downvotes_allowed: bool
) -> None:
    check_may_view(grants)
    if author == voter:
        raise OwnPost
    if value < 0 and not downvotes_allowed:
        raise DownvotesOff
    if value == 0 and not grants.votes.delete:
        raise Forbidden("You may not take votes back in this space; a space administrator can grant it.")
    if value != 0 and not grants.votes.add:
        raise Forbidden("You may not vote in this space; a space administrator can grant it.")


def may_moderate(grants: Grants) -> bool:
    return grants.questions.view and grants.questions.delete


def check_may_moderate(grants: Grants) -> None:
    check_may_view(grants)
    if not may_moderate(grants):
        raise Forbidden("Only a moderator may do this: somebody who may delete questions in this space.")


def may_delete_question(
    grants: Grants, *, asker: AccountId | None, account: AccountId, answered_by_others: bool
) -> bool:
    return may_moderate(grants) or (grants.questions.view and asker == account and not answered_by_others)


def check_may_delete_question(
    grants: Grants, *, asker: AccountId | None, account: AccountId, answered_by_others: bool
) -> None:
    """Moderators delete any question; its author while nobody else has answered."""
    check_may_view(grants)
    if may_moderate(grants):
        return
    if asker != account:
        raise Forbidden("Only the author or a moderator deletes a question.")
    if answered_by_others:
        raise HasAnswers


def check_may_change_answer(grants: Grants, *, author: AccountId | None, account: AccountId) -> None:
    """Deleting an answer, or making a comment of it: its author or a moderator."""
    check_may_view(grants)
    if author != account and not may_moderate(grants):
        raise Forbidden("Only the author or a moderator may do this to an answer.")


def may_accept(grants: Grants, *, asker: AccountId | None, account: AccountId) -> bool:
    return grants.questions.view and (asker == account or may_moderate(grants))


def check_may_accept(grants: Grants, *, asker: AccountId | None, account: AccountId) -> None:
    check_may_view(grants)
    if not may_accept(grants, asker=asker, account=account):
        raise Forbidden("Only the asker or a moderator accepts an answer.")
