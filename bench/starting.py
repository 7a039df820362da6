"""Cold start: a fresh worker process to its first authenticated answer, and what the time goes into."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

from bench.measuring import ROOT, SERVER_CPU, Report, is_quick
from bench.site import READER, SPACE, MeasuredSite, context_token, prepared

BUDGET_MS, BUDGET_MB = 330, 75
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")
_SHOWN = 12


def _start(site: MeasuredSite, *options: str) -> tuple[list[tuple[str, dict[str, Any]]], str, float]:
    """(stages, standard error, when it was started) of one fresh process on the server's core."""
    command = [sys.executable, *options, "-m", "bench.first_answer", f"/api/v1/spaces/{SPACE}/grants"]
    started = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = subprocess.run(
        [*command, context_token(READER)],
        cwd=ROOT,
        check=False,
        env={**os.environ, **site.stack.settings()},
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}),
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1]), done.stderr, started


def _stages(site: MeasuredSite, runs: int) -> dict[str, dict[str, Any]]:
    """Per stage: wall and CPU ms since the start of the process (median and best), memory, modules."""
    found: defaultdict[str, defaultdict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for run in range(runs + 1):
        stages, _, started = _start(site)
        if run == 0:
            continue  # The first run may have had bytecode to write.
        for name, state in stages:
            found[name]["wall_ms"].append((state["at"] - started) * 1000)
            found[name]["cpu_ms"].append(state["cpu_s"] * 1000)
            for figure in ("rss_mb", "modules", "imported"):
                found[name][figure].append(state[figure])
    return {
        name: {
            "wall_ms": statistics.median(figures["wall_ms"]),
            "best_ms": min(figures["wall_ms"]),
            "cpu_ms": statistics.median(figures["cpu_ms"]),
            "best_cpu_ms": min(figures["cpu_ms"]),
            "rss_mb": statistics.median(figures["rss_mb"]),
            "modules": figures["modules"][-1],
            "imported": figures["imported"][-1],
        }
        for name, figures in found.items()
    }


def _imports(site: MeasuredSite, runs: int) -> dict[str, tuple[float, float]]:
    """(own ms, ms with what it imports) of every module, the best of several runs each."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(runs):
        _, errors, _ = _start(site, "-X", "importtime")
        for match in _IMPORT_TIME.finditer(errors):
            own, whole = int(match[1]) / 1000, int(match[2]) / 1000
            held = best.get(match[4], (own, whole))
            best[match[4]] = (min(own, held[0]), min(whole, held[1]))
    return best


def _by_package(imports: dict[str, tuple[float, float]]) -> list[tuple[str, str, int]]:
    own: defaultdict[str, float] = defaultdict(float)
    counted: defaultdict[str, int] = defaultdict(int)
    stdlib = "(standard library)"
    for name, (own_ms, _) in imports.items():
        package = name.partition(".")[0]
        package = stdlib if package in sys.stdlib_module_names else package
        own[package] += own_ms
        counted[package] += 1
    ranked = sorted(own, key=lambda package: -own[package])[:_SHOWN]
    return [(package, f"{own[package]:.1f}", counted[package]) for package in ranked]


def _heaviest(imports: dict[str, tuple[float, float]]) -> list[tuple[str, str, str]]:
    ranked = sorted(imports, key=lambda name: -imports[name][0])[:_SHOWN]
    return [(name, f"{imports[name][0]:.1f}", f"{imports[name][1]:.1f}") for name in ranked]


def main() -> None:
    with Report("starting", "Cold start to the first authenticated answer") as report, prepared("starting") as site:
        stages = _stages(site, 2 if is_quick() else 15)
        rows = [
            (
                name,
                f"{state['wall_ms']:.0f}",
                f"{state['best_ms']:.0f}",
                f"{state['cpu_ms']:.0f}",
                f"{state['best_cpu_ms']:.0f}",
                f"{state['rss_mb']:.1f}",
                state["modules"],
            )
            for name, state in stages.items()
        ]
        report.table(("reached", "wall ms", "best", "CPU ms", "best", "RSS MB", "modules"), rows)
        report.note("bytecode warm; the worker library driven in-process; Confluence's answer comes from loopback")
        first = stages["first answer"]
        wall = f"{first['wall_ms']:.0f} ms (best {first['best_ms']:.0f})"
        report.budget(f"≤ {BUDGET_MS} ms wall to the first answer", wall, is_met=first["wall_ms"] <= BUDGET_MS)
        report.budget(f"≤ {BUDGET_MB} MB", f"{first['rss_mb']:.1f} MB", is_met=first["rss_mb"] <= BUDGET_MB)
        early = first["imported"]
        report.budget("nothing imported before its use", ", ".join(early) or "nothing", is_met=not early)
        imports = _imports(site, 1 if is_quick() else 7)
        report.table(("package", "own ms", "modules"), _by_package(imports))
        report.table(("module", "own ms", "with its imports"), _heaviest(imports))
        report.note("-X importtime, best of several runs for each module; the option itself makes imports slower")


if __name__ == "__main__":
    main()
