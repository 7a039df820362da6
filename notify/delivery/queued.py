"""The queue message of a delivery: ids and the trace, nothing else (pure).

Code of two releases reads each other's messages during a deployment, so unknown members are ignored and the
meaning of a known one never changes within a version.
"""

import json
import re
from dataclasses import dataclass

from lib.principal import TenantId
from notify.model import DeliveryId

_VERSION = 1
_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DeliveryMessage:
    """Which delivery to make. It is a hint: the row decides whether anything is to be done."""

    tenant_id: TenantId
    delivery_id: DeliveryId
    traceparent: str | None

    def to_body(self) -> str:
        return json.dumps(
            {
                "v": _VERSION,
                "tenantId": str(self.tenant_id),
                "deliveryId": str(self.delivery_id),
                "traceparent": self.traceparent,
            }
        )


def read_message(body: bytes) -> DeliveryMessage | None:
    """What `to_body` made, or None for anything else: a foreign message is dropped, never tried for ever."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or type(document.get("v")) is not int or document["v"] != _VERSION:
        return None
    tenant_id, delivery_id = _id(document.get("tenantId")), _id(document.get("deliveryId"))
    if tenant_id is None or delivery_id is None:
        return None
    traceparent = document.get("traceparent")
    return DeliveryMessage(
        TenantId(tenant_id), DeliveryId(delivery_id), traceparent if isinstance(traceparent, str) else None
    )


def _id(value: object) -> int | None:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return None
    return int(value) if int(value) <= _MAX_ID else None
