"""Runs the local stack until Ctrl-C: `python -m local [--empty]`."""

import argparse
import signal
import sys
import time
from pathlib import Path

from local.seed import seed
from local.stack import ROOT, Stack, StackFailed

_CHECK_S = 0.5


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    arguments.add_argument("--empty", action="store_true", help="start without the seeded questions")
    arguments.add_argument("--data", type=Path, default=ROOT / ".local", help="where everything is kept")
    arguments.add_argument("--verbose", action="store_true", help="show what every piece writes")
    chosen = arguments.parse_args()
    stack = Stack(chosen.data.resolve(), logs_to_files=not chosen.verbose)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(0))
    try:
        return _run(stack, is_seeded=not chosen.empty)
    except KeyboardInterrupt:
        return 0
    except StackFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    finally:
        # The pieces are groups of their own: leaving before they have stopped would leave them behind.
        for impatient in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(impatient, signal.SIG_IGN)
        print("\nStopping …", flush=True)
        stack.stop()


def _run(stack: Stack, *, is_seeded: bool) -> int:
    print("Bringing the database up to date …", flush=True)
    stack.migrate()
    print("Starting queue service, chat, Functions host and Confluence …", flush=True)
    stack.start()
    if is_seeded:
        seed(stack)
    print(f"\nReady. Open {stack.site_one}\n\nCtrl-C stops everything; what you did is kept.", flush=True)
    if stack.logs_to_files:
        print(f"What the pieces write is in {stack.data}/*.log", flush=True)
    while (dead := stack.first_dead()) is None:
        time.sleep(_CHECK_S)
    print(f"\n{dead} has stopped by itself:\n{stack.last_words(dead)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
