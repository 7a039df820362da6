"""Every simulated endpoint answers in the shape of the published OpenAPI documents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import ANSWER, QUESTION
from tests.local_confluence.people import ALICE, BOB, CAROL, ENG, ENG_PAGE, Browser, Control, Json, question, update_of

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs" / "confluence-openapi"
V2, V1 = "/wiki/api/v2", "/wiki/rest/api"
CONTENT = f"{V2}/custom-content"
STORAGE = {"representation": "storage", "value": "<p>x</p>"}

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason="the published OpenAPI documents are not beside this tree")


class Documents:
    """The documents, with each schema closed so that a field the document does not know is a failure."""

    def __init__(self) -> None:
        self.v2: Json = json.loads((SPECS / "openapi-v2.v3.json").read_text("utf-8"))
        self.v1: Json = json.loads((SPECS / "swagger-v1.v3.json").read_text("utf-8"))

    def check(self, method: str, path: str, answer: requests.Response) -> None:
        v1 = path.startswith("v1:")
        document = self.v1 if v1 else self.v2
        operation = document["paths"][path.removeprefix("v1:")][method]
        assert str(answer.status_code) in operation["responses"], (answer.status_code, answer.text)
        content = operation["responses"][str(answer.status_code)].get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None:
            # The documents give errors no schema.
            assert not answer.content or answer.status_code >= 400
            return
        components = json.loads(json.dumps(document["components"]).replace('"nullable": true', '"x-nullable": true'))
        validator = jsonschema.Draft7Validator({**schema, "components": components})
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer.json())]
        assert problems == []
        unknown = sorted(self._unknown(document, schema, answer.json(), "$"))
        assert unknown == [], "fields the document does not have"

    def _resolve(self, document: Json, schema: Json) -> Json:
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "allOf" in schema:
            merged: Json = {"properties": {}}
            for part in schema["allOf"]:
                for name, value in self._resolve(document, part).get("properties", {}).items():
                    inner = self._resolve(document, value)
                    before = merged["properties"].get(name, {})
                    both = {**before.get("properties", {}), **inner.get("properties", {})}
                    merged["properties"][name] = {**inner, "properties": both} if both else value
            return merged
        return schema

    def _unknown(self, document: Json, schema: Json, value: Any, where: str) -> list[str]:
        schema = self._resolve(document, schema)
        if isinstance(value, list):
            return [
                problem
                for index, one in enumerate(value)
                for problem in self._unknown(document, schema.get("items", {}), one, f"{where}[{index}]")
            ]
        known = schema.get("properties")
        if not isinstance(value, dict) or not known or schema.get("additionalProperties"):
            return []
        found = [f"{where}.{name}" for name in value if name not in known]
        for name in set(value) & set(known):
            found += self._unknown(document, known[name], value[name], f"{where}.{name}")
        return found


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents()


type Check = Callable[[str, str, requests.Response], None]


def test_custom_content(process: Process, documents: Documents) -> None:
    alice, bob, carol = (Browser(process.acme, one) for one in (ALICE, BOB, CAROL))
    check: Check = documents.check
    created = alice.create()
    check("post", "/custom-content", created)
    item = created.json()
    alice.created(spaceId=None, pageId=ENG_PAGE)
    child = bob.post(CONTENT, {"type": ANSWER, "customContentId": item["id"], "title": "A", "body": STORAGE})
    check("post", "/custom-content", child)
    one = f"{CONTENT}/{item['id']}"
    check("get", "/custom-content", alice.get(f"{CONTENT}?type={QUESTION}&limit=1&body-format=storage"))
    check("get", "/custom-content/{id}", alice.get(f"{one}?body-format=storage&include-operations=true"))
    check("get", "/custom-content/{id}/children", alice.get(f"{one}/children"))
    check("get", "/custom-content/{id}/operations", alice.get(f"{one}/operations"))
    check("get", "/spaces/{id}/custom-content", alice.get(f"{V2}/spaces/{ENG}/custom-content?type={QUESTION}"))
    check("put", "/custom-content/{id}", alice.send("PUT", one, json=update_of(item)))
    check("delete", "/custom-content/{id}", alice.send("DELETE", one))
    check("get", "/custom-content/{id}", alice.get(one))
    check("delete", "/custom-content/{id}", carol.send("DELETE", f"{one}?purge=true"))
    check("get", "/custom-content/{id}", alice.get(one))
    check("post", "/custom-content", alice.post(CONTENT, question(title="")))


def test_comments(process: Process, documents: Documents) -> None:
    alice = Browser(process.acme, ALICE)
    item = alice.created()
    made = alice.post(f"{V2}/footer-comments", {"customContentId": item["id"], "body": STORAGE})
    documents.check("post", "/footer-comments", made)
    documents.check("get", "/footer-comments", alice.get(f"{V2}/footer-comments?body-format=storage&limit=1"))
    one = f"{V2}/footer-comments/{made.json()['id']}"
    documents.check("get", "/footer-comments/{comment-id}", alice.get(one))
    listed = alice.get(f"{CONTENT}/{item['id']}/footer-comments?body-format=storage")
    documents.check("get", "/custom-content/{id}/footer-comments", listed)
    bob = Browser(process.acme, BOB)
    documents.check("delete", "/footer-comments/{comment-id}", bob.send("DELETE", one))
    documents.check("delete", "/footer-comments/{comment-id}", alice.send("DELETE", one))
    documents.check("delete", "/footer-comments/{comment-id}", alice.send("DELETE", one))


def test_spaces_pages_and_people(process: Process, documents: Documents) -> None:
    alice = Browser(process.acme, ALICE)
    documents.check("get", "/spaces", alice.get(f"{V2}/spaces?limit=1"))
    documents.check("get", "/spaces/{id}", alice.get(f"{V2}/spaces/{ENG}"))
    documents.check("get", "/spaces/{id}/operations", alice.get(f"{V2}/spaces/{ENG}/operations"))
    documents.check("get", "/pages/{id}", alice.get(f"{V2}/pages/{ENG_PAGE}?body-format=storage"))
    documents.check("post", "/users-bulk", alice.post(f"{V2}/users-bulk", {"accountIds": [ALICE, BOB, "nobody"]}))


def test_pages_and_spaces_of_other_kinds(process: Process, documents: Documents) -> None:
    alice, control = Browser(process.acme, ALICE), Control(process.acme)
    own = control.space("~alice", type="personal", administrator=ALICE)
    parent = control.page(ENG, "Parent")
    control.page(ENG, "Child", parentId=parent["pageId"])
    documents.check("get", "/pages", alice.get(f"{V2}/pages?body-format=storage&limit=250"))
    documents.check("get", "/pages", alice.get(f"{V2}/pages?id={ENG_PAGE}&id={parent['pageId']}&limit=1"))
    documents.check("get", "/pages", alice.get(f"{V2}/pages?id=x"))
    control.send("POST", f"/spaces/{own['spaceId']}/archive")
    documents.check("get", "/spaces/{id}", alice.get(f"{V2}/spaces/{own['spaceId']}"))
    documents.check("get", "/spaces", alice.get(f"{V2}/spaces?type=personal&status=archived"))


def test_space_permissions_hold_but_for_the_types_of_apps(process: Process, documents: Documents) -> None:
    """The document lists built-in target types only; assignments of app types are known to lie outside it."""
    answer = Browser(process.acme, ALICE).get(f"{V2}/spaces/{ENG}/permissions?limit=250")
    document = answer.json()
    assert any(one["operation"]["targetType"] == QUESTION for one in document["results"])
    document["results"] = [one for one in document["results"] if ":" not in one["operation"]["targetType"]]
    built_in = requests.Response()
    built_in.status_code = answer.status_code
    built_in._content = json.dumps(document).encode()

    documents.check("get", "/spaces/{id}/permissions", built_in)


def test_v1(process: Process, documents: Documents) -> None:
    alice = Browser(process.acme, ALICE)
    item = alice.created()
    documents.check("get", "v1:/wiki/rest/api/user/current", alice.get(f"{V1}/user/current?expand=operations"))
    documents.check("get", "v1:/wiki/rest/api/user", alice.get(f"{V1}/user?accountId={BOB}"))
    subject = {"type": "user", "identifier": ALICE}
    checked = alice.post(f"{V1}/content/{item['id']}/permission/check", {"subject": subject, "operation": "read"})
    documents.check("post", "v1:/wiki/rest/api/content/{id}/permission/check", checked)


@pytest.mark.parametrize("account", [ALICE, ""])
def test_the_current_user_is_always_somebody(process: Process, documents: Documents, account: str) -> None:
    answer = Browser(process.acme, account).get(f"{V1}/user/current")

    documents.check("get", "v1:/wiki/rest/api/user/current", answer)
    assert answer.json()["type"] == ("known" if account else "anonymous")
