"""HTTP routes of contributors, people, experts and requests to answer under /api/v1."""

from functools import partial

from lib.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unacceptable
from lib.limits import Limit
from lib.principal import AccountId, ContentId, SpaceId
from lib.spaces import known_spaces
from lib.web import Call, Nothing, Reply, Resource
from questions_api.blueprint import blueprint
from questions_api.people import schemas
from questions_api.people.contributors import (
    Ranking,
    list_contributors,
    spaces_of_tags,
    tag_experts,
)
from questions_api.people.model import ANY_TAG, EVER
from questions_api.people.personal_data import personal_data
from questions_api.people.points import day_of, first_day
from questions_api.people.profiles import profile_of
from questions_api.people.reach import Reach, reach_of
from questions_api.people.requesting import (
    AskedOfMe,
    check_may_be_asked,
    list_requests,
    request_answer,
    requests_of_me,
    withdraw_request,
)
from questions_api.policy import check_may_answer, check_may_view
from questions_api.questions.rows import milliseconds
from questions_api.seeing import check_administrator, grants_in, see_question, visible_items
from questions_api.tags.finding import TagHead, find_tag
from questions_api.tags.slugs import normalise
from questions_api.wire import after_cursor, next_cursor

_ROUNDS = 4
"""Index pages read for one list page at most, when Confluence hides items of them from the viewer."""

contributors = Resource(blueprint, "api_contributors", "api/v1/contributors")
person = Resource(blueprint, "api_person", "api/v1/people/{accountId}")
person_data = Resource(blueprint, "api_person_data", "api/v1/people/{accountId}/data", may_be_kept=False)
experts = Resource(blueprint, "api_tag_experts", "api/v1/tags/{slug}/experts")
question_requests = Resource(blueprint, "api_question_requests", "api/v1/questions/{questionId}/requests")
question_request = Resource(blueprint, "api_question_request", "api/v1/questions/{questionId}/requests/{accountId}")
my_requests = Resource(blueprint, "api_requests", "api/v1/requests")

RESOURCES = (contributors, person, person_data, experts, question_requests, question_request, my_requests)


class ContributorsHidden(Forbidden):
    code = "contributors-hidden"
    detail = "An administrator of this site has chosen that points and contributors are not shown."


def _reach(call: Call, space: str | None = None) -> Reach:
    """The one space asked for, `NotFound` where the caller may not see it; or all that the caller may see."""
    if space is None:
        return reach_of(call, call.read(partial(known_spaces, tenant_id=call.tenant_id)))
    space_id = SpaceId(int(space))
    grants = grants_in(call, space_id)
    check_may_view(grants)
    return Reach({space_id: grants})


def _tag(call: Call, text: str, name: str) -> TagHead:
    slug = normalise(text)
    if slug is None:
        raise Invalid(faults=(Fault(name, "is not a tag"),))
    return call.read(partial(find_tag, tenant_id=call.tenant_id, slug=slug))


def _known_in(call: Call, tag_id: int, reach: Reach) -> list[SpaceId]:
    """The spaces in which the caller may know of the tag."""
    spaces = reach.spaces_with(tags=True)
    return call.read(partial(spaces_of_tags, tenant_id=call.tenant_id, tags=(tag_id,), spaces=spaces)).get(tag_id, [])


def _ranking(call: Call, query: schemas.ContributorsQuery, reach: Reach) -> Ranking:
    spaces, tag_id = reach.spaces_with(votes=True), ANY_TAG
    if query.tag is not None:
        try:
            tag_id = _tag(call, query.tag, "tag").tag_id
        except NotFound:
            return Ranking((), ANY_TAG)
        spaces = [space_id for space_id in _known_in(call, tag_id, reach) if space_id in spaces]
    since = EVER if query.days is None else first_day(day_of(call.now), int(query.days))
    return Ranking(tuple(sorted(spaces)), tag_id, since)


@contributors.operation(
    "GET", takes=schemas.ContributorsQuery, returns=schemas.ContributorPage, failures=(Forbidden, NotFound)
)
def read_contributors(call: Call, query: schemas.ContributorsQuery) -> schemas.ContributorPage:
    """Who has earned the most points, over the spaces in which the caller may see questions and votes."""
    if not call.services.spaces.site(call.tenant_id).shows_contributors:
        raise ContributorsHidden
    reach = _reach(call, query.space)
    ranking = _ranking(call, query, reach)
    name = f"contributors:{query.space}:{query.tag}:{query.days}"
    after = after_cursor(call, name, query.cursor)
    read = partial(list_contributors, tenant_id=call.tenant_id, ranking=ranking, after=after, limit=query.limit + 1)
    found = call.read(read)
    page = found[: query.limit]
    return {
        "items": [schemas.contributor_view(one) for one in page],
        "next": next_cursor(call, name, page[-1].position if len(found) > len(page) else None),
        "isPartial": reach.is_partial,
    }


@person.operation("GET", returns=schemas.ProfileView, failures=(NotFound,))
def read_person(call: Call, _: Nothing) -> schemas.ProfileView:
    """What a person has asked and answered where the caller may see it. Unknown people have an empty profile."""
    account_id = call.account_in_path("accountId")
    return schemas.profile_view(account_id, profile_of(call, account_id))


@person_data.operation(
    "GET",
    takes=schemas.PersonalDataQuery,
    returns=schemas.PersonalData,
    failures=(Forbidden, NotFound),
    limit=Limit.HEAVY,
)
def read_person_data(call: Call, query: schemas.PersonalDataQuery) -> schemas.PersonalData:
    """Everything stored about a person, for that person and for Confluence administrators, page by page."""
    account_id = call.account_in_path("accountId")
    if account_id != call.account_id:
        check_administrator(call)
    name = f"person-data:{account_id}"
    after = after_cursor(call, name, query.cursor)
    page = call.read(partial(personal_data, tenant_id=call.tenant_id, account_id=account_id, after=after))
    return schemas.personal_data_view(account_id, page.held, next_cursor(call, name, page.next_position))


@experts.operation("GET", returns=schemas.ExpertPage, failures=(NotFound,))
def read_experts(call: Call, _: Nothing) -> schemas.ExpertPage:
    """Who knows about the tag: those an administrator has named, then those with enough points under it."""
    slug = normalise(call.path_text("slug"))
    if slug is None:
        raise NotFound
    tag = call.read(partial(find_tag, tenant_id=call.tenant_id, slug=slug))
    reach = _reach(call)
    known_in = _known_in(call, tag.tag_id, reach)
    if not known_in and not call.services.grants.is_administrator(call.installation, call.account_id):
        raise NotFound
    site = call.services.spaces.site(call.tenant_id)
    with_votes = set(reach.spaces_with(votes=True))
    read = partial(
        tag_experts,
        tenant_id=call.tenant_id,
        tag_id=tag.tag_id,
        spaces=[space_id for space_id in known_in if space_id in with_votes],
        least=site.expert_points if site.shows_contributors else None,
    )
    found = call.read(read)
    return {"items": [schemas.expert_view(one) for one in found], "next": None, "isPartial": reach.is_partial}


@question_requests.operation("GET", takes=schemas.RequestsQuery, returns=schemas.RequestPage, failures=(NotFound,))
def read_question_requests(call: Call, query: schemas.RequestsQuery) -> schemas.RequestPage:
    """Who has been asked to answer the question, and whether they have."""
    question_id = see_question(call).head.item.id
    name = f"requests:{question_id}"
    after = after_cursor(call, name, query.cursor)
    read = partial(list_requests, tenant_id=call.tenant_id, question_id=question_id, after=after, limit=query.limit + 1)
    found = call.read(read)
    page = found[: query.limit]
    last = page[-1][0] if len(found) > len(page) else None
    return {
        "items": [schemas.request_view(row, is_done=is_done) for row, is_done in page],
        "next": next_cursor(call, name, None if last is None else (milliseconds(last.created_at), last.account_ref)),
    }


@question_requests.operation(
    "POST",
    takes=schemas.RequestBody,
    returns=schemas.RequestPage,
    statuses=(201, 200),
    failures=(Forbidden, NotFound, Conflict, Unacceptable),
)
def ask_person(call: Call, body: schemas.RequestBody) -> Reply:
    """Asks a person who may see the question to answer it; 200 when somebody has asked them already."""
    seen = see_question(call, for_write=True)
    check_may_answer(seen.grants, seen.head.state, is_locked=seen.head.is_locked)
    target = AccountId(body.account_id)
    check_may_be_asked(call, seen.head, target)
    ask = partial(request_answer, principal=call.principal, question=seen.head, target=target, now=call.now)
    is_new = call.write(ask)
    return Reply(read_question_requests(call, schemas.RequestsQuery()), 201 if is_new else 200)


@question_request.operation("DELETE", statuses=(204,), failures=(Forbidden, NotFound, Conflict))
def take_request_back(call: Call, _: Nothing) -> Reply:
    """Takes a request back, as who made it, or declines it, as who is asked."""
    question_id = see_question(call, for_write=True).head.item.id
    target = call.account_in_path("accountId")
    call.write(partial(withdraw_request, principal=call.principal, question_id=question_id, target=target))
    return Reply(status=204)


@my_requests.operation("GET", takes=schemas.RequestsQuery, returns=schemas.AskedOfMePage)
def read_my_requests(call: Call, query: schemas.RequestsQuery) -> schemas.AskedOfMePage:
    """Open questions that the caller is asked to answer and has not answered, the newest request first."""
    after = after_cursor(call, "my-requests", query.cursor)
    rows: list[AskedOfMe] = []
    for _ in range(_ROUNDS):
        limit = query.limit - len(rows)
        read = partial(requests_of_me, principal=call.principal, after=after, limit=limit + 1)
        found = call.read(read)
        page, has_more = found[:limit], len(found) > limit
        visible: set[ContentId] = visible_items(call, [row.item for row in page])
        rows += [row for row in page if row.item.id in visible]
        after = (milliseconds(page[-1].created_at), page[-1].item.id) if has_more else None
        if after is None or len(rows) == query.limit:
            break
    return {
        "items": [schemas.asked_of_me_view(row) for row in rows],
        "next": next_cursor(call, "my-requests", after),
    }
