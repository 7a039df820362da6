"""The structured logger: what can be expressed, what is dropped and counted, and what a line looks like."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import log as log_module
from lib.log import FIELDS, FieldRefused, Log, Value, configure, keyed_hash

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TENANT = keyed_hash(b"k" * 32, "tenant")
log = Log("test")


@pytest.fixture
def _lenient() -> Iterator[None]:
    before = log_module._switch.is_strict
    configure(strict=False)
    yield
    configure(strict=before)


@pytest.fixture
def _strict() -> Iterator[None]:
    before = log_module._switch.is_strict
    configure(strict=True)
    yield
    configure(strict=before)


@dataclass(frozen=True)
class Lines:
    """The lines written so far, parsed when asked for."""

    caplog: pytest.LogCaptureFixture

    def __getitem__(self, index: int) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.caplog.records[index].getMessage())
        return parsed


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.DEBUG, logger="cq")
    return Lines(caplog)


@pytest.mark.usefixtures("_strict")
def test_a_record_is_one_json_line_with_its_fields(lines: Lines) -> None:
    log.bind(trace_id=TRACE, tenant=TENANT).info("question.registered", status=201, duration_ms=3.5, kind="asked")

    line = lines[0]
    assert datetime.fromisoformat(str(line.pop("at"))).tzinfo is not None
    assert line == {
        "level": "info",
        "log": "test",
        "event": "question.registered",
        "trace_id": TRACE,
        "tenant": TENANT,
        "status": 201,
        "duration_ms": 3.5,
        "kind": "asked",
    }


@pytest.mark.usefixtures("_strict")
def test_levels_and_loggers_are_the_standard_ones(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cq")
    log.info("one")
    log.warning("two")
    log.error("three")

    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("cq.test", "INFO"),
        ("cq.test", "WARNING"),
        ("cq.test", "ERROR"),
    ]


@pytest.mark.usefixtures("_strict")
def test_binding_leaves_the_logger_it_started_from_alone(lines: Lines) -> None:
    bound = log.bind(count=1)
    bound.bind(count=2, attempt=3).info("a")
    bound.info("b", count=9)
    log.info("c")

    assert (lines[0]["count"], lines[0]["attempt"]) == (2, 3)
    assert lines[1]["count"] == 9
    assert "count" not in lines[2]


GOOD: dict[str, Value] = {
    "trace_id": TRACE,
    "tenant": TENANT,
    "account": TENANT,
    "route": "/api/v1/questions/{id}",
    "method": "PATCH",
    "status": 200,
    "duration_ms": 12.5,
    "code": "channel_not_found",
    "kind": "teams",
    "event_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "delivery_id": 7,
    "destination_id": "12",
    "attempt": 1,
    "outcome": "Retry",
    "reason": "refused-address",
    "http_status": 503,
    "count": 0,
    "queue": "cq-deliver",
    "function": "deliver",
    "error_type": "OperationalError",
    "error_number": 40613,
    "host": "example.atlassian.net",
    "version": "1.2.3",
    "state": "disabled",
    "retry_after_s": None,
}


@pytest.mark.usefixtures("_strict")
@pytest.mark.parametrize("name", GOOD)
def test_each_field_takes_what_it_is_for(name: str, lines: Lines) -> None:
    log.info("x", **{name: GOOD[name]})

    assert lines[0][name] == GOOD[name]


BAD: list[tuple[str, Value]] = [
    ("title", "How do I?"),
    ("url", "https://x/?sig=a"),
    ("body", "text"),
    ("display_name", "Alice"),
    ("tenant", "7"),
    ("tenant", "client-key"),
    ("account", "557058:a11ce000-0000-4000-8000-000000000001"),
    ("trace_id", TRACE.upper()),
    ("trace_id", TRACE + "\n"),
    ("route", "/api/v1/questions?jwt=x"),
    ("route", "/api/v1/questions/\n"),
    ("route", "api"),
    ("method", "GET /"),
    ("code", "two words"),
    ("code", "a" * 65),
    ("code", ""),
    ("reason", "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJjIn0"),
    ("reason", "xoxb-1234-5678"),
    ("kind", "alice@example.com"),
    ("event_id", "eyJhbGciOiJIUzI1NiJ9"),
    ("host", "https://example.com"),
    ("host", "user@example.com"),
    ("status", "200"),
    ("status", True),
    ("count", float("inf")),
    ("count", float("nan")),
    ("count", 2**63),
    ("kind", 7),
    ("unknown", None),
]


@pytest.mark.usefixtures("_strict")
@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_does_not_fit_is_an_error_in_tests(name: str, value: Value) -> None:
    with pytest.raises(FieldRefused) as caught:
        log.info("x", **{name: value})

    assert name in str(caught.value)
    assert value is None or not isinstance(value, str) or not value or value not in str(caught.value)


@pytest.mark.usefixtures("_lenient")
@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_does_not_fit_is_dropped_and_counted_in_production(name: str, value: Value, lines: Lines) -> None:
    log.info("x", attempt=1, **{name: value})

    assert lines[0]["attempt"] == 1
    assert name not in lines[0]
    assert lines[0]["dropped_fields"] == 1


@pytest.mark.usefixtures("_lenient")
def test_what_binding_drops_is_counted_too(lines: Lines) -> None:
    log.bind(title="a", tenant=TENANT).bind(name="b").info("x", url="c")

    assert lines[0]["dropped_fields"] == 3
    assert lines[0]["tenant"] == TENANT


@pytest.mark.usefixtures("_strict")
def test_strictness_holds_below_the_level_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="cq")

    with pytest.raises(FieldRefused):
        log.info("x", title="a")


@pytest.mark.usefixtures("_lenient")
def test_below_the_level_nothing_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="cq")
    log.info("x")

    assert caplog.records == []


@pytest.mark.usefixtures("_lenient")
@pytest.mark.parametrize("event", ["", "Two Words", "a b", "a\nb", "ä", "a" * 65, "user=alice", "a..b"])
def test_an_event_name_is_a_constant_word(event: str, lines: Lines) -> None:
    log.info(event)
    assert lines[0]["event"] == "log.malformed-event"
    configure(strict=True)
    with pytest.raises(FieldRefused):
        log.info(event)


@pytest.mark.usefixtures("_strict")
def test_an_error_is_told_by_type_message_and_place_with_its_causes(lines: Lines) -> None:
    secret = "canary-local"
    try:
        try:
            json.loads('"password=canary-a')
        except ValueError as cause:
            raise LookupError(f"bad row\nforged {len(secret)}") from cause
    except LookupError as error:
        log.error("it.failed", error=error, code="x")

    errors = lines[0]["errors"]
    assert isinstance(errors, list)
    assert [fact["type"] for fact in errors] == ["LookupError", "JSONDecodeError"]
    assert errors[0]["message"] == "bad row\\u{a}forged 12"
    assert errors[0]["frames"][0].startswith("lib/test_log.py:")
    assert "canary" not in json.dumps(lines[0])


@pytest.mark.usefixtures("_lenient")
@given(fields=st.dictionaries(st.sampled_from(sorted(FIELDS)), st.one_of(st.text(), st.integers(), st.floats())))
def test_any_values_give_one_parsable_line(fields: dict[str, Value]) -> None:
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler, logger = Keep(), logging.getLogger("cq.test")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        log.info("x", **fields)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)

    assert len(written) == 1
    assert len(written[0].splitlines()) == 1
    assert written[0].isascii()
    parsed = json.loads(written[0], parse_constant=pytest.fail)
    assert len(parsed.keys() & FIELDS) + parsed.get("dropped_fields", 0) == len(fields)


def test_a_keyed_hash_depends_on_key_and_value() -> None:
    key = b"k" * 32

    assert keyed_hash(key, "7") == keyed_hash(key, "7")
    assert len({keyed_hash(key, "7"), keyed_hash(key, "8"), keyed_hash(b"l" * 32, "7")}) == 3
    assert len(keyed_hash(key, "ä")) == 16
    # HMAC-SHA256 of RFC 4231, test case 2, cut to 16 digits.
    assert keyed_hash(b"Jefe", "what do ya want for nothing?") == "5bdcc146bf60754e"


def test_importing_it_loads_nothing_heavy_and_compiles_no_pattern_of_the_scrubber() -> None:
    program = (
        "import sys, lib.log, lib.redaction as r; print(r._patterns.cache_info().currsize, "
        "[m for m in ('cryptography', 'requests', 'urllib3', 'azure', 'email') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == (
        "0 []\n"
    )
