"""HTTP route of the audit log, for Confluence administrators: as a list, or as a table for a spreadsheet."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import urlencode

from pydantic import AwareDatetime, Field, StringConstraints

from lib.errors import Forbidden
from lib.principal import AccountId
from lib.web import Call, Limit, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.seeing import check_administrator
from questions_api.spaces.audit_log import Entry, Wanted, read_audit, table_of
from questions_api.wire import AccountText, PageQuery, after_cursor, next_cursor, time_view

audit = Resource(blueprint, "api_audit", "api/v1/audit", may_be_kept=False)

RESOURCES = (audit,)

_Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))]
"""With a time zone, and not where the calendar ends: moving such a time to UTC would leave it."""


class AuditQuery(PageQuery):
    """Which entries: `from` is included, `to` is not."""

    action: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z.-]{0,39}$")] | None = None
    actor: AccountText | None = None
    start: Annotated[_Moment | None, Field(alias="from")] = None
    end: Annotated[_Moment | None, Field(alias="to")] = None
    format: Literal["json", "csv"] = "json"

    def narrowing(self) -> dict[str, str]:
        """The parameters that choose entries, as they are written in an address."""
        chosen = {
            "action": self.action,
            "actor": self.actor,
            "from": None if self.start is None else time_view(self.start),
            "to": None if self.end is None else time_view(self.end),
        }
        return {name: value for name, value in chosen.items() if value is not None}


class AuditEntryView(TypedDict):
    id: str
    at: str
    action: str
    actorId: str | None
    targetKind: str
    targetId: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditListView(TypedDict):
    items: list[AuditEntryView]
    next: str | None


def _entry_view(entry: Entry) -> AuditEntryView:
    return {
        "id": str(entry.id),
        "at": time_view(entry.at),
        "action": entry.action,
        "actorId": entry.actor,
        "targetKind": entry.target_kind,
        "targetId": str(entry.target_id),
        "before": entry.before,
        "after": entry.after,
    }


@audit.operation(
    "GET", takes=AuditQuery, returns=AuditListView, failures=(Forbidden,), limit=Limit.READ, texts=("text/csv",)
)
def read_log(call: Call, query: AuditQuery) -> AuditListView | Reply:
    """Who changed what, newest first. With `format=csv` a table; its next page is in the `Link` header."""
    check_administrator(call)
    narrowing = query.narrowing()
    list_name = f"audit?{urlencode(narrowing)}"
    after = after_cursor(call, list_name, query.cursor)
    wanted = Wanted(
        action=query.action,
        actor=None if query.actor is None else AccountId(query.actor),
        start=query.start,
        end=query.end,
        below=None if after is None else after[0],
        limit=query.limit,
    )
    page = call.read(lambda session: read_audit(session, call.tenant_id, wanted))
    cursor = next_cursor(call, list_name, None if page.next_below is None else (page.next_below,))
    if query.format == "json":
        return {"items": [_entry_view(entry) for entry in page.entries], "next": cursor}
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    if cursor is not None:
        address = urlencode({**narrowing, "format": "csv", "limit": query.limit, "cursor": cursor})
        headers["Link"] = f'</{audit.route}?{address}>; rel="next"'
    return Reply(table_of(page.entries), headers=headers, media_type="text/csv")
