"""Scripted answers: what a test may tell a channel to do with its next calls (pure)."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

BEHAVIOURS: Final = ("drip-headers", "drip-body", "endless-body", "redirect", "close", "gzip-bomb")

_MAX_ANSWERS: Final = 1000
_MAX_DELAY_MS: Final = 120_000
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,4000}")
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection"})
_KEYS: Final = frozenset({"status", "body", "headers", "delayMs", "behaviour"})


class ScriptInvalid(Exception):
    """The script cannot be followed; `problems` names every fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One answer. A status of 200 or 202 lets the message into the channel; any other keeps it out."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...]
    delay_ms: int
    behaviour: str | None

    def as_json(self) -> dict[str, object]:
        return {
            "status": self.status,
            "body": self.body,
            "headers": dict(self.headers),
            "delayMs": self.delay_ms,
            "behaviour": self.behaviour,
        }


@dataclass(frozen=True, slots=True)
class Script:
    """Answers in order; when they repeat, the script never ends by itself."""

    answers: tuple[ScriptedAnswer, ...]
    repeat: bool

    def as_json(self) -> dict[str, object]:
        return {"answers": [answer.as_json() for answer in self.answers], "repeat": self.repeat}


def parse_script(document: object) -> Script:
    """Read `{answers: [{status?, body?, headers?, delayMs?, behaviour?}], repeat?}` or raise `ScriptInvalid`."""
    if not isinstance(document, dict):
        raise ScriptInvalid(("The script must be an object.",))
    answers = document.get("answers")
    repeat = document.get("repeat", False)
    problems = [f"/{key} is not known." for key in document if key not in {"answers", "repeat"}]
    if not isinstance(repeat, bool):
        problems.append("/repeat must be true or false.")
    if not isinstance(answers, list) or not 1 <= len(answers) <= _MAX_ANSWERS:
        raise ScriptInvalid((*problems, f"/answers must be a list of 1 to {_MAX_ANSWERS} answers."))
    for position, answer in enumerate(answers):
        problems += [f"/answers/{position}{problem}" for problem in _problems_of(answer)]
    if problems:
        raise ScriptInvalid(tuple(problems))
    return Script(answers=tuple(_answer(answer) for answer in answers), repeat=repeat)


def _problems_of(answer: object) -> list[str]:
    if not isinstance(answer, dict):
        return [" must be an object."]
    problems = [f"/{key} is not known." for key in answer if key not in _KEYS]
    behaviour = answer.get("behaviour")
    if behaviour is not None and behaviour not in BEHAVIOURS:
        problems.append(f"/behaviour must be one of {', '.join(BEHAVIOURS)}.")
    if "status" not in answer and behaviour is None:
        problems.append("/status is missing.")
    if "status" in answer and not _is_whole(answer["status"], 200, 599):
        problems.append("/status must be a number from 200 to 599.")
    if not _is_whole(answer.get("delayMs", 0), 0, _MAX_DELAY_MS):
        problems.append(f"/delayMs must be a number from 0 to {_MAX_DELAY_MS}.")
    return problems + _problems_of_headers(answer.get("headers", {}))


def _problems_of_headers(headers: object) -> list[str]:
    if not isinstance(headers, dict):
        return ["/headers must be an object."]
    problems = []
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _FRAMING:
            problems.append(f"/headers/{name} is not a header a script may set.")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            problems.append(f"/headers/{name} must be printable ASCII text.")
    return problems


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _answer(answer: dict[str, Any]) -> ScriptedAnswer:
    behaviour = answer.get("behaviour")
    body = answer.get("body", "")
    return ScriptedAnswer(
        status=answer.get("status", 307 if behaviour == "redirect" else 202),
        body=body if isinstance(body, str) else json.dumps(body),
        headers=tuple(answer.get("headers", {}).items()),
        delay_ms=answer.get("delayMs", 0),
        behaviour=behaviour,
    )
