"""Exporting through the whole stack, part by part, by the Link header alone."""

import csv
import io
import json

from local.person import Answered, Person
from tests.api.conftest import ENG, HR, MKT, Cast, title
from tests.api.test_questions import code


def parts(person: Person, query: str) -> list[Answered]:
    """Every part of the export; the next one's address is taken from the Link header as it stands."""
    found = [person.api("GET", f"/export{query}")]
    for _ in range(200):
        assert found[-1].status == 200, found[-1].body
        link = found[-1].headers.get("link")
        if link is None:
            return found
        address, _, relation = link.partition(";")
        assert relation.strip() == 'rel="next"'
        found.append(person.api("GET", address.strip("<>").removeprefix("/api/v1")))
    raise AssertionError("the export does not end")


def text(part: Answered) -> str:
    return part.body if isinstance(part.body, str) else json.dumps(part.body)


def test_an_export_walks_through_all_of_a_space(cast: Cast) -> None:
    mallory = cast.mallory
    asked = [mallory.ask(MKT, title("Exported"), tags=("export",)) for _ in range(5)]
    mallory.answer(asked[0])
    assert mallory.api("PUT", f"/questions/{asked[0]}/links/{asked[3]}").status == 200

    found = parts(mallory, f"?space={MKT}&limit=2")

    assert found[0].headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for part in found for line in text(part).splitlines()]
    ids = [line["id"] for line in lines]
    assert len(ids) == len(set(ids))
    assert set(asked) <= set(ids)
    first = next(line for line in lines if line["id"] == asked[0])
    assert (first["authorId"], first["tags"], len(first["answers"])) == (mallory.account_id, ["export"], 1)

    links = {line["id"]: line["links"] for line in lines}
    assert [links[question] for question in asked] == [[asked[3]], [], [], [asked[0]], []]

    rows = [text(part) for part in parts(mallory, f"?space={MKT}&limit=3&format=csv")]
    table = list(csv.DictReader(io.StringIO("".join(rows))))
    assert {row["id"] for row in table if row["kind"] == "question"} == set(ids)
    cells = {row["id"]: row["links"] for row in table if row["kind"] == "question"}
    assert [cells[question] for question in asked] == [asked[3], "", "", asked[0], ""]


def test_an_export_is_for_administrators_of_the_space(cast: Cast) -> None:
    assert code(cast.alice.api("GET", f"/export?space={ENG}")) == (403, "forbidden")
    assert code(cast.dave.api("GET", f"/export?space={HR}")) == (404, "not-found")
    assert code(cast.mallory.api("GET", f"/export?space={HR}")) == (404, "not-found")
    assert cast.carol.api("GET", f"/export?space={ENG}&limit=1").status == 200


def test_bad_parameters_of_an_export_are_named(cast: Cast) -> None:
    answer = cast.carol.api("GET", "/export?space=x&format=xml&limit=1001&order=new")
    assert answer.status == 400
    assert {problem["parameter"] for problem in answer.body["problems"]} == {"space", "format", "limit", "order"}
    assert cast.carol.api("GET", f"/export?space={ENG}&cursor=AAAA").status == 400
