"""What became of a call to a webhook: the one value every vendor's door hands to the page."""

from dataclasses import dataclass
from typing import Literal

type State = Literal["shown", "failedLater", "refused", "scripted"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`shown`: people see it. `failedLater`: accepted, then lost without a word to the sender.
    `refused`: the answer said so. `scripted`: a scripted answer kept it out of the channel.
    """

    state: State
    status: int
    """The HTTP status of the answer, even where a script then broke the connection over it."""
    reasons: tuple[str, ...] = ()
