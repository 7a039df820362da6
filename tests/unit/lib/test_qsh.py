import hashlib
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib.qsh import canonical_request, query_hash, query_parameters
from tests import tokens

# The first seven are the worked examples of the specification; all were computed with Atlassian's Node
# library (npm atlassian-jwt 2.0.3).
EXAMPLES = [
    (
        ("GET", "/ui/questions?spaceKey=DS&tag=a%20b&tag=c"),
        "GET&/ui/questions&spaceKey=DS&tag=a%20b,c",
        "e2596846d28161d8ede252920e3a60ad532721d0701a1f99fe3d05724ef0395a",
    ),
    (
        ("post", "https://cq.example.com/connect/lifecycle/installed"),
        "POST&/connect/lifecycle/installed&",
        "f6b7f893d2f321fb98172ee8605f3df02c89a084a17b863c0c4ac23892a6a0c7",
    ),
    (
        ("GET", "/ui/q/?x=1+2&jwt=zzz&y="),
        "GET&/ui/q&x=1%202&y=",
        "0a59143219a0142f210ce3fe98cd77d747292deb432df515d176d14d15ad1b35",
    ),
    (("GET", "/"), "GET&/&", "c88caad15a1c1a900b8ac08aa9686f4e8184539bea1deda36e2f649430df3239"),
    (
        ("GET", "/ui/questions?q=caf%C3%A9%2Bbar*%7Ebaz&Q=2"),
        "GET&/ui/questions&Q=2&q=caf%C3%A9%2Bbar%2A~baz",
        "b03e88b2f7d91e277206380ff19cf2dbeb89b203dc21332f2d9ef0128c7e5a11",
    ),
    (
        ("GET", "/ui?b=2&a=x,y&a=x"),
        "GET&/ui&a=x,x%2Cy&b=2",
        "ad9f3fd9cf508cb994190dab48a21f83753b3e801050fcd442c5069ce9e38f5d",
    ),
    (
        ("POST", "/wiki/api/v2/custom-content?body-format=storage", "/wiki"),
        "POST&/api/v2/custom-content&body-format=storage",
        "16672477fa89d1caf5e9f3d780596bbd6c07b164e4fe81db383a8848a21260f7",
    ),
    (
        ("GET", "/ui/questions?&a=1&&b=2&"),
        "GET&/ui/questions&a=1&b=2",
        "5785661533b6fdd919b79e702f6242c3761dd6c3ab15215caf69d0679c386a16",
    ),
    (
        ("GET", "/ui/questions?a"),
        "GET&/ui/questions&a=",
        "725174d43f559091c6e4682dea0e7b7d5b71f90cb607289f92f90f99123eaee8",
    ),
    (
        ("GET", "/ui/questions?=1&b=2"),
        "GET&/ui/questions&=1&b=2",
        "0e9324055670ed73a936473a49329b0dfc05d9c1b3acdb9f68da8a16f3409b94",
    ),
    (
        ("POST", "/connect/webhooks/content_created?lic=none"),
        "POST&/connect/webhooks/content_created&lic=none",
        "9c30deb9367ff418dab61efd746d412da6c6284da48c1651e6525134796d929f",
    ),
    (
        (
            "GET",
            (
                "/ui/question?contentId=123&spaceId=65537&xdm_e=http%3A%2F%2F127.0.0.1%3A8090"
                "&xdm_c=channel-community-questions__question&cp=%2Fwiki&lic=active&cv=1001.0.0&jwt=a.b.c"
            ),
        ),
        (
            "GET&/ui/question&contentId=123&cp=%2Fwiki&cv=1001.0.0&lic=active&spaceId=65537"
            "&xdm_c=channel-community-questions__question&xdm_e=http%3A%2F%2F127.0.0.1%3A8090"
        ),
        "7f242417f3c4d24478381736ae7892c9c100394321ff256061921f7641b469ae",
    ),
    (
        ("GET", "/ui/q?JWT=1&%6Awt=2&jwt=3"),
        "GET&/ui/q&JWT=1",
        "730215461bb4ea96245a660ae3fea37d77c6532e7999086d6a6e42cf7c438fb9",
    ),
    (
        ("GET", "/a&b/c?x=%26"),
        "GET&/a%26b/c&x=%26",
        "9f6c0bab4657917cb6170ed11f74c84595bdd28a0f48613373e0547b8d67a892",
    ),
    (
        ("get", "/wiki?type=ac%3Acommunity-questions%3Acq-question&id=2&id=10&id=1", "/wiki"),
        "GET&/&id=1,10,2&type=ac%3Acommunity-questions%3Acq-question",
        "e413a115f360f48907f3076f6b3ee0e20b7631b498fcb3c07b51716cb9fc2f61",
    ),
    (
        ("GET", "/ui/q?v=!'()*~:@/?"),
        "GET&/ui/q&v=%21%27%28%29%2A~%3A%40%2F%3F",
        "dc3b7c5bad65981e11362270ee2d58ab9e92b3a574c59fa50684e5c8a449efa2",
    ),
    (
        ("GET", "/ui/q?a=%e2%82%ac"),
        "GET&/ui/q&a=%E2%82%AC",
        "a5f3d3f96c8cc238f6f6d39bbc0d97f78d85006a3847869f27c3b09ddcf53156",
    ),
    (
        ("GET", "/ui/questions#top?x=1"),
        "GET&/ui/questions&",
        "e187cdda7f8dac1cdf428183e9e51e8a1442a0142b22b0bc793bdd61163f42ba",
    ),
]


@pytest.mark.parametrize(("request_line", "canonical", "digest"), EXAMPLES)
def test_agrees_with_atlassians_library(request_line: tuple[str, ...], canonical: str, digest: str) -> None:
    assert canonical_request(*request_line) == canonical
    assert query_hash(*request_line) == digest


# Where Atlassian's libraries disagree with each other, the documented rule holds.
@pytest.mark.parametrize(
    ("target", "base_path", "canonical"),
    [
        ("/wikipedia?x=1", "/wiki", "GET&/wikipedia&x=1"),
        ("/wiki", "/wiki", "GET&/&"),
        ("/wiki/", "/wiki", "GET&/&"),
        ("/ui/wiki", "/wiki", "GET&/ui/wiki&"),
        ("/ui?%C3%A9=1&z=2", "", "GET&/ui&%C3%A9=1&z=2"),
        ("/ui//", "", "GET&/ui/&"),
        ("//evil.example/ui", "", "GET&//evil.example/ui&"),
        ("/a%2Fb%20c", "", "GET&/a%2Fb%20c&"),
        ("", "", "GET&/&"),
        ("?a=1", "", "GET&/&a=1"),
        ("ui", "", "GET&/ui&"),
        ("HTTPS://cq.example.com", "", "GET&/&"),
        ("https://cq.example.com?a=1#b", "", "GET&/&a=1"),
        ("/go?to=https://x.example/#y", "", "GET&/go&to=https%3A%2F%2Fx.example%2F"),
    ],
)
def test_disputed_forms_follow_the_documented_rule(target: str, base_path: str, canonical: str) -> None:
    assert canonical_request("GET", target, base_path) == canonical


def test_parameters_are_decoded_once_and_keep_their_order() -> None:
    assert query_parameters("/ui?b=%2541&a=1+2&b&jwt=x.y.z#c=3") == [
        ("b", "%41"),
        ("a", "1 2"),
        ("b", ""),
        ("jwt", "x.y.z"),
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=8)
parameter_lists = st.lists(st.tuples(texts, texts), max_size=6)


def target_of(parameters: list[tuple[str, str]]) -> str:
    return "/ui/questions?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


@given(parameters=parameter_lists, data=st.data())
def test_order_of_parameters_does_not_matter(parameters: list[tuple[str, str]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(parameters))

    assert canonical_request("GET", target_of(parameters)) == canonical_request("GET", target_of(shuffled))


@given(parameters=parameter_lists, token=texts)
def test_the_token_plays_no_role_wherever_it_stands(parameters: list[tuple[str, str]], token: str) -> None:
    without = [(name, value) for name, value in parameters if name != "jwt"]
    expected = query_hash("GET", target_of(without))

    for place in range(len(without) + 1):
        with_token = [*without[:place], ("jwt", token), *without[place:]]
        assert query_hash("GET", target_of(with_token)) == expected


@given(parameters=parameter_lists)
def test_a_changed_value_changes_the_canonical_request(parameters: list[tuple[str, str]]) -> None:
    plain = [*parameters, ("spaceId", "65537")]
    changed = [*parameters, ("spaceId", "65538")]

    assert canonical_request("GET", target_of(plain)) != canonical_request("GET", target_of(changed))


@given(parameters=parameter_lists)
def test_names_and_values_cannot_imitate_separators(parameters: list[tuple[str, str]]) -> None:
    query = canonical_request("GET", target_of(parameters)).split("&", 2)[2]
    groups = [group.split("=") for group in query.split("&")] if query else []

    assert all(len(group) == 2 for group in groups)
    expected_names = {quote(name, safe="") for name, _ in parameters if name != "jwt"}
    assert [name for name, _ in groups] == sorted(expected_names)


@given(parameters=st.lists(st.tuples(texts.filter(bool), texts), max_size=6))
def test_agrees_with_an_independent_implementation(parameters: list[tuple[str, str]]) -> None:
    target = target_of(parameters)

    assert query_hash("get", target) == tokens.qsh("GET", target)


any_text = st.text(st.characters(), max_size=60)


@example(method="GET", target="/ui?a=\ud800&\udfff=%41#\ud800", base="")
@given(method=any_text, target=any_text | any_text.map("/ui?a=".__add__), base=st.sampled_from(["", "/wiki"]))
def test_any_text_has_a_hash(method: str, target: str, base: str) -> None:
    canonical = canonical_request(method, target, base)

    expected = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    assert query_hash(method, target, base) == expected
