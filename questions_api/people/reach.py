"""In which spaces what people have done may be shown to the caller: a site-wide answer is about those only."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lib.errors import Unavailable
from lib.grants import Grants
from lib.principal import SpaceId
from lib.web import Call
from questions_api.seeing import grants_in

MOST_SPACES = 50
"""Spaces asked about for one answer: each may cost a call to Confluence."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The spaces in which the caller may view questions, with the caller's grants there."""

    grants: dict[SpaceId, Grants] = field(default_factory=dict)
    is_partial: bool = False
    """Not every space was asked about: there are too many, or Confluence went away meanwhile."""

    @property
    def spaces(self) -> list[SpaceId]:
        return list(self.grants)

    def spaces_with(self, *, votes: bool = False, tags: bool = False) -> list[SpaceId]:
        """Those in which the caller may see votes, tags, or both."""
        return [
            space_id
            for space_id, grants in self.grants.items()
            if (grants.votes.view or not votes) and (grants.tags.view or not tags)
        ]


def reach_of(call: Call, candidates: Iterable[SpaceId]) -> Reach:
    """The caller's reach among the spaces. What is not known is left out; `Unavailable` when nothing is."""
    wanted = list(dict.fromkeys(candidates))
    is_partial = len(wanted) > MOST_SPACES
    found: dict[SpaceId, Grants] = {}
    for space_id in wanted[:MOST_SPACES]:
        try:
            grants = grants_in(call, space_id)
        except Unavailable:
            # Each further question would wait for the same silence.
            if not found:
                raise
            is_partial = True
            break
        if grants.questions.view:
            found[space_id] = grants
    # Who sees none of the spaces does not learn how many there are either.
    return Reach(found, is_partial and bool(found))
