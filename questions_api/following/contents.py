"""Following one post: what Confluence reported of a question or answer, read again and applied to its row."""

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
from questions_api.following.asking import account_of
from questions_api.model import Question
from questions_api.posts import guard_question, register_answer, register_question, remove_post

_GONE = ("trashed", "removed")

log = Log("questions_api.following")


def follow_content(services: Services, installation: Installation, event: Event, changed: ChangedContent) -> None:
    """Applies one change of a post; a second run changes nothing."""
    trace = trace_of(event.traceparent)
    if changed.change == "permissions_updated":
        # Before anything is read: the flag only adds checks, and reading may take a while or be refused.
        guard = partial(guard_question, tenant_id=event.tenant_id, question_id=changed.content_id, now=services.now())
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
) -> tuple[Content | None, Content | None]:
    """The item, and for an answer the question it belongs to, as far as they can be seen."""
    actor = account_of(services, installation.tenant_id, changed.actor_ref)
    found = _read(services, installation, actor, changed.content_id)
    if found is None or found.type != services.confluence.type_of("answer"):
        return found, None
    parent = _read(services, installation, actor, ContentId(found.container_id))
    is_question = parent is not None and parent.type == services.confluence.type_of("question")
    return found, parent if is_question else None


def _read(
    services: Services, installation: Installation, actor: AccountId | None, content_id: ContentId
) -> Content | None:
    seen = services.confluence.content(Caller(installation, None), content_id)
    if seen is None and actor is not None:
        seen = services.confluence.content(Caller(installation, actor), content_id)
    return seen


def _apply(
    services: Services,
    session: Session,
    tenant_id: TenantId,
    changed: ChangedContent,
    found: Content | None,
    parent: Content | None,
) -> None:
    now = services.now()
    if found is None:
        # Unseen after "created" means no right to look; after "trashed" or "removed" it means gone.
        if changed.change in _GONE:
            remove_post(session, tenant_id, changed.content_id, now=now)
        return
    if found.status != "current":
        remove_post(session, tenant_id, found.id, now=now)
        return
    # Only "restored" brings a removed post back: another change may have been read before the removal.
    may_revive = changed.change == "restored"
    if found.type == services.confluence.type_of("question"):
        register_question(session, tenant_id, found, may_revive=may_revive, now=now)
        if changed.change == "permissions_updated":
            guard_question(session, tenant_id, found.id, now=now)
    elif found.type == services.confluence.type_of("answer") and parent is not None:
        if not _is_registered(session, tenant_id, parent.id):
            if parent.status != "current":
                return
            register_question(session, tenant_id, parent, may_revive=False, now=now)
        register_answer(session, tenant_id, parent.id, found, may_revive=may_revive, now=now)


def _is_registered(session: Session, tenant_id: TenantId, question_id: ContentId) -> bool:
    return session.scalar(select_rows(tenant_id, Question.id).where(Question.id == question_id)) is not None
