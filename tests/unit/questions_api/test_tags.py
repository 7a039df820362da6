"""Tag slugs: what looks the same is the same, and what could deceive is refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Invalid
from questions_api.model import MAX_SLUG
from questions_api.tags import MAX_TAGS, normalise, slugs_of


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
