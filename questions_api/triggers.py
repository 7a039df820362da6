"""HTTP routes of the community under /api/v1, and the triggers that follow Confluence.

Each handler parses, checks a rule, calls one use case and renders.
"""

from functools import partial

import azure.functions as func

from lib.cursors import make_cursor, read_cursor
from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.grants import Grants
from lib.principal import ContentId, SpaceId
from lib.queues import FOLLOW_QUEUE
from lib.services import services
from lib.spaces import SpaceSettings, change_space_settings, read_space_settings
from lib.web import Call, Nothing, Reply, Resource
from questions_api import schemas
from questions_api.acceptance import accept_answer
from questions_api.following import follow_changes
from questions_api.listings import Order, list_answers, read_answer
from questions_api.policy import (
    check_may_accept,
    check_may_answer,
    check_may_ask,
    check_may_tag,
    check_may_view,
    check_may_vote,
)
from questions_api.posts import (
    WrongContainer,
    check_registrable,
    register_answer,
    register_question,
)
from questions_api.tags import slugs_of
from questions_api.viewing import Wanted, detail_of, grants_in, page_of, see_answer, see_question
from questions_api.votes import Post, cast_vote

blueprint = func.Blueprint()

me = Resource(blueprint, "api_me", "api/v1/me")
space_grants = Resource(blueprint, "api_space_grants", "api/v1/spaces/{spaceId}/grants")
space_settings = Resource(blueprint, "api_space_settings", "api/v1/spaces/{spaceId}/settings")
questions = Resource(blueprint, "api_questions", "api/v1/questions")
question = Resource(blueprint, "api_question", "api/v1/questions/{questionId}")
question_answers = Resource(blueprint, "api_question_answers", "api/v1/questions/{questionId}/answers")
question_vote = Resource(blueprint, "api_question_vote", "api/v1/questions/{questionId}/vote")
question_accepted = Resource(blueprint, "api_question_accepted", "api/v1/questions/{questionId}/accepted")
answer_vote = Resource(blueprint, "api_answer_vote", "api/v1/answers/{answerId}/vote")

RESOURCES = (
    me,
    space_grants,
    space_settings,
    questions,
    question,
    question_answers,
    question_vote,
    question_accepted,
    answer_vote,
)


@me.operation("GET", returns=schemas.Me)
def read_me(call: Call, _: Nothing) -> schemas.Me:
    """Who the caller is, and the names of our content types on this site."""
    type_of = call.services.confluence.type_of
    return {
        "accountId": call.account_id,
        "isAdministrator": call.services.grants.is_administrator(call.installation, call.account_id),
        "appKey": call.services.settings.connect_app_key,
        "contentTypes": {
            "question": type_of("question"),
            "answer": type_of("answer"),
            "vote": type_of("vote"),
            "tag": type_of("tag"),
        },
    }


@space_grants.operation("GET", returns=schemas.GrantsView)
def read_grants(call: Call, _: Nothing) -> schemas.GrantsView:
    """What the caller may do in the space: Questions, Votes and Tags by View, Add and Delete."""
    space_id = call.space_id("spaceId")
    return schemas.grants_view(space_id, grants_in(call, space_id))


def _check_space_administrator(call: Call, space_id: SpaceId) -> None:
    grants = grants_in(call, space_id, for_write=True)
    if grants.reason == "space-invisible":
        raise NotFound
    if not grants.administers_space:
        raise Forbidden("Only an administrator of the space may do this.")


def _settings_view(settings: SpaceSettings) -> schemas.SpaceSettingsView:
    return {"chatEnabled": settings.chat_enabled, "version": settings.version}


@space_settings.operation("GET", returns=schemas.SpaceSettingsView, failures=(Forbidden, NotFound))
def read_settings(call: Call, _: Nothing) -> schemas.SpaceSettingsView:
    """The space's settings, for its administrators."""
    space_id = call.space_id("spaceId")
    _check_space_administrator(call, space_id)
    return _settings_view(call.read(partial(read_space_settings, tenant_id=call.tenant_id, space_id=space_id)))


@space_settings.operation(
    "PUT",
    takes=schemas.SpaceSettingsBody,
    returns=schemas.SpaceSettingsView,
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def replace_settings(call: Call, body: schemas.SpaceSettingsBody) -> schemas.SpaceSettingsView:
    """Changes the space's settings, if they are still those of `version`."""
    space_id = call.space_id("spaceId")
    _check_space_administrator(call, space_id)
    if body.chat_enabled and call.services.confluence.space_kind(call.caller, space_id) == "personal":
        raise Unacceptable("Personal spaces are never carried to chat.")
    change = partial(
        change_space_settings,
        tenant_id=call.tenant_id,
        space_id=space_id,
        chat_enabled=body.chat_enabled,
        version=body.version,
        now=call.now,
    )
    return _settings_view(call.write(change))


@questions.operation("GET", takes=schemas.ListQuery, returns=schemas.QuestionPage, failures=(NotFound,))
def list_questions(call: Call, query: schemas.ListQuery) -> schemas.QuestionPage:
    """Questions of a space. Without the right to see votes, vote order falls back to newest."""
    space_id = SpaceId(int(query.space))
    grants = grants_in(call, space_id)
    check_may_view(grants)
    order = query.order if grants.votes.view else Order.NEWEST
    list_name = f"questions:{space_id}:{order}:{query.state}"
    keyring = call.services.keyring
    after = read_cursor(keyring, call.tenant_id, list_name, query.cursor) if query.cursor else None
    page = page_of(call, Wanted(space_id, order, query.state == "unanswered", query.limit, after))
    return {
        "items": [schemas.question_view(row, page.tags[row.item.id], grants) for row in page.rows],
        "next": make_cursor(keyring, call.tenant_id, list_name, page.next_position) if page.next_position else None,
    }


@questions.operation(
    "POST",
    takes=schemas.AskBody,
    returns=schemas.QuestionDetail,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Unacceptable),
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
    register = partial(register_question, tenant_id=call.tenant_id, content=content, tags=slugs, now=call.now)
    # Asked again after the commit, Confluence might be away or behind itself, and the answer would be an error.
    call.services.grants.note_seen(call.installation, call.account_id, content.id)
    is_new = call.write(register)
    return Reply(detail_of(call, content.id), 201 if is_new else 200)


@question.operation("GET", returns=schemas.QuestionDetail, failures=(NotFound,))
def read_question(call: Call, _: Nothing) -> schemas.QuestionDetail:
    """One question, and what the caller may do with it."""
    return detail_of(call, call.content_id("questionId"))


@question_answers.operation("GET", takes=schemas.AnswersQuery, returns=schemas.AnswerPage, failures=(NotFound,))
def read_answers(call: Call, query: schemas.AnswersQuery) -> schemas.AnswerPage:
    """The answers: accepted first, then by score, then the oldest."""
    seen = see_question(call)
    question_id, keyring = seen.head.item.id, call.services.keyring
    list_name = f"answers:{question_id}"
    after = read_cursor(keyring, call.tenant_id, list_name, query.cursor) if query.cursor else ()
    rows = call.read(partial(list_answers, principal=call.principal, question_id=question_id))
    ranked = sorted((schemas.answer_rank(row, seen.grants), row) for row in rows)
    page = [(rank, row) for rank, row in ranked if rank > after][: query.limit]
    has_more = bool(page) and page[-1][0] < ranked[-1][0]
    return {
        "items": [schemas.answer_view(row, seen.grants) for _, row in page],
        "next": make_cursor(keyring, call.tenant_id, list_name, page[-1][0]) if has_more else None,
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
    check_may_answer(seen.grants, seen.head.state)
    confluence = call.services.confluence
    content = confluence.content(call.caller, ContentId(int(body.content_id)))
    if content is None:
        raise NotFound
    check_registrable(content, type_key=confluence.type_of("answer"), author=call.account_id)
    question_id = seen.head.item.id
    if content.container_kind != "content" or content.container_id != question_id:
        raise WrongContainer
    register = partial(
        register_answer, tenant_id=call.tenant_id, question_id=question_id, content=content, now=call.now
    )
    is_new = call.write(register)
    row = call.read(partial(read_answer, principal=call.principal, answer_id=content.id))
    return Reply(schemas.answer_view(row, seen.grants), 201 if is_new else 200)


def _vote(call: Call, post: Post, grants: Grants, body: schemas.VoteBody) -> schemas.TallyView:
    check_may_vote(grants, author=post.author_id, voter=call.account_id, value=body.value)
    tally = call.write(partial(cast_vote, principal=call.principal, post=post, value=body.value, now=call.now))
    return schemas.tally_view(tally, grants)


@question_vote.operation("PUT", takes=schemas.VoteBody, returns=schemas.TallyView, failures=(Forbidden, NotFound))
def vote_on_question(call: Call, body: schemas.VoteBody) -> schemas.TallyView:
    """Makes the caller's vote on the question what the body says."""
    seen = see_question(call, for_write=True)
    return _vote(call, seen.head.post, seen.grants, body)


@answer_vote.operation("PUT", takes=schemas.VoteBody, returns=schemas.TallyView, failures=(Forbidden, NotFound))
def vote_on_answer(call: Call, body: schemas.VoteBody) -> schemas.TallyView:
    """Makes the caller's vote on the answer what the body says."""
    seen = see_answer(call, for_write=True)
    return _vote(call, seen.head.post, seen.grants, body)


@question_accepted.operation(
    "PUT", takes=schemas.AcceptBody, returns=schemas.QuestionDetail, failures=(Forbidden, NotFound)
)
def accept(call: Call, body: schemas.AcceptBody) -> schemas.QuestionDetail:
    """Accepts the answer, or none with null."""
    seen = see_question(call, for_write=True)
    check_may_accept(seen.grants, asker=seen.head.author_id, account=call.account_id)
    chosen = None if body.answer_id is None else ContentId(int(body.answer_id))
    call.write(partial(accept_answer, principal=call.principal, question=seen.head, answer_id=chosen, now=call.now))
    return detail_of(call, seen.head.item.id)


@blueprint.function_name("follow_changes")
@blueprint.queue_trigger(arg_name="wake", queue_name=FOLLOW_QUEUE, connection="AzureWebJobsStorage")
def on_wake(wake: func.QueueMessage) -> None:
    """Woken after a webhook. The message only says that there is work; the outbox says which."""
    del wake
    follow_changes(services())


@blueprint.function_name("follow_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="15,45 * * * * *", use_monitor=False)
def on_sweep(timer: func.TimerRequest) -> None:
    """Finds what a lost wake left behind."""
    del timer
    follow_changes(services())
