"""Random days of five people on two sites: nothing crosses from one to the other, no counter drifts, nothing hidden
is read.

Dave shares Alice's site but not one of its spaces; some questions are on a page that only Alice and Carol may see.
Every request goes through the real routes; what each person may see is known here from how the day was set up.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from lib.confluence import Caller, ContainerKind, Place
from lib.principal import AccountId, ContentId, SpaceId, TenantId
from lib.services import Services
from lib.sql import Database, Row, TenantRow, select_rows
from lib.tenancy import AccountRow, InstallationRow, InstallationSecretRow
from questions_api.model import Answer, Question
from questions_api.people.drift import find_suspects
from questions_api.people.facts import contributions_of, read_earnings
from questions_api.people.model import EVER, Standing
from questions_api.people.tag_drift import find_tag_suspects
from questions_api.people.tallying import tally_due
from questions_api.tags.model import Tag
from questions_api.triggers import RESOURCES
from tests.edge import Edge, Reached
from tests.factories import ENG, HR, MKT, NOW, Site, beside
from tests.fakes import FakeConfluence
from tests.tokens import (
    ACME_KEY,
    ACME_SECRET,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    GLOBEX_KEY,
    GLOBEX_SECRET,
    MALLORY,
)

PEOPLE = (ALICE, BOB, CAROL, DAVE, MALLORY)
SPACES = {ALICE: (ENG, HR), BOB: (ENG, HR), CAROL: (ENG, HR), DAVE: (ENG,), MALLORY: (MKT,)}
PAGE = 900
PAGE_READERS = (ALICE, CAROL)
TAGS = ("ci", "vpn", "sso")

Step = tuple[str, str, int, int, int]


@dataclass(slots=True)
class Day:
    """What has happened so far, as the site's own Confluence would tell it."""

    services: Services
    confluence: FakeConfluence
    sites: tuple[Site, Site]
    questions: list[ContentId] = field(default_factory=list)
    answers: list[ContentId] = field(default_factory=list)
    readers: dict[ContentId, set[str]] = field(default_factory=dict)
    """Who may see each question; an answer is seen with its question."""
    question_of: dict[ContentId, ContentId] = field(default_factory=dict)

    def site(self, account: str) -> Site:
        acme, globex = self.sites
        return globex if account == MALLORY else acme

    def request(self, account: str, method: str, path: str, body: object = None) -> Reached:
        key, secret = (GLOBEX_KEY, GLOBEX_SECRET) if account == MALLORY else (ACME_KEY, ACME_SECRET)
        answer = Edge(self.services, RESOURCES, lambda: NOW, key, secret).request(account, method, path, body)
        assert answer.status < 500, (method, path, answer.body)
        return answer

    def create(self, account: str, kind: str, container: tuple[ContainerKind, int], space_id: SpaceId) -> ContentId:
        caller = Caller(self.site(account).installation, AccountId(account))
        place = Place(space_id, *container)
        return self.confluence.create_content(caller, kind, place, title="T", storage="<p/>").id  # type: ignore[arg-type]

    def ask(self, account: str, number: int, tags: int) -> None:
        spaces = SPACES[account]
        space_id = spaces[number % len(spaces)]
        is_on_page = space_id == ENG and account in PAGE_READERS and number % 3 == 0
        container: tuple[ContainerKind, int] = ("page", PAGE) if is_on_page else ("space", int(space_id))
        content_id = self.create(account, "question", container, space_id)
        readers = {person for person in PEOPLE if space_id in SPACES[person]}
        if is_on_page:
            readers &= set(PAGE_READERS)
        self.confluence.put(self.confluence.item(content_id), *readers)
        chosen = [tag for position, tag in enumerate(TAGS) if tags >> position & 1]
        answer = self.request(account, "POST", "/questions", {"contentId": str(content_id), "tags": chosen})
        assert answer.status == 201, answer.body
        self.questions.append(content_id)
        self.readers[content_id] = readers

    def answer(self, account: str, question_id: ContentId) -> None:
        item = self.confluence.item(question_id)
        if account not in self.readers[question_id]:
            seen = self.request(account, "POST", f"/questions/{question_id}/answers", {"contentId": "1"})
            assert seen.status == 404
            return
        content_id = self.create(account, "answer", ("content", question_id), item.space_id)
        self.confluence.put(self.confluence.item(content_id), *self.readers[question_id])
        given = self.request(account, "POST", f"/questions/{question_id}/answers", {"contentId": str(content_id)})
        if given.status == 201:
            self.answers.append(content_id)
            self.question_of[content_id] = question_id

    def sees(self, account: str, post_id: ContentId) -> bool:
        return account in self.readers[self.question_of.get(post_id, post_id)]

    def may_only_be_refused(self, account: str, post_id: ContentId, answer: Reached) -> None:
        if not self.sees(account, post_id):
            assert answer.status == 404, answer.body


def _posts(day: Day) -> list[ContentId]:
    return day.questions + day.answers


def _path(day: Day, post_id: ContentId) -> str:
    return f"/{'answers' if post_id in day.question_of else 'questions'}/{post_id}"


def _on_question(method: str, suffix: str, body: Callable[[Day, int], object]) -> Callable[[Day, str, int, int], None]:
    def act(day: Day, account: str, number: int, choice: int) -> None:
        question_id = day.questions[number % len(day.questions)]
        answer = day.request(account, method, f"/questions/{question_id}{suffix}", body(day, choice))
        day.may_only_be_refused(account, question_id, answer)

    return act


def _on_post(method: str, suffix: str, body: Callable[[int], object]) -> Callable[[Day, str, int, int], None]:
    def act(day: Day, account: str, number: int, choice: int) -> None:
        post_id = _posts(day)[number % len(_posts(day))]
        answer = day.request(account, method, f"{_path(day, post_id)}{suffix}", body(choice))
        day.may_only_be_refused(account, post_id, answer)

    return act


def _answer_id(day: Day, choice: int) -> str | None:
    chosen = (*day.answers, None)[choice % (len(day.answers) + 1)]
    return None if chosen is None else str(chosen)


def _closing(day: Day, choice: int) -> dict[str, object]:
    if choice % 3 == 0:
        original = day.questions[choice % len(day.questions)]
        return {"state": "closed", "closeReason": "duplicate", "duplicateOf": str(original)}
    return {"state": "closed", "closeReason": "outdated"} if choice % 3 == 1 else {"state": "open"}


def _other(day: Day, account: str, number: int, choice: int) -> None:
    first, second = (day.questions[one % len(day.questions)] for one in (number, choice))
    answer = day.request(account, "PUT", f"/questions/{first}/links/{second}", {})
    if not (day.sees(account, first) and day.sees(account, second)):
        assert answer.status in {404, 403}, answer.body


def _move(day: Day, account: str, number: int, choice: int) -> None:
    question_id = day.questions[number % len(day.questions)]
    target = (ENG, HR, MKT)[choice % 3]
    answer = day.request(account, "POST", f"/questions/{question_id}/move", {"spaceId": str(target)})
    day.may_only_be_refused(account, question_id, answer)
    if answer.status == 200:
        readers = {person for person in PEOPLE if target in SPACES[person]}
        day.readers[question_id] = readers
        for post_id in (question_id, *(one for one, of in day.question_of.items() if of == question_id)):
            day.confluence.put(day.confluence.item(post_id), *readers)


def _request(day: Day, account: str, number: int, choice: int) -> None:
    question_id = day.questions[number % len(day.questions)]
    target = PEOPLE[choice % len(PEOPLE)]
    answer = day.request(account, "POST", f"/questions/{question_id}/requests", {"accountId": target})
    day.may_only_be_refused(account, question_id, answer)
    if day.sees(account, question_id) and not day.sees(target, question_id):
        assert answer.status in {404, 422}, answer.body


def _restore(day: Day, _: str, number: int, choice: int) -> None:
    """A moderator brings back what somebody has removed; until then it is removed if it was not."""
    question_id = day.questions[number % len(day.questions)]
    moderator = MALLORY if MALLORY in day.readers[question_id] else CAROL
    if choice % 2:
        assert day.request(moderator, "DELETE", f"/questions/{question_id}").status in {204, 404}
    answer = day.request(moderator, "POST", f"/questions/{question_id}/restore", {})
    assert answer.status in {200, 404, 409}, answer.body


ACTS: dict[str, Callable[[Day, str, int, int], None]] = {
    "vote": _on_post("PUT", "/vote", lambda choice: {"value": (-1, 0, 1, 1)[choice % 4]}),
    "flag": _on_post("PUT", "/flag", lambda choice: {"reason": ("spam", "outdated")[choice % 2]}),
    "unflag": _on_post("DELETE", "/flag", lambda _: None),
    "resolve": _on_post("POST", "/flags/resolution", lambda _: {"resolution": "dismissed"}),
    "delete": _on_post("DELETE", "", lambda _: None),
    "accept": _on_question("PUT", "/accepted", lambda day, choice: {"answerId": _answer_id(day, choice)}),
    "tag": _on_question("PATCH", "", lambda _, choice: {"tags": [TAGS[choice % 3], TAGS[(choice + 1) % 3]]}),
    "close": _on_question("PATCH", "", _closing),
    "pin": _on_question("PATCH", "", lambda _, choice: {"isPinned": choice % 2 == 0}),
    "lock": _on_question("PATCH", "", lambda _, choice: {"isLocked": choice % 4 == 0}),
    "restore": _restore,
    "watch": _on_question("PUT", "/watch", lambda _, choice: {"muted": choice % 3 == 0}),
    "unwatch": _on_question("DELETE", "/watch", lambda *_: None),
    "link": _other,
    "move": _move,
    "request": _request,
}


def open_day(day: Day) -> None:
    """What stands in the morning: each person has asked, and some have answered."""
    for account, number in ((ALICE, 0), (ALICE, 1), (BOB, 2), (CAROL, 4), (DAVE, 0), (MALLORY, 0), (MALLORY, 1)):
        day.ask(account, number, number + 1)
    for account, question in ((BOB, 1), (ALICE, 2), (DAVE, 2), (CAROL, 4), (MALLORY, 5), (ALICE, 0), (DAVE, 3)):
        day.answer(account, day.questions[question])


def play(day: Day, step: Step) -> None:
    act, account, number, choice, tags = step
    if act == "ask":
        day.ask(account, number, tags)
    elif act == "answer":
        day.answer(account, day.questions[number % len(day.questions)])
    else:
        ACTS[act](day, account, number, choice)


def check_reads(day: Day) -> None:
    """What each person is told, by any list or page, is about what that person may see."""
    for account in PEOPLE:
        visible = {str(question_id) for question_id in day.questions if day.sees(account, question_id)}
        for query in ("", "&order=votes", "&order=hot&state=open", "&tag=ci", "&watching=true", "&answerable=true"):
            listed = day.request(account, "GET", f"/questions?limit=100{query}").body["items"]
            assert {item["id"] for item in listed} <= visible
        everything = {item["id"] for item in day.request(account, "GET", "/questions?limit=100").body["items"]}
        live = {str(row.id) for row in questions_of(day, account) if row.deleted_at is None}
        assert everything == visible & live
        for question_id in day.questions:
            paths = ("", "/answers", "/links", "/related", "/requests")
            statuses = {day.request(account, "GET", f"/questions/{question_id}{path}").status for path in paths}
            assert statuses == ({200} if str(question_id) in visible & live else {404})
        hidden = {str(one) for one in (*day.questions, *day.answers) if not day.sees(account, one)}
        for path in ("/watches", "/requests", "/tags", "/contributors", *(f"/people/{person}" for person in PEOPLE)):
            answer = day.request(account, "GET", path)
            assert not hidden & words(answer.body), (account, path)


def words(body: object) -> set[str]:
    return set(json.dumps(body).replace('"', " ").replace(",", " ").split())


def questions_of(day: Day, account: str) -> list[Question]:
    tenant_id = day.site(account).tenant_id
    return day.services.read(lambda session: list(session.scalars(select_rows(tenant_id, Question))))


def check_counters(day: Day) -> None:
    """Counters are what the facts say; points are what a recount from nothing makes of them."""
    tally_due(day.services)
    for site in day.sites:
        read = partial(day.services.read, tenant_id=site.tenant_id)
        ids: list[ContentId] = read(partial(_column, tenant_id=site.tenant_id, column=Question.id))
        tags: list[int] = read(partial(_column, tenant_id=site.tenant_id, column=Tag.tag_id))
        assert not ids or not read(partial(find_suspects, tenant_id=site.tenant_id, ids=ids))
        assert not tags or not read(partial(find_tag_suspects, tenant_id=site.tenant_id, ids=tags))
        assert read(partial(standings, tenant_id=site.tenant_id)) == read(
            partial(recomputed, tenant_id=site.tenant_id, ids=ids)
        )


def _column(session: Session, tenant_id: TenantId, column: Any) -> list[Any]:
    return list(session.scalars(select_rows(tenant_id, column)))


def standings(session: Session, tenant_id: TenantId) -> Counter[tuple[int, int, int, int]]:
    rows = session.scalars(select_rows(tenant_id, Standing))
    return Counter({(row.space_id, row.tag_id, row.day, row.account_ref): row.points for row in rows})


def recomputed(session: Session, tenant_id: TenantId, ids: list[ContentId]) -> Counter[tuple[int, int, int, int]]:
    found: Counter[tuple[int, int, int, int]] = Counter()
    for (_, tag_id, account_ref, day), (space_id, points) in contributions_of(
        read_earnings(session, tenant_id, ids)
    ).items():
        for of_day in (day, EVER):
            found[space_id, tag_id, of_day, account_ref] += points
    return found


def check_tenants(database: Database, sites: tuple[Site, Site]) -> None:
    """No row of a site names a person or a post of the other."""
    people, posts = [], []
    for site in sites:

        def read(session: Session, site: Site = site) -> tuple[set[str], set[int]]:
            accounts = session.scalars(select_rows(site.tenant_id, AccountRow.atlassian_account_id))
            ids = {
                row.id for table in (Question, Answer) for row in session.scalars(select_rows(site.tenant_id, table))
            }
            return {str(account) for account in accounts}, ids

        accounts, ids = database.read(read)
        people.append(accounts)
        posts.append(ids)
    assert people[0] <= set(PEOPLE) - {MALLORY}
    assert people[1] <= {MALLORY}
    assert not posts[0] & posts[1]
    tenants = {site.tenant_id for site in sites}
    for mapper in Row.registry.mappers:
        if issubclass(mapper.class_, TenantRow):
            table = mapper.class_
            found = {
                row.tenant_id
                for site in sites
                for row in database.read(partial(_all, tenant_id=site.tenant_id, table=table))
            }
            assert found <= tenants


def _all(session: Session, tenant_id: TenantId, table: type[TenantRow]) -> list[TenantRow]:
    return list(session.scalars(select_rows(tenant_id, table)))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "answer", "vote", *ACTS)),
        st.sampled_from((*PEOPLE, CAROL)),
        st.integers(0, 30),
        st.integers(0, 30),
        st.integers(0, 7),
    ),
    min_size=10,
    max_size=40,
)


@pytest.fixture
def day(services: Services, sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Day]:
    """Makes a day on the same sites, with a Confluence of its own and nothing left of the day before."""
    kept = {InstallationRow.__tablename__, InstallationSecretRow.__tablename__}

    def begin() -> Day:
        with services.database.engine.begin() as connection:
            for table in reversed(Row.metadata.sorted_tables):
                if table.name not in kept:
                    connection.execute(table.delete())
        confluence = FakeConfluence(administrators={AccountId(CAROL), AccountId(MALLORY)})
        for account in PEOPLE:
            is_moderator = account in {CAROL, MALLORY}
            letters = "vad" if is_moderator else "va"
            for space_id in SPACES[account]:
                confluence.allow(
                    account, space_id, questions=letters, votes="vad", tags="vad", administers=is_moderator
                )
        confluence.put_page(PAGE, ENG, *PAGE_READERS)
        # A day here takes seconds, and so do its requests.
        hurried = replace(services, settings=replace(services.settings, rate_limit_factor=1000.0))
        shared = beside(hurried, confluence)
        monkeypatch.setattr("lib.web.services", lambda: shared)
        return Day(shared, confluence, sites)

    return begin


@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(steps=STEPS)
def test_a_random_day_leaks_nothing_and_counts_right(
    day: Callable[[], Day], database: Database, steps: list[Step]
) -> None:
    today = day()
    open_day(today)
    for step in steps:
        play(today, step)
    check_counters(today)
    check_reads(today)
    check_tenants(database, today.sites)
