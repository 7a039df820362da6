"""The permission grid: what each operation needs, who may change it, and what follows at once."""

import pytest

from tests.local_confluence.conftest import Process
from tests.local_confluence.fake_app import QUESTION, TAG, FakeApp
from tests.local_confluence.people import (
    ADMINISTRATOR,
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ENG,
    ENG_PAGE,
    HR,
    MALLORY,
    MKT,
    PARTICIPANT,
    AppIdentity,
    Browser,
    Control,
    Json,
)

EVERYONE = {"type": "group", "identifier": "everyone"}


@pytest.mark.parametrize(
    ("account", "space", "expected"),
    [(ALICE, ENG, PARTICIPANT), (DAVE, ENG, PARTICIPANT), (BOB, HR, PARTICIPANT), (CAROL, HR, ADMINISTRATOR)],
)
def test_the_grid_of_the_first_day(process: Process, account: str, space: str, expected: set[tuple[str, str]]) -> None:
    assert Browser(process.acme, account).operations(space) == expected


def test_mallory_administers_marketing(process: Process) -> None:
    assert Browser(process.globex, MALLORY).operations(MKT) == ADMINISTRATOR


def test_taking_a_right_away_counts_at_once(process: Process, control: Control) -> None:
    alice = Browser(process.acme, ALICE)
    item = alice.created()
    try:
        control.grant(ENG, EVERYONE, "create", QUESTION, access=False)
        assert alice.create().status_code == 404
        assert ("create", QUESTION) not in alice.operations(ENG)
        assert alice.read(item["id"]).status_code == 200
        control.grant(ENG, EVERYONE, "read", QUESTION, access=False)
        assert alice.read(item["id"]).status_code == 404
    finally:
        for operation in ("create", "read"):
            control.grant(ENG, EVERYONE, operation, QUESTION, access=True)
    assert alice.read(item["id"]).status_code == 200


def test_rights_without_view_of_the_space_count_nothing(process: Process, control: Control) -> None:
    dave = {"type": "user", "identifier": DAVE}
    control.grant(HR, dave, "create", QUESTION, access=True)
    try:
        assert Browser(process.acme, DAVE).create(spaceId=HR).status_code == 404
        control.grant(HR, dave, "read", "space", access=True)
        control.grant(HR, dave, "read", QUESTION, access=True)
        assert Browser(process.acme, DAVE).create(spaceId=HR).status_code == 201
    finally:
        for operation, target in (("read", "space"), ("read", QUESTION), ("create", QUESTION)):
            control.grant(HR, dave, operation, target, access=False)


def test_anonymous_visitors_see_open_spaces_but_no_types_with_a_permission_list(
    process: Process, control: Control
) -> None:
    nobody, anonymous = Browser(process.acme, ""), {"type": "anonymous"}
    item = Browser(process.acme, ALICE).created()
    assert nobody.get(f"/wiki/api/v2/spaces/{ENG}").status_code == 404
    try:
        for target in ("space", QUESTION):
            control.grant(ENG, anonymous, "read", target, access=True)
        assert nobody.get(f"/wiki/api/v2/spaces/{ENG}").status_code == 200
        assert nobody.get(f"/wiki/api/v2/pages/{ENG_PAGE}").status_code == 200
        assert nobody.read(item["id"]).status_code == 404
        assert nobody.operations(ENG) == {("read", "space")}
    finally:
        for target in ("space", QUESTION):
            control.grant(ENG, anonymous, "read", target, access=False)


def test_a_restricted_page_hides_what_it_contains(process: Process, control: Control) -> None:
    alice, bob, carol = (Browser(process.acme, one) for one in (ALICE, BOB, CAROL))
    item = alice.created(spaceId=None, pageId=ENG_PAGE)
    try:
        control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": [ALICE]})
        assert alice.read(item["id"]).status_code == 200
        for other in (bob, carol):
            assert other.read(item["id"]).status_code == 404
            assert other.get(f"/wiki/api/v2/pages/{ENG_PAGE}").status_code == 404
    finally:
        control.send("PUT", f"/content/{ENG_PAGE}/restriction", {"accountIds": []})
    assert bob.read(item["id"]).status_code == 200


def test_operations_on_one_item(process: Process) -> None:
    item = Browser(process.acme, ALICE).created()

    def rights(account: str) -> set[str]:
        path = f"/wiki/api/v2/custom-content/{item['id']}/operations"
        found = Browser(process.acme, account).get(path).json()["operations"]
        return {f"{one['operation']} {one['targetType'].rpartition(':')[2]}" for one in found}

    common = {"read cq-question", "create cq-question", "create comment"}
    assert rights(BOB) == common
    assert rights(ALICE) == rights(CAROL) == common | {"update cq-question", "delete cq-question"}


def test_a_site_may_leave_app_types_out_of_its_lists(process: Process, control: Control) -> None:
    alice = Browser(process.acme, ALICE)
    control.send("PUT", "/site", {"listsAppTypes": False})
    try:
        assert {target for _, target in alice.operations(ENG)} == {"space", "page", "comment"}
        assert alice.create().status_code == 201
    finally:
        control.send("PUT", "/site", {"listsAppTypes": True})
    assert ("read", QUESTION) in alice.operations(ENG)


def test_an_inactive_account_loses_everything(process: Process, control: Control) -> None:
    alice = Browser(process.acme, ALICE)
    control.send("PUT", f"/people/{ALICE}", {"active": False})
    try:
        assert alice.get(f"/wiki/api/v2/spaces/{ENG}").status_code == 404
        assert alice.create().status_code == 404
    finally:
        control.send("PUT", f"/people/{ALICE}", {"active": True})
    assert alice.get(f"/wiki/api/v2/spaces/{ENG}").status_code == 200


def _grant_body(**changes: object) -> Json:
    operation = {"key": "delete", "target": TAG, "access": True}
    return {"subject": {"type": "user", "identifier": BOB}, "operations": [operation], **changes}


def test_the_app_grants_its_types_as_a_space_administrator(
    process: Process, identity: AppIdentity, control: Control
) -> None:
    path = "/wiki/rest/api/space/HR/permission/custom-content"
    bob = {"type": "user", "identifier": BOB}
    control.grant(HR, bob, "read", "space", access=True)
    try:
        assert identity.send_as(CAROL, "POST", path, json=_grant_body()).status_code == 200
        assert ("delete", TAG) in Browser(process.acme, BOB).operations(HR)
        assert identity.send_as(BOB, "POST", path, json=_grant_body()).status_code == 403
        assert identity.send("POST", path, json=_grant_body()).status_code == 403
        assert identity.send_as(DAVE, "POST", path, json=_grant_body()).status_code == 404
        assert Browser(process.acme, CAROL).post(path, _grant_body()).status_code == 403
    finally:
        for operation, target in (("delete", TAG), ("read", "space")):
            control.grant(HR, bob, operation, target, access=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"operations": []},
        {"operations": [{"key": "delete", "target": "ac:another-app:thing", "access": True}]},
        {"operations": [{"key": "archive", "target": TAG, "access": True}]},
        {"operations": [{"key": "read", "target": "space", "access": True}]},
        {"operations": [{"key": "delete", "target": TAG, "access": "yes"}]},
        {"subject": {"type": "user", "identifier": "nobody"}},
        {"subject": {"type": "role", "identifier": BOB}},
        # Dave may not view the space, so he cannot be given more.
        {"subject": {"type": "user", "identifier": DAVE}},
    ],
)
def test_malformed_grants_are_refused(identity: AppIdentity, changes: Json) -> None:
    path = "/wiki/rest/api/space/HR/permission/custom-content"

    assert identity.send_as(CAROL, "POST", path, json=_grant_body(**changes)).status_code == 400


@pytest.mark.parametrize(
    ("asker", "subject", "operation", "expected"),
    [
        (ALICE, ALICE, "read", True),
        (ALICE, ALICE, "delete", True),
        (BOB, BOB, "read", True),
        (BOB, BOB, "delete", False),
        (CAROL, BOB, "update", False),
        (CAROL, DAVE, "read", False),
        (BOB, ALICE, "read", 403),
        (DAVE, DAVE, "read", False),
    ],
)
def test_permission_checks(process: Process, asker: str, subject: str, operation: str, expected: bool | int) -> None:
    item = Browser(process.acme, ALICE).created(spaceId=HR)
    path = f"/wiki/rest/api/content/{item['id']}/permission/check"
    body = {"subject": {"type": "user", "identifier": subject}, "operation": operation}
    answer = Browser(process.acme, asker).post(path, body)

    if expected is True or expected is False:
        assert answer.json()["hasPermission"] is expected
        assert bool(answer.json()["errors"]) is not expected
    else:
        assert answer.status_code == expected


def test_administrators_are_known_by_their_operations(process: Process) -> None:
    def rights(account: str) -> list[Json]:
        path = "/wiki/rest/api/user/current?expand=operations"
        found: list[Json] = Browser(process.acme, account).get(path).json()["operations"]
        return found

    administer = {"operation": "administer", "targetType": "application"}
    assert administer in rights(CAROL)
    assert administer not in rights(ALICE)


def _save(process: Process, account: str, form: list[tuple[str, str]], origin: str) -> int:
    browser = Browser(process.acme, account)
    headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    return browser.send("POST", "/wiki/host/permissions", data=form, headers=headers).status_code


def test_the_permission_screen_saves_what_its_boxes_say(process: Process, app: FakeApp, control: Control) -> None:
    subject, grants = f"user|{BOB}", [f"user|{BOB}|read|space", f"user|{BOB}|delete|{QUESTION}"]
    form = [("space", "ENG"), ("subject", subject), *(("grant", one) for one in grants)]
    app.forget_webhooks()
    try:
        assert _save(process, ALICE, form, process.acme) == 404
        assert _save(process, CAROL, form, app.url) == 403
        assert _save(process, CAROL, form, process.acme) == 303
        assert ("delete", QUESTION) in Browser(process.acme, BOB).operations(ENG)
        event = app.wait_for("/connect/webhooks/space_permissions_updated")[-1].body
        assert (event["space"]["key"], event["userAccountId"]) == ("ENG", CAROL)
        assert _save(process, CAROL, form[:2], process.acme) == 303
        assert ("delete", QUESTION) not in Browser(process.acme, BOB).operations(ENG)
    finally:
        _save(process, CAROL, form[:2], process.acme)
    assert ("create", QUESTION) in Browser(process.acme, BOB).operations(ENG)


def test_the_permission_screen_is_for_space_administrators(process: Process) -> None:
    path = "/wiki/spaces/ENG/permissions"

    assert Browser(process.acme, ALICE).get(path).status_code == 403
    shown = Browser(process.acme, CAROL).get(path).text
    for word in ("Questions", "Votes", "Tags", "View", "Add", "Delete", "everyone", "Carol Castle"):
        assert word in shown
