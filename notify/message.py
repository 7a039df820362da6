"""An event as a message that names no product: what happened, where to read it, and the title where allowed (pure)."""

import unicodedata
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lib.events import EventKind

_MAX_TITLE = 300
"""Confluence allows 255 characters; this bounds what anything else may hand us."""


class Disclosure(StrEnum):
    """What a message may show. The value is stored."""

    LINK = "link"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class Message:
    """`headline` and `button` are our own words; `title` is what somebody typed."""

    headline: str
    address: str
    title: str | None = field(default=None, repr=False)
    button: str = "Open question"


def compose(
    kind: EventKind, *, is_about_answer: bool, disclosure: Disclosure, title: str | None, address: str
) -> Message:
    """The message for an event. With `link` it names neither title, tags, author nor space, whatever is given."""
    shown = _one_line(title) if disclosure is Disclosure.TITLE and title else None
    return Message(_headline(kind, is_about_answer=is_about_answer), address, shown or None)


def plain(message: Message) -> Message:
    """The same without its optional parts."""
    return replace(message, title=None)


def trial_message(address: str) -> Message:
    """What an administrator sends to see whether a destination works."""
    return Message(
        "This is a test from Community Questions. The channel is connected.", address, button="Open Confluence"
    )


def _headline(kind: EventKind, *, is_about_answer: bool) -> str:
    post = "answer" if is_about_answer else "question"
    match kind:
        case EventKind.QUESTION_ASKED:
            return "A question was asked."
        case EventKind.QUESTION_ANSWERED:
            return "A question was answered."
        case EventKind.POST_VOTED:
            return f"{'An' if is_about_answer else 'A'} {post} received a vote."
        case EventKind.ANSWER_ACCEPTED:
            return "An answer was accepted."
        case _:
            raise ValueError("This kind of event is not carried to chat.")


def _one_line(text: str) -> str:
    """Without line breaks, control characters and halves of characters, none of which a title has."""
    kept = "".join(" " if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} else sign for sign in text)
    return " ".join(kept.split())[:_MAX_TITLE]
