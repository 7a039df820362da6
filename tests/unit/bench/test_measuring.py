"""The figures' own arithmetic: percentiles, medians, tables, and clocks that tell what a process really used."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.measuring import Loaded, Report, cpu_s, median_of, percentile, pin, rss_mb, text_table


def loaded(answers: int, seconds: float, *, statuses: dict[str, int] | None = None, cpu: float = 1.0) -> Loaded:
    return Loaded(answers, seconds, statuses or {"200": answers}, 1.0, 2.0, 0.1, cpu)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)], ids=["least", "median", "p99", "most"]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_rates_and_costs_follow_from_what_was_counted() -> None:
    run = loaded(500, 2.0, cpu=0.25)
    assert run.per_second == 250
    assert run.cpu_ms == 0.5


def test_the_median_run_is_taken_figure_by_figure() -> None:
    run = median_of([loaded(100, 1.0), loaded(300, 3.0), loaded(200, 2.0)])
    assert (run.answers, run.seconds) == (200, 2.0)


@pytest.mark.parametrize("statuses", [{"200": 9, "401": 1}, {"500": 10}])
def test_a_run_with_other_answers_is_no_measurement(statuses: dict[str, int]) -> None:
    with pytest.raises(RuntimeError, match="unexpected answers"):
        loaded(10, 1.0, statuses=statuses).expect(200)


def test_a_run_without_answers_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="none at all"):
        Loaded(0, 1.0, {}, 0.0, 0.0, 0.0, 0.0).expect(200)


def test_a_table_is_aligned_with_figures_to_the_right() -> None:
    assert text_table(("what", "ms"), [("read", 7), ("a long name", "120")]).splitlines() == [
        "what          ms",
        "-----------  ---",
        "read           7",
        "a long name  120",
    ]


def test_a_missed_budget_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with Report("some", "Something") as report:
        report.budget("≤ 1 ms", "2 ms", is_met=False)
    printed = capsys.readouterr().out
    assert "budget ≤ 1 ms: 2 ms — NOT MET" in printed
    assert "made by: python -m bench some" in printed


@pytest.fixture
def spinning() -> Iterator[int]:
    """A process that uses a fifth of a second of CPU and then sleeps."""
    code = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ntime.sleep(30)\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process.pid
        process.kill()


def test_cpu_time_of_another_process_is_what_it_has_used(spinning: int) -> None:
    used = cpu_s(spinning)
    time.sleep(0.2)
    assert 0.2 <= used < 2
    assert cpu_s(spinning) - used < 0.1


def test_memory_of_another_process_is_in_megabytes(spinning: int) -> None:
    assert 3 < rss_mb(spinning) < 100
    assert rss_mb(spinning, peak=True) >= rss_mb(spinning)


def test_a_pinned_process_stays_on_its_core(spinning: int) -> None:
    core = min(os.sched_getaffinity(0))
    pin(spinning, core)
    assert os.sched_getaffinity(spinning) == {core}
