"""The audit log: in what order, narrowed how, for whom, and as a table that no spreadsheet runs."""

import csv
import io
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from lib.audit import append_audit
from lib.errors import Forbidden, Invalid
from lib.grants import Grant, Grants
from lib.principal import AccountId
from lib.rendering import Reply
from lib.services import Services
from lib.spaces import SpaceSettings
from lib.sql import Database, update_rows
from lib.tenancy import AccountRow
from questions_api.questions.tag_editing import edit_tags
from questions_api.spaces.audit_log import COLUMNS, Entry, table_of
from questions_api.spaces.audit_routes import AuditQuery, read_log
from questions_api.tags.model import Tag
from tests.factories import ENG, NOW, Site, asked, beside, rows_of
from tests.fakes import FakeConfluence
from tests.integration.space_calls import call
from tests.tokens import ACME_KEY, ALICE, BOB, CAROL, GLOBEX_KEY, MALLORY

Sites = tuple[Site, Site]


@pytest.fixture
def confluence() -> FakeConfluence:
    return FakeConfluence(administrators={AccountId(CAROL), AccountId(MALLORY)})


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def note(
    database: Database,
    site: Site,
    action: str,
    *,
    who: str = CAROL,
    minutes: int = 0,
    target: int = 1,
    after: dict[str, object] | None = None,
) -> None:
    database.write(
        lambda session: append_audit(
            session,
            site.principal(who),
            action,
            ("tag", target),
            before={"slug": "old"},
            after=after or {"slug": "new"},
            now=NOW + timedelta(minutes=minutes),
        ),
        tenant_id=site.tenant_id,
    )


def log(shared: Services, account: str = CAROL, *, client_key: str = ACME_KEY, **query: str) -> Any:
    return read_log(call(shared, account, client_key=client_key), AuditQuery.model_validate(query))


def targets(answer: Any) -> list[str]:
    return [item["targetId"] for item in answer["items"]]


def test_the_newest_change_comes_first_with_who_and_what(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    note(shared.database, acme, "tag.merged", target=1)
    note(shared.database, acme, "tag.renamed", who=BOB, minutes=1, target=2)

    first, second = log(shared)["items"]
    assert {**first, "id": ""} == {
        "id": "",
        "at": "2026-11-25T12:01:00.000Z",
        "action": "tag.renamed",
        "actorId": BOB,
        "targetKind": "tag",
        "targetId": "2",
        "before": {"slug": "old"},
        "after": {"slug": "new"},
    }
    assert (second["actorId"], second["targetId"]) == (CAROL, "1")


LARGE = 2**63 - 1
"""An id that readers of JSON round when it is a number."""


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ({"tags": [LARGE, 7]}, {"tags": [str(LARGE), "7"]}),
        ({"tags": [str(LARGE)]}, {"tags": [str(LARGE)]}),
        ({"space_id": LARGE, "containerId": 7}, {"spaceId": str(LARGE), "containerId": "7"}),
        ({"account_ref": LARGE, "other_ids": [LARGE]}, {"accountRef": str(LARGE), "otherIds": [str(LARGE)]}),
        ({"duplicate_of": None, "is_locked": True}, {"duplicateOf": None, "isLocked": True}),
        ({"min_tags": 2, "expert_points": 7, "open": 1}, {"minTags": 2, "expertPoints": 7, "open": 1}),
        ({"tagId": str(LARGE), "version": 2}, {"tagId": str(LARGE), "version": 2}),
        ({"moved_to": [{"space_id": LARGE}, None]}, {"movedTo": [{"spaceId": str(LARGE)}, None]}),
        ({"min_tags": {"was_id": True}}, {"minTags": {"wasId": True}}),
    ],
)
def test_values_are_shown_with_our_names_and_ids_as_text(
    shared: Services, sites: Sites, kept: dict[str, object], shown: dict[str, object]
) -> None:
    note(shared.database, sites[0], "tag.merged", after=kept)

    assert log(shared)["items"][0]["after"] == shown
    assert json.loads(rows(log(shared, format="csv"))[1][6]) == shown


def test_values_that_were_too_long_leave_their_names(shared: Services, sites: Sites) -> None:
    note(shared.database, sites[0], "tag.merged", after={"other_ids": ["x" * 3000], "tags": []})

    assert log(shared)["items"][0]["after"] == {"omitted": ["otherIds", "tags"]}


def test_the_tags_of_a_question_are_ids_that_can_be_looked_up(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    question = asked(shared.database, acme, author=ALICE, tags=("vpn",))
    edit = partial(
        edit_tags,
        principal=acme.principal(CAROL),
        question_id=question.item.id,
        tags=("wiki",),
        grants=Grants(questions=Grant(view=True), tags=Grant(view=True, add=True, delete=True)),
        settings=SpaceSettings(),
        space_id=ENG,
        created_at=NOW,
        now=NOW,
    )
    shared.database.write(edit, tenant_id=acme.tenant_id)

    ids = {row.slug: row.tag_id for row in rows_of(shared.database, acme, Tag)}
    (entry,) = log(shared)["items"]
    assert min(ids.values()) > 2**53
    assert (entry["before"], entry["after"]) == ({"tags": [str(ids["vpn"])]}, {"tags": [str(ids["wiki"])]})


def test_pages_lead_through_the_whole_log(shared: Services, sites: Sites) -> None:
    acme, globex = sites
    for number in range(1, 8):
        note(shared.database, acme, "tag.merged", minutes=number % 4, target=number)
    note(shared.database, globex, "tag.merged", who=MALLORY, target=99)

    found: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while True:
        answer = log(shared, limit="3", **cursor)
        found += targets(answer)
        pages += 1
        if answer["next"] is None:
            break
        cursor = {"cursor": answer["next"]}
    assert (sorted(found), pages) == ([str(number) for number in range(1, 8)], 3)
    assert targets(log(shared, limit="100")) == found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"action": "tag.merged"}, ["3", "1"]),
        ({"action": "tag.nothing"}, []),
        ({"actor": BOB}, ["2"]),
        ({"actor": "557058:nobody"}, []),
        ({"from": "2026-11-25T12:01:00Z"}, ["3", "2"]),
        ({"to": "2026-11-25T12:01:00Z"}, ["1"]),
        ({"from": "2026-11-25T13:01:00+01:00", "to": "2026-11-25T12:02:00Z"}, ["2"]),
        ({"from": "2099-12-31T23:59:59.999Z"}, []),
        ({"to": "2000-01-01T00:00:00Z"}, []),
        ({"action": "tag.merged", "actor": CAROL, "from": "2026-11-25T12:01:00Z"}, ["3"]),
    ],
)
def test_the_log_can_be_narrowed(shared: Services, sites: Sites, query: dict[str, str], expected: list[str]) -> None:
    acme, _ = sites
    note(shared.database, acme, "tag.merged", target=1)
    note(shared.database, acme, "tag.renamed", who=BOB, minutes=1, target=2)
    note(shared.database, acme, "tag.merged", minutes=2, target=3)
    assert targets(log(shared, **query)) == expected


def test_a_cursor_belongs_to_its_own_narrowing(shared: Services, sites: Sites) -> None:
    for number in range(3):
        note(shared.database, sites[0], "tag.merged", minutes=number)
    cursor = log(shared, limit="1", action="tag.merged")["next"]
    assert targets(log(shared, limit="1", action="tag.merged", cursor=cursor)) == ["1"]
    for other in ({}, {"action": "tag.renamed"}, {"action": "tag.merged", "actor": CAROL}):
        with pytest.raises(Invalid):
            log(shared, cursor=cursor, **other)
    with pytest.raises(Invalid):
        log(shared, MALLORY, client_key=GLOBEX_KEY, action="tag.merged", cursor=cursor)


def test_a_former_user_has_no_name_in_the_log(shared: Services, sites: Sites) -> None:
    acme, _ = sites
    note(shared.database, acme, "tag.merged", who=BOB)
    shared.database.write(
        lambda session: session.execute(update_rows(acme.tenant_id, AccountRow).values(atlassian_account_id=None)),
        tenant_id=acme.tenant_id,
    )
    assert log(shared)["items"][0]["actorId"] is None
    assert rows(log(shared, format="csv"))[1][2] == ""


def test_the_log_is_for_confluence_administrators_of_its_site(shared: Services, sites: Sites) -> None:
    note(shared.database, sites[0], "tag.merged")
    with pytest.raises(Forbidden):
        log(shared, ALICE)
    assert log(shared, MALLORY, client_key=GLOBEX_KEY) == {"items": [], "next": None}


def rows(reply: Reply) -> list[list[str]]:
    assert isinstance(reply.body, bytes)
    return list(csv.reader(io.StringIO(reply.body.decode(), newline="")))


def test_the_log_comes_as_a_table_too_and_says_where_it_goes_on(shared: Services, sites: Sites) -> None:
    for number in range(3):
        note(shared.database, sites[0], "tag.merged", minutes=number, target=number + 1)
    reply = log(shared, limit="2", format="csv", action="tag.merged")
    assert reply.media_type == "text/csv"
    assert rows(reply) == [
        list(COLUMNS),
        ["2026-11-25T12:02:00.000Z", "tag.merged", CAROL, "tag", "3", '{"slug": "old"}', '{"slug": "new"}'],
        ["2026-11-25T12:01:00.000Z", "tag.merged", CAROL, "tag", "2", '{"slug": "old"}', '{"slug": "new"}'],
    ]
    address, _, relation = reply.headers["Link"].partition(">; ")
    assert (relation, address.startswith("</api/v1/audit?action=tag.merged&")) == ('rel="next"', True)
    last = log(shared, **dict(pair.split("=") for pair in address.partition("?")[2].split("&")))
    assert [row[4] for row in rows(last)] == ["targetId", "1"]
    assert "Link" not in last.headers


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula(text: str) -> None:
    entry = Entry(1, NOW, text, AccountId(text), text, 1, None, None)
    cells = next(iter(list(csv.reader(io.StringIO(table_of([entry]).decode(), newline="")))[1:]))
    assert [cells[column] for column in (1, 2, 3)] == [f"'{text}"] * 3
