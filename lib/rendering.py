"""Answers as they leave: JSON, its ETag, and the headers that say who may keep it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lib.etags import is_known, tag_of

JSON = "application/json"

API_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""What every answer carries unless it says otherwise."""

_REVALIDATED = {"Cache-Control": "private, no-cache"}
"""The browser may keep the answer, and asks each time whether it still holds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers when 200 with a JSON body is not it."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in bytes. `headers` are those besides `API_HEADERS`, or in place of them."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def adding(self, headers: Mapping[str, str]) -> "Answer":
        return replace(self, headers={**self.headers, **headers})


def render(reply: Reply) -> Answer:
    if isinstance(reply.body, bytes):
        body = reply.body
    elif reply.body is None:
        body = b""
    else:
        body = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(reply.status, body, reply.media_type, reply.headers)


def tagged(reply: Reply, answer: Answer, if_none_match: str | None) -> Answer:
    """The answer to a GET with its ETag, or 304 without a body where the sender has it already."""
    if answer.status != 200 or answer.media_type != JSON:
        return answer
    version = reply.body.get("version") if isinstance(reply.body, dict) else None
    tag = tag_of(answer.body, version)
    headers = {**_REVALIDATED, **answer.headers, "ETag": tag}
    if if_none_match is not None and is_known(if_none_match, tag):
        return Answer(304, b"", JSON, headers)
    return replace(answer, headers=headers)
