"""What the requests of the contract test are about: spaces of its own, and throw-away items for each operation."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from schemathesis import BaseSchema

from local.confluence.cast import ALICE, CAROL, DAVE
from local.person import ANSWER_TYPE, QUESTION_TYPE, Person, send
from local.stack import Stack
from tests.api.conftest import title
from tests.api.waiting import eventually

TOKEN_LASTS_S = 60
LONG_AGO = "2019-03-04T10:00:00Z"

_numbers = itertools.count(1)

type Values = dict[str, object]


@dataclass(slots=True)
class Caller:
    """Somebody with a context token, which is fetched anew before it ends."""

    person: Person
    _token: str = ""
    _fetched_at: float = field(default=float("-inf"))

    @property
    def headers(self) -> dict[str, str]:
        if time.monotonic() - self._fetched_at > TOKEN_LASTS_S:
            self._token, self._fetched_at = self.person.token(), time.monotonic()
        return {"Authorization": f"JWT {self._token}"}


@dataclass(frozen=True, slots=True)
class Archive:
    """An archived space, and what was in it before: a question with an answer, a removed one, and Carol's own."""

    space: str
    question: str
    answer: str
    removed: str
    own: str


@dataclass(frozen=True, slots=True)
class World:
    """The document as it is served, who calls, and the spaces: to work in, to change the settings of, to only read."""

    stack: Stack
    document: dict[str, Any]
    schema: BaseSchema
    alice: Caller
    bob: Caller
    carol: Caller
    mallory: Caller
    space: str
    settings_space: str
    archive: Archive
    page: str


def new_space(stack: Stack, key: str) -> dict[str, str]:
    made = send("POST", f"{stack.site_one}/_sim/spaces", body={"key": key, "name": f"Space of {key}"})
    assert made.status == 200, made.body
    return dict(made.body)


def new_archive(stack: Stack, key: str, asker: Person, carol: Person) -> Archive:
    space = new_space(stack, key)["spaceId"]
    question, removed, own = (person.ask(space, title("Archived?"), tags=("old",)) for person in (asker, asker, carol))
    made = Archive(space, question, carol.answer(question), removed, own)
    assert asker.api("DELETE", f"/questions/{removed}").status < 300
    archived = send("POST", f"{stack.site_one}/_sim/spaces/{space}/archive")
    assert archived.status == 200, archived.body
    eventually(lambda: asker.api("GET", f"/spaces/{space}").body["status"] == "archived", "archiving")
    return made


def new_channel(stack: Stack) -> str:
    """A channel's address."""
    made = send("POST", f"{stack.chat_url}/_sim/channels", body={"name": title("Contract")})
    assert made.status == 201, made.body
    return str(made.body["url"])


class Items:
    """Things of one operation's own, which its requests may change and delete, and values that fit by name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.alice, self.bob, self.carol = (one.person for one in (world.alice, world.bob, world.carol))
        self.tag = f"contract-{next(_numbers)}"
        self.question = self.alice.ask(world.space, title("Described?"), tags=(self.tag, f"{self.tag}-too"))
        self.answer = self.bob.answer(self.question)
        ids = {"questionId": self.question, "answerId": self.answer, "spaceId": world.space, "accountId": DAVE}
        pages = {"pageId": world.page, "page": world.page, "ids": world.page}
        people = {"author": ALICE, "actor": CAROL}
        self.parameters: Values = {**ids, **pages, **people, "slug": self.tag, "tag": self.tag, "space": world.space}
        self.fixed: Values = {}
        self.members: Values = {
            **ids,
            **{name: [self.tag] for name in ("tags", "featured", "required")},
            "subjects": [{"type": "user", "id": DAVE}],
        }

    def done(self, person: Person, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = person.api(method, path, body)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return dict(answer.body or {})

    def unregistered_question(self, person: Person) -> str:
        return person.create(QUESTION_TYPE, title("Unregistered"), "<p>?</p>", spaceId=self.world.space)

    def unregistered_answer(self, person: Person) -> str:
        return person.create(ANSWER_TYPE, title("Unregistered"), "<p>!</p>", customContentId=self.question)


def _ask(items: Items) -> None:
    items.members["contentId"] = items.unregistered_question(items.alice)


def _answer(items: Items) -> None:
    items.members["contentId"] = items.unregistered_answer(items.alice)


def _comment(items: Items) -> None:
    body = {"customContentId": items.question, "body": {"representation": "storage", "value": "<p>So.</p>"}}
    items.members["commentId"] = str(items.alice.confluence("POST", "/api/v2/footer-comments", body).body["id"])


def _import(items: Items, content: str) -> None:
    items.members |= {"contentId": content, "source": f"dc:{content}", "author": {"accountId": DAVE}}
    items.members |= {"createdAt": LONG_AGO, "activeAt": None, "isAccepted": True, "acceptedAt": None, "closed": None}


def _import_question(items: Items) -> None:
    _import(items, items.unregistered_question(items.carol))


def _import_answer(items: Items) -> None:
    _import(items, items.unregistered_answer(items.carol))


def _change(items: Items) -> None:
    # Most of what the members may be does not go together.
    items.members |= {"state": "open", "closeReason": None, "duplicateOf": None}
    items.fixed |= {"isLocked": False}


def _delete(items: Items) -> None:
    items.done(items.carol, "DELETE", f"/questions/{items.question}")


def _link(items: Items) -> None:
    items.parameters["otherId"] = items.alice.ask(items.world.space, title("Other"))


def _move(items: Items) -> None:
    items.members["pageId"] = None
    items.fixed["spaceId"] = items.world.settings_space


def _flag(items: Items, kind: str) -> None:
    post = items.question if kind == "questions" else items.answer
    items.done(items.carol, "PUT", f"/{kind}/{post}/flag", {"reason": "spam"})


def _request(items: Items) -> None:
    items.done(items.alice, "POST", f"/questions/{items.question}/requests", {"accountId": DAVE})


def _accept(items: Items) -> None:
    items.done(items.alice, "PUT", f"/answers/{items.answer}/accepted")


def _rename(items: Items) -> None:
    version = items.done(items.carol, "GET", f"/tags/{items.tag}")["version"]
    items.members |= {"slug": f"{items.tag}-anew", "version": version}


def _merge(items: Items) -> None:
    items.members["into"] = f"{items.tag}-too"


def _add_synonym(items: Items) -> None:
    items.members["slug"] = f"{items.tag}-synonym"


def _remove_synonym(items: Items) -> None:
    items.parameters["synonym"] = f"{items.tag}-synonym"
    items.done(items.carol, "POST", f"/tags/{items.tag}/synonyms", {"slug": f"{items.tag}-synonym"})


def _expert(items: Items) -> None:
    items.done(items.carol, "PUT", f"/tags/{items.tag}/experts/{DAVE}")


def _connect(items: Items) -> Values:
    scope = {"kind": "space", "spaceId": items.world.settings_space}
    body: Values = {"kind": "teams", "label": "Contract", "scope": scope, "events": ["asked"]}
    body["url"] = new_channel(items.world.stack)
    items.members |= body
    return body


def _destination(items: Items) -> None:
    items.parameters["destinationId"] = items.done(items.carol, "POST", "/destinations", _connect(items))["id"]


def _site_settings(items: Items) -> None:
    items.members["version"] = items.done(items.carol, "GET", "/settings")["version"]


def _other_space(items: Items) -> None:
    items.parameters["spaceId"] = items.world.settings_space


def _space_tags(items: Items) -> None:
    _other_space(items)
    path = f"/spaces/{items.world.settings_space}/tags"
    items.members["version"] = items.done(items.carol, "GET", path)["version"]


def _space_settings(items: Items) -> None:
    _other_space(items)
    path = f"/spaces/{items.world.settings_space}/settings"
    items.members |= {"version": items.done(items.carol, "GET", path)["version"], "minTags": 0}


_PREPARATIONS: Mapping[str, Callable[[Items], object]] = {
    "api_questions_post": _ask,
    "api_question_answers_post": _answer,
    "api_answer_from_comment_post": _comment,
    "api_imports_questions_post": _import_question,
    "api_imports_answers_post": _import_answer,
    "api_question_patch": _change,
    "api_question_restore_post": _delete,
    "api_question_link_put": _link,
    "api_question_link_delete": _link,
    "api_question_move_post": _move,
    "api_question_flag_delete": partial(_flag, kind="questions"),
    "api_question_flags_resolution_post": partial(_flag, kind="questions"),
    "api_answer_flag_delete": partial(_flag, kind="answers"),
    "api_answer_flags_resolution_post": partial(_flag, kind="answers"),
    "api_answer_accepted_delete": _accept,
    "api_question_request_delete": _request,
    "api_tag_patch": _rename,
    "api_tag_merge_post": _merge,
    "api_tag_synonyms_post": _add_synonym,
    "api_tag_synonym_delete": _remove_synonym,
    "api_tag_expert_delete": _expert,
    "api_destinations_post": _connect,
    "api_destination_get": _destination,
    "api_destination_patch": _destination,
    "api_destination_delete": _destination,
    "api_destination_deliveries_get": _destination,
    "api_destination_test_post": _destination,
    "api_settings_put": _site_settings,
    "api_space_settings_put": _space_settings,
    "api_space_tags_put": _space_tags,
    "api_space_seeding_post": _other_space,
}
"""What an operation needs besides a question with an answer, by operationId."""


def items_for(world: World, operation_id: str) -> Items:
    items = Items(world)
    prepare = _PREPARATIONS.get(operation_id)
    if prepare is not None:
        prepare(items)
    return items


def items_in_archive(world: World, operation_id: str) -> Items:
    """The same, but about the archived space and what is in it."""
    items, archive = items_for(world, operation_id), world.archive
    question = archive.removed if operation_id == "api_question_restore_post" else archive.question
    ids: Values = {"questionId": question, "answerId": archive.answer, "spaceId": archive.space}
    items.parameters |= ids
    items.members |= {**ids, "contentId": archive.own}
    return items
