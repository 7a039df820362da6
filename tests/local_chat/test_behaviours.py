"""Answers no well-behaved server gives; each is looked at on the wire."""

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from tests.local_chat.simulator import CARD, Simulator, Webhook, encode, message


@contextmanager
def raw_post(webhook: Webhook) -> Iterator[socket.socket]:
    """A call over a bare socket, so that no HTTP client hides what comes back."""
    parts = urlsplit(webhook.url)
    assert parts.hostname is not None
    body = encode(message(CARD))
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def read_for(connection: socket.socket, seconds: float) -> bytes:
    received = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            break
        if not piece:
            break
        received += piece
    return received


def test_headers_drip_byte_by_byte_and_do_not_end(webhook: Webhook) -> None:
    webhook.script({"behaviour": "drip-headers"})

    with raw_post(webhook) as connection:
        received = read_for(connection, 2.5)

    assert received.startswith(b"HTTP/1.1 202 Accepted\r\nX-Drip: ")
    assert b"\r\n\r\n" not in received
    assert 2 <= received.count(b"a", received.index(b"X-Drip")) <= 4


def test_a_body_drips_byte_by_byte_after_whole_headers(webhook: Webhook) -> None:
    webhook.script({"status": 200, "behaviour": "drip-body"})

    with raw_post(webhook) as connection:
        received = read_for(connection, 2.5)

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert 2 <= len(body) <= 4


def test_an_endless_body_keeps_coming(webhook: Webhook) -> None:
    webhook.script({"behaviour": "endless-body"})

    with raw_post(webhook) as connection:
        received = 0
        while received < 20 << 20:
            piece = connection.recv(1 << 20)
            assert piece
            received += len(piece)

    assert received >= 20 << 20


def test_the_connection_is_closed_without_a_word(webhook: Webhook) -> None:
    webhook.script({"behaviour": "close"}, {"status": 503, "behaviour": "close"})

    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            webhook.post_card(CARD)

    # With the usual 202 the message is in the channel and only the answer was lost; with 503 it is not.
    assert webhook.states() == ["shown", "scripted"]


def test_a_redirect_leads_back_to_the_channel_where_followers_are_seen(webhook: Webhook) -> None:
    webhook.script({"behaviour": "redirect"})

    answer = webhook.post_card(CARD)

    assert answer.status_code == 307
    assert answer.headers["Location"] == webhook.url
    assert webhook.states() == ["scripted"]


def test_a_redirect_can_lead_elsewhere(webhook: Webhook) -> None:
    webhook.script({"status": 302, "behaviour": "redirect", "headers": {"Location": "http://169.254.169.254/"}})

    answer = webhook.post_card(CARD)

    assert (answer.status_code, answer.headers["Location"]) == (302, "http://169.254.169.254/")


def test_a_gzip_bomb_is_small_on_the_wire_and_large_unpacked(webhook: Webhook) -> None:
    webhook.script({"behaviour": "gzip-bomb"})
    headers = {"Content-Type": "application/json; charset=utf-8"}

    with requests.post(webhook.url, data=encode(message(CARD)), headers=headers, stream=True, timeout=10) as answer:
        packed = answer.raw.read(decode_content=False)
    member_size = len(packed) // 100

    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(packed) < 2 << 20
    assert len(gzip.decompress(packed[:member_size])) == 10 << 20


def test_a_delay_holds_one_call_and_not_the_others(simulator: Simulator, webhook: Webhook) -> None:
    other = simulator.add_channel("Other")
    webhook.script({"status": 202, "delayMs": 1500})

    started_at = time.monotonic()
    with raw_post(webhook) as connection:
        assert other.post_card(CARD).status_code == 202
        others_wait = time.monotonic() - started_at
        assert connection.recv(100).startswith(b"HTTP/1.1 202")
    own_wait = time.monotonic() - started_at

    assert others_wait < 1
    assert own_wait >= 1.5
