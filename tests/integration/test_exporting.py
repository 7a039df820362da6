"""Exports: every question once, only what the administrator may see, and nothing that a spreadsheet would run."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lib.authentication import Request, authenticate_context
from lib.errors import Forbidden, Invalid, NotFound
from lib.principal import SpaceId
from lib.services import Services
from lib.spaces import SpaceSettings, change_space_settings
from lib.sql import update_rows
from lib.telemetry import trace_of
from lib.web import Call, Reply
from questions_api.answers.acceptance import accept_only
from questions_api.exporting import reading, schemas
from questions_api.exporting.formats import COLUMNS, cell, to_csv
from questions_api.exporting.routes import send_export
from questions_api.model import Answer, Question
from questions_api.posts import QuestionHead, remove_post
from questions_api.questions.links import link_questions
from questions_api.votes.casting import Value, cast_vote
from tests.factories import ENG, HR, NOW, Site, answered, asked, beside, content
from tests.fakes import FakeConfluence
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
    context_token,
)

Sites = tuple[Site, Site]
SECRETS = {ACME_KEY: ACME_SECRET, GLOBEX_KEY: GLOBEX_SECRET}


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for space_id in (ENG, HR):
        site.allow(CAROL, space_id, questions="vad", votes="vad", tags="vad", administers=True)
        site.allow(ALICE, space_id, questions="va", votes="va", tags="va")
    site.allow(DAVE, ENG, questions="va", votes="va", tags="v")
    site.allow(MALLORY, ENG, questions="vad", votes="vad", tags="vad", administers=True)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def call(shared: Services, account: str = CAROL, client_key: str = ACME_KEY) -> Call:
    token = context_token(NOW, client_key=client_key, secret=SECRETS[client_key], account_id=account)
    request = Request("GET", "/api/v1/export", {"authorization": f"JWT {token}"}, {}, b"", NOW)
    return Call(shared, request, authenticate_context(shared, request), trace_of(None))


def part(given: Call, space_id: SpaceId = ENG, **values: object) -> Reply:
    reply = send_export(given, schemas.ExportQuery.model_validate({"space": str(space_id), **values}))
    assert isinstance(reply, Reply)
    return reply


def text(reply: Reply) -> str:
    assert isinstance(reply.body, bytes)
    return reply.body.decode()


def lines(reply: Reply) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(reply).splitlines()]


def following(reply: Reply) -> dict[str, str] | None:
    """The parameters of the next part, as the Link header has them."""
    link = reply.headers.get("Link")
    if link is None:
        return None
    address, relation = link.split(";")
    assert relation.strip() == 'rel="next"'
    parameters = parse_qs(urlsplit(address.strip("<>")).query)
    return {name: value for name, (value,) in parameters.items() if name != "space"}


def rich_question(shared: Services, site: Site) -> QuestionHead:
    """A question with two tags, an accepted answer, and votes of two people."""
    question = asked(shared.database, site, tags=("wifi", "vpn"))
    answer_id = answered(shared.database, site, question)
    accept = partial(accept_only, principal=site.principal(ALICE), question=question, answer_id=answer_id, now=NOW)
    shared.database.write(accept)
    ballots: tuple[tuple[str, Value], ...] = ((BOB, 1), (DAVE, -1))
    for voter, value in ballots:
        vote = partial(cast_vote, principal=site.principal(voter), post=question.post, value=value, now=NOW)
        shared.database.write(vote, tenant_id=site.tenant_id)
    return question


def test_a_line_holds_the_question_with_its_answers_and_no_voter(shared: Services, sites: Sites) -> None:
    question = rich_question(shared, sites[0])

    reply = part(call(shared))

    assert reply.media_type == "application/jsonl"
    assert "Link" not in reply.headers
    (line,) = lines(reply)
    assert (line["id"], line["authorId"], line["tags"]) == (str(question.item.id), ALICE, ["vpn", "wifi"])
    assert (line["state"], line["score"], line["up"], line["down"]) == ("accepted", 0, 1, 1)
    assert (line["answerCount"], line["acceptedCount"]) == (1, 1)
    (answer,) = line["answers"]
    assert (answer["authorId"], answer["acceptedById"], answer["questionId"]) == (BOB, ALICE, line["id"])
    assert answer["acceptedAt"] is not None
    assert DAVE not in text(reply)


def test_a_part_ends_however_much_is_hidden_and_the_next_goes_on(
    shared: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LIST_PAGE", 1)
    acme = sites[0]
    pages = 2 * (1 + reading._SPARE_PAGES) * 4
    shown = asked(shared.database, acme, created_at=NOW - timedelta(days=2))
    for age in range(pages):
        asked(shared.database, acme, page_id=900, created_at=NOW - timedelta(minutes=age))

    found, wanted = [], {"limit": "1"}
    for _ in range(3):
        reply = part(call(shared), ENG, **wanted)
        found.append([line["id"] for line in lines(reply)])
        wanted = following(reply) or {}

    assert (found, wanted) == ([[], [], [str(shown.item.id)]], {})


@pytest.mark.parametrize("file_format", ["jsonl", "csv"])
def test_all_parts_together_hold_each_question_once_while_new_ones_arrive(
    shared: Services, sites: Sites, file_format: str
) -> None:
    acme = sites[0]
    expected = [
        str(asked(shared.database, acme, created_at=NOW - timedelta(hours=2, seconds=age // 2)).item.id)
        for age in range(12)
    ]
    collected, wanted = "", {"format": file_format, "limit": "5"}
    for number in range(20):
        reply = part(call(shared), ENG, **wanted)
        collected += text(reply)
        asked(shared.database, acme, created_at=NOW + timedelta(seconds=number))
        if (following_part := following(reply)) is None:
            break
        wanted = following_part

    if file_format == "csv":
        found = [row["id"] for row in csv.DictReader(io.StringIO(collected))]
    else:
        found = [json.loads(line)["id"] for line in collected.splitlines()]
    assert sorted(found) == sorted(expected)


def test_csv_has_one_row_for_each_post_and_one_header(shared: Services, sites: Sites) -> None:
    question = rich_question(shared, sites[0])
    asked(shared.database, sites[0], created_at=NOW - timedelta(days=9))

    first = part(call(shared), format="csv", limit=1)
    second = part(call(shared), ENG, **(following(first) or {}))

    assert first.media_type == "text/csv"
    rows = list(csv.DictReader(io.StringIO(text(first) + text(second))))
    assert [row["kind"] for row in rows] == ["question", "answer", "question"]
    assert (rows[0]["tags"], rows[0]["isLocked"], rows[0]["bounty"]) == ("vpn wifi", "false", "")
    assert rows[1]["questionId"] == str(question.item.id)
    assert tuple(rows[0]) == COLUMNS


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_a_spreadsheet_runs_no_cell(start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    post = {"kind": "question", "authorId": evil, "score": -3, "tags": [evil], "answers": []}

    ((_, row),) = [list(csv.DictReader(io.StringIO(to_csv([post, post], has_header=True).decode(), newline="")))]

    assert row["authorId"] == row["tags"] == f"'{evil}"
    assert row["score"] == "-3"
    assert cell(None) == ""
    assert cell(value=True) == "true"


def test_restricted_and_removed_questions_are_only_there_for_who_may_see_them(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    shown, hidden = (asked(shared.database, acme, page_id=900) for _ in range(2))
    confluence.put(replace(content(page_id=900), id=shown.item.id), CAROL)
    confluence.put(replace(content(page_id=900), id=hidden.item.id), ALICE)
    gone = asked(shared.database, acme)
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=gone.item.id, now=NOW))
    asked(shared.database, acme, space_id=HR)

    assert [line["id"] for line in lines(part(call(shared)))] == [str(shown.item.id)]


def test_a_line_names_the_linked_questions_that_the_administrator_may_see(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    acme = sites[0]
    question, other, gone = (asked(shared.database, acme, created_at=NOW - timedelta(hours=n)) for n in range(1, 4))
    elsewhere = asked(shared.database, acme, space_id=HR)
    restricted = asked(shared.database, acme, page_id=900)
    confluence.put(replace(content(page_id=900), id=restricted.item.id), ALICE)
    for one in (other, gone, elsewhere, restricted):
        link = partial(link_questions, principal=acme.principal(CAROL), question=one, other_id=question.item.id)
        shared.database.write(partial(link, now=NOW), tenant_id=acme.tenant_id)
    shared.database.write(partial(remove_post, tenant_id=acme.tenant_id, content_id=gone.item.id, now=NOW))

    def linked() -> dict[str, list[str]]:
        return {line["id"]: line["links"] for line in lines(part(call(shared)))}

    mine, others, theirs = str(question.item.id), str(other.item.id), str(elsewhere.item.id)
    assert linked() == {mine: [others, theirs], others: [mine]}
    confluence.shut_out(CAROL, HR)
    confluence.put(replace(content(page_id=900), id=restricted.item.id), CAROL)
    fresh = beside(shared, confluence)
    hidden = str(restricted.item.id)
    assert {line["id"]: line["links"] for line in lines(part(call(fresh)))} == {
        mine: [others, hidden],
        others: [mine],
        hidden: [mine],
    }


def test_an_answer_is_exported_as_contested_only_while_it_is_accepted(shared: Services, sites: Sites) -> None:
    acme = sites[0]
    question = asked(shared.database, acme)
    answer_id = answered(shared.database, acme, question)
    contest = update_rows(acme.tenant_id, Answer).where(Answer.question_id == question.item.id, Answer.id == answer_id)
    shared.database.write(lambda session: session.execute(contest.values(contested_at=NOW)))
    assert lines(part(call(shared)))[0]["answers"][0]["contestedAt"] is None

    accept = partial(accept_only, principal=acme.principal(ALICE), question=question, answer_id=answer_id, now=NOW)
    shared.database.write(accept, tenant_id=acme.tenant_id)
    assert lines(part(call(shared)))[0]["answers"][0]["contestedAt"] == "2026-11-25T12:00:00.000Z"


def test_votes_and_tags_are_left_out_for_an_administrator_who_may_not_see_them(
    shared: Services, sites: Sites, confluence: FakeConfluence
) -> None:
    confluence.allow(CAROL, ENG, questions="v", administers=True)
    rich_question(shared, sites[0])

    (line,) = lines(part(call(shared)))

    assert {"score", "up", "down", "tags"}.isdisjoint(line)
    assert "score" not in line["answers"][0]


def test_an_export_counts_votes_exactly(shared: Services, sites: Sites) -> None:
    acme = sites[0]
    question = asked(shared.database, acme)
    change = update_rows(acme.tenant_id, Question).where(Question.id == question.item.id)
    shared.database.write(lambda session: session.execute(change.values(score=-1, up=2, down=3)))

    (line,) = lines(part(call(shared)))

    assert (line["score"], line["up"], line["down"]) == (-1, 2, 3)


def test_only_administrators_of_the_space_export_it(shared: Services, sites: Sites) -> None:
    asked(shared.database, sites[0])
    with pytest.raises(Forbidden):
        part(call(shared, ALICE))
    with pytest.raises(Forbidden):
        part(call(shared, DAVE))
    with pytest.raises(NotFound):
        part(call(shared, DAVE), HR)
    with pytest.raises(NotFound):
        part(call(shared), SpaceId(424242))


def test_mallory_exports_nothing_of_another_site(shared: Services, sites: Sites) -> None:
    asked(shared.database, sites[0])
    mallory = call(shared, MALLORY, GLOBEX_KEY)

    assert lines(part(mallory)) == []
    with pytest.raises(NotFound):
        part(mallory, HR)
    for _ in range(2):
        asked(shared.database, sites[0])
    cursor = (following(part(call(shared), limit=1)) or {})["cursor"]
    with pytest.raises(Invalid):
        part(mallory, cursor=cursor)
    with pytest.raises(Invalid):
        part(call(shared), HR, cursor=cursor)


def test_a_space_where_questions_are_switched_off_says_so(shared: Services, sites: Sites) -> None:
    acme = sites[0]
    off = SpaceSettings(is_enabled=False)
    change = partial(change_space_settings, tenant_id=acme.tenant_id, space_id=ENG, wanted=off, now=NOW)
    shared.database.write(change)

    with pytest.raises(Forbidden) as refused:
        part(call(shared))
    assert "switch them on" in refused.value.explanation
