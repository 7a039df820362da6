"""Wire shapes of destinations: what requests may hold, and how rows become JSON. The URL only ever comes in."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypedDict

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from lib.events import EventKind
from lib.principal import SpaceId
from lib.web import Wire
from notify.destinations.managing import Change, DeliveryRecord, Wanted
from notify.kinds import ADAPTERS, DestinationKind
from notify.message import Disclosure
from notify.model import MAX_LABEL, Destination, DestinationState
from notify.outcome import Delivered, Outcome, name_of
from notify.routing.subscriptions import NAME_OF, EventName, names_in


def _check_label(text: str) -> str:
    if any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in text):
        raise ValueError("must be one line of text")
    if len(text.encode("utf-16-le")) // 2 > MAX_LABEL:
        raise ValueError(f"must have at most {MAX_LABEL} characters")
    return text


def _check_any(names: tuple[EventName, ...]) -> tuple[EventName, ...]:
    # As a length rule this would also complain of a list whose only entry is wrong.
    if not names:
        raise ValueError("must name at least one event")
    return names


SpaceText = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$"), Field(description="A Confluence space id.")
]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_check_label)]
Events = Annotated[
    tuple[EventName, ...],
    Field(max_length=4, strict=False, json_schema_extra={"minItems": 1}),
    AfterValidator(_check_any),
]


class SpaceScope(Wire):
    """The questions of one space."""

    kind: Literal["space"]
    space_id: SpaceText


class SiteScope(Wire):
    """The questions of every space whose administrator has let chat carry it."""

    kind: Literal["site"]


class DestinationBody(Wire):
    """A new destination. `url` is kept encrypted and never shown again."""

    kind: DestinationKind
    label: Label
    url: Annotated[str, Field(max_length=4096)]
    scope: Annotated[SpaceScope | SiteScope, Field(discriminator="kind")]
    events: Events
    disclosure: Disclosure = Disclosure.LINK

    def wanted(self) -> Wanted:
        space_id = SpaceId(int(self.scope.space_id)) if isinstance(self.scope, SpaceScope) else None
        return Wanted(self.kind, self.label, self.url, space_id, self.events, self.disclosure)


class DestinationChange(Wire):
    """What to change; members left out stay as they are, and null is no value."""

    label: Label = ""
    events: Events = ()
    state: DestinationState = DestinationState.ACTIVE

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must hold at least one of label, events and state")
        return self

    def change(self) -> Change:
        return Change(**{name: getattr(self, name) for name in self.model_fields_set})


class ScopeView(TypedDict, total=False):
    """`spaceId` is there for `space` only."""

    kind: str
    spaceId: str


class EndpointView(TypedDict):
    """What people tell an endpoint by: its host and the last four characters of its URL."""

    host: str
    ending: str


class DestinationView(TypedDict):
    id: str
    kind: str
    label: str
    scope: ScopeView
    events: list[EventName]
    disclosure: str
    state: str
    disabledReason: str | None
    endpoint: EndpointView
    lastDeliveredAt: str | None
    createdAt: str


class DestinationPage(TypedDict):
    items: list[DestinationView]
    next: str | None


class TrialView(TypedDict):
    """What came of a test card."""

    outcome: str
    httpStatus: int | None
    detail: str


class DeliveryView(TypedDict):
    """`attempts` counts calls made; `httpStatus` is the last one's answer, null where there was none."""

    id: str
    kind: EventName
    state: str
    questionId: str
    createdAt: str
    dueAt: str | None
    finishedAt: str | None
    attempts: int
    reason: str | None
    httpStatus: int | None


class DeliveryPage(TypedDict):
    items: list[DeliveryView]
    next: str | None


def time_view(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def destination_view(row: Destination) -> DestinationView:
    scope: ScopeView = {"kind": row.scope_kind}
    if row.scope_id is not None:
        scope["spaceId"] = str(row.scope_id)
    return {
        "id": str(row.id),
        "kind": row.kind,
        "label": row.label,
        "scope": scope,
        "events": names_in(row.events),
        "disclosure": row.disclosure,
        "state": row.state,
        "disabledReason": row.disabled_reason,
        "endpoint": {"host": row.endpoint_host, "ending": row.endpoint_ending},
        "lastDeliveredAt": time_view(row.last_delivered_at),
        "createdAt": time_view(row.created_at) or "",
    }


def trial_view(kind: DestinationKind, outcome: Outcome) -> TrialView:
    reason = "delivered" if isinstance(outcome, Delivered) else outcome.reason
    fallback = "Nothing usable came back. Try again in a minute; the address may be wrong if this stays so."
    return {
        "outcome": name_of(outcome),
        "httpStatus": outcome.http_status,
        "detail": ADAPTERS[kind].help.get(reason, fallback),
    }


def delivery_view(record: DeliveryRecord) -> DeliveryView:
    delivery = record.delivery
    return {
        "id": str(delivery.id),
        "kind": NAME_OF[EventKind(delivery.kind)],
        "state": delivery.state,
        "questionId": str(delivery.question_id),
        "createdAt": time_view(delivery.created_at) or "",
        "dueAt": time_view(delivery.due_at) if delivery.finished_at is None else None,
        "finishedAt": time_view(delivery.finished_at),
        "attempts": record.attempts,
        "reason": delivery.reason,
        "httpStatus": record.http_status,
    }
