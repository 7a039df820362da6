"""Entity tags, and the conditions of requests that name them (RFC 9110, sections 8.8.3 and 13.1; pure).

A tag is `"<version>.<hash>"` where the answer has a version and `"<hash>"` where it has none. The hash makes it
strong: equal tags mean equal bytes. A change is conditional on the version alone, because the rest of an answer
(votes, what this caller may do) moves without anybody having changed the thing.
"""

import base64
import hashlib
import re

from lib.errors import Invalid, PreconditionFailed

_HASH_BYTES = 16
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')
_VERSIONED = re.compile(r'(W/)?"(\d{1,10})\.[A-Za-z0-9_-]{1,64}"', re.ASCII)
_ANY = "*"


def tag_of(body: bytes, version: object = None) -> str:
    """The strong tag of an answer's bytes; `version` is used where it is a whole number."""
    digest = hashlib.sha256(body).digest()[:_HASH_BYTES]
    text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    has_version = isinstance(version, int) and not isinstance(version, bool)
    return f'"{version}.{text}"' if has_version else f'"{text}"'


def is_known(if_none_match: str, tag: str) -> bool:
    """Whether the sender has these bytes already: the comparison is weak, as it is made for caches."""
    return if_none_match.strip() == _ANY or tag in _TAG.findall(if_none_match)


def version_of(if_match: str) -> int | None:
    """The version that a change is conditional on, None for any; `Invalid` for what is not one tag of ours."""
    text = if_match.strip()
    if text == _ANY:
        return None
    found = _VERSIONED.fullmatch(text)
    if found is None:
        raise Invalid('If-Match must be "*" or one ETag of this address, as a GET answered it.')
    if found[1]:
        # The comparison is strong (RFC 9110, 13.1.1): a weak tag matches nothing.
        raise PreconditionFailed("If-Match names a weak ETag, which matches nothing.")
    return int(found[2])
