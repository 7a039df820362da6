"""Everything about a person, for that person: no table forgotten, and nobody else's data in it."""

import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import LargeBinary, Table, update
from sqlalchemy.orm import Session

from lib.errors import Forbidden, Invalid, NotFound
from lib.principal import AccountId
from lib.sql import Row, across_tenants
from lib.tenancy import AccountRow
from questions_api.people import personal_data
from questions_api.people.requesting import request_answer
from questions_api.people.routes import read_person_data
from questions_api.people.schemas import PersonalDataQuery
from tests.factories import NOW, answered, asked, rows_of
from tests.integration.people_calls import accept, answer_post, stage, vote, write
from tests.integration.tag_calls import Stage
from tests.integration.test_purging import fill
from tests.tokens import ALICE, BOB, CAROL, MALLORY

__all__ = ("stage",)

ABOUT_PEOPLE = {
    table.name: sorted(column.name for column in table.columns if column.name.endswith("_ref"))
    for table in Row.metadata.sorted_tables
    if "tenant_id" in table.columns and any(column.name.endswith("_ref") for column in table.columns)
}
"""Every table of an installation that refers to people, by the metadata alone."""


Held = dict[tuple[str, str], list[dict[str, Any]]]
"""By table and role."""


def page(stage: Stage, viewer: str, account: str, cursor: str | None = None) -> dict[str, Any]:
    query = PersonalDataQuery(cursor=cursor)
    answer: Any = read_person_data(stage.call(viewer, accountId=account), query)
    assert answer["accountId"] == account
    return dict(answer)


def pages(stage: Stage, viewer: str, account: str) -> list[dict[str, Any]]:
    """The whole walk."""
    walked = [page(stage, viewer, account)]
    while walked[-1]["next"] is not None:
        assert len(walked) < 200, "the walk does not end"
        walked.append(page(stage, viewer, account, walked[-1]["next"]))
    return walked


def by_role(tables: list[dict[str, Any]]) -> Held:
    held: Held = {}
    for table in tables:
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        held.setdefault((table["name"], table["role"]), []).extend(rows)
    return held


def data(stage: Stage, viewer: str, account: str) -> Held:
    return by_role([table for one in pages(stage, viewer, account) for table in one["tables"]])


def test_the_tables_and_roles_that_refer_to_people_are_found_without_naming_them() -> None:
    found = sorted((part.table, part.role) for part in personal_data.parts_about_people())

    assert found == sorted((name, column) for name, columns in ABOUT_PEOPLE.items() for column in columns)
    assert {"account", "question", "answer", "vote", "watch", "flag", "answer_request", "tag_expert"} <= set(
        ABOUT_PEOPLE
    )
    assert {"audit_log", "destination", "standing", "contribution", "question_link"} <= set(ABOUT_PEOPLE)


@pytest.mark.parametrize(
    ("name", "column"),
    [(name, column) for name, columns in ABOUT_PEOPLE.items() if name != "account" for column in columns],
)
def test_every_reference_in_every_table_leads_to_its_row(stage: Stage, name: str, column: str) -> None:
    # Row 1 of every table refers to person 1 in all its columns, row 2 to person 2.
    fill(stage.database, stage.acme, rows=2)
    table = Row.metadata.tables[name]
    others = [other for other in ABOUT_PEOPLE[name] if other != column]
    if others:
        turned = update(table).where(table.c.tenant_id == stage.acme.tenant_id, table.c[column] == 1)
        stage.database.write(lambda session: session.execute(across_tenants(turned.values(dict.fromkeys(others, 2)))))

    held = data(stage, "1", "1")
    (row,) = held[name, column.removesuffix("_ref")]

    assert row[column] == "1"
    # The other person's part in the row is not this one's to read.
    assert {row.get(other) for other in others} <= {None}
    assert [len(held[name, other.removesuffix("_ref")]) for other in others] == [0] * len(others)
    assert not any(isinstance(column.type, LargeBinary) for column in table.columns if column.name in row)


def test_what_others_made_of_it_and_what_administrators_wrote_is_in_no_answer(stage: Stage) -> None:
    fill(stage.database, stage.acme, rows=1)
    withheld = {
        *("score", "up", "down", "hot", "answer_count", "accepted_count", "watch_count", "duplicate_of"),
        *("label", "endpoint_host", "endpoint_ending", "endpoint_fingerprint", "endpoint_record", "tenant_id"),
    }
    # Each of them exists: a column that was renamed would go unnoticed.
    assert withheld <= {column.name for name in ABOUT_PEOPLE for column in Row.metadata.tables[name].columns}

    held = data(stage, "1", "1")

    assert {column for rows in held.values() for row in rows for column in row} & withheld == set()
    (destination,) = held["destination", "created_by"]
    assert set(destination) >= {"id", "kind", "events", "state", "created_at"}


def test_a_person_reads_what_they_have_done(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    answer_id = answered(database, acme, question, author=BOB)
    vote(database, acme, BOB, question.post)
    accept(database, acme, ALICE, question.item.id, answer_id)

    mine = data(stage, ALICE, ALICE)

    assert [row["id"] for row in mine["question", "author"]] == [str(question.item.id)]
    assert mine["answer", "author"] == []
    # Bob's answer is not hers: that she has accepted it is, and when.
    assert mine["answer", "accepted_by"] == [
        {
            "question_id": str(question.item.id),
            "id": str(answer_id),
            "accepted_at": "2026-11-25T12:00:00.000Z",
            "accepted_by_ref": ALICE,
        }
    ]
    assert mine["vote", "account"] == []
    assert [row["atlassian_account_id"] for row in mine["account", "account"]] == [ALICE]
    his = data(stage, BOB, BOB)
    (answer,) = his["answer", "author"]
    assert (answer["author_ref"], answer["accepted_by_ref"], answer["deleted_at"]) == (BOB, None, None)
    assert his["vote", "account"] == [
        {
            "subject_kind": "question",
            "subject_id": str(question.item.id),
            "account_ref": BOB,
            "value": 1,
            "created_at": "2026-11-25T12:00:00.000Z",
        }
    ]
    assert BOB not in json.dumps([*mine.values()])


def test_who_was_asked_and_who_asked_read_their_own_part_of_a_request(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=CAROL)
    write(database, acme, request_answer, acme.principal(ALICE), question, AccountId(BOB), now=NOW)
    common = {"question_id": str(question.item.id), "created_at": "2026-11-25T12:00:00.000Z"}

    asker, asked_one = data(stage, ALICE, ALICE), data(stage, BOB, BOB)

    assert asker["answer_request", "requested_by"] == [{**common, "requested_by_ref": ALICE}]
    assert asked_one["answer_request", "account"] == [{**common, "account_ref": BOB, "requested_by_ref": None}]


def test_a_row_that_names_the_person_twice_is_given_once(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    answer_id = answered(database, acme, question, author=ALICE)
    accept(database, acme, ALICE, question.item.id, answer_id)

    mine = data(stage, ALICE, ALICE)

    assert [(row["author_ref"], row["accepted_by_ref"]) for row in mine["answer", "author"]] == [(ALICE, ALICE)]
    assert mine["answer", "accepted_by"] == []


def test_an_administrator_reads_it_too_and_nobody_else(stage: Stage) -> None:
    asked(stage.database, stage.acme, author=ALICE)

    assert data(stage, CAROL, ALICE) == data(stage, ALICE, ALICE)
    with pytest.raises(Forbidden):
        data(stage, BOB, ALICE)
    with pytest.raises(NotFound):
        page(stage, CAROL, "not an account")


def test_mallory_administers_another_site_and_reads_nothing_of_this_one(stage: Stage) -> None:
    asked(stage.database, stage.acme, author=ALICE)

    assert data(stage, MALLORY, ALICE) == {}


def test_looking_somebody_up_makes_no_row_about_them(stage: Stage) -> None:
    assert data(stage, CAROL, "557058:nobody-we-know") == {}
    assert rows_of(stage.database, stage.acme, AccountRow) == []


@pytest.mark.parametrize("rows_a_page", [1, 2, 3, 7])
def test_all_pages_together_hold_each_row_once(stage: Stage, monkeypatch: pytest.MonkeyPatch, rows_a_page: int) -> None:
    fill(stage.database, stage.acme, rows=3)
    for name, columns in ABOUT_PEOPLE.items():
        if name == "account":
            continue
        # All rows of all tables are person 1's, in every role but in what makes them different.
        table, key = Row.metadata.tables[name], Row.metadata.tables[name].primary_key.columns
        kept = [column for column in columns if column not in key or _tells_apart(table, column)]
        mine = update(table).where(table.c.tenant_id == stage.acme.tenant_id).values(dict.fromkeys(kept, 1))
        stage.database.write(partial(Session.execute, statement=across_tenants(mine)))
    whole = page(stage, "1", "1")
    assert whole["next"] is None
    monkeypatch.setattr(personal_data, "PAGE_ROWS", rows_a_page)

    walked = pages(stage, "1", "1")

    sizes = [sum(len(table["rows"]) for table in one["tables"]) for one in walked]
    assert sizes[:-1] == [rows_a_page] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= rows_a_page
    assert sum(sizes) == sum(len(table["rows"]) for table in whole["tables"]) > 30
    given = [table for one in walked for table in one["tables"]]
    assert by_role(given) == by_role(whole["tables"])
    # Nor is a table said to be empty whose rows are on the next page.
    empty = [(table["name"], table["role"]) for table in given if not table["rows"]]
    assert sorted(empty) == sorted(key for key, rows in by_role(whole["tables"]).items() if not rows)
    rows = [json.dumps([key, row]) for key, rows in by_role(whole["tables"]).items() for row in rows]
    assert len(rows) == len(set(rows))


def _tells_apart(table: Table, column: str) -> bool:
    """Whether the table's rows are still different without the column in their key."""
    return len(table.primary_key.columns) > len({"tenant_id", column})


def test_keys_of_several_parts_are_walked_in_their_order(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    acme, database = stage.acme, stage.database
    alice = asked(database, acme, author=ALICE)
    for number in range(3):
        question = asked(database, acme, author=BOB)
        answer_id = answered(database, acme, question, author=CAROL)
        posts = [question.post, answer_post(database, acme, answer_id)]
        for post in posts[: 1 + number % 2]:
            vote(database, acme, ALICE, post)
    expected = data(stage, ALICE, ALICE)["vote", "account"]
    monkeypatch.setattr(personal_data, "PAGE_ROWS", 1)

    held = data(stage, ALICE, ALICE)

    assert held["vote", "account"] == expected
    assert [row["subject_kind"] for row in expected] == ["answer", "question", "question", "question"]
    assert [row["id"] for row in held["question", "author"]] == [str(alice.item.id)]


def test_a_page_may_end_with_a_table(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(stage.database, stage.acme, author=ALICE)
    rows = sum(len(rows) for rows in data(stage, ALICE, ALICE).values())
    monkeypatch.setattr(personal_data, "PAGE_ROWS", rows)

    assert page(stage, ALICE, ALICE)["next"] is None


def test_a_cursor_is_for_one_persons_data(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for author in (ALICE, BOB):
        asked(stage.database, stage.acme, author=author)
    monkeypatch.setattr(personal_data, "PAGE_ROWS", 1)
    cursor = page(stage, CAROL, ALICE)["next"]

    assert cursor is not None
    assert page(stage, ALICE, ALICE, cursor)["tables"] != []
    with pytest.raises(Invalid):
        page(stage, BOB, BOB, cursor)
    with pytest.raises(Forbidden):
        page(stage, BOB, ALICE, cursor)
    with pytest.raises(Invalid):
        page(stage, MALLORY, ALICE, cursor)


def test_a_walk_over_tables_that_are_no_more_begins_again(stage: Stage) -> None:
    for position in ((1,), (next(personal_data.parts_about_people()).number, 7)):
        with pytest.raises(Invalid):
            stage.database.read(
                partial(
                    personal_data.personal_data,
                    tenant_id=stage.acme.tenant_id,
                    account_id=AccountId(ALICE),
                    after=position,
                )
            )
