"""What is found long after it was written is registered like anything else, and told to nobody."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from lib.events import CHAT_KINDS, EventKind
from lib.sql import Database
from questions_api.model import Question
from questions_api.posts import NEWS, register_answer, register_question
from tests.factories import ANSWER_TYPE, NOW, Site, asked, content, events_of, only_row
from tests.tokens import BOB

Sites = tuple[Site, Site]


@pytest.mark.parametrize(("age", "told"), [(NEWS - timedelta(seconds=1), 1), (NEWS, 0), (timedelta(days=900), 0)])
def test_a_question_is_news_for_a_day(database: Database, sites: Sites, age: timedelta, told: int) -> None:
    acme, _ = sites

    asked(database, acme, created_at=NOW - age)

    assert len(events_of(database, acme, EventKind.QUESTION_ASKED)) == told
    assert only_row(database, acme, Question).created_at == NOW - age


def test_an_old_answer_raises_its_question_and_is_no_news(database: Database, sites: Sites) -> None:
    acme, _ = sites
    question = asked(database, acme, created_at=NOW - timedelta(days=30))
    item = replace(content(type_key=ANSWER_TYPE, author=BOB, question_id=question.item.id))
    old = replace(item, created_at=NOW - timedelta(days=29))

    register = partial(register_answer, tenant_id=acme.tenant_id, question_id=question.item.id, content=old, now=NOW)
    assert database.write(register)

    assert events_of(database, acme, *CHAT_KINDS) == []
    assert only_row(database, acme, Question).answer_count == 1


def test_an_old_question_that_is_found_again_is_no_news_either(database: Database, sites: Sites) -> None:
    acme, _ = sites
    old = content(created_at=NOW - timedelta(days=2))
    register = partial(register_question, tenant_id=acme.tenant_id, content=old, now=NOW)

    assert [database.write(register), database.write(register)] == [True, False]
    assert events_of(database, acme, *CHAT_KINDS) == []
