"""Listings of content: what the caller may see of the rows asked for, in keyset order, a page at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from local.confluence.calls import Answer, Visit, limit_of, listing, window_of
from local.confluence.content import Item, list_items, sort_value
from local.confluence.storage import Value

PAGING = frozenset({"cursor", "limit", "sort"})

type Conditions = Sequence[tuple[str, Sequence[Value]]]


def list_content(
    visit: Visit,
    kind: str,
    conditions: Conditions,
    shape: Callable[[Item], dict[str, Any]],
    *,
    sorts: Sequence[str],
    default: str = "id",
) -> Answer:
    """Only current items are listed; `default` is the order where the caller names none."""
    window, limit = window_of(visit, sorts, default), limit_of(visit.call)
    shown: list[Item] = []
    for item in list_items(visit.sim.storage, visit.site, window, conditions=[("kind", [kind]), *conditions]):
        if visit.sight.may_view(item):
            shown.append(item)
        if len(shown) > limit:
            break
    page = shown[:limit]
    mark = (sort_value(page[-1], window.sort), page[-1].id) if len(shown) > limit else None
    return listing(visit, [shape(item) for item in page], mark)
