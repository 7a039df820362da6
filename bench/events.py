"""From a question to the chat through the whole local stack, and how many deliveries a second one worker makes."""

import json
import statistics
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.orm import Session

from bench.measuring import DATA, LOAD_CPU, Report, cpu_s, is_quick, percentile, pin
from bench.sink import Sink, receiving
from bench.site import ASKER, QUESTION_TYPE, SPACE, MeasuredSite, fresh_folder, only_chat, prepared, start_app
from lib.confluence import Content
from lib.principal import AccountId, ContentId
from lib.telemetry import trace_of
from local.confluence.cast import ALICE, CAROL
from local.person import Person, send
from local.seed import ENG, connect_channel, wait_until_installed
from local.stack import Ports, Stack, running
from notify.destinations.managing import Wanted, create_destination
from notify.endpoints import check_endpoint
from notify.kinds import DestinationKind
from notify.message import Disclosure
from questions_api.posts import register_question

THREADS = 16
"""PYTHON_THREADPOOL_THREAD_COUNT of the local stack."""

DESTINATIONS = 200
LATENCY_S = 0.1
BUDGET_CHAT_S, BUDGET_CPU_MS, BUDGET_SHARE = 5.0, 1.0, 0.9
_GIVE_UP_S = 90
_PATH = "/powerautomate/automations/direct/workflows/{number:032x}/triggers/manual/paths/invoke"
_QUERY = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def _to_chat(questions: int) -> list[float]:
    """Seconds from the click on "ask" (content, registration and all) to the card in the channel."""
    fresh_folder("events")
    seconds = []
    with running(Stack(DATA / "events", Ports.free(), logs_to_files=True)) as stack:
        wait_until_installed(stack.site_one)
        connect_channel(Person(CAROL, stack.site_one, stack.app_url), stack.chat_url)
        alice = Person(ALICE, stack.site_one, stack.app_url)
        for number in range(questions + 1):
            started = time.monotonic()
            question_id = alice.ask(ENG, f"How fast is question {number}?")
            _wait_for_card(stack, question_id)
            if number:
                seconds.append(time.monotonic() - started)
            # Questions come one by one in life too; a queue that has just been read would be polled sooner.
            time.sleep(0.3)
    return seconds


def _wait_for_card(stack: Stack, question_id: str) -> None:
    deadline = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < deadline:
        messages = send("GET", f"{stack.chat_url}/_sim/messages?last=5").body
        if question_id in json.dumps(messages):
            return
        time.sleep(0.01)
    raise RuntimeError(f"no card for question {question_id}")


def _connect(site: MeasuredSite, sink: Sink, count: int) -> None:
    services = site.services
    principal = site.principal(ASKER)

    def work(session: Session) -> None:
        for number in range(count):
            url = f"http://127.0.0.1:{sink.port}{_PATH.format(number=number)}?{_QUERY}"
            wanted = Wanted(DestinationKind.TEAMS, f"Channel {number}", url, SPACE, ("asked",), Disclosure.LINK)
            endpoint = check_endpoint(services, wanted.kind, url)
            create_destination(
                session,
                principal,
                site.installation,
                services.keyring,
                wanted,
                endpoint,
                now=services.now(),
            )

    services.database.write(work, tenant_id=site.tenant_id)


def _ask(site: MeasuredSite, question_id: int) -> None:
    now = datetime.now(UTC)
    content = Content(
        ContentId(question_id), QUESTION_TYPE, "current", SPACE, "space", int(SPACE), AccountId(ASKER), now, "-"
    )
    work = partial(register_question, tenant_id=site.tenant_id, content=content, now=now)
    site.services.write(work, trace=trace_of(None), tenant_id=site.tenant_id)


def _deliver(site: MeasuredSite, sink: Sink, first_id: int, questions: int) -> tuple[float, float]:
    """(deliveries a second from the first to the last, CPU ms of the app for each)."""
    sink.arrivals.clear()
    before = cpu_s(site.pid)
    for number in range(questions):
        _ask(site, first_id + number)
    wanted = questions * DESTINATIONS
    sink.wait_for(wanted, _GIVE_UP_S)
    time.sleep(0.3)
    used = cpu_s(site.pid) - before
    return (wanted - 1) / (sink.arrivals[wanted - 1] - sink.arrivals[0]), used * 1000 / wanted


def main() -> None:
    questions, rounds = (3, 1) if is_quick() else (30, 3)
    with Report("events", "Events to chat") as report:
        seconds = _to_chat(questions)
        p50, p95 = statistics.median(seconds), percentile(seconds, 0.95)
        report.table(
            ("from the click to the card", "p50 s", "p95 s", "worst s"),
            [(f"{questions} questions, one destination", f"{p50:.2f}", f"{p95:.2f}", f"{max(seconds):.2f}")],
        )
        report.budget(f"p95 ≤ {BUDGET_CHAT_S:.0f} s", f"{p95:.2f} s", is_met=p95 <= BUDGET_CHAT_S)
        _fan_out(report, rounds)


def _fan_out(report: Report, rounds: int) -> None:
    with receiving() as sink:
        origin = f"http://127.0.0.1:{sink.port}"
        with prepared("deliveries", only_chat(), (origin,)) as site:
            _connect(site, sink, DESTINATIONS)
            start_app(site)
            with suppress(ProcessLookupError):
                pin(site.stack.pid("queues"), LOAD_CPU)
            _deliver(site, sink, 3_000_001, 1)
            found: dict[float, list[tuple[float, float]]] = {0.0: [], LATENCY_S: []}
            for number in range(rounds):
                for latency, runs in found.items():
                    sink.latency_s = latency
                    runs.append(_deliver(site, sink, 4_000_001 + number * 100 + len(runs) + int(latency * 500), 2))
        rates = {latency: statistics.median(rate for rate, _ in runs) for latency, runs in found.items()}
        costs = {latency: statistics.median(cost for _, cost in runs) for latency, runs in found.items()}
        rows = [
            (f"receiver answers after {latency * 1000:.0f} ms", f"{rates[latency]:,.0f}", f"{costs[latency]:.2f}")
            for latency in found
        ]
        report.table((f"fan-out to {DESTINATIONS} destinations", "deliveries/s", "CPU ms each"), rows)
        report.note(f"one worker of {THREADS} threads on one core: relay, queue trigger, claim, call, record")
        least = BUDGET_SHARE * THREADS / LATENCY_S
        said = f"{rates[LATENCY_S]:.0f}/s"
        report.budget(f"≥ {least:.0f} deliveries/s at 100 ms", said, is_met=rates[LATENCY_S] >= least)
        said = f"{costs[0.0]:.2f} ms"
        report.budget(f"≤ {BUDGET_CPU_MS:.0f} ms CPU a delivery", said, is_met=costs[0.0] <= BUDGET_CPU_MS)


if __name__ == "__main__":
    main()
