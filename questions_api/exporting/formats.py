"""The formats of an export (pure): JSON Lines with answers inside their question, CSV with a row for each post."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

JSON_LINES, CSV = "application/jsonl", "text/csv"

COLUMNS = (
    "kind",
    "id",
    "questionId",
    "spaceId",
    "containerKind",
    "containerId",
    "authorId",
    "createdAt",
    "activeAt",
    "state",
    "closedAt",
    "closeReason",
    "duplicateOf",
    "isLocked",
    "isPinned",
    "bounty",
    "answerCount",
    "acceptedCount",
    "watchCount",
    "links",
    "tags",
    "score",
    "up",
    "down",
    "acceptedAt",
    "acceptedById",
    "contestedAt",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, full-width forms included (OWASP, "CSV Injection")."""


def to_json_lines(questions: Iterable[dict[str, Any]]) -> bytes:
    return "".join(
        json.dumps(question, ensure_ascii=False, separators=(",", ":")) + "\n" for question in questions
    ).encode()


def to_csv(questions: Iterable[dict[str, Any]], *, has_header: bool) -> bytes:
    """One row for each question and, below it, each of its answers. Only the first page of an export has the header."""
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, restval="", extrasaction="ignore")
    if has_header:
        rows.writeheader()
    for question in questions:
        for post in (question, *question["answers"]):
            rows.writerow({name: cell(value) for name, value in post.items()})
    return text.getvalue().encode()


def cell(value: object) -> object:
    """A value as a cell that no spreadsheet runs. Numbers stay numbers: a negative score is no formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    text = " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
