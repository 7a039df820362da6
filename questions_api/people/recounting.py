"""The nightly recount: every counter of every site is compared with the facts, and repaired where it has drifted.

Small batches in the order of ids or keys; a run that has used up its time says where it stopped, and the next one,
which a queue message asks for, goes on there. Nothing is locked or written unless something looks wrong.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lib.errors import Failure
from lib.log import Log
from lib.principal import ContentId, SpaceId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.tenancy import InstallationRow, InstallationState
from questions_api.model import Question
from questions_api.people.drift import Drift, find_suspects, repair
from questions_api.people.standing_drift import (
    BEFORE_ALL,
    Key,
    find_standing_suspects,
    next_space,
    repair_standings,
)
from questions_api.people.tag_drift import find_tag_suspects, repair_tags
from questions_api.tags.model import Tag

RECOUNT_QUEUE = "cq-recount"
BUDGET_S = 120.0
"""Well below the host's `functionTimeout`."""

_BATCH = 100

log = Log("questions_api.recounting")


class Step(StrEnum):
    """What is counted anew, in this order: standings after the contributions they are the sums of."""

    QUESTIONS = "questions"
    TAGS = "tags"
    STANDINGS = "standings"


_STEPS = tuple(Step)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a recount has come: the site, what of it, and the last id (of standings: space) that was looked at.

    With a key, the space has been looked at up to that standing only.
    """

    tenant_id: TenantId
    step: Step = Step.QUESTIONS
    after: int = 0
    key: Key | None = None

    def to_body(self) -> str:
        """The queue message that asks for the rest."""
        body: dict[str, object] = {
            "v": 1,
            "tenant": str(self.tenant_id),
            "step": self.step,
            "after": str(self.after),
        }
        if self.key is not None:
            body["key"] = [str(part) for part in self.key]
        return json.dumps(body)


START = Position(TenantId(0))


def read_position(body: bytes) -> Position | None:
    """What `to_body` made; None for anything else."""
    try:
        given = json.loads(body)
        key = None
        if "key" in given:
            tag_id, day, account_ref = given["key"]
            key = (int(tag_id), int(day), int(account_ref))
        return Position(TenantId(int(given["tenant"])), Step(given["step"]), int(given["after"]), key)
    except (KeyError, TypeError, ValueError):
        return None


def on_recount(services: Services, clock: Callable[[], float], body: bytes | None = None) -> str | None:
    """One run, from the start or from where the message says; the message that asks for the rest, if there is any."""
    position = START if body is None else read_position(body)
    if position is None:
        log.warning("queue_message_foreign", queue=RECOUNT_QUEUE)
        return None
    rest = recount(services, position, clock=clock)
    return None if rest is None else rest.to_body()


def recount(services: Services, position: Position, *, clock: Callable[[], float]) -> Position | None:
    """Recounts from the position on; where it stopped when the time was over, None at the end.

    A site that cannot be recounted now does not keep the others from it.
    """
    ends_at = clock() + BUDGET_S
    for tenant_id in services.read(partial(_sites, start=position.tenant_id)):
        start = position if tenant_id == position.tenant_id else Position(tenant_id)
        try:
            rest = recount_site(services, start, has_time=lambda: clock() < ends_at)
        except (Failure, SQLAlchemyError) as error:
            log.error("recount_failed", error=error, tenant=services.log_hash(tenant_id))
            continue
        if rest is not None:
            return rest
    return None


def _sites(session: Session, start: TenantId) -> list[TenantId]:
    """The sites whose data is in use; those that have left change no more."""
    found = session.scalars(
        select(InstallationRow.tenant_id)
        .where(
            InstallationRow.tenant_id >= start,
            InstallationRow.state.in_((InstallationState.ACTIVE, InstallationState.DISABLED)),
        )
        .order_by(InstallationRow.tenant_id)
    )
    return [TenantId(tenant_id) for tenant_id in found]


def recount_site(services: Services, position: Position, *, has_time: Callable[[], bool]) -> Position | None:
    """Recounts one site; `has_time` is asked before each batch."""
    tenant_id = position.tenant_id
    drifts: Counter[Drift] = Counter()
    at: Position | None = position
    try:
        for step in _STEPS[_STEPS.index(position.step) :]:
            at = at or Position(tenant_id, step)
            while at is not None:
                if not has_time():
                    return at
                found, at = _BATCHES[step](services, at)
                drifts.update(found)
    finally:
        for (table, counter), count in sorted(drifts.items()):
            tenant = services.log_hash(tenant_id)
            log.error("counter_drift", tenant=tenant, table=table, kind=counter, count=count)
    return None


Batch = tuple[list[Drift], Position | None]
"""What had drifted, and where the step goes on; None at its end."""


def _recount_questions(services: Services, at: Position) -> Batch:
    ids = [ContentId(one) for one in services.read(partial(_next_ids, at=at, key=Question.id))]
    suspects = services.read(partial(find_suspects, tenant_id=at.tenant_id, ids=ids)) if ids else None
    rest = _behind(at, ids)
    if not suspects:
        return [], rest
    return services.database.write(partial(repair, tenant_id=at.tenant_id, suspects=suspects)), rest


def _recount_tags(services: Services, at: Position) -> Batch:
    ids = services.read(partial(_next_ids, at=at, key=Tag.tag_id))
    suspects = services.read(partial(find_tag_suspects, tenant_id=at.tenant_id, ids=ids)) if ids else None
    rest = _behind(at, ids)
    if not suspects:
        return [], rest
    return services.database.write(partial(repair_tags, tenant_id=at.tenant_id, suspects=suspects)), rest


def _recount_standings(services: Services, at: Position) -> Batch:
    tenant_id, space_id = at.tenant_id, SpaceId(at.after)
    if at.key is None:
        following = services.read(partial(next_space, tenant_id=tenant_id, after=at.after))
        if following is None:
            return [], None
        space_id = following
    keys, key = services.read(
        partial(find_standing_suspects, tenant_id=tenant_id, space_id=space_id, after=at.key or BEFORE_ALL)
    )
    rest = Position(tenant_id, Step.STANDINGS, space_id, key)
    if not keys:
        return [], rest
    mend = partial(repair_standings, tenant_id=tenant_id, space_id=space_id, keys=keys)
    return services.database.write(mend), rest


_BATCHES: dict[Step, Callable[[Services, Position], Batch]] = {
    Step.QUESTIONS: _recount_questions,
    Step.TAGS: _recount_tags,
    Step.STANDINGS: _recount_standings,
}


def _next_ids(session: Session, at: Position, key: Any) -> list[int]:
    return list(session.scalars(select_rows(at.tenant_id, key).where(key > at.after).order_by(key).limit(_BATCH)))


def _behind(at: Position, ids: Sequence[int]) -> Position | None:
    return replace(at, after=ids[-1]) if len(ids) == _BATCH else None
