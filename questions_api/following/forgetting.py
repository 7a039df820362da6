"""Forgetting a space that has been missing for thirty days: its questions with all that hangs on them, and itself.

Whoever may have been wrong about it is asked once more right before. Rows go in small transactions; a run that
is cut short goes on where it stopped. The text was Confluence's, and went with the space.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import batched
from typing import Any, cast

from sqlalchemy import and_, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lib.errors import Failure
from lib.log import Log
from lib.principal import ContentId, SpaceId, TenantId
from lib.services import Services
from lib.spaces import SpaceRow, SpaceStatus
from lib.sql import Row, TenantRow, across_tenants, delete_rows, rows_changed, select_rows, update_rows
from lib.tenancy import InstallationRow, InstallationState
from questions_api.following.spaces import bring_up_to_date
from questions_api.model import Answer, PostKind, Question
from questions_api.posts import lock_question
from questions_api.tags.model import QuestionTag, Tag
from questions_api.tags.tagging import count_tags
from questions_api.watches.model import Watch, WatchKind

KEPT = timedelta(days=30)
_BUDGET_S = 60.0
_BATCH = 50
_IDS = 500
"""Values in one condition: SQL Server takes 2,100 in a statement."""
_SPACES = 100
_EVER = 0
"""In place of a day, in standings: all of them."""

log = Log("questions_api.forgetting")


def forget_missing_spaces(services: Services, clock: Callable[[], float] = time.monotonic) -> int:
    """Forgets the spaces whose time is over, for a minute at most; the count forgotten."""
    ends_at, forgotten = clock() + _BUDGET_S, 0
    for tenant_id, space_ids in services.database.read(partial(_due, now=services.now())).items():
        tenant = services.log_hash(tenant_id)
        try:
            gone = _still_missing(services, tenant_id, space_ids)
            for space_id in gone:
                if not _forget(services, tenant_id, space_id, has_time=lambda: clock() < ends_at):
                    return forgotten
                forgotten += 1
                log.info("space_forgotten", tenant=tenant)
        except (Failure, SQLAlchemyError) as error:
            # A site that is away, or in trouble, must not keep the others from their turn.
            log.warning("space_not_forgotten", error=error, tenant=tenant)
    return forgotten


def _due(session: Session, *, now: datetime) -> dict[TenantId, list[SpaceId]]:
    # The timer looks at every installation: a missing space has nobody to look after it.
    statement = (
        select(SpaceRow.tenant_id, SpaceRow.space_id)
        .join(InstallationRow, InstallationRow.tenant_id == SpaceRow.tenant_id)
        .where(
            InstallationRow.state == InstallationState.ACTIVE,
            SpaceRow.status == SpaceStatus.MISSING,
            SpaceRow.missing_since <= now - KEPT,
        )
        .order_by(SpaceRow.missing_since)
        .limit(_SPACES)
    )
    found: dict[TenantId, list[SpaceId]] = {}
    for tenant_id, space_id in session.execute(across_tenants(statement)):
        found.setdefault(tenant_id, []).append(space_id)
    return found


def _still_missing(services: Services, tenant_id: TenantId, space_ids: Sequence[SpaceId]) -> list[SpaceId]:
    """Those of the spaces that Confluence still shows to nobody we ask; what it says of all others is followed."""
    installation = services.tenants.by_id(tenant_id)
    if installation is None or not installation.is_active:
        return []
    statuses = bring_up_to_date(services, installation)
    # A space whose questions are all gone already is not among the answers: an earlier run was cut short.
    return [space_id for space_id in space_ids if statuses.get(space_id, SpaceStatus.MISSING) is SpaceStatus.MISSING]


def _forget(services: Services, tenant_id: TenantId, space_id: SpaceId, *, has_time: Callable[[], bool]) -> bool:
    """Deletes the space's rows; False when there was no time for all of them."""
    after_id = 0
    while has_time():
        some = partial(_forget_some, tenant_id=tenant_id, space_id=space_id, after_id=after_id, now=services.now())
        after_id = services.database.write(some, tenant_id=tenant_id)
        if not after_id:
            services.database.write(partial(_forget_itself, tenant_id=tenant_id, space_id=space_id))
            services.spaces.forget(tenant_id)
            return True
    return False


def _forget_some(session: Session, tenant_id: TenantId, space_id: SpaceId, after_id: int, *, now: datetime) -> int:
    """Deletes some of the space's questions, by id; the last id deleted, or 0 when there are none left.

    What they add to counters goes with them and not with the space: one that comes back when it is half forgotten
    has counters that are right for what is left.
    """
    question_ids = list(
        session.scalars(
            select_rows(tenant_id, Question.id)
            .where(Question.space_id == space_id, Question.id > after_id)
            .order_by(Question.id)
            .limit(_BATCH)
        )
    )
    if not question_ids:
        return 0
    for question_id in question_ids:
        lock_question(session, tenant_id, question_id)
        count_tags(session, tenant_id, question_id, step=-1, now=now)
    answers = select_rows(tenant_id, Answer.id).where(Answer.question_id.in_(question_ids))
    for some in batched(session.scalars(answers).all(), _IDS, strict=False):
        _forget_subjects(session, tenant_id, PostKind.ANSWER, some)
    _forget_subjects(session, tenant_id, PostKind.QUESTION, question_ids)
    _forget_tags(session, tenant_id, question_ids)
    _forget_points(session, tenant_id, question_ids)
    watched = (Watch.target_kind == WatchKind.QUESTION, Watch.target_id.in_(question_ids))
    session.execute(delete_rows(tenant_id, Watch).where(*watched))
    duplicates = update_rows(tenant_id, Question).where(Question.duplicate_of.in_(question_ids))
    session.execute(duplicates.values(duplicate_of=None))
    for table in _tables():
        columns = _columns_of_question(table)
        if columns:
            hanging = or_(*(column.in_(question_ids) for column in columns))
            session.execute(delete_rows(tenant_id, table).where(hanging))
    session.execute(delete_rows(tenant_id, Question).where(Question.id.in_(question_ids)))
    last: int = question_ids[-1]
    return last


def _forget_subjects(session: Session, tenant_id: TenantId, kind: PostKind, ids: Sequence[ContentId]) -> None:
    """Deletes what is about these posts in tables that name a post by kind and id, or by id alone."""
    for table in _tables():
        named: Any = table
        if {"subject_kind", "subject_id"} <= set(table.__table__.columns.keys()):
            about = and_(named.subject_kind == kind, named.subject_id.in_(ids))
            session.execute(delete_rows(tenant_id, table).where(about))
        if "content_id" in table.__table__.columns:
            session.execute(delete_rows(tenant_id, table).where(named.content_id.in_(ids)))


def _forget_tags(session: Session, tenant_id: TenantId, question_ids: Sequence[ContentId]) -> None:
    """Takes the questions out of the site's counts of tags; the links go with all that hangs on a question."""
    borne = (
        select_rows(tenant_id, QuestionTag.tag_id, only=QuestionTag)
        .add_columns(func.count().label("times"))
        .where(QuestionTag.question_id.in_(question_ids))
        .group_by(QuestionTag.tag_id)
        .order_by(QuestionTag.tag_id)
    )
    for tag_id, times in session.execute(borne).all():
        used = update_rows(tenant_id, Tag).where(Tag.tag_id == tag_id)
        session.execute(used.values(use_count=Tag.use_count - times))


def _forget_points(session: Session, tenant_id: TenantId, question_ids: Sequence[ContentId]) -> None:
    """Takes what the questions have earned out of the standings; their contributions go with all that hangs on them.

    The order is that of tallies: some may have been earned in other spaces, where others tally at this moment.
    """
    tables = {table.__tablename__: table for table in _tables()}
    # By their names, because points stand beside following, not below it.
    contribution, standing = cast("Any", tables["contribution"]), cast("Any", tables["standing"])
    key = (contribution.space_id, contribution.tag_id, contribution.day, contribution.account_ref)
    earned = (
        select_rows(tenant_id, *key)
        .add_columns(func.sum(contribution.points).label("points"))
        .where(contribution.question_id.in_(question_ids))
        .group_by(*key)
    )
    steps: Counter[tuple[int, ...]] = Counter()
    for space_id, tag_id, day, account_ref, points in session.execute(earned):
        for of_day in (day, _EVER):
            steps[space_id, tag_id, of_day, account_ref] += points
    columns = (standing.space_id, standing.tag_id, standing.day, standing.account_ref)
    for values, points in sorted(steps.items()):
        mine = [column == value for column, value in zip(columns, values, strict=True)]
        # A standing of which nothing is left goes.
        gone = session.execute(delete_rows(tenant_id, standing).where(*mine, standing.points == points))
        if rows_changed(gone) != 1:
            stepped = update_rows(tenant_id, standing).where(*mine)
            session.execute(stepped.values(points=standing.points - points))


def _forget_itself(session: Session, tenant_id: TenantId, space_id: SpaceId) -> None:
    """Deletes what is left of the space when its questions are gone: settings, uses of tags, points, watches."""
    watched = (Watch.target_kind == WatchKind.SPACE, Watch.target_id == space_id)
    session.execute(delete_rows(tenant_id, Watch).where(*watched))
    for table in _tables():
        if "space_id" in table.__table__.columns and table is not Question:
            named: Any = table
            session.execute(delete_rows(tenant_id, table).where(named.space_id == space_id))


def _tables() -> Iterator[type[TenantRow]]:
    """Every table of installations, by the metadata: one that is added later is not forgotten to be emptied."""
    for mapper in sorted(Row.registry.mappers, key=lambda mapper: mapper.class_.__tablename__):
        if issubclass(mapper.class_, TenantRow):
            yield mapper.class_


def _columns_of_question(table: type[TenantRow]) -> list[Any]:
    """The table's columns that refer to a question."""
    return [
        getattr(table, key.parent.name)
        for key in table.__table__.foreign_keys
        if key.column is Question.__table__.columns["id"]
    ]
