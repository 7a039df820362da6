"""Wire shapes of people, points and requests."""

from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import Field

from lib.grants import Grants
from lib.principal import AccountId, SpaceId
from lib.web import Query, Wire
from questions_api.people.activity import ProfilePost
from questions_api.people.contributors import Contributor, Expert
from questions_api.people.personal_data import HeldRows, Value
from questions_api.people.profiles import Profile
from questions_api.people.requesting import AskedOfMe, RequestRow
from questions_api.wire import AccountText, Id, PageQuery, time_view

TagText = Annotated[str, Field(max_length=200)]
Days = Literal["7", "30", "90"]


class ContributorsQuery(PageQuery):
    """Whose points are compared: in a space or everywhere, under a tag or at all, of the last days or for ever."""

    space: Id | None = None
    tag: TagText | None = None
    days: Days | None = None


class ContributorView(TypedDict):
    accountId: str
    points: int


class ContributorPage(TypedDict):
    """`isPartial`: not every space was asked about."""

    items: list[ContributorView]
    next: str | None
    isPartial: bool


class PointsView(TypedDict):
    """Points for ever, and of the last 30 days, in the spaces whose votes the caller may see."""

    ever: int
    recent: int


class ProfilePostView(TypedDict):
    """One of the person's posts. `score` is absent where the caller may not see votes."""

    kind: str
    id: str
    questionId: str
    spaceId: str
    isAccepted: bool
    createdAt: str
    score: NotRequired[int]


class TagPointsView(TypedDict):
    slug: str
    points: int


class ProfileView(TypedDict):
    """`points` is absent where the site shows none."""

    accountId: str
    points: NotRequired[PointsView]
    questions: list[ProfilePostView]
    answers: list[ProfilePostView]
    recent: list[ProfilePostView]
    tags: list[TagPointsView]
    expertTags: list[str]
    isPartial: bool


class ExpertView(TypedDict):
    """`isNamed`: an administrator has named the person; else points have. `points` is absent where none are shown."""

    accountId: str
    isNamed: bool
    points: NotRequired[int]


class ExpertPage(TypedDict):
    items: list[ExpertView]
    next: str | None
    isPartial: bool


class RequestBody(Wire):
    """Whom to ask."""

    account_id: AccountText


class RequestsQuery(PageQuery):
    """Which page of the requests."""


class RequestView(TypedDict):
    """`isDone`: that person has answered. Former users have no account id."""

    accountId: str | None
    requestedById: str | None
    createdAt: str
    isDone: bool


class RequestPage(TypedDict):
    items: list[RequestView]
    next: str | None


class AskedOfMeView(TypedDict):
    questionId: str
    spaceId: str
    requestedById: str | None
    createdAt: str


class AskedOfMePage(TypedDict):
    items: list[AskedOfMeView]
    next: str | None


class PersonalDataQuery(Query):
    """Where the walk over the rows goes on."""

    cursor: Annotated[str, Field(max_length=400)] | None = None


class TableView(TypedDict):
    """Rows that name the person in one role, in the order of `columns`.

    Where that is the role of whoever the row belongs to, all of the row; else that role, its time, and ids.
    References read as the person's account id, or null for other people.
    """

    name: str
    role: str
    columns: list[str]
    rows: list[list[Value]]


class PersonalData(TypedDict):
    """At most 1,000 rows. A table with more goes on in the next page, under the same name and role."""

    accountId: str
    tables: list[TableView]
    next: str | None


def contributor_view(person: Contributor) -> ContributorView:
    return {"accountId": person.account_id, "points": person.points}


def expert_view(expert: Expert) -> ExpertView:
    view: ExpertView = {"accountId": expert.account_id, "isNamed": expert.is_named}
    if expert.points is not None:
        view["points"] = expert.points
    return view


def _post_view(post: ProfilePost, grants: dict[SpaceId, Grants]) -> ProfilePostView:
    view: ProfilePostView = {
        "kind": post.kind.value,
        "id": str(post.id),
        "questionId": str(post.question.id),
        "spaceId": str(post.item.space_id),
        "isAccepted": post.is_accepted,
        "createdAt": time_view(post.created_at),
    }
    if grants[post.item.space_id].votes.view:
        view["score"] = post.score
    return view


def profile_view(account_id: AccountId, profile: Profile) -> ProfileView:
    activity, points, grants = profile.activity, profile.points, profile.reach.grants
    view: ProfileView = {
        "accountId": account_id,
        "questions": [_post_view(post, grants) for post in activity.questions],
        "answers": [_post_view(post, grants) for post in activity.answers],
        "recent": [_post_view(post, grants) for post in activity.recent],
        "tags": [] if points is None else [{"slug": tag.slug, "points": tag.points} for tag in points.tags],
        "expertTags": profile.expert_tags,
        "isPartial": profile.reach.is_partial,
    }
    if points is not None:
        view["points"] = {"ever": points.ever, "recent": points.recent}
    return view


def request_view(row: RequestRow, *, is_done: bool) -> RequestView:
    return {
        "accountId": row.account_id,
        "requestedById": row.requested_by,
        "createdAt": time_view(row.created_at),
        "isDone": is_done,
    }


def asked_of_me_view(row: AskedOfMe) -> AskedOfMeView:
    return {
        "questionId": str(row.item.id),
        "spaceId": str(row.item.space_id),
        "requestedById": row.requested_by,
        "createdAt": time_view(row.created_at),
    }


def personal_data_view(account_id: AccountId, held: list[HeldRows], following: str | None) -> PersonalData:
    return {
        "accountId": account_id,
        "tables": [
            {"name": one.table, "role": one.role, "columns": list(one.columns), "rows": one.rows} for one in held
        ],
        "next": following,
    }
