"""Changing the settings of a space or of the site: what is left out stays, and the change is written down."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lib.audit import append_audit, changed_values
from lib.errors import Fault, Invalid
from lib.principal import Principal, SpaceId
from lib.spaces import (
    SiteSettings,
    SpaceSettings,
    change_site_settings,
    change_space_settings,
    read_site_settings,
    read_space_settings,
)
from lib.tenancy import raise_permission_epoch

ACTION = "settings.changed"
_SITE_ID = 0
"""The site is one, so its entry in the audit log needs no id."""


def change_space(
    session: Session, principal: Principal, space_id: SpaceId, wanted: Mapping[str, Any], *, now: datetime
) -> SpaceSettings:
    """`SettingsChanged` when `wanted["version"]` is not the present one."""
    held = read_space_settings(session, principal.tenant_id, space_id)
    asked = replace(held, **wanted)
    if asked.min_tags > asked.max_tags:
        raise Invalid(faults=(Fault("/minTags", "is more than maxTags"),))
    changed = change_space_settings(session, principal.tenant_id, space_id, asked, now=now)
    _note(session, principal, ("space", space_id), asdict(held), asdict(changed), now=now)
    return changed


def change_site(session: Session, principal: Principal, wanted: Mapping[str, Any], *, now: datetime) -> SiteSettings:
    """`SettingsChanged` when `wanted["version"]` is not the present one."""
    held = read_site_settings(session, principal.tenant_id)
    changed = change_site_settings(session, principal.tenant_id, replace(held, **wanted), now=now)
    if changed.probes_rights != held.probes_rights:
        # Rights that were found by probing end with the choice to probe.
        raise_permission_epoch(session, principal.tenant_id)
    _note(session, principal, ("site", _SITE_ID), asdict(held), asdict(changed), now=now)
    return changed


def _note(
    session: Session,
    principal: Principal,
    target: tuple[str, int],
    held: dict[str, Any],
    changed: dict[str, Any],
    *,
    now: datetime,
) -> None:
    before, after = changed_values(
        *({name: values[name] for name in values if name != "version"} for values in (held, changed))
    )
    if after:
        append_audit(session, principal, ACTION, target, before=before, after=after, now=now)
