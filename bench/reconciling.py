"""Reconciling a site of 100,000 items: what it costs in points and time, and whether it repairs everything.

The use case runs as its timer would call it, every five minutes of a time that the bench sets, against a Confluence
in this process. One run is killed in the middle.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast, override

from bench.drift import Drift, Listed, drift_of, made, store
from bench.measuring import Report, is_quick
from bench.site import MeasuredSite, prepared
from lib.confluence import Caller, Confluence, Content
from lib.points import POOL, PointsBook
from lib.principal import TenantId
from lib.services import Services
from lib.sql import select_rows
from questions_api.following.model import PassKind, ReconcileRow
from questions_api.following.passes import read_passes
from questions_api.following.reconciling import POINTS_PER_RUN, reconcile
from questions_api.model import Answer, Question

_EVERY = timedelta(minutes=5)
_MOST_RUNS = 12 * 24 * 6
_FIRST_DAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
_ASKED_AT = _FIRST_DAY - timedelta(days=1000)
_KILLED_AT_PAGE = 10


class Killed(BaseException):
    """The process ends here, as far as the use case can tell."""


@dataclass(slots=True)
class Mortal(Listed):
    """Kills the process that asks for one page too many, once."""

    pages_left: int = _KILLED_AT_PAGE

    @override
    def pay(self, caller: Caller, objects: int) -> None:
        Listed.pay(self, caller, objects)
        self.pages_left -= 1
        if self.pages_left == 0:
            raise Killed


@dataclass(slots=True)
class Course:
    """What the runs have come to so far."""

    now: datetime = _FIRST_DAY
    runs: int = 0
    busy: int = 0
    """Runs that asked Confluence for anything."""
    kills: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    most_in_a_run: int = 0
    by_hour: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    passed_at: datetime | None = None
    """When the first walk over everything ended."""

    def seconds(self) -> float:
        return self.now.timestamp()

    @property
    def points(self) -> int:
        return sum(self.by_hour.values())


@dataclass(slots=True)
class Meter(PointsBook):
    """The app's own book, and the sum over all its hours."""

    whole: int = 0

    @override
    def spend(self, tenant_id: TenantId, objects: int, headers: Mapping[str, str]) -> None:
        self.whole += 1 + objects
        PointsBook.spend(self, tenant_id, objects, headers)


def _run(services: Services, course: Course, meter: Meter) -> None:
    """One firing of the timer."""
    before, wall, cpu = meter.whole, time.perf_counter(), time.process_time()
    try:
        reconcile(services)
    except Killed:
        course.kills += 1
    course.wall_s += time.perf_counter() - wall
    course.cpu_s += time.process_time() - cpu
    spent = meter.whole - before
    course.runs += 1
    course.busy += spent > 0
    course.most_in_a_run = max(course.most_in_a_run, spent)
    course.by_hour[int((course.now - _FIRST_DAY).total_seconds() // 3600)] += spent
    course.now += _EVERY


def _passes(site: MeasuredSite) -> list[ReconcileRow]:
    return list(site.services.database.read(partial(read_passes, tenant_id=site.tenant_id)))


def _differences(site: MeasuredSite, listed: Listed) -> int:
    """Live posts of ours that are not as Confluence has them, and items of Confluence that are none of ours."""
    questions = select_rows(site.tenant_id, Question.id, Question.space_id).where(Question.deleted_at.is_(None))
    answers = (
        select_rows(site.tenant_id, Answer.id, Answer.question_id, only=Answer)
        .join(Question, (Question.tenant_id == Answer.tenant_id) & (Question.id == Answer.question_id))
        .where(Answer.deleted_at.is_(None), Question.deleted_at.is_(None))
    )
    with site.services.database.engine.connect() as connection:
        ours = {(int(row[0]), int(row[1])) for row in connection.execute(questions)}
        ours |= {(int(row[0]), int(row[1])) for row in connection.execute(answers)}

    def told(item: Content) -> tuple[int, int]:
        return int(item.id), int(item.space_id if item.container_kind == "space" else item.container_id)

    theirs = {told(item) for kind in listed.items.values() for item in kind.values()}
    return len(ours ^ theirs)


def _walk(site: MeasuredSite, listed: Listed, meter: Meter, course: Course) -> dict[PassKind, ReconcileRow]:
    """Runs until nothing differs; the passes over everything as they stood when they ended first."""
    services = replace(site.services, confluence=cast("Confluence", listed), now=lambda: course.now)
    ended: dict[PassKind, ReconcileRow] = {}
    while course.runs < _MOST_RUNS:
        _run(services, course, meter)
        if len(ended) < 2:
            rows = {PassKind(row.pass_kind): row for row in _passes(site)}
            whole = (PassKind.ALL_QUESTIONS, PassKind.ALL_ANSWERS)
            ended |= {
                kind: rows[kind] for kind in whole if kind in rows and rows[kind].finished_at and kind not in ended
            }
            course.passed_at = course.now if len(ended) == 2 else None
        elif course.runs % 12 == 0 and not _differences(site, listed):
            break
    return ended


def _print(report: Report, items: int, course: Course, ended: dict[PassKind, ReconcileRow]) -> None:
    header = ("first pass over everything", "checked", "registered", "updated", "removed", "points")
    figures = ("checked", "registered", "updated", "removed", "points")
    rows = [(kind.value, *(f"{getattr(row, name):,}" for name in figures)) for kind, row in ended.items()]
    report.table(header, rows)
    passed = (course.passed_at or course.now) - _FIRST_DAY
    lasted = course.now - _FIRST_DAY
    report.table(
        ("until nothing differs", ""),
        [
            ("items", f"{items:,}"),
            ("firings of the timer, of them at work", f"{course.runs:,}, {course.busy:,}"),
            ("hours to the end of the first pass", f"{passed.total_seconds() / 3600:.1f}"),
            ("hours until what is missing was removed", f"{lasted.total_seconds() / 3600:.1f}"),
            ("points in all", f"{course.points:,}"),
            ("most points in a run", f"{course.most_in_a_run:,}"),
            ("most points in an hour", f"{max(course.by_hour.values()):,}"),
            ("wall seconds", f"{course.wall_s:.1f}"),
            ("CPU ms an item", f"{course.cpu_s * 1000 / items:.2f}"),
        ],
    )


def main() -> None:
    items = 2_000 if is_quick() else 100_000
    drift = drift_of(items)
    with Report("reconciling", "Reconciling a site") as report, prepared("reconciling") as site:
        logging.getLogger("questions_api.reconciling").setLevel(logging.WARNING)
        # A repair wakes the relay; without a queue service each wake would leave a warning among the figures.
        site.stack.start_one("queues")
        site.stack.wait_for("queues")
        course = Course()
        meter = Meter(course.seconds)
        confluence, questions, answers = made(items, drift, meter, _ASKED_AT)
        listed = Mortal(confluence.points, confluence.items, confluence.restricted)
        store(site.services.database, site.tenant_id, questions, answers)
        before = _differences(site, listed)
        ended = _walk(site, listed, meter, course)
        left = _differences(site, listed)
        _print(report, items, course, ended)
        _judge(report, drift, course, before=before, left=left)


def _judge(report: Report, drift: Drift, course: Course, *, before: int, left: int) -> None:
    report.note(
        f"made to differ: {drift.lost_questions} questions and {drift.lost_answers} answers we were not told of,"
        f" {drift.moved} moved, {drift.removed_questions} and {drift.removed_answers} removed;"
        f" {drift.restricted} questions that only their authors may see"
    )
    report.budget("everything is repaired", f"{left:,} of {before:,} differences left", is_met=left == 0)
    said = f"{course.kills} run killed in the middle, the next ones went on"
    report.budget("resumes", said, is_met=course.kills == 1 and left == 0)
    most = course.most_in_a_run
    report.budget(f"≤ {POINTS_PER_RUN:,} points a run", f"{most:,}", is_met=most <= POINTS_PER_RUN)
    most = max(course.by_hour.values())
    report.budget(f"≤ {POOL:,} points an hour", f"{most:,}", is_met=most <= POOL)


if __name__ == "__main__":
    main()
