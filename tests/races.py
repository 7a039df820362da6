"""Work done by many threads at once, started together so that they meet."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

_WAIT_S = 60


def at_once[T](works: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each returned or raised, in their order; all start when the last thread is ready."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T | Exception:
        barrier.wait(_WAIT_S)
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return list(pool.map(run, works))


def succeeded[T](outcomes: Sequence[T | Exception]) -> list[T]:
    """The results where none of them failed; the first failure is raised."""
    results: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)
    return results
