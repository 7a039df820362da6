"""The table of reconciling: how far each pass over a site's content has come, and what it repaired."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from lib.sql import Instant, TenantRow, code_type


class PassKind(StrEnum):
    """What a pass reads. The value is stored."""

    RECENT_QUESTIONS = "recent-questions"
    RECENT_ANSWERS = "recent-answers"
    """What changed since the last such pass: finds lost creations and edits for a few points."""
    ALL_QUESTIONS = "all-questions"
    ALL_ANSWERS = "all-answers"
    """Everything: finds lost removals and moves."""


class ReconcileRow(TenantRow):
    """One kind of pass over one site; taken up again where it stopped."""

    __tablename__ = "reconcile"

    pass_kind: Mapped[str] = mapped_column(code_type(24), primary_key=True)
    next_link: Mapped[str | None] = mapped_column(code_type(2000))
    """Where the pass under way goes on: the last id of ours that was compared, and Confluence's link to the page."""
    watermark: Mapped[datetime | None] = mapped_column(Instant)
    """What changed before this was seen by an earlier pass."""
    due_at: Mapped[datetime] = mapped_column(Instant)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    checked: Mapped[int] = mapped_column(Integer, default=0)
    registered: Mapped[int] = mapped_column(Integer, default=0)
    updated: Mapped[int] = mapped_column(Integer, default=0)
    removed: Mapped[int] = mapped_column(Integer, default=0)
    points: Mapped[int] = mapped_column(Integer, default=0)
