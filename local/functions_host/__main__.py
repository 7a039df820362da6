"""`python -m local.functions_host --port 7071 --app .`: serve an app until SIGTERM or SIGINT, then end cleanly."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvicorn
import uvloop

from local.functions_host.engine import Engine, IndexingFailed
from local.functions_host.host import Host, build
from local.functions_host.host_json import HostConfigurationError, load_host_settings, load_local_settings
from local.functions_host.routes import RouteError

log = logging.getLogger("local.functions_host")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.functions_host", description=__doc__)
    parser.add_argument("--port", type=int, default=7071)
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py and host.json")
    parser.add_argument("--data", type=Path, help="folder for timer status (default: .local/functions_host in the app)")
    parser.add_argument("--drain-seconds", type=float, default=30, help="how long work in flight may run after SIGTERM")
    parser.add_argument("--host-key", help="ask for this key at function and admin level; none are asked without it")
    return parser.parse_args()


async def _serve(options: argparse.Namespace) -> int:
    app_dir = options.app.resolve()
    data_dir = (options.data or app_dir / ".local" / "functions_host").resolve()
    try:
        load_local_settings(app_dir, os.environ)
        settings = load_host_settings(app_dir, os.environ)
        # The worker's current folder is the app's, so that relative paths in settings mean the same here.
        os.chdir(app_dir)
        engine = await Engine.start(app_dir)
        host = build(
            engine,
            settings,
            os.environ,
            status_dir=data_dir / "timers",
            base_url=f"http://127.0.0.1:{options.port}",
            host_key=options.host_key,
        )
    except IndexingFailed as failure:
        print(failure.message, failure.stack_trace, sep="\n", file=sys.stderr)
        return 1
    except (HostConfigurationError, RouteError, ValueError) as error:
        print(f"The host cannot start: {error}", file=sys.stderr)
        return 1
    return await _run(host, options.port, options.drain_seconds)


async def _run(host: Host, port: int, drain_s: float) -> int:
    server = uvicorn.Server(
        uvicorn.Config(
            host.front,
            host="127.0.0.1",
            port=port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Kestrel's default; closing sooner costs clients with connection pools a retry.
            timeout_keep_alive=130,
            timeout_graceful_shutdown=max(1, round(drain_s)),
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells this by a flag only
        await asyncio.sleep(0.01)
    if serving.done():
        return 1
    triggers = host.start_triggers()
    stopped = asyncio.Event()

    def stop() -> None:
        host.stop_triggers()
        server.should_exit = True
        stopped.set()

    loop = asyncio.get_running_loop()
    # Replaces uvicorn's own handlers, which would raise the signal again at the end and lose the exit code.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log.info("host on http://127.0.0.1:%d, %d functions", port, len(host.front.functions))
    await stopped.wait()
    try:
        async with asyncio.timeout(drain_s):
            await host.drained(triggers)
            await serving
    except TimeoutError:
        log.exception("work in flight did not end within %s s", drain_s)
        return 1
    host.close()
    return 0


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    code = uvloop.run(_serve(_options()))
    logging.shutdown()
    sys.stderr.flush()
    if code:
        # A thread that never returns would otherwise hold the process at its exit for ever.
        os._exit(code)


if __name__ == "__main__":
    main()
