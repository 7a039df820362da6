"""HTTP route of exports under /api/v1, for space administrators."""

from urllib.parse import urlencode

from lib.errors import Forbidden, NotFound
from lib.grants import Grants
from lib.limits import Limit
from lib.principal import SpaceId
from lib.web import Call, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.exporting import schemas
from questions_api.exporting.formats import CSV, JSON_LINES, to_csv, to_json_lines
from questions_api.exporting.reading import read_page
from questions_api.seeing import SPACE_DISABLED, check_space_administrator, grants_in
from questions_api.wire import after_cursor, next_cursor

export = Resource(blueprint, "api_export", "api/v1/export")

RESOURCES = (export,)


def _check_may_export(grants: Grants) -> None:
    if grants.reason == SPACE_DISABLED:
        raise Forbidden("Questions are switched off in this space; switch them on to export them.")
    if not grants.questions.view:
        raise Forbidden("You may not view questions in this space; you can grant it to yourself.")


@export.operation(
    "GET", takes=schemas.ExportQuery, failures=(Forbidden, NotFound), limit=Limit.HEAVY, texts=(JSON_LINES, CSV)
)
def send_export(call: Call, query: schemas.ExportQuery) -> Reply:
    """Ids and metadata of a space's questions and answers, part by part; no text, and votes as counts only."""
    space_id = SpaceId(int(query.space))
    check_space_administrator(call, space_id)
    grants = grants_in(call, space_id)
    _check_may_export(grants)
    name = f"export:{space_id}"
    after = after_cursor(call, name, query.cursor)
    page = read_page(call, space_id, grants, limit=query.limit, after=after)
    cursor = next_cursor(call, name, page.next_position)
    headers = {} if cursor is None else {"Link": _next_link(query, cursor)}
    if query.format is schemas.ExportFormat.CSV:
        return Reply(to_csv(page.questions, has_header=after is None), headers=headers, media_type=CSV)
    return Reply(to_json_lines(page.questions), headers=headers, media_type=JSON_LINES)


def _next_link(query: schemas.ExportQuery, cursor: str) -> str:
    """Relative to the address asked (RFC 8288, section 3.1): the app does not know under which name it is reached."""
    values = {"space": query.space, "format": query.format.value, "limit": query.limit, "cursor": cursor}
    return f'</api/v1/export?{urlencode(values)}>; rel="next"'
