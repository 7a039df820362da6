"""Which votes of an old system count here: those that the voters could cast themselves now."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lib.errors import Failure, Unavailable
from lib.grants import Item
from lib.principal import AccountId
from lib.services import Services
from lib.tenancy import Installation
from questions_api.policy import DownvotesOff, OwnPost, check_may_vote
from questions_api.votes.casting import Value

_ASKING_S = 10.0
"""After this the caller is sent away to come again; who was asked about is remembered, so each time gets further."""

OWN_POST = OwnPost.code
DOWNVOTES_OFF = DownvotesOff.code
NOT_GRANTED = "not-granted"
REPEATED = "repeated"
VOTED_HERE = "voted-here"


@dataclass(frozen=True, slots=True)
class ImportedVote:
    account_id: AccountId
    value: Value


@dataclass(frozen=True, slots=True)
class SortedVotes:
    """The votes that count, and how many of the others were dropped for which reason."""

    counted: tuple[ImportedVote, ...]
    dropped: dict[str, int]


def sort_votes(
    services: Services,
    installation: Installation,
    item: Item,
    author: AccountId | None,
    votes: Iterable[ImportedVote],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> SortedVotes:
    """Asks Confluence as each voter, in the space and around the item as it stands now.

    `Unavailable` when asking takes too long; nothing is lost then but the time.
    """
    started = clock()
    counted: dict[AccountId, ImportedVote] = {}
    dropped: Counter[str] = Counter()
    downvotes_allowed = services.spaces.of(installation.tenant_id, item.space_id).settings.downvotes_allowed
    for vote in votes:
        if clock() - started >= _ASKING_S:
            raise Unavailable("There are many voters to ask about; send the same again.", retry_after_s=1)
        if vote.account_id in counted:
            dropped[REPEATED] += 1
            continue
        reason = _reason_against(services, installation, item, author, vote, downvotes_allowed=downvotes_allowed)
        if reason is None:
            counted[vote.account_id] = vote
        else:
            dropped[reason] += 1
    return SortedVotes(tuple(counted.values()), dict(dropped))


def _reason_against(
    services: Services,
    installation: Installation,
    item: Item,
    author: AccountId | None,
    vote: ImportedVote,
    *,
    downvotes_allowed: bool,
) -> str | None:
    if vote.account_id == author:
        return OWN_POST
    if vote.value < 0 and not downvotes_allowed:
        return DOWNVOTES_OFF
    grants = services.grants.of(installation, vote.account_id, item.space_id, for_write=True)
    try:
        check_may_vote(
            grants, author=author, voter=vote.account_id, value=vote.value, downvotes_allowed=downvotes_allowed
        )
    except Failure:
        return NOT_GRANTED
    return None if services.grants.visible(installation, vote.account_id, [item]) else NOT_GRANTED
