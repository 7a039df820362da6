"""First grants: gives those who may view a space the app's rights there, as an administrator of the space.

Confluence decides who may; this only spares an administrator nine ticks for each user and group. What is granted
already is left alone, so doing it again changes nothing, and goes on where the last time ended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.orm import Session

from lib.audit import append_audit
from lib.confluence import Assignment, ConfluenceRefused, ContentKind
from lib.errors import Fault, NotFound, Unacceptable, Unavailable
from lib.principal import SpaceId
from lib.spaces import raise_space_epoch
from lib.web import Call
from questions_api.seeing import check_space_administrator
from questions_api.spaces.standing import ONLY_ROLES

type Right = tuple[str, ContentKind]
"""Operation and kind of content, in Confluence's words."""

MEMBER_RIGHTS: tuple[Right, ...] = (
    ("read", "question"),
    ("create", "question"),
    ("read", "vote"),
    ("create", "vote"),
    ("delete", "vote"),
    ("read", "tag"),
    ("create", "tag"),
)
ADMINISTRATOR_RIGHTS: tuple[Right, ...] = (*MEMBER_RIGHTS, ("delete", "question"), ("delete", "tag"))

AT_ONCE = 50
"""Subjects granted in one request: each is a call to Confluence, and the caller is waiting."""

INSTRUCTIONS = (
    "Open the space in Confluence and choose Space settings.",
    "Choose Apps, then Community Questions; where rights are given by roles, choose Space permissions and the role.",
    "Choose Edit.",
    "Tick Questions: View and Add, Votes: View, Add and Delete, Tags: View and Add for each group that takes part.",
    "Tick everything for those who moderate, and save.",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A `user` or `group` that may view the space. Both are tuples in the order of `ADMINISTRATOR_RIGHTS`."""

    type: str
    id: str
    administers: bool
    held: tuple[Right, ...]
    missing: tuple[Right, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.type, self.id


class Outcome(StrEnum):
    GRANTED = "granted"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    LATER = "later"
    """Not tried: there were too many, or Confluence went away. Ask again."""


@dataclass(frozen=True, slots=True)
class Seeded:
    subject: Subject
    outcome: Outcome
    words: str = ""
    """Confluence's sentence, where it refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    subjects: tuple[Subject, ...]
    has_roles: bool


def subjects_of(assigned: Iterable[Assignment], types: dict[ContentKind, str]) -> tuple[Subject, ...]:
    """Those that may view the space, with what they lack (pure)."""
    held: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for assignment in assigned:
        if assignment.principal_type in {"user", "group"}:
            principal = (assignment.principal_type, assignment.principal_id)
            held.setdefault(principal, set()).add((assignment.operation, assignment.target))

    def subject(principal: tuple[str, str], pairs: set[tuple[str, str]]) -> Subject:
        administers = ("administer", "space") in pairs
        wanted = ADMINISTRATOR_RIGHTS if administers else MEMBER_RIGHTS
        has = tuple(right for right in ADMINISTRATOR_RIGHTS if (right[0], types[right[1]]) in pairs)
        return Subject(*principal, administers, has, tuple(right for right in wanted if right not in has))

    return tuple(subject(principal, pairs) for principal, pairs in held.items() if ("read", "space") in pairs)


def plan(call: Call, space_id: SpaceId) -> Plan:
    """What seeding would do; for administrators of the space."""
    check_space_administrator(call, space_id)
    confluence = call.services.confluence
    # Never from memory: what is shown here is about to be changed.
    assigned = confluence.space_assignments(call.caller, space_id)
    if assigned is None:
        raise NotFound
    kinds: tuple[ContentKind, ...] = ("question", "vote", "tag")
    types = {kind: confluence.type_of(kind) for kind in kinds}
    return Plan(subjects_of(assigned, types), confluence.role_mode(call.caller) == ONLY_ROLES)


def seed(call: Call, space_id: SpaceId, chosen: Sequence[tuple[str, str]] | None) -> list[Seeded]:
    """Grants what is missing to the chosen subjects, or to all. `Unacceptable` for one that does not view the space."""
    known = {subject.key: subject for subject in plan(call, space_id).subjects}
    wanted = list(known if chosen is None else dict.fromkeys(chosen))
    strangers = [
        Fault(f"/subjects/{index}", "does not view the space")
        for index, key in enumerate(chosen or ())
        if key not in known
    ]
    if strangers:
        raise Unacceptable(faults=tuple(strangers))
    facts = call.services.confluence.spaces(call.caller, [space_id]).get(space_id)
    if facts is None:
        raise NotFound
    done = _grant_all(call, facts.key, [known[key] for key in wanted])
    count = {outcome: sum(one.outcome is outcome for one in done) for outcome in Outcome}
    if count[Outcome.GRANTED] or count[Outcome.REFUSED]:
        _note(call, space_id, {"granted": count[Outcome.GRANTED], "refused": count[Outcome.REFUSED]})
    return done


def _note(call: Call, space_id: SpaceId, counts: dict[str, int]) -> None:
    def work(session: Session) -> None:
        append_audit(session, call.principal, "grants.seeded", ("space", space_id), after=counts, now=call.now)
        raise_space_epoch(session, call.tenant_id, space_id, now=call.now)

    call.write(work)
    call.services.spaces.forget(call.tenant_id)


def _grant_all(call: Call, space_key: str, subjects: list[Subject]) -> list[Seeded]:
    done: list[Seeded] = []
    tried, is_away = 0, False
    for subject in subjects:
        if not subject.missing:
            done.append(Seeded(subject, Outcome.UNCHANGED))
        elif is_away or tried >= AT_ONCE:
            done.append(Seeded(subject, Outcome.LATER))
        else:
            tried += 1
            try:
                done.append(_grant(call, space_key, subject))
            except Unavailable:
                # What was granted before stands in Confluence and has to be written down.
                is_away = True
                done.append(Seeded(subject, Outcome.LATER))
    return done


def _grant(call: Call, space_key: str, subject: Subject) -> Seeded:
    changes = [(operation, kind, True) for operation, kind in subject.missing]
    grant_types = call.services.confluence.grant_types
    try:
        grant_types(call.caller, space_key, subject.key, changes)
    except ConfluenceRefused as refused:
        if "already" not in refused.words.lower():
            return Seeded(subject, Outcome.REFUSED, refused.words)
    else:
        return Seeded(subject, Outcome.GRANTED)
    # A site that does not list the app's rights cannot say which of them are given already: one by one, then.
    for change in changes:
        try:
            grant_types(call.caller, space_key, subject.key, [change])
        except ConfluenceRefused as refused:
            if "already" not in refused.words.lower():
                return Seeded(subject, Outcome.REFUSED, refused.words)
    return Seeded(subject, Outcome.GRANTED)
