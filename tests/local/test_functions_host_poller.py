"""The queue poller against the real queue service, with a function that does as its message says."""

import asyncio
import base64
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local.functions_host.engine import Binding, Function, Result
from local.functions_host.host_json import QueueEndpoint, QueueSettings
from local.functions_host.outputs import decode, encode
from local.functions_host.queue_client import Queue, QueueAccount
from local.functions_host.queue_poller import Backoff, QueuePoller
from local.ports import free_port
from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from tests.local.processes import Server, queue_service, raw_queue, text_queue

FUNCTION = Function("deliver", "id", Binding("queueTrigger", "message", is_output=False, properties={}), ())
FAST = QueueSettings(batch_size=4, new_batch_threshold=2, max_polling_interval_s=0.2, max_dequeue_count=3)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with queue_service(tmp_path_factory.mktemp("queues")) as server:
        yield server


@pytest.fixture
def account(service: Server) -> Iterator[QueueAccount]:
    account = _account(service.port)
    yield account
    account.close()


def _account(port: int) -> QueueAccount:
    url = f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}"
    return QueueAccount(QueueEndpoint(url, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY))


@dataclass(slots=True)
class Worker:
    """`fail` fails, `wait S` takes S seconds, anything else succeeds; every run is noted."""

    bodies: list[str | bytes] = field(default_factory=list)
    metadata: list[Mapping[str, Any]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    finished: int = 0

    async def __call__(self, function: Function, body: str | bytes, metadata: Mapping[str, Any]) -> Result:
        assert function == FUNCTION
        self.bodies.append(body)
        self.metadata.append(metadata)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        if isinstance(body, str) and body.startswith("wait "):
            await asyncio.sleep(float(body.removeprefix("wait ")))
        self.running -= 1
        self.finished += 1
        return Result(error="on purpose" if body == "fail" else None)


def _poll(poller: QueuePoller, until: Callable[[], bool], *, timeout_s: float = 10) -> None:
    """Runs the poller until the condition holds and all it had in flight has ended."""

    async def main() -> None:
        running = asyncio.create_task(poller.run())
        await _reached(until, timeout_s)
        poller.stop()
        await asyncio.wait_for(running, 5)
        await asyncio.wait_for(poller.drained(), 10)

    asyncio.run(main())


async def _reached(until: Callable[[], bool], timeout_s: float) -> None:
    for _ in range(int(timeout_s / 0.02)):
        if until():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the condition was not reached in time")


def _count(port: int, name: str) -> int:
    return raw_queue(port, name).get_queue_properties().approximate_message_count or 0


def test_success_deletes_and_metadata_is_complete(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "success")
    client.create_queue()
    sent = client.send_message("grüß", time_to_live=-1)
    worker = Worker()

    _poll(QueuePoller(FUNCTION, Queue(account, "success"), FAST, invoke=worker), lambda: worker.finished == 1)

    assert worker.bodies == ["grüß"]
    metadata = dict(worker.metadata[0])
    assert metadata.pop("PopReceipt")
    assert str(metadata.pop("InsertionTime")).endswith("+00:00")
    assert str(metadata.pop("NextVisibleTime")).endswith("+00:00")
    assert metadata == {
        "Id": sent.id,
        "DequeueCount": 1,
        "ExpirationTime": "9999-12-31T23:59:59+00:00",
        "QueueTrigger": "grüß",
    }
    assert _count(service.port, "success") == 0


def test_missing_queue_is_empty_and_not_created(service: Server, account: QueueAccount) -> None:
    worker = Worker()
    poller = QueuePoller(FUNCTION, Queue(account, "appears-later"), FAST, invoke=worker)
    client = text_queue(service.port, "appears-later")

    async def main() -> None:
        running = asyncio.create_task(poller.run())
        await asyncio.sleep(0.3)
        assert not worker.bodies
        await asyncio.to_thread(client.create_queue)
        await asyncio.to_thread(client.send_message, "x")
        await _reached(lambda: worker.finished == 1, 5)
        poller.stop()
        await running
        await poller.drained()

    asyncio.run(main())


def test_failure_is_tried_until_the_poison_queue(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "failing")
    client.create_queue()
    sent = client.send_message("fail")
    worker = Worker()

    _poll(QueuePoller(FUNCTION, Queue(account, "failing"), FAST, invoke=worker), lambda: worker.finished == 3)

    assert [metadata["DequeueCount"] for metadata in worker.metadata] == [1, 2, 3]
    assert _count(service.port, "failing") == 0
    assert [message.content for message in text_queue(service.port, "failing-poison").peek_messages()] == ["fail"]
    assert {metadata["Id"] for metadata in worker.metadata} == {sent.id}


def test_visibility_timeout_delays_the_retry(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "delayed-retry")
    client.create_queue()
    client.send_message("fail")
    worker = Worker()
    settings = QueueSettings(max_polling_interval_s=0.1, visibility_timeout_s=3600)

    _poll(QueuePoller(FUNCTION, Queue(account, "delayed-retry"), settings, invoke=worker), lambda: worker.finished == 1)

    assert _count(service.port, "delayed-retry") == 1
    assert client.peek_messages() == []


def test_a_message_that_crashed_its_host_is_not_run_again(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "crashing")
    client.create_queue()
    client.send_message("fail")
    for _ in range(FAST.max_dequeue_count):
        received = client.receive_message(visibility_timeout=60)
        assert received is not None
        client.update_message(received, visibility_timeout=0)
    worker = Worker()

    _poll(
        QueuePoller(FUNCTION, Queue(account, "crashing"), FAST, invoke=worker),
        lambda: _count(service.port, "crashing") == 0,
    )

    assert worker.bodies == []
    assert _count(service.port, "crashing-poison") == 1


def test_undecodable_goes_to_poison_verbatim(service: Server, account: QueueAccount) -> None:
    client = raw_queue(service.port, "not-base64")
    client.create_queue()
    client.send_message("{not base64}")
    worker = Worker()

    _poll(
        QueuePoller(FUNCTION, Queue(account, "not-base64"), FAST, invoke=worker),
        lambda: _count(service.port, "not-base64") == 0,
    )

    assert worker.bodies == []
    assert [m.content for m in raw_queue(service.port, "not-base64-poison").peek_messages()] == ["{not base64}"]


@pytest.mark.parametrize("name", ["inbox-poison", "x" * 60])
def test_without_poison_queue_the_message_waits_out_its_lease(
    service: Server, account: QueueAccount, name: str
) -> None:
    client = text_queue(service.port, name)
    client.create_queue()
    for _ in range(FAST.max_dequeue_count + 1):
        client.send_message("fail")
    worker = Worker()

    _poll(QueuePoller(FUNCTION, Queue(account, name), FAST, invoke=worker), lambda: worker.finished == 4)

    assert _count(service.port, name) == 4
    assert client.peek_messages() == []


def test_parallelism_is_batch_plus_threshold(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "parallel")
    client.create_queue()
    for number in range(20):
        client.send_message("wait 0.4" if number % 2 else "wait 0.1")
    worker = Worker()

    _poll(QueuePoller(FUNCTION, Queue(account, "parallel"), FAST, invoke=worker), lambda: worker.finished == 20)

    assert FAST.batch_size < worker.most_running <= FAST.batch_size + FAST.new_batch_threshold
    assert _count(service.port, "parallel") == 0


def test_lease_is_renewed_while_the_function_runs(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "renewed")
    client.create_queue()
    client.send_message("wait 3.5")
    worker = Worker()

    # Two seconds of lease, renewed every second: without renewal the message would be run twice.
    poller = QueuePoller(FUNCTION, Queue(account, "renewed"), FAST, invoke=worker, lease_s=2)
    _poll(poller, lambda: worker.finished == 1)

    assert len(worker.bodies) == 1
    assert _count(service.port, "renewed") == 0


@pytest.mark.parametrize(
    ("name", "work", "logged"),
    [("lost-at-renewal", "wait 1.5", ["WARNING"]), ("lost-at-completion", "wait 0.4", [])],
)
def test_lost_lease_leaves_the_message_to_its_new_holder(
    service: Server, account: QueueAccount, caplog: pytest.LogCaptureFixture, name: str, work: str, logged: list[str]
) -> None:
    client = text_queue(service.port, name)
    client.create_queue()
    client.send_message(work)
    worker = Worker()
    poller = QueuePoller(FUNCTION, Queue(account, name), FAST, invoke=worker, lease_s=2)

    async def main() -> None:
        running = asyncio.create_task(poller.run())
        await _reached(lambda: worker.running == 1, 5)
        metadata = worker.metadata[0]
        # Somebody else takes the message over: from now on our receipt is worth nothing.
        await asyncio.to_thread(
            client.update_message, str(metadata["Id"]), str(metadata["PopReceipt"]), visibility_timeout=60
        )
        poller.stop()
        await running
        await poller.drained()

    asyncio.run(main())
    assert worker.finished == 1
    assert _count(service.port, name) == 1
    assert [record.levelname for record in caplog.records if record.name == "local.functions_host"] == logged


def test_stop_lets_work_in_flight_finish(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "stopping")
    client.create_queue()
    client.send_message("wait 0.5")
    worker = Worker()
    poller = QueuePoller(FUNCTION, Queue(account, "stopping"), FAST, invoke=worker)

    _poll(poller, lambda: worker.running == 1)

    assert worker.finished == 1
    assert poller.in_flight == 0
    assert _count(service.port, "stopping") == 0


def test_wake_ends_the_wait_at_once(service: Server, account: QueueAccount) -> None:
    client = text_queue(service.port, "woken")
    client.create_queue()
    worker = Worker()
    poller = QueuePoller(FUNCTION, Queue(account, "woken"), QueueSettings(max_polling_interval_s=30), invoke=worker)

    async def main() -> None:
        running = asyncio.create_task(poller.run())
        # Long enough for the back-off to have grown past a second.
        await asyncio.sleep(1.6)
        await asyncio.to_thread(client.send_message, "x")
        poller.wake()
        await _reached(lambda: worker.finished == 1, 0.5)
        poller.stop()
        await running
        await poller.drained()

    asyncio.run(main())


@pytest.mark.faults
def test_service_restart_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="local.functions_host")
    port = free_port()
    account = _account(port)
    worker = Worker()
    poller = QueuePoller(FUNCTION, Queue(account, "restarted"), FAST, invoke=worker)

    async def restart(first: AbstractContextManager[Server], server: Server) -> AbstractContextManager[Server]:
        await asyncio.to_thread(server.kill)
        first.__exit__(None, None, None)
        await asyncio.sleep(0.4)
        second = queue_service(tmp_path, port=port)
        await asyncio.to_thread(second.__enter__)
        return second

    async def main() -> None:
        first = queue_service(tmp_path, port=port)
        server = await asyncio.to_thread(first.__enter__)
        client = text_queue(port, "restarted")
        await asyncio.to_thread(client.create_queue)
        await asyncio.to_thread(client.send_message, "before")
        running = asyncio.create_task(poller.run())
        await _reached(lambda: worker.bodies == ["before"], 5)
        second = await restart(first, server)
        await asyncio.to_thread(client.send_message, "after")
        await _reached(lambda: worker.bodies == ["before", "after"], 5)
        poller.stop()
        await running
        await poller.drained()
        second.__exit__(None, None, None)

    asyncio.run(main())
    account.close()
    # An outage is two lines, however many polls it took.
    polls = [record.getMessage() for record in caplog.records if "polling restarted" in record.getMessage()]
    assert ["fails" in polls[0], "works again" in polls[1], len(polls)] == [True, True, 2]


@pytest.mark.faults
def test_a_connection_the_service_closed_is_replaced(tmp_path: Path) -> None:
    port = free_port()
    account = _account(port)
    for text in ("first", "second"):
        with queue_service(tmp_path, port=port):
            asyncio.run(Queue(account, "reconnected").put(text))
    with queue_service(tmp_path, port=port):
        contents = [message.content for message in raw_queue(port, "reconnected").peek_messages(5)]
    account.close()
    with pytest.raises(OSError, match=r"."):
        asyncio.run(Queue(_account(port), "reconnected").put("third"))
    assert contents == ["first", "second"]


def test_backoff_grows_to_its_ceiling_and_falls_after_activity() -> None:
    backoff = Backoff(ceiling_s=2.0, rng=random.Random(7))
    waits = [backoff.after(found=False) for _ in range(10)]

    assert waits[0] == pytest.approx(0.1)
    for exponent, wait_s in enumerate(waits[1:5]):
        assert 0.1 + 0.8 * 0.1 * 2**exponent <= wait_s <= 0.1 + 1.2 * 0.1 * 2**exponent
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(2.0)
    assert backoff.after(found=True) == pytest.approx(0.1)
    assert 0.18 <= backoff.after(found=False) <= 0.22


def test_messages_are_encoded_as_agreed() -> None:
    assert encode("ü", base64_text=True) == base64.b64encode("ü".encode()).decode()
    assert encode("ü", base64_text=False) == "ü"
    assert decode("w7w=", base64_text=True) == "ü"
    assert decode(" w7w=\n", base64_text=True) == "ü"
    assert decode("/w==", base64_text=True) == b"\xff"
    assert decode("w7w=", base64_text=False) == "w7w="
    for text in ("w7w", "{}", "w7w=="):
        with pytest.raises(ValueError, match=r"."):
            decode(text, base64_text=True)


def test_output_queue_is_created_on_first_use(service: Server, account: QueueAccount) -> None:
    async def put_twice() -> None:
        queue = Queue(account, "first-use")
        await queue.put("a <b> &\r")
        await queue.put("c")

    asyncio.run(put_twice())
    contents = [message.content for message in raw_queue(service.port, "first-use").peek_messages(5)]
    assert contents == ["a <b> &\r", "c"]
