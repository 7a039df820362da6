"""Following one post: what Confluence reported of a question or answer, read again and applied to its row."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from lib.confluence import Caller, Content
from lib.events import ChangedContent, Event
from lib.log import Log
from lib.outbox import take
from lib.principal import AccountId, ContentId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.telemetry import trace_of
from lib.tenancy import Installation
from questions_api.following.admitting import log_refusals, refusal_of
from questions_api.following.asking import account_of
from questions_api.following.guarding import guard_answers, guard_hidden_questions
from questions_api.model import Answer, Question
from questions_api.posts import guard_question, register_answer, register_question, remove_post

_GONE = ("trashed", "removed")


@dataclass(frozen=True, slots=True)
class _Read:
    """An item as Confluence showed it, and whether to the person alone and not to the app."""

    content: Content
    is_hidden: bool


log = Log("questions_api.following")


def follow_content(services: Services, installation: Installation, event: Event, changed: ChangedContent) -> None:
    """Applies one change of a post; a second run changes nothing."""
    trace = trace_of(event.traceparent)
    if changed.change == "permissions_updated":
        # Before anything is read: the flag only adds checks, and reading may take a while or be refused.
        guard = partial(_guard, tenant_id=event.tenant_id, content_id=changed.content_id, now=services.now())
        services.write(guard, trace=trace, tenant_id=event.tenant_id)
    found, parent = _read_with_parent(services, installation, changed)

    def apply(session: Session) -> None:
        if take(session, event, now=services.now()):
            _apply(services, session, event.tenant_id, changed, found, parent)

    services.write(apply, trace=trace, tenant_id=event.tenant_id)
    if found is None and changed.change not in _GONE:
        log.info("follow_unseen", event_id=str(event.id), kind=changed.change)


def _read_with_parent(
    services: Services, installation: Installation, changed: ChangedContent
) -> tuple[_Read | None, _Read | None]:
    """The item, and for an answer the question it belongs to, as far as they can be seen."""
    actor = account_of(services, installation.tenant_id, changed.actor_ref)
    found = _read(services, installation, actor, changed.content_id)
    if found is None or found.content.type != services.confluence.type_of("answer"):
        return found, None
    parent = _read(services, installation, actor, ContentId(found.content.container_id))
    is_question = parent is not None and parent.content.type == services.confluence.type_of("question")
    return found, parent if is_question else None


def _read(
    services: Services, installation: Installation, actor: AccountId | None, content_id: ContentId
) -> _Read | None:
    by_app = services.confluence.content(Caller(installation, None), content_id)
    if by_app is not None:
        return _Read(by_app, is_hidden=False)
    if actor is None:
        return None
    by_actor = services.confluence.content(Caller(installation, actor), content_id)
    return None if by_actor is None else _Read(by_actor, is_hidden=True)


def _apply(
    services: Services,
    session: Session,
    tenant_id: TenantId,
    changed: ChangedContent,
    read: _Read | None,
    parent: _Read | None,
) -> None:
    now = services.now()
    if read is None:
        # Unseen after "created" means no right to look; after "trashed" or "removed" it means gone.
        if changed.change in _GONE:
            remove_post(session, tenant_id, changed.content_id, now=now)
        return
    found = read.content
    if found.status != "current":
        remove_post(session, tenant_id, found.id, now=now)
        return
    # Only "restored" brings a removed post back: another change may have been read before the removal.
    may_revive = changed.change == "restored"
    if found.type == services.confluence.type_of("question"):
        register_question(session, tenant_id, found, may_revive=may_revive, now=now)
    elif found.type == services.confluence.type_of("answer") and parent is not None:
        if not _register_parent(session, tenant_id, parent, now=now):
            return
        if not _register_answer(session, tenant_id, parent.content.id, found, may_revive=may_revive, now=now):
            return
    else:
        return
    if changed.change == "permissions_updated":
        _guard(session, tenant_id, found.id, now=now)
    elif read.is_hidden:
        # Of what the app is not shown, the webhook of the restriction may have been lost.
        guard_hidden_questions(session, tenant_id, [found.id], now=now)
        guard_answers(session, tenant_id, [found.id])


def _register_parent(session: Session, tenant_id: TenantId, parent: _Read, *, now: datetime) -> bool:
    """Brings an answer's question, which may not have been told of yet; False where it cannot bear an answer."""
    question = parent.content
    if session.scalar(select_rows(tenant_id, Question.id).where(Question.id == question.id)) is None:
        if question.status != "current":
            return False
        register_question(session, tenant_id, question, may_revive=False, now=now)
    if parent.is_hidden:
        guard_hidden_questions(session, tenant_id, [question.id], now=now)
    return True


def _register_answer(
    session: Session, tenant_id: TenantId, question_id: ContentId, found: Content, *, may_revive: bool, now: datetime
) -> bool:
    """False where answering is refused now; what is registered already is never refused."""
    if session.scalar(select_rows(tenant_id, Answer.id).where(Answer.id == found.id)) is None:
        code = refusal_of(session, tenant_id, question_id, found)
        if code is not None:
            log_refusals(Counter([code]))
            return False
    register_answer(session, tenant_id, question_id, found, may_revive=may_revive, now=now)
    return True


def _guard(session: Session, tenant_id: TenantId, content_id: ContentId, *, now: datetime) -> None:
    """Remembers a restriction that Confluence reported, of whichever post of ours it is."""
    guard_question(session, tenant_id, content_id, now=now)
    guard_answers(session, tenant_id, [content_id])
