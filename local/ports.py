"""Free loopback ports and waiting for a server, shared by the local stack and the tests."""

import http.client
import socket
import time
from urllib.parse import urlsplit


class NotReady(Exception):
    """The server did not answer 200 in time; carries the address and the last answer or error."""

    def __init__(self, url: str, last: str) -> None:
        super().__init__(f"{url} is not ready: {last}")
        self.url = url
        self.last = last


def free_port() -> int:
    """A TCP port nobody listens on now; another process may still take it before the caller does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_ready(url: str, timeout_s: float) -> None:
    """Returns once GET `url` (plain http) answers 200; raises NotReady after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        last = _probe(url)
        if last == "200":
            return
        if time.monotonic() >= deadline:
            raise NotReady(url, last)
        time.sleep(0.02)


def _probe(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", parts.path or "/")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
