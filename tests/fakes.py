"""Small fakes that behave: each keeps what it was given and answers from it."""

from dataclasses import dataclass, field

from tests.fake_confluence import FakeConfluence

__all__ = ("Clock", "FakeConfluence", "RememberedQueues")


@dataclass(slots=True)
class RememberedQueues:
    """Keeps messages in memory; `is_away` makes sending fail as a stopped service would."""

    sent: list[tuple[str, str, int]] = field(default_factory=list)
    is_away: bool = False

    def send(self, queue: str, body: str, *, delay_s: int = 0) -> None:
        if self.is_away:
            raise ConnectionError("the queue service is away")
        self.sent.append((queue, body, delay_s))


@dataclass(slots=True)
class Clock:
    """A clock that moves when told to."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds
