"""Starts the simulator: `python -m local.confluence --port 8090 --second-port 8092 --data FILE --app-url URL`."""

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from local.confluence.app import build_app
from local.confluence.cast import ACME, GLOBEX, SITE_NAMES, found_sites
from local.confluence.lifecycle import install_when_ready
from local.confluence.people import Site
from local.confluence.points import Quota
from local.confluence.simulator import Settings, Simulator
from local.confluence.storage import OldDataFile, Storage
from local.confluence.tokens import load_install_key
from local.confluence.webhooks import WebhookSender

LOOPBACK = "127.0.0.1"
DRAIN_S = 3
INSTALLED_SCRIPTS = Path(__file__).resolve().parents[2] / "ui" / "node_modules"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.confluence")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--second-port", type=int, default=8092)
    parser.add_argument("--data", type=Path, default=Path(".local/confluence.db"))
    parser.add_argument("--app-url", default="http://127.0.0.1:7071")
    parser.add_argument("--chat-url", default="http://127.0.0.1:8091")
    parser.add_argument("--no-install", action="store_true", help="do not install the app at start")
    return parser.parse_args()


def _cursor_key(storage: Storage) -> bytes:
    with storage.transaction():
        if storage.setting("cursor-key") is None:
            storage.set_setting("cursor-key", secrets.token_hex(32))
    return bytes.fromhex(storage.setting("cursor-key") or "")


def build_simulator(arguments: argparse.Namespace) -> Simulator:
    storage = Storage(arguments.data)
    found_sites(storage)
    ports = {ACME: arguments.port, GLOBEX: arguments.second_port}
    sites = tuple(Site(key, SITE_NAMES[key], f"http://{LOOPBACK}:{port}") for key, port in ports.items())
    return Simulator(
        storage=storage,
        settings=Settings(
            app_url=arguments.app_url.rstrip("/"),
            chat_url=arguments.chat_url.rstrip("/"),
            connect_js=Path(os.environ.get("CONNECT_JS_DIR", INSTALLED_SCRIPTS)),
        ),
        sites=sites,
        install_key=load_install_key(storage),
        senders={site.key: WebhookSender(storage, site) for site in sites},
        cursor_key=_cursor_key(storage),
        quotas={site.key: Quota() for site in sites},
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


def main() -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    arguments = _arguments()
    try:
        sim = build_simulator(arguments)
    except OldDataFile as error:
        print(error, file=sys.stderr)
        return 1
    try:
        listeners = [_listen(arguments.port), _listen(arguments.second_port)]
    except OSError as error:
        print(f"cannot listen on {arguments.port} and {arguments.second_port}: {error.strerror}", file=sys.stderr)
        return 1
    # One server on two sockets is one event loop and one signal handler for both sites.
    config = uvicorn.Config(
        build_app(sim),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    stopping = threading.Event()
    for sender in sim.senders.values():
        sender.start()
    if not arguments.no_install:
        threading.Thread(target=install_when_ready, args=(sim, stopping), daemon=True).start()
    # uvicorn repeats the signal it stopped on; a stop on request is a clean end, with storage closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.Server(config).run(sockets=listeners)
    finally:
        stopping.set()
        for sender in sim.senders.values():
            sender.stop()
        sim.storage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
