import json
import re
from pathlib import Path

import pytest

from bandstand.errors import InputError
from bandstand.stats.rate_sequence import rate_sequence

CONFSEQ = json.loads((Path(__file__).parents[1] / "reference/stats/sequential_constants.json").read_text())[
    "confseq_unit_tests"
]
INTERVALS = {name: ends for name, ends in CONFSEQ.items() if name.startswith("bernoulli_confidence_interval")}


@pytest.mark.parametrize("name", INTERVALS)
def test_intervals_equal_those_of_confseq_to_the_printed_digits(name: str) -> None:
    successes, n, alpha, horizon = (float(number) for number in re.findall(r"[\d.]+", name))
    found = rate_sequence(int(successes), int(n), alpha=alpha, horizon=horizon)
    assert (found.low, found.high) == pytest.approx(INTERVALS[name], abs=2e-6)  # six digits, some of them cut


def test_a_rate_at_the_end_of_the_interval_has_the_p_value_alpha() -> None:
    low = rate_sequence(30, 200, horizon=200).low
    assert rate_sequence(30, 200, against=low, horizon=200).p_value == pytest.approx(0.05, rel=1e-6)


def test_without_failures_or_successes_the_interval_ends_at_the_edge() -> None:
    none, every = rate_sequence(0, 50, horizon=50), rate_sequence(50, 50, horizon=50)
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - every.low, rel=1e-6)
    assert 0.05 < none.high < 0.25


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InputError, match=r"0 successes of 0 trials.*wait for the first"):
        rate_sequence(0, 0, horizon=100)
    with pytest.raises(InputError, match="against is 1, must lie between 0 and 1"):
        rate_sequence(1, 2, against=1, horizon=100)
