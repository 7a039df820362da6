"""The queue service as the unmodified storage SDK sees it."""

import http.client
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.queue import QueueClient, QueueServiceClient

from local.ports import free_port
from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, authorization
from tests.local.processes import CREDENTIAL, Server, queue_service, raw_queue


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with queue_service(tmp_path_factory.mktemp("queues")) as server:
        yield server


@pytest.fixture
def queue(service: Server, request: pytest.FixtureRequest) -> Iterator[QueueClient]:
    name = "".join(character if character.isalnum() else "-" for character in request.node.name.lower())
    client = raw_queue(service.port, name.strip("-").replace("--", "-")[:60].rstrip("-"))
    client.create_queue()
    yield client
    client.delete_queue()


def _error_code(error: HttpResponseError) -> str:
    # The SDK answers an enumeration member or the bare text, depending on the path the error took.
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code))


def _request(
    service: Server, method: str, target: str, *, key: str = DEVELOPMENT_KEY, date: str = "", body: str = ""
) -> http.client.HTTPResponse:
    path, _, query = target.partition("?")
    headers = {"x-ms-date": date or formatdate(usegmt=True), "x-ms-version": "2024-11-04"}
    headers["content-length"] = str(len(body.encode()))
    headers["authorization"] = authorization(method, path, query, headers, DEVELOPMENT_ACCOUNT, key)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request(method, target, body=body.encode(), headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_message_round_trip(queue: QueueClient) -> None:
    text = "Grüße <&> \"quoted\" 'x'\n\ttab 🐦"
    sent = queue.send_message(text)

    received = queue.receive_message()

    assert received is not None
    assert received.content == text
    assert received.id == sent.id
    assert received.dequeue_count == 1
    assert received.pop_receipt != sent.pop_receipt
    assert queue.receive_message() is None
    queue.delete_message(received)
    assert queue.get_queue_properties().approximate_message_count == 0


def test_order_and_batch_size(queue: QueueClient) -> None:
    for number in range(40):
        queue.send_message(str(number))

    pages = list(queue.receive_messages(messages_per_page=32, max_messages=32).by_page())
    first = [message.content for message in pages[0]]

    assert first == [str(number) for number in range(32)]
    assert [message.content for message in queue.receive_messages(max_messages=32)] == [
        str(number) for number in range(32, 40)
    ]


def test_peek_neither_leases_nor_counts(queue: QueueClient) -> None:
    queue.send_message("look")

    assert [message.content for message in queue.peek_messages(5)] == ["look"]

    received = queue.receive_message()
    assert received is not None
    assert received.dequeue_count == 1
    assert queue.peek_messages(5) == []
    assert queue.get_queue_properties().approximate_message_count == 1


def test_lease_ends_and_the_old_receipt_is_refused(queue: QueueClient) -> None:
    queue.send_message("again")
    first = queue.receive_message(visibility_timeout=1)
    assert first is not None
    assert queue.receive_message() is None
    threading.Event().wait(1.1)

    second = queue.receive_message()

    assert second is not None
    assert second.dequeue_count == 2
    with pytest.raises(HttpResponseError) as caught:
        queue.delete_message(first)
    assert caught.value.status_code == 400
    assert _error_code(caught.value) == "PopReceiptMismatch"
    queue.delete_message(second)
    with pytest.raises(ResourceNotFoundError) as missing:
        queue.delete_message(second)
    assert _error_code(missing.value) == "MessageNotFound"


def test_update_renews_and_replaces_text(queue: QueueClient) -> None:
    queue.send_message("old")
    received = queue.receive_message(visibility_timeout=60)
    assert received is not None

    updated = queue.update_message(received, visibility_timeout=0, content="new")

    assert updated.pop_receipt != received.pop_receipt
    again = queue.receive_message()
    assert again is not None
    assert (again.content, again.dequeue_count) == ("new", 2)
    with pytest.raises(HttpResponseError) as caught:
        queue.update_message(received, visibility_timeout=5)
    assert _error_code(caught.value) == "PopReceiptMismatch"


def test_sent_receipt_may_delete(queue: QueueClient) -> None:
    sent = queue.send_message("never mind", visibility_timeout=3600)
    queue.delete_message(sent.id, sent.pop_receipt)
    assert queue.get_queue_properties().approximate_message_count == 0


def test_delay_hides_a_new_message(queue: QueueClient) -> None:
    queue.send_message("later", visibility_timeout=1)
    assert queue.receive_message() is None
    threading.Event().wait(1.1)
    assert queue.receive_message() is not None


def test_time_to_live(queue: QueueClient) -> None:
    short = queue.send_message("short", time_to_live=1)
    default = queue.send_message("default")
    forever = queue.send_message("forever", time_to_live=-1)
    now = datetime.now(UTC)

    assert short.expires_on is not None
    assert short.expires_on <= now + timedelta(seconds=2)
    assert default.expires_on is not None
    assert timedelta(days=6, hours=23) < default.expires_on - now <= timedelta(days=7)
    assert forever.expires_on is not None
    assert forever.expires_on.year == 9999
    threading.Event().wait(1.1)
    assert {message.content for message in queue.receive_messages(max_messages=5)} == {"default", "forever"}
    with pytest.raises(ResourceNotFoundError):
        queue.delete_message(short.id, short.pop_receipt)


def test_size_limit(queue: QueueClient) -> None:
    queue.send_message("x" * 65536)
    with pytest.raises(HttpResponseError) as caught:
        queue.send_message("x" * 65537)
    assert caught.value.status_code == 413
    assert _error_code(caught.value) == "RequestBodyTooLarge"
    with pytest.raises(HttpResponseError) as utf8:
        queue.send_message("ü" * 32769)
    assert utf8.value.status_code == 413


def test_clear(queue: QueueClient) -> None:
    for _ in range(3):
        queue.send_message("x")
    queue.receive_message()
    queue.clear_messages()
    assert queue.get_queue_properties().approximate_message_count == 0


def test_create_again_and_metadata(service: Server) -> None:
    client = raw_queue(service.port, "with-metadata")
    client.create_queue(metadata={"a_b": "1", "a1": "2", "owner": "Alice"})

    # The SDK turns the service's 204 into this, and 409 for other metadata as well.
    with pytest.raises(ResourceExistsError) as same:
        client.create_queue(metadata={"a_b": "1", "a1": "2", "owner": "Alice"})
    with pytest.raises(ResourceExistsError) as other:
        client.create_queue(metadata={"owner": "Bob"})

    assert same.value.status_code == 204
    assert other.value.status_code == 409
    assert client.get_queue_properties().metadata == {"a_b": "1", "a1": "2", "owner": "Alice"}
    client.set_queue_metadata({"owner": "Carol"})
    assert client.get_queue_properties().metadata == {"owner": "Carol"}


def test_list_by_prefix_in_pages(service: Server) -> None:
    names = [f"listed-{letter}" for letter in "abcde"]
    for name in reversed(names):
        raw_queue(service.port, name).create_queue(metadata={"letter": name[-1]})
    account = QueueServiceClient(f"{service.url}/{DEVELOPMENT_ACCOUNT}", credential=CREDENTIAL)

    listed = list(account.list_queues(name_starts_with="listed-", results_per_page=2, include_metadata=True))

    assert [queue.name for queue in listed] == names
    assert listed[0].metadata == {"letter": "a"}


def test_missing_queue(service: Server) -> None:
    client = raw_queue(service.port, "no-such-queue")
    for call in (client.get_queue_properties, client.receive_message, client.delete_queue, client.clear_messages):
        with pytest.raises(ResourceNotFoundError) as caught:
            call()
        assert _error_code(caught.value) == "QueueNotFound"
    with pytest.raises(ResourceNotFoundError):
        client.send_message("x")


def test_deleted_queue_takes_its_messages(service: Server) -> None:
    client = raw_queue(service.port, "short-lived")
    client.create_queue()
    client.send_message("x")
    client.delete_queue()
    client.create_queue()
    assert client.get_queue_properties().approximate_message_count == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ab", "OutOfRangeInput"),
        ("a" * 64, "OutOfRangeInput"),
        ("Upper", "InvalidResourceName"),
        ("under_score", "InvalidResourceName"),
        ("-start", "InvalidResourceName"),
        ("end-", "InvalidResourceName"),
        ("dou--ble", "InvalidResourceName"),
        ("sp%20ace", "InvalidResourceName"),
    ],
)
def test_queue_names(service: Server, name: str, code: str) -> None:
    response = _request(service, "PUT", f"/{DEVELOPMENT_ACCOUNT}/{name}")
    assert (response.status, response.headers["x-ms-error-code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "rest", "status", "code"),
    [
        ("GET", "/messages?numofmessages=33", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/messages?numofmessages=0", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/messages?numofmessages=many", 400, "InvalidQueryParameterValue"),
        ("GET", "/messages?visibilitytimeout=0", 400, "OutOfRangeQueryParameterValue"),
        ("GET", "/messages?visibilitytimeout=604801", 400, "OutOfRangeQueryParameterValue"),
        ("POST", "/messages?messagettl=0", 400, "OutOfRangeQueryParameterValue"),
        ("POST", "/messages?messagettl=5&visibilitytimeout=5", 400, "OutOfRangeQueryParameterValue"),
        ("POST", "/messages", 400, "InvalidXmlDocument"),
        ("DELETE", "/messages/00000000-0000-0000-0000-000000000000", 400, "MissingRequiredQueryParameter"),
        ("PUT", "/messages/x?popreceipt=y", 400, "MissingRequiredQueryParameter"),
        ("PUT", "/messages/x?popreceipt=y&visibilitytimeout=1", 404, "MessageNotFound"),
        ("PATCH", "/messages", 400, "UnsupportedQueryParameter"),
        ("GET", "?comp=acl", 400, "UnsupportedQueryParameter"),
        ("GET", "/messages/x/y", 400, "InvalidUri"),
    ],
)
def test_bad_requests(service: Server, method: str, rest: str, status: int, code: str) -> None:
    _request(service, "PUT", f"/{DEVELOPMENT_ACCOUNT}/strict")
    response = _request(service, method, f"/{DEVELOPMENT_ACCOUNT}/strict{rest}")
    assert (response.status, response.headers["x-ms-error-code"]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        "<QueueMessage><MessageText>open",
        "<Other><MessageText>x</MessageText></Other>",
        "<QueueMessage/>",
        '<!DOCTYPE a [<!ENTITY b "c">]><QueueMessage><MessageText>&b;</MessageText></QueueMessage>',
    ],
)
def test_bad_bodies(service: Server, body: str) -> None:
    _request(service, "PUT", f"/{DEVELOPMENT_ACCOUNT}/strict")
    response = _request(service, "POST", f"/{DEVELOPMENT_ACCOUNT}/strict/messages", body=body)
    assert (response.status, response.headers["x-ms-error-code"]) == (400, "InvalidXmlDocument")


def test_an_escaped_carriage_return_survives(service: Server) -> None:
    client = raw_queue(service.port, "returns")
    client.create_queue()
    body = "<QueueMessage><MessageText>a&#13;b</MessageText></QueueMessage>"
    assert _request(service, "POST", f"/{DEVELOPMENT_ACCOUNT}/returns/messages", body=body).status == 201
    assert [message.content for message in client.peek_messages()] == ["a\rb"]


def test_wrong_key_is_refused_by_the_sdk(service: Server) -> None:
    wrong = DEVELOPMENT_KEY.replace("Eby8", "Eby9")
    client = QueueClient(
        f"{service.url}/{DEVELOPMENT_ACCOUNT}",
        "any-queue",
        credential={"account_name": DEVELOPMENT_ACCOUNT, "account_key": wrong},
    )
    with pytest.raises(ClientAuthenticationError) as caught:
        client.create_queue()
    assert caught.value.status_code == 403
    assert _error_code(caught.value) == "AuthenticationFailed"


def test_signature_covers_the_query(service: Server) -> None:
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2024-11-04"}
    path = f"/{DEVELOPMENT_ACCOUNT}"
    headers["authorization"] = authorization(
        "GET", path, "comp=list&prefix=a", headers, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
    )
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", f"{path}?comp=list&prefix=b", headers=headers)
    assert connection.getresponse().status == 403
    connection.close()


def test_old_date_and_missing_signature(service: Server) -> None:
    old = formatdate(datetime.now(UTC).timestamp() - 16 * 60, usegmt=True)
    assert _request(service, "GET", f"/{DEVELOPMENT_ACCOUNT}?comp=list", date=old).status == 403
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", f"/{DEVELOPMENT_ACCOUNT}?comp=list")
    response = connection.getresponse()
    assert (response.status, response.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
    connection.close()


def test_concurrent_receivers_never_share_a_message(queue: QueueClient, service: Server) -> None:
    for number in range(60):
        queue.send_message(str(number))
    seen: list[str] = []

    def receive_all() -> None:
        client = raw_queue(service.port, queue.queue_name)
        while (message := client.receive_message(visibility_timeout=60)) is not None:
            seen.append(message.content)

    threads = [threading.Thread(target=receive_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(seen, key=int) == [str(number) for number in range(60)]


@pytest.mark.faults
def test_kill_and_restart_lose_nothing_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    acknowledged: list[str] = []
    with queue_service(tmp_path, port=port) as server:
        raw_queue(port, "durable").create_queue()
        sender = threading.Thread(target=_send_until_refused, args=(port, acknowledged))
        sender.start()
        threading.Event().wait(0.6)
        server.kill()
        sender.join(20)
    assert len(acknowledged) > 10

    with queue_service(tmp_path, port=port):
        queue = raw_queue(port, "durable")
        found: list[str] = []
        while batch := list(queue.receive_messages(max_messages=32, visibility_timeout=60)):
            found.extend(message.content for message in batch)
            for message in batch:
                queue.delete_message(message)

    assert len(found) == len(set(found))
    # One message may have been stored while its answer was lost with the process.
    assert set(acknowledged) <= set(found)
    assert len(found) - len(acknowledged) <= 1


def _send_until_refused(port: int, acknowledged: list[str]) -> None:
    client = QueueClient(
        f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}", "durable", credential=CREDENTIAL, retry_total=0
    )
    for number in range(100_000):
        try:
            client.send_message(str(number))
        except AzureError:
            return
        acknowledged.append(str(number))


def test_stops_cleanly(tmp_path: Path) -> None:
    with queue_service(tmp_path) as server:
        assert server.stop() == 0
