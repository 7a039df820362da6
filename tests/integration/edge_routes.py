"""Routes of the HTTP edge's own tests, under /api/v1, and how they are called."""

import json
import time
from dataclasses import dataclass, field, fields
from typing import Any

import azure.functions as func

from lib.errors import Conflict, Invalid, NotFound, PreconditionFailed, Unavailable
from lib.limits import Limit
from lib.web import Call, Nothing, Query, Reply, Resource, Wire
from tests.factories import NOW
from tests.tokens import ALICE, context_token

blueprint = func.Blueprint()

note = Resource(blueprint, "test_note", "api/v1/notes/{noteId}")
notes = Resource(blueprint, "test_notes", "api/v1/notes")
heavy = Resource(blueprint, "test_heavy", "api/v1/heavy")
outside = Resource(blueprint, "test_outside", "outside")


class NoteBody(Wire):
    text: str


class Choice(Query):
    of: str = "json"


@dataclass(slots=True)
class World:
    """What stands, and what was done. Reset before each test."""

    version: object = 3
    text: str = "first"
    done: list[str] = field(default_factory=list)
    """Who did something; a list, because threads may append to it at once."""
    pause_s: float = 0.0
    fails_with: Exception | None = None
    answer: Reply | None = None

    @property
    def changes(self) -> int:
        return len(self.done)

    def reset(self) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(World(), one.name))


world = World()


@note.operation("GET", takes=Choice)
def read_note(call: Call, query: Choice) -> object:
    del call
    shapes: dict[str, object] = {
        "json": {"version": world.version, "text": world.text},
        "list": {"items": [world.text], "next": None},
        "csv": Reply(world.text.encode(), media_type="text/csv"),
        "created": Reply({"version": 1}, 201),
        "public": Reply({"a": 1}, headers={"Cache-Control": "public, max-age=5"}),
    }
    return shapes[query.of]


@note.operation("PUT", takes=NoteBody, failures=(NotFound,), if_match=True)
def replace_note(call: Call, body: NoteBody) -> object:
    if call.if_match not in {None, world.version}:
        raise PreconditionFailed(current={"version": world.version})
    world.text = body.text
    world.done.append("replaced")
    return {"text": world.text}


@note.operation("DELETE", statuses=(204,), needs_licence=False)
def remove_note(_: Call, __: Nothing) -> Reply:
    world.done.append("removed")
    return Reply(status=204)


@notes.operation("POST", takes=NoteBody, statuses=(201,), failures=(Conflict,))
def add_note(call: Call, body: NoteBody) -> Reply:
    world.done.append("added")
    time.sleep(world.pause_s)
    if world.fails_with is not None:
        raise world.fails_with
    answer = {"text": body.text, "by": call.account_id, "number": world.changes}
    return world.answer or Reply(answer, 201, {"Location": f"/api/v1/notes/{world.changes}"})


@heavy.operation("POST", limit=Limit.HEAVY)
def work_hard(_: Call, __: Nothing) -> object:
    return {}


@heavy.operation("GET", limit=Limit.HEAVY)
def fail(_: Call, __: Nothing) -> object:
    raise Unavailable


@outside.operation("POST", takes=NoteBody)
def change_outside(_: Call, body: NoteBody) -> object:
    world.done.append("outside")
    if body.text == "wrong":
        raise Invalid
    return {}


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: dict[str, str]
    media_type: str
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def code(self) -> tuple[int, str]:
        return self.status, self.body["code"]


def send(
    resource: Resource,
    method: str,
    body: object = None,
    *,
    path: str = "",
    account: str | None = ALICE,
    token: str | None = None,
    **headers: str,
) -> Got:
    """A call with a good token; underscores in names of headers stand for dashes."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given["Authorization"] = f"JWT {token or context_token(NOW, account_id=account)}"
    raw = b""
    if body is not None:
        given["Content-Type"] = "application/json"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"https://cq.example.com/{path or resource.route}"
    answer = resource.respond(func.HttpRequest(method, url, headers=given, route_params={}, body=raw), None)
    lower = {name.lower(): value for name, value in answer.headers.items()}
    return Got(answer.status_code, lower, answer.mimetype, answer.get_body())
