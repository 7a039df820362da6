"""What Confluence's webhooks report, reduced to what is acted on; nothing else of the body is kept."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy.orm import Session

from lib.errors import Fault, Invalid
from lib.events import ChangedContent, ContentChange, EventKind
from lib.outbox import append_event
from lib.principal import AccountId, ContentId, TenantId
from lib.tenancy import account_ref, raise_permission_epoch

_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_ACCOUNT = re.compile(r"[A-Za-z0-9:-]{1,128}", re.ASCII)
_PREFIX = "content_"
_CHANGES: dict[str, ContentChange] = {f"{_PREFIX}{change}": change for change in get_args(ContentChange)}

PERMISSION_EVENTS = frozenset({"content_permissions_updated", "space_permissions_updated"})
"""After these nothing cached about permissions is believed any more."""

EVENTS = frozenset(_CHANGES) | PERMISSION_EVENTS


@dataclass(frozen=True, slots=True)
class Report:
    """One webhook: at most one changed item of ours, and whether permissions changed."""

    content_id: ContentId | None
    change: ContentChange | None
    actor_id: AccountId | None
    permissions_changed: bool


def parse_report(event: str, body: bytes, *, content_types: frozenset[str]) -> Report:
    """What the webhook says about content of the given types (pure).

    Confluence sends `content_*` for the custom content of every app: what is not ours is no change to us.
    Raises `Invalid` for a body that is not a JSON object or names our content without a usable id.
    """
    payload = _object(body)
    change = _CHANGES.get(event)
    content = payload.get("content")
    named = content.get("type") if isinstance(content, dict) else None
    is_ours = change is not None and isinstance(named, str) and named in content_types
    return Report(
        content_id=_content_id(content) if is_ours else None,
        change=change if is_ours else None,
        actor_id=_account_id(payload.get("userAccountId")),
        permissions_changed=event in PERMISSION_EVENTS,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise Invalid(faults=(Fault("", "must be a JSON object"),))
    return payload


def _content_id(content: Any) -> ContentId:
    text = str(content.get("id", ""))
    if not _ID.fullmatch(text):
        raise Invalid(faults=(Fault("/content/id", "must be a content id"),))
    return ContentId(int(text))


def _account_id(value: object) -> AccountId | None:
    return AccountId(value) if isinstance(value, str) and _ACCOUNT.fullmatch(value) else None


def note_report(session: Session, tenant_id: TenantId, report: Report, *, now: datetime) -> None:
    """Writes down what has to be followed. Confluence sends each webhook once, so this commits before the answer."""
    if report.permissions_changed:
        raise_permission_epoch(session, tenant_id)
    if report.content_id is None or report.change is None:
        return
    actor_ref = account_ref(session, tenant_id, report.actor_id, now=now) if report.actor_id else None
    changed = ChangedContent(report.content_id, report.change, actor_ref)
    append_event(session, tenant_id, EventKind.CONTENT_CHANGED, changed, now=now)
