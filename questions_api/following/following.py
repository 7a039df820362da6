"""Following Confluence: what its webhooks reported is read again and applied to our rows.

A webhook is a hint. The item is read as the app and, where the app cannot see it, as the person who acted;
what neither can see is not registered (docs/architecture.md, "Where things live"). Which is which: `contents`,
`containers`, `spaces`.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from functools import partial

from lib.errors import Failure, Unavailable
from lib.events import FOLLOW_KINDS, ChangedContainer, ChangedContent, ChangedSpaces, Event
from lib.log import Log
from lib.outbox import claim, due_events, postpone, put_off_all, take
from lib.principal import TenantId
from lib.services import Services
from lib.telemetry import trace_of
from lib.tenancy import InstallationState
from questions_api.following.containers import follow_container
from questions_api.following.contents import follow_content
from questions_api.following.spaces import follow_spaces

_BATCH = 50
_BUDGET_S = 60.0
"""A run ends well before the host's limit of five minutes."""

_AWAY, _AWAY_AT_MOST = timedelta(seconds=30), timedelta(hours=1)
"""How long a site that cannot be asked is left alone: doubled each time, and never given up."""

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
    installation = services.tenants.by_id(event.tenant_id)
    if installation is not None and installation.state is InstallationState.DISABLED:
        return False
    if installation is None or not installation.is_active:
        services.write(partial(take, event=event, now=services.now()), trace=trace_of(event.traceparent))
        return True
    match event.about:
        case ChangedContent() as content:
            follow_content(services, installation, event, content)
        case ChangedContainer() as container:
            follow_container(services, installation, event, container)
        case ChangedSpaces():
            follow_spaces(services, installation, event)
        case _:
            raise AssertionError("the kinds asked for hold nothing else")
    return True
