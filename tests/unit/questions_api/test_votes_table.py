"""The transition table of votes, cell by cell."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from questions_api.votes.casting import Transition, Value, transition

VALUES: tuple[Value, ...] = (-1, 0, 1)


@pytest.mark.parametrize(
    ("held", "wanted", "score", "up", "down"),
    [
        (-1, -1, 0, 0, 0),
        (-1, 0, 1, 0, -1),
        (-1, 1, 2, 1, -1),
        (0, -1, -1, 0, 1),
        (0, 0, 0, 0, 0),
        (0, 1, 1, 1, 0),
        (1, -1, -2, -1, 1),
        (1, 0, -1, -1, 0),
        (1, 1, 0, 0, 0),
    ],
)
def test_each_cell(held: Value, wanted: Value, score: int, up: int, down: int) -> None:
    assert transition(held, wanted) == Transition(score, up, down)


@pytest.mark.parametrize(("held", "wanted"), list(product(VALUES, VALUES)))
def test_going_back_undoes_it(held: Value, wanted: Value) -> None:
    there, back = transition(held, wanted), transition(wanted, held)
    assert (there.score, there.up, there.down) == (-back.score, -back.up, -back.down)


@given(st.lists(st.sampled_from(VALUES)))
def test_steps_add_up_to_the_last_value(values: list[Value]) -> None:
    held: Value = 0
    score = up = down = 0
    for value in values:
        step = transition(held, value)
        score, up, down, held = score + step.score, up + step.up, down + step.down, value

    assert score == up - down == held
    assert (up, down) == (int(held == 1), int(held == -1))
