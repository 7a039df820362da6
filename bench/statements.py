"""SQL statements of each route, counted under the real worker library: caches warm, people known to the app."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import event

from bench.measuring import ROOT, Report
from bench.site import ASKER, READER, SPACE, MeasuredSite, ask, context_token, prepared
from lib.confluence import Content
from lib.principal import AccountId, ContentId
from lib.services import services
from local.functions_host.engine import Engine, HttpCall, Trace
from questions_api.acceptance import accept_answer
from questions_api.posts import find_question, register_answer

_ANSWER = ContentId(2_000_001)


@dataclass(frozen=True, slots=True)
class Route:
    """A request, who sends it, and the budget where there is one."""

    name: str
    function: str
    method: str
    path: str
    params: dict[str, str]
    body: object = None
    account: str = READER
    budget: int | None = None


def _routes(question: str) -> list[Route]:
    space, one, answer = {"spaceId": str(SPACE)}, {"questionId": question}, {"answerId": str(_ANSWER)}
    listing, vote = f"questions?space={SPACE}&limit=20", f"questions/{question}/vote"
    of_answer = f"answers/{_ANSWER}/vote"

    def get(name: str, function: str, path: str, params: dict[str, str], budget: int | None = None) -> Route:
        return Route(name, function, "GET", path, params, budget=budget)

    def put(name: str, function: str, path: str, params: dict[str, str], value: int, account: str = READER) -> Route:
        return Route(name, function, "PUT", path, params, {"value": value}, account, budget=5)

    return [
        get("grants of a space", "api_space_grants", f"spaces/{SPACE}/grants", space),
        get("list, newest", "api_questions", listing, {}, 3),
        get("list, most votes", "api_questions", f"{listing}&order=votes", {}, 3),
        get("list, unanswered", "api_questions", f"{listing}&state=unanswered", {}, 3),
        get("question with an accepted answer", "api_question", f"questions/{question}", one, 3),
        get("answers of a question", "api_question_answers", f"questions/{question}/answers", one, 3),
        put("vote, first act of a person", "api_question_vote", vote, one, 1, "557058:nobody-knows"),
        put("vote", "api_question_vote", vote, one, 1),
        put("vote that stands already", "api_question_vote", vote, one, 1),
        put("vote taken back", "api_question_vote", vote, one, 0),
        put("vote on an answer", "api_answer_vote", of_answer, answer, 1),
    ]


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


async def _answer(engine: Engine, route: Route) -> int:
    function = next(item for item in engine.functions if item.name == route.function)
    headers = {"authorization": f"JWT {context_token(route.account)}", "host": "127.0.0.1"}
    body = b""
    if route.body is not None:
        body, headers["content-type"] = json.dumps(route.body).encode(), "application/json"
    call = HttpCall(route.method, f"http://127.0.0.1/api/v1/{route.path}", headers, {}, route.params, body)
    result = await engine.invoke_http(function, call, Trace())
    return 0 if result.http is None else result.http.status


def _prepare(site: MeasuredSite) -> str:
    """Questions, and on the newest an accepted answer; its id."""
    database, tenant_id = site.services.database, site.tenant_id
    question = ask(database, tenant_id, 60)[-1]
    now = site.services.now()
    content = Content(
        _ANSWER, "ac:community-questions:cq-answer", "current", SPACE, "content", question, AccountId(ASKER), now, "-"
    )
    database.write(
        partial(register_answer, tenant_id=tenant_id, question_id=question, content=content, now=now),
        tenant_id=tenant_id,
    )
    head = database.read(partial(find_question, tenant_id=tenant_id, question_id=question), tenant_id=tenant_id)
    accept = partial(accept_answer, principal=site.principal(ASKER), question=head, answer_id=_ANSWER, now=now)
    database.write(accept, tenant_id=tenant_id)
    return str(question)


async def _measure(report: Report, site: MeasuredSite) -> None:
    routes = _routes(_prepare(site))
    os.environ.update(site.stack.settings())
    engine = await Engine.start(ROOT)
    # Both people's grants, and the reader's account row, are known before anything is counted.
    for route in (routes[0], Route("warm", "api_space_grants", "GET", routes[0].path, routes[0].params, account=ASKER)):
        await _answer(engine, route)
    for value in (1, 0):
        vote = routes[7]
        await _answer(engine, Route("warm", vote.function, "PUT", vote.path, vote.params, {"value": value}))
    rows, missed = [], []
    for route in routes:
        # Grants of a writer are asked for anew after a minute, and a newcomer's at once: neither is a statement.
        with counted() as seen:
            status = await _answer(engine, route)
        if status != 200:
            raise RuntimeError(f"{route.name}: {status}")
        rows.append((route.name, len(seen), "-" if route.budget is None else f"≤ {route.budget}"))
        if route.budget is not None and len(seen) > route.budget:
            missed.append(f"{route.name} {len(seen)}")
    report.table(("route", "statements", "budget"), rows)
    report.budget("of statements", ", ".join(missed) or "all within", is_met=not missed)


def main() -> None:
    with Report("statements", "SQL statements of each route") as report, prepared("statements") as site:
        # A vote wakes the relay; without a queue service each wake would leave a warning among the figures.
        site.stack.start_one("queues")
        site.stack.wait_for("queues")
        asyncio.run(_measure(report, site))


if __name__ == "__main__":
    main()
