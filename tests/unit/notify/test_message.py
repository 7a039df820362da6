"""What a chat message says, and what it never says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.events import CHAT_KINDS, EventKind
from notify.message import Disclosure, Message, compose, plain, trial_message

ADDRESS = "https://acme.atlassian.net/wiki/pages/viewpage.action?pageId=98310"
TITLE = "How do I roll back?"


@pytest.mark.parametrize(
    ("kind", "is_about_answer", "headline"),
    [
        (EventKind.QUESTION_ASKED, False, "A question was asked."),
        (EventKind.QUESTION_ANSWERED, True, "A question was answered."),
        (EventKind.POST_VOTED, False, "A question received a vote."),
        (EventKind.POST_VOTED, True, "An answer received a vote."),
        (EventKind.ANSWER_ACCEPTED, True, "An answer was accepted."),
    ],
)
@pytest.mark.parametrize(("disclosure", "shown"), [(Disclosure.LINK, None), (Disclosure.TITLE, TITLE)])
def test_each_event_by_disclosure(
    kind: EventKind, is_about_answer: bool, headline: str, disclosure: Disclosure, shown: str | None
) -> None:
    made = compose(kind, is_about_answer=is_about_answer, disclosure=disclosure, title=TITLE, address=ADDRESS)

    assert made == Message(headline, ADDRESS, shown, "Open question")


def test_what_chat_does_not_carry_has_no_message() -> None:
    with pytest.raises(ValueError, match="not carried"):
        compose(
            EventKind.CONTENT_CHANGED, is_about_answer=False, disclosure=Disclosure.LINK, title=None, address=ADDRESS
        )


@settings(deadline=None)
@given(title=st.text(), kind=st.sampled_from(CHAT_KINDS), is_about_answer=st.booleans())
def test_a_link_is_the_same_whatever_the_title(title: str, kind: EventKind, is_about_answer: bool) -> None:
    with_title = compose(
        kind, is_about_answer=is_about_answer, disclosure=Disclosure.LINK, title=title, address=ADDRESS
    )
    without = compose(kind, is_about_answer=is_about_answer, disclosure=Disclosure.LINK, title=None, address=ADDRESS)

    assert with_title == without


@settings(deadline=None)
@given(title=st.text(alphabet=st.characters(), max_size=400))
def test_a_title_is_one_line_of_whole_characters(title: str) -> None:
    made = compose(
        EventKind.QUESTION_ASKED, is_about_answer=False, disclosure=Disclosure.TITLE, title=title, address=ADDRESS
    )

    shown = made.title or ""
    assert made.title != ""
    assert shown == " ".join(shown.split())
    assert len(shown) <= 300
    shown.encode("utf-8")


@pytest.mark.parametrize("title", [None, "", "   ", "\n\t", "\ud800", "\x00"])
def test_a_title_of_nothing_is_none(title: str | None) -> None:
    made = compose(
        EventKind.QUESTION_ASKED, is_about_answer=False, disclosure=Disclosure.TITLE, title=title, address=ADDRESS
    )

    assert made.title is None


def test_plain_leaves_the_title_out() -> None:
    assert plain(Message("A question was asked.", ADDRESS, TITLE)) == Message("A question was asked.", ADDRESS)


def test_a_title_does_not_show_in_a_repr() -> None:
    assert TITLE not in repr(Message("A question was asked.", ADDRESS, TITLE))


def test_the_trial_says_that_it_is_one() -> None:
    assert "test" in trial_message(ADDRESS).headline
