"""A fresh worker up to its first authenticated answer; says as JSON when it got where. Run by `bench.starting`.

It imports nothing but the standard library before the clock is read: the rest is what is measured.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LATE = (
    "azure.identity",
    "azure.keyvault",
    "azure.storage",
    "azure.monitor",
    "opentelemetry",
    "sqlalchemy.dialects.mssql",
    "sqlalchemy.dialects.postgresql",
)
"""What the HTTP path must not have imported before its first use."""


def _state() -> dict[str, object]:
    status = Path("/proc/self/status").read_text()
    rss_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return {
        "at": time.clock_gettime(time.CLOCK_MONOTONIC),
        "cpu_s": time.process_time(),
        "rss_mb": rss_kb / 1024,
        "modules": len(sys.modules),
        "imported": [name for name in LATE if name in sys.modules],
    }


async def _run(path: str, token: str) -> list[tuple[str, dict[str, object]]]:
    from local.functions_host.engine import Engine, HttpCall, Trace

    stages = [("interpreter", _state())]
    import azure_functions_runtime

    del azure_functions_runtime
    stages.append(("worker library", _state()))
    engine = await Engine.start(ROOT)
    stages.append(("app indexed", _state()))
    function = next(item for item in engine.functions if item.name == "api_space_grants")
    headers = {"authorization": f"JWT {token}", "host": "127.0.0.1"}
    call = HttpCall("GET", f"http://127.0.0.1{path}", headers, {}, {"spaceId": path.split("/")[4]}, b"")
    for stage in ("first answer", "second answer"):
        result = await engine.invoke_http(function, call, Trace())
        if result.http is None or result.http.status != 200:
            raise RuntimeError(f"the app answered {result}")
        stages.append((stage, _state()))
    return stages


if __name__ == "__main__":
    found = asyncio.run(_run(sys.argv[1], sys.argv[2]))
    print(json.dumps(found), flush=True)
    # The worker library's thread pool has no say in how long a start takes.
    os._exit(0)
