"""What an imported question and an imported answer have in common: their facts, their importer, their outcome."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from lib.principal import ContentId, TenantId
from lib.sql import delete_rows, rows_changed, select_rows, update_rows
from questions_api.importing.sources import Author, Hashes
from questions_api.importing.voters import ImportedVote
from questions_api.model import Answer, Question
from questions_api.watches.model import Watch, WatchKind


@dataclass(frozen=True, slots=True)
class OldPost:
    """What the old system knows of a post beside its text."""

    source: Hashes
    author: Author
    created_at: datetime
    votes: tuple[ImportedVote, ...] = ()
    """Those that count here (`questions_api.importing.voters`)."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one import: which content stands for it, and how many votes were added."""

    content_id: ContentId
    is_new: bool
    votes: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    is_accepted: bool = False


def forget_importer(session: Session, tenant_id: TenantId, question_id: ContentId, importer_ref: int) -> None:
    """Takes away the watch that the importing administrator got when a webhook was faster than the import.

    It stays with whoever has a post of their own there, or chose to watch.
    """
    asker = session.scalar(select_rows(tenant_id, Question.author_ref).where(Question.id == question_id))
    own_answer = session.scalar(
        select_rows(tenant_id, Answer.id)
        .where(Answer.question_id == question_id, Answer.author_ref == importer_ref, Answer.deleted_at.is_(None))
        .limit(1)
    )
    if asker == importer_ref or own_answer is not None:
        return
    removed = session.execute(
        delete_rows(tenant_id, Watch).where(
            Watch.target_kind == WatchKind.QUESTION,
            Watch.target_id == question_id,
            Watch.account_ref == importer_ref,
            Watch.is_automatic,
            ~Watch.is_muted,
        )
    )
    if rows_changed(removed) == 1:
        session.execute(
            update_rows(tenant_id, Question)
            .where(Question.id == question_id)
            .values(watch_count=Question.watch_count - 1)
        )
