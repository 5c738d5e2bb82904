import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest

from bandstand.errors import InputError
from bandstand.stats.offpolicy_sequence import OrderedSums, _log_wealth, off_policy_sequence
from bandstand.stats.weights import importance_weights

REFERENCE = Path(__file__).parents[1] / "reference" / "stats"
CASES = json.loads((REFERENCE / "off_policy_single.json").read_text())["cases"]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chunks", [1, 7])
def test_the_sequence_equals_that_of_vw_estimators(name: str, chunks: int) -> None:
    with gzip.open(REFERENCE / CASES[name]["csv"], "rt") as file:
        rows = np.genfromtxt(file, delimiter=",", names=True)
    weights = importance_weights(rows["p_pred"], rows["p_log"])
    sums = OrderedSums(most_guessed=math.inf)  # as theirs
    for r, w in zip(np.array_split(rows["r"], chunks), np.array_split(weights, chunks), strict=True):
        sums = sums.then(r, w)
    found = off_policy_sequence(sums)
    assert found.value == pytest.approx(CASES[name]["estimates"]["ips"], abs=1e-9)
    assert (found.low, found.high) == pytest.approx(CASES[name]["intervals"]["cs"], abs=1e-9)


def test_the_wealth_of_the_true_mean_does_not_grow_on_average_whatever_the_weights() -> None:
    # 20 rows of weight 3 were all rewarded, though the mean is 0.9; the next is worth 3 with chance 0.3, else 0.
    # What a bet may lose with a guess above 1 is bounded no more: there the wealth grew by half on average.
    before, mean = OrderedSums().then(np.ones(20), np.full(20, 3.0)), 0.9
    won, lost = before.then([1.0], [3.0]), before.then([0.0], [3.0])
    now, *after = (_log_wealth(each.low.total - each.n * mean, each.low.spread) for each in (before, won, lost))
    assert 0.3 * np.exp(after[0] - now) + 0.7 * np.exp(after[1] - now) <= 1


def test_it_moves_and_scales_with_the_rewards(rng: np.random.Generator) -> None:
    rewards, weights = rng.binomial(1, 0.3, size=3000), rng.exponential(size=3000)
    small = off_policy_sequence(OrderedSums().then(rewards, weights))
    large = off_policy_sequence(OrderedSums(reward_range=(-10.0, 40.0)).then(50.0 * rewards - 10, weights))
    assert (large.low, large.high) == pytest.approx((50 * small.low - 10, 50 * small.high - 10))


def test_a_longer_log_of_the_same_narrows_it() -> None:
    widths = []
    for times in (1, 10, 100):
        found = off_policy_sequence(OrderedSums().then([1, 0, 1, 0] * 25 * times, [0.5, 1.5, 1.5, 0.5] * 25 * times))
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]


def test_rewards_outside_their_range_are_refused_by_row() -> None:
    with pytest.raises(InputError, match="reward of row 1 is 2, must lie in"):
        OrderedSums().then([1.0, 2.0], [1.0, 1.0])
    with pytest.raises(InputError, match="must be finite and rise"):
        OrderedSums(reward_range=(1.0, 1.0)).then([1.0], [1.0])


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(InputError, match="the log has no rows"):
        off_policy_sequence(OrderedSums())
