"""Slugs: what a tag as typed becomes (pure)."""

import re
import unicodedata
from collections.abc import Iterable

from lib.errors import Fault, Invalid
from questions_api.tags.model import MAX_SLUG

MAX_TAGS = 5
RESERVED = frozenset({"all", "any", "me", "new", "none", "null", "tag", "tags", "undefined", "untagged"})
"""Words that addresses, filters and other programs give a meaning of their own."""

_MAX_TYPED = 200
_SLUG = re.compile(r"[\w][\w.+#-]*")
_SEPARATORS = re.compile(r"[\s_]+")


def normalise(text: str) -> str | None:
    """The slug of a tag as typed, or None where it cannot be one (pure).

    Compatibility forms are folded (NFKC), case is dropped, spaces become one dash: what looks the same is the
    same. Control and formatting characters, which could make two slugs look alike, are refused.
    """
    if len(text) > _MAX_TYPED:
        return None
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn"} for character in text.strip()):
        return None
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    slug = _SEPARATORS.sub("-", folded.strip())
    # SQL Server counts UTF-16 code units.
    is_short = len(slug.encode("utf-16-le", "surrogatepass")) <= 2 * MAX_SLUG
    return slug if is_short and _SLUG.fullmatch(slug) else None


def new_slug(text: str, where: str) -> tuple[str | None, Fault | None]:
    """The slug that a tag may be given from now on, or what is wrong with the text at `where`.

    Reserved words are refused here only: a tag that bears one from earlier is still found by it.
    """
    slug = normalise(text)
    if slug is None:
        return None, Fault(where, f"cannot be a tag of 1 to {MAX_SLUG} letters, digits or dashes")
    if slug in RESERVED:
        return None, Fault(where, "is a reserved word and cannot be a tag")
    return slug, None


def slugs_in(texts: Iterable[str], where: str) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """The slugs of a list of the body, each once, and a fault for every text that cannot be one."""
    slugs: dict[str, None] = {}
    faults: list[Fault] = []
    for position, text in enumerate(texts):
        slug, fault = new_slug(text, f"{where}/{position}")
        if slug is not None:
            slugs[slug] = None
        if fault is not None:
            faults.append(fault)
    return tuple(slugs), tuple(faults)


def slugs_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The slugs of a question's tags, each once; `Invalid` names every text that cannot be one."""
    slugs, faults = slugs_in(texts, "/tags")
    if len(slugs) > MAX_TAGS:
        faults = (*faults, Fault("/tags", f"must hold at most {MAX_TAGS} tags"))
    if faults:
        raise Invalid(faults=faults)
    return slugs


def after_prefix(prefix: str) -> str:
    """The least text that is greater than all texts which begin with the prefix, code point by code point.

    No slug ends in the last code point before the surrogates or in the last of all, so there always is one.
    """
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
