"""A simulator process for each module of tests, and a fake app in a thread of this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.ports import free_port, wait_until_ready
from tests.local_confluence.fake_app import FakeApp, serve
from tests.local_confluence.people import ALICE, BOB, CAROL, DAVE, AppIdentity, Browser, Control, identity_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Process:
    """One simulator process over one data file; may be stopped and started again."""

    data: Path
    app: FakeApp
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    running: subprocess.Popen[bytes] | None = None

    @property
    def acme(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def globex(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "local.confluence", "--port", str(self.ports[0])]
        command += ["--second-port", str(self.ports[1]), "--data", str(self.data), "--app-url", self.app.url, *options]
        self.app.site_url = self.acme
        log = (self.data.parent / "log").open("ab")
        with log:
            self.running = subprocess.Popen(command, cwd=ROOT, stderr=log, env=dict(os.environ))
        wait_until_ready(f"{self.acme}/healthz", 20)

    def wait_until_installed(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if all(Control(origin).send("GET", "/state")["state"] == "enabled" for origin in (self.acme, self.globex)):
                return
            time.sleep(0.05)
        raise AssertionError((self.data.parent / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.running is None:
            return 0
        self.running.send_signal(how)
        status = self.running.wait(timeout=15)
        self.running = None
        return status


@pytest.fixture(scope="module")
def app() -> Iterator[FakeApp]:
    fake = FakeApp(free_port())
    server = serve(fake)
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def process(app: FakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    made = Process(tmp_path_factory.mktemp("confluence") / "data.db", app)
    try:
        made.start()
        made.wait_until_installed()
        yield made
    finally:
        made.stop()


@pytest.fixture
def control(process: Process) -> Control:
    return Control(process.acme)


@pytest.fixture
def identity(process: Process, app: FakeApp) -> AppIdentity:
    return identity_of(app, process.acme)


@pytest.fixture
def alice(process: Process) -> Browser:
    return Browser(process.acme, ALICE)


@pytest.fixture
def bob(process: Process) -> Browser:
    return Browser(process.acme, BOB)


@pytest.fixture
def carol(process: Process) -> Browser:
    return Browser(process.acme, CAROL)


@pytest.fixture
def dave(process: Process) -> Browser:
    return Browser(process.acme, DAVE)


@pytest.fixture
def heard(control: Control, app: FakeApp) -> FakeApp:
    """The fake app with an empty memory of webhooks; what it knows of installs stays."""
    control.settle(app)
    return app
