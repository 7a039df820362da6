"""The cast, at their keyboards, and what they need to play their parts."""

import itertools
from dataclasses import dataclass

import pytest

from local.confluence.cast import ALICE, BOB, CAROL, DAVE, MALLORY
from local.person import Person, send
from local.stack import Stack

ENG, HR, MKT = "65537", "65538", "75001"
ENG_PAGE = "98306"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cast:
    """Alice asks, Bob answers, Carol administers, Dave may not see HR, Mallory administers another site."""

    alice: Person
    bob: Person
    carol: Person
    dave: Person
    mallory: Person


@pytest.fixture
def cast(stack: Stack) -> Cast:
    alice, bob, carol, dave = (Person(account, stack.site_one, stack.app_url) for account in (ALICE, BOB, CAROL, DAVE))
    return Cast(alice, bob, carol, dave, Person(MALLORY, stack.site_two, stack.app_url))


def title(text: str) -> str:
    """A title of its own, so that tests do not see each other's questions as theirs."""
    return f"{text} ({next(_numbers)})"


def grant(person: Person, space: str, subject: dict[str, str], *operations: tuple[str, str, bool]) -> None:
    """Changes the site's permission grid as its screen would; the site sends the webhook."""
    body = {
        "subject": subject,
        "operations": [
            {"operation": operation, "targetType": target, "access": access} for operation, target, access in operations
        ],
    }
    answer = send("PUT", f"{person.site}/_sim/spaces/{space}/grants", body=body)
    assert answer.status == 200, answer.body
