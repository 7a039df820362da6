"""What leaves for Application Insights: our own log records, and nothing that identifies or opens anything."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhY21lIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
APP = f"""
import logging, time
import lib.telemetry
from lib.log import Log
from lib.services import services
lib.telemetry._AFTER_S = 0.0
services()
while "azure.monitor.opentelemetry.exporter" not in __import__("sys").modules or not logging.getLogger("cq").handlers:
    time.sleep(0.1)
time.sleep(0.5)
Log("test").warning("http_refused", route="/api/v1/me", status=401, code="unauthenticated")
logging.getLogger("cq.other").warning("GET /ui/questions?jwt={TOKEN} by Alice.Archer@example.com")
logging.getLogger("somebody.else").warning("not ours")
from opentelemetry._logs import get_logger_provider
get_logger_provider().force_flush()
"""


class Ingestion(ThreadingHTTPServer):
    """Takes what the exporter sends, as the vendor's endpoint would."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.envelopes: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Ingestion

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = json.loads(body)
        self.server.envelopes += sent
        answer = json.dumps({"itemsReceived": len(sent), "itemsAccepted": len(sent), "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Test output is not the place for access lines."""


@pytest.fixture
def ingestion() -> Iterator[Ingestion]:
    server = Ingestion()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_our_records_leave_and_they_are_clean(ingestion: Ingestion, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{ingestion.server_address[1]}/"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "APP_BASE_URL": "https://cq.example.com",
        "CONNECT_APP_KEY": "community-questions",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}",
        "ENCRYPTION_KEYS": "v1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={endpoint};LiveEndpoint={endpoint}"
        ),
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "OTEL_METRICS_EXPORTER": "none",
    }
    subprocess.run([sys.executable, "-c", APP], cwd=tmp_path, env=environment, check=True, timeout=60)

    text = json.dumps(ingestion.envelopes)
    assert "http_refused" in text
    assert "/ui/questions" in text
    assert "not ours" not in text
    assert TOKEN[:20] not in text
    assert "Alice.Archer" not in text
