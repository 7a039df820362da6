"""Receivers that misbehave on purpose, on real loopback sockets; each stops when its `serving` block ends."""

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PAUSE_S = 0.02
MAX_STEPS = 3_000
"""A bound on every loop: a minute at one step a pause."""

METADATA_URL = "http://169.254.169.254/metadata/identity/oauth2/token?resource=vault"


@dataclass(slots=True)
class Exchange:
    """One connection as its behaviour sees it."""

    connection: socket.socket
    stop: threading.Event
    requests: list[bytes]

    def read_request(self) -> bytes:
        """One request's head and announced body; empty when the caller has gone."""
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.connection.recv(65_536)
            if not piece:
                return b""
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
            0,
        )
        while len(body) < length and (piece := self.connection.recv(65_536)):
            body += piece
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def repeat(self, data: bytes, *, pause_s: float = PAUSE_S, steps: int = MAX_STEPS) -> None:
        for _ in range(steps):
            if self.stop.is_set():
                return
            self.connection.sendall(data)
            if pause_s:
                self.stop.wait(pause_s)


Behaviour = Callable[[Exchange], None]


@dataclass(slots=True)
class Receiver:
    """A listening receiver and what reached it."""

    origin: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextmanager
def serving(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str | None = None
) -> Iterator[Receiver]:
    """Run `behave` once for each connection, in a thread of its own; `name` stands in the origin for `host`."""
    stop = threading.Event()
    listener = socket.create_server((host, 0))
    listener.settimeout(0.05)
    port = int(listener.getsockname()[1])
    receiver = Receiver(f"{'https' if tls else 'http'}://{name or host}:{port}", port)
    workers: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        connection.settimeout(5)
        # Callers hang up in the middle here; that is the point of most tests.
        with suppress(OSError), connection:
            if tls is None:
                behave(Exchange(connection, stop, receiver.requests))
                return
            with tls.wrap_socket(connection, server_side=True) as secured:
                behave(Exchange(secured, stop, receiver.requests))

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            receiver.connections += 1
            workers.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            workers[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield receiver
    finally:
        stop.set()
        acceptor.join(5)
        for worker in workers:
            worker.join(6)
        listener.close()


def answering(raw: bytes, *, keep_open: bool = False) -> Behaviour:
    """A receiver that sends exactly `raw` to each request, and hangs up after the first unless told not to."""

    def behave(exchange: Exchange) -> None:
        while exchange.read_request():
            exchange.send(raw)
            if not keep_open:
                return

    return behave


def ok(body: bytes = b"{}", *headers: bytes) -> bytes:
    """A well-formed 200 answer."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def silent(exchange: Exchange) -> None:
    exchange.stop.wait(60)


def dripping_headers(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    exchange.repeat(b"a")


def endless_continue(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")


def rapid_continue(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause_s=0, steps=100_000)


def dripping_body(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    exchange.repeat(b"a")


def dripping_chunks(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.repeat(b"1\r\na\r\n")


def dripping_trailers(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
    exchange.repeat(b"X: y\r\n")


def giant_header(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Giant: ")
    exchange.repeat(b"a" * 65_536, pause_s=0)


def many_headers(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    exchange.repeat(b"X-Many: " + b"a" * 60_000 + b"\r\n", pause_s=0)


def announced_giant_body(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    exchange.repeat(b"a" * 65_536, pause_s=0)


def endless_body(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
    exchange.repeat(b"a" * 65_536, pause_s=0)


def endless_chunks(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    exchange.repeat(b"10000\r\n" + b"a" * 65_536 + b"\r\n", pause_s=0)


def giant_chunk_extension(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    exchange.repeat(b"a" * 65_536, pause_s=0)


def negative_chunk(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
    exchange.repeat(b"a" * 65_536, pause_s=0)


def gzip_bomb(exchange: Exchange) -> None:
    """20 MB of zeros in 20 KB."""
    exchange.read_request()
    exchange.send(ok(gzip.compress(bytes(20_000_000)), b"Content-Encoding: gzip"))


def redirecting(location: str) -> Behaviour:
    """A redirect whose body never ends."""

    def behave(exchange: Exchange) -> None:
        exchange.read_request()
        exchange.send(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + location.encode() + b"\r\n\r\n")
        exchange.repeat(b"a" * 65_536, pause_s=0)

    return behave


def closing_at_once(exchange: Exchange) -> None:
    exchange.connection.close()


def resetting(exchange: Exchange) -> None:
    exchange.read_request()
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    exchange.connection.close()


def never_reading(exchange: Exchange) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    exchange.stop.wait(60)


TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
TRUNCATED_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort"
GARBAGE = b"\x00\xff\xfe not HTTP at all \x80\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
STATUS_999 = b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"
STATUS_TEXT = b"HTTP/1.1 abc OK\r\n\r\n"
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
LONG_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n"


def issue(directory: Path, *names: str) -> tuple[str, ssl.SSLContext]:
    """An authority of its own: (its certificate file, a server context for `names`)."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    authority = (
        _draft(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    alternatives: list[x509.GeneralName] = [_general_name(name) for name in names]
    certificate = (
        _draft(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]), authority_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    authority_file, chain_file = directory / "authority.pem", directory / "chain.pem"
    authority_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    chain_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file)
    return str(authority_file), context


def _draft(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
