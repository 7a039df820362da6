"""Wire shapes of the caller, of spaces and grants, and of the settings of spaces and site."""

from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

from lib.grants import Grant, Grants
from lib.principal import SpaceId
from lib.spaces import SiteSettings, Space, SpaceSettings
from lib.web import Query, Wire
from questions_api.spaces.explaining import Explanation, SpaceMay, Standing, consequences, explain
from questions_api.spaces.moderators import Moderators
from questions_api.spaces.seeding import INSTRUCTIONS, Outcome, Plan, Right, Seeded, Subject
from questions_api.wire import AccountText, Version

_MAX_SUBJECTS = 200


class Me(TypedDict):
    accountId: str
    isAdministrator: bool
    appKey: str
    contentTypes: dict[str, str]


class GrantsQuery(Query):
    """Whose grants: the caller's own where nobody is named."""

    account_id: AccountText | None = None


class GrantView(TypedDict):
    view: bool
    add: bool
    delete: bool


class ExplanationView(TypedDict):
    allowed: bool
    rule: str
    detail: str


class GrantsView(TypedDict):
    spaceId: str
    questions: GrantView
    votes: GrantView
    tags: GrantView
    reason: str | None
    explanations: dict[str, ExplanationView]
    may: SpaceMay


class SpaceView(TypedDict):
    """What members need to know of a space."""

    spaceId: str
    status: str
    isEnabled: bool
    downvotesAllowed: bool
    oneAnswerEach: bool
    severalAccepted: bool
    minTags: int
    maxTags: int


class PrincipalView(TypedDict):
    type: str
    id: str


class ModeratorsView(TypedDict):
    items: list[PrincipalView]
    next: str | None
    reason: str | None


class SubjectBody(Wire):
    type: Literal["user", "group"]
    id: Annotated[str, Field(min_length=1, max_length=128)]


class SeedingBody(Wire):
    """Whom to grant rights; everybody who may view the space where nobody is named."""

    subjects: Annotated[list[SubjectBody], Field(min_length=1, max_length=_MAX_SUBJECTS)] | None = None


class RightsView(TypedDict):
    questions: list[str]
    votes: list[str]
    tags: list[str]


class PlannedView(TypedDict):
    type: str
    id: str
    administersSpace: bool
    held: RightsView
    missing: RightsView
    isComplete: bool


class SeedingView(TypedDict):
    items: list[PlannedView]
    next: str | None
    instructions: list[str]


class SeededView(TypedDict):
    type: str
    id: str
    outcome: str
    granted: RightsView
    reason: str | None
    instructions: list[str]


class SeededListView(TypedDict):
    items: list[SeededView]
    next: str | None


class SpaceSettingsBody(Wire):
    """Settings of a space; what is left out stays as it is. `version` is the one the change is based on."""

    is_enabled: Annotated[bool | None, Field(description="null follows the site's choice.")] = None
    chat_enabled: bool = False
    downvotes_allowed: bool = False
    one_answer_each: bool = False
    several_accepted: bool = False
    min_tags: Annotated[int, Field(ge=0, le=5)] = 0
    max_tags: Annotated[int, Field(ge=1, le=5)] = 5
    version: Version


class SpaceChoices(TypedDict):
    isEnabled: bool | None
    chatEnabled: bool
    downvotesAllowed: bool
    oneAnswerEach: bool
    severalAccepted: bool
    minTags: int
    maxTags: int


class SpaceSettingsView(SpaceChoices):
    version: int
    defaults: SpaceChoices


class SiteSettingsBody(Wire):
    """Settings of the site; what is left out stays as it is. `version` is the one the change is based on."""

    enabled_by_default: bool = True
    shows_contributors: bool = True
    expert_points: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    probes_rights: Annotated[
        bool,
        Field(description="Where the site does not list our types: rights on one question stand for its space."),
    ] = False
    version: Version


class SiteChoices(TypedDict):
    enabledByDefault: bool
    showsContributors: bool
    expertPoints: int
    probesRights: bool


class SiteSettingsView(SiteChoices):
    version: int
    defaults: SiteChoices


def given(body: Wire) -> dict[str, Any]:
    """What the body names, by our own names."""
    return {name: getattr(body, name) for name in body.model_fields_set}


def _grant_view(grant: Grant) -> GrantView:
    return {"view": grant.view, "add": grant.add, "delete": grant.delete}


def _explanation_view(explanation: Explanation) -> ExplanationView:
    return {"allowed": explanation.allowed, "rule": explanation.rule, "detail": explanation.detail}


def grants_view(space_id: SpaceId, grants: Grants, standing: Standing) -> GrantsView:
    explained = {".".join(cell): _explanation_view(found) for cell, found in explain(standing).items()}
    return {
        "spaceId": str(space_id),
        "questions": _grant_view(grants.questions),
        "votes": _grant_view(grants.votes),
        "tags": _grant_view(grants.tags),
        "reason": grants.reason,
        "explanations": explained,
        "may": consequences(standing),
    }


def space_view(space_id: SpaceId, space: Space) -> SpaceView:
    return {
        "spaceId": str(space_id),
        "status": space.status,
        "isEnabled": space.is_enabled,
        "downvotesAllowed": space.settings.downvotes_allowed,
        "oneAnswerEach": space.settings.one_answer_each,
        "severalAccepted": space.settings.several_accepted,
        "minTags": space.settings.min_tags,
        "maxTags": space.settings.max_tags,
    }


def moderators_view(moderators: Moderators) -> ModeratorsView:
    items: list[PrincipalView] = [{"type": kind, "id": identifier} for kind, identifier in moderators.principals]
    return {"items": items, "next": None, "reason": moderators.reason}


_RIGHT_NAMES = {"read": "view", "create": "add", "delete": "delete"}


def _rights_view(rights: tuple[Right, ...]) -> RightsView:
    def of(kind: str) -> list[str]:
        return [_RIGHT_NAMES[operation] for operation, target in rights if target == kind]

    return {"questions": of("question"), "votes": of("vote"), "tags": of("tag")}


def _planned_view(subject: Subject) -> PlannedView:
    return {
        "type": subject.type,
        "id": subject.id,
        "administersSpace": subject.administers,
        "held": _rights_view(subject.held),
        "missing": _rights_view(subject.missing),
        "isComplete": not subject.missing,
    }


def seeding_view(plan: Plan) -> SeedingView:
    items = [_planned_view(subject) for subject in plan.subjects]
    return {"items": items, "next": None, "instructions": list(INSTRUCTIONS) if plan.has_roles else []}


def seeded_view(seeded: Seeded) -> SeededView:
    is_refused = seeded.outcome is Outcome.REFUSED
    return {
        "type": seeded.subject.type,
        "id": seeded.subject.id,
        "outcome": seeded.outcome,
        "granted": _rights_view(seeded.subject.missing if seeded.outcome is Outcome.GRANTED else ()),
        "reason": (seeded.words or "Confluence gave no reason.") if is_refused else None,
        "instructions": list(INSTRUCTIONS) if is_refused else [],
    }


def _space_choices(settings: SpaceSettings) -> SpaceChoices:
    return {
        "isEnabled": settings.is_enabled,
        "chatEnabled": settings.chat_enabled,
        "downvotesAllowed": settings.downvotes_allowed,
        "oneAnswerEach": settings.one_answer_each,
        "severalAccepted": settings.several_accepted,
        "minTags": settings.min_tags,
        "maxTags": settings.max_tags,
    }


def space_settings_view(settings: SpaceSettings) -> SpaceSettingsView:
    return {**_space_choices(settings), "version": settings.version, "defaults": _space_choices(SpaceSettings())}


def _site_choices(settings: SiteSettings) -> SiteChoices:
    return {
        "enabledByDefault": settings.enabled_by_default,
        "showsContributors": settings.shows_contributors,
        "expertPoints": settings.expert_points,
        "probesRights": settings.probes_rights,
    }


def site_settings_view(settings: SiteSettings) -> SiteSettingsView:
    return {**_site_choices(settings), "version": settings.version, "defaults": _site_choices(SiteSettings())}
