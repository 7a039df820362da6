"""The table of imports: which item of an old system became which content, so that an import can be taken up again."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from lib.principal import ContentId
from lib.sql import Instant, TenantRow, code_type


class ImportedRow(TenantRow):
    """One imported post. The old system's id is kept as a keyed hash."""

    __tablename__ = "imported"

    source_hash: Mapped[str] = mapped_column(code_type(64), primary_key=True)
    content_id: Mapped[ContentId] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant)
