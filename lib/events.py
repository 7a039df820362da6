"""Versioned records of what happened, and their JSON: ids only, never text, names or addresses.

An event is written to the outbox in the transaction of the change it reports. Fields may be added to a
payload; the meaning of an existing field never changes, because old and new code read each other's rows
during a deployment.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType, cast

from lib.principal import ContentId, SpaceId, TenantId

EventId = NewType("EventId", int)

PAYLOAD_VERSION = 1


class EventKind(StrEnum):
    """What happened. The value is stored, so it is permanent."""

    QUESTION_ASKED = "question_asked"
    QUESTION_ANSWERED = "question_answered"
    POST_VOTED = "post_voted"
    ANSWER_ACCEPTED = "answer_accepted"
    CONTENT_CHANGED = "content_changed"
    CONTAINER_CHANGED = "container_changed"
    SPACES_CHANGED = "spaces_changed"
    TALLY_DUE = "tally_due"


CHAT_KINDS = (
    EventKind.QUESTION_ASKED,
    EventKind.QUESTION_ANSWERED,
    EventKind.POST_VOTED,
    EventKind.ANSWER_ACCEPTED,
)
"""Kinds that destinations may subscribe to; the relay expands them into deliveries."""

FOLLOW_KINDS = (EventKind.CONTENT_CHANGED, EventKind.CONTAINER_CHANGED, EventKind.SPACES_CHANGED)
"""Kinds that tell us what Confluence did; the question feature follows them."""

TALLY_KINDS = (EventKind.TALLY_DUE,)
"""Kinds after which somebody's points have to be worked out anew."""

ContentChange = Literal["created", "updated", "trashed", "restored", "removed", "permissions_updated"]
ContainerChange = Literal["moved", "trashed", "restored", "removed"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Which post an event is about. `answer_id` is set when the post is an answer."""

    question_id: ContentId
    space_id: SpaceId
    answer_id: ContentId | None = None


@dataclass(frozen=True, slots=True)
class ChangedContent:
    """A content item that Confluence says has changed. What it is now is read again, never believed."""

    content_id: ContentId
    change: ContentChange
    actor_ref: int | None = None
    """Who did it, by our reference; where the app cannot see the item, it is read as this person."""


@dataclass(frozen=True, slots=True)
class ChangedContainer:
    """A page or blog post that Confluence says has changed; the questions asked from it are read again."""

    container_id: int
    change: ContainerChange
    actor_ref: int | None = None


@dataclass(frozen=True, slots=True)
class ChangedSpaces:
    """Some space was archived, brought back or removed: what is known of all of them is read again."""


type About = Subject | ChangedContent | ChangedContainer | ChangedSpaces


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the outbox, read back."""

    id: EventId
    tenant_id: TenantId
    kind: EventKind
    about: About
    traceparent: str | None
    created_at: datetime
    attempts: int = 0
    """How often somebody had taken it in hand when it was read."""


def to_payload(about: About) -> str:
    """The JSON stored with the event."""
    body: dict[str, object] = {"v": PAYLOAD_VERSION}
    match about:
        case ChangedContent():
            body |= {"content": str(about.content_id), "change": about.change} | _actor(about.actor_ref)
        case ChangedContainer():
            body |= {"container": str(about.container_id), "change": about.change} | _actor(about.actor_ref)
        case Subject():
            body |= {"question": str(about.question_id), "space": str(about.space_id)}
            if about.answer_id is not None:
                body["answer"] = str(about.answer_id)
        case ChangedSpaces():
            pass
    return json.dumps(body)


def _actor(actor_ref: int | None) -> dict[str, object]:
    return {} if actor_ref is None else {"actor": str(actor_ref)}


def from_payload(kind: EventKind, payload: str) -> About:
    """What `to_payload` stored; fields this version does not know are ignored."""
    body = json.loads(payload)
    if kind is EventKind.SPACES_CHANGED:
        return ChangedSpaces()
    if kind in FOLLOW_KINDS:
        actor = body.get("actor")
        actor_ref = None if actor is None else int(actor)
        if kind is EventKind.CONTAINER_CHANGED:
            return ChangedContainer(int(body["container"]), cast("ContainerChange", body["change"]), actor_ref)
        return ChangedContent(ContentId(int(body["content"])), cast("ContentChange", body["change"]), actor_ref)
    answer = body.get("answer")
    return Subject(
        question_id=ContentId(int(body["question"])),
        space_id=SpaceId(int(body["space"])),
        answer_id=None if answer is None else ContentId(int(answer)),
    )
