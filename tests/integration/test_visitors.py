"""Visitors without an account: nothing is looked up for them, so nothing of what exists can be told from the answer."""

import re
from datetime import timedelta

import azure.functions as func
import pytest

from lib.services import Services
from lib.web import Resource
from questions_api.triggers import RESOURCES
from tests.factories import ENG, NOW, Site, answered, asked
from tests.tokens import context_token

Sites = tuple[Site, Site]
OPERATIONS = [(resource, method) for resource in RESOURCES for method in sorted(resource.operations)]
_PARAMETER = re.compile(r"\{(\w+)\}")


def ask(resource: Resource, method: str, values: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of a call with a good token that names nobody; the trace is left out."""
    token = context_token(NOW, account_id=None)
    path = _PARAMETER.sub(lambda name: values.get(name[1], "1"), resource.route)
    request = func.HttpRequest(
        method,
        f"https://cq.example.com/{path}",
        headers={"Authorization": f"JWT {token}", "Content-Type": "application/json"},
        route_params={name: values.get(name, "1") for name in _PARAMETER.findall(resource.route)},
        body=b"{}" if method in {"POST", "PUT", "PATCH"} else b"",
    )
    answer = resource.respond(request, None)
    return answer.status_code, re.sub(rb'"traceId": "\w+"', b"", answer.get_body())


@pytest.mark.parametrize(("resource", "method"), OPERATIONS, ids=[f"{m} {r.route}" for r, m in OPERATIONS])
def test_what_exists_and_what_does_not_look_alike(
    services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch, resource: Resource, method: str
) -> None:
    monkeypatch.setattr("lib.web.services", lambda: services)
    acme, _ = sites
    question = asked(services.database, acme, tags=("vpn",), created_at=NOW - timedelta(hours=1))
    answer_id = answered(services.database, acme, question)
    there = {"questionId": str(question.item.id), "answerId": str(answer_id), "spaceId": str(ENG), "slug": "vpn"}

    missing = ask(resource, method, {"slug": "nothing"})

    assert ask(resource, method, there) == missing
    assert missing[0] == 403
