"""Finding and repairing counters of tags that are not what the facts say, as `drift` does for questions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, func
from sqlalchemy.orm import Session

from lib.principal import SpaceId, TenantId
from lib.sql import insert_row, rows_changed, run_bound, select_bound, update_rows
from questions_api.model import Question
from questions_api.tags.model import QuestionTag, Tag, TagUse

_IDS: Any = bindparam("ids", expanding=True)
_TAGS = select_bound(Tag, Tag.tag_id, Tag.use_count).where(Tag.tag_id.in_(_IDS))
_USES = select_bound(TagUse, TagUse.tag_id, TagUse.space_id, TagUse.use_count).where(TagUse.tag_id.in_(_IDS))
_BORNE = (
    select_bound(QuestionTag, QuestionTag.tag_id, func.count().label("questions"))
    .where(QuestionTag.tag_id.in_(_IDS))
    .group_by(QuestionTag.tag_id)
)
_BORNE_IN = (
    select_bound(QuestionTag, QuestionTag.tag_id, Question.space_id, func.count().label("questions"))
    .join(Question, and_(Question.tenant_id == QuestionTag.tenant_id, Question.id == QuestionTag.question_id))
    .where(
        QuestionTag.tag_id.in_(_IDS),
        Question.deleted_at.is_(None),
        Question.container_kind == "space",
        ~Question.is_guarded,
        Question.missing_since.is_(None),
    )
    .group_by(QuestionTag.tag_id, Question.space_id)
)
_BORNE_IN_SPACE = _BORNE_IN.where(Question.space_id == bindparam("space_id"))

_LINKS_AT_ONCE = 20_000
"""Where the questions are is looked up for each link. A tag with more of them is counted alone."""


@dataclass(frozen=True, slots=True)
class TagSuspects:
    """Tags whose count looks wrong, as a whole or in a space."""

    tags: list[int]
    uses: list[tuple[SpaceId, int]]

    def __bool__(self) -> bool:
        return bool(self.tags or self.uses)


def _borne(session: Session, tenant_id: TenantId, ids: list[int]) -> dict[int, int]:
    return {row.tag_id: row.questions for row in run_bound(session, _BORNE, {"tenant_id": tenant_id, "ids": ids})}


def _borne_in(session: Session, tenant_id: TenantId, borne: Mapping[int, int]) -> dict[tuple[SpaceId, int], int]:
    found: dict[tuple[SpaceId, int], int] = {}
    for ids in _in_parts(borne):
        for row in run_bound(session, _BORNE_IN, {"tenant_id": tenant_id, "ids": ids}):
            found[row.space_id, row.tag_id] = row.questions
    return found


def _in_parts(borne: Mapping[int, int]) -> Iterator[list[int]]:
    """The tags in parts that together have no more links than are counted at once (pure)."""
    part: list[int] = []
    links = 0
    for tag_id, questions in borne.items():
        if part and links + questions > _LINKS_AT_ONCE:
            yield part
            part, links = [], 0
        part.append(tag_id)
        links += questions
    if part:
        yield part


def find_tag_suspects(session: Session, tenant_id: TenantId, ids: list[int]) -> TagSuspects:
    values: dict[str, Any] = {"tenant_id": tenant_id, "ids": ids}
    held = {row.tag_id: row.use_count for row in run_bound(session, _TAGS, values)}
    held_in = {(row.space_id, row.tag_id): row.use_count for row in run_bound(session, _USES, values)}
    borne = _borne(session, tenant_id, ids)
    borne_in = _borne_in(session, tenant_id, borne)
    return TagSuspects(
        sorted(tag_id for tag_id, count in held.items() if count != borne.get(tag_id, 0)),
        sorted(key for key in held_in.keys() | borne_in.keys() if held_in.get(key, 0) != borne_in.get(key, 0)),
    )


def repair_tags(session: Session, tenant_id: TenantId, suspects: TagSuspects) -> list[tuple[str, str]]:
    """Looks at the suspects again with their row taken, and puts right what is wrong; table and counter of each."""
    tags = [("tag", "use_count") for tag_id in suspects.tags if _repair_tag(session, tenant_id, tag_id)]
    uses = [("tag_use", "use_count") for where in suspects.uses if _repair_use(session, tenant_id, *where)]
    return tags + uses


def _repair_tag(session: Session, tenant_id: TenantId, tag_id: int) -> bool:
    mine = update_rows(tenant_id, Tag).where(Tag.tag_id == tag_id)
    if rows_changed(session.execute(mine.values(use_count=Tag.use_count))) != 1:
        return False
    right = _borne(session, tenant_id, [tag_id]).get(tag_id, 0)
    return rows_changed(session.execute(mine.where(Tag.use_count != right).values(use_count=right))) == 1


def _repair_use(session: Session, tenant_id: TenantId, space_id: SpaceId, tag_id: int) -> bool:
    """The row is taken before the questions are counted: who puts a tag on moves the counter last."""
    mine = update_rows(tenant_id, TagUse).where(TagUse.space_id == space_id, TagUse.tag_id == tag_id)
    is_held = rows_changed(session.execute(mine.values(use_count=TagUse.use_count))) == 1
    here: dict[str, Any] = {"tenant_id": tenant_id, "ids": [tag_id], "space_id": space_id}
    right: int = sum(row.questions for row in run_bound(session, _BORNE_IN_SPACE, here))
    if is_held:
        return rows_changed(session.execute(mine.where(TagUse.use_count != right).values(use_count=right))) == 1
    if right:
        row = {"space_id": space_id, "tag_id": tag_id, "use_count": right, "is_featured": False, "is_required": False}
        session.execute(insert_row(tenant_id, TagUse, **row))
    return right > 0
