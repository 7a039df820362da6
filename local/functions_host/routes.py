"""ASP.NET Core route templates as the Functions host applies them: compile once, then match by precedence.

Rule: https://learn.microsoft.com/aspnet/core/fundamentals/routing, sections route templates, route constraints
and URL matching. Optional parts, catch-all parameters, defaults and constraints are served; custom ones are not.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

Check = Callable[[str], bool]

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1


class RouteError(Exception):
    """A template this host cannot serve; the message names it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A literal, or a parameter when `name` is set."""

    text: str = ""
    name: str = ""
    checks: tuple[Check, ...] = ()
    optional: bool = False
    catch_all: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    parts: tuple[Part, ...]
    pattern: re.Pattern[str]
    rank: int

    @property
    def may_be_absent(self) -> bool:
        first = self.parts[0]
        return len(self.parts) == 1 and (first.optional or first.catch_all or first.default is not None)


@dataclass(frozen=True, slots=True)
class Route:
    function: str
    template: str
    methods: frozenset[str]
    segments: tuple[Segment, ...]

    @property
    def precedence(self) -> tuple[int, ...]:
        return tuple(segment.rank for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Match:
    function: str
    params: Mapping[str, str]


class RouteTable:
    """Literal beats parameter, constrained beats free, catch-all comes last; a wrong method is no match."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = sorted(routes, key=lambda route: route.precedence)

    def match(self, method: str, raw_path: str) -> Match | None:
        values = path_segments(raw_path)
        for route in self._routes:
            if method.upper() not in route.methods:
                continue
            params = _match_segments(route.segments, values)
            if params is not None:
                return Match(route.function, params)
        return None


def compile_route(function: str, template: str, methods: Sequence[str]) -> Route:
    text = template.strip("/")
    if text.split("/")[0].lower() in {"admin", "runtime"}:
        raise RouteError(f"The route {template!r} of {function} conflicts with the host's own routes.")
    segments = tuple(_segment(template, part) for part in _split(text, "/") if part)
    # Without methods the trigger's documented default holds.
    return Route(function, text, frozenset(method.upper() for method in methods or ("GET", "POST")), segments)


def path_segments(raw_path: str) -> list[str]:
    """Decoded segments as Kestrel sees them: %2F stays encoded, dot segments are removed, a last slash is ignored."""
    kept: list[str] = []
    for raw in raw_path.removeprefix("/").split("/"):
        segment = _decoded(raw)
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if kept and not kept[-1]:
        kept.pop()
    return kept


def _decoded(raw: str) -> str:
    pieces = re.split(r"(%2[fF])", raw)
    try:
        return "".join(piece if piece.lower() == "%2f" else unquote(piece, errors="strict") for piece in pieces)
    except UnicodeDecodeError:
        return raw


def _match_segments(segments: Sequence[Segment], values: Sequence[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for index, segment in enumerate(segments):
        if segment.parts[0].catch_all:
            rest = "/".join(values[index:])
            return params if _take(segment, rest, params) else None
        value = values[index] if index < len(values) else ""
        if not _take(segment, value, params):
            return None
    return params if len(values) <= len(segments) else None


def _take(segment: Segment, value: str, params: dict[str, str]) -> bool:
    if not value:
        if segment.may_be_absent and (default := segment.parts[0].default) is not None:
            params[segment.parts[0].name] = default
        return segment.may_be_absent
    found = segment.pattern.fullmatch(value)
    if found is None:
        return False
    for part in segment.parts:
        captured = found[part.name] if part.name else None
        if captured is None:
            continue
        if not all(check(captured) for check in part.checks):
            return False
        params[part.name] = captured
    return True


def _segment(template: str, text: str) -> Segment:
    parts = tuple(_parts(template, text))
    if len(parts) > 1 and any(part.catch_all for part in parts):
        raise RouteError(f"A catch-all parameter must be a whole segment in {template!r}.")
    pattern = "".join(_part_pattern(part) for part in parts)
    # (?s) lets decoded line feeds match, as they do in the real router.
    return Segment(parts, re.compile(pattern, re.IGNORECASE | re.DOTALL), _rank(parts))


def _part_pattern(part: Part) -> str:
    if not part.name:
        return re.escape(part.text)
    return f"(?P<{part.name}>.+){'?' if part.optional else ''}"


def _rank(parts: Sequence[Part]) -> int:
    """ASP.NET's inbound precedence digit of one segment."""
    if len(parts) > 1:
        return 2
    part = parts[0]
    if not part.name:
        return 1
    free = 5 if part.catch_all else 3
    return free - 1 if part.checks else free


def _parts(template: str, text: str) -> list[Part]:
    parts: list[Part] = []
    for piece in _split_braces(template, text):
        if piece.startswith("{"):
            parts.append(_parameter(template, piece[1:-1]))
        elif piece:
            parts.append(Part(text=piece.replace("{{", "{").replace("}}", "}")))
    return parts


def _parameter(template: str, text: str) -> Part:
    """`[*]name[:constraint…][?][=default]`; a regular expression may hold any of these signs in its parentheses."""
    head, *defaults = _split(text, "=")
    name, *constraints = _split(head.removesuffix("?"), ":")
    plain = name.lstrip("*")
    if re.fullmatch(r"[A-Za-z_]\w*", plain, re.ASCII) is None:
        raise RouteError(f"{{{text}}} in {template!r} is not a route parameter.")
    return Part(
        name=plain,
        checks=tuple(_check(template, constraint) for constraint in constraints),
        optional=head.endswith("?"),
        catch_all=name != plain,
        default="=".join(defaults) if defaults else None,
    )


def _split(text: str, separator: str) -> list[str]:
    """Splits outside of braces and parentheses: a regular expression may hold both separators."""
    pieces, depth = [""], 0
    for character in text:
        depth += (character in "({") - (character in ")}")
        if character == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _split_braces(template: str, text: str) -> list[str]:
    """Literals and {parameters} of one segment in order; a doubled brace is a literal one."""
    pieces, depth, index = [""], 0, 0
    while index < len(text):
        character = text[index]
        if text[index : index + 2] in {"{{", "}}"}:
            # Inside a parameter the doubled brace belongs to its regular expression.
            pieces[-1] += text[index] if depth else text[index : index + 2]
            index += 2
            continue
        if character == "{":
            depth += 1
            pieces.append("{")
        elif character == "}":
            depth -= 1
            pieces[-1] += "}"
            pieces.append("")
        else:
            pieces[-1] += character
        index += 1
    if depth != 0:
        raise RouteError(f"Unbalanced braces in {template!r}.")
    return pieces


def _check(template: str, text: str) -> Check:
    name, _, rest = text.partition("(")
    argument = rest.removesuffix(")")
    if name == "regex":
        try:
            pattern = re.compile(argument, re.IGNORECASE)
        except re.PatternError as error:
            raise RouteError(f"The constraint {text!r} in {template!r}: {error}.") from error
        return lambda value: pattern.search(value) is not None
    if name in _PLAIN and not rest:
        return _PLAIN[name]
    check = _numeric_check(name, [int(number) for number in re.findall(r"-?\d+", argument)])
    if check is None:
        raise RouteError(f"The constraint {text!r} in {template!r} is not known.")
    return check


def _numeric_check(name: str, numbers: Sequence[int]) -> Check | None:
    match name, numbers:
        case "length", [exact]:
            return lambda value: len(value) == exact
        case "length", [low, high]:
            return lambda value: low <= len(value) <= high
        case "minlength", [low]:
            return lambda value: len(value) >= low
        case "maxlength", [high]:
            return lambda value: len(value) <= high
        case "min", [low]:
            return lambda value: _is_integer(value, low, _LONG_MAX)
        case "max", [high]:
            return lambda value: _is_integer(value, _LONG_MIN, high)
        case "range", [low, high]:
            return lambda value: _is_integer(value, low, high)
    return None


def _is_integer(value: str, low: int, high: int) -> bool:
    return re.fullmatch(r"\s*[+-]?\d{1,19}\s*", value, re.ASCII) is not None and low <= int(value) <= high


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[+-]?(\d[\d,]*)?\.?\d*(e[+-]?\d+)?", value, re.IGNORECASE | re.ASCII) is not None and any(
        character.isdigit() for character in value
    )


def _is_decimal(value: str) -> bool:
    return "e" not in value.lower() and _is_number(value)


def _is_datetime(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_guid(value: str) -> bool:
    hyphened = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    forms = rf"[0-9a-f]{{32}}|{hyphened}|\{{{hyphened}\}}|\({hyphened}\)"
    return re.fullmatch(forms, value, re.IGNORECASE) is not None


_PLAIN: dict[str, Check] = {
    "int": lambda value: _is_integer(value, -(2**31), 2**31 - 1),
    "long": lambda value: _is_integer(value, _LONG_MIN, _LONG_MAX),
    "bool": lambda value: value.lower() in {"true", "false"},
    "guid": _is_guid,
    "alpha": lambda value: re.fullmatch(r"[a-zA-Z]+", value) is not None,
    "decimal": _is_decimal,
    "double": _is_number,
    "float": _is_number,
    "datetime": _is_datetime,
    "required": bool,
}
