"""The one exception of the REST side and its form in each API family."""

from typing import Any


class Refused(Exception):
    """A REST call that is not carried out; status, code and a sentence for the caller."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


def render(refusal: Refused, *, v1: bool) -> dict[str, Any]:
    """https://developer.atlassian.com/cloud/confluence/rest/v2/intro/ for v2; v1 has its older form."""
    if v1:
        empty = {"authorized": refusal.status not in {401, 403}, "valid": True, "errors": [], "successful": False}
        return {"statusCode": refusal.status, "data": empty, "message": refusal.detail}
    error = {"status": refusal.status, "code": refusal.code, "title": refusal.detail, "detail": None}
    return {"errors": [error]}
