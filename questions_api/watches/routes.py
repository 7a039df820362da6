"""HTTP routes of watches under /api/v1. Who else watches something is never listed."""

from dataclasses import dataclass, field
from functools import partial

from lib.errors import NotFound
from lib.principal import SpaceId
from lib.web import Call, Nothing, Resource
from questions_api.blueprint import blueprint
from questions_api.policy import check_may_view
from questions_api.seeing import grants_believed, see_question, viewable_spaces, visible_items
from questions_api.tags.routes import see_tag, sight_of
from questions_api.tags.sight import is_borne_in_sight, uses_seen
from questions_api.watches import schemas
from questions_api.watches.listings import WatchRow, list_watches, position, slugs_by_id, watched_questions
from questions_api.watches.model import WatchKind
from questions_api.watches.watching import Target, remove_watch, set_watch
from questions_api.wire import after_cursor, next_cursor

question_watch = Resource(blueprint, "api_question_watch", "api/v1/questions/{questionId}/watch")
space_watch = Resource(blueprint, "api_space_watch", "api/v1/spaces/{spaceId}/watch")
tag_watch = Resource(blueprint, "api_tag_watch", "api/v1/tags/{slug}/watch")
watches = Resource(blueprint, "api_watches", "api/v1/watches")

RESOURCES = (question_watch, space_watch, tag_watch, watches)

_ROUNDS = 4
"""Pages of watches read for one page of the list at most, when targets of them have become invisible."""


def _question(call: Call) -> Target:
    """A watch changes nothing in Confluence, so that an archived space takes it; rights are those of a write."""
    question = see_question(call).head
    check_may_view(grants_believed(call, question.item.space_id, for_write=True))
    return Target(WatchKind.QUESTION, question.item.id)


def _space(call: Call) -> Target:
    space_id = call.space_id("spaceId")
    check_may_view(grants_believed(call, space_id, for_write=True))
    return Target(WatchKind.SPACE, space_id)


def _tag(call: Call) -> Target:
    return Target(WatchKind.TAG, see_tag(call).head.tag_id)


def _watch(call: Call, target: Target, body: schemas.WatchBody) -> schemas.WatchView:
    call.write(partial(set_watch, principal=call.principal, target=target, is_muted=body.muted, now=call.now))
    return schemas.watch_view(body.muted)


def _unwatch(call: Call, target: Target) -> schemas.WatchView:
    call.write(partial(remove_watch, principal=call.principal, target=target))
    return schemas.watch_view(None)


@question_watch.operation("PUT", takes=schemas.WatchBody, returns=schemas.WatchView, failures=(NotFound,))
def watch_question(call: Call, body: schemas.WatchBody) -> schemas.WatchView:
    """Watches the question, or mutes it."""
    return _watch(call, _question(call), body)


@question_watch.operation("DELETE", returns=schemas.WatchView, failures=(NotFound,))
def unwatch_question(call: Call, _: Nothing) -> schemas.WatchView:
    """Ends the caller's watch. Answering later makes a new one; to hear nothing more, mute."""
    return _unwatch(call, _question(call))


@space_watch.operation("PUT", takes=schemas.WatchBody, returns=schemas.WatchView, failures=(NotFound,))
def watch_space(call: Call, body: schemas.WatchBody) -> schemas.WatchView:
    """Watches the questions of the space, or mutes them."""
    return _watch(call, _space(call), body)


@space_watch.operation("DELETE", returns=schemas.WatchView, failures=(NotFound,))
def unwatch_space(call: Call, _: Nothing) -> schemas.WatchView:
    """Ends the caller's watch on the space."""
    return _unwatch(call, _space(call))


@tag_watch.operation("PUT", takes=schemas.WatchBody, returns=schemas.WatchView, failures=(NotFound,))
def watch_tag(call: Call, body: schemas.WatchBody) -> schemas.WatchView:
    """Watches the questions that bear the tag, or mutes them; a synonym stands for its tag."""
    return _watch(call, _tag(call), body)


@tag_watch.operation("DELETE", returns=schemas.WatchView, failures=(NotFound,))
def unwatch_tag(call: Call, _: Nothing) -> schemas.WatchView:
    """Ends the caller's watch on the tag."""
    return _unwatch(call, _tag(call))


@dataclass(slots=True)
class _Page:
    items: list[schemas.WatchItem] = field(default_factory=list)
    next_position: tuple[int, ...] | None = None


@watches.operation("GET", takes=schemas.WatchesQuery, returns=schemas.WatchPage)
def list_my_watches(call: Call, query: schemas.WatchesQuery) -> schemas.WatchPage:
    """The caller's own watches, newest first, without those on what the caller may not see any more."""
    name = f"watches:{query.kind}"
    page = _read(call, query, after_cursor(call, name, query.cursor))
    return {"items": page.items, "next": next_cursor(call, name, page.next_position)}


def _read(call: Call, query: schemas.WatchesQuery, after: tuple[int, ...] | None) -> _Page:
    """Reads on until the page is full, the list ends or the rounds are used up."""
    page = _Page(next_position=after)
    for _ in range(_ROUNDS):
        room = query.limit - len(page.items)
        read = partial(list_watches, principal=call.principal, kind=query.kind, after=page.next_position)
        rows = call.read(partial(read, limit=room + 1))
        has_more, rows = len(rows) > room, rows[:room]
        shown = _shown(call, rows)
        page.items += [schemas.watch_item(row, shown[row.target]) for row in rows if row.target in shown]
        page.next_position = position(rows[-1]) if has_more else None
        if page.next_position is None or len(page.items) == query.limit:
            break
    return page


def _shown(call: Call, rows: list[WatchRow]) -> dict[Target, str]:
    """Those of the targets that the caller may see, with what stands for each of them outside."""
    ids = {kind: [row.target.id for row in rows if row.target.kind is kind] for kind in WatchKind}
    shown: dict[Target, str] = {}
    if ids[WatchKind.QUESTION]:
        read = partial(watched_questions, tenant_id=call.tenant_id, ids=ids[WatchKind.QUESTION])
        seen = visible_items(call, call.read(read))
        shown |= {Target(WatchKind.QUESTION, question_id): str(question_id) for question_id in seen}
    spaces = viewable_spaces(call, [SpaceId(space_id) for space_id in ids[WatchKind.SPACE]])
    shown |= {Target(WatchKind.SPACE, space_id): str(space_id) for space_id in spaces}
    return shown | _shown_tags(call, ids[WatchKind.TAG])


def _shown_tags(call: Call, tag_ids: list[int]) -> dict[Target, str]:
    if not tag_ids:
        return {}
    sight = sight_of(call)
    slugs = call.read(partial(slugs_by_id, tenant_id=call.tenant_id, ids=tag_ids))
    seen = {use.tag_id for use in uses_seen(call.read, sight, slugs).seen}
    return {
        Target(WatchKind.TAG, tag_id): slug
        for tag_id, slug in slugs.items()
        if tag_id in seen or is_borne_in_sight(call.read, sight, tag_id) or sight.is_administrator()
    }
