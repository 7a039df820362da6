"""What the shapes of all capabilities have in common: ids, pages, times and cursors."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from lib.cursors import make_cursor, read_cursor
from lib.web import Call, Query

_MAX_ID = 2**63 - 1


def _within_bigint(text: str) -> str:
    if int(text) > _MAX_ID:
        raise ValueError("is larger than an id can be")
    return text


Id = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,18}$"),
    AfterValidator(_within_bigint),
    Field(description="A decimal id."),
]

AccountText = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9:-]{1,128}$"), Field(description="An Atlassian account id.")
]

Version = Annotated[int, Field(ge=0, le=2**31 - 1, description="The version that the change is based on.")]


class PageQuery(Query):
    """Which page of a list."""

    cursor: Annotated[str, Field(max_length=400)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25


def time_view(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_view(moment: datetime | None) -> str | None:
    return None if moment is None else time_view(moment)


def after_cursor(call: Call, list_name: str, cursor: str | None) -> tuple[int, ...] | None:
    """Where the page starts; `Invalid` for a cursor of another list. `list_name` names the whole query."""
    return read_cursor(call.services.keyring, call.tenant_id, list_name, cursor) if cursor else None


def next_cursor(call: Call, list_name: str, position: Iterable[int] | None) -> str | None:
    """The cursor after that position; None at the end of the list."""
    if position is None:
        return None
    return make_cursor(call.services.keyring, call.tenant_id, list_name, tuple(position))
