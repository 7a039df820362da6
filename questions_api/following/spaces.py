"""Following spaces: which of those with questions Confluence shows, and which are archived or gone.

A space that the app is not shown is looked for as people who asked there: only what none of them is shown is
missing. Its rows then wait thirty days (`questions_api.following.forgetting`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.confluence import Caller, SpaceFacts
from lib.events import Event
from lib.outbox import take
from lib.principal import AccountId, SpaceId, TenantId
from lib.services import Services
from lib.spaces import SpaceStatus, known_spaces, set_space_status
from lib.sql import select_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, Installation
from questions_api.model import Question

_WITNESSES = 3
"""How many of those who asked in a space are asked for it: the first may have left."""
_LOOKED_AT = 50
_STATUSES = {"current": SpaceStatus.CURRENT, "archived": SpaceStatus.ARCHIVED}


def follow_spaces(services: Services, installation: Installation, event: Event) -> None:
    """Applies what Confluence says now of all spaces; a second run changes nothing."""
    tenant_id = installation.tenant_id
    statuses = read_statuses(services, installation)

    def apply(session: Session) -> None:
        if take(session, event, now=services.now()):
            _apply(session, tenant_id, statuses, now=services.now())

    services.write(apply, trace=trace_of(event.traceparent), tenant_id=tenant_id)
    services.spaces.forget(tenant_id)


def bring_up_to_date(services: Services, installation: Installation) -> dict[SpaceId, SpaceStatus]:
    """The same without an event: what Confluence says now, written down."""
    tenant_id = installation.tenant_id
    statuses = read_statuses(services, installation)
    services.database.write(partial(_apply, tenant_id=tenant_id, statuses=statuses, now=services.now()))
    services.spaces.forget(tenant_id)
    return statuses


def _apply(session: Session, tenant_id: TenantId, statuses: dict[SpaceId, SpaceStatus], *, now: datetime) -> None:
    for space_id, status in statuses.items():
        set_space_status(session, tenant_id, space_id, status, now=now)


def read_statuses(services: Services, installation: Installation) -> dict[SpaceId, SpaceStatus]:
    """What Confluence says now of the spaces we know; those about which nobody could be asked are left out."""
    tenant_id = installation.tenant_id
    known = services.read(partial(known_spaces, tenant_id=tenant_id), tenant_id=tenant_id)
    facts = services.confluence.spaces(Caller(installation, None), known)
    absent = [space_id for space_id in known if space_id not in facts]
    askers = services.read(partial(_askers, tenant_id=tenant_id, space_ids=absent), tenant_id=tenant_id)
    facts |= _seen_by_people(services, installation, askers)
    statuses = {space_id: _STATUSES[found.status] for space_id, found in facts.items() if found.status in _STATUSES}
    return statuses | {space_id: SpaceStatus.MISSING for space_id in askers if space_id not in facts}


def _seen_by_people(
    services: Services, installation: Installation, askers: dict[SpaceId, list[AccountId]]
) -> dict[SpaceId, SpaceFacts]:
    found: dict[SpaceId, SpaceFacts] = {}
    for turn in range(_WITNESSES):
        unseen: dict[AccountId, list[SpaceId]] = defaultdict(list)
        for space_id, people in askers.items():
            if space_id not in found and turn < len(people):
                unseen[people[turn]].append(space_id)
        for account_id, space_ids in unseen.items():
            found |= services.confluence.spaces(Caller(installation, account_id), space_ids)
    return found


def _askers(session: Session, tenant_id: TenantId, space_ids: Sequence[SpaceId]) -> dict[SpaceId, list[AccountId]]:
    """Who asked last in each of the spaces; a space in which nobody ever asked is left out."""
    found: dict[SpaceId, list[AccountId]] = {}
    for space_id in space_ids:
        rows = session.execute(
            select_rows(tenant_id, Question.id, AccountRow.atlassian_account_id, only=Question)
            .outerjoin(
                AccountRow,
                and_(AccountRow.tenant_id == Question.tenant_id, AccountRow.account_ref == Question.author_ref),
            )
            .where(Question.space_id == space_id)
            .order_by(Question.created_at.desc(), Question.id.desc())
            .limit(_LOOKED_AT)
        ).all()
        if rows:
            people = dict.fromkeys(row.atlassian_account_id for row in rows if row.atlassian_account_id is not None)
            found[space_id] = list(people)[:_WITNESSES]
    return found
