r"""Takes secrets and personal data out of text: the pure half of `lib.scrubbing`.

`scrub` first makes control characters visible as `\u{…}`, then replaces what looks like a secret with
`[redacted]`. Where it cannot know where a secret ends it takes too much rather than too little. Every pattern
starts at a fixed word or at a boundary and never reads the same text again, so the time is linear; delimiters
stay where they are, so scrubbing twice changes nothing.
"""

import re
from dataclasses import dataclass
from functools import cache

MARK = "[redacted]"

_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_CODES = (*range(9), *range(0xA, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))

# --- keys with a value ------------------------------------------------------------------------
# Percent-encoding may be applied more than once: %253D is "=", too.

_NAME = re.compile(
    r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]++)"
    r"(?:(\\{0,8}[\"']|%(?:25){0,3}22|&quot;)[ \t]{0,3}(?:=>|[:=,]|%(?:25){0,3}(?:3[Aa]|3[Dd]|2[Cc]))"
    r"|[ \t]{0,3}(?:[:=]|%(?:25){0,3}3[Dd]))"
    r"[ \t]{0,3}(?:b(?=[\"']))?"
)
_ASKING = re.compile(r"(?:[?&]|&amp;|%(?:25){0,3}(?:3[Ff]|26))\Z")

# Compared with the end of a name in lower case without - and _, so that SLACK_CLIENT_SECRET, sharedSecret
# and db-password count.
_CONFIDENTIAL = (
    *("jwt", "token", "secret", "password", "passwd", "passphrase", "pwd", "credential", "credentials", "auth"),
    *("apikey", "accesskey", "accountkey", "sharedkey", "privatekey", "masterkey", "functionskey", "functionkey"),
    *("instrumentationkey", "encryptionkey", "encryptionkeys", "session", "sessionid", "csrf", "xsrf"),
    *("signature", "sig", "ipaddress", "remoteaddr", "realip", "clientip"),
)
_PERSONAL = ("displayname", "publicname", "fullname", "username", "nickname", "email", "emailaddress", "mail")
_HEADERS = ("authorization", "forwardedfor")
_COOKIES = ("cookie",)
# As query parameters only: elsewhere these words carry error codes and states, which logs are for.
_ASKED = ("code", "state", "key")

# A backslash belongs to a value unless it begins an escaped quote or one of our own escapes.
_BACKSLASH = r"\\(?!\\{0,8}[\"']|u\{)"
_ENDS: dict[str, str] = {
    "bare": rf"(?:[^\s&\"'<>;,\\]|,(?![\s\"'\\]|\Z)|{_BACKSLASH})+",
    "asked": rf"(?:[^\s&\"'<>\\]|{_BACKSLASH})+",
    "personal": rf"(?:[^&\"'<>;,|\\\t]|{_BACKSLASH})+",
    "header": rf"(?:[^\"'\\]|{_BACKSLASH})+",
    "cookie": r"(?:[^\\]|\\(?!u\{))+",
    "list": r"[\[(](?:[^\])\\]|\\(?!u\{))*[\])]?",
    "braced": r"\{(?:[^}\\]|\\(?!u\{))*\}?",
}
_OPENING_LIST = r"[\[(][ \t]?b?\\{0,8}[\"']"
_OPENING_QUOTE = r"(\\{0,8})([\"'])"
# These put quoted parameters after the scheme's name.
_DIGEST = r"(?:digest|oauth|hawk|signature)\b"

# --- what is recognised by its look -----------------------------------------------------------

# (words one of which must occur in the lower-case text, pattern, replacement). Looking for a word first makes
# a clean line ten times cheaper.
_LOOKS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    # A token of two to five parts, cut off or percent-encoded as it may be.
    (("eyj",), r"eyJ[A-Za-z0-9_+/=-]{5,}(?:(?:\.|%(?:25){0,3}2[Ee])[A-Za-z0-9_+/=-]*)*", MARK),
    (
        ("bearer", "basic", "jwt", "negotiate", "sharedkey"),
        (
            r"\b((?i:bearer|basic|jwt|negotiate|sharedkey(?:lite)?))([ \t]{1,3}|%(?:25){0,3}20)"
            r"(?=[A-Za-z._~+/=:%-]{0,200}[0-9])[A-Za-z0-9._~+/=:%-]{12,}"
        ),
        rf"\1\2{MARK}",
    ),
    (
        ("xox", "xapp-", "aiza"),
        r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9%-]+|xapp-[A-Za-z0-9%-]+|AIza[A-Za-z0-9_-]{20,}",
        MARK,
    ),
    # Chat endpoints: clients print host and path apart, so the path alone must be enough.
    (("/services/",), r"(/services/)T[A-Za-z0-9]{3,}(?:/[A-Za-z0-9]+)*", rf"\1{MARK}"),
    (
        ("/triggers/", "/workflows/"),
        r"(/(?:triggers|workflows)/)(?:T[A-Z0-9]{6,}(?:/[A-Za-z0-9]+)+|[0-9A-Fa-f]{16,})",
        rf"\1{MARK}",
    ),
    (("/webhook",), r"(/webhook(?:b2)?/)[^\s?\"'<>\\]+", rf"\1{MARK}"),
    # An Atlassian account is a person.
    (
        (":", "3a"),
        r"(?<![0-9])[0-9]{6}(?::|%(?:25){0,3}3[Aa])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        MARK,
    ),
    # Older accounts are 24 hexadecimal digits; traces have 32, GUIDs dashes.
    (("5", "6"), r"(?<![0-9A-Za-z-])[56][0-9a-f]{23}(?![0-9A-Za-z-])", MARK),
    # An address's domain ends in letters, which a package's version (pkg@16.1.0-rc.next) may as well.
    (
        ("@", "40"),
        (
            r"(?<![^\s@\"'<>()\[\]{},;:\\/&=?#|])[^\s@\"'<>()\[\]{},;:\\/&=?#|]+(?:@|%(?:25){0,3}40)"
            r"(?!v?[0-9]+\.[0-9])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,63}(?![\w-])"
        ),
        MARK,
    ),
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    key_block: re.Pattern[str]
    user_part: re.Pattern[str]
    ends: dict[str, re.Pattern[str]]
    opening_list: re.Pattern[str]
    opening_quote: re.Pattern[str]
    digest: re.Pattern[str]
    looks: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]
    visible: dict[int, str]


@cache
def _patterns() -> _Patterns:
    """Compiled at first use: that takes longer than importing all of `lib`."""
    return _Patterns(
        # The body ends at a run of five dashes, so a block without its end is taken as well.
        key_block=re.compile(
            r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:[^-\"'<>]|-(?!-{4}))*(?:-----END [A-Z0-9 ]{1,40}-----)?"
        ),
        user_part=re.compile(r"(://)[^\s/?#@\"'<>\\]+@"),
        ends={form: re.compile(pattern) for form, pattern in _ENDS.items()},
        opening_list=re.compile(_OPENING_LIST),
        opening_quote=re.compile(_OPENING_QUOTE),
        digest=re.compile(_DIGEST, re.IGNORECASE),
        looks=tuple((words, re.compile(pattern), replacement) for words, pattern, replacement in _LOOKS),
        visible={code: f"\\u{{{code:x}}}" for code in _CONTROL_CODES},
    )


def scrub(text: str) -> str:
    """`text` in one line without secrets and personal data; scrubbing the result again changes nothing."""
    patterns = _patterns()
    if _CONTROLS.search(text):
        text = text.translate(patterns.visible)
    if "-----BEGIN" in text:
        text = patterns.key_block.sub(MARK, text)
    if "://" in text:
        text = patterns.user_part.sub(rf"\1{MARK}@", text)
    text = _without_values(text, patterns)
    lowered = text.lower()
    for words, pattern, replacement in patterns.looks:
        if any(word in lowered for word in words):
            text = pattern.sub(replacement, text)
    return text


def _without_values(text: str, patterns: _Patterns) -> str:
    """`text` with the value after each secret's name replaced."""
    kept: list[str] = []
    done = 0
    while name := _NAME.search(text, done):
        form = _value_form(text, name)
        # After a harmless name the search goes on at its separator: the 3D of %3D belongs to what follows.
        start, end = _value_span(text, name, form, patterns) if form else (name.end(1), name.end(1))
        kept += (text[done:start], MARK if end > start else "")
        done = end
    kept.append(text[done:])
    return "".join(kept)


def _value_form(text: str, name: re.Match[str]) -> str | None:
    """Which pattern of `_ENDS` describes a bare value after this name; None for a harmless name."""
    word = name[1].lower().replace("-", "").replace("_", "").rstrip("0123456789")
    if word.endswith(_CONFIDENTIAL):
        return "bare"
    if word.endswith(_HEADERS):
        return "header"
    if word.endswith(_COOKIES):
        return "cookie"
    if word.endswith(_PERSONAL):
        return "personal"
    for asked in _ASKED:
        at = name.end(1) - len(asked)
        if word.endswith(asked) and _ASKING.search(text, max(0, at - 12), at):
            return "asked"
    return None


def _value_span(text: str, name: re.Match[str], form: str, patterns: _Patterns) -> tuple[int, int]:
    """Where the value after `name` begins and ends; its quotes are not part of it."""
    start = name.end()
    quote = patterns.opening_quote.match(text, start)
    if quote is not None:
        return quote.end(), _closing(text, quote.end(), quote[1], quote[2])
    if text.startswith(MARK, start):
        return start, start + len(MARK)
    if form in {"header", "cookie"}:
        before = text[name.start() - 1 : name.start()]
        if before in {'"', "'"} and not name[2]:
            # The whole header line stands in quotes, as in a command line.
            return start, _closing(text, start, "", before)
        if patterns.digest.match(text, start):
            form = "cookie"
    if form != "cookie":
        if patterns.opening_list.match(text, start):
            form = "list"
        elif text.startswith("{", start):
            form = "braced"
    return start, _end_of(text, start, patterns.ends[form])


def _end_of(text: str, start: int, pattern: re.Pattern[str]) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


@cache
def _closing_pattern(backslashes: int, quote: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\\)\\{{{backslashes}}}{quote}")


def _closing(text: str, start: int, backslashes: str, quote: str) -> int:
    """Where a quoted value ends: at its quote with as many backslashes as the opening one, or with the text."""
    found = _closing_pattern(len(backslashes), quote).search(text, start)
    return found.start() if found else len(text)
