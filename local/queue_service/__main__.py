"""Starts the queue service: `python -m local.queue_service --port 10001 --data FILE`."""

import argparse
import logging
import signal
from pathlib import Path

import uvicorn

from local.queue_service.service import QueueService
from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT
from local.queue_service.store import QueueStore

log = logging.getLogger("local.queue_service")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.queue_service", description=__doc__)
    parser.add_argument("--port", type=int, default=10001)
    parser.add_argument("--data", type=Path, default=Path(".local/queues.db"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options.data.parent.mkdir(parents=True, exist_ok=True)
    store = QueueStore(options.data)
    config = uvicorn.Config(
        QueueService(store),
        host="127.0.0.1",
        port=options.port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Clients pool connections; closing them early would cost the SDK a retry.
        timeout_keep_alive=120,
        timeout_graceful_shutdown=3,
    )
    # After its own clean stop uvicorn raises the signal again; without a handler that would end us with 143.
    signal.signal(signal.SIGTERM, lambda *_: None)
    log.info("queue service on http://127.0.0.1:%d/%s, data in %s", options.port, DEVELOPMENT_ACCOUNT, options.data)
    try:
        uvicorn.Server(config).run()
    finally:
        store.close()


if __name__ == "__main__":
    main()
