"""Starts the local servers as processes of their own, on free ports, for the tests of this folder."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.queue import (
    BinaryBase64DecodePolicy,
    BinaryBase64EncodePolicy,
    QueueClient,
    TextBase64DecodePolicy,
    TextBase64EncodePolicy,
)

from local.ports import free_port, wait_until_ready
from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

ROOT = Path(__file__).parents[2]
SAMPLE_APP = Path(__file__).parent / "sample_app"
CREDENTIAL = {"account_name": DEVELOPMENT_ACCOUNT, "account_key": DEVELOPMENT_KEY}


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(40)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def connection_string(queue_port: int) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={DEVELOPMENT_ACCOUNT};AccountKey={DEVELOPMENT_KEY};"
        f"QueueEndpoint=http://127.0.0.1:{queue_port}/{DEVELOPMENT_ACCOUNT};"
    )


@contextmanager
def running(arguments: list[str], *, port: int, ready: str, log: Path, env: Mapping[str, str]) -> Iterator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=dict(env), stdout=output, stderr=subprocess.STDOUT
        )
    server = Server(process, port, log)
    try:
        wait_until_ready(f"{server.url}{ready}", 30)
        yield server
    except Exception:
        sys.stdout.write(log.read_text("utf-8"))
        raise
    finally:
        if process.poll() is None:
            server.kill()


@contextmanager
def queue_service(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    port = port or free_port()
    arguments = ["local.queue_service", "--port", str(port), "--data", str(folder / "queues.db")]
    with running(arguments, port=port, ready="/healthz", log=folder / "queues.log", env=_environment()) as server:
        yield server


@contextmanager
def functions_host(
    folder: Path, queue_port: int, *options: str, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    port = free_port()
    arguments = ["local.functions_host", "--port", str(port), "--app", str(SAMPLE_APP), "--data", str(folder), *options]
    env = _environment() | host_settings(queue_port) | dict(settings or {})
    with running(arguments, port=port, ready="/admin/host/ping", log=folder / "host.log", env=env) as server:
        yield server


def host_settings(queue_port: int) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": connection_string(queue_port),
        "UnreachableStorage": connection_string(free_port()),
        "PYTHON_THREADPOOL_THREAD_COUNT": "8",
        "SAMPLE_SCHEDULE": "0 0 0 1 1 *",
    }


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TZ": "UTC"}


def text_queue(port: int, name: str) -> QueueClient:
    """A client that encodes as the host does."""
    return QueueClient(
        f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}",
        name,
        credential=CREDENTIAL,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
    )


def binary_queue(port: int, name: str) -> QueueClient:
    return QueueClient(
        f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}",
        name,
        credential=CREDENTIAL,
        message_encode_policy=BinaryBase64EncodePolicy(),
        message_decode_policy=BinaryBase64DecodePolicy(),
    )


def raw_queue(port: int, name: str) -> QueueClient:
    return QueueClient(f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}", name, credential=CREDENTIAL)


def eventually[T](read: Callable[[], T | None], timeout_s: float = 10) -> T:
    """The first value of `read` that is not None; AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = read()
        if value is not None:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.03)
