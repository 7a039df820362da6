"""A receiver of webhooks on loopback that answers 202 after a given time and notes when each arrived."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Sink:
    """`latency_s` may be changed between runs; `arrivals` are read while it runs."""

    port: int = 0
    latency_s: float = 0.0
    arrivals: list[float] = field(default_factory=list)

    def wait_for(self, count: int, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while len(self.arrivals) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(self.arrivals)} of {count} deliveries arrived within {within_s:.0f} s")
            time.sleep(0.01)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            await asyncio.sleep(self.latency_s)
            writer.write(_ANSWER)
            await writer.drain()
            self.arrivals.append(time.monotonic())
            writer.close()
            await writer.wait_closed()


@contextmanager
def receiving() -> Iterator[Sink]:
    """A sink on a port of its own, served by a thread while the block runs."""
    sink, loop, ready = Sink(), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(sink.answer, "127.0.0.1", 0, backlog=512)
        sink.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="sink", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
