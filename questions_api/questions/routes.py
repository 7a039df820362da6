"""HTTP routes of questions under /api/v1."""

from dataclasses import replace
from functools import partial

from lib.confluence import Place
from lib.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unacceptable
from lib.principal import ContentId, SpaceId
from lib.web import Call, Nothing, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.policy import (
    check_may_ask,
    check_may_delete_question,
    check_may_moderate,
    check_may_tag,
    check_may_view,
)
from questions_api.posts import check_registrable, find_removed_question
from questions_api.questions import schemas
from questions_api.questions.closing import change_question
from questions_api.questions.duplicates import OriginalIsDuplicate, UnknownOriginal
from questions_api.questions.links import (
    hide_original_of,
    hide_originals,
    link_questions,
    linked_questions,
    related_page,
    shown_detail,
    unlink_questions,
    visible_among,
    visible_page,
)
from questions_api.questions.listings import ListFilter, Order
from questions_api.questions.moving import (
    check_may_arrange,
    check_may_restore,
    is_answered_by_others,
    move_question,
    moved,
    put_into_trash,
    remove_question,
    restore_question,
    restored,
)
from questions_api.questions.reading import Page, Wanted, page_of
from questions_api.questions.tag_editing import ask_question
from questions_api.seeing import check_not_archived, grants_believed, grants_in, see_question, see_question_of, space_of
from questions_api.tags.slugs import normalise, slugs_of
from questions_api.wire import after_cursor, next_cursor

questions = Resource(blueprint, "api_questions", "api/v1/questions")
question = Resource(blueprint, "api_question", "api/v1/questions/{questionId}")
question_restore = Resource(blueprint, "api_question_restore", "api/v1/questions/{questionId}/restore")
question_move = Resource(blueprint, "api_question_move", "api/v1/questions/{questionId}/move")
question_links = Resource(blueprint, "api_question_links", "api/v1/questions/{questionId}/links")
question_link = Resource(blueprint, "api_question_link", "api/v1/questions/{questionId}/links/{otherId}")
question_related = Resource(blueprint, "api_question_related", "api/v1/questions/{questionId}/related")

RESOURCES = (
    questions,
    question,
    question_restore,
    question_move,
    question_links,
    question_link,
    question_related,
)


def _views(page: Page) -> list[schemas.QuestionView]:
    return [schemas.question_view(row, page.tags[row.item.id], page.grants[row.item.space_id]) for row in page.rows]


def _slug(text: str | None) -> str | None:
    if text is None:
        return None
    slug = normalise(text)
    if slug is None:
        raise Invalid(faults=(Fault("tag", "is not a tag"),))
    return slug


@questions.operation("GET", takes=schemas.ListQuery, returns=schemas.QuestionPage, failures=(NotFound,))
def list_questions(call: Call, query: schemas.ListQuery) -> schemas.QuestionPage:
    """Questions of a space or of all spaces. Without the right to see votes, a space's orders by votes (`votes`, `hot`)
    fall back to newest; over the whole site, they leave out the spaces whose votes the caller may not see. Filters by
    tags (`tag`, `answerable`) find nothing where the caller may not see tags.
    """
    wanted, order = schemas.list_filter(query, _slug(query.tag)), query.order
    if wanted.space_id is not None:
        grants = grants_in(call, wanted.space_id)
        check_may_view(grants)
        if order.needs_votes and not grants.votes.view:
            order = Order.NEWEST
        if wanted.is_by_tags and not grants.tags.view:
            return {"items": [], "next": None}
    name = schemas.list_name(query, order)
    after = after_cursor(call, name, query.cursor)
    # Above the first page of all of a space's questions only.
    has_pinned = wanted.space_id is not None and wanted == ListFilter(wanted.space_id) and after is None
    page = page_of(call, Wanted(wanted, order, query.limit, after, has_pinned=has_pinned))
    found: schemas.QuestionPage = {"items": _views(page), "next": next_cursor(call, name, page.next_position)}
    if has_pinned:
        found["pinned"] = _views(replace(page, rows=page.pinned))
    hide_originals(call, (*found["items"], *found.get("pinned", ())))
    return found


@questions.operation(
    "POST",
    takes=schemas.AskBody,
    returns=schemas.QuestionDetail,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def ask(call: Call, body: schemas.AskBody) -> Reply:
    """Registers a question that the caller has created in Confluence; 200 when it is registered already."""
    slugs = slugs_of(body.tags)
    confluence = call.services.confluence
    content = confluence.content(call.caller, ContentId(int(body.content_id)))
    if content is None:
        raise NotFound
    check_registrable(content, type_key=confluence.type_of("question"), author=call.account_id)
    grants = grants_in(call, content.space_id, for_write=True)
    check_may_ask(grants)
    if slugs:
        check_may_tag(grants)
    settings = space_of(call, content.space_id).settings
    work = partial(ask_question, principal=call.principal, content=content, tags=slugs, grants=grants)
    # Asked again after the commit, Confluence might be away or behind itself, and the answer would be an error.
    call.services.grants.note_seen(call.installation, call.account_id, content.id)
    is_new = call.write(partial(work, settings=settings, now=call.now))
    return Reply(shown_detail(call, content.id), 201 if is_new else 200)


@question.operation("GET", returns=schemas.QuestionDetail, failures=(NotFound,))
def read_question(call: Call, _: Nothing) -> schemas.QuestionDetail:
    """One question, and what the caller may do with it."""
    return shown_detail(call, call.content_id("questionId"))


@question.operation(
    "PATCH",
    takes=schemas.ChangeBody,
    returns=schemas.QuestionDetail,
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
    if_match=True,
)
def change(call: Call, body: schemas.ChangeBody) -> schemas.QuestionDetail:
    """Changes tags, or closes, reopens, locks or pins; all of it or nothing. Tags need their rights, the rest a
    moderator.
    """
    wanted = schemas.changes_of(body)
    seen = see_question(call, for_write=True)
    if wanted.needs_moderator:
        check_may_moderate(seen.grants)
    question_id = seen.head.item.id
    original = None if wanted.closing is None else wanted.closing.duplicate_of
    if original is not None and original not in visible_among(call, {original}):
        raise UnknownOriginal
    work = partial(
        change_question,
        principal=call.principal,
        question_id=question_id,
        wanted=wanted,
        space_id=seen.head.item.space_id,
        grants=seen.grants,
        settings=space_of(call, seen.head.item.space_id).settings,
        expected=call.if_match,
        now=call.now,
    )
    try:
        call.write(work)
    except Conflict as conflict:
        hide_original_of(call, conflict)
        raise
    except OriginalIsDuplicate as refused:
        if refused.original not in visible_among(call, {refused.original}):
            raise
        detail = f"{refused.detail[:-1]}, which is {refused.original}."
        raise OriginalIsDuplicate(refused.original, detail) from None
    return shown_detail(call, question_id)


@question.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound, Conflict))
def delete(call: Call, _: Nothing) -> Reply:
    """Puts the question into Confluence's trash, as the caller: its author while nobody else has answered, or a
    moderator.
    """
    seen = see_question(call, for_write=True)
    answered = call.read(partial(is_answered_by_others, tenant_id=call.tenant_id, question=seen.head))
    check_may_delete_question(
        seen.grants, asker=seen.head.author_id, account=call.account_id, answered_by_others=answered
    )
    put_into_trash(call.services.confluence, call.caller, seen.head.item.id)
    call.write(partial(remove_question, principal=call.principal, question=seen.head, now=call.now))
    return Reply(status=204)


@question_restore.operation(
    "POST", returns=schemas.QuestionDetail, failures=(Forbidden, NotFound, Conflict, Unacceptable)
)
def restore(call: Call, _: Nothing) -> schemas.QuestionDetail:
    """Takes a removed question out of Confluence's trash, as the caller, with all its votes and answers."""
    question_id = call.content_id("questionId")
    head = call.read(partial(find_removed_question, tenant_id=call.tenant_id, question_id=question_id))
    grants = grants_believed(call, head.item.space_id, for_write=True)
    check_may_restore(grants, asker=head.author_id, account=call.account_id)
    check_not_archived(call, head.item.space_id, grants)
    content = restored(call.services.confluence, call.caller, question_id)
    call.services.grants.note_seen(call.installation, call.account_id, question_id)
    call.write(partial(restore_question, principal=call.principal, content=content, now=call.now))
    return shown_detail(call, question_id)


def _place(call: Call, body: schemas.MoveBody) -> Place:
    """Where the body says, with the space that Confluence shows the caller around it."""
    schemas.check_one_place(body)
    if body.space_id is not None:
        space_id = SpaceId(int(body.space_id))
        return Place(space_id, "space", space_id)
    page_id = int(body.page_id or 0)
    spaces = call.services.confluence.pages(call.caller, [page_id])
    if page_id not in spaces:
        raise NotFound
    return Place(spaces[page_id], "page", page_id)


@question_move.operation(
    "POST",
    takes=schemas.MoveBody,
    returns=schemas.QuestionDetail,
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def move(call: Call, body: schemas.MoveBody) -> schemas.QuestionDetail:
    """Moves the question in Confluence, as the caller: its asker or a moderator, who may ask at the new place."""
    seen = see_question(call, for_write=True)
    check_may_arrange(seen.grants, asker=seen.head.author_id, account=call.account_id)
    place = _place(call, body)
    check_may_ask(grants_in(call, place.space_id, for_write=True))
    question_id = seen.head.item.id
    content = moved(call.services.confluence, call.caller, question_id, place)
    call.services.grants.note_seen(call.installation, call.account_id, question_id)
    call.write(partial(move_question, principal=call.principal, question=seen.head, content=content, now=call.now))
    return shown_detail(call, question_id)


def _links(call: Call, question_id: ContentId) -> schemas.LinksView:
    linked = call.read(partial(linked_questions, principal=call.principal, question_id=question_id))
    views = {view["id"]: view for view in _views(visible_page(call, linked.rows, linked.tags))}
    hide_originals(call, views.values())
    duplicates, others = (
        [views[str(row.item.id)] for row in rows if str(row.item.id) in views]
        for rows in (linked.duplicates, linked.linked)
    )
    original = None if linked.original is None else views.get(str(linked.original.item.id))
    return {"duplicateOf": original, "duplicates": duplicates, "linked": others}


@question_links.operation("GET", returns=schemas.LinksView, failures=(NotFound,))
def read_links(call: Call, _: Nothing) -> schemas.LinksView:
    """What the question duplicates, what duplicates it, and what people have linked it with."""
    return _links(call, see_question(call).head.item.id)


@question_link.operation("PUT", returns=schemas.LinksView, failures=(Forbidden, NotFound, Conflict, Unacceptable))
def link(call: Call, _: Nothing) -> schemas.LinksView:
    """Links the question with the other one, which the caller must see as well. Its asker or a moderator may."""
    seen = see_question(call, for_write=True)
    check_may_arrange(seen.grants, asker=seen.head.author_id, account=call.account_id)
    other = see_question_of(call, call.content_id("otherId"))
    work = partial(link_questions, principal=call.principal, question=seen.head, other_id=other.head.item.id)
    call.write(partial(work, now=call.now))
    return _links(call, seen.head.item.id)


@question_link.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound, Conflict))
def unlink(call: Call, _: Nothing) -> Reply:
    """Takes that back; also where the caller has lost sight of the other question."""
    seen = see_question(call, for_write=True)
    check_may_arrange(seen.grants, asker=seen.head.author_id, account=call.account_id)
    other_id = call.content_id("otherId")
    work = partial(unlink_questions, principal=call.principal, question=seen.head, other_id=other_id, now=call.now)
    call.write(work)
    return Reply(status=204)


@question_related.operation("GET", returns=schemas.QuestionPage, failures=(NotFound,))
def read_related(call: Call, _: Nothing) -> schemas.QuestionPage:
    """At most five questions under the same tags, the newest first; none for those who may not see tags."""
    seen = see_question(call)
    if not seen.grants.tags.view:
        return {"items": [], "next": None}
    views = _views(related_page(call, seen.head.item.id))
    hide_originals(call, views)
    return {"items": views, "next": None}
