"""Following Confluence: what its webhooks reported is read again and applied to our rows.

A webhook is a hint. The item is read as the app and, where the app cannot see it, as the person who acted;
what neither can see is not registered (docs/architecture.md, "Where things live").
"""

import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from functools import partial

from sqlalchemy.orm import Session

from lib.confluence import Caller, Content
from lib.errors import Failure, Unavailable
from lib.events import FOLLOW_KINDS, ChangedContent, Event
from lib.log import Log
from lib.outbox import claim, due_events, postpone, put_off_all, take
from lib.principal import AccountId, ContentId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, Installation, InstallationState
from questions_api.model import Question
from questions_api.posts import guard_question, register_answer, register_question, remove_post

_BATCH = 50
_BUDGET_S = 60.0
"""A run ends well before the host's limit of five minutes."""

_AWAY, _AWAY_AT_MOST = timedelta(seconds=30), timedelta(hours=1)
"""How long a site that cannot be asked is left alone: doubled each time, and never given up."""
_GONE = ("trashed", "removed")

log = Log("questions_api.following")


def follow_changes(services: Services, clock: Callable[[], float] = time.monotonic) -> int:
    """Applies the changes that are due, for a minute at most; the count applied.

    What is left is found by the next run. A change that fails is put off and the others go on; where a site's
    Confluence is away, all that the site has waiting is put off, so that it holds up nobody else.
    """
    applied, started = 0, clock()
    while clock() - started < _BUDGET_S:
        due = partial(due_events, kinds=FOLLOW_KINDS, now=services.now(), limit=_BATCH)
        events = services.database.write(due)
        away: set[TenantId] = set()
        for event in events:
            if event.tenant_id in away or clock() - started >= _BUDGET_S:
                continue
            outcome = _follow_one(services, event)
            applied += outcome is _Outcome.APPLIED
            if outcome is _Outcome.AWAY:
                away.add(event.tenant_id)
        if len(events) < _BATCH:
            break
    return applied


class _Outcome(Enum):
    APPLIED = "applied"
    NOTHING = "nothing"
    """Somebody else has it, or it failed and is put off."""
    AWAY = "away"
    """The site cannot be asked now."""


def _follow_one(services: Services, event: Event) -> _Outcome:
    if not services.database.write(partial(claim, event=event, now=services.now())):
        return _Outcome.NOTHING
    trace = trace_of(event.traceparent)
    try:
        is_followed = follow(services, event)
    except Unavailable as error:
        log.warning("follow_site_away", event_id=str(event.id), code=error.code, trace_id=trace.trace_id)
        is_followed = False
    except Exception as error:  # noqa: BLE001 - the queue rim: one event must not hold up those behind it
        is_kept = services.database.write(partial(postpone, event=event, now=services.now()))
        level = log.warning if is_kept else log.error
        level(
            "follow_put_off" if is_kept else "follow_given_up",
            event_id=str(event.id),
            code=error.code if isinstance(error, Failure) else "unexpected",
            error=None if isinstance(error, Failure) else error,
            trace_id=trace.trace_id,
        )
        return _Outcome.NOTHING
    if not is_followed:
        until = services.now() + min(_AWAY * 2**event.attempts, _AWAY_AT_MOST)
        services.database.write(partial(put_off_all, claimed=event, kinds=FOLLOW_KINDS, until=until))
        return _Outcome.AWAY
    return _Outcome.APPLIED


def follow(services: Services, event: Event) -> bool:
    """Applies one change; a second run of the same event changes nothing. False when the site is disabled.

    A disabled site can be asked nothing now and may be enabled again; of one that has left nothing is believed.
    """
    assert isinstance(event.about, ChangedContent)  # noqa: S101 - the kinds asked for hold nothing else
    changed = event.about
    installation = services.tenants.by_id(event.tenant_id)
    if installation is not None and installation.state is InstallationState.DISABLED:
        return False
    trace = trace_of(event.traceparent)
    if installation is None or not installation.is_active:
        services.write(partial(take, event=event, now=services.now()), trace=trace)
        return True
    if changed.change == "permissions_updated":
        # Before anything is read: the flag only adds checks, and reading may take a while or be refused.
        guard = partial(guard_question, tenant_id=event.tenant_id, question_id=changed.content_id)
        services.write(guard, trace=trace, tenant_id=event.tenant_id)
    found, parent = _read_with_parent(services, installation, changed)

    def apply(session: Session) -> None:
        if take(session, event, now=services.now()):
            _apply(services, session, event.tenant_id, changed, found, parent)

    services.write(apply, trace=trace, tenant_id=event.tenant_id)
    if found is None and changed.change not in _GONE:
        log.info("follow_unseen", event_id=str(event.id), kind=changed.change)
    return True


def _read_with_parent(
    services: Services, installation: Installation, changed: ChangedContent
) -> tuple[Content | None, Content | None]:
    """The item, and for an answer the question it belongs to, as far as they can be seen."""
    actor = _actor(services, installation.tenant_id, changed)
    found = _read(services, installation, actor, changed.content_id)
    if found is None or found.type != services.confluence.type_of("answer"):
        return found, None
    parent = _read(services, installation, actor, ContentId(found.container_id))
    is_question = parent is not None and parent.type == services.confluence.type_of("question")
    return found, parent if is_question else None


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
    # Only "restored" brings a removed post back: another change may have been read before the removal.
    may_revive = changed.change == "restored"
    if found.type == services.confluence.type_of("question"):
        register_question(session, tenant_id, found, may_revive=may_revive, now=now)
        if changed.change == "permissions_updated":
            guard_question(session, tenant_id, found.id)
    elif found.type == services.confluence.type_of("answer") and parent is not None:
        if not _is_registered(session, tenant_id, parent.id):
            if parent.status != "current":
                return
            register_question(session, tenant_id, parent, may_revive=False, now=now)
        register_answer(session, tenant_id, parent.id, found, may_revive=may_revive, now=now)


def _is_registered(session: Session, tenant_id: TenantId, question_id: ContentId) -> bool:
    return session.scalar(select_rows(tenant_id, Question.id).where(Question.id == question_id)) is not None
