"""Idempotency keys: asking twice is asking once, for one account, for a day, and whatever dies in between."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy.orm import Session

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable, Unauthenticated, Unavailable
from lib.idempotency import (
    KEPT_FOR,
    LEASE,
    MAX_KEPT_BYTES,
    IdempotencyRow,
    Kept,
    Ticket,
    claim,
    forget_expired_keys,
    free,
    keep,
)
from lib.limits import limiter_of
from lib.problems import KeyInProgress, KeyReused
from lib.rendering import Reply
from lib.services import Services
from lib.sql import Database
from lib.tenancy import note_licence
from tests.factories import NOW, Site, only_row, rows_of
from tests.integration.edge_routes import Got, note, notes, send, world
from tests.races import at_once, succeeded
from tests.tokens import BOB, GLOBEX_KEY, GLOBEX_SECRET, MALLORY, context_token

Sites = tuple[Site, Site]
BODY = {"text": "a secret thought"}


@pytest.fixture(autouse=True)
def shared(services: Services, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    del sites
    limiter_of.cache_clear()
    world.reset()
    monkeypatch.setattr("lib.web.services", lambda: services)
    yield services
    limiter_of.cache_clear()


@pytest.fixture
def ticket(sites: Sites) -> Ticket:
    return Ticket(sites[0].tenant_id, "a" * 64, "POST /api/v1/notes", "b" * 64)


def post(body: object = None, key: str = "key-1", *, token: str | None = None, account: str | None = None) -> Got:
    given = BODY if body is None else body
    if account is not None:
        return send(notes, "POST", given, Idempotency_Key=key, account=account)
    return send(notes, "POST", given, Idempotency_Key=key, token=token)


def claimed(database: Database, ticket: Ticket, now: datetime) -> Kept | datetime:
    return database.write(partial(claim, ticket=ticket, now=now), tenant_id=ticket.tenant_id)


def test_the_second_of_two_equal_requests_is_answered_and_not_done() -> None:
    first, second = post(), post()

    assert (first.status, first.body["number"], world.changes) == (201, 1, 1)
    assert (second.status, second.raw) == (first.status, first.raw)
    assert second.headers["location"] == first.headers["location"] == "/api/v1/notes/1"
    assert second.media_type == first.media_type == "application/json"
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["ratelimit"].startswith('"write";r=118')


def test_without_a_key_and_with_another_each_request_is_its_own(database: Database, sites: Sites) -> None:
    for _ in range(2):
        assert send(notes, "POST", BODY).status == 201
    assert rows_of(database, sites[0], IdempotencyRow) == []
    post(key="a")
    post(key="b")
    assert world.changes == 4


def test_the_same_key_with_another_request_is_refused() -> None:
    post()

    assert post({"text": "another"}).code == (422, "idempotency-key-reused")
    assert send(notes, "POST", BODY, path="api/v1/notes?x=1", Idempotency_Key="key-1").code == (
        422,
        "idempotency-key-reused",
    )
    assert world.changes == 1
    assert post().status == 201


def test_a_key_belongs_to_the_account_and_the_site_that_sent_it(database: Database, sites: Sites) -> None:
    theirs = context_token(NOW, client_key=GLOBEX_KEY, secret=GLOBEX_SECRET, account_id=MALLORY)
    ours = post()

    assert post(account=BOB).body["number"] == 2
    assert post(token=theirs).body["number"] == 3
    assert post().raw == ours.raw
    hashes = {row.key_hash for site in sites for row in rows_of(database, site, IdempotencyRow)}
    assert len(hashes) == 3


def test_what_is_stored_tells_nothing(database: Database, sites: Sites) -> None:
    post(key="my-key")
    row = only_row(database, sites[0], IdempotencyRow)

    assert (row.route, row.status) == ("POST /api/v1/notes", 201)
    assert row.expires_at == NOW + KEPT_FOR
    stored = b"|".join([row.key_hash.encode(), row.body_hash.encode(), row.record or b""])
    for secret in (b"my-key", b"secret thought", b"text"):
        assert secret not in stored


@pytest.mark.parametrize("key", ["", "with space", "\u00fc", "x" * 256, "a\tb", "\x7f"])
def test_a_malformed_key_is_refused(key: str) -> None:
    assert post(key=key).code == (400, "invalid")
    assert world.changes == 0


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "!~"])
def test_a_key_is_any_visible_text(key: str) -> None:
    assert post(key=key).status == post(key=key).status == 201
    assert world.changes == 1


def test_other_methods_need_no_key_and_mind_none(database: Database, sites: Sites) -> None:
    for _ in range(2):
        assert send(note, "PUT", BODY, Idempotency_Key="with space").status == 200
    assert world.changes == 2
    assert rows_of(database, sites[0], IdempotencyRow) == []


@pytest.mark.parametrize(
    ("failure", "status"), [(Conflict(current={"version": 2}), 409), (Unacceptable(), 422), (Forbidden(), 403)]
)
def test_a_refusal_is_an_outcome_too(failure: Exception, status: int) -> None:
    world.fails_with = failure
    first = post()
    world.fails_with = None
    second = post()

    assert first.status == second.status == status
    assert first.raw == second.raw
    assert second.media_type == "application/problem+json"
    assert world.changes == 1


def test_a_body_that_is_refused_is_refused_again() -> None:
    assert post({}).raw == post({}).raw
    assert post(BODY).code == (422, "idempotency-key-reused")


@pytest.mark.parametrize("failure", [Unavailable(), Unauthenticated(), RuntimeError("a defect"), MemoryError()])
def test_after_a_failure_of_ours_the_key_is_free(failure: Exception, database: Database, sites: Sites) -> None:
    world.fails_with = failure
    assert post().status in {401, 500, 503}
    assert rows_of(database, sites[0], IdempotencyRow) == []
    world.fails_with = None

    assert post().status == 201
    assert world.changes == 2


def test_what_confluence_does_not_show_yet_may_be_asked_for_again() -> None:
    world.fails_with = NotFound()
    assert post().status == 404
    world.fails_with = None

    assert post().status == 201


def test_being_unlicensed_says_nothing_about_the_request(shared: Services, sites: Sites) -> None:
    (acme, _) = sites
    kept = post(key="kept")
    for is_licensed, expected in [(False, 403), (True, 201)]:
        shared.database.write(partial(note_licence, tenant_id=acme.tenant_id, is_licensed=is_licensed))
        shared.tenants.forget(acme.installation.client_key)
        assert post().status == expected
        assert post(key="kept").raw == kept.raw


def test_an_answer_of_some_size_is_not_kept(database: Database, sites: Sites) -> None:
    world.answer = Reply(b"x" * (MAX_KEPT_BYTES + 1))
    post()
    assert rows_of(database, sites[0], IdempotencyRow) == []
    world.answer = Reply(b"x" * MAX_KEPT_BYTES)
    post()
    assert post().headers["idempotency-replayed"] == "true"


def test_a_limit_is_never_an_outcome(database: Database, sites: Sites) -> None:
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 400:
        statuses.append(post(key=f"key-{len(statuses)}").status)

    # While this runs, two more come free each second.
    assert 120 <= statuses.count(201) == len(statuses) - 1
    assert statuses[-1] == 429
    assert len(rows_of(database, sites[0], IdempotencyRow)) == statuses.count(201)


def test_a_record_that_does_not_open_is_not_done_again(database: Database, sites: Sites) -> None:
    post()
    row = only_row(database, sites[0], IdempotencyRow)
    moved = bytes([*(row.record or b"")[:-1], (row.record or b"\x00")[-1] ^ 1])

    def damage(session: Session) -> None:
        held = session.get_one(
            IdempotencyRow, (row.tenant_id, row.key_hash), execution_options={"across_tenants": True}
        )
        held.record = moved

    database.write(damage)
    assert post().status == 503
    assert world.changes == 1


def test_of_equal_requests_at_once_exactly_one_is_done() -> None:
    world.pause_s = 0.3
    answers = succeeded(at_once([post] * 8))

    assert world.done == ["added"]
    waiting = [answer for answer in answers if answer.status != 201]
    assert len(waiting) < len(answers)
    for answer in waiting:
        assert answer.code == (409, "idempotency-in-progress")
        assert answer.headers["retry-after"] == "1"
    assert len({answer.raw for answer in answers if answer.status == 201}) == 1


def test_of_claims_at_once_one_gets_the_lease(database: Database, ticket: Ticket) -> None:
    outcomes = at_once([partial(claimed, database, ticket, NOW)] * 6)

    assert [one for one in outcomes if not isinstance(one, Exception)] == [NOW + LEASE]
    assert {type(one) for one in outcomes if isinstance(one, Exception)} == {KeyInProgress}


@pytest.mark.parametrize("after", [LEASE, KEPT_FOR])
def test_a_lease_that_has_run_out_is_taken_by_one(database: Database, ticket: Ticket, after: timedelta) -> None:
    claimed(database, ticket, NOW)
    with pytest.raises(KeyInProgress):
        claimed(database, ticket, NOW + LEASE - timedelta(milliseconds=1))
    outcomes = at_once([partial(claimed, database, ticket, NOW + after)] * 6)

    assert [one for one in outcomes if not isinstance(one, Exception)] == [NOW + after + LEASE]


def test_whoever_lost_the_lease_neither_keeps_nor_frees(database: Database, ticket: Ticket, sites: Sites) -> None:
    claimed(database, ticket, NOW)
    claimed(database, ticket, NOW + LEASE)
    run = partial(database.write, tenant_id=ticket.tenant_id)
    run(partial(free, ticket=ticket, lease=NOW + LEASE))
    run(partial(keep, ticket=ticket, lease=NOW + LEASE, kept=Kept(201, b"late")))
    assert only_row(database, sites[0], IdempotencyRow).status is None
    run(partial(keep, ticket=ticket, lease=NOW + 2 * LEASE, kept=Kept(200, b"mine")))
    run(partial(free, ticket=ticket, lease=NOW + 2 * LEASE))

    assert claimed(database, ticket, NOW + LEASE) == Kept(200, b"mine")


def test_another_request_is_told_so_even_while_the_first_is_running(database: Database, ticket: Ticket) -> None:
    claimed(database, ticket, NOW)

    for other in (replace(ticket, route="POST /api/v1/other"), replace(ticket, body_hash="c" * 64)):
        with pytest.raises(KeyReused):
            claimed(database, other, NOW)


def test_after_a_day_the_key_is_new(database: Database, ticket: Ticket) -> None:
    claimed(database, ticket, NOW)
    run = partial(database.write, tenant_id=ticket.tenant_id)
    run(partial(keep, ticket=ticket, lease=NOW + LEASE, kept=Kept(200, b"old")))

    assert claimed(database, ticket, NOW + KEPT_FOR - timedelta(seconds=1)) == Kept(200, b"old")
    other = replace(ticket, body_hash="d" * 64)
    assert claimed(database, other, NOW + KEPT_FOR) == NOW + KEPT_FOR + LEASE


def test_expired_keys_of_every_site_are_forgotten_in_batches(
    database: Database, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib.idempotency._FORGOTTEN_AT_ONCE", 4)
    for site in sites:
        for number in range(3):
            claimed(database, Ticket(site.tenant_id, f"{number}".zfill(64), "POST /x", "b" * 64), NOW)
    claimed(database, Ticket(sites[0].tenant_id, "young".zfill(64), "POST /x", "b" * 64), NOW + timedelta(hours=1))
    forget = partial(database.write, partial(forget_expired_keys, now=NOW + KEPT_FOR))

    assert [forget(), forget(), forget()] == [4, 2, 0]
    assert [row.key_hash for row in rows_of(database, sites[0], IdempotencyRow)] == ["young".zfill(64)]
    assert rows_of(database, sites[1], IdempotencyRow) == []
