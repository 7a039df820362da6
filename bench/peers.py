"""The Node peer: installed into bench/peer by the bench alone, from its lock file; absent where that fails."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.measuring import DATA, ROOT, SERVER_CPU, pin
from bench.site import CLIENT_KEY, SECRET, context_token, stop_process, wire
from local.ports import NotReady, free_port, wait_until_ready

FOLDER = ROOT / "bench" / "peer"
_INSTALLED = FOLDER / "node_modules" / ".installed"
_INSTALL_WITHIN_S = 420
STORES = {"sqlite": "its own store (SQLite in memory)", "map": "store replaced by a Map"}


@dataclass(frozen=True, slots=True)
class Peer:
    pid: int
    port: int

    def request(self, account_id: str) -> str:
        return wire("GET", "/grants/65537", context_token(account_id))


def install() -> str | None:
    """Installs the peer once; None when it is there, else why it is not."""
    if _INSTALLED.exists() and _INSTALLED.stat().st_mtime > (FOLDER / "package-lock.json").stat().st_mtime:
        return None
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node is not installed"
    print("  installing the peer (its SQLite may be compiled, which takes minutes) …", flush=True)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, timeout=_INSTALL_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"npm took longer than {_INSTALL_WITHIN_S} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["npm failed"])[0]
    _INSTALLED.touch()
    return None


@contextmanager
def running(store: str) -> Iterator[Peer | None]:
    """The peer with that store on the server's core, or None where it does not start."""
    port = free_port()
    environment = {**os.environ, "NODE_ENV": "production", "PEER_CLIENT_KEY": CLIENT_KEY, "PEER_SECRET": SECRET}
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / f"peer-{store}.log").open("wb") as output:
        process = subprocess.Popen(
            ["node", "server.js", str(port), store], cwd=FOLDER, env=environment, stdout=output, stderr=output
        )
        try:
            pin(process.pid, SERVER_CPU)
            try:
                wait_until_ready(f"http://127.0.0.1:{port}/healthz", 15)
            except NotReady:
                yield None
            else:
                pin(process.pid, SERVER_CPU)
                yield Peer(process.pid, port)
        finally:
            stop_process(process)
