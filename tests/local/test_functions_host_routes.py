"""Route templates against the rules of ASP.NET Core routing."""

import pytest

from local.functions_host.routes import RouteError, RouteTable, compile_route, path_segments


def _params(template: str, path: str) -> dict[str, str] | None:
    match = RouteTable([compile_route("f", template, ["GET"])]).match("GET", path)
    return None if match is None else dict(match.params)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("healthz", "/healthz", {}),
        ("healthz", "/HealthZ/", {}),
        ("healthz", "/healthz/x", None),
        ("", "/", {}),
        ("a/{x}", "/a/b", {"x": "b"}),
        ("a/{x}", "/a/", None),
        ("a/{x}", "/a//", None),
        ("a/{x?}", "/a", {}),
        ("a/{x?}", "/a/b", {"x": "b"}),
        ("a/{x=1}", "/a", {"x": "1"}),
        ("a/{x=1}", "/a/2", {"x": "2"}),
        ("a/{*rest}", "/a", {}),
        ("a/{*rest}", "/a/b/c", {"rest": "b/c"}),
        ("a/{**rest}", "/a/b/c", {"rest": "b/c"}),
        ("{*rest}", "/", {}),
        ("a/{x}", "/a/caf%C3%A9%20+", {"x": "café +"}),
        ("a/{x}", "/a/b%2Fc", {"x": "b%2Fc"}),
        ("a/{x}", "/a/%ff", {"x": "%ff"}),
        ("a/{x}", "/a/b/../c", {"x": "c"}),
        ("a/{x}", "/b/%2e%2e/a/./c", {"x": "c"}),
        ("a/{*rest}", "/a/../../etc", None),
        ("file-{name}.{ext}", "/file-a.b.txt", {"name": "a.b", "ext": "txt"}),
        ("file-{name}.{ext}", "/file-a", None),
        ("v{{1}}", "/v{1}", {}),
    ],
)
def test_templates(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert _params(template, path) == expected


@pytest.mark.parametrize(
    ("constraint", "accepted", "refused"),
    [
        ("int", ["0", "-5", "2147483647"], ["2147483648", "1.5", "x", "١"]),
        ("long", ["9223372036854775807", "-1"], ["9223372036854775808", "x"]),
        ("bool", ["true", "FALSE"], ["1", "yes"]),
        ("guid", ["00000000-0000-4000-8000-00000000000a", "0" * 32], ["0" * 31, "zz"]),
        ("alpha", ["abcZ"], ["a1", "é"]),
        ("decimal", ["1", "-1.5", "1,000.5"], ["1e5", "x", "."]),
        ("double", ["1e5", "1.5"], ["x", "e5x"]),
        ("float", ["1.5"], ["x"]),
        ("datetime", ["2026-11-23", "2026-11-23T10:00:00"], ["yesterday"]),
        ("length(3)", ["abc"], ["ab", "abcd"]),
        ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
        ("minlength(2)", ["ab"], ["a"]),
        ("maxlength(2)", ["ab"], ["abc"]),
        ("min(18)", ["18"], ["17", "x"]),
        ("max(5)", ["5", "-7"], ["6"]),
        ("range(1,5)", ["1", "5"], ["0", "6"]),
        ("regex(^cq-[a-z]+$)", ["cq-vote", "CQ-TAG"], ["cq-1", "x"]),
        ("regex(^[a-z]{{2}}=\\d?:$)", ["ab=1:", "ab=:"], ["abc=1:"]),
        ("int:min(5)", ["5"], ["4", "x"]),
        ("required", ["x"], []),
    ],
)
def test_constraints(constraint: str, accepted: list[str], refused: list[str]) -> None:
    template = f"a/{{x:{constraint}}}"
    assert [_params(template, f"/a/{value}") for value in accepted] == [{"x": value} for value in accepted]
    assert [_params(template, f"/a/{value}") for value in refused] == [None] * len(refused)


def test_optional_and_default_keep_their_constraint() -> None:
    assert _params("a/{x:int?}", "/a") == {}
    assert _params("a/{x:int?}", "/a/y") is None
    assert _params("a/{x:int=7}", "/a") == {"x": "7"}


def test_precedence_is_independent_of_order() -> None:
    templates = ["a/{*rest}", "a/{x}", "a/{x:int}", "a/b", "a/{x}/c", "a/b/{y}"]
    for order in (templates, templates[::-1]):
        table = RouteTable([compile_route(template, template, []) for template in order])
        found = {path: match.function for path in _PRECEDENCE if (match := table.match("GET", path))}
        assert found == _PRECEDENCE


_PRECEDENCE = {
    "/a/b": "a/b",
    "/a/7": "a/{x:int}",
    "/a/z": "a/{x}",
    "/a/z/c": "a/{x}/c",
    "/a/b/c": "a/b/{y}",
    "/a/z/z": "a/{*rest}",
}


def test_methods() -> None:
    table = RouteTable(
        [
            compile_route("read", "a/{x}", ["get"]),
            compile_route("write", "a/{x}", ["PUT"]),
            compile_route("default", "b", []),
        ]
    )
    functions = {
        f"{method} {path}": match.function if (match := table.match(method, path)) else None
        for method in ("GET", "POST", "PUT", "HEAD")
        for path in ("/a/1", "/b")
    }
    assert functions == {
        "GET /a/1": "read",
        "POST /a/1": None,
        "PUT /a/1": "write",
        "HEAD /a/1": None,
        "GET /b": "default",
        "POST /b": "default",
        "PUT /b": None,
        "HEAD /b": None,
    }


@pytest.mark.parametrize(
    "template", ["admin/x", "Runtime/x", "a/{x:unknown}", "a/{x", "a/{1x}", "b{*rest}", "{x:regex(*)}", "{x:length()}"]
)
def test_templates_that_are_refused(template: str) -> None:
    with pytest.raises(RouteError):
        compile_route("f", template, [])


def test_dot_segments_cannot_climb_out() -> None:
    assert path_segments("/../../a/./b/..") == ["a"]
