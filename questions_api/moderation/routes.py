"""HTTP routes of flags under /api/v1. Who flagged a post is told to nobody."""

from functools import partial

from sqlalchemy.orm import Session

from lib.errors import Conflict, Forbidden, NotFound
from lib.grants import Grants
from lib.principal import ContentId, SpaceId
from lib.web import Call, Nothing, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.model import PostKind
from questions_api.moderation import schemas
from questions_api.moderation.flagging import check_may_flag, flag_post, resolve_flags, withdraw_flag
from questions_api.moderation.reviewing import FlaggedPost, FlagRow, FlagState, Window, flagged_posts, read_window
from questions_api.policy import check_may_moderate
from questions_api.seeing import grants_in, see_answer, see_question, visible_items
from questions_api.votes.casting import Post
from questions_api.wire import after_cursor, next_cursor

_ROUNDS = 4
"""Windows read for one page at most; a page may be short and yet have a successor."""

question_flag = Resource(blueprint, "api_question_flag", "api/v1/questions/{questionId}/flag")
answer_flag = Resource(blueprint, "api_answer_flag", "api/v1/answers/{answerId}/flag")
question_flags_resolution = Resource(
    blueprint, "api_question_flags_resolution", "api/v1/questions/{questionId}/flags/resolution"
)
answer_flags_resolution = Resource(
    blueprint, "api_answer_flags_resolution", "api/v1/answers/{answerId}/flags/resolution"
)
space_flags = Resource(blueprint, "api_space_flags", "api/v1/spaces/{spaceId}/flags")

RESOURCES = (question_flag, answer_flag, question_flags_resolution, answer_flags_resolution, space_flags)


def _flag(call: Call, post: Post, body: schemas.FlagBody) -> schemas.OwnFlagView:
    check_may_flag(author=post.author_id, account=call.account_id)
    flag = partial(flag_post, principal=call.principal, post=post, reason=body.reason, now=call.now)
    return schemas.own_flag_view(call.write(flag))


def _withdraw(call: Call, post: Post) -> Reply:
    call.write(partial(withdraw_flag, principal=call.principal, post=post, now=call.now))
    return Reply(status=204)


def _resolve(call: Call, post: Post, grants: Grants, body: schemas.ResolutionBody) -> schemas.ResolvedView:
    check_may_moderate(grants)
    resolve = partial(resolve_flags, principal=call.principal, post=post, resolution=body.resolution, now=call.now)
    return {"resolution": body.resolution.value, "count": call.write(resolve)}


@question_flag.operation(
    "PUT", takes=schemas.FlagBody, returns=schemas.OwnFlagView, failures=(Forbidden, NotFound, Conflict)
)
def flag_question(call: Call, body: schemas.FlagBody) -> schemas.OwnFlagView:
    """Flags the question for the moderators; flagging again changes the reason."""
    return _flag(call, see_question(call, for_write=True).head.post, body)


@question_flag.operation("DELETE", statuses=(204,), failures=(NotFound, Conflict))
def unflag_question(call: Call, _: Nothing) -> Reply:
    """Withdraws the caller's open flag."""
    return _withdraw(call, see_question(call, for_write=True).head.post)


@answer_flag.operation(
    "PUT", takes=schemas.FlagBody, returns=schemas.OwnFlagView, failures=(Forbidden, NotFound, Conflict)
)
def flag_answer(call: Call, body: schemas.FlagBody) -> schemas.OwnFlagView:
    """Flags the answer for the moderators; while a flag `outdated` is open, an accepted answer is contested."""
    return _flag(call, see_answer(call, for_write=True).head.post, body)


@answer_flag.operation("DELETE", statuses=(204,), failures=(NotFound, Conflict))
def unflag_answer(call: Call, _: Nothing) -> Reply:
    """Withdraws the caller's open flag."""
    return _withdraw(call, see_answer(call, for_write=True).head.post)


@question_flags_resolution.operation(
    "POST", takes=schemas.ResolutionBody, returns=schemas.ResolvedView, failures=(Forbidden, NotFound, Conflict)
)
def resolve_question_flags(call: Call, body: schemas.ResolutionBody) -> schemas.ResolvedView:
    """Decides on all open flags of the question, as a moderator; the second of two gets 409 with what stands."""
    seen = see_question(call, for_write=True)
    return _resolve(call, seen.head.post, seen.grants, body)


@answer_flags_resolution.operation(
    "POST", takes=schemas.ResolutionBody, returns=schemas.ResolvedView, failures=(Forbidden, NotFound, Conflict)
)
def resolve_answer_flags(call: Call, body: schemas.ResolutionBody) -> schemas.ResolvedView:
    """Decides on all open flags of the answer, as a moderator; the second of two gets 409 with what stands."""
    seen = see_answer(call, for_write=True)
    return _resolve(call, seen.head.post, seen.grants, body)


@space_flags.operation("GET", takes=schemas.FlagsQuery, returns=schemas.FlagPage, failures=(Forbidden, NotFound))
def read_flags(call: Call, query: schemas.FlagsQuery) -> schemas.FlagPage:
    """Flagged posts of the space, for its moderators: open ones from the oldest, resolved ones from the newest."""
    space_id = call.space_id("spaceId")
    check_may_moderate(grants_in(call, space_id))
    name = f"flags:{space_id}:{query.state}"
    after = after_cursor(call, name, query.cursor)
    posts: list[FlaggedPost] = []
    for _ in range(_ROUNDS):
        found, after = _next_posts(call, space_id, query.state, after, limit=query.limit - len(posts))
        posts += found
        if after is None or len(posts) == query.limit:
            break
    return {
        "items": [schemas.flagged_post_view(post, query.state) for post in posts],
        "next": next_cursor(call, name, after),
    }


def _next_posts(
    call: Call, space_id: SpaceId, state: FlagState, after: tuple[int, ...] | None, *, limit: int
) -> tuple[list[FlaggedPost], tuple[int, ...] | None]:
    """The posts whose place is in the next window, and where to go on: after the last post that was taken."""

    def read(session: Session) -> tuple[Window, dict[tuple[PostKind, ContentId], FlaggedPost]]:
        window = read_window(session, call.tenant_id, space_id, state, after)
        return window, flagged_posts(session, call.tenant_id, window.rows, state)

    window, posts = call.read(read)
    visible = visible_items(call, [item for row in window.rows for item in row.items])
    leading = [row for row in window.rows if {item.id for item in row.items} <= visible and _leads(row, posts)]
    taken = [posts[row.kind, row.post_id] for row in leading[:limit]]
    return taken, leading[limit - 1].position if len(leading) > limit else window.position


def _leads(row: FlagRow, posts: dict[tuple[PostKind, ContentId], FlaggedPost]) -> bool:
    """Whether the post's place is here: at its first flag. One whose flags went meanwhile has no place."""
    post = posts.get((row.kind, row.post_id))
    return post is not None and post.leading_id == row.id
