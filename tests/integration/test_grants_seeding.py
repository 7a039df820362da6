"""First grants: who is offered what, what Confluence refuses, and that doing it again changes nothing."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from lib.audit import AuditRow
from lib.confluence import Assignment, Caller, ConfluenceRefused, ContentKind
from lib.errors import Forbidden, NotFound, Unacceptable, Unavailable
from lib.services import Services
from lib.spaces import SpaceRow
from questions_api.spaces.routes import preview_seeding, read_grants, seed
from questions_api.spaces.schemas import GrantsQuery, SeedingBody, SubjectBody
from questions_api.spaces.seeding import ADMINISTRATOR_RIGHTS, AT_ONCE, MEMBER_RIGHTS, subjects_of
from tests.factories import ENG, HR, QUESTION_TYPE, Site, beside, only_row, rows_of
from tests.fakes import FakeConfluence
from tests.integration.space_calls import NOTHING, call
from tests.tokens import ACME_KEY, ALICE, CAROL, DAVE, GLOBEX_KEY, MALLORY

Sites = tuple[Site, Site]
EVERYONE, ADMINS = ("group", "g-everyone"), ("group", "g-admins")
READ, ADMINISTER = ("read", "space"), ("administer", "space")
MEMBERS = {"questions": ["view", "add"], "votes": ["view", "add", "delete"], "tags": ["view", "add"]}
NO_RIGHTS: dict[str, list[str]] = {"questions": [], "votes": [], "tags": []}


@pytest.fixture
def confluence() -> FakeConfluence:
    site = FakeConfluence()
    for space_id in (ENG, HR):
        site.allow(CAROL, space_id, administers=True)
        site.allow(ALICE, space_id)
        site.assign(
            space_id, Assignment(*EVERYONE, *READ), Assignment(*ADMINS, *READ), Assignment(*ADMINS, *ADMINISTER)
        )
    site.assign(ENG, Assignment("user", ALICE, *READ), Assignment("user", DAVE, "create", "page"))
    site.assign(ENG, Assignment("role", "r-1", *READ))
    site.allow(MALLORY, ENG, questions="vad", administers=True)
    return site


@pytest.fixture
def shared(services: Services, confluence: FakeConfluence, sites: Sites) -> Services:
    del sites
    return beside(services, confluence)


def preview(shared: Services, account: str = CAROL, space_id: int = ENG, client_key: str = ACME_KEY) -> Any:
    return preview_seeding(call(shared, account, client_key=client_key, spaceId=space_id), NOTHING)


def seeded(
    shared: Services, *chosen: tuple[str, str], account: str = CAROL, space_id: int = ENG, client_key: str = ACME_KEY
) -> Any:
    bodies = [SubjectBody(type=kind, id=identifier) for kind, identifier in chosen]  # type: ignore[arg-type]
    return seed(call(shared, account, client_key=client_key, spaceId=space_id), SeedingBody(subjects=bodies or None))


def outcomes(answer: Any) -> dict[tuple[str, str], str]:
    return {(item["type"], item["id"]): item["outcome"] for item in answer["items"]}


def test_the_preview_names_who_views_the_space_and_what_they_lack(shared: Services) -> None:
    found = preview(shared)
    assert [(item["type"], item["id"], item["administersSpace"]) for item in found["items"]] == [
        (*EVERYONE, False),
        (*ADMINS, True),
        ("user", ALICE, False),
    ]
    assert found["items"][0]["missing"] == MEMBERS
    assert found["items"][1]["missing"] == {
        "questions": ["view", "add", "delete"],
        "votes": ["view", "add", "delete"],
        "tags": ["view", "add", "delete"],
    }
    assert [item["isComplete"] for item in found["items"]] == [False, False, False]
    assert found["instructions"] == []


def test_what_is_held_already_is_not_offered_again(shared: Services, confluence: FakeConfluence) -> None:
    confluence.assign(ENG, *(Assignment(*EVERYONE, "read", confluence.type_of(kind)) for kind in ("question", "tag")))
    item = preview(shared)["items"][0]
    assert item["held"] == {"questions": ["view"], "votes": [], "tags": ["view"]}
    assert item["missing"] == {"questions": ["add"], "votes": ["view", "add", "delete"], "tags": ["add"]}


def test_seeding_grants_what_the_preview_named(shared: Services, confluence: FakeConfluence, sites: Sites) -> None:
    acme, globex = sites
    answer = seeded(shared)

    assert set(outcomes(answer).values()) == {"granted"}
    assert answer["items"][0]["granted"] == MEMBERS
    assert [item["isComplete"] for item in preview(shared)["items"]] == [True, True, True]
    view: Any = read_grants(call(shared, ALICE, spaceId=ENG), GrantsQuery())
    assert view["may"]["ask"]
    assert not view["may"]["moderate"]
    noted = only_row(shared.database, acme, AuditRow)
    assert (noted.action, noted.target_kind, noted.target_id) == ("grants.seeded", "space", ENG)
    assert (noted.before, noted.after) == (None, '{"granted": 3, "refused": 0}')
    assert only_row(shared.database, acme, SpaceRow).permission_epoch == 1
    assert rows_of(shared.database, globex, AuditRow) == []
    # A deletion by somebody who was given nothing of the kind stays impossible.
    assert not any(
        held.operation == "delete" and held.principal_id == ALICE and held.target == QUESTION_TYPE
        for held in confluence.space_assignments(Caller(acme.installation, acme.people[2]), ENG) or ()
    )


def test_seeding_again_changes_nothing(shared: Services, sites: Sites) -> None:
    seeded(shared)
    assert set(outcomes(seeded(shared)).values()) == {"unchanged"}
    assert len(rows_of(shared.database, sites[0], AuditRow)) == 1


def test_only_those_named_are_seeded(shared: Services) -> None:
    assert outcomes(seeded(shared, EVERYONE, EVERYONE)) == {EVERYONE: "granted"}
    assert [item["isComplete"] for item in preview(shared)["items"]] == [True, False, False]


def test_who_does_not_view_the_space_is_given_nothing(shared: Services, sites: Sites) -> None:
    with pytest.raises(Unacceptable) as refused:
        seeded(shared, EVERYONE, ("user", DAVE), ("group", "g-unknown"))
    assert [fault.where for fault in refused.value.faults] == ["/subjects/1", "/subjects/2"]
    assert [item["isComplete"] for item in preview(shared)["items"]] == [False, False, False]
    assert rows_of(shared.database, sites[0], AuditRow) == []


def test_where_roles_rule_confluences_refusal_and_the_way_by_hand_are_told(
    shared: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    confluence.has_roles = True
    assert preview(shared)["instructions"][0].startswith("Open the space")
    (item,) = seeded(shared, EVERYONE)["items"]
    assert (item["outcome"], item["granted"]) == ("refused", NO_RIGHTS)
    assert item["reason"] == "The site assigns rights by roles."
    assert len(item["instructions"]) == 5
    assert only_row(shared.database, sites[0], AuditRow).after == '{"granted": 0, "refused": 1}'


def test_a_site_that_does_not_list_what_is_given_is_asked_for_everything(
    shared: Services, confluence: FakeConfluence
) -> None:
    seeded(shared)
    confluence.lists_app_types = False
    assert preview(shared)["items"][0]["missing"] == MEMBERS
    assert outcomes(seeded(shared, EVERYONE)) == {EVERYONE: "granted"}


@pytest.mark.parametrize(("account", "error"), [(ALICE, Forbidden), (DAVE, NotFound)])
def test_only_administrators_of_the_space_see_and_seed(shared: Services, account: str, error: type[Exception]) -> None:
    for attempt in (preview, lambda *given: seeded(given[0], account=given[1], space_id=given[2])):
        with pytest.raises(error):
            attempt(shared, account, HR)


def test_mallory_seeds_her_own_site_only(shared: Services, sites: Sites) -> None:
    acme, globex = sites
    with pytest.raises(NotFound):
        preview(shared, MALLORY, HR, client_key=GLOBEX_KEY)
    seeded(shared, account=MALLORY, client_key=GLOBEX_KEY)
    assert rows_of(shared.database, acme, AuditRow) == []
    assert len(rows_of(shared.database, globex, AuditRow)) == 1


@dataclass(slots=True)
class Faulty:
    """Stands before `grant_types` of a site: goes away after some calls, or says that rights exist already."""

    confluence: FakeConfluence
    calls_left: int = 10**6
    existing: set[tuple[str, str]] = field(default_factory=set)
    calls: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.confluence, name)

    def grant_types(
        self, caller: Caller, space_key: str, subject: tuple[str, str], changes: list[tuple[str, ContentKind, bool]]
    ) -> None:
        if self.calls >= self.calls_left:
            raise Unavailable
        self.calls += 1
        if any((operation, kind) in self.existing for operation, kind, _ in changes):
            raise ConfluenceRefused(400, "Permission already exists for the given user or group.")
        self.confluence.grant_types(caller, space_key, subject, changes)


def test_a_confluence_that_goes_away_leaves_the_rest_for_later(
    services: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    shared = beside(services, Faulty(confluence, calls_left=1))  # type: ignore[arg-type]
    assert list(outcomes(seeded(shared)).values()) == ["granted", "later", "later"]
    assert only_row(shared.database, sites[0], AuditRow).after == '{"granted": 1, "refused": 0}'

    back = beside(services, confluence)
    assert list(outcomes(seeded(back)).values()) == ["unchanged", "granted", "granted"]


def test_a_confluence_that_is_away_at_once_writes_nothing_down(
    services: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    shared = beside(services, Faulty(confluence, calls_left=0))  # type: ignore[arg-type]
    assert list(outcomes(seeded(shared)).values()) == ["later", "later", "later"]
    assert rows_of(shared.database, sites[0], AuditRow) == []


def test_rights_that_exist_already_do_not_keep_the_others_from_being_given(
    services: Services, confluence: FakeConfluence, sites: Sites
) -> None:
    del sites
    faulty = Faulty(confluence, existing={("read", "question"), ("delete", "vote")})
    shared = beside(services, faulty)  # type: ignore[arg-type]
    assert outcomes(seeded(shared, EVERYONE)) == {EVERYONE: "granted"}
    assert faulty.calls == 1 + len(MEMBER_RIGHTS)
    given = {(held.operation, held.target) for held in confluence._assignments[ENG] if held.principal_id == EVERYONE[1]}
    assert ("create", QUESTION_TYPE) in given
    assert ("read", QUESTION_TYPE) not in given


def test_one_request_seeds_so_many_and_the_next_goes_on(shared: Services, confluence: FakeConfluence) -> None:
    confluence.assign(HR, *(Assignment("user", f"u-{number}", *READ) for number in range(AT_ONCE)))
    first = list(outcomes(seeded(shared, space_id=HR)).values())
    assert (first.count("granted"), first.count("later")) == (AT_ONCE, 2)
    second = list(outcomes(seeded(shared, space_id=HR)).values())
    assert (second.count("granted"), second.count("unchanged")) == (2, AT_ONCE)


def test_a_subject_that_administers_but_does_not_view_is_none() -> None:
    types: dict[ContentKind, str] = {"question": "q", "vote": "v", "tag": "t"}
    assert subjects_of([Assignment(*ADMINS, *ADMINISTER)], types) == ()
    assert len(ADMINISTRATOR_RIGHTS) == 9
