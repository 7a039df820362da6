"""Small reads, lists and votes over HTTP: the app in its own host beside the Node peer, in interleaved runs."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from bench import peers
from bench.measuring import LOAD_CPU, SERVER_CPU, Load, Loaded, Report, is_quick, load, median_of
from bench.site import READER, SPACE, MeasuredSite, ask, only_http, prepared, start_app

CONNECTIONS = (1, 32)
FLOOR = "nothing (/healthz), the host's floor"
SMALL_READ = "grants of a space"
_QUESTIONS = 100


@dataclass(frozen=True, slots=True)
class Contender:
    """One kind of request against one server."""

    name: str
    pid: int
    port: int
    requests: Callable[[int], tuple[str, ...]]
    """By number of connections."""


def _ours(site: MeasuredSite, questions: list[int]) -> list[Contender]:
    pid, port = site.pid, site.stack.ports.app

    def contender(name: str, make: Callable[[int], tuple[str, ...]]) -> Contender:
        return Contender(name, pid, port, make)

    def votes(connections: int) -> tuple[str, ...]:
        """Each connection is one person who votes on a question of their own and takes the vote back."""
        return tuple(
            site.request("PUT", f"/questions/{questions[number]}/vote", f"557058:voter-{number}", {"value": value})
            for value in (1, 0)
            for number in range(connections)
        )

    one = questions[-1]
    return [
        contender(FLOOR, lambda _: ("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",)),
        contender(SMALL_READ, lambda _: (site.request("GET", f"/spaces/{SPACE}/grants"),)),
        contender("one question", lambda _: (site.request("GET", f"/questions/{one}"),)),
        contender("list of 20", lambda _: (site.request("GET", f"/questions?space={SPACE}&limit=20"),)),
        contender("vote, taken back", votes),
    ]


def _peer(name: str, peer: peers.Peer) -> Contender:
    request = peer.request(READER)
    return Contender(name, peer.pid, peer.port, lambda _: (request,))


def _run(contenders: list[Contender], rounds: int, seconds: float) -> dict[tuple[str, int], list[Loaded]]:
    """A B A B: every contender once in each round, so that a noisy minute meets all of them."""
    found: defaultdict[tuple[str, int], list[Loaded]] = defaultdict(list)
    for contender in contenders:
        for connections in CONNECTIONS:
            load(Load(contender.port, contender.requests(connections), connections, seconds / 3), contender.pid)
    for _ in range(rounds):
        for contender in contenders:
            for connections in CONNECTIONS:
                wanted = Load(contender.port, contender.requests(connections), connections, seconds)
                found[contender.name, connections].append(load(wanted, contender.pid).expect(200))
    return found


def _ratio(ours: list[Loaded], theirs: list[Loaded]) -> tuple[float, float]:
    """(median of req/s ours ÷ theirs, of CPU theirs ÷ ours), each from runs next to each other."""
    rates = sorted(mine.per_second / other.per_second for mine, other in zip(ours, theirs, strict=True))
    costs = sorted(other.cpu_ms / mine.cpu_ms for mine, other in zip(ours, theirs, strict=True))
    return rates[len(rates) // 2], costs[len(costs) // 2]


def main() -> None:
    rounds, seconds = (1, 0.3) if is_quick() else (5, 2.0)
    with Report("reading", "Reads, lists and votes over HTTP") as report, ExitStack() as stack:
        site = stack.enter_context(prepared("reading", only_http()))
        questions = [int(question) for question in ask(site.services.database, site.tenant_id, _QUESTIONS)]
        start_app(site)
        contenders = _ours(site, questions)
        missing = peers.install()
        names = {}
        for store, words in peers.STORES.items():
            peer = None if missing else stack.enter_context(peers.running(store))
            if peer is None:
                report.note(f"Node peer, {words}: not measured ({missing or 'it did not start'})")
                continue
            names[store] = f"Node peer, {words}"
            contenders.append(_peer(names[store], peer))
        found = _run(contenders, rounds, seconds)
        _print(report, contenders, found)
        for store, name in names.items():
            rate, cost = _ratio(found[SMALL_READ, 32], found[name, 32])
            tail = median_of(found[SMALL_READ, 32]).p99_ms / median_of(found[name, 32]).p99_ms
            said = f"{rate:.2f} × its req/s, its CPU ÷ ours {cost:.2f}, p99 {tail:.2f} × its"
            if store == "sqlite":
                report.budget("small read ≥ 2.5 × the peer with its own store", said, is_met=rate >= 2.5)
            else:
                report.note(f"small read against the peer without a database: {said}")


def _print(report: Report, contenders: list[Contender], found: dict[tuple[str, int], list[Loaded]]) -> None:
    rows = []
    for contender in contenders:
        for connections in CONNECTIONS:
            run = median_of(found[contender.name, connections])
            rows.append(
                (
                    contender.name,
                    connections,
                    f"{run.per_second:,.0f}",
                    f"{run.cpu_ms:.3f}",
                    f"{run.p50_ms:.2f}",
                    f"{run.p99_ms:.2f}",
                    f"{run.busy:.0%}",
                )
            )
    report.table(("request", "connections", "req/s", "CPU ms", "p50 ms", "p99 ms", "generator busy"), rows)
    report.note(f"server on core {SERVER_CPU}, generator on core {LOAD_CPU}; medians of interleaved runs")


if __name__ == "__main__":
    main()
