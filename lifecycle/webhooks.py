"""What Confluence's webhooks report, reduced to what is acted on; nothing else of the body is kept."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from lib.errors import Fault, Invalid
from lib.events import ChangedContainer, ChangedContent, ChangedSpaces, ContainerChange, ContentChange, EventKind
from lib.outbox import OutboxRow, append_event
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.spaces import raise_space_epoch
from lib.sql import Row, select_rows
from lib.tenancy import account_ref, raise_permission_epoch, raise_restriction_epoch

_ID = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_MAX_ID = 2**63 - 1
_ACCOUNT = re.compile(r"[A-Za-z0-9:-]{1,128}", re.ASCII)
_SPACE_KEY = re.compile(r"~?[A-Za-z0-9:_-]{1,254}", re.ASCII)


class Stale(Enum):
    """What nobody may believe any more after a webhook."""

    NOTHING = "nothing"
    RESTRICTIONS = "restrictions"
    """Who may see single items."""
    SPACE = "space"
    """Who may do what in one space."""
    PERMISSIONS = "permissions"
    """Who may do what on the whole site."""


_CONTENTS: dict[str, ContentChange] = {f"content_{change}": change for change in get_args(ContentChange)}
_CONTAINERS: dict[str, ContainerChange] = {
    f"{kind}_{change}": change for kind in ("page", "blog") for change in get_args(ContainerChange)
} | {
    # Archiving moves a page to another list of its space: what becomes of its questions is read again.
    "page_archived": "moved"
}
_SPACES = frozenset({"space_updated", "space_removed"})
_STALE: dict[str, Stale] = (
    dict.fromkeys(("content_permissions_updated", *_CONTAINERS), Stale.RESTRICTIONS)
    | {"space_permissions_updated": Stale.SPACE}
    | dict.fromkeys(("space_removed", "user_deactivated", "user_reactivated", "user_removed"), Stale.PERMISSIONS)
    | {"group_removed": Stale.PERMISSIONS}
)

EVENTS = frozenset(_CONTENTS) | frozenset(_CONTAINERS) | _SPACES | frozenset(_STALE)


@dataclass(frozen=True, slots=True)
class Report:
    """One webhook: what it says has changed, as ids, and what is stale after it."""

    content_id: ContentId | None = None
    """An item of ours, with `change`."""
    change: ContentChange | None = None
    container_id: int | None = None
    """A page or blog post, with `container_change`."""
    container_change: ContainerChange | None = None
    has_changed_spaces: bool = False
    stale: Stale = Stale.NOTHING
    space_id: SpaceId | None = None
    """Of a changed space, where the webhook names it by number; documented is the key alone."""
    space_key: str | None = field(default=None, repr=False)
    actor_id: AccountId | None = None


def parse_report(event: str, body: bytes, *, content_types: frozenset[str]) -> Report:
    """What the webhook says, `content_types` being ours (pure).

    Confluence sends `content_*` for the custom content of every app: what is not ours is no change to us.
    Raises `Invalid` for a body that is not a JSON object or names our content without a usable id.
    """
    payload = _object(body)
    change = _CONTENTS.get(event)
    content = payload.get("content")
    named = content.get("type") if isinstance(content, dict) else None
    is_ours = change is not None and isinstance(named, str) and named in content_types
    container_id = _container_id(payload) if event in _CONTAINERS else None
    is_about_space = _STALE.get(event) is Stale.SPACE
    return Report(
        content_id=_content_id(content) if is_ours else None,
        change=change if is_ours else None,
        container_id=container_id,
        container_change=None if container_id is None else _CONTAINERS[event],
        has_changed_spaces=event in _SPACES,
        stale=_STALE.get(event, Stale.NOTHING),
        space_id=_space_id(payload) if is_about_space else None,
        space_key=_space_key(payload) if is_about_space else None,
        actor_id=_account_id(payload.get("userAccountId")),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise Invalid(faults=(Fault("", "must be a JSON object"),))
    return payload


def _id(value: object) -> int | None:
    """An id that came as a number or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if _ID.fullmatch(text) and int(text) <= _MAX_ID else None


def _content_id(content: Any) -> ContentId:
    found = _id(content.get("id"))
    if found is None:
        raise Invalid(faults=(Fault("/content/id", "must be a content id"),))
    return ContentId(found)


def _member(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    return next((payload[name] for name in names if isinstance(payload.get(name), dict)), {})


def _container_id(payload: dict[str, Any]) -> int | None:
    # Recorded payloads of blog posts are rare and do not agree on the member's name.
    container = _member(payload, "page", "blog", "blogpost", "blogPost")
    return _id(container.get("idAsString")) or _id(container.get("id"))


def _space_id(payload: dict[str, Any]) -> SpaceId | None:
    found = _id(_member(payload, "space").get("id"))
    return None if found is None else SpaceId(found)


def _space_key(payload: dict[str, Any]) -> str | None:
    key = _member(payload, "space").get("key")
    return key if isinstance(key, str) and _SPACE_KEY.fullmatch(key) else None


def _account_id(value: object) -> AccountId | None:
    return AccountId(value) if isinstance(value, str) and _ACCOUNT.fullmatch(value) else None


def note_report(session: Session, tenant_id: TenantId, report: Report, *, now: datetime) -> None:
    """Writes down what has to be followed. Confluence sends each webhook once, so this commits before the answer.

    A space whose id could not be found out makes everything on the site stale.
    """
    _raise_epochs(session, tenant_id, report, now=now)
    if report.has_changed_spaces:
        _note_spaces(session, tenant_id, now=now)
    if report.content_id is not None and report.change is not None:
        changed = ChangedContent(report.content_id, report.change, _actor_ref(session, tenant_id, report, now=now))
        append_event(session, tenant_id, EventKind.CONTENT_CHANGED, changed, now=now)
    if report.container_id is None or report.container_change is None:
        return
    if _is_asked_from(session, tenant_id, report.container_id):
        actor_ref = _actor_ref(session, tenant_id, report, now=now)
        moved = ChangedContainer(report.container_id, report.container_change, actor_ref)
        append_event(session, tenant_id, EventKind.CONTAINER_CHANGED, moved, now=now)


def _raise_epochs(session: Session, tenant_id: TenantId, report: Report, *, now: datetime) -> None:
    if report.stale is Stale.RESTRICTIONS:
        raise_restriction_epoch(session, tenant_id)
    elif report.stale is Stale.SPACE and report.space_id is not None:
        raise_space_epoch(session, tenant_id, report.space_id, now=now)
    elif report.stale is not Stale.NOTHING:
        raise_permission_epoch(session, tenant_id)


def _note_spaces(session: Session, tenant_id: TenantId, *, now: datetime) -> None:
    # One that nobody has taken in hand will read all spaces after this change, too.
    waiting = session.scalar(
        select(OutboxRow.id)
        .where(
            OutboxRow.tenant_id == tenant_id,
            OutboxRow.kind == EventKind.SPACES_CHANGED,
            OutboxRow.done_at.is_(None),
            OutboxRow.attempts == 0,
        )
        .limit(1)
    )
    if waiting is None:
        append_event(session, tenant_id, EventKind.SPACES_CHANGED, ChangedSpaces(), now=now)


def _actor_ref(session: Session, tenant_id: TenantId, report: Report, *, now: datetime) -> int | None:
    return None if report.actor_id is None else account_ref(session, tenant_id, report.actor_id, now=now)


def _is_asked_from(session: Session, tenant_id: TenantId, container_id: int) -> bool:
    """Whether there is or was a question in the page or blog post: most pages have none, and end here."""
    # Features do not import each other, so the table of questions is found by its name.
    questions: Any = next(mapper.class_ for mapper in Row.registry.mappers if mapper.class_.__tablename__ == "question")
    asked = select_rows(tenant_id, questions.id).where(questions.container_id == container_id).limit(1)
    return session.scalar(asked) is not None
