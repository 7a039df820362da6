import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lib.connect_jwt import TokenRefused
from lib.errors import Unavailable
from lib.outbound import Door, OutboundError
from lifecycle.install_keys import InstallKeys, fetch_through
from tests import tokens
from tests.tokens import KEY_ID

KEYS_URL = "https://connect-install-keys.atlassian.com"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""


@dataclass
class KeyServer:
    """Serves what was put there by address and remembers what it was asked for."""

    answers: dict[str, Answer | OutboundError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, kid: str, answer: Answer | OutboundError) -> None:
        self.answers[f"{KEYS_URL}/{kid}"] = answer

    def __call__(self, url: str) -> Answer:
        self.asked.append(url)
        answer = self.answers.get(url, Answer(404, b"not found"))
        if isinstance(answer, OutboundError):
            raise answer
        return answer


@dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Scene:
    server: KeyServer
    clock: Clock
    keys: InstallKeys


@pytest.fixture
def scene() -> Scene:
    server, clock = KeyServer(), Clock()
    return Scene(server, clock, InstallKeys(server, KEYS_URL, clock=clock))


def nth_key_id(number: int) -> str:
    return str(UUID(int=number))


def refusal_of(scene: Scene, kid: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        scene.keys.pem(kid)
    return refused.value.reason


def test_a_key_is_fetched_by_its_id_and_kept_for_an_hour(scene: Scene) -> None:
    scene.server.put(KEY_ID, Answer(200, tokens.public_pem()))

    assert scene.keys.pem(KEY_ID) == tokens.public_pem()
    scene.clock.now_s += 3599
    assert scene.keys.pem(KEY_ID) == tokens.public_pem()
    assert scene.server.asked == [f"{KEYS_URL}/{KEY_ID}"]

    scene.clock.now_s += 2
    assert scene.keys.pem(KEY_ID) == tokens.public_pem()
    assert len(scene.server.asked) == 2


@pytest.mark.parametrize(
    "kid", ["", "../secret", f"{KEY_ID}/..", f"{KEY_ID}?x", KEY_ID[:-1], f"{KEY_ID}\n", "@evil.example"]
)
def test_what_is_not_a_uuid_is_never_asked_for(scene: Scene, kid: str) -> None:
    assert refusal_of(scene, kid) == "key-id"
    assert scene.server.asked == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_key_is_refused_for_five_minutes_without_asking_again(scene: Scene, status: int) -> None:
    scene.server.put(KEY_ID, Answer(status))

    assert refusal_of(scene, KEY_ID) == "unknown-key"
    scene.server.put(KEY_ID, Answer(200, tokens.public_pem()))
    scene.clock.now_s += 299
    assert refusal_of(scene, KEY_ID) == "unknown-key"
    assert len(scene.server.asked) == 1

    scene.clock.now_s += 2
    assert scene.keys.pem(KEY_ID) == tokens.public_pem()


def curve_pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def edwards_pem() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def short_pem() -> bytes:
    return tokens.public_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 -- too short on purpose


def private_pem() -> bytes:
    return tokens.install_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


UNUSABLE = {
    "empty": lambda: b"",
    "web page": lambda: b"<html>sign in</html>",
    "binary": lambda: bytes(range(256)),
    "cut": lambda: tokens.public_pem()[:200],
    "curve": curve_pem,
    "Edwards curve": edwards_pem,
    "1024 bits": short_pem,
    "private": private_pem,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_strong_rsa_public_key_is_refused_and_remembered(scene: Scene, name: str) -> None:
    scene.server.put(KEY_ID, Answer(200, UNUSABLE[name]()))

    assert refusal_of(scene, KEY_ID) == "key-unusable"
    assert refusal_of(scene, KEY_ID) == "key-unusable"
    assert len(scene.server.asked) == 1


def test_only_the_checked_key_is_handed_on(scene: Scene) -> None:
    scene.server.put(KEY_ID, Answer(200, b"leading text\n" + tokens.public_pem() + b"\ntrailing text"))

    assert scene.keys.pem(KEY_ID) == tokens.public_pem()


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(500),
        Answer(503),
        Answer(429),
        Answer(401),
        Answer(204),
        OutboundError("timeout"),
        OutboundError("redirect"),
    ],
)
def test_trouble_is_reported_as_such_and_not_remembered(scene: Scene, trouble: Answer | OutboundError) -> None:
    scene.server.put(KEY_ID, trouble)
    with pytest.raises(Unavailable):
        scene.keys.pem(KEY_ID)

    scene.server.put(KEY_ID, Answer(200, tokens.public_pem()))
    assert scene.keys.pem(KEY_ID) == tokens.public_pem()


def test_trouble_does_not_matter_while_the_key_is_known(scene: Scene) -> None:
    scene.server.put(KEY_ID, Answer(200, tokens.public_pem()))
    scene.keys.pem(KEY_ID)
    scene.server.put(KEY_ID, OutboundError("connect"))

    scene.clock.now_s += 3599
    assert scene.keys.pem(KEY_ID) == tokens.public_pem()


def test_a_flood_of_invented_ids_pushes_out_no_key_and_stays_bounded(scene: Scene) -> None:
    scene.server.put(KEY_ID, Answer(200, tokens.public_pem()))
    scene.keys.pem(KEY_ID)

    for number in range(200):
        assert refusal_of(scene, nth_key_id(number)) == "unknown-key"
    asked = len(scene.server.asked)

    assert scene.keys.pem(KEY_ID) == tokens.public_pem()
    assert refusal_of(scene, nth_key_id(199)) == "unknown-key"
    assert refusal_of(scene, nth_key_id(136)) == "unknown-key"
    assert len(scene.server.asked) == asked
    assert refusal_of(scene, nth_key_id(135)) == "unknown-key"
    assert len(scene.server.asked) == asked + 1


def test_the_oldest_of_more_than_64_keys_is_forgotten(scene: Scene) -> None:
    for number in range(65):
        scene.server.put(nth_key_id(number), Answer(200, tokens.public_pem()))
        scene.keys.pem(nth_key_id(number))

    scene.keys.pem(nth_key_id(1))
    assert len(scene.server.asked) == 65
    scene.keys.pem(nth_key_id(0))
    assert len(scene.server.asked) == 66


def test_one_slow_answer_does_not_hold_up_a_known_key() -> None:
    slow_is_asked, may_answer = threading.Event(), threading.Event()

    def fetch(url: str) -> Answer:
        if url.endswith(nth_key_id(1)):
            slow_is_asked.set()
            may_answer.wait(timeout=10)
        return Answer(200, tokens.public_pem())

    keys = InstallKeys(fetch, KEYS_URL)
    keys.pem(KEY_ID)
    slow = threading.Thread(target=keys.pem, args=(nth_key_id(1),))
    slow.start()
    try:
        assert slow_is_asked.wait(timeout=10)
        assert keys.pem(KEY_ID) == tokens.public_pem()
        assert slow.is_alive()
    finally:
        may_answer.set()
        slow.join(timeout=10)


@contextmanager
def served(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """A real server on the loopback that gives this answer to everything; yields its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def through_the_door(origin: str) -> InstallKeys:
    return InstallKeys(fetch_through(Door(local_origins=frozenset({origin}), user_agent="test")), origin)


def test_a_key_comes_through_the_one_door() -> None:
    with served(200, {}, tokens.public_pem()) as origin:
        assert through_the_door(origin).pem(KEY_ID) == tokens.public_pem()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [(200, {}, b"x" * 20_000), (302, {"Location": "https://evil.example/key"}, b""), (500, {}, b"")],
)
def test_a_big_or_redirected_or_failed_answer_is_trouble(status: int, headers: dict[str, str], body: bytes) -> None:
    with served(status, headers, body) as origin, pytest.raises(Unavailable):
        through_the_door(origin).pem(KEY_ID)
