"""NCRONTAB and time spans, and the timer loop with its status file."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.functions_host.engine import Binding, Function, Result
from local.functions_host.host_json import HostConfigurationError
from local.functions_host.schedules import next_occurrence, parse_schedule
from local.functions_host.timers import TimerLoop, following, is_monitorable


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 */5 * * * *", "2026-11-23T10:00:00", "2026-11-23T10:05:00"),
        ("0 */5 * * * *", "2026-11-23T10:04:59", "2026-11-23T10:05:00"),
        ("*/30 * * * * *", "2026-11-23T10:00:00.5", "2026-11-23T10:00:30"),
        ("*/30 * * * * *", "2026-11-23T23:59:30", "2026-11-24T00:00:00"),
        ("0 30 9 * * 1-5", "2026-11-20T09:30:00", "2026-11-23T09:30:00"),
        ("0 30 9 * * Mon-Fri", "2026-11-21T00:00:00", "2026-11-23T09:30:00"),
        ("0 0 0 1 Jan *", "2026-11-23T10:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 31 * *", "2026-02-01T00:00:00", "2026-03-31T00:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 0", "2026-01-01T00:00:00", "2032-02-29T00:00:00"),
        ("0 0 0 13 * 5", "2026-11-14T00:00:00", "2027-08-13T00:00:00"),
        ("0 0 9-17/4 * * *", "2026-11-23T09:00:00", "2026-11-23T13:00:00"),
        ("0 0 5/6 * * *", "2026-11-23T17:00:00", "2026-11-23T23:00:00"),
        ("0 10,40 * * * *", "2026-11-23T10:10:00", "2026-11-23T10:40:00"),
        ("15 0 0 * * SUN,Wed", "2026-11-23T00:00:00", "2026-11-25T00:00:15"),
        ("*/5 * * * *", "2026-11-23T10:00:00", "2026-11-23T10:05:00"),
        ("00:00:30", "2026-11-23T10:00:00", "2026-11-23T10:00:30"),
        ("1.02:00:00", "2026-11-23T10:00:00", "2026-11-24T12:00:00"),
        ("24:00:00", "2026-11-01T00:00:00", "2026-11-25T00:00:00"),
    ],
)
def test_next_occurrence(expression: str, after: str, expected: str) -> None:
    found = next_occurrence(parse_schedule(expression), datetime.fromisoformat(after))
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "0 * * *",
        "60 * * * * *",
        "0 0 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 * 13 *",
        "0 0 0 * * 7",
        "0 0 0 * foo *",
        "0 5-1 * * * *",
        "0 */0 * * * *",
        "0 a * * * *",
        "0 ? * * * *",
        "0 0 0 L * *",
        "00:00:00",
        "soon",
    ],
)
def test_schedules_that_are_refused(expression: str) -> None:
    with pytest.raises(HostConfigurationError):
        parse_schedule(expression)


def test_a_date_that_never_comes_is_refused() -> None:
    with pytest.raises(HostConfigurationError):
        next_occurrence(parse_schedule("0 0 0 30 2 *"), datetime.fromisoformat("2026-01-01"))


def test_only_schedules_of_a_minute_or_more_are_monitored() -> None:
    monitored = {text: is_monitorable(parse_schedule(text)) for text in ("0 * * * * *", "*/30 * * * * *", "00:00:59")}
    assert monitored == {"0 * * * * *": True, "*/30 * * * * *": False, "00:00:59": False}


HOURLY = "0 0 * * * *"
NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


class Recorder:
    """A timer function that keeps what it was given and stops its loop after enough runs."""

    def __init__(self, *, runs: int, takes_s: float = 0) -> None:
        self.runs = runs
        self.takes_s = takes_s
        self.given: list[Mapping[str, Any]] = []
        self.running = 0
        self.loop: TimerLoop | None = None

    async def __call__(self, function: Function, timer: Mapping[str, Any]) -> Result:
        assert function.name == "nightly"
        self.running += 1
        assert self.running == 1, "a timer overlapped itself"
        await asyncio.sleep(self.takes_s)
        self.running -= 1
        self.given.append(timer)
        if len(self.given) >= self.runs and self.loop is not None:
            self.loop.stop()
        return Result()


def _run(
    recorder: Recorder, folder: Path, schedule: str, *, now: datetime | None = None, **properties: Any
) -> list[Mapping[str, Any]]:
    trigger = Binding("timerTrigger", "timer", is_output=False, properties=properties)
    function = Function("nightly", "id", trigger, ())
    clock = (lambda: now) if now is not None else (lambda: datetime.now(UTC))
    loop = TimerLoop(function, parse_schedule(schedule), invoke=recorder, status_dir=folder, clock=clock)
    recorder.loop = loop

    async def main() -> None:
        running = asyncio.create_task(loop.run())
        if recorder.runs == 0:
            await asyncio.sleep(0.05)
            loop.stop()
        await asyncio.wait_for(running, 5)

    asyncio.run(main())
    return recorder.given


def _status(folder: Path) -> dict[str, str]:
    status: dict[str, str] = json.loads((folder / "nightly.json").read_text("utf-8"))
    return status


def test_first_start_owes_nothing_and_notes_the_next_occurrence(tmp_path: Path) -> None:
    assert _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON) == []
    expected = following(parse_schedule(HOURLY), NOON)
    assert datetime.fromisoformat(_status(tmp_path)["Next"]) == expected


def test_a_missed_occurrence_runs_at_once_as_past_due(tmp_path: Path) -> None:
    _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON)

    given = _run(Recorder(runs=1), tmp_path, HOURLY, now=NOON + timedelta(hours=3))

    assert [timer["IsPastDue"] for timer in given] == [True]
    assert given[0]["ScheduleStatus"]["Next"] == following(parse_schedule(HOURLY), NOON).isoformat()
    assert datetime.fromisoformat(_status(tmp_path)["Last"]) == NOON + timedelta(hours=3)
    assert _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON + timedelta(hours=3)) == []


def test_a_changed_schedule_is_not_past_due(tmp_path: Path) -> None:
    _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON)
    assert _run(Recorder(runs=0), tmp_path, "0 30 * * * *", now=NOON + timedelta(hours=3)) == []


def test_without_monitor_nothing_is_past_due(tmp_path: Path) -> None:
    _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON)
    late = NOON + timedelta(hours=3)
    assert _run(Recorder(runs=0), tmp_path, HOURLY, now=late, useMonitor=False) == []


def test_run_on_startup_is_not_past_due(tmp_path: Path) -> None:
    given = _run(Recorder(runs=1), tmp_path, HOURLY, now=NOON, runOnStartup=True)
    assert [timer["IsPastDue"] for timer in given] == [False]


def test_unreadable_status_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "nightly.json").write_text("{", "utf-8")
    assert _run(Recorder(runs=0), tmp_path, HOURLY, now=NOON) == []
    assert set(_status(tmp_path)) == {"Last", "Next", "LastUpdated"}


def test_runs_repeat_and_never_overlap(tmp_path: Path) -> None:
    given = _run(Recorder(runs=3, takes_s=0.25), tmp_path, "00:00:00.1")
    assert len(given) == 3
    assert given[0] == {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
    assert not (tmp_path / "nightly.json").exists()
