"""HTTP routes of answers under /api/v1."""

from functools import partial

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.principal import ContentId, SpaceId
from lib.web import Call, Nothing, Reply, Resource
from questions_api.answers import schemas
from questions_api.answers.acceptance import accept_only, set_accepted
from questions_api.answers.answering import answer_question, check_first_answer
from questions_api.answers.converting import (
    check_may_convert_comment,
    note_answer_made,
    note_comment_made,
    remove_answer,
    to_answer,
    to_comment,
)
from questions_api.answers.listings import list_answers, read_answer
from questions_api.blueprint import blueprint
from questions_api.policy import check_may_accept, check_may_answer, check_may_change_answer
from questions_api.posts import WrongContainer, answer_item, check_registrable
from questions_api.questions.links import shown_detail
from questions_api.questions.moving import put_into_trash
from questions_api.questions.schemas import QuestionDetail
from questions_api.seeing import see_answer, see_answer_of, see_question, space_of, visible_items
from questions_api.wire import after_cursor, next_cursor

question_answers = Resource(blueprint, "api_question_answers", "api/v1/questions/{questionId}/answers")
answer_from_comment = Resource(
    blueprint, "api_answer_from_comment", "api/v1/questions/{questionId}/answers/from-comment"
)
question_accepted = Resource(blueprint, "api_question_accepted", "api/v1/questions/{questionId}/accepted")
one_answer = Resource(blueprint, "api_answer", "api/v1/answers/{answerId}")
answer_accepted = Resource(blueprint, "api_answer_accepted", "api/v1/answers/{answerId}/accepted")
answer_comment = Resource(blueprint, "api_answer_comment", "api/v1/answers/{answerId}/comment")

RESOURCES = (
    question_answers,
    answer_from_comment,
    question_accepted,
    one_answer,
    answer_accepted,
    answer_comment,
)


def _several_accepted(call: Call, space_id: SpaceId) -> bool:
    return space_of(call, space_id).settings.several_accepted


@question_answers.operation("GET", takes=schemas.AnswersQuery, returns=schemas.AnswerPage, failures=(NotFound,))
def read_answers(call: Call, query: schemas.AnswersQuery) -> schemas.AnswerPage:
    """The answers: accepted first, then by score, then the oldest."""
    seen = see_question(call)
    question_id = seen.head.item.id
    name = f"answers:{question_id}"
    after = after_cursor(call, name, query.cursor) or ()
    rows = call.read(partial(list_answers, principal=call.principal, question_id=question_id))
    space_id = seen.head.item.space_id
    visible = visible_items(call, (answer_item(row.id, space_id, is_guarded=row.is_guarded) for row in rows))
    ranked = sorted((schemas.answer_rank(row, seen.grants), row) for row in rows if row.id in visible)
    page = [(rank, row) for rank, row in ranked if rank > after][: query.limit]
    has_more = bool(page) and page[-1][0] < ranked[-1][0]
    return {
        "items": [schemas.answer_view(row, seen.grants) for _, row in page],
        "next": next_cursor(call, name, page[-1][0] if has_more else None),
    }


@question_answers.operation(
    "POST",
    takes=schemas.AnswerBody,
    returns=schemas.AnswerView,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def answer(call: Call, body: schemas.AnswerBody) -> Reply:
    """Registers an answer that the caller has created in Confluence below the question."""
    seen = see_question(call, for_write=True)
    check_may_answer(seen.grants, seen.head.state, is_locked=seen.head.is_locked)
    confluence = call.services.confluence
    content = confluence.content(call.caller, ContentId(int(body.content_id)))
    if content is None:
        raise NotFound
    check_registrable(content, type_key=confluence.type_of("answer"), author=call.account_id)
    question_id = seen.head.item.id
    if content.container_kind != "content" or content.container_id != question_id:
        raise WrongContainer
    one_each = space_of(call, seen.head.item.space_id).settings.one_answer_each
    work = partial(answer_question, tenant_id=call.tenant_id, question_id=question_id, content=content)
    is_new = call.write(partial(work, one_each=one_each, now=call.now))
    row = call.read(partial(read_answer, principal=call.principal, answer_id=content.id))
    return Reply(schemas.answer_view(row, seen.grants), 201 if is_new else 200)


@answer_from_comment.operation(
    "POST",
    takes=schemas.CommentBody,
    returns=schemas.AnswerView,
    statuses=(201,),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def make_answer(call: Call, body: schemas.CommentBody) -> Reply:
    """Makes an answer of a comment on the question, credited to the comment's author. Replies to the comment go with
    it. Its author or a moderator may.
    """
    seen = see_question(call, for_write=True)
    check_may_answer(seen.grants, seen.head.state, is_locked=seen.head.is_locked)
    confluence, question_id = call.services.confluence, seen.head.item.id
    comment = confluence.comment(call.caller, int(body.comment_id))
    if comment is None:
        raise NotFound
    check_may_convert_comment(seen.grants, comment, question_id=question_id, account=call.account_id)
    if space_of(call, seen.head.item.space_id).settings.one_answer_each:
        first = partial(check_first_answer, tenant_id=call.tenant_id, question_id=question_id)
        call.read(partial(first, author_id=comment.author_id))
    content = to_answer(confluence, call.caller, seen.head, comment)
    note = partial(note_answer_made, principal=call.principal, question_id=question_id, comment=comment)
    call.write(partial(note, content=content, now=call.now))
    row = call.read(partial(read_answer, principal=call.principal, answer_id=content.id))
    return Reply(schemas.answer_view(row, seen.grants), 201)


@one_answer.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound, Conflict))
def delete(call: Call, _: Nothing) -> Reply:
    """Puts the answer into Confluence's trash, as the caller: its author or a moderator."""
    seen = see_answer(call, for_write=True)
    check_may_change_answer(seen.grants, author=seen.head.author_id, account=call.account_id)
    put_into_trash(call.services.confluence, call.caller, seen.head.id)
    call.write(partial(remove_answer, principal=call.principal, answer=seen.head, now=call.now))
    return Reply(status=204)


@answer_comment.operation(
    "POST", returns=schemas.CommentView, statuses=(201,), failures=(Forbidden, NotFound, Conflict)
)
def make_comment(call: Call, _: Nothing) -> Reply:
    """Makes a comment on the question of the answer, written by the caller: its author or a moderator."""
    seen = see_answer(call, for_write=True)
    check_may_change_answer(seen.grants, author=seen.head.author_id, account=call.account_id)
    comment_id = to_comment(call.services.confluence, call.caller, seen.head)
    note = partial(note_comment_made, principal=call.principal, answer=seen.head)
    call.write(partial(note, comment_id=comment_id, now=call.now))
    return Reply({"commentId": str(comment_id)}, 201)


@question_accepted.operation(
    "PUT",
    takes=schemas.AcceptBody,
    returns=QuestionDetail,
    failures=(Forbidden, NotFound, Conflict),
    if_match=True,
)
def accept(call: Call, body: schemas.AcceptBody) -> QuestionDetail:
    """Accepts the answer, beside others where the space accepts several, or none with null. If-Match names the
    question's version.
    """
    seen = see_question(call, for_write=True)
    head = seen.head
    check_may_accept(seen.grants, asker=head.author_id, account=call.account_id)
    chosen = None if body.answer_id is None else ContentId(int(body.answer_id))
    if chosen is not None:
        see_answer_of(call, chosen, for_write=True)
    if chosen is not None and _several_accepted(call, head.item.space_id):
        work = partial(set_accepted, principal=call.principal, question=head, answer_id=chosen, accepted=True)
    else:
        work = partial(accept_only, principal=call.principal, question=head, answer_id=chosen)
    call.write(partial(work, expected=call.if_match, now=call.now))
    return shown_detail(call, head.item.id)


@answer_accepted.operation("PUT", returns=QuestionDetail, failures=(Forbidden, NotFound, Conflict), if_match=True)
def accept_answer(call: Call, _: Nothing) -> QuestionDetail:
    """Accepts the answer: beside others where the space accepts several, else in their place. If-Match names the
    question's version.
    """
    seen = see_answer(call, for_write=True)
    question = seen.head.question
    check_may_accept(seen.grants, asker=question.author_id, account=call.account_id)
    if _several_accepted(call, question.item.space_id):
        work = partial(set_accepted, principal=call.principal, question=question, accepted=True)
    else:
        work = partial(accept_only, principal=call.principal, question=question)
    call.write(partial(work, answer_id=seen.head.id, expected=call.if_match, now=call.now))
    return shown_detail(call, question.item.id)


@answer_accepted.operation("DELETE", returns=QuestionDetail, failures=(Forbidden, NotFound, Conflict), if_match=True)
def unaccept_answer(call: Call, _: Nothing) -> QuestionDetail:
    """Takes back that the answer is accepted; others stay accepted. If-Match names the question's version."""
    seen = see_answer(call, for_write=True)
    question = seen.head.question
    check_may_accept(seen.grants, asker=question.author_id, account=call.account_id)
    work = partial(set_accepted, principal=call.principal, question=question, answer_id=seen.head.id)
    call.write(partial(work, accepted=False, expected=call.if_match, now=call.now))
    return shown_detail(call, question.item.id)
