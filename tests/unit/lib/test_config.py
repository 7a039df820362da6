"""Settings: what is read, what is refused, and that every problem is told at once."""

import base64
import json
from pathlib import Path

import pytest

from lib.config import (
    DEFAULT_ATLASSIAN_HOSTS,
    DEFAULT_CONNECT_SCRIPT_URL,
    DEFAULT_INSTALL_KEYS_URL,
    DEFAULT_OAUTH_URL,
    DEFAULT_TEAMS_HOSTS,
    Settings,
    SettingsInvalid,
    read_settings,
)

KEY = base64.b64encode(b"k" * 32).decode()
OTHER_KEY = base64.b64encode(b"o" * 32).decode()
NEEDED = {
    "APP_BASE_URL": "https://cq.example.com",
    "CONNECT_APP_KEY": "community-questions",
    "DATABASE_URL": "sqlite:///app.db",
    "ENCRYPTION_KEYS": f"v1:{KEY}",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
LOCAL = {
    "APP_BASE_URL": "http://127.0.0.1:7071",
    "CONNECT_INSTALL_KEYS_URL": "http://127.0.0.1:8090/_atlassian/install-keys",
    "ATLASSIAN_OAUTH_URL": "http://127.0.0.1:8090/_atlassian/oauth",
    "CONNECT_SCRIPT_URL": "http://127.0.0.1:8090/atlassian-connect/all.js",
    "ATLASSIAN_ALLOWED_HOSTS": ".atlassian.net,.jira.com,http://127.0.0.1:8090,http://127.0.0.1:8092",
    "OUTBOUND_LOCAL_ORIGINS": "http://127.0.0.1:8090,http://127.0.0.1:8091",
}


def read(**changes: str | None) -> Settings:
    environment = NEEDED | {name: value for name, value in changes.items() if value is not None}
    return read_settings({name: value for name, value in environment.items() if changes.get(name, "") is not None})


def faults(**changes: str | None) -> list[str]:
    """The settings that are complained about, each once, in order."""
    with pytest.raises(SettingsInvalid) as refused:
        read(**changes)
    return list(dict.fromkeys(fault.where for fault in refused.value.faults))


def test_what_is_needed_is_enough() -> None:
    settings = read()

    assert settings.app_base_url == "https://cq.example.com"
    assert settings.encryption_keys == ((1, b"k" * 32),)
    assert settings.connect_install_keys_url == DEFAULT_INSTALL_KEYS_URL
    assert settings.atlassian_oauth_url == DEFAULT_OAUTH_URL
    assert settings.connect_script_url == DEFAULT_CONNECT_SCRIPT_URL
    assert settings.connect_script_origin == "https://connect-cdn.atl-paas.net"
    assert settings.atlassian_allowed_hosts == tuple(DEFAULT_ATLASSIAN_HOSTS.split(","))
    assert settings.teams_hosts == tuple(DEFAULT_TEAMS_HOSTS.split(","))
    assert settings.outbound_local_origins == frozenset()
    assert settings.telemetry_connection_string is None
    assert settings.security_contact is None
    assert settings.rate_limit_factor == 1
    assert settings.key_vault_url is None
    assert not settings.is_azure


def test_the_local_stack_is_described_by_ordinary_settings() -> None:
    settings = read(**LOCAL)

    assert settings.app_base_url == "http://127.0.0.1:7071"
    assert settings.connect_script_origin == "http://127.0.0.1:8090"
    assert settings.atlassian_allowed_hosts[2:] == ("http://127.0.0.1:8090", "http://127.0.0.1:8092")
    assert settings.outbound_local_origins == {"http://127.0.0.1:8090", "http://127.0.0.1:8091"}


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_setting_is_named(name: str, value: str | None) -> None:
    assert faults(**{name: value}) == [name]


def test_everything_missing_is_said_at_once() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read_settings({})
    assert {fault.where for fault in refused.value.faults} == set(NEEDED)
    assert all(name in str(refused.value) for name in NEEDED)


MALFORMED = [
    ("APP_BASE_URL", "cq.example.com"),
    ("APP_BASE_URL", "http://cq.example.com"),
    ("APP_BASE_URL", "ftp://127.0.0.1"),
    ("APP_BASE_URL", "https://"),
    ("APP_BASE_URL", "https://cq.example.com/"),
    ("APP_BASE_URL", "https://cq.example.com/app"),
    ("APP_BASE_URL", "https://cq.example.com?x=1"),
    ("APP_BASE_URL", "https://cq.example.com#x"),
    ("APP_BASE_URL", "https://carol:secret@cq.example.com"),
    ("APP_BASE_URL", "https://[oops"),
    ("APP_BASE_URL", "https://cq.example.com:99999"),
    ("CONNECT_APP_KEY", "has space"),
    ("CONNECT_APP_KEY", "k" * 65),
    ("CONNECT_APP_KEY", "schlüssel"),
    ("CONNECT_INSTALL_KEYS_URL", "http://keys.example.com"),
    ("CONNECT_INSTALL_KEYS_URL", "https://keys.example.com/"),
    ("ATLASSIAN_OAUTH_URL", "oauth"),
    ("CONNECT_SCRIPT_URL", "//cdn.example.com/all.js"),
    ("ATLASSIAN_ALLOWED_HOSTS", "atlassian.net"),
    ("ATLASSIAN_ALLOWED_HOSTS", ".net"),
    ("ATLASSIAN_ALLOWED_HOSTS", ".atlassian.net, https://x.example.com/path"),
    ("DESTINATION_HOSTS_TEAMS", "http://127.0.0.1:8091"),
    ("DESTINATION_HOSTS_TEAMS", "*.logic.azure.com"),
    ("OUTBOUND_LOCAL_ORIGINS", "127.0.0.1:8090"),
    ("OUTBOUND_LOCAL_ORIGINS", "http://127.0.0.1:8090/"),
    ("OUTBOUND_LOCAL_ORIGINS", "http://127.0.0.1:８０９０"),
    ("SECURITY_CONTACT", "security@example.com"),
    ("SECURITY_CONTACT", "http://example.com/security"),
    ("ENCRYPTION_KEYS", KEY),
    ("ENCRYPTION_KEYS", f"1:{KEY}"),
    ("ENCRYPTION_KEYS", f"v0:{KEY}"),
    ("ENCRYPTION_KEYS", f"v1２:{KEY}"),
    ("ENCRYPTION_KEYS", "v1:dG9vLXNob3J0"),
    ("ENCRYPTION_KEYS", "v1:not base64"),
    ("ENCRYPTION_KEYS", f"v1:{KEY},v1:{OTHER_KEY}"),
    ("ENCRYPTION_KEYS", f"v1:{KEY};v2:{OTHER_KEY}"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    assert faults(**{name: value}) == [name]


def test_all_malformed_settings_are_named_at_once() -> None:
    first = dict(reversed(MALFORMED))
    assert set(faults(**first)) == set(first)


def test_no_problem_repeats_a_secret() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(ENCRYPTION_KEYS=f"v1:{KEY},v1:{OTHER_KEY}", APP_BASE_URL="https://carol:secret@cq.example.com")
    assert KEY not in str(refused.value)
    assert "secret" not in str(refused.value)


OPTIONAL = [
    "AZURE_CLIENT_ID",
    "KEY_VAULT_URL",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__clientId",
    "SECURITY_CONTACT",
    "CONNECT_SCRIPT_URL",
    "OUTBOUND_LOCAL_ORIGINS",
]


@pytest.mark.parametrize("name", [*NEEDED, *OPTIONAL])
def test_an_unresolved_reference_stops_the_start(name: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        read(**{name: "@Microsoft.KeyVault(SecretUri=https://vault.example.com/secrets/x)"})
    assert {fault.where for fault in refused.value.faults} == {name}
    assert "unresolved Key Vault reference" in str(refused.value)
    assert "vault.example.com" not in str(refused.value)


def test_several_keys_keep_their_order() -> None:
    settings = read(ENCRYPTION_KEYS=f"v1:{KEY}, v2:{OTHER_KEY}")
    assert settings.encryption_keys == ((1, b"k" * 32), (2, b"o" * 32))


def test_a_vault_takes_the_place_of_the_keys() -> None:
    settings = read(KEY_VAULT_URL="https://cq.vault.azure.net", ENCRYPTION_KEYS=None)
    assert settings.key_vault_url == "https://cq.vault.azure.net"
    assert settings.encryption_keys == ()


def test_keys_have_one_source() -> None:
    assert faults(KEY_VAULT_URL="https://cq.vault.azure.net") == ["ENCRYPTION_KEYS"]


def test_queues_are_reached_by_an_identity_or_a_connection_string() -> None:
    settings = read(
        AzureWebJobsStorage=None,
        AzureWebJobsStorage__queueServiceUri="https://cq.queue.core.windows.net",
        AzureWebJobsStorage__clientId="1f0c7a60-0000-4000-8000-000000000000",
    )
    assert settings.queues.connection_string is None
    assert settings.queues.service_uri == "https://cq.queue.core.windows.net"
    assert settings.queues.client_id == "1f0c7a60-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTBOUND_LOCAL_ORIGINS", "http://127.0.0.1:8090"),
        ("OUTBOUND_LOCAL_ORIGINS", "https://internal.example.com"),
        ("APP_BASE_URL", "http://127.0.0.1:7071"),
        ("ATLASSIAN_ALLOWED_HOSTS", ".atlassian.net,http://127.0.0.1:8090"),
        ("ATLASSIAN_ALLOWED_HOSTS", ".atlassian.net,https://acme.example.com"),
    ],
)
def test_azure_refuses_what_only_the_local_stack_may_have(name: str, value: str) -> None:
    read(**{name: value})
    assert faults(**{name: value, "WEBSITE_INSTANCE_ID": "instance"}) == [name]


def test_azure_takes_the_rest() -> None:
    assert read(WEBSITE_INSTANCE_ID="instance").is_azure
    assert read(WEBSITE_SITE_NAME="site").is_azure


def test_all_that_azure_refuses_is_said_at_once() -> None:
    assert set(faults(**LOCAL, WEBSITE_INSTANCE_ID="instance")) == {
        "APP_BASE_URL",
        "ATLASSIAN_ALLOWED_HOSTS",
        "OUTBOUND_LOCAL_ORIGINS",
    }


def test_settings_show_no_secret() -> None:
    shown = repr(
        read(
            DATABASE_URL="postgresql+psycopg://cq:database-secret@db/cq",
            APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=telemetry-secret",
            AzureWebJobsStorage="AccountKey=queue-secret",
        )
    )
    for secret in ("database-secret", "telemetry-secret", "queue-secret", str(b"k" * 32)):
        assert secret not in shown


def test_settings_cannot_be_changed() -> None:
    settings = read()
    with pytest.raises(AttributeError):
        settings.is_azure = True  # type: ignore[misc]


def test_the_sample_for_developers_is_valid_but_for_its_key() -> None:
    sample = Path(__file__).resolve().parents[3] / "local.settings.sample.json"
    values = json.loads(sample.read_text())["Values"]
    settings = read_settings(values | {"ENCRYPTION_KEYS": f"v1:{KEY}"})
    assert settings.app_base_url == "http://127.0.0.1:7071"


@pytest.mark.parametrize(("text", "factor"), [("0.5", 0.5), ("1000", 1000), (" 2 ", 2), ("1e-3", 0.001), ("", 1)])
def test_rate_limits_can_be_widened_and_narrowed(text: str, factor: float) -> None:
    assert read(RATE_LIMIT_FACTOR=text).rate_limit_factor == factor


@pytest.mark.parametrize("text", ["0", "-1", "1000.1", "inf", "nan", "many", "1,5"])
def test_a_factor_that_is_none_is_named(text: str) -> None:
    assert faults(RATE_LIMIT_FACTOR=text) == ["RATE_LIMIT_FACTOR"]
