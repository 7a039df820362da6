"""Wire shapes of exports."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lib.web import Query
from questions_api.wire import Id


class ExportFormat(StrEnum):
    JSON_LINES = "jsonl"
    CSV = "csv"


class ExportQuery(Query):
    """Which space, how written, and which part: follow the Link header to the next."""

    space: Id
    format: ExportFormat = ExportFormat.JSON_LINES
    cursor: Annotated[str, Field(max_length=400)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
