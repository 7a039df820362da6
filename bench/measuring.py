"""What every figure needs: cores to pin to, CPU time and memory of a process, percentiles, tables, verdicts."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".local" / "bench"

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = _ALLOWED[0], _ALLOWED[-1]
"""The server has a core for itself; what loads it has another."""

_PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes it."""


def is_quick() -> bool:
    """Whether fewer and shorter runs are wanted; their figures are a smoke test, not a measurement."""
    return os.environ.get("CQ_BENCH_QUICK") == "1"


def cpu_s(pid: int) -> float:
    """CPU seconds that all threads of a process have used, in nanosecond steps (Linux)."""
    return time.clock_gettime((~pid << 3) | _PROCESS_CLOCK)


def rss_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory in MB, now or at its highest (Linux)."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no {name}")


def pin(pid: int, cpu: int) -> None:
    """Keeps every thread of a process, and those it starts later, on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {cpu})


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator is to do: requests as they go over the wire, dealt to the connections in turn."""

    port: int
    requests: tuple[str, ...]
    connections: int
    seconds: float
    """How long; 0 sends each request once and stops."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came back. `busy` is the share of its core that the generator itself used."""

    answers: int
    seconds: float
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    busy: float
    server_cpu_s: float
    sent: tuple[int, ...] = ()
    """Requests of each connection, all of them answered; a median of runs has none."""
    by_second: tuple[int, ...] = ()
    """Answers in each full second; likewise."""

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    @property
    def cpu_ms(self) -> float:
        """The server's CPU milliseconds for one answer."""
        return self.server_cpu_s * 1000 / max(self.answers, 1)

    def expect(self, *statuses: int) -> "Loaded":
        """Itself; raises when an answer had another status, because a refused request is a fast one."""
        foreign = {status: count for status, count in self.statuses.items() if int(status) not in statuses}
        if foreign or not self.answers:
            raise RuntimeError(f"unexpected answers: {foreign or 'none at all'}")
        return self


def load(wanted: Load, server_pid: int) -> Loaded:
    """Runs the generator in a process of its own on the other core, and reads the server's clock around it."""
    given = {
        "port": wanted.port,
        "requests": wanted.requests,
        "connections": wanted.connections,
        "seconds": wanted.seconds,
        "cpu": LOAD_CPU,
    }
    before = cpu_s(server_pid)
    done = subprocess.run(
        [sys.executable, "-m", "bench.loading"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Loaded(**json.loads(done.stdout), server_cpu_s=cpu_s(server_pid) - before)


def median_of(runs: Iterable[Loaded]) -> Loaded:
    """Each figure's median over the runs."""
    runs = list(runs)

    def middle(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in runs))

    return Loaded(
        answers=int(middle("answers")),
        seconds=middle("seconds"),
        statuses=runs[0].statuses,
        p50_ms=middle("p50_ms"),
        p99_ms=middle("p99_ms"),
        busy=middle("busy"),
        server_cpu_s=middle("server_cpu_s"),
    )


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns: the first to the left, figures to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join((first, *others)).rstrip()

    return "\n".join((line(cells[0]), "  ".join("-" * width for width in widths), *(line(row) for row in cells[1:])))


@dataclass(slots=True)
class Report:
    """One figure on the terminal: its table, what it means for the budget, and the command that made it."""

    name: str
    title: str
    started: float = field(default_factory=time.monotonic)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        print(f"\n{text_table(header, rows)}", flush=True)

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def budget(self, wanted: str, found: str, *, is_met: bool) -> None:
        """A missed budget is printed like a met one: nothing is hidden."""
        print(f"  budget {wanted}: {found} — {'met' if is_met else 'NOT MET'}", flush=True)

    def __enter__(self) -> Self:
        quick = " (quick: too few runs to quote)" if is_quick() else ""
        print(f"\n== {self.title}{quick}", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.monotonic() - self.started
        print(f"  made by: python -m bench {self.name}   ({seconds:.0f} s)", flush=True)
