"""Column types as the migrations spell them; they never change, so an old migration means what it meant."""

from sqlalchemy import DateTime, String, Unicode
from sqlalchemy.dialects.mssql import DATETIME2, NVARCHAR, VARCHAR
from sqlalchemy.types import TypeEngine


def moment() -> TypeEngine[object]:
    """A UTC time to the millisecond."""
    return DateTime().with_variant(DATETIME2(3), "mssql")  # type: ignore[no-untyped-call, return-value]


def slug(length: int) -> TypeEngine[str]:
    """A normalised text, compared character by character."""
    return (
        Unicode(length)
        .with_variant(NVARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")
        .with_variant(Unicode(length, collation="C"), "postgresql")
    )


def code(length: int) -> TypeEngine[str]:
    """An ASCII identifier, compared byte by byte."""
    return String(length).with_variant(VARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")
