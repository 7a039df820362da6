"""HTTP routes of imports under /api/v1, for Confluence administrators: an import speaks in others' names."""

from collections import Counter
from dataclasses import replace
from functools import partial

from lib.confluence import Content, ContentKind
from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.grants import Item
from lib.principal import AccountId, ContentId
from lib.web import Call, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.importing import schemas
from questions_api.importing.answers import OldAnswer, import_answer
from questions_api.importing.posts import Imported, OldPost
from questions_api.importing.questions import OldQuestion, import_question
from questions_api.importing.sources import Author, Hashes, find_import, hashes_of, known_sources
from questions_api.importing.voters import ImportedVote, SortedVotes, sort_votes
from questions_api.policy import check_may_ask, check_may_tag, check_may_view
from questions_api.posts import WrongContainer, check_registrable
from questions_api.seeing import check_administrator, grants_in, see_question_of, space_of
from questions_api.tags.slugs import slugs_of

known = Resource(blueprint, "api_imports_known", "api/v1/imports/known")
questions = Resource(blueprint, "api_imports_questions", "api/v1/imports/questions")
answers = Resource(blueprint, "api_imports_answers", "api/v1/imports/answers")

RESOURCES = (known, questions, answers)


def _post_hashes(call: Call, source: str) -> Hashes:
    return hashes_of(call.services.keyring, call.tenant_id, "post", source)


@known.operation("POST", takes=schemas.KnownBody, returns=schemas.KnownSources, failures=(Forbidden,))
def find_known(call: Call, body: schemas.KnownBody) -> schemas.KnownSources:
    """Which of the old system's posts were imported before, so that an import can be taken up again."""
    check_administrator(call)
    hashed = {source: _post_hashes(call, source) for source in body.sources}
    found = call.read(partial(known_sources, tenant_id=call.tenant_id, sources=hashed))
    return {"items": [{"source": source, "contentId": str(content)} for source, content in sorted(found.items())]}


def _done_before(call: Call, source: Hashes, content_id: ContentId) -> Reply | None:
    find = partial(find_import, tenant_id=call.tenant_id, source=source, content_id=content_id)
    found = call.read(find)
    return None if found is None else Reply(schemas.import_view(Imported(found, is_new=False)))


def _own_content(call: Call, content_id: ContentId, kind: ContentKind) -> Content:
    """The content as the caller sees it; it must be of that kind, and written by the caller."""
    confluence = call.services.confluence
    content = confluence.content(call.caller, content_id)
    if content is None:
        raise NotFound
    check_registrable(content, type_key=confluence.type_of(kind), author=call.account_id)
    return content


def _author(call: Call, author: schemas.ImportedAuthor) -> Author:
    if author.account_id is not None:
        return Author(AccountId(author.account_id))
    return Author(None, hashes_of(call.services.keyring, call.tenant_id, "person", author.former or ""))


def _sorted_votes(call: Call, item: Item, body: schemas.ImportedPost) -> SortedVotes:
    author = None if body.author.account_id is None else AccountId(body.author.account_id)
    votes = [ImportedVote(AccountId(vote.account_id), vote.value) for vote in body.votes]
    return sort_votes(call.services, call.installation, item, author, votes)


def _old_post(call: Call, body: schemas.ImportedPost, source: Hashes, votes: SortedVotes) -> OldPost:
    return OldPost(source, _author(call, body.author), body.created_at, votes.counted)


def _reply(imported: Imported, votes: SortedVotes) -> Reply:
    dropped = dict(Counter(imported.dropped) + Counter(votes.dropped)) if imported.is_new else {}
    return Reply(schemas.import_view(replace(imported, dropped=dropped)), 201 if imported.is_new else 200)


@questions.operation(
    "POST",
    takes=schemas.ImportedQuestion,
    returns=schemas.ImportView,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def take_question(call: Call, body: schemas.ImportedQuestion) -> Reply:
    """Registers a question in the name of whoever asked it once; 200, and no change, when it was imported before."""
    check_administrator(call)
    schemas.check_question(body, call.now)
    slugs, source, content_id = slugs_of(body.tags), _post_hashes(call, body.source), ContentId(int(body.content_id))
    if done := _done_before(call, source, content_id):
        return done
    content = _own_content(call, content_id, "question")
    grants = grants_in(call, content.space_id, for_write=True)
    check_may_ask(grants)
    if slugs:
        check_may_tag(grants)
    votes = _sorted_votes(call, Item(content.id, content.space_id, content.container_kind, is_guarded=False), body)
    wanted = OldQuestion(
        post=_old_post(call, body, source, votes),
        active_at=body.active_at or body.created_at,
        tags=slugs,
        bounty=body.bounty,
        close_reason=None if body.closed is None else body.closed.reason,
    )
    work = partial(import_question, principal=call.principal, content=content, wanted=wanted, now=call.now)
    return _reply(call.write(work), votes)


@answers.operation(
    "POST",
    takes=schemas.ImportedAnswer,
    returns=schemas.ImportView,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def take_answer(call: Call, body: schemas.ImportedAnswer) -> Reply:
    """Registers an answer in the name of whoever gave it once; 200, and no change, when it was imported before."""
    check_administrator(call)
    schemas.check_answer(body, call.now)
    source, content_id = _post_hashes(call, body.source), ContentId(int(body.content_id))
    if done := _done_before(call, source, content_id):
        return done
    seen = see_question_of(call, ContentId(int(body.question_id)), for_write=True)
    check_may_view(seen.grants)
    question = seen.head
    content = _own_content(call, content_id, "answer")
    if content.container_kind != "content" or content.container_id != question.item.id:
        raise WrongContainer
    votes = _sorted_votes(call, question.item, body)
    accepted_at = (body.accepted_at or body.created_at) if body.is_accepted else None
    work = partial(
        import_answer,
        principal=call.principal,
        question=question,
        content=content,
        wanted=OldAnswer(_old_post(call, body, source, votes), accepted_at),
        accepts_several=space_of(call, question.item.space_id).settings.several_accepted,
        now=call.now,
    )
    return _reply(call.write(work), votes)
