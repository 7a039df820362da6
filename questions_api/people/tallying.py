"""Tallying: points follow votes, acceptances, tags, spaces and removals, a moment after them.

Whatever changes what a question has earned appends `TALLY_DUE` in its own transaction. The tally locks the
question, works out what it has earned from the facts and applies the difference to `Standing`: running it
twice, late or at once with another gives the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from lib.errors import Unavailable
from lib.events import TALLY_KINDS, Event, Subject
from lib.log import Log
from lib.outbox import due_events, finish
from lib.principal import ContentId, SpaceId, TenantId
from lib.queues import TALLY_QUEUE
from lib.services import Services
from lib.sql import delete_bound, insert_bound, rows_changed, run_bound, update_bound
from lib.tenancy import InstallationRow, InstallationState
from questions_api.people.facts import (
    ContributionKey,
    Earned,
    contributions_of,
    held_contributions,
    read_earnings,
)
from questions_api.people.model import EVER, Contribution, Standing
from questions_api.posts import lock_question

_BATCH = 200
_MAX_BATCHES = 20
"""What one run takes before it lets its wake go and asks for another."""

StandingKey = tuple[SpaceId, int, int, int]
"""Space, tag, day and account reference."""

_OF_CONTRIBUTION = (
    Contribution.question_id == bindparam("of_question"),
    Contribution.tag_id == bindparam("of_tag"),
    Contribution.account_ref == bindparam("of_account"),
    Contribution.day == bindparam("on_day"),
)
_ADD_CONTRIBUTION = insert_bound(Contribution)
_CHANGE_CONTRIBUTION = (
    update_bound(Contribution)
    .where(*_OF_CONTRIBUTION)
    .values(space_id=bindparam("in_space"), points=bindparam("to_points"))
)
_DROP_CONTRIBUTION = delete_bound(Contribution).where(*_OF_CONTRIBUTION)

_OF_STANDING = (
    Standing.space_id == bindparam("in_space"),
    Standing.tag_id == bindparam("of_tag"),
    Standing.day == bindparam("on_day"),
    Standing.account_ref == bindparam("of_account"),
)
_ADD_STANDING = insert_bound(Standing)
_STEP_STANDING = update_bound(Standing).where(*_OF_STANDING).values(points=Standing.points + bindparam("step"))
_DROP_STANDING = delete_bound(Standing).where(*_OF_STANDING, Standing.points == literal_column("0"))

log = Log("questions_api.tallying")


def on_tally(services: Services) -> None:
    """Tallies what is due; what a neighbour's absence leaves undone is found by the sweep."""
    try:
        tally_due(services)
    except Unavailable as error:
        log.warning("tally_put_off", code=error.code)


def tally_due(services: Services) -> int:
    """Tallies every question with an event that is due; the number of events finished."""
    finished = 0
    for _ in range(_MAX_BATCHES):
        taken = services.database.write(partial(tally_batch, now=services.now()))
        finished += taken
        if taken < _BATCH:
            return finished
    services.waker.wake(TALLY_QUEUE, None)
    return finished


def tally_batch(session: Session, now: datetime) -> int:
    events = due_events(session, TALLY_KINDS, now=now, limit=_BATCH)
    for tenant_id, of_tenant in groupby(sorted(events, key=_tenant), key=_tenant):
        # A site that is being purged gets no new rows: they would outlive those they refer to.
        if _is_kept(session, tenant_id):
            tally(session, tenant_id, {_question(event) for event in of_tenant})
    finish(session, events, now=now)
    return len(events)


def _tenant(event: Event) -> TenantId:
    return event.tenant_id


def _question(event: Event) -> ContentId:
    assert isinstance(event.about, Subject)  # noqa: S101 - the kinds asked for hold nothing else
    return event.about.question_id


def _is_kept(session: Session, tenant_id: TenantId) -> bool:
    state = session.scalar(select(InstallationRow.state).where(InstallationRow.tenant_id == tenant_id))
    return state is not None and state != InstallationState.PURGING


def tally(session: Session, tenant_id: TenantId, questions: Iterable[ContentId]) -> int:
    """Makes contributions and standings what the questions' facts call for; how many contributions changed.

    The questions are locked in the order of their ids, and standings written in the order of their keys, so that
    two tallies wait for each other instead of standing in each other's way.
    """
    ids = [question_id for question_id in sorted(questions) if lock_question(session, tenant_id, question_id)]
    if not ids:
        return 0
    wanted = contributions_of(read_earnings(session, tenant_id, ids))
    held = held_contributions(session, tenant_id, ids)
    changed = sorted(key for key in held.keys() | wanted.keys() if held.get(key) != wanted.get(key))
    for key in changed:
        _store(session, tenant_id, key, held.get(key), wanted.get(key))
    for standing, step in sorted(_steps(changed, held, wanted).items()):
        if step:
            _step(session, tenant_id, standing, step)
    return len(changed)


def _steps(
    changed: Sequence[ContributionKey], held: dict[ContributionKey, Earned], wanted: dict[ContributionKey, Earned]
) -> Counter[StandingKey]:
    """By how much each standing moves (pure): what was earned goes, what is earned comes, by day and for ever."""
    steps: Counter[StandingKey] = Counter()
    for side, sign in ((held, -1), (wanted, 1)):
        for key in changed:
            if key in side:
                _, tag_id, account_ref, day = key
                space_id, points = side[key]
                for of_day in (day, EVER):
                    steps[space_id, tag_id, of_day, account_ref] += sign * points
    return steps


def _store(
    session: Session, tenant_id: TenantId, key: ContributionKey, held: Earned | None, wanted: Earned | None
) -> None:
    question_id, tag_id, account_ref, day = key
    which: dict[str, Any] = {
        "of_tenant": tenant_id,
        "of_question": question_id,
        "of_tag": tag_id,
        "of_account": account_ref,
        "on_day": day,
    }
    if wanted is None:
        run_bound(session, _DROP_CONTRIBUTION, which)
        return
    space_id, points = wanted
    if held is not None:
        run_bound(session, _CHANGE_CONTRIBUTION, {**which, "in_space": space_id, "to_points": points})
        return
    row = {
        "tenant_id": tenant_id,
        "question_id": question_id,
        "tag_id": tag_id,
        "account_ref": account_ref,
        "day": day,
        "space_id": space_id,
        "points": points,
    }
    run_bound(session, _ADD_CONTRIBUTION, row)


def _step(session: Session, tenant_id: TenantId, key: StandingKey, step: int) -> None:
    """Moves a standing by a step. Of two who make the same row at once one collides on the key and starts over."""
    space_id, tag_id, day, account_ref = key
    which: dict[str, Any] = {
        "of_tenant": tenant_id,
        "in_space": space_id,
        "of_tag": tag_id,
        "on_day": day,
        "of_account": account_ref,
    }
    if rows_changed(run_bound(session, _STEP_STANDING, {**which, "step": step})) == 1:
        if step < 0:
            run_bound(session, _DROP_STANDING, which)
        return
    row = {
        "tenant_id": tenant_id,
        "space_id": space_id,
        "tag_id": tag_id,
        "day": day,
        "account_ref": account_ref,
        "points": step,
    }
    run_bound(session, _ADD_STANDING, row)
