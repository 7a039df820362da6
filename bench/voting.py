"""Votes on one hot question: 32 threads on the use case, 32 connections over HTTP, and a whole minute of them."""

import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import text

from bench import voting_minute
from bench.measuring import Load, Report, is_quick, load, percentile
from bench.site import MeasuredSite, ask, install, only_http, prepared, start_app
from lib.config import read_settings
from lib.principal import AccountId, ContentId, Principal, TenantId
from lib.services import build
from lib.sql import Database, Row
from questions_api.posts import find_question
from questions_api.votes.casting import cast_vote

THREADS = 32
BUDGET_PER_S, BUDGET_P99_MS = 2_300, 50


@dataclass(frozen=True, slots=True)
class Counted:
    """What the votes came to. `kept` is what the table holds, `score` what the counter says."""

    cast: int
    failed: int
    kept: int
    score: int
    seconds: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    first_failure: str = ""

    @property
    def lost(self) -> int:
        return abs(self.cast - self.kept) + abs(self.kept - self.score)

    def row(self, name: str) -> tuple[object, ...]:
        rate = f"{self.cast / self.seconds:,.0f}"
        return (name, rate, f"{self.cpu_ms:.2f}", f"{self.p50_ms:.1f}", f"{self.p99_ms:.1f}", self.failed, self.lost)


def _tally(database: Database, tenant_id: TenantId, question: ContentId) -> tuple[int, int]:
    with database.engine.connect() as connection:
        values = {"tenant": tenant_id, "id": question}
        kept = connection.execute(
            text("SELECT COUNT(*) FROM vote WHERE tenant_id = :tenant AND subject_id = :id AND value = 1"), values
        ).scalar_one()
        score = connection.execute(
            text("SELECT score FROM question WHERE tenant_id = :tenant AND id = :id"), values
        ).scalar_one()
    return kept, score


def _by_threads(database: Database, tenant_id: TenantId, question: ContentId, votes: int) -> Counted:
    """Each vote is another person's, so every one must count."""
    head = database.read(partial(find_question, tenant_id=tenant_id, question_id=question), tenant_id=tenant_id)
    latencies: list[float] = []
    failures: list[Exception] = []
    gate = threading.Barrier(THREADS + 1)

    def work(thread: int) -> None:
        gate.wait()
        for number in range(thread, votes, THREADS):
            voter = Principal(tenant_id, AccountId(f"557058:voter-{number}"))
            at = time.perf_counter()
            # A time of its own for each: ids begin with the millisecond, and these votes do not happen in the same one.
            vote = partial(cast_vote, principal=voter, post=head.post, value=1, now=datetime.now(UTC))
            try:
                database.write(vote, tenant_id=tenant_id)
            except Exception as error:
                failures.append(error)
            latencies.append(time.perf_counter() - at)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    gate.wait()
    started, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    kept, score = _tally(database, tenant_id, question)
    return Counted(
        votes - len(failures),
        len(failures),
        kept,
        score,
        seconds,
        cpu_s * 1000 / votes,
        percentile(latencies, 0.5) * 1000,
        percentile(latencies, 0.99) * 1000,
        repr(failures[0]) if failures else "",
    )


def _both(
    database: Database, tenant_id: TenantId, questions: list[ContentId], votes: int, name: str
) -> dict[str, Counted]:
    """The same people on two questions: at the first they are newcomers, at the second known."""
    newcomers = _by_threads(database, tenant_id, questions[0], votes)
    return {
        f"use case on {name}": _by_threads(database, tenant_id, questions[1], votes),
        f"use case on {name}, newcomers": newcomers,
    }


def _over_http(site: MeasuredSite, question: ContentId, votes: int) -> Counted:
    requests = tuple(
        site.request("PUT", f"/questions/{question}/vote", f"557058:voter-{number}", {"value": 1})
        for number in range(votes)
    )
    # Their grants are read first: how fast Confluence answers is not the question here.
    grants = tuple(site.request("GET", "/spaces/65537/grants", f"557058:voter-{number}") for number in range(votes))
    load(Load(site.stack.ports.app, grants, THREADS, 0), site.pid).expect(200)
    run = load(Load(site.stack.ports.app, requests, THREADS, 0), site.pid)
    kept, score = _tally(site.services.database, site.tenant_id, question)
    cast = run.statuses.get("200", 0)
    return Counted(cast, run.answers - cast, kept, score, run.seconds, run.cpu_ms, run.p50_ms, run.p99_ms)


def _postgresql(url: str, stack: ExitStack, site: MeasuredSite) -> tuple[Database, TenantId]:
    """The same app's tables on that server; what was there before is dropped."""
    services = build(read_settings({**site.stack.settings(), "DATABASE_URL": url}))
    engine = services.database.engine
    stack.callback(engine.dispose)
    Row.metadata.drop_all(engine)
    Row.metadata.create_all(engine)
    stack.callback(Row.metadata.drop_all, engine)
    return services.database, install(services, site.installation.base_url).tenant_id


def main() -> None:
    votes = 320 if is_quick() else 4_800
    url = os.environ.get("TEST_DATABASE_URL", "")
    with Report("voting", "Votes on one hot question, 32 at a time") as report, ExitStack() as stack:
        site = stack.enter_context(prepared("voting", only_http()))
        questions = ask(site.services.database, site.tenant_id, 3)
        found = _both(site.services.database, site.tenant_id, questions, votes, "SQLite")
        if url.startswith("postgresql"):
            database, tenant_id = _postgresql(url, stack, site)
            found |= _both(database, tenant_id, ask(database, tenant_id, 2), votes, "PostgreSQL")
        start_app(site)
        found["HTTP on SQLite"] = _over_http(site, questions[2], votes)
        header = ("way", "votes/s", "CPU ms", "p50 ms", "p99 ms", "failed", "lost")
        report.table(header, [counted.row(name) for name, counted in found.items()])
        report.note("a newcomer's vote also makes their account row; over HTTP everybody is known")
        report.note("without a database's round trips the rate of one core is 1000 ÷ CPU ms")
        if not url.startswith("postgresql"):
            report.note("PostgreSQL: not measured (TEST_DATABASE_URL names none; see tests/postgres.sh)")
        for name, counted in found.items():
            if counted.first_failure:
                report.note(f"{name}: the first failure was {counted.first_failure}")
        lost, failed = sum(one.lost for one in found.values()), sum(one.failed for one in found.values())
        report.budget("0 lost, none failed", f"{lost} lost, {failed} failed", is_met=lost + failed == 0)
        local = found["use case on SQLite"]
        rate = local.cast / local.seconds
        report.budget(f"≥ {BUDGET_PER_S:,}/s on SQLite", f"{rate:,.0f}/s", is_met=rate >= BUDGET_PER_S)
        report.budget(f"p99 ≤ {BUDGET_P99_MS} ms", f"{local.p99_ms:.0f} ms", is_met=local.p99_ms <= BUDGET_P99_MS)
        _minute(report, url)


def _minute(report: Report, url: str) -> None:
    seconds = 5 if is_quick() else 60
    found = {"SQLite": voting_minute.minute_on({}, seconds)}
    if url.startswith("postgresql"):
        settings = {"DATABASE_URL": voting_minute.own_schema(url)}
        found["PostgreSQL"] = voting_minute.minute_on(settings, seconds)
    report.table(voting_minute.HEADER, [minute.row(name) for name, minute in found.items()])
    people = voting_minute.CLIENTS * voting_minute.PEOPLE_EACH
    report.note(f"{people} people vote and take it back in turn over HTTP, for {seconds} s, as fast as the app answers")
    lost, doubled, failed = (
        sum(getattr(minute, name) for minute in found.values()) for name in ("lost", "doubled", "failed")
    )
    said = f"{lost} lost, {doubled} doubled, {failed} failed"
    report.budget("none lost, doubled or failed", said, is_met=lost + doubled + failed == 0)


if __name__ == "__main__":
    main()
