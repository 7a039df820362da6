"""The whole local stack as processes: started in order, watched, stopped; used by `make run`, tests and bench."""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from local.ports import NotReady, free_port, wait_until_ready

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 60
_STOP_WITHIN_S = 35
"""The Functions host lets work in flight finish for up to thirty seconds."""

_LAST_LINES = 12

_STORAGE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The development account's key, which Microsoft publishes for its own emulator: no secret."""


class StackFailed(Exception):
    """A piece did not come up, or the database could not be migrated; says which in a sentence for people."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of the pieces."""

    app: int = 7071
    queues: int = 10001
    site_one: int = 8090
    site_two: int = 8092
    chat: int = 8091

    @staticmethod
    def free() -> "Ports":
        return Ports(*(free_port() for _ in range(5)))


def _origin(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _encryption_keys(data: Path) -> str:
    """The local master key, made once: rows written yesterday must be readable today."""
    path = data / "keys.json"
    if not path.exists():
        path.write_text(json.dumps({"ENCRYPTION_KEYS": f"v1:{base64.b64encode(secrets.token_bytes(32)).decode()}"}))
        path.chmod(0o600)
    keys: str = json.loads(path.read_text())["ENCRYPTION_KEYS"]
    return keys


@dataclass(slots=True)
class Stack:
    """The pieces around one data folder. `extra` overrides settings of the app."""

    data: Path
    ports: Ports = field(default_factory=Ports)
    extra: Mapping[str, str] = field(default_factory=dict)
    logs_to_files: bool = False
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)

    @property
    def app_url(self) -> str:
        return _origin(self.ports.app)

    @property
    def site_one(self) -> str:
        return _origin(self.ports.site_one)

    @property
    def site_two(self) -> str:
        return _origin(self.ports.site_two)

    @property
    def chat_url(self) -> str:
        return _origin(self.ports.chat)

    @property
    def database_url(self) -> str:
        return self.extra.get("DATABASE_URL", f"sqlite:///{self.data / 'app.db'}")

    def settings(self) -> dict[str, str]:
        """The app's settings, as an operator would give them."""
        queue_endpoint = f"{_origin(self.ports.queues)}/devstoreaccount1"
        return {
            "APP_BASE_URL": self.app_url,
            "CONNECT_APP_KEY": "community-questions",
            "CONNECT_INSTALL_KEYS_URL": f"{self.site_one}/_atlassian/install-keys",
            "ATLASSIAN_OAUTH_URL": f"{self.site_one}/_atlassian/oauth",
            "CONNECT_SCRIPT_URL": f"{self.site_one}/atlassian-connect/all.js",
            "ATLASSIAN_ALLOWED_HOSTS": f".atlassian.net,.jira.com,{self.site_one},{self.site_two}",
            "OUTBOUND_LOCAL_ORIGINS": f"{self.site_one},{self.site_two},{self.chat_url}",
            "DATABASE_URL": self.database_url,
            "ENCRYPTION_KEYS": _encryption_keys(self.data),
            "AzureWebJobsStorage": (
                "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
                f"AccountKey={_STORAGE_KEY};QueueEndpoint={queue_endpoint};"
            ),
            "PYTHON_THREADPOOL_THREAD_COUNT": "16",
            "PYTHONUNBUFFERED": "1",
            **self.extra,
        }

    def migrate(self) -> None:
        """Brings the database to the newest schema; `StackFailed` when that cannot be done."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "alembic", "-x", f"url={self.database_url}", "upgrade", "head"]
        if subprocess.run(command, cwd=ROOT, check=False, env=self._environment()).returncode != 0:
            raise StackFailed("The database could not be brought up to date; see the messages above.")

    def start(self) -> None:
        """Starts every piece and returns when all answer; `StackFailed` when one does not come up."""
        self.data.mkdir(parents=True, exist_ok=True)
        for name in self._commands():
            self.start_one(name)
        for name in self._commands():
            self.wait_for(name)

    def start_one(self, name: str) -> None:
        output = (self.data / f"{name}.log").open("ab") if self.logs_to_files else None
        self._processes[name] = subprocess.Popen(
            self._commands()[name],
            cwd=ROOT,
            env=self._environment(),
            stdout=output,
            stderr=output,
            # A group of its own, so that Ctrl-C reaches the stack first and pieces stop in order.
            start_new_session=True,
        )
        if output is not None:
            output.close()

    def wait_for(self, name: str) -> None:
        urls = {
            "queues": f"{_origin(self.ports.queues)}/healthz",
            "chat": f"{self.chat_url}/healthz",
            "app": f"{self.app_url}/readyz",
            "confluence": f"{self.site_one}/healthz",
        }
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            if self._processes[name].poll() is not None:
                raise StackFailed(f"{name} did not start. Is something using its port?\n{self.last_words(name)}")
            try:
                wait_until_ready(urls[name], 1)
            except NotReady:
                if time.monotonic() > deadline:
                    raise StackFailed(f"{name} does not answer at {urls[name]}.") from None
            else:
                return

    def stop(self) -> None:
        """Stops the pieces in reverse order, each with the time it needs to finish what it has begun."""
        for name in reversed(list(self._processes)):
            self.stop_one(name)

    def stop_one(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would: nothing gets to finish."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def last_words(self, name: str) -> str:
        """The end of what a piece wrote, where its messages go to a file."""
        path = self.data / f"{name}.log"
        if not self.logs_to_files or not path.exists():
            return "Its messages are above."
        return "\n".join(path.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def first_dead(self) -> str | None:
        """The name of a piece that has ended by itself, or None."""
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def _commands(self) -> dict[str, list[str]]:
        ports, python = self.ports, [sys.executable, "-m"]
        return {
            "queues": [
                *python,
                "local.queue_service",
                "--port",
                str(ports.queues),
                "--data",
                str(self.data / "queues.db"),
            ],
            "chat": [*python, "local.chat", "--port", str(ports.chat), "--data", str(self.data / "chat.db")],
            "app": [
                *python,
                "local.functions_host",
                *("--port", str(ports.app), "--app", str(ROOT), "--data", str(self.data / "host")),
            ],
            "confluence": [
                *python,
                "local.confluence",
                *("--port", str(ports.site_one), "--second-port", str(ports.site_two)),
                *("--data", str(self.data / "confluence.db"), "--app-url", self.app_url),
                *("--chat-url", self.chat_url),
            ],
        }

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.settings()}


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """The stack, migrated and up; stopped when the block is left, however it is left."""
    stack.migrate()
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
