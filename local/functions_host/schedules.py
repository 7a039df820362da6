"""Timer schedules: NCRONTAB expressions of five or six fields, and time spans (pure).

Rule: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer, section NCRONTAB expressions.
As in the NCrontab library a day must satisfy the day-of-month and the day-of-week field both.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from local.functions_host.host_json import HostConfigurationError, time_span

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, lowest and highest value, names and the value of the first name.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...], int], ...] = (
    ("second", 0, 59, (), 0),
    ("minute", 0, 59, (), 0),
    ("hour", 0, 23, (), 0),
    ("day", 1, 31, (), 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of week", 0, 6, _DAYS, 0),
)
# Leap days fall on one weekday every 28 years, and a skipped century leap day may stretch that to 40.
_SEARCH_YEARS = 40


@dataclass(frozen=True, slots=True)
class Cron:
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]


@dataclass(frozen=True, slots=True)
class Every:
    interval: timedelta


Schedule = Cron | Every


def parse_schedule(text: str) -> Schedule:
    fields = text.split()
    if len(fields) == 1:
        interval = time_span(fields[0])
        if interval <= timedelta():
            raise HostConfigurationError(f"The schedule {text!r} must be a positive time span.")
        return Every(interval)
    if len(fields) == 5:
        fields = ["0", *fields]
    if len(fields) != 6:
        raise HostConfigurationError(f"The schedule {text!r} needs six fields or a time span.")
    values = [_field(text, spec, field) for spec, field in zip(_FIELDS, fields, strict=True)]
    seconds, minutes, hours = (tuple(sorted(value)) for value in values[:3])
    return Cron(seconds, minutes, hours, *(frozenset(value) for value in values[3:]))


def next_occurrence(schedule: Schedule, after: datetime) -> datetime:
    """The first occurrence strictly after `after`; naive in, naive out: the caller owns the time zone."""
    if isinstance(schedule, Every):
        return after + schedule.interval
    start = after.replace(microsecond=0) + timedelta(seconds=1)
    day = start
    while day.year <= after.year + _SEARCH_YEARS:
        if day.month not in schedule.months:
            day = _midnight((day.replace(day=1) + timedelta(days=32)).replace(day=1))
            continue
        found = _time_of_day(schedule, day) if _is_day(schedule, day) else None
        if found is not None:
            return found
        day = _midnight(day + timedelta(days=1))
    raise HostConfigurationError("The schedule never occurs.")


def _is_day(schedule: Cron, day: datetime) -> bool:
    return day.day in schedule.days and day.isoweekday() % 7 in schedule.weekdays


def _time_of_day(schedule: Cron, start: datetime) -> datetime | None:
    """The first matching time on the day of `start`, at or after it."""
    earliest = (start.hour, start.minute, start.second)
    for hour in schedule.hours:
        if hour < earliest[0]:
            continue
        for minute in schedule.minutes:
            if (hour, minute) < earliest[:2]:
                continue
            for second in schedule.seconds:
                if (hour, minute, second) >= earliest:
                    return start.replace(hour=hour, minute=minute, second=second)
    return None


def _midnight(day: datetime) -> datetime:
    return day.replace(hour=0, minute=0, second=0)


def _field(text: str, spec: tuple[str, int, int, tuple[str, ...], int], field: str) -> set[int]:
    values: set[int] = set()
    for item in field.lower().split(","):
        values |= _item(text, spec, item)
    return values


def _item(text: str, spec: tuple[str, int, int, tuple[str, ...], int], item: str) -> set[int]:
    label, low, high, names, first = spec
    span, slash, step_text = item.partition("/")
    match = re.fullmatch(r"(\*)|(\w+)(?:-(\w+))?", span)
    if match is None or (slash and not re.fullmatch(r"[1-9]\d*", step_text)):
        raise HostConfigurationError(f"The schedule {text!r} has a bad {label} field {item!r}.")

    def value(word: str) -> int:
        number = names.index(word[:3]) + first if word[:3] in names else int(word) if word.isdecimal() else -1
        if not low <= number <= high:
            raise HostConfigurationError(f"The schedule {text!r} has a bad {label} {word!r}.")
        return number

    begin = low if match[1] else value(match[2])
    # A start with a step but no end runs to the field's last value.
    last = high if match[1] or (slash and match[3] is None) else value(match[3] or match[2])
    if begin > last:
        raise HostConfigurationError(f"The schedule {text!r} has a {label} range that runs backwards.")
    return set(range(begin, last + 1, int(step_text or 1)))
