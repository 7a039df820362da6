"""One run over one site: Confluence's lists against our rows, page by page, within the run's points and time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

from sqlalchemy.orm import Session

from lib.confluence import Content, ContentKind, ContentPage
from lib.errors import Failure, Unavailable
from lib.principal import ContentId, TenantId
from lib.services import Services
from lib.telemetry import Trace
from questions_api.following.asking import Reader
from questions_api.following.comparing import SETTLED, compare_answers, compare_questions
from questions_api.following.guarding import guard_answers, guard_hidden_questions
from questions_api.following.missing import (
    WITNESSES,
    Unlisted,
    long_missing_questions,
    note_missing_questions,
    remove_missing_answers,
    truly_missing,
    unlisted_answers,
    unlisted_questions,
)
from questions_api.following.model import PassKind
from questions_api.following.passes import RECENT, Counts, Pass, Position, note_progress

_PAGE_COSTS = 251
"""At most: the request and 250 items."""
_ASKED_AT_ONCE = 50
_ASKING_COSTS = (WITNESSES + 2) * _ASKED_AT_ONCE + 3
"""At most: for each post one request by each of its people, the post itself and its question; three requests more.
A post without people costs its space at most instead."""

_BATCH = 50
_OVERLAP = timedelta(minutes=10)
"""Clocks differ, and an item may be listed a moment after it has changed."""


@dataclass(slots=True)
class Run:
    """One run over one site, which it holds until `lease`. Every write ends in `LeaseLostError` once it does not."""

    services: Services
    tenant_id: TenantId
    reader: Reader
    lease: datetime
    limit: int
    """Points."""
    has_time: Callable[[], bool]
    trace: Trace
    has_looked_at_spaces: bool = False
    _noted_points: int = 0

    def write[T](self, work: Callable[[Session], T]) -> T:
        return self.services.write(work, trace=self.trace, tenant_id=self.tenant_id)

    def may_spend(self, points: int) -> bool:
        has_room = self.services.confluence.points.has_room(self.tenant_id)
        return self.has_time() and has_room and self.reader.points + points <= self.limit

    def may_read(self) -> bool:
        """Whether one more page may be read."""
        return self.may_spend(_PAGE_COSTS)

    def go_on(self, done: Pass) -> bool:
        """Goes on with the pass; whether it has come to its end. What it spends is noted even where it fails."""
        try:
            return self._read_on(done)
        except Failure:
            self._note(done.kind)
            raise

    def _read_on(self, done: Pass) -> bool:
        while self.may_read():
            read_at = self.services.now()
            page, done = self._next_page(done)
            self._compare(done, page.items, read_at)
            is_last, is_through = page.next_link is None, True
            position = Position(0, page.next_link)
            if done.kind in RECENT:
                is_last = is_last or _is_older(page.items, done.watermark)
            else:
                position, is_through = self._ask_for_unlisted(done, page)
            if is_last and done.kind is PassKind.RECENT_QUESTIONS:
                self._ask_for_long_missing(done)
            self._note(done.kind, position)
            if is_last or not is_through:
                return is_through
            done = replace(done, position=position)
        return False

    def _next_page(self, done: Pass) -> tuple[ContentPage, Pass]:
        """The page at which the pass has arrived. Where Confluence no longer takes the link, the pass begins anew."""
        kind = _content_kind(done.kind)
        sort = "-modified-date" if done.kind in RECENT else "id"
        try:
            return self.reader.page(kind, sort=sort, link=done.position.link), done
        except Unavailable:
            if done.position.link is None:
                raise
        # Refused or away? The first page tells: a site that is away does not answer this either.
        page = self.reader.page(kind, sort=sort, link=None)
        return page, replace(done, position=Position())

    def _compare(self, done: Pass, items: Sequence[Content], read_at: datetime) -> None:
        compare = compare_questions if _content_kind(done.kind) == "question" else compare_answers
        for some in batched(items, _BATCH, strict=False):

            def work(session: Session, some: Sequence[Content] = some) -> None:
                counts = compare(session, self.tenant_id, some, read_at=read_at, now=self.services.now())
                note_progress(session, self.tenant_id, done.kind, counts, lease=self.lease)

            self.write(work)

    def _ask_for_unlisted(self, done: Pass, page: ContentPage) -> tuple[Position, bool]:
        """Asks for our posts that the page should list and does not: where to go on, and whether it was through.

        Where points run out, the page is read again by the next run.
        """
        is_question = _content_kind(done.kind) == "question"
        listed = [item.id for item in page.items]
        after_id = done.position.after_id
        # The list is sorted by id, so what lies between two of its pages is not on any. If it were not sorted so,
        # posts would be asked for in vain, and found.
        up_to_id = None if page.next_link is None else max(listed, default=after_id)
        find = partial(
            unlisted_questions if is_question else unlisted_answers,
            tenant_id=self.tenant_id,
            listed=listed,
            up_to_id=up_to_id,
            # What was written a moment ago may not be listed yet.
            created_before=self.services.now() - SETTLED,
            limit=_ASKED_AT_ONCE,
        )
        while unlisted := self.services.read(partial(find, after_id=after_id), tenant_id=self.tenant_id):
            if not self.may_spend(_ASKING_COSTS):
                return Position(after_id, done.position.link), False
            self._ask(done, unlisted)
            after_id = unlisted[-1].id
        return Position(max(after_id, up_to_id or 0), page.next_link), True

    def _ask_for_long_missing(self, done: Pass) -> None:
        """Decides about what is missing for a day without waiting for the next pass over everything."""
        find = partial(long_missing_questions, tenant_id=self.tenant_id, limit=_ASKED_AT_ONCE, now=self.services.now())
        if self.may_spend(_ASKING_COSTS) and (missing := self.services.read(find, tenant_id=self.tenant_id)):
            self._ask(done, missing)

    def _ask(self, done: Pass, unlisted: Sequence[Unlisted]) -> None:
        kind, read_at = _content_kind(done.kind), self.services.now()
        shown = self.reader.shown(kind, [post.id for post in unlisted], {post.id: post.witnesses for post in unlisted})
        unseen = [post for post in unlisted if post.id not in shown.contents]
        unwitnessed = [post.space_id for post in unseen if not post.witnesses]
        missing = truly_missing(unseen, self.reader.spaces(None, unwitnessed))
        questions: dict[ContentId, Content] = {}
        if kind == "answer" and missing:
            questions = self.reader.contents(None, "question", [post.question_id for post in missing])
        tenant_id, seen = self.tenant_id, tuple(shown.contents.values())

        def work(session: Session) -> None:
            now = self.services.now()
            if kind == "question":
                counts = compare_questions(session, tenant_id, seen, read_at=read_at, now=now)
                ids = [post.id for post in missing]
                lost = note_missing_questions(session, tenant_id, ids, started_at=done.started_at, now=now)
                lost += guard_hidden_questions(session, tenant_id, shown.hidden, now=now)
            else:
                counts = compare_answers(session, tenant_id, seen, read_at=read_at, now=now)
                counts += guard_answers(session, tenant_id, shown.hidden)
                lost = remove_missing_answers(session, tenant_id, missing, questions, now=now)
            note_progress(session, tenant_id, done.kind, counts + lost, lease=self.lease)

        self.write(work)

    def _note(self, kind: PassKind, position: Position | None = None) -> None:
        spent = Counts(points=self.reader.points - self._noted_points)
        work = partial(
            note_progress, tenant_id=self.tenant_id, kind=kind, done=spent, lease=self.lease, position=position
        )
        self.write(work)
        self._noted_points = self.reader.points


def _content_kind(kind: PassKind) -> ContentKind:
    return "question" if kind in {PassKind.RECENT_QUESTIONS, PassKind.ALL_QUESTIONS} else "answer"


def _is_older(items: Sequence[Content], watermark: datetime | None) -> bool:
    """Whether the page has come to what an earlier pass has seen."""
    return watermark is not None and any(item.modified_at < watermark - _OVERLAP for item in items)
