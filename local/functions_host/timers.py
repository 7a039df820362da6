"""Timer triggers: one loop per function, so a timer never overlaps itself; status kept in a file.

Rule: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer, sections usage and attributes.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.functions_host.engine import Function, Result
from local.functions_host.schedules import Every, Schedule, next_occurrence

Invoke = Callable[[Function, Mapping[str, Any]], Awaitable[Result]]

# Below this interval the real host keeps no status, and so knows no missed occurrence.
_LEAST_MONITORED = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
# A wall clock may be set while we sleep; it is read again at least this often.
_LONGEST_SLEEP_S = 30.0

log = logging.getLogger("local.functions_host")


@dataclass(frozen=True, slots=True)
class TimerStatus:
    """`last` is datetime.min before the first run."""

    last: datetime
    next: datetime
    last_updated: datetime

    def as_json(self) -> dict[str, str]:
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.last_updated.isoformat(),
        }


def _utc_now() -> datetime:
    return datetime.now(UTC)


class TimerLoop:
    """`stop` prevents further runs; `run` returns once the run under way has ended."""

    def __init__(
        self,
        function: Function,
        schedule: Schedule,
        *,
        invoke: Invoke,
        status_dir: Path,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._invoke = invoke
        self._clock = clock
        self._path = status_dir / f"{function.name}.json"
        self._is_monitored = function.trigger.properties.get("useMonitor") is not False and is_monitorable(schedule)
        self._runs_on_startup = function.trigger.properties.get("runOnStartup") is True
        self._stop = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        is_past_due = self._is_monitored and self._check_past_due()
        if is_past_due or self._runs_on_startup:
            await self._execute(is_past_due=is_past_due)
        while not self._stop.is_set():
            due_at = following(self._schedule, self._clock())
            if await self._sleep_until(due_at):
                await self._execute(is_past_due=False)

    async def _sleep_until(self, due_at: datetime) -> bool:
        """True when the time has come, False when stopped before."""
        while (left_s := (due_at - self._clock()).total_seconds()) > 0:
            try:
                await asyncio.wait_for(self._stop.wait(), min(left_s, _LONGEST_SLEEP_S))
            except TimeoutError:
                continue
            return False
        return not self._stop.is_set()

    async def _execute(self, *, is_past_due: bool) -> None:
        started_at = self._clock()
        status = self._read() if self._is_monitored else None
        timer = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": None if status is None else status.as_json(),
            "IsPastDue": is_past_due,
        }
        await self._invoke(self._function, timer)
        if self._is_monitored:
            ended_at = self._clock()
            self._write(TimerStatus(started_at, following(self._schedule, ended_at), ended_at))

    def _check_past_due(self) -> bool:
        now = self._clock()
        status = self._read()
        if status is None:
            self._write(TimerStatus(_NEVER, following(self._schedule, now), now))
            return False
        if status.next != following(self._schedule, status.last_updated):
            # The schedule has changed since: what the old one promised is not owed any more.
            self._write(TimerStatus(status.last, following(self._schedule, now), now))
            return False
        return status.next < now

    def _read(self) -> TimerStatus | None:
        if not self._path.exists():
            return None
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            times = [datetime.fromisoformat(stored[name]) for name in ("Last", "Next", "LastUpdated")]
        except (ValueError, KeyError) as error:
            log.warning("%s: the timer status %s is not readable, %s", self._function.name, self._path, error)
            return None
        return TimerStatus(*times)

    def _write(self, status: TimerStatus) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Replaced in one step: a host killed half-way must not leave half a file.
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(status.as_json()), "utf-8")
        os.replace(draft, self._path)  # noqa: PTH105 - os.replace states the atomic step this relies on


def following(schedule: Schedule, after: datetime) -> datetime:
    """The next occurrence after an aware time, reckoned in the machine's local zone, as UTC."""
    if isinstance(schedule, Every):
        return after + schedule.interval
    local = after.astimezone().replace(tzinfo=None)
    while True:
        local = next_occurrence(schedule, local)
        # When clocks go back an hour occurs twice; the occurrence must still lie ahead.
        if (found := local.astimezone(UTC)) > after:
            return found


def is_monitorable(schedule: Schedule) -> bool:
    first = next_occurrence(schedule, datetime(2024, 1, 1))  # noqa: DTZ001 - schedules are reckoned in naive local time
    return next_occurrence(schedule, first) - first >= _LEAST_MONITORED
