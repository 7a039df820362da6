"""`python -m bench [names…] [--quick]`: each figure in a process of its own, one after the other."""

import argparse
import os
import subprocess
import sys
import time

from bench.measuring import DATA, ROOT

FIGURES = {
    "starting": "cold start, memory, what is imported",
    "statements": "SQL statements of each route",
    "reading": "reads, lists and votes over HTTP, beside the Node peer",
    "voting": "votes on one hot question, and a minute of them",
    "growing": "cost of lists as an installation grows",
    "events": "from a question to the chat, and deliveries a second",
    "points": "what a working day costs in Confluence points",
    "reconciling": "comparing a site of 100,000 items with Confluence",
}
_LONGEST_S = 900


def environment(*, quick: bool) -> dict[str, str]:
    """The caller's, but with bytecode that is kept: without it every start would measure the compiler."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(DATA / "bytecode"), "CQ_BENCH_QUICK": "1" if quick else "0"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    figures = "; ".join(f"{name}: {what}" for name, what in FIGURES.items())
    parser.add_argument("names", nargs="*", metavar="name", help=f"{figures} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a minute for all: a smoke test, not a measurement")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in FIGURES]:
        parser.error(f"no such figure: {', '.join(unknown)}")
    started, failed = time.monotonic(), []
    for name in chosen.names or FIGURES:
        command = [sys.executable, "-m", f"bench.{name}"]
        done = subprocess.run(command, cwd=ROOT, env=environment(quick=chosen.quick), timeout=_LONGEST_S, check=False)
        if done.returncode:
            failed.append(name)
    print(f"\n{time.monotonic() - started:.0f} s in all", flush=True)
    if failed:
        print(f"not measured, see above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
