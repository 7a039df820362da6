"""The load generator against a small server: every request answered once, whatever pieces the answers come in."""

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from bench.loading import run

SEEN: Counter[str] = Counter()


class _Slicing(socketserver.StreamRequestHandler):
    """Answers each request in two pieces; /missing is 404, and /gone ends the connection."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            path = line.split()[1].decode()
            while self.rfile.readline().strip():
                pass
            if path == "/gone":
                return
            SEEN[path] += 1
            status = "404 Not Found" if path == "/missing" else "200 OK"
            self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nbo".encode())
            time.sleep(0.001)
            self.wfile.write(b"dy")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@pytest.fixture
def port() -> Iterator[int]:
    SEEN.clear()
    with _Server(("127.0.0.1", 0), _Slicing) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def request(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n"


def test_each_request_is_sent_once_when_no_time_is_given(port: int) -> None:
    paths = [f"/{number}" for number in range(10)]
    found = run(port, [request(path) for path in paths], 3, 0)
    assert found["answers"] == 10
    assert dict(SEEN) == dict.fromkeys(paths, 1)


def test_a_timed_run_repeats_its_request_until_the_time_is_over(port: int) -> None:
    found = run(port, [request("/again")], 2, 0.2)
    assert found["answers"] == SEEN["/again"] >= 4
    assert found["statuses"] == {"200": SEEN["/again"]}
    assert isinstance(found["seconds"], float)
    assert 0.2 <= found["seconds"] < 2


def test_statuses_are_counted_apart(port: int) -> None:
    assert run(port, [request("/here"), request("/missing")], 1, 0)["statuses"] == {"200": 1, "404": 1}


def test_a_server_that_hangs_up_is_an_error_and_no_fast_answer(port: int) -> None:
    with pytest.raises(ConnectionError):
        run(port, [request("/gone")], 1, 0)
