"""What came of one try to deliver: a value, so that the decision what follows is made elsewhere (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The product took the message. For Teams that means handed over, not shown."""

    http_status: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Not taken now; another try may work. `after_s` is how long the product asks to be left alone."""

    reason: str
    http_status: int | None = None
    after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """No try will work until somebody mends the endpoint."""

    reason: str
    http_status: int | None = None


Outcome = Delivered | Retry | Gone


def name_of(outcome: Outcome) -> str:
    """How rows, logs and answers call it."""
    return type(outcome).__name__.lower()


TIMEOUT = "timeout"
THROTTLED = "throttled"

CARD_REFUSED = "card-refused"
TOO_LARGE = "card-too-large"
ASKS_FOR_PLAIN = (CARD_REFUSED, TOO_LARGE)
"""Reasons after which the next try carries the message without its optional parts."""
