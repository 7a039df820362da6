"""Tags on a question: five at most over all its registrations."""

from functools import partial

import pytest

from lib.errors import Fault, Invalid
from lib.sql import Database
from questions_api.model import QuestionTag, Tag
from questions_api.posts import register_question
from questions_api.tags import MAX_TAGS
from tests.factories import NOW, Site, content, rows_of

Sites = tuple[Site, Site]
FIVE = ("a", "b", "c", "d", "e")


def uses(database: Database, site: Site) -> dict[str, int]:
    return {tag.slug: tag.use_count for tag in rows_of(database, site, Tag)}


def test_a_question_bears_five_tags_at_most_and_more_are_refused_whole(database: Database, sites: Sites) -> None:
    acme, _ = sites
    item = content()
    register = partial(register_question, tenant_id=acme.tenant_id, content=item, now=NOW)
    database.write(partial(register, tags=FIVE[:3]))

    with pytest.raises(Invalid) as refused:
        database.write(partial(register, tags=("c", "d", "e", "f")))

    assert refused.value.faults == (Fault("/tags", f"would make more than {MAX_TAGS} tags on the question"),)
    assert uses(database, acme) == dict.fromkeys(FIVE[:3], 1)
    database.write(partial(register, tags=("c", "d", "e")))
    assert uses(database, acme) == dict.fromkeys(FIVE, 1)
    assert len(rows_of(database, acme, QuestionTag)) == MAX_TAGS


def test_a_full_question_may_be_registered_again_with_what_it_bears(database: Database, sites: Sites) -> None:
    acme, _ = sites
    register = partial(register_question, tenant_id=acme.tenant_id, content=content(), now=NOW)
    database.write(partial(register, tags=FIVE))

    for tags in (FIVE, FIVE[:1], ()):
        assert not database.write(partial(register, tags=tags))
    with pytest.raises(Invalid):
        database.write(partial(register, tags=("f",)))

    assert uses(database, acme) == dict.fromkeys(FIVE, 1)


def test_tags_of_other_questions_and_sites_do_not_count(database: Database, sites: Sites) -> None:
    for site in (*sites, sites[0]):
        database.write(partial(register_question, tenant_id=site.tenant_id, content=content(), tags=FIVE, now=NOW))

    assert uses(database, sites[0]) == dict.fromkeys(FIVE, 2)
    assert uses(database, sites[1]) == dict.fromkeys(FIVE, 1)
