"""What delivery needs around it: a clock to turn, a door that plays Teams and Confluence, destinations and events."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy.orm import Session

from lib.events import EventKind, Subject
from lib.outbound import Answer, Door, OutboundError, parse_public_url
from lib.outbox import append_event
from lib.principal import ContentId, SpaceId, TenantId
from lib.services import Services
from lib.sql import select_rows, update_rows
from lib.telemetry import trace_of
from lib.tenancy import InstallationRow, InstallationState
from notify.destinations.managing import Wanted, create_destination
from notify.kinds import DestinationKind
from notify.message import Disclosure
from notify.model import Attempt, Delivery, DeliveryId, Destination, DestinationId
from notify.routing.subscriptions import EventName
from tests.factories import ENG, HR, MKT, NOW, QUESTION_TYPE, Site
from tests.fakes import RememberedQueues
from tests.tokens import ALICE, CAROL, DAVE, MALLORY

HOST = "default0123456789abcdef0123456789abcd.ef.environment.api.powerplatform.com"
ALL_EVENTS: tuple[EventName, ...] = ("asked", "answered", "voted", "accepted")
QUESTION = ContentId(98310)
TITLE = "How do I roll back?"
PERSONAL = SpaceId(65539)
ACCEPTED = Answer(202, MappingProxyType({}), b"", 5)

TRACE = trace_of(None)

Reaction = Answer | OutboundError | Callable[[], Answer]


def workflow_url(number: int = 1) -> str:
    return (
        f"https://{HOST}/powerautomate/automations/direct/workflows/{number:032x}/triggers/manual/paths/invoke"
        f"?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={number:043d}"
    )


def reply(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, MappingProxyType(dict(headers or {})), b"", 5)


class PlayedDoor(Door):
    """Answers as Teams (the reactions in order, then 202) and as the two Confluences; calls nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.reactions: list[Reaction] = []
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.question: dict[str, Any] | None = confluence_question()
        self.is_confluence_away = False
        self.questions_read = 0
        self._playing = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadline_s: float = 10.0,
        max_bytes: int = 65_536,
        reuse: bool = False,
    ) -> Answer:
        parts = urlsplit(url)
        if parts.hostname != HOST:
            return self._confluence(parts.path, parts.query, headers or {}, body or b"")
        assert (method, deadline_s, max_bytes, reuse) == ("POST", 10.0, 65_536, False)
        assert headers == {"Content-Type": "application/json; charset=utf-8"}
        with self._playing:
            self.posted.append((url, json.loads(body or b"")))
            reaction = self.reactions.pop(0) if self.reactions else ACCEPTED
        if isinstance(reaction, OutboundError):
            raise reaction
        return reaction if isinstance(reaction, Answer) else reaction()

    @property
    def texts(self) -> list[str]:
        """The cards posted, as JSON text."""
        return [json.dumps(card, ensure_ascii=False) for _, card in self.posted]

    def _confluence(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.is_confluence_away:
            raise OutboundError("connect")
        if path.endswith("/oauth2/token"):
            return _json({"access_token": _subject_of(body), "expires_in": 900})
        person = headers["Authorization"].removeprefix("Bearer ")
        if path.endswith("/rest/api/user/current"):
            assert query == "expand=operations"
            return _json(
                {"operations": [_operation("administer", "application")] if person in {CAROL, MALLORY} else []}
            )
        if "/custom-content/" in path:
            assert headers["Authorization"].startswith("JWT "), "titles are read as the app"
            self.questions_read += 1
            return _json(self.question) if self.question is not None else reply(404)
        return _space(path, person)


def confluence_question(**changes: object) -> dict[str, Any]:
    return {
        "id": str(QUESTION),
        "type": QUESTION_TYPE,
        "status": "current",
        "spaceId": str(ENG),
        "authorId": ALICE,
        "createdAt": "2026-11-25T11:00:00.000Z",
        "title": TITLE,
        **changes,
    }


def _space(path: str, person: str) -> Answer:
    """Carol administers ENG and sees HR; Mallory has MKT on her own site."""
    space, _, what = path.partition("/api/v2/spaces/")[2].partition("/")
    space_id = SpaceId(int(space))
    seen = {MALLORY: {MKT}, DAVE: {ENG}, CAROL: {ENG, HR, PERSONAL}}.get(person, {ENG, HR})
    if space_id not in seen:
        return reply(404)
    if what != "operations":
        return _json({"id": space, "type": "personal" if space_id == PERSONAL else "global"})
    operations = [_operation("read", QUESTION_TYPE)]
    if person == CAROL and space_id == ENG:
        operations.append(_operation("administer", "space"))
    return _json({"operations": operations})


def _operation(operation: str, target: str) -> dict[str, str]:
    return {"operation": operation, "targetType": target}


def _subject_of(form: bytes) -> str:
    (assertion,) = parse_qs(form.decode())["assertion"]
    claims = assertion.split(".")[1]
    subject: str = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    return subject.removeprefix("urn:atlassian:connect:useraccountid:")


def _json(document: object) -> Answer:
    return Answer(200, MappingProxyType({}), json.dumps(document).encode(), 5)


@dataclass(slots=True)
class Stage:
    """Services on a real database, with everything outside them played."""

    services: Services
    door: PlayedDoor
    queues: RememberedQueues
    acme: Site
    globex: Site
    now: datetime = NOW
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def destination(
        self,
        *,
        site: Site | None = None,
        space_id: SpaceId | None = ENG,
        events: tuple[EventName, ...] = ALL_EVENTS,
        disclosure: Disclosure = Disclosure.LINK,
        url: str | None = None,
    ) -> DestinationId:
        """An active destination of that scope, with a URL of its own."""
        at = site or self.acme
        address = url or workflow_url(next(self._numbers))
        wanted = Wanted(DestinationKind.TEAMS, "Engineering", address, space_id, events, disclosure)
        principal = at.principal(CAROL if at is self.acme else MALLORY)
        origins = self.services.settings.outbound_local_origins
        endpoint = parse_public_url(address, allowed_hosts=(HOST,), local_origins=origins)
        row = self.services.write(
            lambda session: create_destination(
                session, principal, at.installation, self.services.keyring, wanted, endpoint, now=self.now
            ),
            trace=TRACE,
            tenant_id=at.tenant_id,
        )
        return row.id

    def event(
        self,
        kind: EventKind = EventKind.QUESTION_ASKED,
        *,
        site: Site | None = None,
        space_id: SpaceId = ENG,
        answer_id: ContentId | None = None,
    ) -> None:
        """An event as a use case leaves it in the outbox."""
        tenant_id = (site or self.acme).tenant_id
        about = Subject(QUESTION, space_id, answer_id)
        self.services.database.write(
            lambda session: append_event(session, tenant_id, kind, about, now=self.now), tenant_id=tenant_id
        )

    def deliveries(self, site: Site | None = None) -> list[Delivery]:
        rows: list[Delivery] = self._rows(site, Delivery, Delivery.id)
        return rows

    def delivery(self) -> Delivery:
        (only,) = self.deliveries()
        return only

    def attempts(self) -> list[tuple[int, str, int | None, str | None]]:
        rows: list[Attempt] = self._rows(None, Attempt, Attempt.attempt_no)
        return [(row.attempt_no, row.outcome, row.http_status, row.reason) for row in rows]

    def destination_row(self, destination_id: DestinationId) -> Destination:
        rows: list[Destination] = self._rows(None, Destination, Destination.id)
        return next(row for row in rows if row.id == destination_id)

    def _rows(self, site: Site | None, table: Any, order: Any) -> Any:
        tenant_id = (site or self.acme).tenant_id
        statement = select_rows(tenant_id, table).order_by(order)
        return self.services.read(lambda session: list(session.scalars(statement)), tenant_id=tenant_id)

    def set_delivery(self, delivery_id: DeliveryId, **values: object) -> None:
        statement = update_rows(self.acme.tenant_id, Delivery).where(Delivery.id == delivery_id).values(values)
        self.services.database.write(lambda session: session.execute(statement))

    def set_installation(self, tenant_id: TenantId, state: InstallationState) -> None:
        def work(session: Session) -> None:
            row = session.get(InstallationRow, tenant_id)
            assert row is not None
            row.state = state

        self.services.database.write(work)


def make_stage(services: Services, sites: tuple[Site, Site]) -> Stage:
    """The services of the fixture with a played door and a clock that the stage turns."""
    door, queues = PlayedDoor(), RememberedQueues()
    # Each look at the clock is ten seconds later, so that no installation is believed from memory.
    tenants = replace(services.tenants, clock=count(0.0, 10.0).__next__)
    confluence = replace(services.confluence, tenants=tenants, door=door)
    stage = Stage(services, door, queues, *sites)
    stage.services = replace(
        services,
        door=door,
        tenants=tenants,
        confluence=confluence,
        grants=replace(services.grants, confluence=confluence),
        queues=queues,
        waker=replace(services.waker, queues=lambda: queues),
        now=lambda: stage.now,
    )
    return stage
