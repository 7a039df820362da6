"""ETags: equal bytes, equal tags; conditions are read as RFC 9110 says and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Invalid, PreconditionFailed
from lib.etags import is_known, tag_of, version_of


@given(first=st.binary(), second=st.binary())
def test_tags_are_equal_exactly_where_the_bytes_are(first: bytes, second: bytes) -> None:
    assert (tag_of(first) == tag_of(second)) == (first == second)


@given(body=st.binary(), version=st.integers(0, 2**31 - 1))
def test_a_version_is_read_back_from_its_tag(body: bytes, version: int) -> None:
    assert version_of(tag_of(body, version)) == version


@pytest.mark.parametrize("version", [None, "7", 7.0, True, False])
def test_only_a_whole_number_is_a_version(version: object) -> None:
    assert "." not in tag_of(b"{}", version)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"7.abc"', True),
        ('W/"7.abc"', True),
        (' "x" , "7.abc"', True),
        ('"x",W/"7.abc"', True),
        ("*", True),
        (" * ", True),
        ("", False),
        ("7.abc", False),
        ('"7.ab"', False),
        ('"7.abc', False),
        ('"x, 7.abc"', False),
    ],
)
def test_a_cached_answer_is_known_by_any_of_its_tags(header: str, known: bool) -> None:
    assert is_known(header, '"7.abc"') is known


@pytest.mark.parametrize(("header", "version"), [("*", None), ('"0.a"', 0), (' "12.a-_B" ', 12)])
def test_a_condition_names_a_version_or_any(header: str, version: int | None) -> None:
    assert version_of(header) == version


@pytest.mark.parametrize(
    "header",
    [
        "",
        "7",
        '"7"',
        '"abc"',
        "7.abc",
        '"7.abc", "8.abc"',
        '"-1.abc"',
        '"\u0667.abc"',
        '"7."',
        '"7.a"b',
        '"99999999999.a"',
    ],
)
def test_what_is_no_tag_of_ours_is_a_bad_request(header: str) -> None:
    with pytest.raises(Invalid):
        version_of(header)


def test_a_weak_tag_matches_nothing() -> None:
    with pytest.raises(PreconditionFailed):
        version_of('W/"7.abc"')
