"""A destination's endpoint: checked when it is given and before every call, kept sealed, called once at a time."""

import hashlib
import hmac
from dataclasses import dataclass, field

from lib.crypto import PURPOSE_FINGERPRINT, DecryptionFailed, Keyring, Place, open_sealed, purpose_key, seal
from lib.outbound import OutboundError, PublicUrl, UrlRefused, parse_public_url
from lib.principal import SpaceId, TenantId
from lib.services import Services
from lib.tenancy import Installation
from notify.kinds import ADAPTERS, DestinationKind
from notify.message import Message
from notify.model import DestinationId
from notify.outcome import Gone, Outcome, Retry

_DEADLINE_S = 10.0
_MAX_ANSWER_BYTES = 65_536
_ENDING_LENGTH = 4
_MAC_LENGTH = 40


class EndpointRefused(Exception):
    """The URL is not one we call; `reason` is a constant code, and the URL is not held."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def check_endpoint(services: Services, kind: DestinationKind, url: str) -> PublicUrl:
    """The URL if it is one of this kind's; else `EndpointRefused`. Nothing is looked up or called."""
    adapter = ADAPTERS[kind]
    fault = adapter.endpoint_shape_fault(url)
    if fault is not None:
        raise EndpointRefused(fault)
    try:
        return parse_public_url(
            url,
            allowed_hosts=adapter.allowed_hosts(services.settings),
            local_origins=services.settings.outbound_local_origins,
        )
    except UrlRefused as refused:
        raise EndpointRefused(refused.reason) from None


def ending_of(url: str) -> str:
    """What people tell one endpoint from another by."""
    return url[-_ENDING_LENGTH:]


def fingerprint(
    keyring: Keyring, tenant_id: TenantId, space_id: SpaceId | None, url: str, *, version: int | None = None
) -> str:
    """A keyed hash that is equal for the same URL in the same scope; led by the version of its key."""
    used, key = purpose_key(keyring, PURPOSE_FINGERPRINT, version)
    scope = "site" if space_id is None else f"space:{space_id}"
    digest = hmac.digest(key, f"{tenant_id}|{scope}|{url}".encode(), hashlib.sha256).hex()
    return f"{used}:{digest[:_MAC_LENGTH]}"


def _place(tenant_id: TenantId, destination_id: DestinationId) -> Place:
    return Place("destination", "endpoint_record", tenant_id, destination_id)


def seal_endpoint(keyring: Keyring, installation: Installation, destination_id: DestinationId, url: str) -> bytes:
    return seal(keyring, installation.key_salt, _place(installation.tenant_id, destination_id), url.encode())


@dataclass(frozen=True, slots=True)
class Target:
    """What a call needs of a destination."""

    id: DestinationId
    kind: DestinationKind
    endpoint_record: bytes = field(repr=False)


def send_once(
    services: Services, installation: Installation, target: Target, message: Message, *, was_plain: bool
) -> Outcome:
    """Sends the message, in one call that ends within 10 seconds. What goes wrong with it is a value.

    Raises `Unavailable` when the keys cannot be read; then nothing was sent.
    """
    adapter = ADAPTERS[target.kind]
    try:
        place = _place(installation.tenant_id, target.id)
        url = open_sealed(services.keyring, installation.key_salt, place, target.endpoint_record).decode()
        # What was good when it was stored may be refused by now: the lists of hosts are settings.
        check_endpoint(services, target.kind, url)
    except DecryptionFailed:
        # A key may be missing for a while only; to disable every destination for that could not be undone.
        return Retry("endpoint-unreadable")
    except EndpointRefused as refused:
        return Gone(refused.reason)
    try:
        answer = services.door.request(
            "POST",
            url,
            headers={"Content-Type": adapter.content_type},
            body=adapter.payload(message),
            deadline_s=_DEADLINE_S,
            max_bytes=_MAX_ANSWER_BYTES,
        )
    except OutboundError as error:
        return adapter.classify(error, was_plain=was_plain)
    return adapter.classify(answer, was_plain=was_plain)
