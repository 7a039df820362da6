"""Asking a person to answer a question. A request is done once that person has answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from lib.errors import Conflict, Forbidden, NotFound, Unacceptable
from lib.grants import Item
from lib.principal import AccountId, ContentId, Principal, TenantId
from lib.sql import delete_rows, insert_row, rows_changed, run_bound, select_bound, select_rows
from lib.tenancy import AccountRow, account_ref
from lib.web import Call
from questions_api.model import Answer, Question, QuestionState
from questions_api.people.model import AnswerRequest
from questions_api.posts import QuestionHead, lock_question
from questions_api.questions.rows import moment_at

MOST_OPEN = 10


class CannotSeeQuestion(Unacceptable):
    code = "cannot-see-question"
    detail = "That person may not see the question."


class AsksAsker(Unacceptable):
    code = "asks-asker"
    detail = "The person has asked the question themselves."


class AsksOneself(Unacceptable):
    code = "asks-oneself"
    detail = "Nobody asks themselves for an answer; just answer."


class HasAnswered(Conflict):
    code = "has-answered"
    detail = "That person has answered the question already."


class TooManyRequests(Conflict):
    code = "too-many-requests-open"
    detail = f"{MOST_OPEN} people are asked already; wait for one of them, or withdraw a request."


def check_may_be_asked(call: Call, question: QuestionHead, target: AccountId) -> None:
    """Whether the person can be asked: another than the asker and the caller, who may see the question themselves."""
    if target == question.author_id:
        raise AsksAsker
    if target == call.account_id:
        raise AsksOneself
    book, item = call.services.grants, question.item
    if not book.of(call.installation, target, item.space_id, for_write=True).questions.view:
        raise CannotSeeQuestion
    if item.id not in book.visible(call.installation, target, [item]):
        raise CannotSeeQuestion


def _answered_by(answer_author: Any, question_id: Any) -> Any:
    """The person has a live answer to the question."""
    return exists(
        select(literal_column("1")).where(
            Answer.tenant_id == AnswerRequest.tenant_id,
            Answer.question_id == question_id,
            Answer.author_ref == answer_author,
            Answer.deleted_at.is_(None),
        )
    )


_OPEN = (
    select_bound(AnswerRequest, AnswerRequest.account_ref)
    .where(
        AnswerRequest.question_id == bindparam("question_id"),
        ~_answered_by(AnswerRequest.account_ref, AnswerRequest.question_id),
    )
    .limit(MOST_OPEN)
)


def request_answer(
    session: Session, principal: Principal, question: QuestionHead, target: AccountId, *, now: datetime
) -> bool:
    """Asks the person to answer; False when somebody has asked them already. Who may be asked is checked before."""
    tenant_id, question_id = principal.tenant_id, question.item.id
    if not lock_question(session, tenant_id, question_id):
        raise NotFound
    target_ref = account_ref(session, tenant_id, target, now=now)
    answered = select_rows(tenant_id, Answer.id).where(
        Answer.question_id == question_id, Answer.author_ref == target_ref, Answer.deleted_at.is_(None)
    )
    if session.scalar(answered.limit(1)) is not None:
        raise HasAnswered
    held = select_rows(tenant_id, AnswerRequest.created_at).where(
        AnswerRequest.question_id == question_id, AnswerRequest.account_ref == target_ref
    )
    if session.scalar(held) is not None:
        return False
    waiting = run_bound(session, _OPEN, {"tenant_id": tenant_id, "question_id": question_id}).all()
    if len(waiting) >= MOST_OPEN:
        raise TooManyRequests
    row = {
        "question_id": question_id,
        "account_ref": target_ref,
        "requested_by_ref": account_ref(session, tenant_id, principal.account_id, now=now),
        "created_at": now,
    }
    session.execute(insert_row(tenant_id, AnswerRequest, **row))
    return True


def withdraw_request(session: Session, principal: Principal, question_id: ContentId, target: AccountId) -> None:
    """Takes the request back, as the one who made it, or declines it, as the one who is asked."""
    tenant_id = principal.tenant_id
    found = run_bound(session, _ONE, {"tenant_id": tenant_id, "question_id": question_id, "target": target}).first()
    if found is None:
        raise NotFound
    if principal.account_id not in {target, found.requested_by}:
        raise Forbidden("Only who made the request or who is asked takes it back.")
    deleted = delete_rows(tenant_id, AnswerRequest).where(
        AnswerRequest.question_id == question_id, AnswerRequest.account_ref == found.account_ref
    )
    if rows_changed(session.execute(deleted)) != 1:
        raise NotFound


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as its question shows it. Former users have no account id."""

    account_id: AccountId | None
    requested_by: AccountId | None
    created_at: datetime
    account_ref: int


_Requester = aliased(AccountRow)
_REQUESTS = (
    select_bound(
        AnswerRequest,
        AnswerRequest.account_ref,
        AnswerRequest.created_at,
        AccountRow.atlassian_account_id.label("account_id"),
        _Requester.atlassian_account_id.label("requested_by"),
    )
    .join(
        AccountRow,
        and_(AccountRow.tenant_id == AnswerRequest.tenant_id, AccountRow.account_ref == AnswerRequest.account_ref),
    )
    .join(
        _Requester,
        and_(
            _Requester.tenant_id == AnswerRequest.tenant_id,
            _Requester.account_ref == AnswerRequest.requested_by_ref,
        ),
    )
    .where(AnswerRequest.question_id == bindparam("question_id"))
)
_ONE = _REQUESTS.where(AccountRow.atlassian_account_id == bindparam("target"))
_IN_ORDER = _REQUESTS.order_by(AnswerRequest.created_at, AnswerRequest.account_ref).limit(bindparam("limit"))
_MOMENT: Any = bindparam("moment", type_=AnswerRequest.created_at.type)
_IN_ORDER_AFTER = _IN_ORDER.where(
    or_(
        AnswerRequest.created_at > _MOMENT,
        and_(AnswerRequest.created_at == _MOMENT, AnswerRequest.account_ref > bindparam("last")),
    )
)
_ANSWERERS = select_bound(Answer, Answer.author_ref).where(
    Answer.question_id == bindparam("question_id"), Answer.deleted_at.is_(None)
)


def list_requests(
    session: Session, tenant_id: TenantId, question_id: ContentId, *, after: tuple[int, ...] | None, limit: int
) -> list[tuple[RequestRow, bool]]:
    """Whom the question's requests ask, the earliest first, and whether they have answered."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "question_id": question_id}
    answerers = set(run_bound(session, _ANSWERERS, values).scalars())
    values["limit"] = limit
    if after is not None:
        values["moment"], values["last"] = moment_at(after[0]), after[1]
    rows = run_bound(session, _IN_ORDER if after is None else _IN_ORDER_AFTER, values)
    return [(_request(row), row.account_ref in answerers) for row in rows]


def _request(row: Row[Any]) -> RequestRow:
    return RequestRow(row.account_id, row.requested_by, row.created_at, row.account_ref)


@dataclass(frozen=True, slots=True)
class AskedOfMe:
    """A question that the viewer is asked to answer."""

    item: Item
    requested_by: AccountId | None
    created_at: datetime


_Me = aliased(AccountRow)
_MINE = (
    select_bound(
        AnswerRequest,
        AnswerRequest.question_id,
        AnswerRequest.created_at,
        Question.space_id,
        Question.container_kind,
        Question.needs_check,
        _Requester.atlassian_account_id.label("requested_by"),
    )
    .join(_Me, and_(_Me.tenant_id == AnswerRequest.tenant_id, _Me.account_ref == AnswerRequest.account_ref))
    .join(
        Question,
        and_(Question.tenant_id == AnswerRequest.tenant_id, Question.id == AnswerRequest.question_id),
    )
    .join(
        _Requester,
        and_(
            _Requester.tenant_id == AnswerRequest.tenant_id,
            _Requester.account_ref == AnswerRequest.requested_by_ref,
        ),
    )
    .where(
        _Me.atlassian_account_id == bindparam("viewer"),
        Question.deleted_at.is_(None),
        Question.state != literal_column(f"'{QuestionState.CLOSED}'"),
        ~_answered_by(AnswerRequest.account_ref, AnswerRequest.question_id),
    )
    .order_by(AnswerRequest.created_at.desc(), AnswerRequest.question_id.desc())
    .limit(bindparam("limit"))
)
_MINE_AFTER = _MINE.where(
    or_(
        AnswerRequest.created_at < _MOMENT,
        and_(AnswerRequest.created_at == _MOMENT, AnswerRequest.question_id < bindparam("last")),
    )
)


def requests_of_me(
    session: Session, principal: Principal, *, after: tuple[int, ...] | None, limit: int
) -> list[AskedOfMe]:
    """Open questions that the person is asked to answer and has not answered, the newest request first."""
    values: dict[str, Any] = {"tenant_id": principal.tenant_id, "viewer": principal.account_id, "limit": limit}
    if after is not None:
        values["moment"], values["last"] = moment_at(after[0]), after[1]
    return [
        AskedOfMe(
            Item(row.question_id, row.space_id, row.container_kind, row.needs_check), row.requested_by, row.created_at
        )
        for row in run_bound(session, _MINE if after is None else _MINE_AFTER, values)
    ]
