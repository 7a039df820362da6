"""Spaces: what Confluence says of them, what their administrators have chosen, and what processes believe of both.

Rights are never among the choices: those are Confluence's.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Boolean, Integer, bindparam, false, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from lib.errors import Conflict
from lib.principal import SpaceId, TenantId
from lib.sql import (
    Database,
    Instant,
    TenantRow,
    code_type,
    default_number,
    insert_row,
    lost_race,
    rows_changed,
    run_bound,
    select_bound,
    select_rows,
    update_rows,
)

BELIEVED_S = 5.0
_REMEMBERED = 20_000


class SettingsChanged(Conflict):
    """`current` holds the version that stands now."""

    code = "settings-changed"
    detail = "Somebody else has changed these settings; read them again."

    def __init__(self, version: int) -> None:
        super().__init__(current={"version": version})


class SpaceStatus(StrEnum):
    """What Confluence last said of a space. The value is stored."""

    CURRENT = "current"
    ARCHIVED = "archived"
    """Its content can be read and not changed."""
    MISSING = "missing"
    """Confluence shows it to nobody we can ask; its rows go when that has lasted."""


class SpaceRow(TenantRow):
    """A space that we have to know of: there is or was a question in it, or its permissions changed."""

    __tablename__ = "space"

    space_id: Mapped[SpaceId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[str] = mapped_column(code_type(16), default=SpaceStatus.CURRENT)
    permission_epoch: Mapped[int] = mapped_column(Integer, default=0)
    has_questions: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    """There is or was one; removed ones count."""
    missing_since: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class SpaceSettingsRow(TenantRow):
    """One row for each space whose settings were ever changed."""

    __tablename__ = "space_settings"

    space_id: Mapped[SpaceId] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    is_enabled: Mapped[bool | None] = mapped_column(Boolean)
    """None follows the site's choice for all spaces."""
    chat_enabled: Mapped[bool] = mapped_column(Boolean)
    downvotes_allowed: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    one_answer_each: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    several_accepted: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    min_tags: Mapped[int] = mapped_column(Integer, default=0, server_default=default_number(0))
    max_tags: Mapped[int] = mapped_column(Integer, default=5, server_default=default_number(5))
    version: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class SiteSettingsRow(TenantRow):
    """The one row of a site whose settings were ever changed."""

    __tablename__ = "site_settings"

    enabled_by_default: Mapped[bool] = mapped_column(Boolean)
    shows_contributors: Mapped[bool] = mapped_column(Boolean)
    expert_points: Mapped[int] = mapped_column(Integer)
    probes_rights: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(Instant)


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """What an administrator has chosen for a space. Version 0 is the defaults."""

    is_enabled: bool | None = None
    """None follows the site."""
    chat_enabled: bool = False
    """Site-wide chat destinations carry this space."""
    downvotes_allowed: bool = False
    one_answer_each: bool = False
    several_accepted: bool = False
    min_tags: int = 0
    max_tags: int = 5
    version: int = 0


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """What an administrator has chosen for all spaces of a site. Version 0 is the defaults."""

    enabled_by_default: bool = True
    shows_contributors: bool = True
    """Points, contributors and experts by points are shown at all."""
    expert_points: int = 100
    """Points under a tag that make a person an expert on it."""
    probes_rights: bool = False
    """On a site that does not list our content types, what a person may do with one question stands for the space."""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """What a process believes of a space."""

    status: SpaceStatus
    permission_epoch: int
    settings: SpaceSettings
    is_enabled: bool
    is_known: bool = True
    """There is or was a question in it."""


_SPACE_CHOICES = (
    SpaceSettingsRow.is_enabled,
    SpaceSettingsRow.chat_enabled,
    SpaceSettingsRow.downvotes_allowed,
    SpaceSettingsRow.one_answer_each,
    SpaceSettingsRow.several_accepted,
    SpaceSettingsRow.min_tags,
    SpaceSettingsRow.max_tags,
    SpaceSettingsRow.version,
)
_SITE_CHOICES = (
    SiteSettingsRow.enabled_by_default,
    SiteSettingsRow.shows_contributors,
    SiteSettingsRow.expert_points,
    SiteSettingsRow.probes_rights,
    SiteSettingsRow.version,
)


def read_space_settings(session: Session, tenant_id: TenantId, space_id: SpaceId) -> SpaceSettings:
    row = session.execute(select_rows(tenant_id, *_SPACE_CHOICES).where(SpaceSettingsRow.space_id == space_id)).first()
    return SpaceSettings() if row is None else SpaceSettings(*row)


def change_space_settings(
    session: Session, tenant_id: TenantId, space_id: SpaceId, wanted: SpaceSettings, *, now: datetime
) -> SpaceSettings:
    """Replaces the settings if they are still those of `wanted.version`; else `SettingsChanged`."""
    held = read_space_settings(session, tenant_id, space_id)
    values = {column.key: getattr(wanted, column.key) for column in _SPACE_CHOICES}
    values |= {"version": wanted.version + 1, "updated_at": now}
    if wanted.version != held.version:
        raise SettingsChanged(held.version)
    if held.version == 0:
        session.execute(insert_row(tenant_id, SpaceSettingsRow, space_id=space_id, **values))
    else:
        changed = session.execute(
            update_rows(tenant_id, SpaceSettingsRow)
            .where(SpaceSettingsRow.space_id == space_id, SpaceSettingsRow.version == wanted.version)
            .values(**values)
        )
        if rows_changed(changed) != 1:
            # Run again, this finds the version that stands now and says so.
            lost_race()
    return read_space_settings(session, tenant_id, space_id)


def read_site_settings(session: Session, tenant_id: TenantId) -> SiteSettings:
    row = session.execute(select_rows(tenant_id, *_SITE_CHOICES)).first()
    return SiteSettings() if row is None else SiteSettings(*row)


def change_site_settings(session: Session, tenant_id: TenantId, wanted: SiteSettings, *, now: datetime) -> SiteSettings:
    """Replaces the settings if they are still those of `wanted.version`; else `SettingsChanged`."""
    held = read_site_settings(session, tenant_id)
    if wanted.version != held.version:
        raise SettingsChanged(held.version)
    values = {column.key: getattr(wanted, column.key) for column in _SITE_CHOICES}
    values |= {"version": wanted.version + 1, "updated_at": now}
    if held.version == 0:
        session.execute(insert_row(tenant_id, SiteSettingsRow, **values))
    else:
        changed = session.execute(
            update_rows(tenant_id, SiteSettingsRow).where(SiteSettingsRow.version == wanted.version).values(**values)
        )
        if rows_changed(changed) != 1:
            lost_race()
    return read_site_settings(session, tenant_id)


def note_space(session: Session, tenant_id: TenantId, space_id: SpaceId, *, now: datetime) -> None:
    """Makes the space known, because a question is in it; a space that was missing is not any more."""
    held = session.execute(
        select_rows(tenant_id, SpaceRow.status, SpaceRow.has_questions).where(SpaceRow.space_id == space_id)
    ).first()
    if held is None:
        _add_space(session, tenant_id, space_id, has_questions=True, now=now)
    elif not held.has_questions:
        known = update_rows(tenant_id, SpaceRow).where(SpaceRow.space_id == space_id).values(has_questions=True)
        session.execute(known)
    elif held.status == SpaceStatus.MISSING:
        set_space_status(session, tenant_id, space_id, SpaceStatus.CURRENT, now=now)


def set_space_status(
    session: Session, tenant_id: TenantId, space_id: SpaceId, status: SpaceStatus, *, now: datetime
) -> bool:
    """Follows Confluence. False when the space is unknown or has that status already."""
    changed = session.execute(
        update_rows(tenant_id, SpaceRow)
        .where(SpaceRow.space_id == space_id, SpaceRow.status != status)
        .values(
            status=status,
            missing_since=now if status is SpaceStatus.MISSING else None,
            permission_epoch=SpaceRow.permission_epoch + 1,
        )
    )
    return rows_changed(changed) == 1


def raise_space_epoch(session: Session, tenant_id: TenantId, space_id: SpaceId, *, now: datetime) -> None:
    """Makes every instance forget what it cached about who may do what in this space."""
    raised = session.execute(
        update_rows(tenant_id, SpaceRow)
        .where(SpaceRow.space_id == space_id)
        .values(permission_epoch=SpaceRow.permission_epoch + 1)
    )
    if rows_changed(raised) != 1:
        _add_space(session, tenant_id, space_id, has_questions=False, now=now)


def _add_space(session: Session, tenant_id: TenantId, space_id: SpaceId, *, has_questions: bool, now: datetime) -> None:
    # What was cached before there was a row was cached under epoch 0.
    row = {"status": SpaceStatus.CURRENT, "permission_epoch": 1, "has_questions": has_questions, "created_at": now}
    session.execute(insert_row(tenant_id, SpaceRow, space_id=space_id, **row))


def disabled_among(session: Session, tenant_id: TenantId, space_ids: Iterable[SpaceId]) -> set[SpaceId]:
    """Those of the spaces in which the community is switched off."""
    wanted = set(space_ids)
    chosen = {
        row.space_id: row.is_enabled
        for row in session.execute(
            select_rows(tenant_id, SpaceSettingsRow.space_id, SpaceSettingsRow.is_enabled).where(
                SpaceSettingsRow.space_id.in_(wanted), SpaceSettingsRow.is_enabled.is_not(None)
            )
        )
    }
    by_default = read_site_settings(session, tenant_id).enabled_by_default
    return {space_id for space_id in wanted if not chosen.get(space_id, by_default)}


def known_spaces(session: Session, tenant_id: TenantId) -> list[SpaceId]:
    """Every space in which there is or was a question."""
    known = select_rows(tenant_id, SpaceRow.space_id).where(SpaceRow.has_questions)
    return list(session.scalars(known.order_by(SpaceRow.space_id)))


_FACTS = select_bound(SpaceRow, SpaceRow.status, SpaceRow.permission_epoch, SpaceRow.has_questions).where(
    SpaceRow.space_id == bindparam("space_id")
)
_CHOICES = select_bound(SpaceSettingsRow, *_SPACE_CHOICES).where(SpaceSettingsRow.space_id == bindparam("space_id"))
_SITE = select_bound(SiteSettingsRow, *_SITE_CHOICES)


def _read_space(session: Session, tenant_id: TenantId, space_id: SpaceId, site: SiteSettings) -> Space:
    values: dict[str, Any] = {"tenant_id": tenant_id, "space_id": space_id}
    facts = run_bound(session, _FACTS, values).first()
    row = run_bound(session, _CHOICES, values).first()
    settings = SpaceSettings() if row is None else SpaceSettings(*row)
    return Space(
        status=SpaceStatus.CURRENT if facts is None else SpaceStatus(facts.status),
        permission_epoch=0 if facts is None else facts.permission_epoch,
        settings=settings,
        is_enabled=site.enabled_by_default if settings.is_enabled is None else settings.is_enabled,
        is_known=facts is not None and facts.has_questions,
    )


@dataclass(slots=True)
class Spaces:
    """Spaces and site settings as this process believes them, for five seconds. Shared by all threads."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _spaces: dict[tuple[TenantId, SpaceId], tuple[float, Space]] = field(default_factory=dict, init=False)
    _sites: dict[TenantId, tuple[float, SiteSettings]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def of(self, tenant_id: TenantId, space_id: SpaceId) -> Space:
        """The space; one we know nothing of has all defaults."""
        key = (tenant_id, space_id)
        held = self._spaces.get(key)
        if held is not None and self.clock() - held[0] < BELIEVED_S:
            return held[1]
        started, site = self.clock(), self.site(tenant_id)
        found = self.database.read(lambda session: _read_space(session, tenant_id, space_id, site), tenant_id=tenant_id)
        self._keep(self._spaces, key, (started, found))
        return found

    def site(self, tenant_id: TenantId) -> SiteSettings:
        held = self._sites.get(tenant_id)
        if held is not None and self.clock() - held[0] < BELIEVED_S:
            return held[1]
        started = self.clock()
        row = self.database.read(
            lambda session: run_bound(session, _SITE, {"tenant_id": tenant_id}).first(), tenant_id=tenant_id
        )
        found = SiteSettings() if row is None else SiteSettings(*row)
        self._keep(self._sites, tenant_id, (started, found))
        return found

    def forget(self, tenant_id: TenantId) -> None:
        """Called by the process that has just changed something of the site."""
        with self._lock:
            self._sites.pop(tenant_id, None)
            for stale in [key for key in self._spaces if key[0] == tenant_id]:
                del self._spaces[stale]

    def _keep[K, V](self, held: dict[K, V], key: K, value: V) -> None:
        with self._lock:
            if len(held) >= _REMEMBERED:
                held.clear()
            held[key] = value
