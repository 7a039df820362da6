"""The query hash against the worked examples of Atlassian's own library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.confluence.tokens import canonical_request, query_hash

EXAMPLES = [
    (
        "GET",
        "/ui/questions?spaceKey=DS&tag=a%20b&tag=c",
        "",
        "GET&/ui/questions&spaceKey=DS&tag=a%20b,c",
        "e2596846d28161d8ede252920e3a60ad532721d0701a1f99fe3d05724ef0395a",
    ),
    (
        "post",
        "https://cq.example.com/connect/lifecycle/installed",
        "",
        "POST&/connect/lifecycle/installed&",
        "f6b7f893d2f321fb98172ee8605f3df02c89a084a17b863c0c4ac23892a6a0c7",
    ),
    (
        "GET",
        "/ui/q/?x=1+2&jwt=zzz&y=",
        "",
        "GET&/ui/q&x=1%202&y=",
        "0a59143219a0142f210ce3fe98cd77d747292deb432df515d176d14d15ad1b35",
    ),
    ("GET", "/", "", "GET&/&", "c88caad15a1c1a900b8ac08aa9686f4e8184539bea1deda36e2f649430df3239"),
    (
        "GET",
        "/ui/questions?q=caf%C3%A9%2Bbar*%7Ebaz&Q=2",
        "",
        "GET&/ui/questions&Q=2&q=caf%C3%A9%2Bbar%2A~baz",
        "b03e88b2f7d91e277206380ff19cf2dbeb89b203dc21332f2d9ef0128c7e5a11",
    ),
    (
        "GET",
        "/ui?b=2&a=x,y&a=x",
        "",
        "GET&/ui&a=x,x%2Cy&b=2",
        "ad9f3fd9cf508cb994190dab48a21f83753b3e801050fcd442c5069ce9e38f5d",
    ),
    (
        "POST",
        "/wiki/api/v2/custom-content?body-format=storage",
        "/wiki",
        "POST&/api/v2/custom-content&body-format=storage",
        "16672477fa89d1caf5e9f3d780596bbd6c07b164e4fe81db383a8848a21260f7",
    ),
]


@pytest.mark.parametrize(("method", "target", "base", "canonical", "expected"), EXAMPLES)
def test_worked_examples(method: str, target: str, base: str, canonical: str, expected: str) -> None:
    assert canonical_request(method, target, base) == canonical
    assert query_hash(method, target, base) == expected


@pytest.mark.parametrize(
    ("target", "base", "path"),
    [
        ("/wikis/a", "/wiki", "/wikis/a"),
        ("/wiki", "/wiki", "/"),
        ("", "", "/"),
        ("/a&b", "", "/a%26b"),
        ("/a#part?x=1", "", "/a"),
    ],
)
def test_the_base_path_goes_by_whole_segments_and_fragments_do_not_count(target: str, base: str, path: str) -> None:
    assert canonical_request("GET", target, base) == f"GET&{path}&"


@given(st.lists(st.sampled_from(["a=1", "b=2", "a=0", "c", "jwt=x", "B=%20"])))
def test_the_order_of_parameters_does_not_change_the_hash(parts: list[str]) -> None:
    forward, backward = ("/p?" + "&".join(order) for order in (parts, parts[::-1]))

    assert query_hash("GET", forward) == query_hash("GET", backward)
