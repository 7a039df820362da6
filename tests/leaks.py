"""What must never stand in anything the app wrote: searched for in its whole output after a run."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from local.confluence.cast import PEOPLE
from local.stack import Stack

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{6,}")
_SIGNATURE = re.compile(r"sig=[A-Za-z0-9_-]{8,}")


def planted(stack: Stack) -> set[str]:
    """Every secret, name and title that the simulators hold, as text."""
    found = {person[2] for person in PEOPLE} | {person[0] for person in PEOPLE}
    with closing(sqlite3.connect(stack.data / "confluence.db")) as confluence:
        found |= {str(row[0]) for row in confluence.execute("SELECT title FROM content WHERE title <> ''")}
        found |= {str(row[0]) for row in confluence.execute("SELECT shared_secret FROM installations")}
    found.add(stack.settings()["ENCRYPTION_KEYS"].partition(":")[2])
    return {text for text in found if len(text) >= 5}


def leaks(stack: Stack, output: Path) -> list[str]:
    """What of it stands in the output, with anything shaped like a token or a webhook's signature."""
    text = output.read_text(errors="replace")
    found = [secret for secret in planted(stack) if secret in text]
    return sorted({*found, *_TOKEN.findall(text), *_SIGNATURE.findall(text)})
