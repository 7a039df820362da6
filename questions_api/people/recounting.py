"""The nightly recount: every counter of every site is compared with the facts, and repaired where it has drifted.

Small batches in the order of ids; a run that has used up its time says where it stopped, and the next one, which
a queue message asks for, goes on there.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lib.errors import Failure
from lib.log import Log
from lib.principal import ContentId, TenantId
from lib.services import Services
from lib.sql import select_rows
from lib.tenancy import InstallationRow, InstallationState
from questions_api.model import Question
from questions_api.people.drift import Drift, find_suspects, repair
from questions_api.people.tag_drift import find_tag_suspects, repair_tags
from questions_api.tags.model import Tag

RECOUNT_QUEUE = "cq-recount"
BUDGET_S = 120.0
"""Well below the host's `functionTimeout`."""

_BATCH = 100

log = Log("questions_api.recounting")


class Step(StrEnum):
    """What is counted anew, in this order."""

    QUESTIONS = "questions"
    TAGS = "tags"


_STEPS = tuple(Step)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a recount has come: the site, what of it, and the last id that was looked at."""

    tenant_id: TenantId
    step: Step = Step.QUESTIONS
    after: int = 0

    def to_body(self) -> str:
        """The queue message that asks for the rest."""
        return json.dumps({"v": 1, "tenant": str(self.tenant_id), "step": self.step, "after": str(self.after)})


START = Position(TenantId(0))


def read_position(body: bytes) -> Position | None:
    """What `to_body` made; None for anything else."""
    try:
        given = json.loads(body)
        return Position(TenantId(int(given["tenant"])), Step(given["step"]), int(given["after"]))
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
    tenant_id, after = position.tenant_id, position.after
    drifts: Counter[Drift] = Counter()
    try:
        for step in _STEPS[_STEPS.index(position.step) :]:
            while True:
                if not has_time():
                    return Position(tenant_id, step, after)
                ids = services.read(partial(_next_ids, tenant_id=tenant_id, step=step, after=after))
                drifts.update(_recount_batch(services, tenant_id, step, ids))
                if len(ids) < _BATCH:
                    break
                after = ids[-1]
            after = 0
    finally:
        for (table, counter), count in sorted(drifts.items()):
            tenant = services.log_hash(tenant_id)
            log.error("counter_drift", tenant=tenant, table=table, kind=counter, count=count)
    return None


def _next_ids(session: Session, tenant_id: TenantId, step: Step, after: int) -> list[int]:
    key = Question.id if step is Step.QUESTIONS else Tag.tag_id
    return list(session.scalars(select_rows(tenant_id, key).where(key > after).order_by(key).limit(_BATCH)))


def _recount_batch(services: Services, tenant_id: TenantId, step: Step, ids: list[int]) -> list[Drift]:
    """What had drifted in the batch. Nothing is locked or written unless something looks wrong."""
    if not ids:
        return []
    if step is Step.TAGS:
        tags = services.read(partial(find_tag_suspects, tenant_id=tenant_id, ids=ids))
        return services.database.write(partial(repair_tags, tenant_id=tenant_id, suspects=tags)) if tags else []
    questions = [ContentId(one) for one in ids]
    suspects = services.read(partial(find_suspects, tenant_id=tenant_id, ids=questions))
    return services.database.write(partial(repair, tenant_id=tenant_id, suspects=suspects)) if suspects else []
