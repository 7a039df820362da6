"""The load generator: keep-alive connections on raw sockets in one thread, told what to do as JSON on stdin.

It knows just enough HTTP to find the end of an answer, so that it needs less CPU than the server it loads.
"""

import json
import os
import re
import select
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.measuring import percentile

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_GIVE_UP_S = 30


@dataclass(slots=True)
class Line:
    """One connection and the requests it sends in turn."""

    socket: socket.socket
    requests: list[bytes]
    sent: int = 0
    sent_at: float = 0.0
    answer: bytearray = field(default_factory=bytearray)

    def send(self) -> None:
        request = self.requests[self.sent % len(self.requests)]
        self.sent += 1
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def take(self) -> int | None:
        """The status, once the answer is complete; the next answer starts afresh."""
        received = self.socket.recv(65_536)
        if not received:
            raise ConnectionError("the server closed the connection")
        self.answer += received
        head = self.answer.find(b"\r\n\r\n")
        if head < 0:
            return None
        found = _LENGTH.search(self.answer, 0, head + 2)
        if len(self.answer) < head + 4 + (int(found[1]) if found else 0):
            return None
        status = int(self.answer[9:12])
        self.answer.clear()
        return status


def _open(stack: ExitStack, port: int, requests: list[str], connections: int) -> dict[int, Line]:
    lines: dict[int, Line] = {}
    for number in range(connections):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=_GIVE_UP_S))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mine = [request.encode("latin-1") for request in requests[number::connections]]
        lines[connection.fileno()] = Line(connection, mine or [requests[0].encode("latin-1")])
    return lines


def run(port: int, requests: list[str], connections: int, seconds: float) -> dict[str, object]:
    """Sends for `seconds`, or each request once when that is 0, and waits for every answer."""
    with ExitStack() as stack:
        lines = _open(stack, port, requests, connections)
        return _exchange(lines, stack.enter_context(select.epoll()), seconds)


def _exchange(lines: dict[int, Line], poll: select.epoll, seconds: float) -> dict[str, object]:
    statuses: Counter[int] = Counter()
    by_second: Counter[int] = Counter()
    latencies: list[float] = []
    cpu, started = time.process_time(), time.perf_counter()
    ends = started + seconds
    for number, line in lines.items():
        poll.register(number, select.EPOLLIN)
        line.send()
    waiting = len(lines)
    while waiting:
        ready = poll.poll(_GIVE_UP_S)
        if not ready:
            raise TimeoutError("no answer came")
        for number, _ in ready:
            line = lines[number]
            status = line.take()
            if status is None:
                continue
            now = time.perf_counter()
            statuses[status] += 1
            by_second[int(now - started)] += 1
            latencies.append(now - line.sent_at)
            if now < ends if seconds else line.sent < len(line.requests):
                line.send()
            else:
                waiting -= 1
    took = time.perf_counter() - started
    return {
        "answers": len(latencies),
        "seconds": took,
        "statuses": {str(status): count for status, count in statuses.items()},
        "p50_ms": percentile(latencies, 0.5) * 1000,
        "p99_ms": percentile(latencies, 0.99) * 1000,
        "busy": (time.process_time() - cpu) / took,
        "sent": [line.sent for line in lines.values()],
        "by_second": [by_second[second] for second in range(int(took))],
    }


def main() -> None:
    wanted = json.load(sys.stdin)
    os.sched_setaffinity(0, {wanted["cpu"]})
    print(json.dumps(run(wanted["port"], wanted["requests"], wanted["connections"], wanted["seconds"])))


if __name__ == "__main__":
    main()
