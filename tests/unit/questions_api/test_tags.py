"""Tag slugs: what looks the same is the same, and what could deceive is refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Fault, Invalid
from questions_api.tags.curating import TagChange, description_fault
from questions_api.tags.listings import TagOrder, TagRow, position
from questions_api.tags.model import MAX_DESCRIPTION, MAX_SLUG
from questions_api.tags.schemas import SpaceTagsBody, TagBody, space_tags, tag_change
from questions_api.tags.slugs import MAX_TAGS, RESERVED, after_prefix, new_slug, normalise, slugs_of


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("vpn", "vpn"),
        ("VPN", "vpn"),
        ("  vpn\t", "vpn"),
        ("single sign on", "single-sign-on"),
        ("single_sign__on", "single-sign-on"),
        ("single \u00a0 sign", "single-sign"),
        ("c++", "c++"),
        ("c#", "c#"),
        ("node.js", "node.js"),
        ("Straße", "strasse"),
        ("İstanbul", "i̇stanbul"),
        ("ＶＰＮ", "vpn"),
        ("ﬁle", "file"),
        ("cafe\u0301", "café"),
        ("日本語", "日本語"),
        ("вики", "вики"),
        ("42", "42"),
        ("x" * MAX_SLUG, "x" * MAX_SLUG),
        ("x" * (MAX_SLUG + 1), None),
        # 17 letters outside the basic plane are 34 code units, 18 are 36: the column holds 35.
        ("𠮷" * 17, "𠮷" * 17),
        ("𠮷" * 18, None),
        ("", None),
        ("   ", None),
        ("-vpn", None),
        ("#vpn", None),
        (".net", None),
        ("_", None),
        ("a/b", None),
        ("<script>", None),
        ("a,b", None),
        ("vpn\x00", None),
        ("v\u200bpn", None),
        ("\u202enpv", None),
        ("vpn\u00ad", None),
        ("\ue000", None),
        ("\ud800", None),
        ("👍", None),
    ],
)
def test_each_text_has_its_slug_or_none(text: str, slug: str | None) -> None:
    if slug == "i̇stanbul":
        # Folding leaves a combining dot, which is no letter: such a text is refused rather than guessed at.
        assert normalise(text) is None
        return
    assert normalise(text) == slug


@given(st.text(max_size=60))
def test_a_slug_is_its_own_slug_and_fits_the_column(text: str) -> None:
    slug = normalise(text)
    if slug is None:
        return
    assert normalise(slug) == slug
    assert len(slug.encode("utf-16-le")) <= 2 * MAX_SLUG
    assert slug == slug.casefold()
    assert not any(character.isspace() or unicodedata.category(character).startswith("C") for character in slug)


@given(st.text(max_size=40))
def test_case_width_and_composition_make_no_difference(text: str) -> None:
    slug = normalise(text)
    if slug is None:
        return
    assert normalise(unicodedata.normalize("NFD", text)) == slug
    assert normalise(text.upper()) in {slug, normalise(text.upper().lower())}


def test_slugs_come_once_each_in_the_order_of_the_texts() -> None:
    assert slugs_of(["VPN", "single sign on", "vpn", "Single_Sign_On"]) == ("vpn", "single-sign-on")
    assert slugs_of([]) == ()


def test_every_text_that_cannot_be_a_tag_is_named_without_repeating_it() -> None:
    with pytest.raises(Invalid) as refused:
        slugs_of(["vpn", "<b>", "ok", "  "])
    assert [fault.where for fault in refused.value.faults] == ["/tags/1", "/tags/3"]
    assert all("<b>" not in fault.detail for fault in refused.value.faults)


def test_too_many_tags_are_refused_along_with_the_rest() -> None:
    with pytest.raises(Invalid) as refused:
        slugs_of([*(f"tag{number}" for number in range(MAX_TAGS + 1)), "-"])
    assert [fault.where for fault in refused.value.faults] == [f"/tags/{MAX_TAGS + 1}", "/tags"]
    assert len(slugs_of([f"tag{number}" for number in range(MAX_TAGS)] * 2)) == MAX_TAGS


def test_no_text_is_too_long_to_be_refused() -> None:
    assert normalise("x" * 10_000) is None
    assert normalise(" " * 10_000 + "x") is None
    # One character of these becomes eighteen.
    assert normalise("\ufdfa" * 10_000) is None


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_no_new_tags_and_say_so(word: str) -> None:
    for typed in (word, word.upper(), f" {word} "):
        assert new_slug(typed, "/slug") == (None, Fault("/slug", "is a reserved word and cannot be a tag"))
    with pytest.raises(Invalid) as refused:
        slugs_of(["vpn", word])
    assert refused.value.faults == (Fault("/tags/1", "is a reserved word and cannot be a tag"),)


def test_words_that_only_hold_a_reserved_one_are_tags() -> None:
    assert slugs_of(["all-hands", "newsletter", "tagging"]) == ("all-hands", "newsletter", "tagging")


def test_a_tag_that_bears_a_reserved_word_from_earlier_is_found_by_it() -> None:
    assert normalise("New") == "new"


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_exactly_what_begins_with_a_prefix_is_in_its_range(start: str, rest: str) -> None:
    prefix, slug = normalise(start), normalise(rest)
    if prefix is None or slug is None:
        return
    for text in (slug, prefix + slug):
        # Databases compare bytes of UTF-8 or code units of UTF-16, which differ above the basic plane.
        for encoding in ("utf-8", "utf-16-be"):
            low, high, found = (one.encode(encoding) for one in (prefix, after_prefix(prefix), text))
            assert (low <= found < high) == text.startswith(prefix), encoding


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("", False),
        ("How we reach the office network from home.", False),
        ("Netzwerk \U0001f469\u200d\U0001f4bb und \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", False),
        ("two\nlines", True),
        ("bell\x07", True),
        ("zero\x00", True),
        ("\u202egnp.exe", True),
        ("\u2067turned", True),
        ("\ud800", True),
        ("x" * MAX_DESCRIPTION, False),
        ("x" * (MAX_DESCRIPTION + 1), True),
        ("\U0001f44d" * (MAX_DESCRIPTION // 2), False),
        ("\U0001f44d" * (MAX_DESCRIPTION // 2 + 1), True),
        ("x" * 10_000, True),
    ],
)
def test_a_description_is_one_line_that_reads_as_it_is_written(text: str, is_refused: bool) -> None:
    fault = description_fault(text)
    assert (fault is not None) == is_refused
    assert fault is None or fault.where == "/description"


def test_every_problem_of_a_change_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        tag_change(TagBody(slug="tags", description="\u202ex"))
    assert [fault.where for fault in refused.value.faults] == ["/slug", "/description"]


def test_a_change_leaves_what_the_body_leaves_out() -> None:
    assert tag_change(TagBody(slug="VPN Access")) == TagChange("vpn-access")
    assert tag_change(TagBody(description=" Way in ")) == TagChange(None, "Way in", describes=True)
    assert tag_change(TagBody(description=None, version=3)) == TagChange(None, None, describes=True, version=3)


def test_a_space_features_and_requires_twenty_tags_at_most() -> None:
    twenty = tuple(f"tag-{number}" for number in range(20))
    held = space_tags(SpaceTagsBody(version=0, featured=twenty, required=("VPN", "vpn")))
    assert (held.featured, held.required) == (twenty, ("vpn",))
    with pytest.raises(Invalid) as refused:
        space_tags(SpaceTagsBody(version=0, featured=(*twenty, "one-more"), required=("ok", "a/b", "new")))
    assert [fault.where for fault in refused.value.faults] == ["/required/1", "/required/2", "/featured"]


def test_the_longest_slug_fits_into_a_cursor() -> None:
    row = TagRow(2**63 - 1, "\uffdc" * MAX_SLUG, None, 2**31 - 1, None, is_featured=False)
    # A cursor holds 400 characters at most: the values in decimal, 20 bytes around them, and base64 of it all.
    assert all(len(str(list(position(order, row)))) + 20 < 400 * 3 // 4 for order in TagOrder)
