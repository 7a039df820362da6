"""What a script may say."""

import pytest

from local.chat.script import BEHAVIOURS, ScriptInvalid, parse_script


def test_an_answer_has_its_defaults() -> None:
    script = parse_script({"answers": [{"status": 429, "headers": {"Retry-After": "7"}}]})

    (answer,) = script.answers
    assert not script.repeat
    assert (answer.status, answer.body, answer.delay_ms, answer.behaviour) == (429, "", 0, None)
    assert answer.headers == (("Retry-After", "7"),)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_behaviour_needs_no_status(behaviour: str) -> None:
    (answer,) = parse_script({"answers": [{"behaviour": behaviour}]}).answers

    assert answer.status == (307 if behaviour == "redirect" else 202)


def test_a_json_body_is_written_as_json() -> None:
    (answer,) = parse_script({"answers": [{"status": 400, "body": {"error": "x"}}]}).answers

    assert answer.body == '{"error": "x"}'


def test_a_script_survives_being_written_and_read() -> None:
    script = parse_script({"answers": [{"status": 200, "body": "1"}, {"behaviour": "close"}], "repeat": True})

    assert parse_script(script.as_json()) == script


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "The script must be an object."),
        ({}, "/answers must be a list of 1 to 1000 answers."),
        ({"answers": []}, "/answers must be a list of 1 to 1000 answers."),
        ({"answers": [{}]}, "/answers/0/status is missing."),
        ({"answers": [5]}, "/answers/0 must be an object."),
        ({"answers": [{"status": 99}]}, "/answers/0/status must be a number from 200 to 599."),
        ({"answers": [{"status": True}]}, "/answers/0/status must be a number from 200 to 599."),
        ({"answers": [{"status": 200, "delay": 1}]}, "/answers/0/delay is not known."),
        ({"answers": [{"status": 200, "delayMs": -1}]}, "/answers/0/delayMs must be a number from 0 to 120000."),
        ({"answers": [{"behaviour": "explode"}]}, "/answers/0/behaviour must be one of"),
        (
            {"answers": [{"status": 200, "headers": {"Content-Length": "1"}}]},
            "/answers/0/headers/Content-Length is not a header a script may set.",
        ),
        (
            {"answers": [{"status": 200, "headers": {"X-A": "1\r\nX-B: 2"}}]},
            "/answers/0/headers/X-A must be printable ASCII text.",
        ),
        ({"answers": [{"status": 200}], "repeat": 1}, "/repeat must be true or false."),
        ({"answers": [{"status": 200}], "loop": True}, "/loop is not known."),
    ],
)
def test_a_fault_is_named(document: object, problem: str) -> None:
    with pytest.raises(ScriptInvalid) as invalid:
        parse_script(document)

    assert any(found.startswith(problem) for found in invalid.value.problems)


def test_all_faults_are_named_together() -> None:
    with pytest.raises(ScriptInvalid) as invalid:
        parse_script({"answers": [{"status": 1}, {"status": 200, "delayMs": "x"}], "repeat": "yes"})

    assert len(invalid.value.problems) == 3
