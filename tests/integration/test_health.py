"""Readiness: one verdict for all probes, and none of them waits for another's question."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from lib import health
from lib.errors import Unavailable
from lib.services import Services
from lib.sql import Database


class Neighbour(Database):
    """A database that can be away, or think for as long as the test wants."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner.engine)
        self.questions = 0
        self.is_away = False
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, work: Any, *, tenant_id: Any = None) -> Any:
        self.questions += 1
        self.asked.set()
        assert self.may_answer.wait(10)
        if self.is_away:
            raise Unavailable
        return Database.read(self, work, tenant_id=tenant_id)


@pytest.fixture
def neighbour(database: Database, monkeypatch: pytest.MonkeyPatch) -> Neighbour:
    monkeypatch.setattr(health, "_verdict", (0.0, False))
    return Neighbour(database)


@pytest.fixture
def shared(services: Services, neighbour: Neighbour) -> Services:
    return replace(services, database=neighbour)


def test_a_verdict_is_believed_for_a_while(
    shared: Services, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert health._is_ready(shared)
    neighbour.is_away = True
    assert health._is_ready(shared)
    assert neighbour.questions == 1

    monkeypatch.setattr(health, "_VERDICT_S", 0.0)

    assert not health._is_ready(shared)
    neighbour.is_away = False
    assert health._is_ready(shared)


@pytest.mark.parametrize("before", [True, False])
def test_while_one_asks_the_others_get_the_last_verdict_at_once(
    shared: Services, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    monkeypatch.setattr(health, "_verdict", (1e-9, before))
    monkeypatch.setattr(health, "_VERDICT_S", 0.0)
    neighbour.is_away = before
    neighbour.may_answer.clear()

    with ThreadPoolExecutor(4) as pool:
        asking = pool.submit(health._is_ready, shared)
        assert neighbour.asked.wait(10)
        others = [pool.submit(health._is_ready, shared) for _ in range(3)]
        try:
            assert [other.result(timeout=5) for other in others] == [before] * 3
            assert not asking.done()
        finally:
            neighbour.may_answer.set()
        assert asking.result(timeout=10) is not before

    assert neighbour.questions == 1
