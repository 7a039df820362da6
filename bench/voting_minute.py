"""The highest rate of votes that the machine holds on one question for a minute, and whether each of them counted once.

Many people vote and take their votes back in turn, over HTTP on 32 connections. Each person is on one connection, so
the last answer they got says what must be in the table at the end.
"""

from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import text

from bench.measuring import Load, Loaded, load
from bench.site import SPACE, MeasuredSite, ask, only_http, prepared, start_app
from lib.engine import engine_for
from lib.principal import ContentId

CLIENTS = 32
PEOPLE_EACH = 20
"""People of one connection: 640 in all."""

HEADER = ("database", "votes", "votes/s", "slowest second", "CPU ms", "p50 ms", "p99 ms", "failed", "lost", "doubled")


@dataclass(frozen=True, slots=True)
class Minute:
    """What came of it. `lost` are people whose last vote is not what the table holds; `doubled` is what the question's
    counters say beyond the table, or short of it.
    """

    run: Loaded
    failed: int
    lost: int
    doubled: int

    def row(self, name: str) -> tuple[object, ...]:
        run = self.run
        slowest = min(run.by_second, default=0)
        rates = (
            f"{run.per_second:,.0f}",
            f"{slowest:,}",
            f"{run.cpu_ms:.2f}",
            f"{run.p50_ms:.1f}",
            f"{run.p99_ms:.1f}",
        )
        return (name, f"{run.answers:,}", *rates, self.failed, self.lost, self.doubled)


def _people(connection: int) -> list[str]:
    return [f"557058:hot-{connection}-{number}" for number in range(PEOPLE_EACH)]


def _requests(site: MeasuredSite, question: ContentId) -> tuple[str, ...]:
    """Dealt in turn, request n goes to connection n modulo 32: first everybody's vote, then everybody's taking back."""
    return tuple(
        site.request("PUT", f"/questions/{question}/vote", _people(connection)[number], {"value": value})
        for value in (1, 0)
        for number in range(PEOPLE_EACH)
        for connection in range(CLIENTS)
    )


def _standing(sent: tuple[int, ...]) -> set[str]:
    """Who has a vote at the end, by how many requests each connection sent: vote and taking back follow each other."""
    standing: set[str] = set()
    for connection, count in enumerate(sent):
        for number, person in enumerate(_people(connection)):
            turns = (count - number + PEOPLE_EACH - 1) // PEOPLE_EACH
            if turns % 2:
                standing.add(person)
    return standing


def _stored(site: MeasuredSite, question: ContentId) -> tuple[list[str], tuple[int, int, int]]:
    """(whose votes the table holds, (score, up, down) of the question)."""
    values = {"tenant": site.tenant_id, "id": question}
    votes = text(
        "SELECT account.atlassian_account_id FROM vote JOIN account ON account.tenant_id = vote.tenant_id"
        " AND account.account_ref = vote.account_ref"
        " WHERE vote.tenant_id = :tenant AND vote.subject_id = :id AND vote.value = 1"
    )
    counters = text("SELECT score, up, down FROM question WHERE tenant_id = :tenant AND id = :id")
    with site.services.database.engine.connect() as connection:
        people = list(connection.execute(votes, values).scalars())
        score, up, down = connection.execute(counters, values).one()
    return people, (score, up, down)


def own_schema(url: str) -> str:
    """The address of an empty schema on that PostgreSQL; what was in it before is dropped."""
    schema, engine = "voting_minute", engine_for(url)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"


def minute_on(settings: dict[str, str], seconds: float) -> Minute:
    """Votes on a site of its own, with these settings, for that long."""
    with prepared("voting-minute", {**only_http(), **settings}) as site:
        question = ask(site.services.database, site.tenant_id, 1)[0]
        start_app(site)
        return _held(site, question, seconds)


def _held(site: MeasuredSite, question: ContentId, seconds: float) -> Minute:
    people = [person for connection in range(CLIENTS) for person in _people(connection)]
    # Their grants are read first: how fast Confluence answers is not the question here.
    grants = tuple(site.request("GET", f"/spaces/{SPACE}/grants", person) for person in people)
    load(Load(site.stack.ports.app, grants, CLIENTS, 0), site.pid).expect(200)
    run = load(Load(site.stack.ports.app, _requests(site, question), CLIENTS, seconds), site.pid)
    stored, (score, up, down) = _stored(site, question)
    return Minute(
        run=run,
        failed=run.answers - run.statuses.get("200", 0),
        lost=len(set(stored) ^ _standing(run.sent)),
        doubled=len(stored) - len(set(stored)) + abs(score - len(stored)) + abs(up - len(stored)) + down,
    )
