"""SQL statements of each route, counted under the real worker library: caches warm, people known to the app.

Reads are sent twice and counted the second time. Before a write the rights of its person are read, so that they,
the space and the installation are in memory; what a change makes the process forget is read again in that write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

import notify.triggers
import questions_api.triggers
from bench import reads, writes
from bench.community import founded, furnish
from bench.front import Front, opened
from bench.measuring import Report, is_quick
from lib.services import services
from local.person import Answered, Person
from local.seed import ENG, HR

QUESTIONS = 60


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that the app's own engine executes while the block runs; BEGIN is none."""
    seen: list[str] = []
    engine = services().database.engine

    def keep(_: Any, __: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", keep)


@dataclass(slots=True)
class Counter:
    """Sends requests and keeps how many statements each took."""

    front: Front
    rows: list[tuple[str, int, int | None]] = field(default_factory=list)
    routes: set[tuple[str, str]] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        person: Person | None,
        method: str,
        path: str,
        body: object = None,
        *,
        budget: int | None = None,
    ) -> Answered:
        """`path` below /api/v1, or the whole one where nobody is named."""
        target = path if person is None else f"/api/v1{path}"
        if method == "GET":
            self.front.send(person, method, target, body)
        elif person is not None:
            for space in (ENG, HR):
                self.front.send(person, "GET", f"/api/v1/spaces/{space}/grants")
        with counted() as seen:
            answer = self.front.send(person, method, target, body)
        if answer.status >= 300:
            # What was counted so far is worth printing all the same.
            self.failed.append(f"{name}: {answer.status} {answer.body}")
        self.rows.append((name, len(seen), budget))
        self.routes.add((method, self.front.function_of(method, target)))
        return answer

    @property
    def missed(self) -> list[str]:
        return [f"{name} {found}" for name, found, budget in self.rows if budget is not None and found > budget]

    def uncounted(self) -> list[str]:
        """Operations of the API that nothing was counted of."""
        resources = (*questions_api.triggers.RESOURCES, *notify.triggers.RESOURCES)
        known = {(method, one.name): one.route for one in resources for method in one.operations}
        return sorted(
            f"{method} /{route}" for (method, name), route in known.items() if (method, name) not in self.routes
        )


def _print(report: Report, title: str, rows: list[tuple[str, int, int | None]]) -> None:
    cells = [(name, found, "-" if budget is None else f"≤ {budget}") for name, found, budget in rows]
    report.table((title, "statements", "budget"), cells)


def main() -> None:
    with Report("statements", "SQL statements of each route") as report, opened("statements") as front:
        community = founded(front, 20 if is_quick() else QUESTIONS)
        furnish(community)
        counter = Counter(front)
        reads.count_lists(counter, community)
        _print(report, "a list of questions", counter.rows)
        shown = len(counter.rows)
        reads.count_others(counter, community)
        _print(report, "other reads", counter.rows[shown:])
        shown = len(counter.rows)
        writes.count_posts(counter, community)
        writes.count_moderation(counter, community)
        writes.count_settings(counter, community)
        _print(report, "writes", counter.rows[shown:])
        report.budget("of statements", ", ".join(counter.missed) or "all within", is_met=not counter.missed)
        missing = counter.uncounted()
        report.budget("every operation of the API is counted", ", ".join(missing) or "all", is_met=not missing)
        report.budget("every request succeeds", "; ".join(counter.failed) or "all", is_met=not counter.failed)
        report.note("installing, webhooks and the frame's pages are not counted")


if __name__ == "__main__":
    main()
