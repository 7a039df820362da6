"""Following Confluence: what its webhooks reported is read again and applied to our rows.

A webhook is a hint. The item is read as the app and, where the app cannot see it, as the person who acted;
what neither can see is not registered (docs/architecture.md, "Where things live").
"""

from functools import partial

from sqlalchemy.orm import Session

from lib.confluence import Caller, Content
from lib.errors import Failure
from lib.events import FOLLOW_KINDS, ChangedContent, Event
from lib.log import Log
from lib.outbox import due_events, postpone, take
from lib.principal import AccountId, ContentId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, Installation
from questions_api.model import Question
from questions_api.posts import guard_question, register_answer, register_question, remove_post

_BATCH = 50
_GONE = ("trashed", "removed")

log = Log("questions_api.following")


def follow_changes(services: Services) -> int:
    """Applies every change that is due; the count applied. A change that fails is put off, the others go on."""
    applied = 0
    while True:
        now = services.now()
        events = services.database.write(partial(due_events, kinds=FOLLOW_KINDS, now=now, limit=_BATCH))
        for event in events:
            applied += _follow_one(services, event)
        if len(events) < _BATCH:
            return applied


def _follow_one(services: Services, event: Event) -> bool:
    try:
        follow(services, event)
    except Exception as error:  # noqa: BLE001 - the queue rim: one event must not hold up those behind it
        trace = trace_of(event.traceparent)
        is_kept = services.write(
            lambda session: postpone(session, event, now=services.now()), trace=trace, tenant_id=event.tenant_id
        )
        level = log.warning if is_kept else log.error
        level(
            "follow_put_off" if is_kept else "follow_given_up",
            event_id=str(event.id),
            code=error.code if isinstance(error, Failure) else "unexpected",
            error=None if isinstance(error, Failure) else error,
            trace_id=trace.trace_id,
        )
        return False
    return True


def follow(services: Services, event: Event) -> None:
    """Applies one change; a second run of the same event changes nothing.

    An installation that is not active can be asked nothing, and so nothing is believed of it.
    """
    assert isinstance(event.about, ChangedContent)  # noqa: S101 - the kinds asked for hold nothing else
    changed = event.about
    installation = services.tenants.by_id(event.tenant_id)
    found: Content | None = None
    parent: Content | None = None
    is_active = installation is not None and installation.is_active
    if installation is not None and is_active:
        actor = _actor(services, event.tenant_id, changed)
        found = _read(services, installation, actor, changed.content_id)
        if found is not None and found.type == services.confluence.type_of("answer"):
            parent = _read(services, installation, actor, ContentId(found.container_id))

    def apply(session: Session) -> None:
        if take(session, event, now=services.now()) and is_active:
            _apply(services, session, event.tenant_id, changed, found, parent)

    services.write(apply, trace=trace_of(event.traceparent), tenant_id=event.tenant_id)
    if is_active and found is None and changed.change not in _GONE:
        log.info("follow_unseen", event_id=str(event.id), kind=changed.change)


def _actor(services: Services, tenant_id: TenantId, changed: ChangedContent) -> AccountId | None:
    if changed.actor_ref is None:
        return None
    statement = select_rows(tenant_id, AccountRow.atlassian_account_id).where(
        AccountRow.account_ref == changed.actor_ref
    )
    actor: AccountId | None = services.read(lambda session: session.scalar(statement), tenant_id=tenant_id)
    return actor


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
    if found.type == services.confluence.type_of("question"):
        register_question(session, tenant_id, found, now=now)
        if changed.change == "permissions_updated":
            guard_question(session, tenant_id, found.id)
    elif found.type == services.confluence.type_of("answer") and parent is not None:
        if not _is_registered(session, tenant_id, parent.id):
            register_question(session, tenant_id, parent, now=now)
        register_answer(session, tenant_id, parent.id, found, now=now)


def _is_registered(session: Session, tenant_id: TenantId, question_id: ContentId) -> bool:
    return session.scalar(select_rows(tenant_id, Question.id).where(Question.id == question_id)) is not None
