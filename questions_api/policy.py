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


def check_may_answer(grants: Grants, state: QuestionState) -> None:
    check_may_view(grants)
    if state is not QuestionState.OPEN:
        raise QuestionClosed


def check_may_vote(grants: Grants, *, author: AccountId, voter: AccountId, value: int) -> None:
    check_may_view(grants)
    if author == voter:
        raise OwnPost
    if value == 0 and not grants.votes.delete:
        raise Forbidden("You may not take votes back in this space; a space administrator can grant it.")
    if value != 0 and not grants.votes.add:
        raise Forbidden("You may not vote in this space; a space administrator can grant it.")


def may_moderate(grants: Grants) -> bool:
    return grants.questions.view and grants.questions.delete


def may_accept(grants: Grants, *, asker: AccountId, account: AccountId) -> bool:
    return grants.questions.view and (asker == account or may_moderate(grants))


def check_may_accept(grants: Grants, *, asker: AccountId, account: AccountId) -> None:
    check_may_view(grants)
    if not may_accept(grants, asker=asker, account=account):
        raise Forbidden("Only the asker or a moderator accepts an answer.")
