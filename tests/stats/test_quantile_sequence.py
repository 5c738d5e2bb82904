import json
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.quantile_sequence import quantile_sequence

CONFSEQ = json.loads((Path(__file__).parents[1] / "reference/stats/sequential_constants.json").read_text())[
    "confseq_unit_tests"
]
PRINTED = CONFSEQ["quantile_ab_p_value(p,offset)"]


@pytest.mark.parametrize("name", PRINTED)
def test_p_values_equal_those_of_confseq_to_the_printed_digits(name: str) -> None:
    # its test: 1 … 1000 against the same moved by an offset, at a horizon of 100
    q, offset = (float(number) for number in name.split(","))
    rows = np.arange(1, 1001)
    for treatment, control in ((rows + offset, rows), (rows, rows + offset)):
        found = quantile_sequence(treatment, control, q, horizon=100)
        assert found.p_value == pytest.approx(PRINTED[name], abs=5.1e-7)


def test_the_interval_holds_what_the_test_does_not_refute(rng: np.random.Generator) -> None:
    treatment, control = rng.exponential(2.0, 300), rng.exponential(1.0, 400)
    found = quantile_sequence(treatment, control, 0.75, horizon=400)
    for shift in np.linspace(found.low - 0.2, found.high + 0.2, 60):
        moved = quantile_sequence(treatment - shift, control, 0.75, horizon=400)
        assert (moved.p_value > 0.05) == (found.low <= shift <= found.high)


def test_swapping_the_arms_turns_the_sign(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=200), rng.normal(0.3, 1, size=150)
    one, other = quantile_sequence(a, b, 0.5, horizon=200), quantile_sequence(b, a, 0.5, horizon=200)
    assert (other.low, other.high, other.p_value) == pytest.approx((-one.high, -one.low, one.p_value))


def test_ties_and_alike_values_tell_nothing_but_are_no_error() -> None:
    found = quantile_sequence([1, 1, 1, 2] * 50, [1, 1, 1, 2] * 50, 0.5, horizon=200)
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_few_rows_leave_the_interval_open() -> None:
    found = quantile_sequence([1.0, 2.0], [1.0, 2.0], 0.9, horizon=100)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_what_cannot_be_computed_is_refused() -> None:
    with pytest.raises(InputError, match=r"control has 1 row\(s\), needs 2; wait for more data"):
        quantile_sequence([1.0, 2.0], [1.0], 0.5, horizon=100)
    with pytest.raises(InputError, match="q is 1, must lie between 0 and 1"):
        quantile_sequence([1.0, 2.0], [1.0, 2.0], 1, horizon=100)
