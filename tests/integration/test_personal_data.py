"""Everything about a person, for that person: no table forgotten, and nobody else's data in it."""

import json
from typing import Any

import pytest
from sqlalchemy import LargeBinary, update

from lib.errors import Forbidden, NotFound
from lib.sql import Row, across_tenants
from lib.tenancy import AccountRow
from questions_api.people import personal_data
from questions_api.people.routes import read_person_data
from tests.factories import answered, asked, rows_of
from tests.integration.people_calls import NOTHING, accept, stage, vote
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


def data(stage: Stage, viewer: str, account: str) -> dict[str, list[dict[str, Any]]]:
    answer: Any = read_person_data(stage.call(viewer, accountId=account), NOTHING)
    assert answer["accountId"] == account
    return {
        table["name"]: [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        for table in answer["tables"]
    }


def test_the_tables_that_refer_to_people_are_found_without_naming_them() -> None:
    found = {mapper.class_.__tablename__ for mapper in personal_data.tables_about_people()}

    assert found == set(ABOUT_PEOPLE)
    assert {"account", "question", "answer", "vote", "watch", "flag", "answer_request", "tag_expert"} <= found
    assert {"audit_log", "destination", "standing", "contribution", "question_link"} <= found


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

    (row,) = data(stage, "1", "1")[name]

    assert row[column] == "1"
    # The other person's part in the row is not this one's to read.
    assert [row[other] for other in others] == [None] * len(others)
    assert not any(isinstance(column.type, LargeBinary) for column in table.columns if column.name in row)


def test_a_person_reads_what_they_have_done(stage: Stage) -> None:
    acme, database = stage.acme, stage.database
    question = asked(database, acme, author=ALICE)
    answer_id = answered(database, acme, question, author=BOB)
    vote(database, acme, BOB, question.post)
    accept(database, acme, ALICE, question.item.id, answer_id)

    mine = data(stage, ALICE, ALICE)

    assert [row["id"] for row in mine["question"]] == [str(question.item.id)]
    (answer,) = mine["answer"]
    assert (answer["id"], answer["author_ref"], answer["accepted_by_ref"]) == (str(answer_id), None, ALICE)
    assert mine["vote"] == []
    assert [row["atlassian_account_id"] for row in mine["account"]] == [ALICE]
    (cast,) = data(stage, BOB, BOB)["vote"]
    assert cast == {
        "subject_kind": "question",
        "subject_id": str(question.item.id),
        "account_ref": BOB,
        "value": 1,
        "created_at": "2026-11-25T12:00:00.000Z",
    }
    assert BOB not in json.dumps(mine)


def test_an_administrator_reads_it_too_and_nobody_else(stage: Stage) -> None:
    asked(stage.database, stage.acme, author=ALICE)

    assert data(stage, CAROL, ALICE) == data(stage, ALICE, ALICE)
    with pytest.raises(Forbidden):
        data(stage, BOB, ALICE)
    with pytest.raises(NotFound):
        read_person_data(stage.call(CAROL, accountId="not an account"), NOTHING)


def test_mallory_administers_another_site_and_reads_nothing_of_this_one(stage: Stage) -> None:
    asked(stage.database, stage.acme, author=ALICE)

    assert data(stage, MALLORY, ALICE) == {}


def test_looking_somebody_up_makes_no_row_about_them(stage: Stage) -> None:
    assert data(stage, CAROL, "557058:nobody-we-know") == {}
    assert rows_of(stage.database, stage.acme, AccountRow) == []


def test_more_than_one_answer_holds_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "MOST_ROWS", 2)
    for _ in range(3):
        asked(stage.database, stage.acme, author=ALICE)

    answer: Any = read_person_data(stage.call(ALICE, accountId=ALICE), NOTHING)

    by_name = {table["name"]: table for table in answer["tables"]}
    assert (len(by_name["question"]["rows"]), by_name["question"]["isComplete"]) == (2, False)
    assert (by_name["vote"]["isComplete"], answer["isComplete"]) == (True, False)
