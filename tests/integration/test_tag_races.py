"""Tags are counted once, however many find out at the same time that a question has gone, come back or moved."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy.orm import Session

from lib.principal import ContentId
from lib.sql import Database, update_rows
from questions_api.model import Question
from questions_api.posts import guard_question, register_question, remove_post
from questions_api.tags.model import TagUse
from tests.factories import ENG, HR, NOW, Site, content, rows_of
from tests.races import at_once, succeeded

Sites = tuple[Site, Site]
AT_ONCE = 4


def put(database: Database, site: Site) -> Callable[..., object]:
    """Registers one question, as whoever found it; each call may say where it is by now."""
    item = content()

    def register(*, may_revive: bool = True, moved: bool = False, tags: tuple[str, ...] = ()) -> object:
        there = replace(item, space_id=HR, container_id=int(HR)) if moved else item
        work = partial(
            register_question, tenant_id=site.tenant_id, content=there, tags=tags, may_revive=may_revive, now=NOW
        )
        return database.write(work, tenant_id=site.tenant_id)

    register(tags=("ci",))
    return register


def counts(database: Database, site: Site) -> dict[int, int]:
    return {row.space_id: row.use_count for row in rows_of(database, site, TagUse)}


def question_id(database: Database, site: Site) -> ContentId:
    (row,) = rows_of(database, site, Question)
    return row.id


@pytest.mark.parametrize("attempt", range(3))
def test_a_question_leaves_and_comes_back_once(database: Database, sites: Sites, attempt: int) -> None:
    acme, _ = sites
    register = put(database, acme)
    remove = partial(remove_post, tenant_id=acme.tenant_id, content_id=question_id(database, acme), now=NOW)

    succeeded(at_once([partial(database.write, remove)] * AT_ONCE))
    assert counts(database, acme) == {ENG: 0}

    succeeded(at_once([register] * AT_ONCE))
    assert counts(database, acme) == {ENG: 1}


@pytest.mark.parametrize("attempt", range(3))
def test_a_question_moves_once_and_takes_no_pin_along(database: Database, sites: Sites, attempt: int) -> None:
    acme, _ = sites
    register = put(database, acme)

    pin = update_rows(acme.tenant_id, Question).values(pinned_at=NOW)
    database.write(partial(Session.execute, statement=pin))

    succeeded(at_once([partial(register, moved=True)] * AT_ONCE))

    assert counts(database, acme) == {ENG: 0, HR: 1}
    assert rows_of(database, acme, Question)[0].pinned_at is None


@pytest.mark.parametrize("attempt", range(3))
def test_a_guarded_question_is_taken_out_once(database: Database, sites: Sites, attempt: int) -> None:
    acme, _ = sites
    put(database, acme)
    guard = partial(guard_question, tenant_id=acme.tenant_id, question_id=question_id(database, acme), now=NOW)

    succeeded(at_once([partial(database.write, guard)] * AT_ONCE))

    assert counts(database, acme) == {ENG: 0}


@pytest.mark.parametrize("attempt", range(3))
def test_tags_added_beside_a_removal_are_counted_where_the_question_is(
    database: Database, sites: Sites, attempt: int
) -> None:
    acme, _ = sites
    register = put(database, acme)
    remove = partial(remove_post, tenant_id=acme.tenant_id, content_id=question_id(database, acme), now=NOW)

    works: list[Callable[[], object]] = [
        partial(register, tags=("vpn",), may_revive=False),
        partial(database.write, remove),
    ]
    succeeded(at_once(works * 2))

    assert set(counts(database, acme).values()) == {0}
    assert {row.use_count for row in rows_of(database, acme, TagUse)} == {0}
