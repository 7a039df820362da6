"""A stack that may be hurt, and channels that remember what they were told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.confluence.cast import ALICE, BOB, CAROL
from local.person import Person
from local.seed import wait_until_installed
from local.stack import Ports, Stack, running
from tests.leaks import leaks


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "stack", Ports.free(), logs_to_files=True)
    with running(made):
        wait_until_installed(made.site_one)
        yield made
    assert leaks(made, made.data / "app.log") == []


@pytest.fixture
def alice(own_stack: Stack) -> Person:
    return Person(ALICE, own_stack.site_one, own_stack.app_url)


@pytest.fixture
def bob(own_stack: Stack) -> Person:
    return Person(BOB, own_stack.site_one, own_stack.app_url)


@pytest.fixture
def carol(own_stack: Stack) -> Person:
    return Person(CAROL, own_stack.site_one, own_stack.app_url)
