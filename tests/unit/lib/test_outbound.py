"""The one door out: what it accepts, what it refuses, and what each hostile receiver can cost."""

import ipaddress
import logging
import socket
import ssl
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from lib import transport
from lib.outbound import Answer, Door, OutboundError, UrlRefused, parse_public_url, refused_class
from lib.targets import MAX_URL_LENGTH, REFUSED_NETWORKS
from tests import hostile

TEAMS_HOSTS = (".environment.api.powerplatform.com", ".logic.azure.com", "chat.googleapis.com")
TEAMS_URL = (
    "https://default0123456789abcdef0123456789abcd.ef.environment.api.powerplatform.com:443"
    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    "?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)
SECRET = "canary-sig-7f3a"
DEADLINE_S = 0.5
GRACE_S = 0.2


def door_for(*origins: str, **options: str) -> Door:
    return Door(local_origins=frozenset(origins), ca_file=options.get("ca_file"))


def refusal(door: Door, url: str, **options: float) -> str:
    with pytest.raises(OutboundError) as caught:
        door.request("POST", url, body=b"{}", deadline_s=options.get("deadline_s", 5.0))
    return caught.value.reason


# --- URLs -------------------------------------------------------------------------------------


def test_a_teams_url_is_accepted_unchanged() -> None:
    target = parse_public_url(TEAMS_URL, allowed_hosts=TEAMS_HOSTS)

    assert target.url == TEAMS_URL
    assert (target.scheme, target.port, target.is_local) == ("https", 443, False)
    assert target.host.endswith(".ef.environment.api.powerplatform.com")
    assert target.query.startswith("api-version=1&sp=%2F")


def test_an_accepted_url_shows_neither_path_nor_query() -> None:
    shown = repr(parse_public_url(TEAMS_URL, allowed_hosts=TEAMS_HOSTS))

    assert "sig" not in shown
    assert "workflows" not in shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "characters"),
        ("https://a.logic.azure.com/" + "a" * MAX_URL_LENGTH, "too-long"),
        ("https://a.logic.azure.com/a b", "characters"),
        ("https://a.logic.azure.com/a\n", "characters"),
        ("https://a.logic.azure.com/ä", "characters"),
        ("https://a.logic.azure.com\\@evil.example/", "characters"),
        ("https://a.logic.azure.com/#frag", "characters"),
        ("https://a.logic.azure.com/%0a", "characters"),
        ("https://a.logic.azure.com/?x=%0D%0A", "characters"),
        ("https://a.logic.azure.com/%00", "characters"),
        ("https://a.logic.azure.com/%zz", "characters"),
        ("https://a.logic.azure.com/<x>", "characters"),
        ("https://a.logic.azure.com/a/../b", "path"),
        ("https://a.logic.azure.com/a/%2E%2e/b", "path"),
        ("https://a.logic.azure.com/..", "path"),
        ("https://a.logic.azure.com?x=1", "path"),
        ("http://a.logic.azure.com/", "scheme"),
        ("HTTPS://a.logic.azure.com/", "scheme"),
        ("ftp://a.logic.azure.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("//a.logic.azure.com/", "scheme"),
        ("https:/a.logic.azure.com/", "scheme"),
        ("https://user@a.logic.azure.com/", "authority"),
        ("https://a.logic.azure.com%2eevil.example/", "authority"),
        ("https://a.logic.azure.com:8443/", "port"),
        ("https://a.logic.azure.com:0443/", "port"),
        ("https://a.logic.azure.com:/", "port"),
        ("https://a.logic.azure.com:443:443/", "port"),
        ("https://[::1]/", "port"),
        ("https:///path", "host"),
        ("https://A.logic.azure.com/", "host"),
        ("https://a.logic.azure.com./", "host"),
        ("https://a..logic.azure.com/", "host"),
        ("https://-a.logic.azure.com/", "host"),
        ("https://" + "a" * 64 + ".logic.azure.com/", "host"),
        ("https://" + "a." * 125 + "logic.azure.com/", "host"),
        ("https://localhost/", "host"),
        ("https://127.0.0.1/", "host"),
        ("https://2130706433/", "host"),
        ("https://0x7f.1/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://017700000001/", "host"),
        ("https://127.1/", "host"),
        ("https://logic.azure.com/", "host-not-listed"),
        ("https://alogic.azure.com/", "host-not-listed"),
        ("https://a.logic.azure.com.evil.example/", "host-not-listed"),
        ("https://x.chat.googleapis.com/", "host-not-listed"),
    ],
)
def test_a_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        parse_public_url(url, allowed_hosts=TEAMS_HOSTS)

    assert caught.value.reason == reason


def test_an_exact_host_is_allowed() -> None:
    url = "https://chat.googleapis.com/v1/spaces/A/messages"

    assert parse_public_url(url, allowed_hosts=TEAMS_HOSTS).path == "/v1/spaces/A/messages"


def test_a_url_without_a_path_is_allowed() -> None:
    assert parse_public_url("https://chat.googleapis.com", allowed_hosts=TEAMS_HOSTS).path == ""


LOCAL = frozenset({"http://127.0.0.1:8091", "https://localhost"})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8091/a?b=c", "https://localhost/a"])
def test_an_exact_local_origin_is_exempt(url: str) -> None:
    assert parse_public_url(url, allowed_hosts=(), local_origins=LOCAL).is_local


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80910/",
        "http://127.0.0.1:809/",
        "http://127.0.0.1:8092/",
        "https://127.0.0.1:8091/",
        "http://localhost/",
        "http://127.0.0.1:8091@evil.example/",
        "http://evil@127.0.0.1:8091/",
        "http://127.0.0.1:8091.evil.example/",
        "http://127.0.0.1:8091/a/../b",
        "http://127.0.0.1:8091/%0a",
    ],
)
def test_nothing_near_a_local_origin_is_exempt(url: str) -> None:
    with pytest.raises(UrlRefused):
        parse_public_url(url, allowed_hosts=(".evil.example",), local_origins=LOCAL)


_HOST_PIECES = ("a.logic.azure.com", "evil.example", "127.0.0.1", "[::1]", "localhost", "0x7f", "xn--", "A")
_MARK_PIECES = (":443", ":80", "/", "//", "?", "#", "@", "\\", ".", "..", "-", ";", "&", "[", "]", "|", "user:pw")
_ODD_PIECES = ("%40", "%2e", "%00", "%0d%0a", " ", "\t", "\x00", "\r\n", "\u3002", "\uff0f")
_PIECES = st.sampled_from(("https://", "http://", *_HOST_PIECES, *_MARK_PIECES, *_ODD_PIECES))
_URLS = st.one_of(
    st.text(max_size=60).map(lambda tail: "https://a.logic.azure.com" + tail),
    st.lists(_PIECES, max_size=8).map(lambda pieces: "https://" + "".join(pieces)),
    st.lists(_PIECES, max_size=8).map("".join),
)


@settings(max_examples=600, deadline=None)
@given(url=_URLS)
def test_every_parser_sees_the_host_that_was_accepted(url: str) -> None:
    """Never accepts a URL that urllib3, requests or the standard library would send elsewhere."""
    try:
        target = parse_public_url(url, allowed_hosts=(".logic.azure.com", ".example", ".com"))
    except UrlRefused:
        return

    prepared = requests.Request("GET", url).prepare()
    assert prepared.url is not None
    assert target.host == parse_url(url).host == urlsplit(url).hostname == urlsplit(prepared.url).hostname
    assert {urlsplit(url).port or 443, parse_url(url).port or 443} == {443}
    assert urlsplit(url).username is None


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0", "this-network"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "carrier-nat"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("168.63.129.16", "azure-wire-server"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.170", "protocol"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4-relay"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "v4-compatible"),
        ("::1", "v4-compatible"),
        ("::127.0.0.1", "v4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:168.63.129.16", "azure-wire-server"),
        ("::ffff:0:7f00:1", "v4-translated"),
        ("64:ff9b::7f00:1", "nat64"),
        ("64:ff9b::808:808", "nat64"),
        ("64:ff9b:1::1", "nat64"),
        ("100::1", "discard"),
        ("2001::1", "protocol"),
        ("2001:20::1", "protocol"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::", "6to4"),
        ("2002:808:808::", "6to4"),
        ("3fff::1", "documentation"),
        ("5f00::1", "segment-routing"),
        ("fc00::1", "unique-local"),
        ("fd12:3456::1", "unique-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "scoped"),
        ("2606:4700::1%eth0", "scoped"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("4000::1", "unassigned"),
        ("localhost", "malformed"),
        ("2130706433", "malformed"),
        ("", "malformed"),
        ("8.8.8.8", None),
        ("100.63.255.255", None),
        ("100.128.0.0", None),
        ("168.63.129.15", None),
        ("172.15.255.255", None),
        ("172.32.0.0", None),
        ("223.255.255.255", None),
        ("::ffff:8.8.8.8", None),
        ("2606:4700::1111", None),
        ("2a01:111::1", None),
    ],
)
def test_each_class_of_address_is_judged(address: str, expected: str | None) -> None:
    assert refused_class(address) == expected


def test_every_network_of_the_table_refuses_both_its_ends() -> None:
    for text, _ in REFUSED_NETWORKS:
        network = ipaddress.ip_network(text)
        assert refused_class(str(network[0])) is not None
        assert refused_class(str(network[-1])) is not None


# --- names ------------------------------------------------------------------------------------


class Names:
    """A resolver that gives its answers in turn, repeats the last, and remembers how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


PUBLIC_URL = "https://a.logic.azure.com/hook"


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["2606:4700::1", "fe80::1%eth0"]]
)
def test_an_answer_with_one_private_address_is_refused_whole(
    answer: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[str] = []
    monkeypatch.setattr(transport, "connect", lambda address, _port, _timeout: dialled.append(address))

    assert refusal(Door(resolve=Names(answer)), PUBLIC_URL) == "refused-address"
    assert dialled == []


def test_the_checked_addresses_are_dialled_and_at_most_four(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[str] = []
    monkeypatch.setattr(transport, "connect", lambda address, _port, _timeout: dialled.append(address))
    first = [f"8.8.8.{last}" for last in range(1, 7)]
    names = Names(first, ["127.0.0.1"])

    assert refusal(Door(resolve=names), PUBLIC_URL) == "connect"
    assert dialled == first[:4]
    assert names.asked == [("a.logic.azure.com", 443)]


def test_a_name_that_changes_its_answer_is_looked_up_once_a_connection(tmp_path: Path) -> None:
    """The address reached is the address of the first answer; the second is judged only by the next call."""
    ca_file, server = hostile.issue(tmp_path, "hooks.example")
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    with hostile.serving(hostile.answering(hostile.ok()), tls=server, host="127.0.0.2", name="hooks.example") as there:
        door = Door(local_origins=frozenset({there.origin}), resolve=names, ca_file=ca_file)

        assert door.request("POST", there.origin + "/hook").status == 200
        assert len(names.asked) == 1
        assert refusal(door, there.origin + "/hook") == "connect"
        assert len(names.asked) == 2


def test_a_name_without_an_address_is_a_dns_fault() -> None:
    def missing(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert refusal(Door(resolve=missing), PUBLIC_URL) == "dns"
    assert refusal(Door(resolve=Names([])), PUBLIC_URL) == "dns"


def test_a_name_server_that_never_answers_costs_the_deadline() -> None:
    release = threading.Event()

    def stuck(_host: str, _port: int) -> Sequence[str]:
        release.wait(10)
        return []

    started = time.monotonic()
    try:
        assert refusal(Door(resolve=stuck), PUBLIC_URL, deadline_s=DEADLINE_S) == "timeout"
        assert time.monotonic() - started < DEADLINE_S + GRACE_S
    finally:
        release.set()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "nonsense", "http://a.b/"],
)
def test_the_door_itself_refuses_what_the_parser_refuses(url: str) -> None:
    assert refusal(Door(), url) == "refused-address"


def test_a_closed_port_is_a_connect_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    origin = f"http://127.0.0.1:{port}"

    assert refusal(door_for(origin), origin + "/") == "connect"


# --- an honest receiver -----------------------------------------------------------------------


def test_a_request_arrives_as_written_and_the_answer_comes_back() -> None:
    with hostile.serving(hostile.answering(hostile.ok(b'{"a": 1}', b"X-Seen: yes", b"Set-Cookie: s=1"))) as there:
        answer = door_for(there.origin).request(
            "POST",
            there.origin + "/p/%7Ex?q=%2f&sig=A",
            headers={"Content-Type": "application/json"},
            body=b'{"text": "hi"}',
        )

    head, _, body = there.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /p/%7Ex?q=%2F&sig=A HTTP/1.1"
    assert sorted(line.split(":")[0].lower() for line in lines[1:]) == [
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ]
    assert "Accept-Encoding: identity" in lines
    assert "Connection: close" in lines
    assert body == b'{"text": "hi"}'
    assert (answer.status, answer.json()) == (200, {"a": 1})
    assert answer.headers["x-seen"] == "yes"
    assert "set-cookie" not in answer.headers
    assert 0 <= answer.duration_ms < 5_000
    assert "x-seen" not in repr(answer)


def test_errors_of_the_other_side_are_answers() -> None:
    raw = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with hostile.serving(hostile.answering(raw)) as there:
        started = time.monotonic()
        answer = door_for(there.origin).request("POST", there.origin + "/")

    assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "7", b"")
    assert time.monotonic() - started < 2, "nobody sleeps for Retry-After in here"
    assert len(there.requests) == 1


def test_an_answer_that_is_not_json_is_a_protocol_fault() -> None:
    for body in (b"", b"<html>", b"\xff", b"[" * 100_000):
        with pytest.raises(OutboundError) as caught:
            Answer(200, {}, body, 1).json()
        assert caught.value.reason == "protocol"


def test_cookies_are_neither_kept_nor_sent() -> None:
    raw = hostile.ok(b"{}", b"Set-Cookie: session=1; Path=/", b'Set-Cookie: ";;=\x01\xff')
    with hostile.serving(hostile.answering(raw, keep_open=True)) as there:
        door = door_for(there.origin)
        for _ in range(2):
            door.request("GET", there.origin + "/", reuse=True)
        door.close()

    assert len(there.requests) == 2
    assert all(b"ookie" not in request for request in there.requests)


def test_the_environment_names_no_proxy_and_no_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with hostile.serving(hostile.answering(hostile.ok())) as there:
        assert door_for(there.origin).request("GET", there.origin + "/").status == 200

    assert b"uthorization" not in there.requests[0]


def test_a_connection_is_kept_only_when_asked() -> None:
    with hostile.serving(hostile.answering(hostile.ok(), keep_open=True)) as there:
        door = door_for(there.origin)
        for _ in range(3):
            door.request("GET", there.origin + "/", reuse=True)
        assert there.connections == 1
        for _ in range(3):
            door.request("GET", there.origin + "/")
        assert there.connections == 4
        door.close()
        door.request("GET", there.origin + "/", reuse=True)
        assert there.connections == 5
        door.close()


def test_a_kept_connection_has_a_new_deadline_and_budget_each_time() -> None:
    body = b"a" * 60_000
    with hostile.serving(hostile.answering(hostile.ok(body), keep_open=True)) as there:
        door = door_for(there.origin)
        for _ in range(5):
            answer = door.request("GET", there.origin + "/", reuse=True, max_bytes=65_536, deadline_s=2)
            assert answer.body == body
        door.close()

    assert there.connections == 1


def test_threads_share_a_door() -> None:
    def echo(exchange: hostile.Exchange) -> None:
        while request := exchange.read_request():
            exchange.send(hostile.ok(request.split(b" ")[1]))

    with hostile.serving(echo) as there:
        door = door_for(there.origin)
        wrong: list[str] = []

        def call(number: int) -> None:
            for turn in range(10):
                path = f"/{number}/{turn}"
                body = door.request("GET", there.origin + path, reuse=turn % 2 == 0).body
                if body != path.encode():
                    wrong.append(path)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        door.close()

    assert wrong == []
    assert len(there.requests) == 80


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("CONNECT", {}),
        ("get", {}),
        ("GET /x HTTP/1.1\r\nA", {}),
        ("GET", {"Host": "evil.example"}),
        ("GET", {"cookie": "a=b"}),
        ("GET", {"Accept-Encoding": "gzip"}),
        ("GET", {"Transfer-Encoding": "chunked"}),
        ("GET", {"X-A": "b\r\nX-C: d"}),
        ("GET", {"X-A": "ä"}),
        ("GET", {"X-A": ""}),
        ("GET", {"X A": "b"}),
    ],
)
def test_our_own_mistakes_never_leave(method: str, headers: dict[str, str]) -> None:
    with hostile.serving(hostile.answering(hostile.ok())) as there:
        with pytest.raises(ValueError, match=r"door|plain printable"):
            door_for(there.origin).request(method, there.origin + "/", headers=headers)

        assert there.connections == 0


# --- hostile receivers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (hostile.silent, "timeout"),
        (hostile.dripping_headers, "timeout"),
        (hostile.endless_continue, "timeout"),
        (hostile.rapid_continue, "too-large"),
        (hostile.dripping_body, "timeout"),
        (hostile.dripping_chunks, "timeout"),
        (hostile.dripping_trailers, "timeout"),
        (hostile.giant_header, "protocol"),
        (hostile.many_headers, "too-large"),
        (hostile.announced_giant_body, "too-large"),
        (hostile.endless_body, "too-large"),
        (hostile.endless_chunks, "too-large"),
        (hostile.giant_chunk_extension, "protocol"),
        (hostile.negative_chunk, "too-large"),
        (hostile.redirecting(hostile.METADATA_URL), "redirect"),
        (hostile.closing_at_once, "protocol"),
        (hostile.resetting, "protocol"),
        (hostile.answering(hostile.TRUNCATED), "protocol"),
        (hostile.answering(hostile.TRUNCATED_CHUNK), "protocol"),
        (hostile.answering(hostile.GARBAGE), "protocol"),
        (hostile.answering(hostile.SWITCHING), "protocol"),
        (hostile.answering(hostile.STATUS_999), "protocol"),
        (hostile.answering(hostile.STATUS_TEXT), "protocol"),
        (hostile.answering(hostile.TWO_LENGTHS), "protocol"),
        (hostile.answering(hostile.LONG_LENGTH), "too-large"),
    ],
)
@pytest.mark.parametrize("reuse", [False, True])
def test_a_hostile_receiver_costs_at_most_the_deadline(behave: hostile.Behaviour, reason: str, *, reuse: bool) -> None:
    with hostile.serving(behave) as there:
        door = door_for(there.origin)
        started = time.monotonic()
        with pytest.raises(OutboundError) as caught:
            door.request("POST", f"{there.origin}/?sig={SECRET}", body=b"{}", deadline_s=DEADLINE_S, reuse=reuse)
        spent_s = time.monotonic() - started
        door.close()

    assert caught.value.reason == reason
    assert spent_s < DEADLINE_S + GRACE_S
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert there.origin not in shown


@pytest.mark.parametrize("limit", [1, 1_000, 65_536])
def test_never_more_bytes_are_read_than_allowed(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[int] = []
    count = transport.Call.count

    def counting(call: transport.Call, size: int) -> int:
        received.append(size)
        return count(call, size)

    monkeypatch.setattr(transport.Call, "count", counting)
    for behave in (hostile.endless_body, hostile.endless_chunks, hostile.many_headers, hostile.negative_chunk):
        received.clear()
        with hostile.serving(behave) as there, pytest.raises(OutboundError):
            door_for(there.origin).request("GET", there.origin + "/", max_bytes=limit, deadline_s=3)

        assert 0 < sum(received) <= limit + 65_536 + 65_536, "headers' allowance and one buffer at most"


def test_a_body_of_exactly_the_limit_passes() -> None:
    with hostile.serving(hostile.answering(hostile.ok(b"a" * 1_000))) as there:
        door = door_for(there.origin)
        assert len(door.request("GET", there.origin + "/", max_bytes=1_000).body) == 1_000
        with pytest.raises(OutboundError, match="too-large"):
            door.request("GET", there.origin + "/", max_bytes=999)


def test_a_gzip_bomb_stays_packed() -> None:
    with hostile.serving(hostile.gzip_bomb) as there:
        answer = door_for(there.origin).request("GET", there.origin + "/")

    assert len(answer.body) < 65_536
    assert answer.body[:2] == b"\x1f\x8b"


def test_a_receiver_that_never_reads_costs_the_deadline() -> None:
    with hostile.serving(hostile.never_reading) as there:
        started = time.monotonic()
        with pytest.raises(OutboundError, match="timeout"):
            door_for(there.origin).request("POST", there.origin + "/", body=bytes(16_000_000), deadline_s=DEADLINE_S)

        assert time.monotonic() - started < DEADLINE_S + GRACE_S


def test_a_redirect_is_not_followed() -> None:
    with hostile.serving(hostile.answering(hostile.ok())) as elsewhere:
        with hostile.serving(hostile.redirecting(elsewhere.origin + "/")) as there:
            assert refusal(door_for(there.origin, elsewhere.origin), there.origin + "/") == "redirect"

        assert elsewhere.connections == 0


@settings(max_examples=60, deadline=None)
@given(raw=st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail)))
def test_any_bytes_at_all_give_an_answer_or_an_outbound_error(raw: bytes) -> None:
    with hostile.serving(hostile.answering(raw)) as there:
        outcome: int | str
        try:
            outcome = door_for(there.origin).request("GET", there.origin + "/", deadline_s=2).status
        except OutboundError as error:
            outcome = error.reason

    assert outcome in {"protocol", "too-large", "redirect", *range(200, 300), *range(400, 600)}


def test_no_library_logs_the_url(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 warns with the whole URL when a header is malformed, and names the path of every call at debug."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nno colon here\r\nX: y\r\n\r\n"
    with caplog.at_level(logging.DEBUG), hostile.serving(hostile.answering(raw)) as there:
        door_for(there.origin).request("GET", f"{there.origin}/?sig={SECRET}")

    assert SECRET not in caplog.text


# --- TLS --------------------------------------------------------------------------------------

Serve = Callable[[ssl.SSLContext], None]


def secure_call(tmp_path: Path, *, certified: str, called: str, trusted: bool = True) -> str:
    """The reason code, or "answered", for a call to `called` of a server certified as `certified`."""
    ca_file, server = hostile.issue(tmp_path, certified)
    other_file, _ = hostile.issue(tmp_path / "other", "unrelated.example")
    with hostile.serving(hostile.answering(hostile.ok()), tls=server, name=called) as there:
        door = Door(
            local_origins=frozenset({there.origin}),
            resolve=Names(["127.0.0.1"]),
            ca_file=ca_file if trusted else other_file,
        )
        try:
            door.request("POST", there.origin + "/", body=b"{}", deadline_s=5)
        except OutboundError as error:
            assert there.requests == []
            return error.reason
        return "answered"


def test_a_certificate_on_the_name_is_accepted(tmp_path: Path) -> None:
    assert secure_call(tmp_path, certified="hooks.example", called="hooks.example") == "answered"


@pytest.mark.parametrize("certified", ["other.example", "127.0.0.1", "example"])
def test_a_certificate_on_another_name_is_refused(tmp_path: Path, certified: str) -> None:
    assert secure_call(tmp_path, certified=certified, called="hooks.example") == "tls"


def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    assert secure_call(tmp_path, certified="hooks.example", called="hooks.example", trusted=False) == "tls"


def test_the_usual_authorities_do_not_vouch_for_a_test_server(tmp_path: Path) -> None:
    _, server = hostile.issue(tmp_path, "hooks.example")
    with hostile.serving(hostile.answering(hostile.ok()), tls=server, name="hooks.example") as there:
        door = Door(local_origins=frozenset({there.origin}), resolve=Names(["127.0.0.1"]))

        assert refusal(door, there.origin + "/") == "tls"


def test_the_server_is_told_the_name(tmp_path: Path) -> None:
    ca_file, server = hostile.issue(tmp_path, "hooks.example")
    told: list[str | None] = []
    server.set_servername_callback(lambda _socket, name, _context: told.append(name))
    with hostile.serving(hostile.answering(hostile.ok()), tls=server, name="hooks.example") as there:
        door = Door(local_origins=frozenset({there.origin}), resolve=Names(["127.0.0.1"]), ca_file=ca_file)
        door.request("GET", there.origin + "/")

    assert told == ["hooks.example"]
    assert b"Host: hooks.example:" in there.requests[0]


def test_tls_older_than_1_2_is_refused(tmp_path: Path) -> None:
    ca_file, server = hostile.issue(tmp_path, "hooks.example")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    with hostile.serving(hostile.answering(hostile.ok()), tls=server, name="hooks.example") as there:
        door = Door(local_origins=frozenset({there.origin}), resolve=Names(["127.0.0.1"]), ca_file=ca_file)

        assert refusal(door, there.origin + "/") == "tls"
    assert transport.tls_context(ca_file).minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (hostile.dripping_headers, "timeout"),
        (hostile.endless_continue, "timeout"),
        (hostile.dripping_body, "timeout"),
        (hostile.endless_body, "too-large"),
        (hostile.answering(hostile.TRUNCATED), "protocol"),
    ],
)
def test_a_hostile_receiver_under_tls_costs_no_more(tmp_path: Path, behave: hostile.Behaviour, reason: str) -> None:
    ca_file, server = hostile.issue(tmp_path, "hooks.example")
    with hostile.serving(behave, tls=server, name="hooks.example") as there:
        door = Door(local_origins=frozenset({there.origin}), resolve=Names(["127.0.0.1"]), ca_file=ca_file)
        started = time.monotonic()

        assert refusal(door, there.origin + "/", deadline_s=DEADLINE_S) == reason
        assert time.monotonic() - started < DEADLINE_S + GRACE_S


@pytest.mark.parametrize("behave", [hostile.silent, hostile.answering(hostile.GARBAGE), hostile.closing_at_once])
def test_a_handshake_that_goes_nowhere_costs_the_deadline(tmp_path: Path, behave: hostile.Behaviour) -> None:
    ca_file, _ = hostile.issue(tmp_path, "hooks.example")
    with hostile.serving(behave) as there:
        origin = f"https://hooks.example:{there.port}"
        door = Door(local_origins=frozenset({origin}), resolve=Names(["127.0.0.1"]), ca_file=ca_file)
        started = time.monotonic()

        assert refusal(door, origin + "/", deadline_s=DEADLINE_S) in {"timeout", "tls", "protocol"}
        assert time.monotonic() - started < DEADLINE_S + GRACE_S
