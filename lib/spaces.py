"""What an administrator has chosen for a space. Rights are never among it: those are Confluence's."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Integer
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.errors import Conflict
from lib.principal import SpaceId, TenantId
from lib.sql import Instant, TenantRow, insert_row, rows_changed, select_rows, update_rows


class SettingsChanged(Conflict):
    code = "settings-changed"
    detail = "Somebody else has changed these settings; read them again."


class SpaceSettingsRow(TenantRow):
    """One row for each space whose settings were ever changed."""

    __tablename__ = "space_settings"

    space_id: Mapped[SpaceId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chat_enabled: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """`chat_enabled`: site-wide chat destinations carry this space. Version 0 is the defaults."""

    chat_enabled: bool = False
    version: int = 0


def read_space_settings(session: Session, tenant_id: TenantId, space_id: SpaceId) -> SpaceSettings:
    row = session.execute(
        select_rows(tenant_id, SpaceSettingsRow.chat_enabled, SpaceSettingsRow.version).where(
            SpaceSettingsRow.space_id == space_id
        )
    ).first()
    return SpaceSettings() if row is None else SpaceSettings(row.chat_enabled, row.version)


def change_space_settings(
    session: Session, tenant_id: TenantId, space_id: SpaceId, *, chat_enabled: bool, version: int, now: datetime
) -> SpaceSettings:
    """Replaces the settings if they are still those of `version`; else `SettingsChanged`."""
    if version == 0 and read_space_settings(session, tenant_id, space_id).version == 0:
        values = {"space_id": space_id, "chat_enabled": chat_enabled, "version": 1, "updated_at": now}
        session.execute(insert_row(tenant_id, SpaceSettingsRow, **values))
        return SpaceSettings(chat_enabled, 1)
    changed = session.execute(
        update_rows(tenant_id, SpaceSettingsRow)
        .where(SpaceSettingsRow.space_id == space_id, SpaceSettingsRow.version == version)
        .values(chat_enabled=chat_enabled, version=version + 1, updated_at=now)
    )
    if rows_changed(changed) != 1:
        raise SettingsChanged
    return SpaceSettings(chat_enabled, version + 1)
