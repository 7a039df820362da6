"""From an id in a request to a post the caller may see, with the caller's grants in its space."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from lib.errors import Forbidden, NotFound
from lib.grants import SPACE_INVISIBLE, Grants, Item
from lib.principal import ContentId, SpaceId
from lib.spaces import Space, SpaceStatus
from lib.web import Call
from questions_api.policy import SpaceArchived, check_may_view
from questions_api.posts import AnswerHead, QuestionHead, find_answer, find_question

SPACE_DISABLED = "space-disabled"
"""Reason of an empty grid: an administrator has switched the community off in this space."""


@dataclass(frozen=True, slots=True)
class Seen[H]:
    """A post's head that the caller may see, and what the caller may do around it."""

    head: H
    grants: Grants


def space_of(call: Call, space_id: SpaceId) -> Space:
    """What we believe of the space; says nothing about whether the caller may see it."""
    return call.services.spaces.of(call.tenant_id, space_id)


def grants_believed(call: Call, space_id: SpaceId, *, for_write: bool = False) -> Grants:
    """The caller's grid in the space: Confluence's answer, or nothing at all where the community is switched off."""
    grants = call.services.grants.of(call.installation, call.account_id, space_id, for_write=for_write)
    if not space_of(call, space_id).is_enabled and grants.reason is None:
        return Grants(administers_space=grants.administers_space, reason=SPACE_DISABLED)
    return grants


def check_not_archived(call: Call, space_id: SpaceId, grants: Grants) -> None:
    """`SpaceArchived` where the caller may see questions in the space and Confluence has archived it."""
    if grants.questions.view and space_of(call, space_id).status is SpaceStatus.ARCHIVED:
        raise SpaceArchived


def grants_in(call: Call, space_id: SpaceId, *, for_write: bool = False) -> Grants:
    """The caller's grid in the space; for a write, `SpaceArchived` where nothing can be written."""
    grants = grants_believed(call, space_id, for_write=for_write)
    if for_write:
        check_not_archived(call, space_id, grants)
    return grants


def check_space_administrator(call: Call, space_id: SpaceId) -> None:
    """`NotFound` for a space the caller may not see, `Forbidden` for one the caller does not administer."""
    grants = call.services.grants.of(call.installation, call.account_id, space_id, for_write=True)
    if grants.reason == SPACE_INVISIBLE:
        raise NotFound
    if not grants.administers_space:
        raise Forbidden("Only an administrator of the space may do this.")


def check_administrator(call: Call) -> None:
    """`Forbidden` for whoever does not administer this Confluence."""
    if not call.services.grants.is_administrator(call.installation, call.account_id):
        raise Forbidden("Only a Confluence administrator may do this.")


def grants_if_visible(call: Call, item: Item, *, for_write: bool = False) -> Grants:
    """The caller's grants around the item; `NotFound` where the caller may not see it."""
    grants = grants_believed(call, item.space_id, for_write=for_write)
    check_may_view(grants)
    if not call.services.grants.visible(call.installation, call.account_id, [item]):
        raise NotFound
    # Last: to whom the item does not exist, neither does the state of its space.
    if for_write:
        check_not_archived(call, item.space_id, grants)
    return grants


def see_question(call: Call, *, for_write: bool = False) -> Seen[QuestionHead]:
    """The question of the path; `NotFound` for missing, invisible and foreign ones alike."""
    return see_question_of(call, call.content_id("questionId"), for_write=for_write)


def see_question_of(call: Call, question_id: ContentId, *, for_write: bool = False) -> Seen[QuestionHead]:
    head = call.read(partial(find_question, tenant_id=call.tenant_id, question_id=question_id))
    return Seen(head, grants_if_visible(call, head.item, for_write=for_write))


def see_answer(call: Call, *, for_write: bool = False) -> Seen[AnswerHead]:
    """The answer of the path, seen through its question; `NotFound` where Confluence hides the answer itself."""
    return see_answer_of(call, call.content_id("answerId"), for_write=for_write)


def see_answer_of(call: Call, answer_id: ContentId, *, for_write: bool = False) -> Seen[AnswerHead]:
    head = call.read(partial(find_answer, tenant_id=call.tenant_id, answer_id=answer_id))
    if not call.services.grants.visible(call.installation, call.account_id, [head.item]):
        raise NotFound
    return Seen(head, grants_if_visible(call, head.question.item, for_write=for_write))


def viewable_spaces(call: Call, space_ids: Iterable[SpaceId]) -> dict[SpaceId, Grants]:
    """Those of the spaces in which the caller may view questions, with the caller's grants there."""
    found = {space_id: grants_in(call, space_id) for space_id in dict.fromkeys(space_ids)}
    return {space_id: grants for space_id, grants in found.items() if grants.questions.view}


def visible_items(call: Call, items: Iterable[Item]) -> set[ContentId]:
    """Those of the posts that the caller may see: the space allows it, and Confluence confirms the item.

    Answers only of questions that the caller sees.
    """
    wanted = list(items)
    spaces = viewable_spaces(call, (item.space_id for item in wanted))
    allowed = [item for item in wanted if item.space_id in spaces]
    return call.services.grants.visible(call.installation, call.account_id, allowed)
