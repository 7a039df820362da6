"""Use cases of administrators: add a destination, look at it, change it, try it, remove it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from lib.confluence import Caller
from lib.crypto import Keyring, UnknownKeyVersion
from lib.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unacceptable
from lib.grants import SPACE_INVISIBLE
from lib.outbound import PublicUrl
from lib.principal import AccountId, Principal, SpaceId, TenantId
from lib.services import Services
from lib.sql import delete_rows, insert_row, new_id, rows_changed, select_rows, update_rows
from lib.tenancy import Installation, account_ref
from notify.endpoints import (
    EndpointRefused,
    Target,
    check_endpoint,
    ending_of,
    fingerprint,
    seal_endpoint,
    send_once,
)
from notify.kinds import ADAPTERS, DestinationKind
from notify.message import Disclosure, trial_message
from notify.model import Attempt, Delivery, Destination, DestinationId, DestinationState, ScopeKind
from notify.outcome import Outcome
from notify.routing.subscriptions import EventName, to_column

MAX_DESTINATIONS = 200
DELIVERIES_SHOWN = 100
BY_ADMINISTRATOR = "by-administrator"


class DestinationExists(Conflict):
    code = "destination-exists"
    detail = "This URL is a destination of that space or site already."


class TooManyDestinations(Conflict):
    code = "too-many-destinations"
    detail = f"A site has at most {MAX_DESTINATIONS} destinations; remove one first."


class SpaceNotVisible(Unacceptable):
    code = "space-not-visible"
    detail = "There is no such space, or you may not see it."


class PersonalSpace(Unacceptable):
    code = "personal-space"
    detail = "Personal spaces are never carried to chat."


class TitleNeedsSpace(Unacceptable):
    code = "title-needs-space"
    detail = "Titles are shown for the questions of one space only; the whole site is carried with links."


class TitleNeedsSpaceAdministrator(Forbidden):
    code = "title-needs-space-administrator"
    detail = "Only an administrator of the space may let a chat channel show its titles."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A destination as an administrator describes it. `space_id` None is the whole site."""

    kind: DestinationKind
    label: str
    url: str = field(repr=False)
    space_id: SpaceId | None
    events: tuple[EventName, ...]
    disclosure: Disclosure


def check_administrator(services: Services, installation: Installation, account_id: AccountId) -> None:
    """Everything about destinations is for Confluence administrators, as Confluence says at the time."""
    if not services.grants.is_administrator(installation, account_id):
        raise Forbidden("Only a Confluence administrator may do this.")


def check_wanted(services: Services, installation: Installation, account_id: AccountId, wanted: Wanted) -> PublicUrl:
    """Whether this administrator may have that destination; the URL in its parts."""
    try:
        endpoint = check_endpoint(services, wanted.kind, wanted.url)
    except EndpointRefused as refused:
        raise Invalid(faults=(Fault("/url", _url_fault(wanted.kind, refused.reason)),)) from None
    if wanted.space_id is None:
        if wanted.disclosure is not Disclosure.LINK:
            raise TitleNeedsSpace
        return endpoint
    grants = services.grants.of(installation, account_id, wanted.space_id, for_write=True)
    if grants.reason == SPACE_INVISIBLE:
        raise SpaceNotVisible
    if services.confluence.space_kind(Caller(installation, account_id), wanted.space_id) == "personal":
        raise PersonalSpace
    if wanted.disclosure is Disclosure.TITLE and not grants.administers_space:
        raise TitleNeedsSpaceAdministrator
    return endpoint


_URL_FAULTS: Mapping[str, str] = {
    "too-long": "is longer than 2048 characters",
    "characters": "has characters that a URL does not hold; copy it again",
    "scheme": "must begin with https://",
    "host-not-listed": "has a host that this app does not call",
}


def _url_fault(kind: DestinationKind, reason: str) -> str:
    return ADAPTERS[kind].help.get(reason) or _URL_FAULTS.get(reason) or "is not a URL that this app calls"


def create_destination(
    session: Session,
    principal: Principal,
    installation: Installation,
    keyring: Keyring,
    wanted: Wanted,
    endpoint: PublicUrl,
    *,
    now: datetime,
) -> Destination:
    """Adds the destination. One URL is a destination of one scope once (`DestinationExists`)."""
    tenant_id = principal.tenant_id
    held = list(session.scalars(select_rows(tenant_id, Destination.endpoint_fingerprint)))
    if len(held) >= MAX_DESTINATIONS:
        raise TooManyDestinations
    if _is_held(keyring, tenant_id, wanted, held):
        raise DestinationExists
    destination_id = DestinationId(new_id(now))
    session.execute(
        insert_row(
            tenant_id,
            Destination,
            id=destination_id,
            kind=wanted.kind,
            label=wanted.label,
            scope_kind=ScopeKind.SITE if wanted.space_id is None else ScopeKind.SPACE,
            scope_id=wanted.space_id,
            events=to_column(wanted.events),
            disclosure=wanted.disclosure,
            endpoint_record=seal_endpoint(keyring, installation, destination_id, wanted.url),
            endpoint_fingerprint=fingerprint(keyring, tenant_id, wanted.space_id, wanted.url),
            endpoint_host=endpoint.host,
            endpoint_ending=ending_of(wanted.url),
            state=DestinationState.ACTIVE,
            failure_count=0,
            created_by_ref=account_ref(session, tenant_id, principal.account_id, now=now),
            created_at=now,
        )
    )
    return find_destination(session, tenant_id, destination_id)


def _is_held(keyring: Keyring, tenant_id: TenantId, wanted: Wanted, held: list[str]) -> bool:
    """Compared under every key version in use: rows made before a rotation carry the older one's hash."""
    for version in {int(made.partition(":")[0]) for made in held}:
        try:
            ours = fingerprint(keyring, tenant_id, wanted.space_id, wanted.url, version=version)
        except UnknownKeyVersion:
            continue
        if ours in held:
            return True
    return False


def find_destination(session: Session, tenant_id: TenantId, destination_id: DestinationId) -> Destination:
    """The destination; `NotFound` for missing and foreign ones alike."""
    row: Destination | None = session.scalar(
        select_rows(tenant_id, Destination)
        .where(Destination.id == destination_id)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound
    return row


def list_destinations(session: Session, tenant_id: TenantId) -> list[Destination]:
    """All of a site's destinations, the oldest first."""
    return list(session.scalars(select_rows(tenant_id, Destination).order_by(Destination.id).limit(MAX_DESTINATIONS)))


@dataclass(frozen=True, slots=True)
class Change:
    """What to change; None leaves it as it is."""

    label: str | None = None
    events: tuple[EventName, ...] | None = None
    state: DestinationState | None = None


def change_destination(
    session: Session, tenant_id: TenantId, destination_id: DestinationId, change: Change
) -> Destination:
    """Applies the change. Activating forgets what went wrong before."""
    values: dict[str, object] = {}
    if change.label is not None:
        values["label"] = change.label
    if change.events is not None:
        values["events"] = to_column(change.events)
    if change.state is DestinationState.ACTIVE:
        values |= {"state": change.state, "disabled_reason": None, "failure_count": 0, "failing_since": None}
    if change.state is DestinationState.DISABLED:
        values |= {"state": change.state, "disabled_reason": BY_ADMINISTRATOR}
    if values:
        session.execute(update_rows(tenant_id, Destination).where(Destination.id == destination_id).values(values))
    return find_destination(session, tenant_id, destination_id)


def delete_destination(session: Session, tenant_id: TenantId, destination_id: DestinationId) -> None:
    """Removes the destination with its deliveries; a try that is under way finds its row gone."""
    deliveries = select_rows(tenant_id, Delivery.id).where(Delivery.destination_id == destination_id)
    session.execute(delete_rows(tenant_id, Attempt).where(Attempt.delivery_id.in_(deliveries)))
    session.execute(delete_rows(tenant_id, Delivery).where(Delivery.destination_id == destination_id))
    gone = session.execute(delete_rows(tenant_id, Destination).where(Destination.id == destination_id))
    if rows_changed(gone) != 1:
        raise NotFound


def try_destination(services: Services, installation: Installation, destination: Destination) -> Outcome:
    """Sends a card that says it is a test. Nothing is recorded, and nothing is enabled or disabled by it."""
    target = Target(destination.id, DestinationKind(destination.kind), destination.endpoint_record)
    return send_once(services, installation, target, trial_message(installation.base_url), was_plain=True)


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery, the number of its tries and what the last of them was answered."""

    delivery: Delivery
    attempts: int
    http_status: int | None


def list_deliveries(session: Session, tenant_id: TenantId, destination_id: DestinationId) -> list[DeliveryRecord]:
    """The destination's last hundred deliveries, the newest first."""
    find_destination(session, tenant_id, destination_id)
    deliveries = session.scalars(
        select_rows(tenant_id, Delivery)
        .where(Delivery.destination_id == destination_id)
        .order_by(Delivery.id.desc())
        .limit(DELIVERIES_SHOWN)
    ).all()
    attempts: dict[int, list[int | None]] = {}
    tried = session.execute(
        select_rows(tenant_id, Attempt.delivery_id, Attempt.http_status)
        .where(Attempt.delivery_id.in_([delivery.id for delivery in deliveries]))
        .order_by(Attempt.delivery_id, Attempt.attempt_no)
    )
    for row in tried:
        attempts.setdefault(row.delivery_id, []).append(row.http_status)
    return [
        DeliveryRecord(delivery, len(of_it), of_it[-1] if of_it else None)
        for delivery in deliveries
        for of_it in [attempts.get(delivery.id, [])]
    ]
