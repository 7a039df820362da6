"""The six kinds of failure a use case may report; each subclass states one fact and carries it.

The domain knows no HTTP status: `lib.web` maps a kind to a status once, and shows `code` and `detail`
to the caller (RFC 9457). `detail` therefore never holds a secret, a title, a name or another tenant's id.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where (a JSON pointer or a parameter's name) and what."""

    where: str
    detail: str


class Failure(Exception):
    """Base of the six kinds; never raised itself."""

    code: ClassVar[str] = "failure"
    detail: ClassVar[str] = "The request failed."

    def __init__(self, detail: str | None = None) -> None:
        self.explanation = detail or self.detail
        super().__init__(self.explanation)


class Unauthenticated(Failure):
    """No proof, or no acceptable proof, of who is calling. All causes look the same from outside."""

    code = "unauthenticated"
    detail = "A valid token is required."


class Forbidden(Failure):
    """The caller is known and may not do this to something it may see."""

    code = "forbidden"
    detail = "You may not do this."


class Unlicensed(Forbidden):
    """The site has no licence for the app: it can be read, and nothing is lost meanwhile."""

    code = "unlicensed"
    detail = (
        "This site has no licence for the app, so nothing can be changed at the moment. "
        "Reading goes on, and nothing is lost."
    )


class NotFound(Failure):
    """Missing, invisible to the caller, or another installation's: the three are never told apart."""

    code = "not-found"
    detail = "There is nothing here that you may see."


class Conflict(Failure):
    """The state has moved on since the caller last looked; `current` says what it is now, where that helps."""

    code = "conflict"
    detail = "The state has changed; read it again."

    def __init__(self, detail: str | None = None, *, current: dict[str, object] | None = None) -> None:
        super().__init__(detail)
        self.current = current or {}


class PreconditionFailed(Conflict):
    """The caller asked to change one version, and another stands; `current` says what it is."""

    code = "precondition-failed"
    detail = "This has changed since you read it; read it again."


class Invalid(Failure):
    """The request is wrong in itself; `faults` lists every problem found, not just the first."""

    code = "invalid"
    detail = "The request is not valid."

    def __init__(self, detail: str | None = None, *, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.faults = faults


class Unacceptable(Invalid):
    """Well formed, but what it names cannot be used for this (another type, author or container)."""

    code = "unacceptable"
    detail = "What the request names cannot be used for this."


class Unavailable(Failure):
    """A neighbour (database, Confluence, vault, queue) does not answer; trying again later may work."""

    code = "unavailable"
    detail = "A service this needs is not answering; try again shortly."

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
