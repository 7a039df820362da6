"""Starts the chat simulator: `python -m local.chat --port 8091 --data .local/chat.db`."""

import argparse
import signal
import sys
from pathlib import Path

import uvicorn

from local.chat.answering import ConnectionAwareProtocol
from local.chat.app import log, make_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.chat", description=__doc__)
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--data", type=Path, default=Path(".local/chat.db"))
    arguments = parser.parse_args()
    # Uvicorn raises the signal again once it has stopped; this makes that end a success.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    base_url = f"http://127.0.0.1:{arguments.port}"
    log(f"listening on {base_url}, data in {arguments.data}")
    uvicorn.run(
        make_app(arguments.data, base_url),
        host="127.0.0.1",
        port=arguments.port,
        http=ConnectionAwareProtocol,
        # The access log would write the webhooks' signatures; the doors log what matters.
        access_log=False,
        log_level="warning",
        server_header=False,
        # A scripted answer may hold its connection for two minutes; a stop does not wait for it.
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
