"""A running chat simulator for tests: its own process, a free port, a file of its own."""

import copy
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from local.ports import free_port, wait_until_ready

ROOT: Final = Path(__file__).parents[2]
JSON_TYPE: Final = "application/json; charset=utf-8"
CARD: Final[dict[str, Any]] = {
    "type": "AdaptiveCard",
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "version": "1.4",
    "msteams": {"width": "Full"},
    "body": [
        {"type": "TextBlock", "text": "Alice asked a question", "weight": "bolder", "wrap": True},
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "How do I roll back?"}]},
        {"type": "FactSet", "facts": [{"title": "Space", "value": "Engineering"}]},
    ],
    "actions": [{"type": "Action.OpenUrl", "title": "Open question", "url": "http://127.0.0.1:8090/wiki/pages/1"}],
}


@dataclass(slots=True)
class Simulator:
    """One process; `restart` starts another on the same port and data."""

    data: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_channel(self, name: str = "Tests", **options: bool) -> "Webhook":
        answer = requests.post(f"{self.base_url}/_sim/channels", json={"name": name, **options}, timeout=5)
        assert answer.status_code == 201, answer.text
        return Webhook(self, answer.json()["id"], answer.json()["url"])

    def channels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.base_url}/_sim/channels", timeout=5).json()
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)

    def stop(self) -> int:
        """Ask politely; the answer is the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def restart(self) -> None:
        self.process = _launch(self.port, self.data)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A channel as a sender and a test see it."""

    simulator: Simulator
    id: str
    url: str

    def post(self, body: bytes, content_type: str = JSON_TYPE, *, url: str | None = None) -> requests.Response:
        headers = {"Content-Type": content_type}
        return requests.post(url or self.url, data=body, headers=headers, allow_redirects=False, timeout=10)

    def post_card(self, card: object) -> requests.Response:
        return self.post(encode(message(card)))

    def script(self, *answers: dict[str, Any], repeat: bool = False) -> None:
        document = {"answers": list(answers), "repeat": repeat}
        answer = requests.post(self._control("script"), json=document, timeout=5)
        assert answer.status_code == 200, answer.text

    def drop_script(self) -> None:
        assert requests.delete(self._control("script"), timeout=5).status_code == 204

    def messages(self) -> list[dict[str, Any]]:
        address = f"{self.simulator.base_url}/_sim/messages?channel={self.id}"
        found: list[dict[str, Any]] = requests.get(address, timeout=5).json()
        return found

    def states(self) -> list[str]:
        return [message["verdict"]["state"] for message in self.messages()]

    def last_reasons(self) -> str:
        return "\n".join(self.messages()[-1]["verdict"]["reasons"])

    def _control(self, what: str) -> str:
        return f"{self.simulator.base_url}/_sim/channels/{self.id}/{what}"


def start_simulator(data: Path) -> Simulator:
    port = free_port()
    return Simulator(data, port, _launch(port, data))


def _launch(port: int, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "local.chat", "--port", str(port), "--data", str(data)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/healthz", 15)
    except Exception:
        process.kill()
        process.wait(timeout=10)
        raise
    return process


def card(**changes: object) -> dict[str, Any]:
    """A card Teams shows, with these members replaced; None removes one."""
    changed = {**copy.deepcopy(CARD), **changes}
    return {key: value for key, value in changed.items() if value is not None}


def message(content: object) -> dict[str, Any]:
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": content}]}


def encode(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8")
