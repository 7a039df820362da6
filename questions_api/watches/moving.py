"""Moving the watches on one tag to another, when the two become one."""

from typing import Any

from sqlalchemy.orm import Session, aliased

from lib.principal import TenantId
from lib.sql import delete_rows, select_rows, update_rows
from questions_api.watches.model import Watch, WatchKind


def move_tag_watches(session: Session, tenant_id: TenantId, source_id: int, target_id: int) -> None:
    """Whoever watched the one tag watches the other. Of somebody's two watches one is left, muted if both were."""
    held = aliased(Watch)

    def watchers(tag_id: int, *conditions: Any) -> Any:
        return select_rows(tenant_id, held.account_ref).where(
            held.target_kind == WatchKind.TAG, held.target_id == tag_id, *conditions
        )

    def watches_on(tag_id: int) -> tuple[Any, ...]:
        return Watch.target_kind == WatchKind.TAG, Watch.target_id == tag_id

    session.execute(
        update_rows(tenant_id, Watch)
        .where(*watches_on(target_id), Watch.is_muted)
        .where(Watch.account_ref.in_(watchers(source_id, ~held.is_muted)))
        .values(is_muted=False)
    )
    session.execute(
        update_rows(tenant_id, Watch)
        .where(*watches_on(source_id), Watch.account_ref.not_in(watchers(target_id)))
        .values(target_id=target_id)
    )
    session.execute(delete_rows(tenant_id, Watch).where(*watches_on(source_id)))
