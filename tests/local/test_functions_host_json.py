"""host.json with its overrides, local.settings.json, %SETTING% and connections."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.functions_host.host_json import (
    HostConfigurationError,
    QueueEndpoint,
    is_disabled,
    load_host_settings,
    load_local_settings,
    queue_endpoint,
    resolve,
    time_span,
)
from local.queue_service.shared_key import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY


def _app(folder: Path, host: dict[str, Any]) -> Path:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **host}), "utf-8")
    return folder


def test_defaults(tmp_path: Path) -> None:
    settings = load_host_settings(_app(tmp_path, {}), {})
    assert settings.http.route_prefix == "api"
    assert (settings.http.max_outstanding, settings.http.max_concurrent, settings.http.hsts) == (None, None, None)
    queues = settings.queues
    assert (queues.batch_size, queues.new_batch_threshold, queues.max_dequeue_count) == (16, 8, 5)
    assert (queues.max_polling_interval_s, queues.visibility_timeout_s, queues.base64) == (2, 0, True)


def test_overrides_win_and_ignore_case(tmp_path: Path) -> None:
    app = _app(tmp_path, {"extensions": {"queues": {"batchSize": 8, "messageEncoding": "none"}}})
    settings = load_host_settings(
        app,
        {
            "AzureFunctionsJobHost__extensions__queues__batchSize": "4",
            "AZUREFUNCTIONSJOBHOST__EXTENSIONS__QUEUES__VISIBILITYTIMEOUT": "00:00:30",
            "AzureFunctionsJobHost__extensions__http__routePrefix": "",
            "AzureFunctionsJobHost__extensions__http__customHeaders__X-Extra": "yes",
            "AzureFunctionsJobHost__extensions__http__maxOutstandingRequests": "7",
        },
    )
    queues = settings.queues
    assert (queues.batch_size, queues.new_batch_threshold, queues.visibility_timeout_s) == (4, 2, 30)
    assert not queues.base64
    assert settings.http.route_prefix == ""
    assert settings.http.custom_headers == (("X-Extra", "yes"),)
    assert settings.http.max_outstanding == 7


@pytest.mark.parametrize(
    "queues",
    [
        {"batchSize": 33},
        {"batchSize": 0},
        {"maxPollingInterval": "00:00:00.05"},
        {"messageEncoding": "rot13"},
        {"visibilityTimeout": "soon"},
    ],
)
def test_bad_queue_settings_are_refused(tmp_path: Path, queues: dict[str, Any]) -> None:
    with pytest.raises(HostConfigurationError):
        load_host_settings(_app(tmp_path, {"extensions": {"queues": queues}}), {})


def test_only_version_two(tmp_path: Path) -> None:
    with pytest.raises(HostConfigurationError):
        load_host_settings(_app(tmp_path, {"version": "1.0"}), {})


def test_hsts_header(tmp_path: Path) -> None:
    hsts = {"isEnabled": True, "maxAge": "10", "includeSubDomains": True, "preload": True}
    settings = load_host_settings(_app(tmp_path, {"extensions": {"http": {"hsts": hsts}}}), {})
    assert settings.http.hsts is not None
    assert settings.http.hsts.header() == "max-age=864000; includeSubDomains; preload"


def test_local_settings_never_override(tmp_path: Path) -> None:
    values = {"A": "file", "B": "file"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}), "utf-8")
    environ = {"A": "environment"}
    load_local_settings(tmp_path, environ)
    assert environ == {"A": "environment", "B": "file"}


def test_encrypted_local_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": true, "Values": {}}', "utf-8")
    with pytest.raises(HostConfigurationError):
        load_local_settings(tmp_path, {})


def test_resolve() -> None:
    assert resolve("cq-%STAGE%-%N%", {"STAGE": "dev", "N": "1"}) == "cq-dev-1"
    assert resolve("0 */5 * * * *", {}) == "0 */5 * * * *"
    with pytest.raises(HostConfigurationError, match="STAGE"):
        resolve("cq-%STAGE%", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:02", timedelta(seconds=2)),
        ("00:00:00.5000000", timedelta(milliseconds=500)),
        ("01:30", timedelta(hours=1, minutes=30)),
        ("2.00:00:01", timedelta(days=2, seconds=1)),
        ("30", timedelta(days=30)),
        ("25:10:00", timedelta(days=25, hours=10)),
    ],
)
def test_time_spans(text: str, expected: timedelta) -> None:
    assert time_span(text) == expected


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"S": "UseDevelopmentStorage=true"}, f"http://127.0.0.1:10001/{DEVELOPMENT_ACCOUNT}"),
        ({"S": "AccountName=acme;AccountKey=QQ=="}, "https://acme.queue.core.windows.net"),
        (
            {"S": "DefaultEndpointsProtocol=http;AccountName=acme;AccountKey=QQ==;EndpointSuffix=example.test"},
            "http://acme.queue.example.test",
        ),
        ({"S": "AccountName=acme;AccountKey=QQ==;QueueEndpoint=http://127.0.0.1:9/acme/;"}, "http://127.0.0.1:9/acme"),
        ({"AzureWebJobsS": "AccountName=acme;AccountKey=QQ==", "S": "x"}, "https://acme.queue.core.windows.net"),
        (
            {"S__queueServiceUri": f"http://127.0.0.1:10001/{DEVELOPMENT_ACCOUNT}/"},
            f"http://127.0.0.1:10001/{DEVELOPMENT_ACCOUNT}",
        ),
    ],
)
def test_connections(environ: dict[str, str], url: str) -> None:
    assert queue_endpoint("S", environ).url == url


def test_connection_keys_and_default_name() -> None:
    endpoint = queue_endpoint("", {"AzureWebJobsStorage": "AccountName=acme;AccountKey=a+b/c=="})
    assert endpoint == QueueEndpoint("https://acme.queue.core.windows.net", "acme", "a+b/c==")
    assert queue_endpoint("S", {"S": "UseDevelopmentStorage=true"}).key == DEVELOPMENT_KEY


@pytest.mark.parametrize(
    "environ",
    [{}, {"S": "AccountName=acme"}, {"S__accountName": "acme"}, {"S__queueServiceUri": "https://acme.example.test"}],
)
def test_connections_that_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(HostConfigurationError, match="The connection S"):
        queue_endpoint("S", environ)


def test_disabled_functions() -> None:
    assert is_disabled("relay", {"AzureWebJobs.relay.Disabled": "true"})
    assert is_disabled("relay", {"AzureWebJobs_relay_Disabled": "1"})
    assert not is_disabled("relay", {"AzureWebJobs.other.Disabled": "true"})
