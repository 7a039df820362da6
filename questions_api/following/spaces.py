"""Following spaces: which of those with questions Confluence shows, and which are archived or gone.

A space that the app is not shown is looked for as people who asked or answered there: only what none of them is
shown is missing. Its rows then wait thirty days (`questions_api.following.forgetting`).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import and_
from sqlalchemy.orm import Session

from lib.confluence import SpaceFacts
from lib.events import Event
from lib.outbox import take
from lib.principal import AccountId, SpaceId, TenantId
from lib.services import Services
from lib.spaces import SpaceStatus, known_spaces, set_space_status
from lib.sql import select_rows
from lib.telemetry import trace_of
from lib.tenancy import AccountRow, Installation
from questions_api.following.asking import Reader, in_turn
from questions_api.model import Answer, Question

_WITNESSES = 3
"""How many of those who asked in a space are asked for it, and of those who answered: the first may have left."""
_LOOKED_AT = 50
_STATUSES = {"current": SpaceStatus.CURRENT, "archived": SpaceStatus.ARCHIVED}


def follow_spaces(services: Services, installation: Installation, event: Event) -> None:
    """Applies what Confluence says now of all spaces; a second run changes nothing."""
    tenant_id = installation.tenant_id
    statuses = read_statuses(services, Reader(services.confluence, installation))

    def apply(session: Session) -> None:
        if take(session, event, now=services.now()):
            _apply(session, tenant_id, statuses, now=services.now())

    services.write(apply, trace=trace_of(event.traceparent), tenant_id=tenant_id)
    services.spaces.forget(tenant_id)


def bring_up_to_date(
    services: Services, installation: Installation, reader: Reader | None = None
) -> dict[SpaceId, SpaceStatus]:
    """The same without an event: what Confluence says now, written down. The reader counts what it costs."""
    tenant_id = installation.tenant_id
    statuses = read_statuses(services, reader or Reader(services.confluence, installation))
    services.database.write(partial(_apply, tenant_id=tenant_id, statuses=statuses, now=services.now()))
    services.spaces.forget(tenant_id)
    return statuses


def _apply(session: Session, tenant_id: TenantId, statuses: dict[SpaceId, SpaceStatus], *, now: datetime) -> None:
    for space_id, status in statuses.items():
        set_space_status(session, tenant_id, space_id, status, now=now)


def read_statuses(services: Services, reader: Reader) -> dict[SpaceId, SpaceStatus]:
    """What Confluence says now of the spaces we know.

    Those that the app is not shown and for which there is nobody to ask are left out: they stay what they are.
    """
    tenant_id = reader.installation.tenant_id
    known = services.read(partial(known_spaces, tenant_id=tenant_id), tenant_id=tenant_id)
    facts = reader.spaces(None, known)
    absent = [space_id for space_id in known if space_id not in facts]
    witnesses = services.read(partial(_witnesses, tenant_id=tenant_id, space_ids=absent), tenant_id=tenant_id)
    facts |= _seen_by_people(reader, witnesses)
    statuses = {space_id: _STATUSES[found.status] for space_id, found in facts.items() if found.status in _STATUSES}
    return statuses | {space_id: SpaceStatus.MISSING for space_id in witnesses if space_id not in facts}


def _seen_by_people(reader: Reader, witnesses: dict[SpaceId, tuple[AccountId, ...]]) -> dict[SpaceId, SpaceFacts]:
    found: dict[SpaceId, SpaceFacts] = {}
    for turn in range(max(map(len, witnesses.values()), default=0)):
        unseen: dict[AccountId, list[SpaceId]] = defaultdict(list)
        for space_id, people in witnesses.items():
            if space_id not in found and turn < len(people):
                unseen[people[turn]].append(space_id)
        for account_id, space_ids in unseen.items():
            found |= reader.spaces(account_id, space_ids)
    return found


def _witnesses(
    session: Session, tenant_id: TenantId, space_ids: Sequence[SpaceId]
) -> dict[SpaceId, tuple[AccountId, ...]]:
    """Who asked last in each of the spaces, then who answered last; a space where there is nobody is left out."""
    found: dict[SpaceId, tuple[AccountId, ...]] = {}
    for space_id in space_ids:
        asked = _authors(tenant_id, Question).where(Question.space_id == space_id)
        in_space = and_(Question.tenant_id == Answer.tenant_id, Question.id == Answer.question_id)
        given = _authors(tenant_id, Answer).join(Question, in_space).where(Question.space_id == space_id)
        people = in_turn(*_last(session, asked, Question), *_last(session, given, Answer))
        if people:
            found[space_id] = people
    return found


def _authors(tenant_id: TenantId, table: type[Question | Answer]) -> Any:
    return select_rows(tenant_id, AccountRow.atlassian_account_id, only=table).join(
        AccountRow, and_(AccountRow.tenant_id == table.tenant_id, AccountRow.account_ref == table.author_ref)
    )


def _last(session: Session, statement: Any, table: type[Question | Answer]) -> list[AccountId]:
    found = session.scalars(statement.order_by(table.created_at.desc(), table.id.desc()).limit(_LOOKED_AT))
    return list(dict.fromkeys(account_id for account_id in found if account_id is not None))[:_WITNESSES]
