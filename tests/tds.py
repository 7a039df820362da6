"""A SQL Server that speaks just enough TDS 7.4 for real drivers to log in, ask and fail against.

It is no T-SQL engine: every statement gets a scripted answer or one row. What it proves is everything
between the app and the wire: how an access token is packed, when a new one is asked for, how error
numbers and a broken socket arrive. Layouts follow Microsoft's MS-TDS, sections 2.2.6 and 2.2.7.
"""

import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

PRELOGIN: Final = 0x12
LOGIN7: Final = 0x10
SQL_BATCH: Final = 0x01
RPC: Final = 0x03
ATTENTION: Final = 0x06
TRANSACTION_MANAGER: Final = 0x0E
TABULAR_RESULT: Final = 0x04

_LAST_PACKET: Final = 0x01
_PACKET_SIZE: Final = 4096
_COLLATION: Final = bytes.fromhex("0904d00034")
_FEATURE_FEDAUTH: Final = 0x02
_PRELOGIN_FEDAUTH_REQUIRED: Final = 0x06
_DONE_FINAL: Final = 0x00
_DONE_ERROR: Final = 0x02
_DONE_COUNT: Final = 0x10
_DONE_ATTENTION: Final = 0x20
_TOKEN_DONE: Final = 0xFD
_TOKEN_DONE_PROC: Final = 0xFE
_NULL_TEXT: Final = 0xFFFF
_MAX_MESSAGE: Final = 1 << 20
_FATAL: Final = 20
_BEGIN: Final = 5
_COMMIT: Final = 7
_ROLLBACK: Final = 8

_LONG_TEXT: Final = re.compile(rb"\xe7\xff\xff.{5}\xfe" + rb"\xff" * 7, re.DOTALL)
_STATEMENT_PARAMETER: Final = {10: 0, 11: 1, 13: 1}
"""Which nvarchar(max) parameter of sp_executesql, sp_prepare and sp_prepexec is the statement."""

_BOOTSTRAP: Final = (
    ("SERVERPROPERTY('ProductVersion')", "16.0.4135.4"),
    ("schema_name()", "dbo"),
    ("sys.system_views", "dm_exec_sessions"),
    ("CASE transaction_isolation_level", "READ COMMITTED"),
)
_WRITE: Final = re.compile(r"\b(INSERT INTO|MERGE|UPDATE|DELETE FROM|SET|CREATE|ALTER|DROP)\b", re.IGNORECASE)

type Value = int | str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """A result set; a column whose first value is text is nvarchar, any other is int."""

    rows: tuple[tuple[Value, ...], ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Affected:
    """A statement without a result set that changed this many rows."""

    count: int


@dataclass(frozen=True, slots=True)
class SqlError:
    """An ERROR token; severity 20 and above also ends the connection, as the real server does."""

    number: int
    text: str = "The fixture was told to fail."
    severity: int = 16
    state: int = 1


@dataclass(frozen=True, slots=True)
class Drop:
    """The socket is closed without an answer."""


type Answer = Rows | Affected | SqlError | Drop


@dataclass(frozen=True, slots=True)
class Login:
    """What one LOGIN7 message said. `access_token` is None for a login without one."""

    access_token: str | None = field(repr=False)
    user: str
    database: str
    app_name: str


class _Dropped(Exception):
    """Ends the connection at hand, after these last bytes."""

    def __init__(self, last_words: bytes = b"") -> None:
        self.last_words = last_words
        super().__init__()


class TdsServer:
    """A loopback server; use it as a context manager.

    `logins` and `statements` record what arrived, in order, over all connections. A protocol fault of
    the fixture itself is raised when the context ends, so that no test passes over it in silence.
    """

    def __init__(self) -> None:
        self.logins: list[Login] = []
        self.statements: list[str] = []
        self._at_login: deque[SqlError | Drop | None] = deque()
        self._at_commit: deque[SqlError | Drop | None] = deque()
        self._at_batch: dict[int, Answer] = {}
        self._when: list[tuple[str, deque[Answer]]] = []
        self._faults: list[Exception] = []
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake a thread blocked in accept; shutdown does.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()
        for thread in list(self._threads):
            thread.join(timeout=5)
        if self._faults and error is None:
            raise self._faults[0]

    def at_login(self, *answers: SqlError | Drop | None) -> None:
        """The next logins get these answers in order; None lets that one in."""
        self._at_login.extend(answers)

    def at_commit(self, *answers: SqlError | Drop | None) -> None:
        """The next commits get these answers in order; None lets that one succeed."""
        self._at_commit.extend(answers)

    def at_batch(self, number: int, answer: Answer) -> None:
        """The `number`-th statement from now on (1 is the next) gets this answer."""
        with self._lock:
            self._at_batch[len(self.statements) + number] = answer

    def when(self, fragment: str, *answers: Answer) -> None:
        """The next statements that contain `fragment` get these answers in order."""
        with self._lock:
            self._when.insert(0, (fragment, deque(answers)))

    def drop_all(self) -> None:
        """Break every open connection, as a failover of the database does."""
        with self._lock:
            broken = list(self._connections)
        for connection in broken:
            _shut(connection)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._converse(connection)
        except OSError:
            # The client went away, or `drop_all` did its work; both end this connection only.
            return
        except Exception as fault:  # noqa: BLE001 - raised again by __exit__, in the test's own thread.
            self._faults.append(fault)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _converse(self, connection: socket.socket) -> None:
        try:
            for kind, payload in _messages(connection):
                _send(connection, self._answer(kind, payload))
        except _Dropped as ending:
            _send(connection, ending.last_words)

    def _answer(self, kind: int, payload: bytes) -> bytes:
        if kind == PRELOGIN:
            return _prelogin_answer(payload)
        if kind == LOGIN7:
            return self._login_answer(payload)
        if kind == SQL_BATCH:
            return self._statement_answer(_after_headers(payload).decode("utf-16-le"), _TOKEN_DONE)
        if kind == RPC:
            return self._statement_answer(_rpc_text(_after_headers(payload)), _TOKEN_DONE_PROC)
        if kind == TRANSACTION_MANAGER:
            return self._transaction_answer(_after_headers(payload))
        if kind == ATTENTION:
            return _done(_TOKEN_DONE, _DONE_ATTENTION)
        raise ValueError(f"The fixture does not know TDS message type {kind:#04x}.")

    def _login_answer(self, payload: bytes) -> bytes:
        login = parse_login(payload)
        with self._lock:
            self.logins.append(login)
            scripted = self._at_login.popleft() if self._at_login else None
        if isinstance(scripted, Drop):
            raise _Dropped
        if isinstance(scripted, SqlError):
            raise _Dropped(_error(scripted) + _done(_TOKEN_DONE, _DONE_ERROR))
        acknowledged = _env_change(1, _b_varchar(login.database) + _b_varchar("master"))
        acknowledged += _env_change(7, bytes([len(_COLLATION)]) + _COLLATION + b"\0")
        acknowledged += _login_ack() + _env_change(4, _b_varchar(str(_PACKET_SIZE)) * 2)
        if login.access_token is not None:
            acknowledged += b"\xae" + struct.pack("<BI", _FEATURE_FEDAUTH, 0) + b"\xff"
        return acknowledged + _done(_TOKEN_DONE, _DONE_FINAL)

    def _statement_answer(self, text: str, done: int) -> bytes:
        with self._lock:
            self.statements.append(text)
            answer = self._choose(text)
        if isinstance(answer, Drop):
            raise _Dropped
        status = b"\x79\0\0\0\0" if done == _TOKEN_DONE_PROC else b""
        if isinstance(answer, SqlError):
            failed = _error(answer) + status + _done(done, _DONE_ERROR)
            if answer.severity >= _FATAL:
                raise _Dropped(failed)
            return failed
        if isinstance(answer, Affected):
            return status + _done(done, _DONE_COUNT, answer.count)
        return _result_set(answer) + status + _done(done, _DONE_COUNT, len(answer.rows))

    def _transaction_answer(self, payload: bytes) -> bytes:
        """Begin and end of a transaction (MS-TDS 2.2.6.9); the descriptor is any eight bytes not all zero."""
        (kind,) = struct.unpack_from("<H", payload)
        scripted = self._at_commit.popleft() if kind == _COMMIT and self._at_commit else None
        if isinstance(scripted, Drop):
            raise _Dropped
        if isinstance(scripted, SqlError):
            return _error(scripted) + _done(_TOKEN_DONE, _DONE_ERROR)
        descriptor = b"\x08" + (1).to_bytes(8, "little")
        changes = {
            _BEGIN: (8, descriptor + b"\0"),
            _COMMIT: (9, b"\0" + descriptor),
            _ROLLBACK: (10, b"\0" + descriptor),
        }
        change = _env_change(*changes[kind]) if kind in changes else b""
        return change + _done(_TOKEN_DONE, _DONE_FINAL)

    def _choose(self, text: str) -> Answer:
        scripted = self._at_batch.pop(len(self.statements), None)
        if scripted is not None:
            return scripted
        for fragment, answers in self._when:
            if answers and fragment in text:
                return answers.popleft()
        return _usual_answer(text)


def parse_login(payload: bytes) -> Login:
    """Read a LOGIN7 message (MS-TDS 2.2.6.4) as far as a test may want to know it."""

    def text(at: int) -> str:
        offset, length = struct.unpack_from("<HH", payload, at)
        return payload[offset : offset + 2 * length].decode("utf-16-le")

    token = None
    has_extension = payload[27] & 0x10
    if has_extension:
        (extension,) = struct.unpack_from("<H", payload, 56)
        (features,) = struct.unpack_from("<I", payload, extension)
        token = _access_token(payload, features)
    return Login(access_token=token, user=text(40), database=text(68), app_name=text(48))


def _access_token(payload: bytes, at: int) -> str | None:
    while payload[at] != 0xFF:
        feature, length = struct.unpack_from("<BI", payload, at)
        if feature == _FEATURE_FEDAUTH:
            (size,) = struct.unpack_from("<I", payload, at + 6)
            return payload[at + 10 : at + 10 + size].decode("utf-16-le")
        at += 5 + length
    return None


def _messages(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Whole messages as (type, payload): packets are joined until the one marked last."""
    payload = b""
    while header := _exactly(connection, 8):
        kind, status, length = struct.unpack_from(">BBH", header)
        payload += _exactly(connection, length - 8)
        if len(payload) > _MAX_MESSAGE:
            raise ValueError("A message is larger than the fixture cares to hold.")
        if status & _LAST_PACKET:
            yield kind, payload
            payload = b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            return b""
        received += piece
    return received


def _send(connection: socket.socket, payload: bytes) -> None:
    room = _PACKET_SIZE - 8
    pieces = [payload[start : start + room] for start in range(0, len(payload), room)]
    for number, piece in enumerate(pieces, start=1):
        status = _LAST_PACKET if number == len(pieces) else 0
        connection.sendall(struct.pack(">BBHHBB", TABULAR_RESULT, status, len(piece) + 8, 51, number % 256, 0) + piece)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _prelogin_answer(payload: bytes) -> bytes:
    """Version, no encryption, and FEDAUTHREQUIRED when asked: so a token may travel on plain loopback."""
    options = [(0x00, bytes([16, 0, 0x10, 0, 0, 0])), (0x01, b"\x02"), (0x04, b"\0")]
    if _PRELOGIN_FEDAUTH_REQUIRED in _prelogin_options(payload):
        options.append((_PRELOGIN_FEDAUTH_REQUIRED, b"\x01"))
    offset = 5 * len(options) + 1
    head, body = b"", b""
    for option, value in options:
        head += struct.pack(">BHH", option, offset + len(body), len(value))
        body += value
    return head + b"\xff" + body


def _prelogin_options(payload: bytes) -> set[int]:
    return {payload[at] for at in range(0, payload.index(b"\xff"), 5)}


def _after_headers(payload: bytes) -> bytes:
    (length,) = struct.unpack_from("<I", payload)
    return payload[length:]


def _rpc_text(payload: bytes) -> str:
    """The statement an RPC carries (sp_executesql, sp_prepare, sp_prepexec), or the procedure's name.

    Drivers send the statement as nvarchar(max): E7 FFFF, collation, unknown total length, one chunk.
    """
    (length,) = struct.unpack_from("<H", payload)
    if length != _NULL_TEXT:
        return payload[2 : 2 + 2 * length].decode("utf-16-le")
    (procedure,) = struct.unpack_from("<H", payload, 2)
    texts = []
    for found in _LONG_TEXT.finditer(payload):
        (size,) = struct.unpack_from("<I", payload, found.end())
        texts.append(payload[found.end() + 4 : found.end() + 4 + size].decode("utf-16-le"))
    position = _STATEMENT_PARAMETER.get(procedure, len(texts))
    return texts[position] if position < len(texts) else f"procedure {procedure}"


def _usual_answer(text: str) -> Rows | Affected:
    """What SQLAlchemy asks before its first statement, one row changed for a write, one int for the rest."""
    for fragment, answer in _BOOTSTRAP:
        if fragment in text:
            return Rows(((answer,),))
    return Affected(1) if _WRITE.search(text) else Rows(((1,),))


def _result_set(answer: Rows) -> bytes:
    first = answer.rows[0] if answer.rows else ()
    is_text = [isinstance(value, str) for value in first] or [False] * max(1, len(answer.columns))
    names = answer.columns or ("",) * len(is_text)
    tokens = b"\x81" + struct.pack("<H", len(is_text))
    for name, text in zip(names, is_text, strict=True):
        kind = b"\xe7" + struct.pack("<H", 8000) + _COLLATION if text else b"\x26\x04"
        tokens += struct.pack("<IH", 0, 0x0009) + kind + _b_varchar(name)
    for row in answer.rows:
        values = [_value(value, text=text) for value, text in zip(row, is_text, strict=True)]
        tokens += b"\xd1" + b"".join(values)
    return tokens


def _value(value: Value, *, text: bool) -> bytes:
    if value is None:
        return struct.pack("<H", _NULL_TEXT) if text else b"\0"
    if isinstance(value, int):
        return struct.pack("<Bi", 4, value)
    encoded = value.encode("utf-16-le")
    return struct.pack("<H", len(encoded)) + encoded


def _error(error: SqlError) -> bytes:
    text = struct.pack("<H", len(error.text)) + error.text.encode("utf-16-le")
    body = struct.pack("<iBB", error.number, error.state, error.severity) + text
    body += _b_varchar("fixture") + _b_varchar("") + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _done(token: int, status: int, count: int = 0) -> bytes:
    return struct.pack("<BHHQ", token, status, 0, count)


def _env_change(kind: int, values: bytes) -> bytes:
    return b"\xe3" + struct.pack("<HB", len(values) + 1, kind) + values


def _login_ack() -> bytes:
    body = b"\x01\x74\x00\x00\x04" + _b_varchar("Microsoft SQL Server") + bytes([16, 0, 0x10, 0])
    return b"\xad" + struct.pack("<H", len(body)) + body


def _b_varchar(text: str) -> bytes:
    return bytes([len(text)]) + text.encode("utf-16-le")
