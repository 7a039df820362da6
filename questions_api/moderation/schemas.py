"""Wire shapes of flags."""

from typing import NotRequired, TypedDict

from pydantic import Field

from lib.web import Wire
from questions_api.moderation.flagging import OwnFlag
from questions_api.moderation.model import FlagReason, FlagResolution
from questions_api.moderation.reviewing import FlaggedPost, FlagState
from questions_api.wire import PageQuery, moment_view, time_view


class FlagBody(Wire):
    """What is wrong with the post. `outdated` of an accepted answer says that it is no longer valid."""

    reason: FlagReason = Field(strict=False)


class ResolutionBody(Wire):
    """What the moderator makes of all open flags of the post."""

    resolution: FlagResolution = Field(strict=False)


class FlagsQuery(PageQuery):
    """Open flags, or those that have been resolved."""

    state: FlagState = FlagState.OPEN


class OwnFlagView(TypedDict):
    """The caller's flag on the post."""

    reason: str
    createdAt: str


class FlaggedPostView(TypedDict):
    """How often the post was flagged for what; who flagged is not told. The last three are there once resolved."""

    kind: str
    postId: str
    questionId: str
    reasons: dict[str, int]
    since: str
    resolution: NotRequired[str | None]
    resolvedAt: NotRequired[str | None]
    resolvedById: NotRequired[str | None]


class FlagPage(TypedDict):
    items: list[FlaggedPostView]
    next: str | None


class ResolvedView(TypedDict):
    """How many flags were resolved."""

    resolution: str
    count: int


def own_flag_view(flag: OwnFlag) -> OwnFlagView:
    return {"reason": flag.reason, "createdAt": time_view(flag.created_at)}


def flagged_post_view(post: FlaggedPost, state: FlagState) -> FlaggedPostView:
    view: FlaggedPostView = {
        "kind": post.kind.value,
        "postId": str(post.post_id),
        "questionId": str(post.question_id),
        "reasons": dict(sorted(post.reasons.items())),
        "since": time_view(post.since),
    }
    if state is FlagState.RESOLVED:
        view["resolution"] = post.resolution
        view["resolvedAt"] = moment_view(post.resolved_at)
        view["resolvedById"] = post.resolved_by
    return view
