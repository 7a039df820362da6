"""The API keeps its own document: generated requests, good and bad, get only answers that the document describes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

import function_app
from local.confluence.cast import ALICE, BOB, CAROL, MALLORY
from local.person import Person, send
from local.stack import Stack
from tests.api.contract_items import (
    Caller,
    Items,
    Values,
    World,
    items_for,
    items_in_archive,
    new_archive,
    new_space,
)

OPERATIONS = sorted((f"/{one.route}", method) for one in function_app.API for method in one.operations)

EXAMPLES = 8
"""Requests made up for each operation; each is sent by three people."""

OPEN_TO_OTHER_SITES = {
    "api_person_get": "accounts of other sites have done nothing here",
    "api_person_data_get": "nothing is stored about them",
    "api_space_grants_get": "it explains that the space is invisible, be it there or not",
}
"""Operations that answer Mallory about ids of the first site, and why that tells her nothing."""

SITE_SETTINGS = "api_settings_put"

OPEN_IN_ARCHIVES = {
    "api_question_watch_put",
    "api_question_watch_delete",
    "api_space_watch_put",
    "api_space_watch_delete",
    "api_space_settings_put",
    "api_space_tags_put",
    "api_space_seeding_post",
}
"""Operations that change nothing of what an archived space keeps as it is."""

WRITES = [
    (path, method)
    for path, method in OPERATIONS
    if method != "GET" and any(word in path for word in ("/questions", "/answers", "/spaces"))
]

type Operation = APIOperation[Any, Any, Any, Any]
type Request = Case[Operation]
type Document = dict[str, Any]


def described_body(_: CheckContext, response: Response, case: Request) -> None:
    """Where the document describes no body, there is none; the other checks look at described ones only."""
    assert not response.content or case.operation.schema.get_content_types(case.operation, response), (
        f"{response.status_code} has a body that is not described"
    )


CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    described_body,
]


def schema_of(document: Document) -> schemathesis.BaseSchema:
    """Without the security part: who calls is up to the test, so tokens are not made up."""
    return schemathesis.openapi.from_dict({name: part for name, part in document.items() if name != "security"})


def destinations(administrator: Person) -> set[str]:
    return {item["id"] for item in administrator.api("GET", "/destinations").body["items"]}


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    served = send("GET", f"{stack.app_url}/api/v1/openapi.json")
    assert served.status == 200, served.body
    alice, bob, carol = (Caller(Person(account, stack.site_one, stack.app_url)) for account in (ALICE, BOB, CAROL))
    mallory = Caller(Person(MALLORY, stack.site_two, stack.app_url))
    space, settings_space = new_space(stack, "CONTRACT"), new_space(stack, "CONTRACTSETTINGS")
    before = {one.person: destinations(one.person) for one in (carol, mallory)}
    yield World(
        stack=stack,
        document=served.body,
        schema=schema_of(served.body),
        alice=alice,
        bob=bob,
        carol=carol,
        mallory=mallory,
        space=space["spaceId"],
        settings_space=settings_space["spaceId"],
        archive=new_archive(stack, "CONTRACTARCHIVE", alice.person, carol.person),
        page=space["homepageId"],
    )
    for person, known in before.items():
        for destination in destinations(person) - known:
            assert person.api("DELETE", f"/destinations/{destination}").status == 204


@contextmanager
def kept_settings(*administrators: Person) -> Iterator[None]:
    """Gives the sites the settings back that they had."""
    before = [person.api("GET", "/settings").body for person in administrators]
    yield
    for person, held in zip(administrators, before, strict=True):
        version = person.api("GET", "/settings").body["version"]
        body = {**{name: held[name] for name in held["defaults"]}, "version": version}
        assert person.api("PUT", "/settings", body).status == 200


def fitted(value: Any, known: Values) -> Any:
    """The value, with what is known in the place of members of that name."""
    if isinstance(value, dict):
        return {name: known[name] if name in known else fitted(member, known) for name, member in value.items()}
    return [fitted(member, known) for member in value] if isinstance(value, list) else value


@st.composite
def cases(draw: st.DrawFn, operation: Operation, items: Items) -> Request:
    """Requests as the document has them, about what exists or about anything, and requests that it forbids."""
    kind = draw(st.sampled_from(("fitting", "fitting", "spoilt", "any")))
    mode = GenerationMode.NEGATIVE if kind == "spoilt" else GenerationMode.POSITIVE
    path: dict[str, Any] = {}
    if kind == "fitting" or (kind == "spoilt" and (operation.body or operation.query)):
        path = {one.name: items.parameters[one.name] for one in operation.path_parameters}
    case: Request = draw(operation.as_strategy(mode, path_parameters=path))
    if kind == "fitting":
        # Nobody can make up a cursor or a version that is right.
        case.query = fitted({name: value for name, value in case.query.items() if name != "cursor"}, items.parameters)
        case.headers.pop("If-Match", None)
        if isinstance(case.body, dict):
            case.body = fitted(case.body, items.members) | items.fixed
    # Servers refuse control characters in headers before the app hears of the request.
    assume(all(value.isprintable() for value in case.headers.values()))
    return case


def answer_to(case: Request, app: str, headers: dict[str, str]) -> tuple[Response, list[str]]:
    """The answer, and what in it is not as described."""
    response = case.call(base_url=app, headers=headers)
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as failures:
        return response, [str(failures)]
    return response, []


def send_case(case: Request, app: str, headers: dict[str, str]) -> tuple[int, list[str]]:
    response, faults = answer_to(case, app, headers)
    return response.status_code, faults


def examples_of(operation: Operation, items: Items) -> list[Request]:
    """The same ones each time. A failure is no reason to stop: all are told at once."""
    found: list[Request] = []

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operation, items))
    def collect(case: Request) -> None:
        found.append(case)

    collect()
    return found


def test_the_document_has_every_operation(world: World) -> None:
    paths = world.document["paths"].items()
    described = [(path, name.upper()) for path, methods in paths for name in methods if name != "parameters"]
    assert sorted(described) == OPERATIONS


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_described(world: World, path: str, method: str) -> None:
    operation: Operation = world.schema[path][method]
    name = operation.definition.raw["operationId"]
    items = items_for(world, name)
    app, faults, statuses = world.stack.app_url, list[str](), dict[str, list[int]]()

    callers = {"mallory": world.mallory, "alice": world.alice, "carol": world.carol}
    with kept_settings(*(callers[who].person for who in ("carol", "mallory") if name == SITE_SETTINGS)):
        for case in examples_of(operation, items):
            for who, caller in callers.items():
                status, found = send_case(case, app, caller.headers)
                statuses.setdefault(who, []).append(status)
                faults += found

    assert faults == [], "\n".join(faults)
    # One who may do it has done it, so the described answers are not all refusals.
    assert any(status < 300 for who in ("alice", "carol") for status in statuses[who]), statuses
    if operation.path_parameters and name not in OPEN_TO_OTHER_SITES:
        assert min(statuses["mallory"]) >= 400, statuses


@pytest.mark.parametrize(("path", "method"), WRITES)
def test_every_answer_about_an_archived_space_is_described(world: World, path: str, method: str) -> None:
    operation: Operation = world.schema[path][method]
    name = operation.definition.raw["operationId"]
    faults, codes = list[str](), set[str]()

    for case in examples_of(operation, items_in_archive(world, name)):
        for caller in (world.alice, world.carol):
            response, found = answer_to(case, world.stack.app_url, caller.headers)
            codes.add(response.json()["code"] if response.status_code >= 400 else "")
            faults += found

    assert faults == [], "\n".join(faults)
    assert ("space-archived" in codes) == (name not in OPEN_IN_ARCHIVES), codes


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/questions/{questionId}/watch", "PUT"),
        ("/spaces/{spaceId}/watch", "PUT"),
        ("/tags/{slug}/watch", "PUT"),
        ("/spaces/{spaceId}/seeding", "POST"),
    ],
)
def test_a_body_that_need_not_be_sent_is_described_as_such(world: World, path: str, method: str) -> None:
    operation: Operation = world.schema[f"/api/v1{path}"][method]
    assert operation.definition.raw["requestBody"]["required"] is False
    items = items_for(world, operation.definition.raw["operationId"])
    values = {one.name: items.parameters[one.name] for one in operation.path_parameters}
    case = operation.Case(path_parameters=values)

    assert send_case(case, world.stack.app_url, world.carol.headers) == (200, [])


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_without_a_token_the_answer_is_a_described_401(world: World, path: str, method: str) -> None:
    operation: Operation = world.schema[path][method]
    values = {one.name: "7" for one in operation.path_parameters}
    case = operation.Case(path_parameters=values)
    assert send_case(case, world.stack.app_url, {}) == (401, [])


def _forget_status(answers: Document) -> None:
    del answers["200"]


def _forget_body(answers: Document) -> None:
    del answers["200"]["content"]


def _expect_text(answers: Document) -> None:
    answers["200"]["content"] = {"text/plain": {}}


def _expect_list(answers: Document) -> None:
    answers["200"]["content"] = {"application/json": {"schema": {"type": "array"}}}


@pytest.mark.parametrize("spoil", [_forget_status, _forget_body, _expect_text, _expect_list])
def test_what_is_not_described_is_found(world: World, spoil: Callable[[Document], None]) -> None:
    document = deepcopy(world.document)
    spoil(document["paths"]["/api/v1/me"]["get"]["responses"])
    app, headers = world.stack.app_url, world.alice.headers

    assert send_case(world.schema["/api/v1/me"]["GET"].Case(), app, headers) == (200, [])
    status, faults = send_case(schema_of(document)["/api/v1/me"]["GET"].Case(), app, headers)
    assert (status, len(faults)) == (200, 1)
