import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import Fault, Invalid
from lifecycle.payloads import Installed, LifecycleEvent, LifecycleNotice, parse_installed, parse_notice

APP_KEY = "community-questions"
HOSTS = (".atlassian.net", ".jira.com", "http://127.0.0.1:8090")
SECRET = "s" * 40

type Body = dict[str, object]


def installed_with(**changes: object) -> bytes:
    """A body as Confluence sends it, changed; `...` takes a member away."""
    body: Body = {
        "key": APP_KEY,
        "clientKey": "acme-0000-client-key",
        "publicKey": "MIGf",
        "sharedSecret": SECRET,
        "serverVersion": "6452",
        "pluginsVersion": "1000.0.0",
        "baseUrl": "https://acme.atlassian.net/wiki",
        "displayUrl": "https://questions.acme.example",
        "productType": "confluence",
        "description": "Atlassian Confluence at acme",
        "oauthClientId": "b2F1dGgtY2xpZW50",
        "eventType": "installed",
        "installationId": "ari:cloud:ecosystem::installation/7d3f9b1c-8a52-4c6e-9d01-5e8b2f4a6c70",
        "accountId": "557058:ca401000-0000-4000-8000-000000000003",
        "somethingNew": {"a": [1]},
    }
    body.update(changes)
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


def parsed(body: bytes) -> Installed:
    return parse_installed(body, app_key=APP_KEY, allowed_hosts=HOSTS)


def faults_of(body: bytes) -> tuple[Fault, ...]:
    with pytest.raises(Invalid) as invalid:
        parsed(body)
    return invalid.value.faults


def test_an_installed_body_is_read() -> None:
    assert parsed(installed_with()) == Installed(
        client_key=parsed(installed_with()).client_key,
        shared_secret=SECRET,
        base_url="https://acme.atlassian.net/wiki",
        display_url="https://questions.acme.example",
        oauth_client_id="b2F1dGgtY2xpZW50",
        installation_ari="ari:cloud:ecosystem::installation/7d3f9b1c-8a52-4c6e-9d01-5e8b2f4a6c70",
    )
    assert parsed(installed_with()).client_key == "acme-0000-client-key"


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(parsed(installed_with()))


@pytest.mark.parametrize("absent", [..., None])
def test_optional_members_may_be_absent(absent: object) -> None:
    installed = parsed(installed_with(displayUrl=absent, oauthClientId=absent, installationId=absent))

    assert (installed.display_url, installed.oauth_client_id, installed.installation_ari) == (None, None, None)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://acme.atlassian.net",
        "https://acme.atlassian.net/wiki",
        "https://a-1.b.jira.com/wiki",
        "http://127.0.0.1:8090",
        "http://127.0.0.1:8090/wiki",
        "https://" + "a" * 63 + ".atlassian.net/wiki",
    ],
)
def test_an_address_of_the_product_is_accepted(base_url: str) -> None:
    assert parsed(installed_with(baseUrl=base_url)).base_url == base_url


BAD_ADDRESSES = [
    "",
    "/wiki",
    "acme.atlassian.net",
    "http://acme.atlassian.net/wiki",
    "ftp://acme.atlassian.net",
    "HTTPS://acme.atlassian.net",
    "https:acme.atlassian.net",
    "https:///acme.atlassian.net",
    "https://acme.atlassian.net:443/wiki",
    "https://acme.atlassian.net:8443",
    "https://user@acme.atlassian.net",
    "https://user:word@acme.atlassian.net",
    "https://evil.example\\@acme.atlassian.net",
    "https://acme.atlassian.net.",
    "https://.atlassian.net",
    "https://-acme.atlassian.net",
    "https://acme..atlassian.net",
    "https://ACME.atlassian.net",
    "https://acme.atlassian.net/",
    "https://acme.atlassian.net/wiki/",
    "https://acme.atlassian.net/wiki/../admin",
    "https://acme.atlassian.net/jira",
    "https://acme.atlassian.net/wiki?x=1",
    "https://acme.atlassian.net?x",
    "https://acme.atlassian.net#x",
    "https://acme.atlassian.net/wiki\n",
    "https://acme.atlassian.net\t/wiki",
    " https://acme.atlassian.net",
    "https://acme%2eatlassian.net",
    "https://\u0430cme.atlassian.net",
    "https://acme\u3002atlassian\u3002net",
    "https://169.254.169.254",
    "https://2852039166",
    "https://0xa9.254.169.254",
    "https://[::1]/wiki",
    "https://localhost/wiki",
    "https://" + "a" * 64 + ".atlassian.net",
    "https://" + ".".join(["a" * 60] * 4) + ".atlassian.net",
    "http://127.0.0.1:8090/",
    "http://127.0.0.1:8090/wiki/wiki",
    "http://127.0.0.1:8091",
    "http://127.0.0.1",
    "http://127.0.0.1:8090@evil.example",
    ".atlassian.net",
    ".atlassian.net/wiki",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_with_surprises_is_refused(address: str) -> None:
    (fault,) = faults_of(installed_with(baseUrl=address))

    assert fault.where == "/baseUrl"
    assert address in {"", "/wiki"} or address not in fault.detail


@pytest.mark.parametrize("address", [*BAD_ADDRESSES, 5, True, [], {}])
def test_an_odd_display_address_counts_as_absent(address: object) -> None:
    assert parsed(installed_with(displayUrl=address)) == parsed(installed_with(displayUrl=...))


@pytest.mark.parametrize("ari", ["", "7d3f9b1c", "ari:", "ari:" + "x" * 251, "ari:a b", "ari:\ud800", 5, True, [], {}])
def test_an_odd_installation_id_counts_as_absent(ari: object) -> None:
    assert parsed(installed_with(installationId=ari)) == parsed(installed_with(installationId=...))
    body = installed_with(eventType="uninstalled", installationId=ari)
    assert parse_notice(body, event=LifecycleEvent.UNINSTALLED, app_key=APP_KEY).installation_ari is None


@pytest.mark.parametrize(
    "host", ["evil.example", "atlassian.net", "evilatlassian.net", "acme.atlassian.net.evil.example", "jira.com"]
)
def test_the_base_address_must_be_a_host_of_the_product_and_the_display_address_need_not(host: str) -> None:
    assert faults_of(installed_with(baseUrl=f"https://{host}/wiki")) == (
        Fault("/baseUrl", "must have a host of the product"),
    )
    assert parsed(installed_with(displayUrl=f"https://{host}")).display_url == f"https://{host}"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"key": "another-app"}, "/key"),
        ({"key": ...}, "/key"),
        ({"key": [APP_KEY]}, "/key"),
        ({"eventType": "enabled"}, "/eventType"),
        ({"eventType": ...}, "/eventType"),
        ({"productType": "jira"}, "/productType"),
        ({"productType": ...}, "/productType"),
        ({"clientKey": ...}, "/clientKey"),
        ({"clientKey": ""}, "/clientKey"),
        ({"clientKey": 5}, "/clientKey"),
        ({"clientKey": "x" * 256}, "/clientKey"),
        ({"clientKey": "acme key"}, "/clientKey"),
        ({"clientKey": "acme\ud800"}, "/clientKey"),
        ({"sharedSecret": ...}, "/sharedSecret"),
        ({"sharedSecret": ""}, "/sharedSecret"),
        ({"sharedSecret": "s" * 31}, "/sharedSecret"),
        ({"sharedSecret": "s" * 513}, "/sharedSecret"),
        ({"sharedSecret": "s" * 31 + "é"}, "/sharedSecret"),
        ({"sharedSecret": ["s"] * 40}, "/sharedSecret"),
        ({"baseUrl": ...}, "/baseUrl"),
        ({"baseUrl": 5}, "/baseUrl"),
        ({"oauthClientId": ""}, "/oauthClientId"),
        ({"oauthClientId": {}}, "/oauthClientId"),
    ],
)
def test_one_problem_is_one_fault(changes: Body, where: str) -> None:
    assert [fault.where for fault in faults_of(installed_with(**changes))] == [where]


def test_every_problem_is_listed_at_once_and_no_value_is_repeated() -> None:
    faults = faults_of(
        installed_with(
            key="k-bad",
            eventType="e-bad",
            clientKey="c bad",
            sharedSecret="s-bad",
            baseUrl="b-bad",
            displayUrl="d-bad",
            productType="p-bad",
            oauthClientId="o bad",
            installationId="i-bad",
        )
    )

    assert {fault.where for fault in faults} == {
        "/key",
        "/eventType",
        "/clientKey",
        "/sharedSecret",
        "/baseUrl",
        "/productType",
        "/oauthClientId",
    }
    assert len(faults) == 7
    assert not any("bad" in fault.detail for fault in faults)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"installed"',
        b"{",
        b"{'key': 1}",
        b'{"key": "\xff"}',
        b'{"key": NaN}',
        b'{"key": ' + b"9" * 5000 + b"}",
        b'{"key": ' + b"[" * 50_000,
        installed_with().decode().encode("utf-16"),
        b"\xef\xbb\xbf" + installed_with(),
        installed_with()[:-1] + b', "clientKey": "globex-0000-client-key"}',
        installed_with()[:-1] + b', "client\\u004bey": "globex-0000-client-key"}',
    ],
)
def test_what_is_not_one_plain_object_is_refused(body: bytes) -> None:
    assert [fault.where for fault in faults_of(body)] == [""]


@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        parsed(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
members = st.sampled_from(
    ["key", "clientKey", "sharedSecret", "baseUrl", "displayUrl", "productType", "eventType", "oauthClientId"]
)


@given(changes=st.dictionaries(members, json_values))
def test_members_of_any_type_are_judged_and_never_crash(changes: Body) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        installed = parsed(installed_with(**changes))
    except Invalid as invalid:
        faults = invalid.faults
    else:
        assert len(installed.shared_secret) >= 32
        assert installed.base_url.startswith(("https://", "http://127.0.0.1:8090"))

    assert {fault.where.removeprefix("/") for fault in faults} <= changes.keys()


NOTICES = [LifecycleEvent.ENABLED, LifecycleEvent.DISABLED, LifecycleEvent.UNINSTALLED]


@pytest.mark.parametrize("event", NOTICES)
def test_a_notice_is_read_whatever_addresses_it_holds(event: LifecycleEvent) -> None:
    body = installed_with(eventType=event.value, sharedSecret=..., baseUrl="http://old.example", displayUrl=5)

    notice = parse_notice(body, event=event, app_key=APP_KEY)

    assert notice == LifecycleNotice(
        event=event,
        client_key=notice.client_key,
        installation_ari="ari:cloud:ecosystem::installation/7d3f9b1c-8a52-4c6e-9d01-5e8b2f4a6c70",
    )
    assert notice.client_key == "acme-0000-client-key"


def test_a_notice_may_name_no_product_and_no_installation() -> None:
    body = installed_with(eventType="uninstalled", productType=..., installationId=...)

    notice = parse_notice(body, event=LifecycleEvent.UNINSTALLED, app_key=APP_KEY)

    assert notice.installation_ari is None


@pytest.mark.parametrize("event", NOTICES)
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"eventType": "installed"}, ["/eventType"]),
        ({"key": "another-app"}, ["/key"]),
        ({"clientKey": ...}, ["/clientKey"]),
        ({"productType": "jira"}, ["/productType"]),
        ({"key": ..., "clientKey": 5}, ["/key", "/clientKey"]),
    ],
)
def test_a_bad_notice_is_refused(event: LifecycleEvent, changes: Body, where: list[str]) -> None:
    body = installed_with(**({"eventType": event.value} | changes))

    with pytest.raises(Invalid) as invalid:
        parse_notice(body, event=event, app_key=APP_KEY)

    assert [fault.where for fault in invalid.value.faults] == where


def test_an_installed_body_is_not_a_notice() -> None:
    with pytest.raises(ValueError, match="parse_installed"):
        parse_notice(installed_with(), event=LifecycleEvent.INSTALLED, app_key=APP_KEY)
