"""Destination kinds and their adapters: the one table to extend for another chat product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lib.config import Settings
from lib.outbound import Answer, OutboundError
from notify.chat import teams
from notify.message import Message
from notify.outcome import Outcome


class DestinationKind(StrEnum):
    """The value is stored, so it is permanent."""

    TEAMS = "teams"


class Classify(Protocol):
    def __call__(self, result: Answer | OutboundError, *, was_plain: bool) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """One chat product, as functions; none of them does I/O."""

    payload: Callable[[Message], bytes]
    content_type: str
    classify: Classify
    endpoint_shape_fault: Callable[[str], str | None]
    allowed_hosts: Callable[[Settings], tuple[str, ...]]
    help: Mapping[str, str]


ADAPTERS: Mapping[DestinationKind, Adapter] = {
    DestinationKind.TEAMS: Adapter(
        payload=teams.payload,
        content_type=teams.CONTENT_TYPE,
        classify=teams.classify,
        endpoint_shape_fault=teams.endpoint_shape_fault,
        allowed_hosts=lambda settings: settings.teams_hosts,
        help=teams.HELP,
    ),
}
